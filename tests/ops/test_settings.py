"""Settings of operations that are tensors: a slope, a bound, a rate. Each gets its gradient, or TypeError says what to write."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.nn.losses.modules import Loss
from autograd_mini.testing import primitive_check

X = np.array([[-1.3, 0.4, 2.2], [0.7, -0.2, 1.1]])
IMAGE = np.arange(16.0).reshape(1, 1, 4, 4)
SEQUENCE = np.arange(24.0).reshape(3, 2, 4) / 24
OTHER = np.array([[0.5, -0.6, 1.9], [0.1, 0.3, -0.4]])
AFFINE = np.array([1.2, 0.7, 0.4])


def clipped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the gradient of one parameter, in place of the function of the parameter."""

    def run(**settings: Any) -> Any:
        w = Tensor(X, requires_grad=True)
        (w * OTHER).sum().backward()
        return function([w], **settings)

    return run


def layer(make: type[nn.Module], x: np.ndarray = X, **given: Any) -> Callable[..., Any]:
    """The output of a layer in training, as a function of its settings."""

    def run(**settings: Any) -> Any:
        with ag.fork_rng(0):
            return make(**given, **settings)(x)

    return run


def critic(x: Any) -> Any:
    return (x * x).sum(1)


def penalty(**settings: Any) -> Any:
    with ag.fork_rng(0):
        return nn.gradient_penalty(critic, X, OTHER, **settings)


def sequence_layer(make: type[nn.Module], copies: int = 1, **given: Any) -> Callable[..., Any]:
    """`layer` for a sequence, which is passed `copies` times; the first of the results."""

    def run(**settings: Any) -> Any:
        with ag.fork_rng(0):
            results = make(**given, **settings)(*[SEQUENCE] * copies)
            return results[0] if isinstance(results, tuple) else results

    return run


