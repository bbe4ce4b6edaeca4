"""Every public function and layer compiles: values and gradients of replays have the bits of eager mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jit_calls import CALLS, FUNCTIONS, IMAGE, LABELS, SEQUENCE, SERIES, VOLUME, FirstOutput, M
from jit_helpers import tensors_in

import autograd_mini as ag
from autograd_mini import Tensor, nn

POOLS = ("AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool")


class UnpoolNet(nn.Module):
    """Max pooling and its inverse."""

    def __init__(self, axes: int):
        self.pool = getattr(nn, f"MaxPool{axes}d")(2, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{axes}d")(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.unpool(*self.pool(x), output_size=x.shape)


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    **{f"{name}1d": (lambda f=getattr(nn, f"{name}1d"): f(2), SERIES) for name in POOLS},
    **{f"{name}3d": (lambda f=getattr(nn, f"{name}3d"): f(2), VOLUME) for name in POOLS},
    **{
        f"{name}{axes}d": (lambda f=getattr(nn, f"{name}{axes}d"): f(1), shape)
        for name in ("CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad")
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"ConstantPad{axes}d": (lambda f=getattr(nn, f"ConstantPad{axes}d"): f(1, 0.5), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"MaxUnpool{axes}d": (lambda axes=axes: UnpoolNet(axes), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((None, 3)), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(1), VOLUME),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2, padding=1, padding_mode="circular"), VOLUME),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(1, 2, 3, dilation=2, output_padding=1), SERIES),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(1, 2, 2, stride=2), VOLUME),
    "Fold": (lambda: nn.Sequential(nn.Unfold(2), nn.Fold(4, 2)), IMAGE),
    "PixelShuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Tanh(), nn.PixelShuffle(2)), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "Unfold": (lambda: nn.Unfold(2), IMAGE),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), M),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(1), IMAGE),
    "Conv1d": (lambda: nn.Conv1d(1, 2, 3), (2, 1, 5)),
    "Conv2d": (lambda: nn.Conv2d(1, 2, 3), IMAGE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(1, 2, 3), IMAGE),
    "Dropout2d": (nn.Dropout2d, IMAGE),
    "ELU": (lambda: nn.ELU(nn.Parameter(0.7)), M),
    "Embedding": (lambda: nn.Sequential(nn.Lambda(lambda x: (x > 0).astype("int64")), nn.Embedding(2, 3)), M),
    "Flatten": (nn.Flatten, IMAGE),
    "CELU": (lambda: nn.CELU(nn.Parameter(0.7)), M),
    "GLU": (nn.GLU, (3, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(1, 3), M),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(1, affine=True), SERIES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(1, affine=True, track_running_stats=True), IMAGE),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(1), VOLUME),
    "PReLU": (lambda: nn.PReLU(3), M),
    "RMSNorm": (lambda: nn.RMSNorm(3), M),
    "Softmax2d": (nn.Softmax2d, IMAGE),
    "Threshold": (lambda: nn.Threshold(0.2, -1.0), M),
    "GRU": (lambda: FirstOutput(nn.GRU(3, 2, 2, dropout=0.5)), SEQUENCE),
    "GRUCell": (lambda: nn.GRUCell(3, 2), M),
    "GaussianNoise": (lambda: nn.GaussianNoise(nn.Parameter(0.3)), M),
    "Hardtanh": (lambda: nn.Hardtanh(max_val=nn.Parameter(0.5)), M),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Tanh()), M),
    "Lambda": (lambda: nn.Lambda(ag.sin), M),
    "LSTM": (lambda: FirstOutput(nn.LSTM(3, 2, bidirectional=True, batch_first=True)), SEQUENCE),
    "LSTMCell": (lambda: FirstOutput(nn.LSTMCell(3, 2)), M),
    "LayerNorm": (lambda: nn.LayerNorm(3), M),
    "LeakyReLU": (lambda: nn.LeakyReLU(nn.Parameter(0.2)), M),
    "Linear": (lambda: nn.Linear(3, 2), M),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "MinibatchDiscrimination": (lambda: nn.MinibatchDiscrimination(3, 2), M),
    "ModuleDict": (lambda: nn.ModuleDict({"a": nn.Linear(3, 2)})["a"], M),
    "ModuleList": (lambda: nn.ModuleList([nn.Linear(3, 2)])[0], M),
    "MultiheadAttention": (lambda: FirstOutput(nn.MultiheadAttention(6, 2, 0.3), 3), (4, 2, 6)),
    "RNN": (lambda: FirstOutput(nn.RNN(3, 2, nonlinearity="relu")), SEQUENCE),
    "RNNCell": (lambda: nn.RNNCell(3, 2), M),
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()), M),
    "SpectralNorm": (lambda: nn.SpectralNorm(nn.Linear(3, 2)), M),
    "Transformer": (lambda: FirstOutput(nn.Transformer(6, 2, 1, 1, 5), 2), (4, 2, 6)),
    "TransformerDecoder": (
        lambda: FirstOutput(nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5), 2), 2),
        (4, 2, 6),
    ),
    "TransformerDecoderLayer": (lambda: FirstOutput(nn.TransformerDecoderLayer(6, 2, 5, norm_first=True), 2), (4, 2, 6)),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5), 2, nn.LayerNorm(6)),
        (4, 2, 6),
    ),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(6, 2, 5, activation="gelu"), (4, 2, 6)),
    "Unflatten": (lambda: nn.Unflatten(1, (3, 1)), M),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "VirtualBatch": (lambda: nn.VirtualBatch(nn.Linear(3, 2), np.ones((2, 3), np.float32)), M),
    "VirtualBatchNorm": (lambda: nn.VirtualBatch(nn.VirtualBatchNorm(3), [[-1.0, 0.5, 2.0], [1.0, 0.0, 3.0]]), M),
    "WeightNorm": (lambda: nn.WeightNorm(nn.Linear(3, 2)), M),
}
TARGETS = np.array([[0.2, 0.9, 0.5], [0.1, 0.4, 0.7], [0.3, 0.6, 0.8]])
SIGNS = np.array([1.0, -1.0, 1.0])
LOSSES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    **{name: lambda loss, x: loss(x, TARGETS.astype(x.dtype)) for name in (
        "BCEWithLogitsLoss", "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "PoissonNLLLoss",
    )},
    "BCELoss": lambda loss, x: loss(ag.sigmoid(x), TARGETS.astype(x.dtype)),
    "CosineEmbeddingLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), SIGNS.astype(x.dtype)),
    "CrossEntropyLoss": lambda loss, x: loss(x, LABELS),
    "GaussianNLLLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), x * x + 1),
    "HingeEmbeddingLoss": lambda loss, x: loss(x, np.sign(TARGETS - 0.5 + 0.01).astype(x.dtype)),
    "KLDivLoss": lambda loss, x: loss(ag.log_softmax(x, axis=1), TARGETS.astype(x.dtype)),
    "MarginRankingLoss": lambda loss, x: loss(x[0], x[1], SIGNS.astype(x.dtype)),
    "MultiLabelSoftMarginLoss": lambda loss, x: loss(x, np.round(TARGETS).astype(x.dtype)),
    "NLLLoss": lambda loss, x: loss(ag.log_softmax(x, axis=1), LABELS),
    "SoftMarginLoss": lambda loss, x: loss(x, np.sign(TARGETS - 0.5 + 0.01).astype(x.dtype)),
    "TripletMarginLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), 2 * TARGETS.astype(x.dtype)),
}  # fmt: skip
LAYERS |= {name: (lambda name=name: nn.Lambda(lambda x, loss=getattr(nn, name)(): LOSSES[name](loss, x)), M) for name in LOSSES}
LAYERS |= {
    "ParameterDict": (lambda: nn.Lambda(lambda x, p=nn.ParameterDict({"a": nn.Parameter(0.5)}): x * p["a"]), M),
    "ParameterList": (lambda: nn.Lambda(lambda x, p=nn.ParameterList([nn.Parameter(0.5)]): x * p[0]), M),
}
PLAIN = {  # layers without arguments
    "GELU", "SELU", "Dropout", "LogSigmoid", "LogSoftmax", "Mish", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softplus",
    "Softsign", "Tanh", "Hardshrink", "Hardsigmoid", "Hardswish", "Softmin", "Softshrink", "Tanhshrink",
}  # fmt: skip
LAYERS |= {name: (getattr(nn, name), M) for name in PLAIN}
VALUE_DEPENDENT = {
    "argwhere": lambda x: ag.argwhere(x > 0),
    "nonzero": lambda x: ag.nonzero(x > 0),
    "masked_select": lambda x: ag.masked_select(x, x > 0),
    "getitem at a mask": lambda x: x[x > 0],
    "index_add of values at a mask": lambda x: ag.index_add(x, (x > 0, None), x[x > 0][:, None]),
}
NOT_OPERATIONS = {  # settings, tools, and what must run outside a compiled step (tested in test_jit.py)
    "jit", "default_dtype", "set_default_dtype", "detect_anomaly", "fork_rng", "from_numpy", "generator", "get_rng_state", "set_rng_state",
    "manual_seed", "is_recording", "keep_memory", "primitive", "profile", "threads", "set_grad_enabled", "no_grad", "enable_grad",
    "scipy_function", "multinomial",
    "nn.clip_grad_norm", "nn.clip_grad_value", "nn.data_dependent_init", "nn.evaluation", "nn.load", "nn.load_metadata", "nn.save",
    "nn.summary",
}  # fmt: skip


def test_every_public_function_and_layer_is_here() -> None:
    of_nn = [getattr(nn, name) for name in nn.__all__]
    functions = {*FUNCTIONS, *(f"nn.{f.__name__}" for f in of_nn if inspect.isfunction(f))}
    assert functions - CALLS.keys() - VALUE_DEPENDENT.keys() - NOT_OPERATIONS == set()
    layers = {f.__name__ for f in of_nn if inspect.isclass(f) and issubclass(f, nn.Module)}
    assert layers - LAYERS.keys() == {"Module", "Activation"}  # base classes


def step_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of operands that returns the results, and the gradients of a sum with weights."""

    def step(*operands: Tensor) -> list[Tensor]:
        variables = [x.detach() for x in operands]
        for x in variables:
            x.requires_grad = True
        results = tensors_in(function(*variables))
        live = [y for y in results if y.requires_grad]
        if not live:
            return [y.copy() for y in results]
        loss = sum((ag.sum(y * ag.cos(y.detach() + 1)) for y in live), ag.zeros((), dtype=live[0].dtype))
        grads = ag.grad(loss, variables, allow_unused=True)
        return [*(y.detach().copy() for y in results), *(g for g in grads if g is not None)]

    return step


