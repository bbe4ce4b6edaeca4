"""Matrix products, inverses and factors: values as in NumPy, known derivatives, singular matrices, clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.call import Call
from samples.linalg import SAMPLES, regular_matrices

import autograd_mini as ag


@given(SAMPLES["einsum"])
def test_einsum_equals_numpy(call: Call) -> None:
    """Every einsum of the samples, with broadcasting and empty axes, through `ag.einsum` and `np.einsum`."""
    subscripts = call.note.removeprefix("einsum ")
    expected = np.einsum(subscripts, *call.operands)
    np.testing.assert_allclose(call.function(*map(ag.Tensor, call.operands)).data, expected, rtol=1e-12, atol=1e-12)
    through_numpy = np.einsum(subscripts, *map(ag.Tensor, call.operands))
    assert isinstance(through_numpy, ag.Tensor)
    np.testing.assert_allclose(through_numpy.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("subscripts", ["ii", "ii->i", "iji->j", "ij->", "ij->ji", "...i->...", "i...->...", "ijj->i"])
def test_einsum_of_one_operand_equals_numpy(subscripts: str) -> None:
    """Diagonals, sums and transposes are recorded as the operations of these names."""
    x = np.random.default_rng(0).normal(size=(3,) * len(subscripts.split("->")[0].replace("...", "k")))
    np.testing.assert_allclose(ag.einsum(subscripts, x).data, np.einsum(subscripts, x), rtol=1e-12)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk", [(2, 3), (4, 5)], "axis 'j' has lengths 3 and 4"),
        ("ij", [(2,)], "needs one letter for each axis of shape"),
        ("ij,jk", [(2, 3)], "expects 2 operands, got 1"),
        ("ij->ii", [(2, 2)], "each once"),
        ("ij->k", [(2, 2)], "must consist of letters of the operands"),
        ("ii", [(2, 3)], "axis 'i' has lengths 2 and 3"),
        ("ii", [(1, 3)], "takes a diagonal"),
        ("i1", [(2, 3)], "subscripts must be letters"),
    ],
)
def test_einsum_errors_name_the_subscripts(subscripts: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ag.einsum(subscripts, *[np.zeros(shape) for shape in shapes])


@pytest.mark.parametrize(
    ("function", "numpy_function", "shapes"),
    [
        (ag.dot, np.dot, [(3,), (3,)]),
        (ag.dot, np.dot, [(2, 3), (3,)]),
        (ag.dot, np.dot, [(), (2, 3)]),
        (ag.dot, np.dot, [(4, 2, 3), (5, 3, 2)]),
        (ag.dot, np.dot, [(4, 2, 3), (3,)]),
        (ag.vdot, np.vdot, [(2, 3), (3, 2)]),
        (ag.outer, np.outer, [(2, 2), (3,)]),
        (ag.tensordot, np.tensordot, [(2, 3, 4), (3, 4, 5)]),
        (lambda a, b: ag.tensordot(a, b, 0), lambda a, b: np.tensordot(a, b, 0), [(2, 3), (4,)]),
        (lambda a, b: ag.tensordot(a, b, (0, -1)), lambda a, b: np.tensordot(a, b, (0, -1)), [(2, 3), (4, 2)]),
        (
            lambda a, b: ag.tensordot(a, b, ((1, 0), (0, 2))),
            lambda a, b: np.tensordot(a, b, ((1, 0), (0, 2))),
            [(2, 3), (3, 4, 2)],
        ),
        (ag.matmul, np.matmul, [(0, 3), (3, 2)]),
        (ag.matmul, np.matmul, [(2, 0), (0, 3)]),
        (ag.matmul, np.matmul, [(5, 1, 2, 3), (4, 3, 2)]),
    ],
)
def test_products_equal_numpy(
    function: Callable[..., Any], numpy_function: Callable[..., Any], shapes: list[tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=shape) for shape in shapes]
    tensors = [ag.Tensor(x, requires_grad=True) for x in operands]
    expected = numpy_function(*operands)
    np.testing.assert_allclose(function(*tensors).data, expected, rtol=1e-12)
    through_numpy = numpy_function(*tensors)
    assert isinstance(through_numpy, ag.Tensor)
    np.testing.assert_allclose(through_numpy.data, expected, rtol=1e-12)
    for g, x in zip(ag.grad(function(*tensors).sum(), tensors), operands, strict=True):
        assert g.shape == x.shape


@given(st.data())
def test_matrix_functions_satisfy_their_defining_identities(data: st.DataObject) -> None:
    """A A⁻¹ = 1, A X = B, sgn · exp(ln |det|) = det and L Lᵀ = A, for stacks, in float32 and float64."""
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    a = data.draw(regular_matrices()).astype(dtype)
    n, close = a.shape[-1], {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    x = ag.Tensor(a)
    np.testing.assert_allclose((x @ np.linalg.inv(x)).data, np.broadcast_to(np.eye(n), a.shape), **close)
    b = np.arange(n * 2, dtype=dtype).reshape(n, 2)
    np.testing.assert_allclose((x @ np.linalg.solve(x, b)).data, np.broadcast_to(b, (*a.shape[:-1], 2)), **close)
    sign, logarithm = np.linalg.slogdet(x)
    np.testing.assert_allclose((sign * ag.exp(logarithm)).data, np.linalg.det(a), **close)
    np.testing.assert_allclose(np.linalg.det(x).data, np.linalg.det(a), **close)
    square = x @ ag.swapaxes(x, -1, -2)
    factor = np.linalg.cholesky(square)
    np.testing.assert_allclose((factor @ ag.swapaxes(factor, -1, -2)).data, square.data, **close)
    assert {t.dtype for t in (sign, logarithm, factor)} == {np.dtype(dtype)}


def test_gradients_equal_known_derivatives() -> None:
    """d ln|det A| = tr(A⁻¹ dA); the cofactors for d det A; −A⁻ᵀ δ A⁻ᵀ for the inverse."""
    a = ag.Tensor(np.array([[2.0, 1.0], [1.0, 3.0]]), requires_grad=True)
    inverse = np.array([[0.6, -0.2], [-0.2, 0.4]])
    np.testing.assert_allclose(ag.grad(ag.slogdet(a)[1], a).data, inverse.T, rtol=1e-12)
    np.testing.assert_allclose(ag.grad(ag.det(a), a).data, [[3.0, -1.0], [-1.0, 2.0]], rtol=1e-12)
    np.testing.assert_allclose(ag.grad(ag.inv(a)[0, 0], a).data, -np.outer(inverse[0], inverse[:, 0]), rtol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_of_the_determinant_is_correct_for_singular_matrices(rank: int) -> None:
    """Cofactors need no inverse: those of a 3 × 3 matrix are not all 0 for rank 2, and 0 for rank 1 and 0."""
    rng = np.random.default_rng(0)
    x = ag.Tensor(rng.normal(size=(3, rank)) @ rng.normal(size=(rank, 3)), requires_grad=True)
    cofactors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x.data, i, 0), j, 1)) for j in range(3)] for i in range(3)
    ]
    np.testing.assert_allclose(ag.grad(ag.det(x), x).data, cofactors, atol=1e-12)


def test_a_singular_matrix_in_a_stack_does_not_affect_the_others() -> None:
    x = ag.Tensor(np.stack([np.zeros((2, 2)), np.eye(2)]), requires_grad=True)
    sign, logarithm = ag.slogdet(x)
    assert (sign.tolist(), logarithm.tolist()) == ([0.0, 1.0], [-np.inf, 0.0])
    g = ag.grad(logarithm.sum(), x).data
    assert np.isnan(g[0]).all()
    np.testing.assert_array_equal(g[1], np.eye(2))


def test_the_sign_of_a_determinant_has_gradient_zero() -> None:
    x = ag.Tensor(np.eye(2), requires_grad=True)
    assert ag.grad(ag.slogdet(x)[0], x).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("function", [ag.inv, ag.det, ag.cholesky, lambda x: ag.solve(x, x[0]), lambda x: ag.slogdet(x)[1]])
def test_float16_is_computed_in_float32_and_returned_as_float16(function: Callable[..., Any]) -> None:
    x = ag.Tensor(np.array([[2.0, 0.0], [0.0, 4.0]], np.float16), requires_grad=True)
    y = function(x)
    assert y.dtype == ag.grad(y.sum(), x).dtype == np.float16


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: ag.inv(np.zeros((2, 3))), np.linalg.LinAlgError, r"inv: expected a square matrix .* got \(2, 3\)"),
        (lambda: ag.inv(np.zeros((2, 2))), np.linalg.LinAlgError, "inv: the matrix is singular"),
        (lambda: ag.solve(np.eye(2), np.ones(3)), ValueError, r"solve: lengths of A and B differ: \(2, 2\) and \(3, 1\)"),
        (lambda: ag.solve(np.zeros((2, 2)), np.ones(2)), np.linalg.LinAlgError, "solve: the matrix is singular"),
        (lambda: ag.cholesky(-np.eye(2)), np.linalg.LinAlgError, "cholesky: the matrix is not positive definite"),
        (lambda: ag.det(np.zeros(3)), np.linalg.LinAlgError, r"det: expected a square matrix .* got \(3,\)"),
        (lambda: ag.matmul(np.zeros((2, 3)), np.zeros((2, 3))), ValueError, r"inner dimensions differ: \(2, 3\) @ \(2, 3\)"),
        (lambda: ag.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), 1), ValueError, r"tensordot: axes \[1\] of shape \(2, 3\)"),
    ],
)
def test_errors_name_the_operation_and_the_reason(use: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()


def test_solve_uses_one_vector_for_each_matrix_of_a_stack() -> None:
    a = np.stack([np.eye(2), 2 * np.eye(2)])
    assert ag.solve(a, ag.Tensor([2.0, 4.0])).tolist() == [[2.0, 4.0], [1.0, 2.0]]
