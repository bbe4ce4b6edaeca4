"""The gradient conventions as constants: reductions, running products, sorting, norms, the softmax family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini.testing import gradcheck, gradgradcheck

inf, nan = np.inf, np.nan


def gradient(function: Callable[[ag.Tensor], Any], values: Any) -> list[Any]:
    x = ag.Tensor(np.array(values, np.float64), requires_grad=True)
    with np.errstate(all="ignore"):
        (g,) = ag.grad(function(x).sum(), [x])
    return g.tolist()


CASES = [
    (ag.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
    (lambda x: ag.max(x, axis=1), [[2.0, 2.0], [1.0, 5.0]], [[0.5, 0.5], [0.0, 1.0]]),
    (lambda x: ag.max(x, axis=(0, 1)), [[7.0, 7.0], [7.0, 7.0]], [[0.25, 0.25], [0.25, 0.25]]),
    (ag.min, [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
    (ag.prod, [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    (ag.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    (ag.prod, [1e200, 1e200, 0.0], [0.0, 0.0, inf]),
    (ag.cumprod, [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    (ag.cumprod, [0.0, 0.0, 3.0], [1.0, 0.0, 0.0]),
    (ag.norm, [0.0, 0.0], [0.0, 0.0]),
    (lambda x: ag.norm(x, 1), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: ag.norm(x, 1), [0.0, -2.0], [0.0, -1.0]),
    (lambda x: ag.norm(x, 3), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: ag.norm(x, inf), [0.0, 0.0], [0.0, 0.0]),
    (lambda x: ag.norm(x, inf), [-3.0, 3.0, 1.0], [-0.5, 0.5, 0.0]),
    (lambda x: ag.norm(x, 2, axis=1), [[3.0, 4.0], [0.0, 0.0]], [[0.6, 0.8], [0.0, 0.0]]),
    (lambda x: ag.sqrt((x * x).sum()), [0.0, 0.0], [nan, nan]),
    (ag.std, [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]),
    (ag.std, [5.0], [0.0]),
    (ag.var, [5.0], [0.0]),
    (lambda x: ag.var(x, ddof=1), [5.0], [nan]),
    (lambda x: ag.std(x, ddof=1), [5.0], [nan]),
    (ag.logsumexp, [-inf, -inf], [0.0, 0.0]),
    (ag.logsumexp, [1000.0, 1000.0], [0.5, 0.5]),
    (ag.logsumexp, [-1000.0, -1000.0], [0.5, 0.5]),
    (ag.logsumexp, [1000.0, -1000.0], [1.0, 0.0]),
    (lambda x: ag.log_softmax(x)[0], [1000.0, -1000.0], [0.0, 0.0]),
    (lambda x: ag.log_softmax(x)[1], [1000.0, -1000.0], [-1.0, 1.0]),
    (lambda x: ag.softmax(x)[0], [1000.0, -1000.0], [0.0, 0.0]),
    (lambda x: ag.softmax(x)[0], [1000.0, 1000.0], [0.25, -0.25]),
    (ag.median, [2.0, 2.0, 2.0], [0.0, 1.0, 0.0]),
    (ag.median, [4.0, 1.0, 3.0, 10.0], [0.5, 0.0, 0.5, 0.0]),
    (lambda x: ag.topk(x, 1)[0], [5.0, 5.0, 5.0], [1.0, 0.0, 0.0]),
    (lambda x: ag.topk(x, 2, largest=False)[0] * np.array([1.0, 10.0]), [5.0, 1.0, 1.0], [0.0, 1.0, 10.0]),
    (lambda x: ag.sort(x) * np.array([1.0, 10.0, 100.0]), [7.0, 7.0, 2.0], [10.0, 100.0, 1.0]),
    (lambda x: ag.sort(x, descending=True) * np.array([1.0, 10.0, 100.0]), [7.0, 7.0, 2.0], [1.0, 10.0, 100.0]),
    (lambda x: ag.sum(x, axis=1), np.zeros((2, 0)), [[], []]),
    (lambda x: ag.prod(x, axis=0), np.zeros((0, 2)), []),
    (lambda x: ag.cumsum(x), [1.0, 1.0, 1.0], [3.0, 2.0, 1.0]),
    (lambda x: x.mean(), np.zeros((0,)), []),
]


@pytest.mark.parametrize(("function", "values", "expected"), CASES)
def test_gradient_at_special_points(function: Callable[[ag.Tensor], Any], values: Any, expected: Any) -> None:
    """Ties share evenly unless an index selects one; zeros are exact; nan only if no limit exists."""
    np.testing.assert_allclose(np.array(gradient(function, values)), np.array(expected), rtol=1e-14)


def test_values_of_empty_and_infinite_inputs() -> None:
    assert ag.logsumexp([-inf, -inf]).item() == -inf
    assert ag.log_softmax(ag.Tensor([1000.0, -1000.0])).tolist() == [0.0, -2000.0]
    assert ag.prod(np.zeros((0,))).item() == 1.0
    assert ag.sum(np.zeros((0,))).item() == 0.0
    assert np.isnan(ag.mean(np.zeros((0,))).item())
    assert np.isnan(ag.median(ag.Tensor([1.0, nan, 2.0])).item())
    assert np.isnan(ag.median(np.zeros((0,))).item())


@pytest.mark.parametrize("function", [ag.max, ag.min, ag.argmax, ag.argmin])
def test_max_without_elements_names_the_shape(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"\(0,\)"):
        function(np.zeros((0,)))


@pytest.mark.parametrize("ddof", [1, 2, 3])
def test_variance_without_degrees_of_freedom_is_never_negative(ddof: int) -> None:
    """n − ddof below 0 counts as 0: the result is nan or inf, as in NumPy, and never a finite number."""
    value = ag.var([1.0], ddof=ddof).item()
    assert np.isnan(value)
    assert not np.isfinite(ag.var([1.0, 2.0], ddof=ddof + 1).item())


@pytest.mark.parametrize("function", [ag.mean, ag.var, ag.std, ag.norm])
def test_float16_reductions_do_not_overflow_internally(function: Callable[..., Any]) -> None:
    """70 000 elements, and squares above 65 504, exceed float16; the results do not."""
    x = ag.Tensor(np.where(np.arange(70_000) % 2, 300, 100).astype(np.float16))
    value = function(x)
    assert value.dtype == np.float16
    assert function is ag.norm or np.isclose(float(value), {ag.mean: 200, ag.var: 10_000, ag.std: 100}[function], rtol=1e-3)
    assert np.isfinite(float(ag.norm(x[:100])))


def test_norms_of_very_large_and_small_elements_are_exact() -> None:
    assert ag.norm(ag.Tensor(np.array([3e200, 4e200]))).item() == pytest.approx(5e200)
    assert ag.norm(ag.Tensor(np.array([3e-200, 4e-200]))).item() == pytest.approx(5e-200)
    assert ag.norm(ag.Tensor(np.array([3e200, 4e200])), 3).item() == pytest.approx(91 ** (1 / 3) * 1e200)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.sort(x, axis=0),
        lambda x: ag.sort(x, axis=None),
        lambda x: ag.topk(x, 2, axis=1)[0],
        lambda x: ag.median(x, axis=0),
        lambda x: ag.median(x, axis=(0, 1), keepdims=True),
        lambda x: ag.diff(x, 2, axis=0),
        lambda x: ag.norm(x, 1, axis=0),
        lambda x: ag.norm(x, inf, axis=1),
        ag.ptp,
    ],
)
def test_compositions_of_primitives_have_correct_gradients(function: Callable[[ag.Tensor], ag.Tensor]) -> None:
    x = np.random.default_rng(0).permutation(12).reshape(3, 4) * 0.7 - 3
    assert gradcheck(function, x)
    assert gradgradcheck(lambda t: function(t * t * 0.1 + t), x)


def test_topk_rejects_a_k_above_the_length() -> None:
    with pytest.raises(ValueError, match=r"k must lie in \[0, 3\] for axis 0 of shape \(3,\), got 4"):
        ag.topk([1.0, 2.0, 3.0], 4)


def test_unsupported_matrix_norms_raise_an_error() -> None:
    """`np.linalg.norm(matrix, 2)` is the largest singular value, which `ag.norm` would not give."""
    x = ag.Tensor(np.ones((2, 2)))
    assert np.linalg.norm(x).item() == 2.0
    assert np.linalg.norm(x, "fro").item() == 2.0
    with pytest.raises(TypeError, match="matrix norm"):
        np.linalg.norm(x, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [0.388, 1 / 3, -1e3, 0.1])
def test_std_and_var_of_a_constant_are_exactly_zero(value: float, dtype: type) -> None:
    """Three equal numbers have a mean that may differ from them in the last place; spread and gradient must still be 0."""
    for function in (ag.std, ag.var):
        x = ag.Tensor(np.full(3, value, dtype), requires_grad=True)
        y = function(x)
        y.backward()
        assert y.item() == 0
        assert x.grad.tolist() == [0, 0, 0]
