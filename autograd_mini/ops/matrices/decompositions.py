"""Eigenvalues of symmetric matrices, singular values, and the QR and LU decompositions of matrices in the last two axes.

The rules are from Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", Townsend (2016), "Differentiating the singular value decomposition", Walter and Lehmann (2010), "Algorithmic
differentiation of linear algebra functions", and de Hoog, Anderssen and Lukas (2011), "Differentiation of matrix functionals
using triangular factorization". Where eigenvalues coincide, eigenvectors have no derivative: a gradient that arrives through
them is nan, and one through eigenvalues alone, such as that of their sum, is right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...apply import apply, as_float
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag, one_of
from .._make import implements
from ..inverse import explain_lapack, lapack
from ..linalg import swap_last_axes

__all__ = ["eigh", "eigvalsh", "lu_factor", "qr", "svd", "svdvals"]


def _row(xp: Any, x: Any) -> Any:
    """(…, n) → (…, 1, n), so that it multiplies the columns of a matrix."""
    return xp.reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _column(xp: Any, x: Any) -> Any:
    """(…, n) → (…, n, 1), so that it multiplies the rows of a matrix."""
    return xp.reshape(x, shape=(*x.shape, 1))


def _by_gaps(xp: Any, inner: Any, values: Any) -> Any:
    """Returns innerᵢⱼ / (vⱼ − vᵢ), with 0 on the diagonal; where values coincide, nan, or 0 if inner is 0 too."""
    gaps = _row(xp, values) - _column(xp, values)
    diagonal = np.eye(values.shape[-1], dtype=bool)
    ratio = inner / xp.where(gaps == 0, xp.ones_like(gaps), gaps)
    undecided = xp.where(inner == 0, xp.zeros_like(ratio), np.nan)
    return xp.where(diagonal, xp.zeros_like(ratio), xp.where(gaps == 0, undecided, ratio))


# -- eigenvalues -----------------------------------------------------------------------------------------------------


def _eigh_rule(xp: Any, g: Any, y: Any, a: Any) -> Any:
    (to_values, to_vectors), (values, vectors) = g, y
    transposed = swap_last_axes(xp, vectors)
    inner = None if to_vectors is None else _by_gaps(xp, xp.matmul(transposed, to_vectors), values)
    total = xp.zeros_like(a)
    if to_values is not None:
        total = total + xp.matmul(vectors * _row(xp, to_values), transposed)
    if inner is not None:
        total = total + xp.matmul(xp.matmul(vectors, inner), transposed)
    return (total + swap_last_axes(xp, total)) * 0.5


_EIGH = Primitive(
    "eigh", lapack(lambda x: tuple(np.linalg.eigh(x))), formula="Λ, V with A = V Λ Vᵀ",
    derivative=("sym(V (diag δ_Λ + Vᵀ δ_V / (λⱼ − λᵢ)) Vᵀ)",),
    vjp=(_eigh_rule,),
    kink="nan through eigenvectors of coinciding eigenvalues", explain=explain_lapack("LAPACK found no eigenvalues"), outputs=2,
    batch=rules.aligned,
)  # fmt: skip


class Eigh(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@implements(np.linalg.eigh)
def eigh(x: TensorLike) -> Eigh:
    """Eigenvalues λ, ascending, and orthonormal eigenvectors V of symmetric matrices: (…, n, n) → (…, n), (…, n, n).

    Only the lower triangle is read; the gradient is the symmetric one: sym(V (diag δ_λ + F ∘ Vᵀ δ_V) Vᵀ) with
    Fᵢⱼ = 1 / (λⱼ − λᵢ) (Giles 2008, sec. 3.1). Eigenvectors are determined up to their sign, so use what does not depend on it.

    >>> import autograd_mini as ag
    >>> ag.eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues
    Tensor([1., 2.])
    >>> ag.grad(lambda a: ag.eigh(a).eigenvalues[1])(ag.Tensor([[2.0, 0.0], [0.0, 1.0]]))
    Tensor([[1., 0.],
            [0., 0.]], shape=(2, 2))
    """
    return Eigh(*apply(_EIGH, (as_float(x),)))


@implements(np.linalg.eigvalsh)
def eigvalsh(x: TensorLike) -> Tensor:
    """Eigenvalues of symmetric matrices, ascending: (…, n, n) → (…, n). Gradient: V diag(δ) Vᵀ, also where they coincide.

    >>> import autograd_mini as ag
    >>> ag.eigvalsh([[2.0, 1.0], [1.0, 2.0]])
    Tensor([1., 3.])
    """
    return eigh(x).eigenvalues


# -- singular values -------------------------------------------------------------------------------------------------


def _svd_rule(xp: Any, g: Any, y: Any, a: Any) -> Any:
    (to_u, to_s, to_vt), (u, s, vt) = g, y
    v, ut = swap_last_axes(xp, vt), swap_last_axes(xp, u)
    rows, columns = a.shape[-2:]
    core: Any = 0 if to_s is None else _row(xp, to_s) * np.eye(s.shape[-1], dtype=s.dtype)
    outside: list[Any] = []
    if to_u is not None:
        inner = _by_gaps(xp, xp.matmul(ut, to_u), s * s)
        core = core + (inner + swap_last_axes(xp, inner)) * _row(xp, s)
        if rows > s.shape[-1]:
            rest = (to_u - xp.matmul(u, xp.matmul(ut, to_u))) / _row(xp, s)
            outside.append(xp.matmul(rest, vt))
    if to_vt is not None:
        to_v = swap_last_axes(xp, to_vt)
        inner = _by_gaps(xp, xp.matmul(vt, to_v), s * s)
        core = core + _column(xp, s) * (inner + swap_last_axes(xp, inner))
        if columns > s.shape[-1]:
            rest = (to_v - xp.matmul(v, xp.matmul(vt, to_v))) / _row(xp, s)
            outside.append(xp.matmul(u, swap_last_axes(xp, rest)))
    return sum(outside, xp.matmul(xp.matmul(u, core), vt))


_SVD = Primitive(
    "svd", lapack(lambda x: tuple(np.linalg.svd(x, full_matrices=False))), formula="U, S, Vᵀ with A = U S Vᵀ",
    derivative=("U (diag δ_S + …) Vᵀ, Townsend (2016)",),
    vjp=(_svd_rule,),
    kink="nan through singular vectors of coinciding singular values, and of 0 if A is not square",
    explain=explain_lapack("LAPACK found no singular values", square=False), outputs=3,
    batch=rules.aligned,
)  # fmt: skip


class SVD(NamedTuple):
    """The factors of A = U S Vᵀ; `Vh` is Vᵀ."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@implements(np.linalg.svd)