RECURRENT = {"input_size": 4, "hidden_size": 3, "num_layers": 2}
TRANSFORMER = {"d_model": 4, "nhead": 2, "dim_feedforward": 3}
CALLS: dict[str, Callable[..., Any]] = {
    "celu": lambda alpha: ag.celu(X, alpha),
    "group_norm": lambda eps: ag.group_norm(X, 3, eps=eps),
    "hardshrink": lambda lambd: ag.hardshrink(X, lambd),
    "instance_norm": lambda eps: ag.instance_norm(IMAGE, eps=eps),
    "rms_norm": lambda eps: ag.rms_norm(X, 3, eps=eps),
    "scaled_dot_product_attention": lambda **settings: ag.scaled_dot_product_attention(X, X, X, **settings),
    "softshrink": lambda lambd: ag.softshrink(X, lambd),
    "threshold": lambda **settings: ag.threshold(X, **{"threshold": 0.1, "value": 0.2, **settings}),
    "CELU": layer(nn.CELU),
    "GroupNorm": layer(nn.GroupNorm, num_groups=1, num_channels=3),
    "GRU": sequence_layer(nn.GRU, **RECURRENT),
    "Hardshrink": layer(nn.Hardshrink),
    "InstanceNorm1d": layer(nn.InstanceNorm1d, num_features=2, track_running_stats=True),
    "InstanceNorm2d": layer(nn.InstanceNorm2d, IMAGE, num_features=1),
    "InstanceNorm3d": layer(nn.InstanceNorm3d, IMAGE[None], num_features=1),
    "LSTM": sequence_layer(nn.LSTM, **RECURRENT),
    "MultiheadAttention": sequence_layer(nn.MultiheadAttention, 3, embed_dim=4, num_heads=2),
    "PReLU": layer(nn.PReLU),
    "RMSNorm": layer(nn.RMSNorm, normalized_shape=3),
    "RNN": sequence_layer(nn.RNN, **RECURRENT),
    "Softshrink": layer(nn.Softshrink),
    "Threshold": lambda **settings: nn.Threshold(**{"threshold": 0.1, "value": 0.2, **settings})(X),
    "Transformer": sequence_layer(nn.Transformer, 2, num_encoder_layers=1, num_decoder_layers=1, **TRANSFORMER),
    "TransformerDecoderLayer": sequence_layer(nn.TransformerDecoderLayer, 2, **TRANSFORMER),
    "TransformerEncoderLayer": sequence_layer(nn.TransformerEncoderLayer, **TRANSFORMER),
    "arange": lambda bounds: ag.arange(bounds),
    "batch_norm": lambda eps: ag.batch_norm(X, eps=eps)[0],
    "batch_norm_inference": lambda eps: ag.batch_norm_inference(X, AFFINE, AFFINE, eps=eps),
    "dropout": lambda p: ag.dropout(X, p),
    "elu": lambda alpha: ag.elu(X, alpha),
    "full": lambda value: ag.full(3, value, np.float64),
    "full_like": lambda value: ag.full_like(X, value),
    "hardtanh": lambda **bounds: ag.hardtanh(X, **{"min_val": -0.5, "max_val": 1.5, **bounds}),
    "clip": lambda **bounds: ag.clip(X, **{"lo": -0.5, "hi": 1.5, **bounds}),
    "layer_norm": lambda eps: ag.layer_norm(X, 3, eps=eps),
    "leaky_relu": lambda negative_slope: ag.leaky_relu(X, negative_slope),
    "linspace": lambda **ends: ag.linspace(**{"start": 0.1, "stop": 2.0, **ends}, dtype=np.float64),
    "nan_to_num": lambda nan: ag.nan_to_num(np.array([1.0, np.nan]), nan),
    "norm": lambda **exponent: ag.norm(X, **exponent),
    "pad": lambda constant_values: ag.pad(X, 1, constant_values=constant_values),
    "upsample": lambda scale_factor: ag.upsample(IMAGE, scale_factor),
    "interpolate": lambda scale_factor: ag.interpolate(IMAGE, scale_factor=scale_factor),
    "cdist": lambda p: ag.cdist(X, OTHER, p),
    "var": lambda ddof: ag.var(X, ddof=ddof),
    "std": lambda ddof: ag.std(X, ddof=ddof),
    "clip_grad_norm": clipped(lambda ws, **settings: nn.clip_grad_norm(ws, **{"max_norm": 1.0, **settings})),
    "clip_grad_value": clipped(nn.clip_grad_value),
    "cross_entropy": lambda label_smoothing: nn.cross_entropy(X, [0, 2], label_smoothing=label_smoothing),
    "gaussian_nll_loss": lambda eps: nn.gaussian_nll_loss(X, OTHER, np.abs(X), eps=eps),
    "huber_loss": lambda delta: nn.huber_loss(X, OTHER, delta=delta),
    "gradient_penalty": penalty,
    "semi_supervised_loss": lambda unsupervised_weight: nn.semi_supervised_loss(
        X, [0, 1], OTHER, X, unsupervised_weight=unsupervised_weight
    ),
    "lstsq": lambda rcond: ag.lstsq(X.T, AFFINE, rcond=rcond).solution,
    "pinv": lambda rcond: ag.pinv(X, rcond=rcond),
    "smooth_l1_loss": lambda beta: nn.smooth_l1_loss(X, OTHER, beta=beta),
    "BatchNorm1d": layer(nn.BatchNorm1d, num_features=3),
    "BatchNorm2d": layer(nn.BatchNorm2d, IMAGE, num_features=1),
    "BatchNorm3d": layer(nn.BatchNorm3d, IMAGE[None], num_features=1),
    "ConstantPad1d": layer(nn.ConstantPad1d, padding=1),
    "ConstantPad2d": layer(nn.ConstantPad2d, IMAGE, padding=1),
    "ConstantPad3d": layer(nn.ConstantPad3d, IMAGE, padding=1),
    "Dropout": layer(nn.Dropout),
    "Dropout2d": layer(nn.Dropout2d),
    "ELU": layer(nn.ELU),
    "Embedding": lambda **settings: layer(nn.Embedding, np.array([0, 1]), num_embeddings=3, embedding_dim=2)(
        **{"max_norm": 1.0, **settings}
    ),
    "GaussianNoise": layer(nn.GaussianNoise),
    "Hardtanh": layer(nn.Hardtanh),
    "LayerNorm": layer(nn.LayerNorm, normalized_shape=3),
    "LeakyReLU": layer(nn.LeakyReLU),
    "Softplus": layer(nn.Softplus),
    "SpectralNorm": lambda eps: nn.SpectralNorm(nn.Linear(3, 2), eps=eps)(X),
    "Upsample": layer(nn.Upsample, IMAGE),
    "SyncBatchNorm": layer(nn.SyncBatchNorm, num_features=3),
    "VirtualBatchNorm": lambda eps: nn.VirtualBatch(nn.VirtualBatchNorm(3, eps=eps), OTHER)(X),
}
ADDED: dict[str, tuple[str, ...]] = {  # settings that are not annotated as floats, because they may be tensors or ints
    "clip": ("lo", "hi"), "elu": ("alpha",), "hardtanh": ("min_val", "max_val"), "leaky_relu": ("negative_slope",),
    "celu": ("alpha",), "threshold": ("value",), "full": ("value",), "full_like": ("value",), "pad": ("constant_values",), "std": ("ddof",), "var": ("ddof",),
}  # fmt: skip
DIFFERENTIABLE = {
    ("celu", "alpha"), ("CELU", "alpha"), ("threshold", "value"), ("Threshold", "value"),
    ("full", "value"), ("full_like", "value"), ("clip", "hi"), ("clip", "lo"), ("elu", "alpha"), ("gradient_penalty", "target"),
    ("hardtanh", "max_val"), ("hardtanh", "min_val"), ("leaky_relu", "negative_slope"),
    ("nan_to_num", "nan"), ("pad", "constant_values"), ("semi_supervised_loss", "unsupervised_weight"),
    ("ELU", "alpha"), ("GaussianNoise", "std"), ("Hardtanh", "max_val"), ("Hardtanh", "min_val"), ("LeakyReLU", "negative_slope"),
    ("Softplus", "beta"),
}  # fmt: skip


