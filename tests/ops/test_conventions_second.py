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
    assert np.isnan(ag.hessian(function)(x).data).all()


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


def test_a_power_that_has_no_mixed_derivative_says_nan() -> None:
    """∂²/∂x∂y xʸ = xʸ⁻¹ (1 + y ln x) is −inf at (0, 1); xlogy is no better at (0, 0)."""
    for function, point in ((ag.power, (0.0, 1.0)), (ag.xlogy, (0.0, 0.0))):
        a, b = (ag.Tensor(np.array(p), requires_grad=True) for p in point)
        first, by = (b, a) if function is ag.power else (a, b)
        with np.errstate(all="ignore"):
            slope = ag.grad(function(a, b), first, create_graph=True)
            assert np.isnan(ag.grad(slope, by).item())


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
