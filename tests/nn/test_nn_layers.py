"""Layers: gradients in both modes, shapes, dtypes, errors, signatures, and the properties of each layer."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.nn.layers.base import FunctionLayer
from autograd_mini.nn.layers.conv import Convolution
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
Make = Callable[..., nn.Module]

# name -> (function that makes the layer, shape of one example)
LAYERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "linear": (lambda dtype: nn.Linear(3, 2, dtype=dtype), (3,)),
    "conv1d": (lambda dtype: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2, dtype=dtype), (2, 5)),
    "conv2d": (lambda dtype: nn.Conv2d(2, 3, (3, 2), padding=1, dilation=(1, 2), dtype=dtype), (2, 4, 4)),
    "conv2d_same": (lambda dtype: nn.Conv2d(2, 2, 3, padding="same", bias=False, dtype=dtype), (2, 3, 3)),
    "conv_transpose2d": (lambda dtype: nn.ConvTranspose2d(2, 3, 4, 2, 1, output_padding=1, dtype=dtype), (2, 2, 3)),
    "conv3d": (lambda dtype: nn.Conv3d(2, 2, 2, stride=(2, 1, 1), groups=2, dtype=dtype), (2, 3, 2, 3)),
    "conv2d_circular": (lambda dtype: nn.Conv2d(1, 2, 3, padding=(2, 1), padding_mode="circular", dtype=dtype), (1, 3, 2)),
    "conv1d_reflect": (lambda dtype: nn.Conv1d(1, 2, 4, padding="same", padding_mode="reflect", dtype=dtype), (1, 5)),
    "conv_transpose1d": (lambda dtype: nn.ConvTranspose1d(2, 2, 2, dilation=3, output_padding=2, dtype=dtype), (2, 3)),
    "conv_transpose3d": (lambda dtype: nn.ConvTranspose3d(2, 1, 2, 2, dtype=dtype), (2, 2, 1, 2)),
    "max_pool3d": (lambda dtype: nn.MaxPool3d(2, 1), (1, 3, 2, 3)),
    "adaptive_max_pool1d": (lambda dtype: nn.AdaptiveMaxPool1d(3), (2, 5)),
    "adaptive_avg_pool3d": (lambda dtype: nn.AdaptiveAvgPool3d((2, None, 1)), (1, 3, 2, 2)),
    "batch_norm3d": (lambda dtype: nn.BatchNorm3d(2, dtype=dtype), (2, 2, 1, 3)),
    "replication_pad3d": (lambda dtype: nn.ReplicationPad3d((1, 0, 2, 1, 0, 1)), (1, 2, 1, 2)),
    "reflection_pad2d": (lambda dtype: nn.ReflectionPad2d((2, 1, -1, 2)), (1, 4, 3)),
    "pixel_shuffle": (lambda dtype: nn.PixelShuffle(2), (4, 2, 1)),
    "unfold": (lambda dtype: nn.Unfold(2, padding=1, stride=2), (1, 3, 2)),
    "upsample_bicubic": (lambda dtype: nn.Upsample((5, 3), mode="bicubic"), (1, 3, 4)),
    "max_pool2d": (lambda dtype: nn.MaxPool2d(2, stride=1), (1, 3, 3)),
    "avg_pool2d": (lambda dtype: nn.AvgPool2d(2, padding=1), (2, 3, 4)),
    "adaptive_avg_pool2d": (lambda dtype: nn.AdaptiveAvgPool2d((2, 1)), (2, 3, 4)),
    "upsample": (lambda dtype: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3)),
    "batch_norm1d": (lambda dtype: nn.BatchNorm1d(3, dtype=dtype), (3, 4)),
    "batch_norm2d": (lambda dtype: nn.BatchNorm2d(2, dtype=dtype), (2, 3, 2)),
    "batch_norm_bare": (lambda dtype: nn.BatchNorm2d(2, affine=False, track_running_stats=False, dtype=dtype), (2, 3, 2)),
    "layer_norm": (lambda dtype: nn.LayerNorm((2, 3), dtype=dtype), (2, 3)),
    "dropout": (lambda dtype: nn.Dropout(0.4), (2, 3)),
    "dropout_test": (lambda dtype: nn.Dropout(0.4, scaling="test"), (2, 3)),
    "dropout2d": (lambda dtype: nn.Dropout2d(0.4), (3, 2, 2)),
    "gaussian_noise": (lambda dtype: nn.GaussianNoise(0.5), (2, 3)),
    "virtual_batch": (lambda dtype: virtual_net(dtype), (3,)),
    "virtual_batch_images": (
        lambda dtype: nn.VirtualBatch(nn.VirtualBatchNorm(2, dtype=dtype), RNG.normal(size=(4, 2, 3, 2)).astype(dtype)),
        (2, 3, 2),
    ),
    "minibatch": (lambda dtype: nn.MinibatchDiscrimination(3, 4, 2, dtype=dtype), (3,)),
    "minibatch_others": (lambda dtype: nn.MinibatchDiscrimination(3, 4, 2, include_self=False, dtype=dtype), (3,)),
    "weight_norm": (lambda dtype: nn.WeightNorm(nn.Linear(3, 2, dtype=dtype)), (3,)),
    "weight_norm_conv": (lambda dtype: nn.WeightNorm(nn.ConvTranspose2d(2, 3, 2, dtype=dtype)), (2, 2, 2)),
    "spectral_norm": (lambda dtype: nn.SpectralNorm(nn.Linear(3, 2, dtype=dtype), 100), (3,)),
    "spectral_norm_conv": (lambda dtype: nn.SpectralNorm(nn.Conv2d(2, 3, 2, dtype=dtype), 100), (2, 2, 2)),
}  # fmt: skip


def virtual_net(dtype: Any) -> nn.Module:
    net = nn.Sequential(
        nn.Linear(3, 4, bias=False, dtype=dtype), nn.VirtualBatchNorm(4, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, dtype=dtype)
    )
    return nn.VirtualBatch(net, RNG.normal(size=(5, 3)).astype(dtype))


def make_layer(name: str, dtype: Any = np.float64) -> nn.Module:
    ag.manual_seed(3)
    layer = LAYERS[name][0](dtype)
    for p in layer.parameters():  # away from 0 and 1, where a missing factor would have no effect
        p.data = p + 0.1 * RNG.normal(size=p.shape)
    return layer


def batch(name: str, n: int, dtype: Any = np.float64) -> Any:
    return RNG.normal(size=(n, *LAYERS[name][1])).astype(dtype)


def as_function(layer: nn.Module, parameters: list[Tensor]) -> Callable[..., Tensor]:
    """Returns the layer as a function of its input and its parameters, with the same draws in each call."""

    def place(module: nn.Module, table: dict[int, Tensor]) -> int:
        placed = 0
        for key, value in list(vars(module).items()):
            if id(value) in table:
                vars(module)[key] = table[id(value)]
                placed += 1
            elif isinstance(value, nn.Module):
                placed += place(value, table)
            elif key == "_items":
                placed += sum(place(child, table) for child in value)
        return placed

    def function(x: Tensor, *values: Tensor) -> Tensor:
        ag.manual_seed(1)
        assert place(layer, dict(zip(map(id, parameters), values, strict=True))) == len(parameters)
        try:
            return layer(x)
        finally:
            place(layer, dict(zip(map(id, values), parameters, strict=True)))

    return function


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_with_respect_to_input_and_parameters_are_right(name: str, training: bool) -> None:
    layer = make_layer(name).train(training)
    parameters = list(layer.parameters())
    for n in (3, 1):
        if n == 1 and training and name.startswith("batch_norm1d"):
            continue
        assert gradcheck(as_function(layer, parameters), batch(name, n), *parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["conv_transpose2d", "batch_norm2d", "virtual_batch", "minibatch", "weight_norm"])
def test_gradients_are_differentiable(name: str) -> None:
    """Gradient penalties differentiate layers twice."""
    layer = make_layer(name)
    parameters = list(layer.parameters())
    assert gradgradcheck(as_function(layer, parameters), batch(name, 2), *parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_output_and_gradients_have_the_dtype_of_input_and_parameters(name: str, dtype: str) -> None:
    for training in (True, False):
        layer = make_layer(name, dtype).train(training)
        x = Tensor(batch(name, 3, dtype), requires_grad=True)
        y = layer(x)
        y.sum().backward()
        assert y.dtype == dtype
        assert x.grad is not None
        assert x.grad.dtype == dtype
        assert {t.dtype for t in layer.parameters()} <= {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_the_result_does_not_depend_on_the_memory_layout_of_the_input(name: str) -> None:
    x = batch(name, 3)
    for training in (True, False):
        layer = make_layer(name).train(training)
        results = []
        for array in (x, np.asarray(x, order="F"), np.repeat(x, 2, axis=0)[::2], x[::-1].copy()[::-1]):
            twin = copy.deepcopy(layer)
            ag.manual_seed(1)
            y = twin(ag.from_numpy(array)).detach().numpy()
            results.append(y.shape if training and "dropout" in name else y)  # masks are drawn in memory order
        for result in results[1:]:
            np.testing.assert_allclose(result, results[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_batch_gives_an_empty_batch(name: str) -> None:
    """This holds in evaluation, and in training except for batch normalisation."""
    for training in (True, False):
        layer = make_layer(name).train(training)
        if name == "batch_norm_bare" or (training and name.startswith("batch_norm")):
            with pytest.raises(ValueError, match=r"BatchNorm.d\("):
                layer(batch(name, 0))
            continue
        x = Tensor(batch(name, 0), requires_grad=True)
        y = layer(x)
        assert y.shape == (0, *layer.train(False)(batch(name, 2)).shape[1:])
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_with_the_state_of_another_computes_the_same_in_evaluation(name: str) -> None:
    a, b = make_layer(name), LAYERS[name][0](np.float64)
    for _ in range(2):
        a(batch(name, 3))
    b.load_state_dict(a.state_dict())
    x = batch(name, 2)
    np.testing.assert_array_equal(a.eval()(x).data, b.eval()(x).data)


# -- errors ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Conv2d(3, 8, 3), (1, 1, 28, 28), r"conv2d: .*3 input channels.*\(1, 1, 28, 28\)"),
        (nn.Conv1d(1, 1, 9), (1, 1, 5), r"conv1d: kernel .*does not fit"),
        (nn.ConvTranspose2d(4, 8, 4), (1, 3, 7, 7), r"conv_transpose2d: .*needs 4 input channels.*\(1, 3, 7, 7\)"),
        (nn.MaxPool2d(7), (1, 1, 5, 5), r"max_pool2d: .*\(1, 1, 5, 5\)"),
        (nn.Upsample(), (1, 1, 5, 5), r"upsample: .*either scale_factor or size"),
        (nn.BatchNorm1d(3), (2, 4), r"BatchNorm1d: .*\(N, C\) or \(N, C, L\) with C = 3, got \(2, 4\)"),
        (nn.BatchNorm2d(3), (2, 3), r"BatchNorm2d: .*\(N, C, H, W\) with C = 3, got \(2, 3\)"),
        (nn.BatchNorm1d(3), (1, 3), r"BatchNorm1d: .*more than one value per channel, got \(1, 3\)"),
        (nn.BatchNorm2d(3), (1, 3, 1, 1), r"BatchNorm2d: .*more than one value per channel, got \(1, 3, 1, 1\)"),
        (nn.LayerNorm(4), (2, 3), r"layer_norm: .*\(2, 3\) are not \(4,\)"),
        (nn.Dropout2d(), (3,), r"Dropout2d: expected an input of shape \(N, C, …\), got \(3,\)"),
        (nn.VirtualBatchNorm(3), (2, 3), r"VirtualBatchNorm: no reference batch; .*nn\.VirtualBatch"),
        (nn.MinibatchDiscrimination(3), (2, 4), r"MinibatchDiscrimination: .*\(N, 3\), got \(2, 4\)"),
        (nn.Linear(3, 2), (2, 4), r"linear: expected 3 features, got \(2, 4\)"),
    ],
)  # fmt: skip
def test_a_wrong_input_raises_an_error_with_the_shapes_and_a_note_with_the_layer(
    layer: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        layer(np.zeros(shape, np.float32))
    assert caught.value.__notes__ == [f"in the layer {layer!r}"]


def test_an_error_inside_a_wrapper_has_a_note_with_the_inner_layer() -> None:
    with pytest.raises(ValueError, match=r"linear: .*got \(2, 4\)") as caught:
        nn.WeightNorm(nn.Linear(3, 2))(np.zeros((2, 4), np.float32))
    assert caught.value.__notes__ == [f"in the layer {nn.Linear(3, 2)!r}"]


def test_a_batch_whose_examples_do_not_fit_the_references_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"VirtualBatch: expected examples of shape \(3,\), got \(4,\)"):
        nn.VirtualBatch(nn.VirtualBatchNorm(3), np.ones((2, 3)))(np.zeros((2, 4), np.float32))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 8, 3, groups=2), ValueError, "Conv2d: .*got in_channels=3, out_channels=8, groups=2"),
        (lambda: nn.Conv2d(0, 8, 3), ValueError, "got in_channels=0"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), ValueError, r"Conv1d: kernel_size must be an int, got \(3, 3\)"),
        (lambda: nn.MaxPool2d(), TypeError, "MaxPool2d.*'kernel_size'"),  # type: ignore[call-arg]
        (lambda: nn.Dropout(1.5), ValueError, r"Dropout: expected p in \[0, 1\], got p=1.5"),
        (lambda: nn.Dropout(0.5, scaling="both"), ValueError, "Dropout: expected scaling .*got 'both'"),  # type: ignore[arg-type]
        (lambda: nn.GaussianNoise(-1), ValueError, "GaussianNoise: expected std ≥ 0, got std=-1"),
        (lambda: nn.VirtualBatch(nn.ReLU(), np.zeros((0, 3))), ValueError, r"VirtualBatch: .*got shape \(0, 3\)"),
        (lambda: nn.WeightNorm(nn.ReLU()), TypeError, r"WeightNorm: expected a layer with a weight, got ReLU\(\)"),
        (lambda: nn.SpectralNorm(nn.BatchNorm1d(2, affine=False)), TypeError, "SpectralNorm: expected a layer with a weight"),
        (lambda: nn.SpectralNorm(nn.Linear(2, 2), 0), ValueError, "SpectralNorm: .*got n_power_iterations=0"),
    ],
)
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# -- signatures ------------------------------------------------------------------------------------------------------------

PUBLIC_LAYERS = [value for _, value in sorted(vars(nn).items()) if isinstance(value, type) and issubclass(value, nn.Module)]


@pytest.mark.parametrize("layer", PUBLIC_LAYERS)
def test_a_layer_has_explicit_annotated_parameters_that_its_docstring_explains(layer: type[nn.Module]) -> None:
    for parameter in inspect.signature(layer).parameters.values():
        assert parameter.kind != parameter.VAR_KEYWORD
        assert parameter.kind != parameter.VAR_POSITIONAL or layer is nn.Sequential  # its modules, as in PyTorch
        assert parameter.annotation is not parameter.empty
        if parameter.name != "inplace":  # without an effect
            assert re.search(rf"\b{parameter.name}\b", layer.__doc__ or ""), parameter


@pytest.mark.parametrize("layer", [layer for layer in PUBLIC_LAYERS if issubclass(layer, FunctionLayer)])
def test_the_settings_of_a_layer_are_attributes_with_the_values_it_was_given(layer: type[FunctionLayer]) -> None:
    values = {name: f"value of {name}" for name in inspect.signature(layer).parameters if name != "inplace"}
    if not issubclass(layer, Convolution) and "weight" not in values:
        instance = layer(**values)
        assert instance.settings == values
        assert repr(instance) == f"{layer.__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"
        assert all(getattr(instance, name) == value for name, value in values.items())


# -- convolution -----------------------------------------------------------------------------------------------------------


def test_initial_weights_of_convolutions_have_the_bound_of_their_fan_in() -> None:
    """U(−1/√fan_in, 1/√fan_in), fan_in being the weight's second axis times the kernel, also for transposed convolutions."""
    for layer, fan_in in ((nn.Conv2d(4, 64, 5, groups=2), 50), (nn.ConvTranspose2d(64, 4, 5), 100), (nn.Conv1d(8, 32, 3), 24)):
        for p in layer.parameters():
            assert 0.8 / np.sqrt(fan_in) < abs(p.data).max() <= 1 / np.sqrt(fan_in) or p.size < 30
        assert abs(layer.weight.data.std() * np.sqrt(3 * fan_in) - 1) < 0.1


