"""Normalisation over parts of an example, and activations made of others: formulas in plain NumPy, gradients, kinks, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
POINTS = np.array([-7.3, -3.5, -2.9, -1.1, -0.6, -0.4, -0.1, 0.2, 0.4, 0.7, 1.3, 2.8, 3.4, 8.1])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# name -> (layer, formula)
ACTIVATIONS: dict[str, tuple[nn.Module, Callable[[Any], Any]]] = {
    "CELU": (nn.CELU(0.5), lambda x: np.maximum(x, 0) + np.minimum(0, 0.5 * (np.exp(x / 0.5) - 1))),
    "GLU": (nn.GLU(), lambda x: x[:7] * sigmoid(x[7:])),
    "Hardshrink": (nn.Hardshrink(), lambda x: np.where((x > 0.5) | (x < -0.5), x, 0)),
    "Hardsigmoid": (nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "Hardswish": (nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "PReLU": (nn.PReLU(init=0.3, dtype=np.float64), lambda x: np.where(x > 0, x, 0.3 * x)),
    "Softmin": (nn.Softmin(), lambda x: np.exp(-x) / np.exp(-x).sum()),
    "Softshrink": (nn.Softshrink(0.5), lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
    "Tanhshrink": (nn.Tanhshrink(), lambda x: x - np.tanh(x)),
    "Threshold": (nn.Threshold(0.3, 20.0), lambda x: np.where(x > 0.3, x, 20.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_their_formulas_and_have_right_gradients(name: str) -> None:
    layer, formula = ACTIVATIONS[name]
    np.testing.assert_allclose(layer(POINTS).data, formula(POINTS), rtol=1e-12, atol=1e-15)
    assert gradcheck(layer, POINTS)
    assert gradgradcheck(layer, POINTS)


@pytest.mark.parametrize(
    ("function", "point", "slope"),
    [
        (ag.hardsigmoid, 3.0, 0.0),
        (ag.hardsigmoid, -3.0, 0.0),
        (ag.hardswish, 3.0, 1.0),
        (ag.hardswish, -3.0, 0.0),
        (ag.hardshrink, 0.5, 0.0),
        (ag.softshrink, 0.5, 0.0),
        (ag.softshrink, -0.5, 0.0),
        (ag.celu, 0.0, 1.0),
        (lambda x: ag.celu(x, 3.0), 0.0, 1.0),
        (lambda x: ag.threshold(x, 1.0, 5.0), 1.0, 0.0),
        (lambda x: ag.prelu(x, 0.25), 0.0, 0.25),
    ],
)
def test_slopes_at_kinks(function: Callable[..., Any], point: float, slope: float) -> None:
    """The value of PyTorch 2.13 at each of these points."""
    assert ag.grad(function)(np.float64(point)).item() == slope


def test_channels_of_prelu_have_their_own_slopes() -> None:
    layer = nn.PReLU(3, dtype=np.float64)
    layer.weight.data = [0.1, 0.2, 0.3]
    for shape in ((2, 3), (2, 3, 4), (2, 3, 2, 2)):
        x = -np.abs(RNG.standard_normal(shape))
        expected = x * np.array([0.1, 0.2, 0.3]).reshape(3, *(1,) * (len(shape) - 2))
        np.testing.assert_allclose(layer(x).data, expected)
        layer.zero_grad()
        layer(x).backward(np.ones(shape))
        np.testing.assert_allclose(layer.weight.grad.data, x.sum(tuple(i for i in range(len(shape)) if i != 1)))


def test_softmax2d_is_over_channels() -> None:
    x = RNG.standard_normal((2, 3, 4, 5))
    for batch in (x, x[0]):
        expected = np.exp(batch) / np.exp(batch).sum(-3, keepdims=True)
        np.testing.assert_allclose(nn.Softmax2d()(batch).data, expected, rtol=1e-12)


# -- normalisation -----------------------------------------------------------------------------------------------------


def normalise(x: Any, eps: float) -> Any:
    return (x - x.mean()) / np.sqrt(x.var() + eps)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("pixels", [(), (5,), (3, 2)])
def test_group_norm_equals_loops(groups: int, pixels: tuple[int, ...]) -> None:
    layer = nn.GroupNorm(groups, 6, eps=0.1, dtype=np.float64)
    layer.weight.data, layer.bias.data = RNG.standard_normal(6), RNG.standard_normal(6)
    x = RNG.standard_normal((4, 6, *pixels))
    expected = np.empty_like(x)
    for n in range(4):
        for g in range(groups):
            part = slice(g * 6 // groups, (g + 1) * 6 // groups)
            expected[n, part] = normalise(x[n, part], 0.1)
        for c in range(6):
            expected[n, c] = expected[n, c] * layer.weight.data[c] + layer.bias.data[c]
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-10, atol=1e-12)
    assert gradcheck(lambda x, w, b: ag.group_norm(x, groups, w, b), x[:2], layer.weight, layer.bias)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_equals_loops(axes: int, affine: bool) -> None:
    """With and without a batch, and the same in training and evaluation."""
    layer = getattr(nn, f"InstanceNorm{axes}d")(3, affine=affine, dtype=np.float64)
    if affine:
        layer.weight.data, layer.bias.data = RNG.standard_normal(3), RNG.standard_normal(3)
    x = RNG.standard_normal((2, 3, *(4, 3, 2)[:axes]))
    expected = np.empty_like(x)
    for n, c in np.ndindex(2, 3):
        y = normalise(x[n, c], 1e-5)
        expected[n, c] = y * layer.weight.data[c] + layer.bias.data[c] if affine else y
    for training in (True, False):
        layer.train(training)
        np.testing.assert_allclose(layer(x).data, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer(x[0]).data, expected[0], rtol=1e-10, atol=1e-12)


def test_instance_norm_tracks_the_mean_of_the_statistics() -> None:
    layer = nn.InstanceNorm1d(2, momentum=0.3, track_running_stats=True, dtype=np.float64)
    mean, var = np.zeros(2), np.ones(2)
    for t in range(3):
        x = RNG.normal(t, 2, (4, 2, 5))
        layer(x)
        mean = 0.7 * mean + 0.3 * x.mean(2).mean(0)
        var = 0.7 * var + 0.3 * x.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-12)
    expected = (x - mean[:, None]) / np.sqrt(var + 1e-5)[:, None]
    np.testing.assert_allclose(layer.eval()(x).data, expected, rtol=1e-10)
    np.testing.assert_array_equal(layer.running_mean.data, mean)


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_rms_norm_equals_its_formula(shape: tuple[int, ...]) -> None:
    for eps in (None, 0.5):
        layer = nn.RMSNorm(shape if len(shape) > 1 else shape[0], eps, dtype=np.float64)
        layer.weight.data = RNG.standard_normal(shape)
        x = RNG.standard_normal((5, *shape))
        square = (x**2).mean(tuple(range(1, x.ndim)), keepdims=True)
        expected = x / np.sqrt(square + (np.finfo(np.float64).eps if eps is None else eps)) * layer.weight.data
        np.testing.assert_allclose(layer(x).data, expected, rtol=1e-12)
        assert gradcheck(lambda x, w, eps=eps: ag.rms_norm(x, shape, w, eps), x, layer.weight)
    assert np.isfinite(nn.RMSNorm(4)(ag.zeros((2, 4))).data).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.GroupNorm(4, 6), "num_groups=4, num_channels=6"),
        (lambda: nn.GroupNorm(2, 6)(np.zeros((2, 4))), r"\(N, C, …\) with C = 6, got \(2, 4\)"),
        (lambda: ag.group_norm(np.zeros((2, 5)), 2), r"divisible by num_groups=2, got shape \(2, 5\)"),
        (lambda: nn.InstanceNorm1d(3)(np.zeros((2, 2, 5))), r"\(C, L\) or \(N, C, L\) with C = 3, got \(2, 2, 5\)"),
        (lambda: nn.InstanceNorm2d(3)(np.zeros((2, 3, 1, 1))), r"more than one value per channel of an example, got \(2, 3, 1, 1\)"),
        (lambda: nn.RMSNorm(3)(np.zeros((2, 4))), r"rms_norm: .*\(2, 4\) are not \(3,\)"),
        (lambda: nn.PReLU(3)(np.zeros((2, 4))), r"prelu: .*the input \(2, 4\), got shape \(3,\)"),
        (lambda: nn.GLU()(np.zeros((2, 3))), r"glu: expected an even length of axis -1, got shape \(2, 3\)"),
        (lambda: nn.Hardshrink(-1.0)(np.zeros(2)), "hardshrink: expected lambd ≥ 0, got lambd=-1.0"),
        (lambda: nn.CELU(0)(np.zeros(2)), "celu: alpha must not be 0"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("scaling", ["train", "test"])
@pytest.mark.parametrize("make", [nn.Dropout, nn.Dropout2d])
def test_dropout_of_everything_is_0_and_not_nan(make: Callable[..., nn.Module], scaling: str) -> None:
    x = ag.Tensor(RNG.normal(size=(2, 3, 4)), requires_grad=True)
    y = make(1.0, scaling=scaling)(x)
    y.sum().backward()
    assert not y.data.any()
    assert x.grad is not None
    assert not x.grad.data.any()


@pytest.mark.parametrize("layer", [nn.GroupNorm, nn.BatchNorm1d, nn.InstanceNorm1d])
def test_layers_show_that_they_have_no_parameters(layer: Any) -> None:
    sizes = (1, 2) if layer is nn.GroupNorm else (2,)
    assert "affine=False" in repr(layer(*sizes, affine=False))
    assert "affine=False" not in repr(layer(*sizes, affine=True))