def inputs(shapes: tuple[tuple[int, ...], ...]) -> list[tuple[Tensor, ...]]:
    """Operands for four calls, each between 0 and 1, where every function is smooth."""
    rng = np.random.default_rng(0)
    return [tuple(Tensor(rng.uniform(0.1, 0.9, shape).astype(np.float32)) for shape in shapes) for _ in range(4)]


def check_same_bits(compiled: Any, eager: Callable[..., Any], calls: list[tuple[Tensor, ...]]) -> None:
    with np.errstate(all="ignore"):
        for number, operands in enumerate(calls):
            with ag.fork_rng(number):
                expected = eager(*operands)
            with ag.fork_rng(number):
                found = compiled(*operands)
            assert len(found) == len(expected) > 0
            for a, b in zip(found, expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a.data, b.data, err_msg=f"call {number}")
    assert compiled.plans


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"nonzero", "argwhere"}))
def test_a_compiled_function_gives_the_bits_of_eager_mode(name: str) -> None:
    function, shapes = CALLS[name]
    calls = inputs(shapes)
    if name == "arccosh":
        calls = [tuple(x + 1 for x in operands) for operands in calls]
    check_same_bits(ag.jit(step_of(function), exact=True), step_of(function), calls)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_compiled_layer_gives_the_bits_of_eager_mode(name: str) -> None:
    """In training: outputs, gradients of the input and of all parameters, and buffers."""
    make, shape = LAYERS[name]

    def instance() -> Callable[..., Any]:
        with ag.fork_rng(0):
            layer = make()

        def step(x: Tensor) -> list[Tensor]:
            for p in layer.parameters():
                p.grad = None
            x = x.detach()
            x.requires_grad = True
            y = layer(x)
            loss = ag.sum(y * ag.cos(y.detach() + 1))
            loss.backward()
            grads = [t.grad.copy() for t in (x, *layer.parameters()) if t.grad is not None]
            return [y.detach().copy(), *grads, *(b.detach().copy() for b in layer.buffers())]

        return step

    calls = [(x - 0.5,) for (x,) in inputs((shape,))]
    check_same_bits(ag.jit(instance(), exact=True), instance(), calls)