# -- normalisation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.1, 0.3, None])
def test_running_statistics_follow_pytorchs_rule(momentum: float | None) -> None:
    """Training updates mean and unbiased variance by momentum, or averages over all batches; evaluation only uses them."""
    layer = nn.BatchNorm2d(2, momentum=momentum, dtype=np.float64)
    mean, var = np.zeros(2), np.ones(2)
    for t in range(1, 5):
        x = RNG.normal(t, 2, size=(3, 2, 2, 2))
        y = layer(x)
        np.testing.assert_allclose(y.data.mean((0, 2, 3)), 0, atol=1e-12)
        np.testing.assert_allclose(y.data.var((0, 2, 3)), 1, rtol=1e-4)
        share = 1 / t if momentum is None else momentum
        mean = (1 - share) * mean + share * x.mean((0, 2, 3))
        var = (1 - share) * var + share * x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)  # type: ignore[union-attr]
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-12)  # type: ignore[union-attr]
    assert layer.num_batches_tracked.item() == 4  # type: ignore[union-attr]
    before, y = layer.state_dict(), layer.eval()(x)
    np.testing.assert_allclose(y.data[0, :, 0, 0], (x[0, :, 0, 0] - mean) / np.sqrt(var + 1e-5), rtol=1e-10)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_two_training_forwards_before_one_backward_agree_with_separate_ones() -> None:
    """A discriminator sees two batches before its update: new statistics must not change the graph of the first batch."""
    for layer in (nn.BatchNorm1d(3), nn.SpectralNorm(nn.Linear(3, 2))):
        (layer(batch("linear", 4)).square().sum() + layer(batch("linear", 4)).square().sum()).backward()
        assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("name", ["virtual_batch", "virtual_batch_images"])
