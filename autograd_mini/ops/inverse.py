"""Inverses, linear systems, determinants and Cholesky factors of matrices in the last two axes, differentiable to any order.

The rules are from Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", and for the Cholesky factor from Murray (2016), "Differentiation of the Cholesky decomposition".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..apply import apply, as_float, as_floats
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike
from ._make import implements
from .linalg import swap_last_axes
from .shape import expand_dims, squeeze

__all__ = [
    "cholesky",
    "det",
    "inv",
    "slogdet",
    "solve",
]

Kernel = Callable[..., Any]


def _lapack(function: Kernel) -> Kernel:
    """Makes a kernel for all dtypes from `function`: LAPACK has no float16, so float16 is computed in float32."""

    def kernel(*xs: Array) -> Any:
        dtype = xs[0].dtype
        result = function(*[x.astype(np.float32) if dtype.itemsize == 2 else x for x in xs])
        return tuple(np.asarray(r, dtype) for r in result) if isinstance(result, tuple) else np.asarray(result, dtype)

    return kernel


def _explain_lapack(reason: str) -> Callable[..., str]:
    """Returns a function that explains why LAPACK failed: the shapes if they are wrong, else `reason`."""

    def explain(*xs: Array) -> str:
        shapes = " and ".join(str(x.shape) for x in xs)
        if xs[0].ndim < 2 or xs[0].shape[-1] != xs[0].shape[-2]:
            return f"expected a square matrix or a stack of them, got {shapes}"
        return (
            f"lengths of A and B differ: {shapes}"
            if xs[-1].shape[-2] != xs[0].shape[-1]
            else f"{reason}, of shape {xs[0].shape}"
        )

    return explain


def _per_matrix(xp: Any, g: Any) -> Any:
    """Reshapes one number per matrix, (…), to (…, 1, 1), so that it multiplies the matrix."""
    return xp.reshape(g, shape=(*g.shape, 1, 1))


# -- inverse and linear systems --------------------------------------------------------------------------------------


def _inv_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    transposed = swap_last_axes(xp, y)
    return -xp.matmul(xp.matmul(transposed, g), transposed)


_INV = Primitive(
    "inv", _lapack(np.linalg.inv), formula="A⁻¹", derivative=("−A⁻ᵀ δ A⁻ᵀ",),
    vjp=(_inv_rule,),
    explain=_explain_lapack("the matrix is singular"),
)  # fmt: skip
_SOLVE = Primitive(
    "solve", _lapack(np.linalg.solve), formula="A⁻¹ B", derivative=("−(A⁻ᵀ δ) Xᵀ", "A⁻ᵀ δ"),
    vjp=(
        lambda xp, g, y, a, b: -xp.matmul(xp.solve(swap_last_axes(xp, a), g), swap_last_axes(xp, y)),
        lambda xp, g, y, a, b: xp.solve(swap_last_axes(xp, a), g),
    ),
    explain=_explain_lapack("the matrix is singular"),
)  # fmt: skip


@implements(np.linalg.inv)
def inv(x: TensorLike) -> Tensor:
    """Inverse of each matrix: (…, n, n). Raises LinAlgError if one is singular. Gradient: −A⁻ᵀ δ A⁻ᵀ (Giles 2008, sec. 2.2.3).

    >>> import autograd_mini as ag
    >>> ag.inv([[2.0, 0.0], [0.0, 4.0]])
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]], shape=(2, 2))
    """
    return apply(_INV, (as_float(x),))


@implements(np.linalg.solve)
def solve(a: TensorLike, b: TensorLike) -> Tensor:
    """Solves A X = B: a is (…, n, n), b is (…, n, k) or one vector (n,). Raises LinAlgError if a matrix is singular.

    Gradients: A⁻ᵀ δ for B, −(A⁻ᵀ δ) Xᵀ for A (Giles 2008, sec. 2.3.1).

    >>> import autograd_mini as ag
    >>> ag.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    Tensor([1. , 0.5])
    """
    a, b = as_floats(a, b)
    if b._data.ndim == 1:
        return squeeze(apply(_SOLVE, (a, expand_dims(b, 1))), -1)
    return apply(_SOLVE, (a, b))


# -- determinants ----------------------------------------------------------------------------------------------------


def _cofactor(x: Array) -> Array:
    """Returns det A · A⁻ᵀ, computed with A = U S Vᵀ as det U det V · U S′ Vᵀ; S′ᵢ is the product of the Sⱼ with j ≠ i."""
    u, s, vt = np.linalg.svd(x)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.rint(np.linalg.det(u) * np.linalg.det(vt))
    return np.matmul(u * (others * sign[..., None])[..., None, :], vt)


def _cofactor_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    inner = xp.sum(g * y, axis=(g.ndim - 2, g.ndim - 1), keepdims=True)
    return (inner * y - xp.matmul(xp.matmul(y, swap_last_axes(xp, g)), y)) / _per_matrix(xp, xp.det(x))


Primitive(
    "cofactor", _lapack(_cofactor), formula="C = det A · A⁻ᵀ", derivative=("(⟨δ, C⟩ C − C δᵀ C) / det A",),
    vjp=(_cofactor_rule,),
    kink="for singular matrices only the value is correct, not the derivative",
)  # fmt: skip
_DET = Primitive(
    "det", _lapack(np.linalg.det), formula="det A", derivative=("δ · cofactors of A",),
    vjp=(lambda xp, g, y, x: _per_matrix(xp, g) * xp.cofactor(x),),
    explain=_explain_lapack("LAPACK found no determinant"),
)  # fmt: skip


def _inverse_or_nan(x: Array) -> Array:
    singular = (np.linalg.slogdet(x)[0] == 0)[..., None, None]
    regular = np.where(singular, np.eye(x.shape[-1], dtype=x.dtype), x)
    return np.where(singular, x.dtype.type(np.nan), np.linalg.inv(regular))


Primitive(
    "inverse_or_nan", _lapack(_inverse_or_nan), formula="A⁻¹", derivative=("−A⁻ᵀ δ A⁻ᵀ",),
    vjp=(_inv_rule,),
    kink="nan for a singular A",
)  # fmt: skip


def _slogdet_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    _, to_log = g  # the sign is piecewise constant
    return xp.zeros_like(x) if to_log is None else _per_matrix(xp, to_log) * swap_last_axes(xp, xp.inverse_or_nan(x))


_SLOGDET = Primitive(
    "slogdet", _lapack(lambda x: tuple(np.linalg.slogdet(x))), formula="sgn det A, ln |det A|",
    derivative=("δ A⁻ᵀ for the logarithm, 0 for the sign",),
    vjp=(_slogdet_rule,),
    kink="nan for a singular matrix", explain=_explain_lapack("LAPACK found no determinant"), outputs=2,
)  # fmt: skip


@implements(np.linalg.det)
def det(x: TensorLike) -> Tensor:
    """Determinant of each matrix: (…, n, n) → (…). Gradient: δ times the cofactors, correct for singular matrices too.

    Second derivatives need an invertible matrix (Giles 2008, sec. 2.2.4).

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> ag.grad(ag.det(x), x)
    Tensor([[0., 0.],
            [0., 2.]], shape=(2, 2))
    """
    return apply(_DET, (as_float(x),))


@implements(np.linalg.slogdet)
def slogdet(x: TensorLike) -> tuple[Tensor, Tensor]:
    """Sign of each determinant and the logarithm of its absolute value, which does not overflow: (…, n, n) → (…), (…).

    Gradient: δ A⁻ᵀ from the logarithm, nan if the matrix is singular; the sign is piecewise constant.

    >>> import autograd_mini as ag
    >>> sign, logarithm = ag.slogdet([[0.0, 1.0], [1.0, 0.0]])
    >>> sign, logarithm
    (Tensor(-1.0), Tensor(0.0))
    """
    sign, logarithm = apply(_SLOGDET, (as_float(x),))
    return sign, logarithm


# -- Cholesky factor -------------------------------------------------------------------------------------------------


def _cholesky_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    transposed = swap_last_axes(xp, y)
    inner = xp.matmul(transposed, g)
    phi = (xp.tril(inner, k=0) + xp.tril(inner, k=-1)) * 0.5  # the lower triangle with the diagonal halved
    product = swap_last_axes(xp, xp.solve(transposed, swap_last_axes(xp, xp.solve(transposed, phi))))  # L⁻ᵀ Φ L⁻¹
    return (product + swap_last_axes(xp, product)) * 0.5


_CHOLESKY = Primitive(
    "cholesky", _lapack(np.linalg.cholesky), formula="L with A = L Lᵀ",
    derivative=("sym(L⁻ᵀ Φ(Lᵀ δ) L⁻¹), Φ: lower triangle, diagonal halved",),
    vjp=(_cholesky_rule,),
    explain=_explain_lapack("the matrix is not positive definite"),
)  # fmt: skip


@implements(np.linalg.cholesky)
def cholesky(x: TensorLike) -> Tensor:
    """Lower triangular L with A = L Lᵀ for symmetric positive definite matrices (…, n, n); raises LinAlgError for others.

    Only the lower triangle of A is read. The gradient is the symmetric one: sym(L⁻ᵀ Φ(Lᵀ δ) L⁻¹), where Φ takes the lower
    triangle and halves its diagonal (Murray 2016, eq. 10).

    >>> import autograd_mini as ag
    >>> ag.cholesky([[4.0, 2.0], [2.0, 2.0]])
    Tensor([[2., 0.],
            [1., 1.]], shape=(2, 2))
    """
    return apply(_CHOLESKY, (as_float(x),))