@pytest.mark.parametrize("name", VALUE_DEPENDENT)
def test_a_shape_that_depends_on_values_is_refused_with_what_to_write(name: str) -> None:
    compiled = ag.jit(VALUE_DEPENDENT[name])
    x = Tensor([1.0, -1.0])
    compiled(x)  # runs eagerly
    with pytest.raises(ag.TraceError, match=r"depends on values.*ag\.where"):
        compiled(x)


def test_a_replay_checks_its_operands_as_eager_mode_does() -> None:
    """Ranges are checked by kernels: a replay with a class or a variance out of range raises the same error."""
    x = Tensor(np.ones((2, 3), np.float32))
    cases: list[tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...], type[Exception], str]] = [
        (nn.nll_loss, (x, Tensor([0, 2])), (x, Tensor([0, -1])), IndexError, r"nll_loss: targets must lie in \[0, 3\), got -1 to 0"),
        (nn.cross_entropy, (x, Tensor([0, 2])), (x, Tensor([0, 3])), IndexError, r"targets must lie in \[0, 3\), got 0 to 3"),
        (ag.embedding, (x, Tensor([0, 1])), (x, Tensor([0, -1])), IndexError, r"embedding: indices must lie in \[0, 2\), got -1 to 0"),
        (nn.gaussian_nll_loss, (x, x, x), (x, x, x - 2), ValueError, "gaussian_nll_loss: expected var ≥ 0, got -1"),
    ]  # fmt: skip
    for function, good, bad, error, message in cases:
        compiled = ag.jit(lambda *args, f=function: f(*args))
        for _ in range(3):
            compiled(*good)
        assert compiled.plans
        for use in (compiled, function):
            with pytest.raises(error, match=message):
                use(*bad)