def test_with_virtual_batch_norm_an_output_does_not_depend_on_the_rest_of_its_batch(name: str) -> None:
    net = make_layer(name)
    x = Tensor(batch(name, 4), requires_grad=True)
    together = net(x)
    for i in range(4):
        np.testing.assert_allclose(net(x.data[i : i + 1]).data[0], together.data[i], rtol=1e-12)
        gradient = ag.grad(together[i].sum(), x).data
        assert not np.delete(gradient, i, axis=0).any()
        assert gradient[i].any()


def test_virtual_batch_norm_combines_the_moments_of_references_and_example() -> None:
    reference, x = RNG.normal(2, 3, size=(6, 2, 3, 3)), RNG.normal(-1, 1, size=(5, 2, 3, 3))
    y = nn.VirtualBatch(nn.VirtualBatchNorm(2, dtype=np.float64), reference)(x).data
    for i in range(5):
        both = np.concatenate([reference, x[i : i + 1]])  # every example weighs 1 / (n_ref + 1)
        mean, var = both.mean((0, 2, 3), keepdims=True), both.var((0, 2, 3), keepdims=True)
        np.testing.assert_allclose(y[i : i + 1], (x[i : i + 1] - mean) / np.sqrt(var + 1e-5), rtol=1e-10)


def test_the_reference_batch_uses_the_current_weights() -> None:
    net = make_layer("virtual_batch")
    x = batch("virtual_batch", 2)
    before = net(x).data
    net.module[0].weight.data = net.module[0].weight * 5.0  # type: ignore[attr-defined]
    # Normalisation removes a factor on all weights only if it is applied to the references too.
    np.testing.assert_allclose(net(x).data, before, rtol=1e-3)
    net(x).sum().backward()
    assert "reference" in net.state_dict()


