"""Decompositions and functions of matrices: values as in NumPy and SciPy, the gradient where eigenvalues coincide, clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import autograd_mini as ag
from autograd_mini.testing import primitive_check

RANDOM = np.random.default_rng(0)
SQUARE, TALL, B = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(4, 2))
SYMMETRIC = SQUARE + SQUARE.T


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (lambda: ag.eigvalsh(SYMMETRIC), np.linalg.eigvalsh(SYMMETRIC)),
        (lambda: ag.svdvals(TALL), np.linalg.svd(TALL, compute_uv=False)),
        (lambda: ag.pinv(TALL), np.linalg.pinv(TALL)),
        (lambda: ag.pinv(np.outer(TALL[:, 0], TALL[0])), np.linalg.pinv(np.outer(TALL[:, 0], TALL[0]))),
        (lambda: ag.lstsq(TALL, RANDOM.normal(size=5) * 0 + 1).solution, np.linalg.lstsq(TALL, np.ones(5))[0]),
        (lambda: ag.lstsq(TALL, np.ones(5)).residuals, np.linalg.lstsq(TALL, np.ones(5))[1]),
        (lambda: ag.matrix_power(SQUARE, 7), np.linalg.matrix_power(SQUARE, 7)),
        (lambda: ag.matrix_power(SQUARE, -3), np.linalg.matrix_power(SQUARE, -3)),
        (lambda: ag.matrix_power(SQUARE, 0), np.eye(4)),
        (lambda: ag.cond(SQUARE), np.linalg.cond(SQUARE)),
        (lambda: ag.cond(SQUARE, 1), np.linalg.cond(SQUARE, 1)),
        (lambda: ag.expm(SQUARE * 9), scipy.linalg.expm(SQUARE * 9)),
        (lambda: ag.expm(np.zeros((2, 2))), np.eye(2)),
        (lambda: ag.solve_triangular(SQUARE, B), scipy.linalg.solve_triangular(SQUARE, B)),
        (
            lambda: ag.solve_triangular(SQUARE, B[:, 0], upper=False, unit_diagonal=True),
            scipy.linalg.solve_triangular(SQUARE, B[:, 0], lower=True, unit_diagonal=True),
        ),
        (lambda: ag.cholesky_solve(B, np.linalg.cholesky(SQUARE @ SQUARE.T)), np.linalg.solve(SQUARE @ SQUARE.T, B)),
        (
            lambda: ag.cholesky_solve(B[:, 0], np.linalg.cholesky(SQUARE @ SQUARE.T).T, upper=True),
            np.linalg.solve(SQUARE @ SQUARE.T, B[:, 0]),
        ),
        (lambda: ag.lu_solve(ag.lu_factor(SQUARE), B), np.linalg.solve(SQUARE, B)),
        *[
            (lambda ord=ord: ag.matrix_norm(TALL, ord), np.linalg.norm(TALL, ord))
            for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
        ],
    ],
)
def test_values_are_those_of_numpy_and_scipy(ours: Callable[[], ag.Tensor], expected: Any) -> None:
    np.testing.assert_allclose(ours().data, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3), (0, 2, 2)])
def test_factors_give_the_matrix_back(shape: tuple[int, ...], dtype: str) -> None:
    x = RANDOM.normal(size=shape).astype(dtype)
    u, s, vt = ag.svd(x)
    q, r = ag.qr(x)
    results = [(u * ag.expand_dims(s, -2)) @ vt, q @ r]
    if shape[-1] == shape[-2]:
        symmetric = x + np.swapaxes(x, -1, -2)
        values, vectors = ag.eigh(symmetric)
        results.append((vectors * ag.expand_dims(values, -2)) @ ag.swapaxes(vectors, -1, -2) - symmetric + x)
        lu, order = ag.lu_factor(x)
        product = (ag.tril(lu, -1) + np.eye(shape[-1], dtype=dtype)) @ ag.triu(lu)
        np.testing.assert_allclose(
            product.data, np.take_along_axis(x, order.data[..., None], -2), atol=20 * np.finfo(dtype).eps
        )
    for result in results:
        assert result.dtype == dtype
        np.testing.assert_allclose(result.data, x, atol=40 * np.finfo(dtype).eps)


def test_the_pivots_are_those_of_lapack() -> None:
    for n in (1, 2, 5, 30):
        x = RANDOM.normal(size=(n, n))
        permutation, lower, upper = scipy.linalg.lu(x)
        lu, order = ag.lu_factor(x)
        np.testing.assert_allclose(lu.data, np.tril(lower, -1) + upper, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(np.eye(n)[:, order.data], permutation)


def test_numpys_functions_take_tensors() -> None:
    x = ag.Tensor(SYMMETRIC, requires_grad=True)
    for function in (np.linalg.eigh, np.linalg.svd, np.linalg.qr):
        assert all(isinstance(part, ag.Tensor) and part.requires_grad for part in function(x))
    for function in (np.linalg.eigvalsh, np.linalg.pinv, np.linalg.cond, lambda x: np.linalg.matrix_power(x, 3)):
        assert function(x).requires_grad


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.sum(ag.eigvalsh(x) ** 3),
        lambda x: ag.sum(ag.svdvals(x) ** 2),
        lambda x: ag.matrix_norm(x, "nuc"),
        lambda x: ag.sum(ag.exp(ag.eigvalsh(x))),
    ],
    ids=["eigenvalues", "singular values", "nuclear norm", "trace of the exponential"],
)
def test_symmetric_functions_have_their_gradient_where_values_coincide(function: Callable[..., ag.Tensor]) -> None:
    """With respect to a symmetric direction D it is the slope of t ↦ f(2I + tD)."""
    center, direction, step = 2 * np.eye(3), RANDOM.normal(size=(3, 3)), 1e-6
    direction += direction.T
    slope = (function(ag.Tensor(center + step * direction)) - function(ag.Tensor(center - step * direction))).item() / (
        2 * step
    )
    gradient = ag.grad(function)(ag.Tensor(center)).data
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6)


def test_vectors_of_coinciding_values_give_nan_and_never_a_wrong_number() -> None:
    identity = ag.Tensor(np.eye(3))
    weights = RANDOM.normal(size=(3, 3))
    assert np.isnan(ag.grad(lambda x: ag.sum(ag.eigh(x).eigenvectors * weights))(identity).data).any()
    assert np.isnan(ag.grad(lambda x: ag.sum(ag.svd(x).U * weights))(identity).data).any()


def test_the_gradient_of_a_function_of_a_matrix_by_its_eigenvalues() -> None:
    """exp A = V e^Λ Vᵀ agrees with `expm` in value and gradient."""

    def by_eigenvalues(x: ag.Tensor) -> ag.Tensor:
        values, vectors = ag.eigh(x)
        return (vectors * ag.exp(values)) @ vectors.T

    weights = RANDOM.normal(size=(4, 4))
    weights += weights.T
    first, second = (
        ag.grad(lambda x, f=f: ag.sum(f(x) * weights))(ag.Tensor(SYMMETRIC)).data for f in (by_eigenvalues, ag.expm)
    )
    np.testing.assert_allclose(first, second, rtol=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.matrix_power(x, 5), lambda x: ag.matrix_power(x, -2), ag.cond, lambda x: ag.cond(x, 1),
        lambda x: ag.solve_triangular(x, B), lambda x: ag.cholesky_solve(B, ag.cholesky(x @ x.T)),
        lambda x: ag.lu_solve(ag.lu_factor(x), B), lambda x: ag.lstsq(x, B).solution,
        *[lambda x, ord=ord: ag.matrix_norm(x, ord) for ord in ("nuc", 2, -2, 1, np.inf)],
    ],
)  # fmt: skip
def test_gradients_of_composed_functions(function: Callable[..., ag.Tensor]) -> None:
    assert primitive_check(function, SQUARE + 3 * np.diag([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: ag.eigh(np.ones((2, 3))), ValueError, "square matrix"),
        (lambda: ag.svd(np.ones(3)), ValueError, "expected a matrix"),
        (lambda: ag.svd(TALL, full_matrices=True), ValueError, "use full_matrices=False"),
        (lambda: ag.qr(TALL, mode="complete"), ValueError, "mode must be 'reduced', got 'complete'"),
        (lambda: ag.matrix_power(SQUARE, 1.5), TypeError, "n must be an int, got 1.5"),
        (lambda: ag.matrix_power(TALL, 2), ValueError, "square"),
        (lambda: ag.matrix_norm(SQUARE, 3), ValueError, "got 3"),
        (lambda: ag.matrix_norm([1.0, 2.0]), ValueError, r"matrix_norm: expected a matrix .* got shape \(2,\)"),
        (lambda: ag.expm(TALL), ValueError, "square"),
        (lambda: ag.lstsq(TALL, np.ones(4)), ValueError, "expected shapes"),
        (lambda: ag.solve_triangular(TALL, B), ValueError, "square"),
        (lambda: ag.lu_factor(TALL), (ValueError, IndexError), "square"),
    ],
)
def test_errors_name_what_was_expected(function: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        function()


def test_least_squares_have_residuals_only_with_more_equations_than_unknowns() -> None:
    """As in NumPy."""
    for rows in (2, 3, 4):
        a, b = np.random.default_rng(0).normal(size=(rows, 3)), np.ones(rows)
        found, expected = ag.lstsq(a, b).residuals, np.linalg.lstsq(a, b)[1]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.data, expected, rtol=1e-10)
