"""Composed functions agree with NumPy's functions of the same name, also called as `np.…`; gradients agree with differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini.testing import gradcheck

A = np.arange(6.0).reshape(2, 3) - 2.5
B = np.linspace(-1, 2, 6).reshape(2, 3)
CASES: list[tuple[str, tuple[np.ndarray, ...], dict[str, Any]]] = [
    ("inner", (A, B), {}), ("inner", (A, np.array(2.0)), {}), ("inner", (A[0], B), {}),
    ("kron", (A, B), {}), ("kron", (A[0], B), {}), ("kron", (A, np.array(3.0)), {}),
    ("cross", (A, B), {}), ("cross", (A.T, B.T), {"axis": 0}), ("cross", (A[0], B), {}),
    ("rot90", (A,), {}), ("rot90", (A,), {"k": 3}), ("rot90", (A,), {"k": -2, "axes": (1, 0)}), ("rot90", (A,), {"k": 1, "axes": (1, 0)}),
    ("fliplr", (A,), {}), ("flipud", (A,), {}),
    ("atleast_1d", (np.array(2.0),), {}), ("atleast_2d", (A[0],), {}), ("atleast_3d", (A,), {}), ("atleast_3d", (A[0],), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operands", "options"), CASES)
def test_values_equal_numpys_and_gradients_pass_gradcheck(
    name: str, operands: tuple[np.ndarray, ...], options: dict[str, Any]
) -> None:
    function: Callable[..., Any] = getattr(ag, name)
    numpy_function: Callable[..., Any] = getattr(np, name)
    expected = numpy_function(*operands, **options)
    np.testing.assert_allclose(function(*operands, **options).data, expected)
    np.testing.assert_allclose(numpy_function(*[ag.Tensor(x) for x in operands], **options).data, expected)
    gradcheck(lambda *xs: function(*xs, **options), *operands)


def test_nan_to_num_gives_replaced_elements_gradient_zero() -> None:
    x = ag.Tensor([1.0, np.nan], requires_grad=True)
    (ag.nan_to_num(x) * 3).sum().backward()
    assert x.grad.tolist() == [3, 0]


def test_nan_to_num_does_not_change_integers() -> None:
    assert ag.nan_to_num([1, 2]).dtype == np.int64


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: ag.inner(A, B[:, :2]), r"last axes must have equal lengths, got shapes \(2, 3\) and \(2, 2\)"),
        (lambda: ag.cross(A[:, :2], B[:, :2]), "expected 3 elements"),
        (lambda: ag.rot90(A, axes=(0, 0)), "axes must be distinct"),
    ],
)
def test_invalid_arguments_raise_a_clear_error(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()