# -- dropout, noise --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nn.Dropout, nn.Dropout2d])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_the_two_scalings_of_dropout_keep_the_expectation_of_a_linear_layer(make: Any, p: float) -> None:
    """Each unit is 0 with probability p, independently of the others."""
    ag.manual_seed(0)
    x = np.full((200, 100, 1, 1), 3.0)
    inverted, plain = make(p), make(p, scaling="test")
    for layer, kept in ((inverted, 3 / (1 - p) if p < 1 else 0), (plain, 3.0)):
        y = layer(x).data
        np.testing.assert_allclose(y[y != 0], kept)
        assert abs((y == 0).mean() - p) < 0.02
        assert (y == 0).any(axis=(0, 2, 3)).all() == (p > 0)
        assert np.unique((y == 0).reshape(200, -1), axis=0).shape[0] == (200 if 0 < p < 1 else 1)  # one mask per example
    np.testing.assert_array_equal(inverted.eval()(x).data, x)
    np.testing.assert_allclose(plain.eval()(x).data, x * (1 - p))


def test_dropout2d_sets_whole_maps_to_0() -> None:
    y = nn.Dropout2d(0.5)(np.ones((20, 10, 3, 3))).data
    assert set(np.unique(y.mean((2, 3)))) == {0.0, 2.0}