def of_operations(module: Any) -> list[tuple[str, str]]:
    """Every parameter of a public function or layer that is a float, with its function."""
    found = []
    for name in dir(module):
        thing = getattr(module, name)
        if inspect.isclass(thing) and issubclass(thing, Loss):
            continue  # they call the functions
        if name.startswith("_") or not (inspect.isfunction(thing) or (inspect.isclass(thing) and issubclass(thing, nn.Module))):
            continue
        for p in inspect.signature(thing).parameters.values():
            if re.search(r"\bfloat\b", str(p.annotation)) or p.name in ADDED.get(name, ()):
                found.append((name, p.name))
    return found


SETTINGS = [*of_operations(ag), *of_operations(nn)]


def test_every_public_function_and_layer_with_a_float_is_here() -> None:
    assert {name for name, _ in SETTINGS} == CALLS.keys()
    assert set(SETTINGS) > DIFFERENTIABLE


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_setting_that_requires_a_gradient_gets_it_or_raises(name: str, setting: str) -> None:
    """The gradient is that of central differences with numbers; TypeError names the function, the setting and its value."""
    value, sign = 0.37, -1 if setting in ("lo", "min_val") else 1
    given = Tensor(np.array(sign * value), requires_grad=True)
    if (name, setting) not in DIFFERENTIABLE:
        with pytest.raises(
            TypeError,
            match=rf"(?i){name}: (a bound|{setting}) must be a number, because no gradient reaches it, got Tensor\(0.37",
        ):
            CALLS[name](**{setting: given})
        return
    weights = np.random.default_rng(0).normal(size=CALLS[name](**{setting: sign * value}).shape)
    found = ag.grad((CALLS[name](**{setting: given}) * weights).sum(), given)
    ends = [(CALLS[name](**{setting: sign * value + step}).data * weights).sum() for step in (1e-6, -1e-6)]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.data, (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-8)
    assert ends[0] != ends[1], "the setting has no effect, so its gradient shows nothing"


@pytest.mark.parametrize(("name", "setting"), sorted(set(SETTINGS) - DIFFERENTIABLE))
def test_a_constant_tensor_is_a_number(name: str, setting: str) -> None:
    """Only tensors that require a gradient are refused: where a float is allowed, so is a tensor without a gradient."""
    value = 2.0 if setting == "scale_factor" else 0.5
    with ag.fork_rng(0):
        expected = CALLS[name](**{setting: value})
    with ag.fork_rng(0):
        found = CALLS[name](**{setting: Tensor(value)})
    np.testing.assert_array_equal(*(x.data if isinstance(x, Tensor) else x for x in (found, expected)))


# -- learnable slopes and bounds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_learnable_slope_gives_the_values_and_gradients_of_a_number(dtype: type) -> None:
    """For every sign of the slope and at 0, ±inf and nan."""
    x = np.array([-2.0, -0.0, 0.0, 3.0, np.inf, -np.inf, np.nan], dtype)
    for function in (ag.leaky_relu, ag.elu):
        for slope in (0.0, 0.3, 1.0, 1.7):
            results = []
            for given in (slope, Tensor(np.array(slope, dtype))):
                t = Tensor(x, requires_grad=True)
                with np.errstate(all="ignore"):
                    y = function(t, given)
                    results.append((y.data, ag.grad(y.sum(), t).data))
            if slope == 0.0 and function is ag.leaky_relu:
                x = x[:5]  # 0 · −inf is nan
            np.testing.assert_array_equal(results[1][0], results[0][0])
            np.testing.assert_allclose(results[1][1], results[0][1], rtol=4 * np.finfo(dtype).eps)


