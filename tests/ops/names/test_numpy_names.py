"""NumPy's functions compute NumPy's values, also called as `np.…` on tensors, and their derivatives of both orders are right.

Each case runs eagerly, compiled, for a batch, in forward mode, and in both orders against differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
V, W, Q = RNG.permutation(7) * 0.7 - 1.3, RNG.normal(size=4), np.array([0.1, 0.5, 0.83])
M, N, CUBE = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3, 4))
GAP = np.arange(12).reshape(4, 3) % 4 == 1
KNOTS, HEIGHTS, POINTS = np.array([-1.0, 0.2, 1.1, 2.0]), RNG.normal(size=4), np.array([[-2.0, -0.5], [1.7, 3.1]])
POSITIVE = RNG.uniform(0.5, 2, size=4)
Case = tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]
CASES: list[Case] = [
    ("append", lambda m, a, b: m.append(a, b), (M, W)),
    ("append along an axis", lambda m, a, b: m.append(a, b, axis=1), (M, N)),
    ("column_stack", lambda m, a, b: m.column_stack([a, b]), (W, M)),
    ("dstack of vectors", lambda m, a, b: m.dstack([a, b]), (W, W + 1)),
    ("dstack of matrices", lambda m, a, b: m.dstack((a, b)), (M, N)),
    ("hsplit", lambda m, x: m.hsplit(x, 3), (M,)),
    ("hsplit of a vector", lambda m, x: m.hsplit(x, [2, 3]), (V,)),
    ("vsplit", lambda m, x: m.vsplit(x, [1]), (M,)),
    ("dsplit", lambda m, x: m.dsplit(x, 2), (CUBE,)),
    ("meshgrid", lambda m, a, b: m.meshgrid(a, b), (V, W)),
    ("meshgrid ij of three", lambda m, a, b, c: m.meshgrid(a, b, c, indexing="ij"), (V[:2], W, Q)),
    ("meshgrid sparse", lambda m, a, b: m.meshgrid(a, b, sparse=True, copy=False), (V, W)),
    ("select", lambda m, a, b: m.select([a > 0.3, a < -0.3], [a * b, b], default=2.0), (M, N)),
    ("average", lambda m, x: m.average(x), (M,)),
    ("average along an axis", lambda m, x, w: m.average(x, 0, weights=w), (M, POSITIVE)),
    ("average of two axes", lambda m, x, w: m.average(x, axis=(2, 0), weights=w, keepdims=True), (CUBE, RNG.uniform(1, 2, (4, 2)))),
    ("average returned", lambda m, x, w: m.average(x, 1, w, returned=True), (M, np.exp(N))),
    ("average returned without weights", lambda m, x: m.average(x, 1, returned=True), (M,)),
    ("nansum", lambda m, x: m.nansum(m.where(GAP, np.nan, x)), (M,)),
    ("nansum along axes", lambda m, x: m.nansum(m.where(GAP, np.nan, x), axis=(0,), keepdims=True), (M,)),
    ("nansum where", lambda m, x: m.nansum(m.where(GAP, np.nan, x), axis=0, where=GAP | (M > 0), initial=2.0), (M,)),
    ("nanmean", lambda m, x: m.nanmean(m.where(GAP, np.nan, x), axis=1), (M,)),
    ("nanmean where", lambda m, x: m.nanmean(m.where(GAP, np.nan, x), where=M > 0), (M,)),
    ("cov", lambda m, x: m.cov(x), (M,)),
    ("cov of columns", lambda m, x, y: m.cov(x, y, rowvar=False, bias=True), (M, N)),
    ("cov of vectors", lambda m, x, y: m.cov(x, y, ddof=0), (W, HEIGHTS)),
    ("cov of one variable", lambda m, x: m.cov(x), (V,)),
    ("cov with fweights", lambda m, x: m.cov(x, fweights=[1, 3, 2]), (M,)),
    ("cov with aweights", lambda m, x, a: m.cov(x, aweights=a), (M, POSITIVE[:3])),
    ("cov with both", lambda m, x, a: m.cov(x, None, True, False, 2, [1, 3, 2], a), (M, POSITIVE[:3])),
    ("corrcoef", lambda m, x: m.corrcoef(x, rowvar=False), (M,)),
    ("corrcoef of vectors", lambda m, x, y: m.corrcoef(x, y), (V, np.cos(V))),
    ("sinc", lambda m, x: m.sinc(x), (np.array([0.0, 1e-9, -1e-3, 0.3, -1.0, 2.5, 40.2]),)),
    ("gradient", lambda m, x: m.gradient(x), (V,)),
    ("gradient of axes", lambda m, x: m.gradient(x, 0.5, 2.0), (M,)),
    ("gradient of swapped axes", lambda m, x: m.gradient(x, 0.5, 2.0, axis=(1, 0), edge_order=2), (M,)),
    ("gradient with coordinates", lambda m, x, t: m.gradient(x, t, axis=0), (M, KNOTS)),
    ("gradient with coordinates, second order", lambda m, x, t: m.gradient(x, t, axis=0, edge_order=2), (M, KNOTS)),
    ("trapezoid", lambda m, x: m.trapezoid(x, dx=0.3), (M,)),
    ("trapezoid with coordinates", lambda m, x, t: m.trapezoid(x, t, axis=0), (M, KNOTS)),
    ("trapezoid with a matrix of coordinates", lambda m, x, t: m.trapezoid(x, t, axis=0), (M, N)),
    ("interp", lambda m, x, t, f: m.interp(x, t, f), (POINTS, KNOTS, HEIGHTS)),
    ("interp with ends", lambda m, x, t, f: m.interp(x, t, f, left=-5.0, right=7.0), (POINTS, KNOTS, HEIGHTS)),
    ("interp periodic", lambda m, x, t, f: m.interp(x, t, f, period=2.7), (POINTS, KNOTS[[2, 0, 1]], HEIGHTS[:3])),
    ("interp of one point", lambda m, x, f: m.interp(x, [0.5], f, left=0.0), (POINTS, HEIGHTS[:1])),
    *((f"convolve {mode} {len(b)}", lambda m, a, b, mode=mode: m.convolve(a, b, mode), (a, b))
      for mode in ("full", "same", "valid") for a, b in ((V, W), (V, W[:3]), (W[:2], V), (V, W[:1]))),
    *((f"quantile {method}", lambda m, x, method=method: m.quantile(x, Q, method=method), (V,)) for method in (
        "linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased", "normal_unbiased",
        "interpolated_inverted_cdf")),
    ("quantile of the fraction", lambda m, x, q: m.quantile(x, q), (V, Q + 0.03)),
    ("quantile along axes", lambda m, x: m.quantile(x, [[0.25], [0.6]], axis=(0, 2), keepdims=True), (CUBE,)),
    ("quantile along an axis", lambda m, x: m.quantile(x, 0.4, axis=1), (CUBE,)),
    ("percentile", lambda m, x: m.percentile(x, 30, axis=0), (M,)),
]  # fmt: skip
BY_NAME = {name: (function, operands) for name, function, operands in CASES}


def flat(results: Any) -> list[Any]:
    return list(results) if isinstance(results, list | tuple) else [results]


@pytest.mark.parametrize("name", BY_NAME)
def test_values_equal_numpys_on_arrays_and_through_numpys_own_functions(name: str) -> None:
    function, operands = BY_NAME[name]
    expected = flat(function(np, *operands))
    for found in (flat(function(ag, *map(Tensor, operands))), flat(function(np, *map(Tensor, operands)))):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert isinstance(a, Tensor)
            assert a.shape == np.shape(b)
            np.testing.assert_allclose(a.data, b, rtol=1e-12, atol=1e-14)


def total(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """A sum of the results with different weights."""

    def call(*xs: Any) -> Tensor:
        terms = [ag.sum(y * np.cos(np.arange(y.size)).reshape(y.shape)) for y in flat(function(ag, *xs))]
        return sum(terms[1:], terms[0])

    return call


@pytest.mark.parametrize("name", BY_NAME)
def test_both_derivatives_forward_mode_and_a_batch_agree(name: str) -> None:
    """Differences, the product J v and a loop over examples are the oracles."""
    function, operands = BY_NAME[name]
    scalar = total(function)
    gradcheck(scalar, *operands)
    gradgradcheck(scalar, *operands)
    directions = [np.sin(np.arange(x.size) + 1.0).reshape(x.shape) for x in operands]
    gradients = ag.grad(scalar, argnums=tuple(range(len(operands))))(*operands)
    _, tangent = ag.jvp(scalar, operands, tuple(directions))
    expected = sum(float((g.data * d).sum()) for g, d in zip(gradients, directions, strict=True))
    np.testing.assert_allclose(tangent.item(), expected, rtol=1e-8, atol=1e-10)
    batch = [np.stack([x, x * 0.9]) for x in operands]
    one_by_one = [scalar(*[x[k] for x in batch]).item() for k in range(2)]
    np.testing.assert_allclose(ag.vmap(scalar)(*batch).data, one_by_one, rtol=1e-12)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_replay_gives_the_values_and_gradients_of_eager_mode(name: str) -> None:
    function, operands = BY_NAME[name]

    def step(*xs: Tensor) -> Sequence[Tensor]:
        return ag.value_and_grad(total(function), argnums=tuple(range(len(xs))))(*xs)

    compiled = ag.jit(step)
    for k in range(3):
        inputs = [Tensor(x * (1 - 0.05 * k)) for x in operands]
        value, gradients = compiled(*inputs)
        expected, slopes = step(*inputs)
        np.testing.assert_allclose(value.data, expected.data, rtol=1e-12)
        for a, b in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-10, atol=1e-12)
    assert compiled.plans


# -- conventions -------------------------------------------------------------------------------------------------------------


def test_sinc_has_the_derivatives_of_its_power_series_at_0() -> None:
    """sinc x = 1 − π²x²/6 + π⁴x⁴/120 − …: the derivatives at 0 are 1, 0, −π²/3, 0, π⁴/5."""
    f, found = ag.sinc, []
    x = np.float64(0.0)
    for _ in range(5):
        found.append(float(f(x).data))
        f = ag.grad(f)
    np.testing.assert_allclose(found, [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5], rtol=1e-13, atol=1e-13)


def test_the_first_two_derivatives_of_sinc_lose_no_digits_near_0() -> None:
    """Compared with mpmath at points where the textbook form cancels."""
    mp = pytest.importorskip("mpmath")
    mp.mp.dps = 40
    for x in (1e-12, 1e-5, 0.01, 0.2, 0.3183, 0.32, 0.6366, 0.64, 1.5, 12.25):
        for order in (1, 2):
            f = ag.grad(ag.sinc) if order == 1 else ag.grad(ag.grad(ag.sinc))
            expected = float(mp.diff(lambda t: mp.sin(mp.pi * t) / (mp.pi * t), mp.mpf(x), order))
            np.testing.assert_allclose(f(np.float64(x)).data, expected, rtol=1e-13, atol=1e-16)


def test_nan_gets_gradient_0_and_a_row_of_nan_has_the_mean_nan() -> None:
    x = Tensor([[1.0, np.nan], [2.0, 4.0]], requires_grad=True)
    ag.nanmean(x, axis=1).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert np.isnan(ag.nanmean([[np.nan, np.nan]], axis=1).data).all()
    assert ag.nansum([np.nan, np.nan]).item() == 0
    assert ag.nansum([1, 2]).dtype == np.int64


def test_interp_at_a_knot_has_the_slope_to_its_right_and_outside_none() -> None:
    slope = ag.elementwise_grad(lambda x: ag.interp(x, [0.0, 1.0, 2.0], [0.0, 10.0, 40.0]))
    assert slope([-1.0, 0.0, 1.0, 2.0, 3.0, np.inf]).tolist() == [0.0, 10.0, 30.0, 30.0, 0.0, 0.0]


def test_quantile_is_nan_with_nan_and_keeps_the_dtype_and_infinite_neighbours_out() -> None:
    assert np.isnan(ag.quantile([1.0, np.nan, 2.0], [0.0, 1.0]).data).all()
    assert ag.quantile(np.ones(3, np.float32), 0.3).dtype == np.float32
    assert ag.quantile([1.0, 2.0, np.inf], [0.5, 1.0]).tolist() == [2.0, np.inf]
    assert ag.quantile([3.0], 0.7).item() == 3.0


def test_quantile_of_a_fraction_has_the_digits_of_float64_in_a_large_float32_array() -> None:
    x = np.arange(3_000_001, dtype=np.float32)
    np.testing.assert_allclose(ag.quantile(x, 0.1 + 1e-7).item(), 300_000.3, rtol=1e-7)


@pytest.mark.parametrize("kth", [0, 3, -1, (1, 4)])
def test_partition_puts_elements_in_their_sorted_places_and_gradients_where_values_came_from(kth: Any) -> None:
    x = Tensor(np.stack([V, -V]), requires_grad=True)
    y = ag.partition(x, kth, axis=1)
    places = [k % 7 for k in np.atleast_1d(kth)]
    np.testing.assert_array_equal(y.data[:, places], np.sort(x.data, 1)[:, places])
    for k in places:
        assert (y.data[:, :k] <= y.data[:, k : k + 1]).all()
        assert (y.data[:, k:] >= y.data[:, k : k + 1]).all()
    np.testing.assert_array_equal(np.sort(y.data, 1), np.sort(x.data, 1))
    (y * y.detach()).sum().backward()
    np.testing.assert_array_equal(x.grad.data, x.data)
    np.testing.assert_array_equal(np.partition(Tensor(V), 3).data[3], np.sort(V)[3])


def test_integers_stay_integers_where_numpy_keeps_them() -> None:
    for name, args in (("convolve", ([1, 2, 3], [2, 1])), ("append", ([1], [2])), ("column_stack", ([[1], [2]],))):
        found = getattr(ag, name)(*args)
        assert found.dtype.kind == "i"
        np.testing.assert_array_equal(found.data, getattr(np, name)(*args))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: ag.hsplit(1.0, 1), ValueError, r"hsplit: expected at least 1 axis, got shape \(\)"),
        (lambda: ag.vsplit(V, 1), ValueError, r"vsplit: expected at least 2 axes, got shape \(7,\)"),
        (lambda: ag.meshgrid(V, indexing="yx"), ValueError, "meshgrid: indexing must be one of 'xy', 'ij', got 'yx'"),
        (lambda: ag.select([[True]], []), ValueError, "select: expected at least one tensor"),
        (lambda: ag.select([[1]], [V]), TypeError, "select: conditions must hold bools, got int64; write x != 0"),
        (lambda: ag.average(M, weights=V), ValueError, r"average: expected weights of shape \(4, 3\) for axis=None, got \(7,\)"),
        (lambda: ag.average(M, 0, V), ValueError, r"expected weights of shape \(4, 3\) or \(4,\) for axis=0, got \(7,\)"),
        (lambda: ag.cov(CUBE), ValueError, "cov: expected at most two axes"),
        (lambda: ag.cov(M, fweights=[0.5, 1.0, 1.0]), ValueError, "cov: fweights must hold integers"),
        (lambda: ag.gradient(M, 1.0, 2.0, 3.0), TypeError, "gradient: expected no spacing, one, or one for each of 2 axes, got 3"),
        (lambda: ag.gradient([1.0]), ValueError, r"gradient: axis 0 needs at least 2 elements, got shape \(1,\)"),
        (lambda: ag.gradient(M, W, axis=1), ValueError, r"coordinates along axis 1 need shape \(3,\), got \(4,\)"),
        (lambda: ag.trapezoid(M, W), ValueError, r"trapezoid: expected x of shape \(3,\), got \(4,\)"),
        (lambda: ag.interp(V, KNOTS, V), ValueError, "interp: xp and fp must be vectors of one length"),
        (lambda: ag.interp(V, KNOTS, HEIGHTS, period=0), ValueError, "interp: period must not be 0, got 0"),
        (lambda: ag.convolve(M, V), ValueError, "convolve: expected vectors with at least one element"),
        (lambda: ag.convolve(V, V, "valid?"), ValueError, "convolve: mode must be one of 'full', 'same', 'valid', got 'valid\\?'"),
        (lambda: ag.quantile(V, 1.5), ValueError, r"quantile: q must lie in \[0, 1\], got 1.5"),
        (lambda: ag.quantile(V, 0.5, method="inverted_cdf"), ValueError, "quantile: method must be one of 'linear'"),
        (lambda: np.quantile(Tensor(V), 0.5, weights=V), TypeError, "does not support weights"),
        (lambda: ag.percentile(V, [101]), ValueError, r"percentile: q must lie in \[0, 100\], got \[101.0\]"),
        (lambda: ag.partition(V, 7), ValueError, r"partition: kth must lie in \[-7, 7\) for axis 0 of shape \(7,\), got 7"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise_an_error_that_names_them(use: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()