def test_noise_has_the_given_deviation_and_differs_between_calls() -> None:
    ag.manual_seed(0)
    layer, x = nn.GaussianNoise(0.3), np.zeros(10000, np.float32)
    a, b = layer(x).data, layer(x).data
    assert (a != b).any()
    assert abs(a.std() - 0.3) < 0.01
    assert abs(a.mean()) < 0.01


# -- minibatch discrimination ----------------------------------------------------------------------------------------------


def test_minibatch_features_match_the_formula_of_the_paper() -> None:
    x = RNG.normal(size=(4, 3))
    for include_self in (True, False):
        layer = nn.MinibatchDiscrimination(3, 5, 2, include_self, dtype=np.float64)
        m = np.einsum("na,abc->nbc", x, layer.weight.data.reshape(3, 5, 2))
        expected = np.zeros((4, 5))
        for i in range(4):
            for j in range(4):
                if include_self or i != j:
                    expected[i] += np.exp(-np.abs(m[i] - m[j]).sum(-1))
        np.testing.assert_allclose(layer(x).data, np.concatenate([x, expected], 1), rtol=1e-12)
    assert nn.MinibatchDiscrimination(3)(np.zeros((2, 3), np.float32)).shape == (2, 103)


@given(st.permutations(range(5)))
def test_minibatch_features_do_not_depend_on_the_order_of_the_batch(order: list[int]) -> None:
    layer, x = make_layer("minibatch"), np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(layer(x[order]).data, layer(x).data[order], rtol=1e-10)