def svd(x: TensorLike, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """Singular value decomposition A = U S Vᵀ of matrices: (…, m, n) → (…, m, k), (…, k), (…, k, n) with k = min(m, n).

    Unlike NumPy's default, U and Vᵀ are reduced to k columns and rows; `full_matrices=True` is possible for square matrices,
    where it makes no difference, and raises ValueError otherwise, because the further vectors are arbitrary. With
    `compute_uv=False` only S is returned. Gradient: Townsend (2016).

    >>> import autograd_mini as ag
    >>> ag.svd([[3.0, 0.0], [0.0, 4.0]]).S
    Tensor([4., 3.])
    """
    x = as_float(x)
    full_matrices, compute_uv = flag("svd", "full_matrices", full_matrices), flag("svd", "compute_uv", compute_uv)
    if full_matrices and compute_uv and x._data.ndim >= 2 and x._data.shape[-1] != x._data.shape[-2]:
        raise ValueError(f"svd: full_matrices=True has no gradient for shape {x._data.shape}; use full_matrices=False")
    factors = SVD(*apply(_SVD, (x,)))
    return factors if compute_uv else factors.S


def svdvals(x: TensorLike) -> Tensor:
    """Singular values of matrices, descending: (…, m, n) → (…, min(m, n)). Gradient: U diag(δ) Vᵀ, also where they coincide.

    >>> import autograd_mini as ag
    >>> ag.svdvals([[3.0, 0.0], [0.0, 4.0]])
    Tensor([4., 3.])
    """
    singular_values: Tensor = svd(x, compute_uv=False)
    return singular_values


# -- triangular factors ----------------------------------------------------------------------------------------------


def _qr_rule(xp: Any, g: Any, y: Any, a: Any) -> Any:
    (to_q, to_r), (q, r) = g, y
    to_q = xp.zeros_like(q) if to_q is None else to_q
    to_r = xp.zeros_like(r) if to_r is None else to_r
    n = q.shape[-1]
    if a.shape[-1] == n:
        return _tall_qr_rule(xp, to_q, to_r, q, r)
    # A wide matrix [X Y] has R = [U V] with X = Q U and V = Qᵀ Y.
    first, rest = (..., slice(None, n)), (..., slice(n, None))
    to_v, y_part = xp.getitem(to_r, index=rest), xp.getitem(a, index=rest)
    to_q = to_q + xp.matmul(y_part, swap_last_axes(xp, to_v))
    left = _tall_qr_rule(xp, to_q, xp.getitem(to_r, index=first), q, xp.getitem(r, index=first))
    return xp.concatenate(left, xp.matmul(q, to_v), axis=a.ndim - 1)


def _tall_qr_rule(xp: Any, to_q: Any, to_r: Any, q: Any, r: Any) -> Any:
    m = xp.matmul(r, swap_last_axes(xp, to_r)) - xp.matmul(swap_last_axes(xp, to_q), q)
    symmetric = xp.tril(m, k=0) + swap_last_axes(xp, xp.tril(m, k=-1))
    return xp.matmul(to_q + xp.matmul(q, symmetric), swap_last_axes(xp, xp.inverse_or_nan(r)))


_QR = Primitive(
    "qr", lapack(lambda x: tuple(np.linalg.qr(x))), formula="Q, R with A = Q R",
    derivative=("(δ_Q + Q M) R⁻ᵀ, M: R δ_Rᵀ − δ_Qᵀ Q with its lower triangle copied to the upper one",),
    vjp=(_qr_rule,),
    kink="nan if the first columns are linearly dependent", explain=explain_lapack("LAPACK failed", square=False), outputs=2,
    batch=rules.aligned,
)  # fmt: skip


class QR(NamedTuple):
    """Q with orthonormal columns, and the upper triangular R."""

    Q: Tensor
    R: Tensor


@implements(np.linalg.qr)
def qr(x: TensorLike, mode: str = "reduced") -> QR:
    """QR decomposition A = Q R of matrices: (…, m, n) → (…, m, k), (…, k, n) with k = min(m, n).

    Q has orthonormal columns, R is upper triangular. Raises ValueError for other modes than "reduced". Gradient: Walter and
    Lehmann (2010), for columns that are linearly independent, at least the first k.

    >>> import autograd_mini as ag
    >>> q, r = ag.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> ag.abs(r)
    Tensor([[5. , 2.2],
            [0. , 0.4]], shape=(2, 2))
    """
    one_of("qr", "mode", mode, ("reduced",))
    return QR(*apply(_QR, (as_float(x),)))


def _lu(x: Array) -> tuple[Array, Array]:
    """LU decomposition with partial pivoting of square matrices, for all matrices of a stack at once."""
    a = x.copy()
    n = a.shape[-1]
    order = np.broadcast_to(np.arange(n), a.shape[:-1]).copy()
    for k in range(n):
        pivot = k + np.argmax(np.abs(a[..., k:, k]), axis=-1)[..., None]
        swapped = np.broadcast_to(np.arange(n), order.shape).copy()
        np.put_along_axis(swapped, pivot, k, -1)
        swapped[..., k] = pivot[..., 0]
        a, order = np.take_along_axis(a, swapped[..., None], -2), np.take_along_axis(order, swapped, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.where(a[..., k : k + 1, k] == 0, 0, a[..., k + 1 :, k] / a[..., k : k + 1, k])
        a[..., k + 1 :, k] = factors
        a[..., k + 1 :, k + 1 :] -= factors[..., None] * a[..., k, None, k + 1 :]
    return a, order


def _lu_rule(xp: Any, g: Any, y: Any, a: Any) -> Any:
    (to_lu, _), (lu, order) = g, y
    if to_lu is None:
        return xp.zeros_like(a)
    identity = np.eye(lu.shape[-1], dtype=lu.dtype)
    lower, upper = xp.tril(lu, k=-1) + identity, xp.triu(lu, k=0)
    inner = xp.tril(xp.matmul(swap_last_axes(xp, lower), xp.tril(to_lu, k=-1)), k=-1)
    inner = inner + xp.triu(xp.matmul(xp.triu(to_lu, k=0), swap_last_axes(xp, upper)), k=0)
    rows = xp.matmul(swap_last_axes(xp, xp.inverse_or_nan(lower)), inner)
    rows = xp.matmul(rows, swap_last_axes(xp, xp.inverse_or_nan(upper)))
    chosen = _column(xp, order) == np.arange(lu.shape[-1])
    permutation = xp.where(chosen, xp.ones_like(rows), xp.zeros_like(rows))
    return xp.matmul(swap_last_axes(xp, permutation), rows)


_LU = Primitive(
    "lu_factor", lapack(_lu, integers=(1,)), formula="L, U, p with A[p] = L U",
    derivative=("Pᵀ L⁻ᵀ (tril(Lᵀ δ_L) + triu(δ_U Uᵀ)) U⁻ᵀ",),
    vjp=(_lu_rule,),
    kink="nan for a singular matrix; unchanged where the order of rows changes",
    explain=explain_lapack("the factors do not exist"), outputs=2, batch=rules.aligned,
)  # fmt: skip


class LU(NamedTuple):
    """L (below its diagonal of ones) and U in one matrix, and the order of rows: `a[order]` is L U."""

    LU: Tensor
    order: Tensor


def lu_factor(x: TensorLike) -> LU:
    """LU decomposition with partial pivoting of square matrices: (…, n, n) → (…, n, n), (…, n).

    `order` has the rows' numbers in their new order, whereas SciPy's pivots are exchanges. Gradient: de Hoog et al. (2011).

    >>> import autograd_mini as ag
    >>> lu, order = ag.lu_factor([[1.0, 2.0], [4.0, 4.0]])
    >>> lu, order
    (Tensor([[4.  , 4.  ],
            [0.25, 1.  ]], shape=(2, 2)), Tensor([1, 0]))
    """
    return LU(*apply(_LU, (as_float(x),)))
