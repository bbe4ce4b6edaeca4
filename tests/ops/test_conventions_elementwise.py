"""The gradient conventions as constants: elementwise operations at kinks, poles and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag

inf, nan = np.inf, np.nan


def slopes(function: Callable[..., Any], *points: float) -> list[float]:
    """Derivatives with respect to each operand, in float64."""
    operands = [ag.Tensor(np.float64(p), requires_grad=True) for p in points]
    with np.errstate(all="ignore"):
        gradients = ag.grad(function(*operands), operands)
    return [g.item() for g in gradients]


UNARY = [
    (ag.abs, 0.0, 0.0),
    (ag.relu, 0.0, 0.0),
    (ag.relu6, 0.0, 0.0),
    (ag.relu6, 6.0, 0.0),
    (lambda x: ag.sign(x) + 0 * x, 0.0, 0.0),
    (lambda x: ag.leaky_relu(x, 0.01), 0.0, 0.01),
    (lambda x: ag.elu(x, 2.0), 0.0, 1.0),
    (lambda x: ag.elu(x, 0.5), 0.0, 0.5),
    (ag.selu, 0.0, 1.0507009873554805),
    (ag.hardtanh, 1.0, 0.0),
    (ag.hardtanh, -1.0, 0.0),
    (lambda x: ag.clip(x, -1, 2), -1.0, 0.0),
    (lambda x: ag.clip(x, -1, 2), 2.0, 0.0),
    (lambda x: ag.clip(x, -1, 2), 1.9, 1.0),
    (lambda x: ag.clip(x, np.float32(-1), np.float32(2)), 2.0, 0.0),
    (ag.arcsin, 1.0, inf),
    (ag.arcsin, -1.0, inf),
    (ag.arccos, 1.0, -inf),
    (ag.arccos, -1.0, -inf),
    (ag.sqrt, 0.0, inf),
    (ag.cbrt, 0.0, inf),
    (lambda x: x**0.5, 0.0, inf),
    (lambda x: x**0, 0.0, 0.0),
    (lambda x: x**0, -2.0, 0.0),
    (lambda x: x**0, inf, 0.0),
    (lambda x: 1 / x, 0.0, -inf),
    (ag.reciprocal, 0.0, -inf),
    (ag.log, 0.0, inf),
    (ag.log, -1.0, -1.0),
    (lambda x: x * x, 3.0, 6.0),
    (lambda x: x - x, 3.0, 0.0),
    (lambda x: x / x, 3.0, 0.0),
    (lambda x: x % 2, 4.0, 1.0),
    (lambda x: ag.floor(x) + 0 * x, 2.0, 0.0),
]


@pytest.mark.parametrize(("function", "point", "slope"), UNARY)
def test_unary_slope_at_special_points(function: Callable[..., Any], point: float, slope: float) -> None:
    """The slope is the minimum-norm subgradient at a convex or concave kink, and the limit elsewhere."""
    np.testing.assert_array_equal(slopes(function, point), [slope])


BINARY = [
    (ag.maximum, (1.0, 1.0), (0.5, 0.5)),
    (ag.minimum, (1.0, 1.0), (0.5, 0.5)),
    (lambda x, lo: ag.clip(x, lo, None), (1.0, 1.0), (0.5, 0.5)),
    (ag.fmax, (1.0, 1.0), (0.5, 0.5)),
    (ag.fmax, (nan, 1.0), (0.0, 1.0)),
    (ag.fmin, (1.0, nan), (1.0, 0.0)),
    (ag.fmin, (2.0, 1.0), (0.0, 1.0)),
    (ag.fmod, (-7.0, 2.0), (1.0, 3.0)),
    (ag.remainder, (-7.0, 2.0), (1.0, 4.0)),
    (ag.fmod, (6.0, 2.0), (1.0, -3.0)),
    (ag.remainder, (6.0, 2.0), (1.0, -3.0)),
    (ag.remainder, (1.0, 0.1), (1.0, -9.0)),
    (ag.logaddexp, (-inf, -inf), (0.0, 0.0)),
    (ag.logaddexp, (inf, inf), (0.5, 0.5)),
    (ag.logaddexp, (0.0, -inf), (1.0, 0.0)),
    (ag.logaddexp, (1000.0, -1000.0), (1.0, 0.0)),
    (ag.power, (0.0, 0.0), (0.0, 0.0)),
    (ag.power, (0.0, 2.0), (0.0, 0.0)),
    (ag.power, (0.0, -1.0), (-inf, -inf)),
    (ag.power, (-2.0, 2.0), (-4.0, nan)),
    (ag.xlogy, (0.0, 0.0), (0.0, nan)),
    (ag.xlogy, (0.0, 2.0), (np.log(2.0), 0.0)),
    (ag.hypot, (0.0, 0.0), (0.0, 0.0)),
    (ag.arctan2, (0.0, 0.0), (0.0, 0.0)),
    (ag.arctan2, (1e-200, 1e-200), (5e199, -5e199)),
    (ag.hypot, (3e200, 4e200), (0.6, 0.8)),
    (ag.copysign, (0.0, -3.0), (0.0, 0.0)),
    (ag.copysign, (-2.0, 3.0), (-1.0, 0.0)),
]


@pytest.mark.parametrize(("function", "points", "expected"), BINARY)
def test_binary_slopes_at_special_points(
    function: Callable[..., Any], points: tuple[float, float], expected: tuple[float, float]
) -> None:
    """Ties share the gradient; infinities have the limit if it exists."""
    np.testing.assert_allclose(slopes(function, *points), expected, rtol=1e-14)


def test_a_tensor_that_equals_a_python_constant_gets_half_the_gradient() -> None:
    assert slopes(lambda x: ag.maximum(x, 0), 0.0) == [0.5]
    assert slopes(lambda x: ag.minimum(x, 0), 0.0) == [0.5]


def test_logaddexp_of_two_minus_infinities_is_minus_infinity() -> None:
    assert ag.logaddexp(-inf, -inf).item() == -inf


@pytest.mark.parametrize(
    "function", [ag.sigmoid, ag.softplus, ag.logsigmoid, ag.tanh, ag.silu, ag.mish, ag.gelu, ag.softsign, ag.erf]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_saturating_functions_and_slopes_are_finite_for_large_inputs(function: Callable[..., Any], dtype: type) -> None:
    """Value and slope at ±1000: no overflow, no warning, no nan."""
    x = ag.Tensor(np.array([-1000.0, -30.0, 30.0, 1000.0], dtype), requires_grad=True)
    y = function(x)
    y.sum().backward()
    assert x.grad is not None
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad.data).all()
    assert y.dtype == x.grad.dtype == dtype


def test_values_that_where_does_not_select_have_gradient_zero() -> None:
    x = ag.Tensor([0.0, 4.0], requires_grad=True)
    ag.where(x > 0, x, nan).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]


def test_nan_inside_values_that_where_does_not_select_gives_nan_gradients() -> None:
    """Documented behaviour: 0 · inf in the rule of that branch is nan; masking the input too avoids it."""
    x = ag.Tensor([0.0, 4.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        unmasked = ag.where(x > 0, 1 / x, 0.0)
    assert np.isnan(ag.grad(unmasked.sum(), [x])[0].data[0])
    masked = ag.where(x > 0, 1 / ag.where(x > 0, x, 1.0), 0.0)
    assert ag.grad(masked.sum(), [x])[0].tolist() == [0.0, -0.0625]


def test_elu_rejects_a_negative_alpha() -> None:
    with pytest.raises(ValueError, match="alpha must be at least 0"):
        ag.elu(1.0, -1.0)


def test_gelu_has_two_forms() -> None:
    with pytest.raises(ValueError, match='"none" or "tanh"'):
        ag.gelu(1.0, approximate="sigmoid")