# -- reparametrised weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: nn.Linear(3, 4), lambda: nn.Conv2d(2, 4, 3), lambda: nn.ConvTranspose2d(2, 4, 3)])
def test_weight_norm_starts_with_the_layers_output_and_ignores_the_length_of_v(make: Callable[[], Any]) -> None:
    layer = make()
    x = RNG.normal(size=(2, *((3,) if isinstance(layer, nn.Linear) else (2, 5, 5)))).astype(np.float32)
    before, fan_out = layer(x).data, layer.weight.shape[int(isinstance(layer, nn.ConvTranspose2d))]
    wrapped = nn.WeightNorm(layer)
    assert sorted(wrapped.state_dict()) == ["bias", "weight_g", "weight_v"]
    np.testing.assert_allclose(wrapped(x).data, before, rtol=1e-4, atol=1e-6)
    wrapped.weight_v.data = wrapped.weight_v * 7.0
    np.testing.assert_allclose(wrapped(x).data, before, rtol=1e-4, atol=1e-6)
    assert wrapped.weight_g.size == fan_out
    copy.deepcopy(wrapped)  # fails if a computed weight remains in the layer


def test_data_dependent_initialisation_standardises_every_layers_output() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(
        nn.WeightNorm(nn.Conv2d(1, 4, 3)), nn.ReLU(), nn.WeightNorm(nn.ConvTranspose2d(4, 3, 2)), nn.ReLU(), nn.Flatten(),
        nn.WeightNorm(nn.Linear(3 * 25, 6)),
    )  # fmt: skip
    x = RNG.normal(3, 5, size=(40, 1, 6, 6)).astype(np.float32)
    output = nn.data_dependent_init(net, x)
    np.testing.assert_allclose(output.data, net(x).data, atol=1e-4)
    assert not output.requires_grad
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.WeightNorm):
            axes = (0, 2, 3) if x.ndim == 4 else (0,)
            np.testing.assert_allclose(x.data.mean(axes), 0, atol=1e-4)
            np.testing.assert_allclose(x.data.std(axes), 1, atol=1e-3)


