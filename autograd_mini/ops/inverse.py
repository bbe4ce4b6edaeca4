"""Inverses, linear systems, determinants and Cholesky factors of matrices in the last two axes, differentiable to any order.

The rules are from Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", and for the Cholesky factor from Murray (2016), "Differentiation of the Cholesky decomposition".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..apply import apply, as_float, as_floats
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike
from ._make import implements
from .linalg import swap_last_axes
from .shape import expand_dims, squeeze

__all__ = [
    "cholesky", "det", "inv", "slogdet", "solve",
]  # fmt: skip

Kernel = Callable[..., Any]


def lapack(function: Kernel, integers: Collection[int] = ()) -> Kernel:
    """Makes a kernel for all dtypes from `function`: LAPACK has no float16, so float16 is computed in float32.

    Results have the dtype of the operands, but those with the numbers in `integers`.
    """

    def kernel(*xs: Array, **params: Any) -> Any:
        dtype = xs[0].dtype
        result = function(*[x.astype(np.float32) if dtype.itemsize == 2 else x for x in xs], **params)
        if isinstance(result, tuple):
            return tuple(r if i in integers else np.asarray(r, dtype) for i, r in enumerate(result))
        return np.asarray(result, dtype)

    return kernel


def explain_lapack(reason: str, square: bool = True) -> Callable[..., str]:
    """Returns a function that explains why LAPACK failed: the shapes if they are wrong, else `reason`."""

    def explain(*xs: Array, **_: Any) -> str:
        shapes = " and ".join(str(x.shape) for x in xs)
        if xs[0].ndim < 2 or (square and xs[0].shape[-1] != xs[0].shape[-2]):
            return f"expected a {'square ' * square}matrix or a stack of them, got {shapes}"
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
    "inv", lapack(np.linalg.inv), formula="A⁻¹", derivative=("−A⁻ᵀ δ A⁻ᵀ",),
    vjp=(_inv_rule,),
    explain=explain_lapack("the matrix is singular"), batch=rules.aligned,
)  # fmt: skip
_SOLVE = Primitive(
    "solve", lapack(np.linalg.solve), ordered=True, formula="A⁻¹ B", derivative=("−(A⁻ᵀ δ) Xᵀ", "A⁻ᵀ δ"),
    vjp=(
        lambda xp, g, y, a, b: -xp.matmul(xp.solve(swap_last_axes(xp, a), g), swap_last_axes(xp, y)),
        lambda xp, g, y, a, b: xp.solve(swap_last_axes(xp, a), g),
    ),
    explain=explain_lapack("the matrix is singular"), batch=rules.aligned,
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
    if b._data.ndim == 0:
        raise ValueError(f"solve: b must be a vector (n,) or matrices (…, n, k), got a 0-d tensor: {b!r}")
    if b._data.ndim == 1:
        return squeeze(apply(_SOLVE, (a, expand_dims(b, 1))), -1)
    return apply(_SOLVE, (a, b))


# -- determinants ----------------------------------------------------------------------------------------------------


def _cofactor(x: Array) -> Array:
    """Returns det A · A⁻ᵀ, computed with A = U S Vᵀ as det U det V · U S′ Vᵀ; S′ᵢ is the product of the Sⱼ with j ≠ i."""
    u, s, vt = np.linalg.svd(x)
    others = _replace_each(s).prod(-1)
    return np.matmul(u * (others * _sign(u, vt))[..., None, :], vt)


def _replace_each(s: Array) -> Array:
    """(…, n) → (…, n, n): row i is s with 1 instead of sᵢ."""
    return np.where(np.eye(s.shape[-1], dtype=bool), s.dtype.type(1), s[..., None, :])


def _sign(u: Array, vt: Array) -> Any:
    """Returns det U det V of orthogonal matrices, which is ±1, as (…, 1)."""
    return np.rint(np.linalg.det(u) * np.linalg.det(vt))[..., None]


def _cofactor_backward(g: Array, x: Array) -> Array:
    """Gradient of ⟨g, C⟩ with respect to A = U S Vᵀ, where C are its cofactors, without a division.

    Seen from the axes of U and V, A is the diagonal S, and the second derivatives of its determinant are ±Pᵢⱼ, the product of
    the singular values other than i and j: + if they belong to the diagonal elements i and j, − to the elements ij and ji.
    """
    u, s, vt = np.linalg.svd(x)
    without_each, ones = _replace_each(s), np.ones_like(s)[..., None]
    before = np.concatenate([ones, np.cumprod(without_each[..., :-1], -1)], -1)[..., : s.shape[-1]]
    after = np.concatenate([ones, np.cumprod(without_each[..., :0:-1], -1)], -1)[..., ::-1][..., : s.shape[-1]]
    others = np.where(np.eye(s.shape[-1], dtype=bool), s.dtype.type(0), before * after) * _sign(u, vt)[..., None]
    turned = np.matmul(np.matmul(np.swapaxes(u, -1, -2), g), np.swapaxes(vt, -1, -2))
    seen = -others * np.swapaxes(turned, -1, -2)
    diagonal = np.einsum("...ii->...i", seen)
    diagonal[...] = np.einsum("...ij,...jj->...i", others, turned)
    return np.matmul(np.matmul(u, seen), vt)


def _third_derivative(xp: Any, v: Any, y: Any, g: Any, x: Any) -> Any:
    """Gradient of ⟨v, `cofactor_backward`(g, A)⟩ = det A (⟨g, K⟩⟨v, K⟩ − ⟨v, K gᵀ K⟩) with respect to A, where K = A⁻ᵀ."""
    k = swap_last_axes(xp, xp.inverse_or_nan(x, accurate=True))

    def along(a: Any, b: Any) -> Any:
        product = a * b  # of one matrix and a stack of them it has the axes of the stack
        return xp.sum(product, axis=(product.ndim - 2, product.ndim - 1), keepdims=True)

    def between(a: Any, b: Any) -> Any:
        return xp.matmul(xp.matmul(a, swap_last_axes(xp, b)), k)

    kg, kv = between(k, g), between(k, v)
    products = (along(g, k) * along(v, k) - along(v, kg)) * k - along(v, k) * kg - along(g, k) * kv
    return _per_matrix(xp, xp.det(x)) * (products + between(kg, v) + between(kv, g))


Primitive(
    "cofactor", lapack(_cofactor), formula="C = det A · A⁻ᵀ", derivative=("(⟨δ, C⟩ C − C δᵀ C) / det A, without dividing",),
    vjp=(lambda xp, g, y, x: xp.cofactor_backward(g, x),),
    batch=rules.aligned,
)  # fmt: skip
Primitive(
    "cofactor_backward", lapack(_cofactor_backward), formula="∇ ⟨δ, C⟩ = (⟨δ, C⟩ C − C δᵀ C) / det A",
    derivative=("the same for δ", "the third derivative of det"),
    vjp=(lambda xp, v, y, g, x: xp.cofactor_backward(v, x), _third_derivative),
    kink="third derivatives are nan for a singular or badly conditioned A", batch=rules.repeated,
)  # fmt: skip
_DET = Primitive(
    "det", lapack(np.linalg.det), formula="det A", derivative=("δ · cofactors of A",),
    vjp=(lambda xp, g, y, x: _per_matrix(xp, g) * xp.cofactor(x),),
    explain=explain_lapack("LAPACK found no determinant"), batch=rules.aligned,
)  # fmt: skip


def _inverse_or_nan(x: Array, accurate: bool = False) -> Array:
    singular = (np.linalg.slogdet(x)[0] == 0)[..., None, None]
    if accurate and x.size:  # products of three inverses would magnify the rounding errors by the condition's square
        singular = singular | (np.linalg.cond(x) > np.finfo(x.dtype).eps ** (-1 / 3))[..., None, None]
    regular = np.where(singular, np.eye(x.shape[-1], dtype=x.dtype), x)
    return np.where(singular, x.dtype.type(np.nan), np.linalg.inv(regular))


Primitive(
    "inverse_or_nan", lapack(_inverse_or_nan), formula="A⁻¹", derivative=("−A⁻ᵀ δ A⁻ᵀ",),
    vjp=(lambda xp, g, y, x, **_: _inv_rule(xp, g, y, x),),
    kink="nan for a singular A, or a badly conditioned one if it must be accurate", batch=rules.aligned,
)  # fmt: skip


def _slogdet_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    _, to_log = g  # the sign is piecewise constant
    return xp.zeros_like(x) if to_log is None else _per_matrix(xp, to_log) * swap_last_axes(xp, xp.inverse_or_nan(x))


_SLOGDET = Primitive(
    "slogdet", lapack(lambda x: tuple(np.linalg.slogdet(x))), formula="sgn det A, ln |det A|",
    derivative=("δ A⁻ᵀ for the logarithm, 0 for the sign",),
    vjp=(_slogdet_rule,),
    kink="nan for a singular matrix", explain=explain_lapack("LAPACK found no determinant"), outputs=2,
    batch=rules.aligned,
)  # fmt: skip


@implements(np.linalg.det)
def det(x: TensorLike) -> Tensor:
    """Determinant of each matrix: (…, n, n) → (…). Gradient: δ times the cofactors.

    First and second derivatives are right for singular matrices too; third derivatives are nan there (Giles 2008, sec. 2.2.4).

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
    "cholesky", lapack(np.linalg.cholesky), formula="L with A = L Lᵀ",
    derivative=("sym(L⁻ᵀ Φ(Lᵀ δ) L⁻¹), Φ: lower triangle, diagonal halved",),
    vjp=(_cholesky_rule,),
    explain=explain_lapack("the matrix is not positive definite"), batch=rules.aligned,
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