def test_a_slope_for_each_channel_gets_the_sum_over_the_others() -> None:
    """PReLU: ∂L/∂s_c = Σ δ min(x, 0) over the batch."""
    s = Tensor(np.array([0.1, 0.2, 0.3]), requires_grad=True)
    found = ag.grad((ag.leaky_relu(X, s) * OTHER).sum(), s)
    np.testing.assert_allclose(found.data, (np.minimum(X, 0) * OTHER).sum(0), rtol=1e-14)
    for function in (ag.leaky_relu, ag.elu):
        assert primitive_check(function, X, np.array([0.1, 0.2, 0.3]))


def test_layers_train_their_slopes_and_bounds() -> None:
    net = nn.Sequential(
        nn.LeakyReLU(nn.Parameter(0.25)), nn.ELU(nn.Parameter([0.5, 1.0, 1.5])), nn.Hardtanh(max_val=nn.Parameter(1.0))
    )
    assert [name for name, _ in net.named_parameters()] == ["0.negative_slope", "1.alpha", "2.max_val"]
    net(X).sum().backward()
    assert all(p.grad is not None and np.any(p.grad.data != 0) for p in net.parameters())


def test_a_scalar_bound_keeps_its_slope_beside_a_tensor_bound() -> None:
    """0 to x at a number, ½ at a tensor, in every mixture."""
    x = Tensor(np.array([0.0, 1.0]), requires_grad=True)
    lo, hi = Tensor(np.zeros(2)), Tensor(np.ones(2))
    for bounds, expected in (((0.0, 1.0), [0, 0]), ((lo, 1.0), [0.5, 0]), ((0.0, hi), [0, 0.5]), ((lo, hi), [0.5, 0.5])):
        assert ag.grad(ag.clip(x, *bounds).sum(), x).tolist() == expected


def test_class_weights_are_learnable() -> None:
    """The mean divides by the sum of the weights, which has its share in the gradient."""
    for ignore in (None, 1):
        assert primitive_check(
            lambda x, w, i=ignore: nn.cross_entropy(x, [0, 2, 1], weight=w, ignore_index=i),
            np.random.default_rng(0).normal(size=(3, 3)), AFFINE,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: ag.hardtanh(X, 2, 1), r"hardtanh: expected min_val ≤ max_val, got min_val=2 and max_val=1"),
        (lambda: nn.Hardtanh(2.0, 1.0)(X), r"hardtanh: expected min_val ≤ max_val"),
        (lambda: ag.rot90(X, axes=(0,)), r"rot90: expected a pair of axes, such as \(0, 1\), got axes=\(0,\)"),
        (lambda: ag.embedding(1.0, [0]), r"embedding: expected a weight of shape \(entries, dim\), got a 0-d tensor"),
        (lambda: ag.pad(X, (-1, 0)), r"pad: pad_width must hold ints of at least 0, got \(-1, 0\)"),
        (lambda: ag.pad(X, -1, mode="edge"), r"pad: pad_width must hold ints of at least 0, got -1"),
        (lambda: ag.conv2d(IMAGE, IMAGE, padding=-1), r"conv2d: padding must be at least 0, got -1"),
        (lambda: ag.max_pool2d(IMAGE, 2, padding=(-1, 0)), r"max_pool2d: padding must be at least 0, got \(-1, 0\)"),
        (lambda: ag.pad(X, 1, constant_values=[1.0, 2.0]), r"pad: constant_values must be one number, got \[1.0, 2.0\]"),
        (lambda: nn.nll_loss(X, OTHER[:1]), "^nll_loss: logits"),
        (lambda: nn.nll_loss(X, [0, 1], weight=[1.0]), "^nll_loss: 3 classes need a weight"),
        (lambda: nn.nll_loss(X[None], [0, 1]), "^nll_loss: logits"),
    ],
)
def test_bad_settings_say_what_was_wrong(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()


@pytest.mark.parametrize("value", ["a", None, [1.0, 2.0], np.ones(2)])
def test_a_setting_must_be_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"norm: ord must be a number, got"):
        ag.norm(X, value)
