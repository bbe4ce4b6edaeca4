"""Second derivatives at special points: the right one where the rule can know it, else nan, and never a finite wrong number."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag

ZERO, SAME = [0.0, 0.0], [2.0, 2.0]

NO_HESSIAN: dict[str, tuple[Callable[[ag.Tensor], ag.Tensor], list[float]]] = {
    "exp(−norm²)": (lambda x: ag.exp(-ag.square(ag.norm(x))), ZERO),
    "norm": (ag.norm, ZERO),
    "norm²": (lambda x: ag.norm(x) ** 2, ZERO),
    "norm of rows": (lambda x: ag.norm(x.reshape(1, 2), axis=1).sum(), ZERO),
    "norm, p = 3": (lambda x: ag.norm(x, 3), ZERO),
    "norm, p = 3/2": (lambda x: ag.norm(x, 1.5), ZERO),
    "hypot": (lambda x: ag.hypot(x[0], x[1]), ZERO),
    "hypot²": (lambda x: ag.hypot(x[0], x[1]) ** 2, ZERO),
    "arctan2": (lambda x: ag.arctan2(x[0], x[1]), ZERO),
    "abs": (lambda x: ag.abs(x).sum(), ZERO),
    "abs²": (lambda x: (ag.abs(x) ** 2).sum(), ZERO),
    "abs · abs": (lambda x: (ag.abs(x) * ag.abs(x)).sum(), ZERO),
    "fabs of a square": (lambda x: ag.fabs(x * x).sum(), ZERO),
    "copysign²": (lambda x: ag.square(ag.copysign(x, 1.0)).sum(), ZERO),
    "norm², p = 1": (lambda x: ag.norm(x.reshape(2, 1), 1, axis=1) @ ag.norm(x.reshape(2, 1), 1, axis=1), ZERO),
    "norm², p = ∞": (lambda x: (ag.norm(x.reshape(2, 1), np.inf, axis=1) ** 2).sum(), ZERO),
    "norm⁴": (lambda x: ag.norm(x) ** 4, ZERO),
    "√(hypot⁴)": (lambda x: ag.sqrt(ag.hypot(x[0], x[1]) ** 4 + 1), ZERO),
    "std": (ag.std, SAME),
    "std²": (lambda x: ag.std(x) ** 2, SAME),
    "std, ddof = 1": (lambda x: ag.std(x, ddof=1), SAME),
}


@pytest.mark.parametrize("name", NO_HESSIAN)
def test_no_second_derivative_is_nan(name: str) -> None:
    """The first derivative is the convention 0; through the rule, nothing shows whether a second one exists."""
    function, point = NO_HESSIAN[name]
    x = ag.Tensor(np.array(point))
    assert ag.grad(function)(x).tolist() == ZERO
    assert np.isnan(np.diag(ag.hessian(function)(x).data)).all()


HESSIAN: dict[str, tuple[Callable[[ag.Tensor], ag.Tensor], list[float], Any]] = {
    "exp(−Σ x²)": (lambda x: ag.exp(-ag.sum(x * x)), ZERO, [[-2, 0], [0, -2]]),
    "Σ x²": (lambda x: ag.sum(ag.square(x)), ZERO, [[2, 0], [0, 2]]),
    "std of one element": (lambda x: ag.std(x[:1]) + ag.std(x.reshape(2, 1), axis=1).sum(), SAME, [[0, 0], [0, 0]]),
    "var": (ag.var, SAME, [[0.5, -0.5], [-0.5, 0.5]]),
    "norm, p = 3, one element 0": (lambda x: ag.norm(x, 3), [1.0, 0.0], [[0, 0], [0, 0]]),
    "norm, one element 0": (ag.norm, [2.0, 0.0], [[0, 0], [0, 0.5]]),
    "hypot, one leg 0": (lambda x: ag.hypot(x[0], x[1]), [2.0, 0.0], [[0, 0], [0, 0.5]]),
    "prod of zeros": (lambda x: ag.prod(x) + ag.prod(x * x), ZERO, [[0, 1], [1, 0]]),
    "cumprod of zeros": (lambda x: ag.cumprod(x).sum(), ZERO, [[0, 1], [1, 0]]),
    "x⁰": (lambda x: (x**0).sum(), ZERO, [[0, 0], [0, 0]]),
    "x³": (lambda x: (x**3).sum(), ZERO, [[0, 0], [0, 0]]),
    "xʸ at (0, 3)": (lambda x: ag.power(x[0], x[1]), [0.0, 3.0], [[0, 0], [0, 0]]),
}


@pytest.mark.parametrize("name", HESSIAN)
def test_a_second_derivative_that_exists(name: str) -> None:
    function, point, expected = HESSIAN[name]
    np.testing.assert_allclose(ag.hessian(function)(ag.Tensor(np.array(point))).data, expected, atol=1e-15)


def test_one_zero_row_spoils_only_its_own_second_derivatives() -> None:
    x = ag.Tensor(np.array([[0.0, 0.0], [3.0, 4.0]]))
    (found,) = ag.hvp(lambda t: ag.norm(t, axis=1).sum(), (x,), (ag.ones((2, 2), dtype=np.float64),))
    assert np.isnan(found.data[0]).all()
    np.testing.assert_allclose(found.data[1], [(16 - 12) / 125, (9 - 12) / 125])


def second(function: Callable[..., ag.Tensor], point: tuple[float, float]) -> list[float]:
    """The derivatives by aa, ab (first by a), ba and bb."""
    a, b = (ag.Tensor(np.array(p), requires_grad=True) for p in point)
    with np.errstate(all="ignore"):
        slopes = ag.grad(function(a, b), [a, b], create_graph=True)
        found = [ag.grad(slope, by, allow_unused=True) for slope in slopes for by in (a, b)]
    return [0.0 if g is None else g.item() for g in found]  # None: the slope does not depend on it


INF, NAN = np.inf, np.nan
E = 2 * np.log(2)
AT_A_BOUND = {  # ∂²aᵇ/∂a∂b = aᵇ⁻¹ (1 + b ln a) is −inf at (0, b) for 0 < b ≤ 1; 0⁰ is not a limit of powers
    ("power", 0.0, 0.0): [0, NAN, NAN, NAN], ("power", 0.0, 0.5): [-INF, -INF, NAN, 0], ("power", 0.0, 1.0): [0, -INF, NAN, 0],
    ("power", 0.0, 1.5): [INF, 0, 0, 0], ("power", 0.0, 2.0): [2, 0, 0, 0], ("power", 0.0, 3.0): [0, 0, 0, 0],
    ("power", 1.0, 0.0): [0, 1, 1, 0], ("power", -1.0, 2.0): [2, NAN, NAN, NAN], ("power", 2.0, 1.0): [0, 1 + E / 2, 1 + E / 2, E * E / 2],
    ("xlogy", 0.0, 0.0): [0, NAN, INF, NAN], ("xlogy", 0.0, 2.0): [0, 0.5, 0.5, 0],
}  # fmt: skip


@pytest.mark.parametrize(("name", "a", "b"), AT_A_BOUND)
def test_mixed_derivatives_are_right_or_nan_in_both_orders(name: str, a: float, b: float) -> None:
    np.testing.assert_allclose(second(getattr(ag, name), (a, b)), AT_A_BOUND[name, a, b], atol=1e-15)


def test_a_smooth_loss_has_its_curvature_at_its_minimum() -> None:
    """1/β inside, 0 outside; |d| has none at 0."""
    from autograd_mini import nn

    d = ag.Tensor(np.array([0.0, 0.1, -3.0]))
    curvature = ag.hessian(lambda x: nn.smooth_l1_loss(x, ag.zeros(3, "float64"), beta=0.5, reduction="sum"))(d)
    np.testing.assert_allclose(np.diag(curvature.data), [2, 2, 0])


STEPS: dict[str, Callable[[ag.Tensor], ag.Tensor]] = {
    "square": ag.square, "x³": lambda x: x**3, "exp": ag.exp, "sin": ag.sin, "abs": ag.abs, "norm": ag.norm, "std": ag.std,
    "copysign": lambda x: ag.copysign(x, 1.0), "norm 1": lambda x: ag.norm(x, 1), "norm 3": lambda x: ag.norm(x, 3),
    "hypot": lambda x: ag.hypot(x, x * 2), "x^1.5": lambda x: x**1.5, "sqrt": ag.sqrt, "xlogx": lambda x: ag.xlogy(x, x),
    "prod": ag.prod, "var": ag.var, "·x": lambda x: x * 1.5, "arctan2": lambda x: ag.arctan2(x, x + 1),
    "logaddexp": lambda x: ag.logaddexp(x, 2 * x), "power": lambda x: ag.power(x + 1, x), "1 − x": lambda x: 1 - x,
}  # fmt: skip


def curve(function: Callable[[ag.Tensor], ag.Tensor], x: np.ndarray, d: np.ndarray, h: float) -> list[float]:
    """Second differences at x along d: central, over twice the step, to the right and to the left."""
    far_left, left, here, right, far_right = (function(ag.Tensor(x + k * h * d)).item() for k in (-2, -1, 0, 1, 2))
    return [
        (right - 2 * here + left) / h**2, (far_right - 2 * here + far_left) / (4 * h * h),
        (far_right - 2 * right + here) / h**2, (here - 2 * left + far_left) / h**2,
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, -1.0]), min_size=2, max_size=2),
    st.sampled_from([(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.7, -0.3)]),
)
@settings(max_examples=150, deadline=None)
def test_no_composition_has_a_finite_wrong_second_derivative(
    names: list[str], at: list[float], along: tuple[float, float]
) -> None:
    """At zeros and ties: if differences of two step sizes and of both sides agree, ours is the same number, or not finite."""

    def function(x: ag.Tensor) -> ag.Tensor:
        for name in names:
            x = STEPS[name](x)
        return ag.sum(x)

    x, d = np.array(at), np.array(along)
    with np.errstate(all="ignore"):
        ours = d @ ag.hessian(function)(ag.Tensor(x)).data @ d
        coarse, fine = (np.array(curve(function, x, d, h)) for h in (2e-3, 1e-3))
    scale = 1 + abs(ours)
    if np.isfinite([ours, *coarse, *fine]).all() and np.ptp(fine) < 0.03 * scale and abs(coarse[0] - fine[0]) < 0.01 * scale:
        assert abs(fine[0] - ours) < 0.05 * scale, (names, fine)


def mixed(a: np.ndarray, order: int) -> np.ndarray:
    """Derivatives of det, which is linear in each element: so they are differences over steps of 1, exact for integers."""
    places = list(itertools.product(range(len(a)), repeat=2))
    found = np.zeros((a.size,) * order)
    for at in itertools.product(range(a.size), repeat=order):
        if len(set(at)) == order:
            for steps in itertools.product((0, 1), repeat=order):
                moved = a.copy()
                for i, step in zip(at, steps, strict=True):
                    moved[places[i]] += step
                found[at] += (-1) ** (order - sum(steps)) * np.linalg.det(moved)
    return found.reshape(a.shape * order)


@given(st.integers(1, 4).flatmap(lambda n: hnp.arrays(np.float64, (n, n), elements=st.integers(-2, 2))))
@settings(max_examples=40)
def test_the_hessian_of_a_determinant(a: np.ndarray) -> None:
    """Of matrices of any rank: it is a polynomial of the elements, and the rule needs no inverse."""
    np.testing.assert_allclose(ag.hessian(ag.det)(ag.Tensor(a)).data, mixed(a, 2), atol=1e-10)


def test_the_hessian_of_a_singular_determinant() -> None:
    found = ag.hessian(ag.det)(ag.Tensor(np.array([[1.0, 2.0], [2.0, 4.0]])))
    np.testing.assert_allclose(found.data[0, 0], [[0, 0], [0, 1]], atol=1e-15)


def test_the_third_derivative_of_a_determinant_is_right_or_nan() -> None:
    """det A³ˣ³ has constant third derivatives; where the matrix is nearly singular they would be noise."""
    third = ag.jacobian(ag.hessian(ag.det))
    for a in (np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3)):
        np.testing.assert_allclose(third(ag.Tensor(a)).data, mixed(a, 3), atol=1e-10)
    singular = np.outer([0.1, 0.2, 0.3], [0.3, 0.7, 0.9]) + 1e-9 * np.eye(3)
    assert np.isnan(third(ag.Tensor(singular)).data).all()