def test_data_dependent_initialisation_only_scales_without_bias_and_changes_nothing_without_variance() -> None:
    layer = nn.WeightNorm(nn.Linear(3, 4, bias=False, dtype=np.float64))
    x = RNG.normal(2, 3, size=(30, 3))
    output = nn.data_dependent_init(layer, x)
    np.testing.assert_allclose(output.data, layer(x).data, rtol=1e-10)
    np.testing.assert_allclose(output.data.std(0), 1, rtol=1e-10)
    before = layer.state_dict()
    nn.data_dependent_init(layer, np.zeros((5, 3)))
    np.testing.assert_array_equal(layer.state_dict()["weight_g"], before["weight_g"])


@given(st.integers(0, 50))
def test_spectral_norm_makes_the_largest_singular_value_1(seed: int) -> None:
    ag.manual_seed(seed)
    layer = nn.SpectralNorm(nn.Conv2d(2, 5, 3, dtype=np.float64))
    x = np.zeros((1, 2, 3, 3))
    for _ in range(100):
        layer(x)
    sigma = np.linalg.svd(layer.effective_weight().data.reshape(5, -1), compute_uv=False)[0]
    assert sigma == pytest.approx(1, abs=0.02)
    before = layer.state_dict()
    layer.eval()(x)
    np.testing.assert_array_equal(layer.state_dict()["weight_u"], before["weight_u"])


def test_spectral_norm_runs_one_iteration_per_forward_pass_in_training() -> None:
    layer = nn.SpectralNorm(nn.Linear(4, 3, dtype=np.float64))
    u, w = layer.weight_u.data.copy(), layer.weight_orig.data
    layer(np.zeros((1, 4)))
    v = w.T @ u / np.linalg.norm(w.T @ u)
    np.testing.assert_allclose(layer.weight_u.data, w @ v / np.linalg.norm(w @ v), rtol=1e-12)
    np.testing.assert_allclose(layer.effective_weight().data, w / (layer.weight_u.data @ w @ v), rtol=1e-12)


# -- hooks -----------------------------------------------------------------------------------------------------------------


def test_forward_hooks_receive_each_call_and_may_replace_the_output() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    seen = []
    first = net[0].register_forward_hook(lambda m, inputs, y: seen.append((m, inputs[0].shape, y.shape)))
    second = net[0].register_forward_hook(lambda m, inputs, y: y * 0 + 1)
    np.testing.assert_array_equal(net(Tensor([[1.0, 2.0]])).data, [[1, 1, 1]])
    assert seen == [(net[0], (1, 2), (1, 3))]
    second()
    net(Tensor([[1.0, 2.0]]))
    assert len(seen) == 2
    first()
    first()
    net(Tensor([[1.0, 2.0]]))
    assert len(seen) == 2