def test_a_float_argument_works_as_slope_bound_fill_and_pad_value_in_every_call() -> None:
    """Eager mode gets a number and a replay an operand: values and gradients have the same bits, also at the bound."""
    x = np.array([-1.0, 0.0, 0.5, 1.0], np.float32)
    uses: list[Callable[..., Any]] = [
        ag.leaky_relu, ag.elu, lambda t, s: ag.clip(t, None, s), lambda t, s: ag.clip(t, s, 2.0), lambda t, s: ag.hardtanh(t, s),
        lambda t, s: ag.pad(t, 1, constant_values=s), lambda t, s: t * ag.full(4, s), lambda t, s: ag.where(t > 0, t, s),
        lambda t, s: ag.full_like(t, s) * t, lambda t, s: ag.stack([t.sum(), s]), lambda t, s: ag.index_put(t, 0, s),
    ]  # fmt: skip
    for use in uses:
        compiled = ag.jit(lambda t, s, f=use: step_of(lambda u: f(u, s))(t), exact=True)
        for s in (0.5, 0.5, 0.5, 0.1, 1.0):
            expected = step_of(lambda u, f=use, s=s: f(u, s))(Tensor(x))
            for a, b in zip(compiled(Tensor(x), s), expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a.data, b.data)
        assert len(compiled.plans) == 1
