"""Functions of matrices: pseudo-inverses, least squares, powers, norms, the exponential, and systems with known factors."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from ...apply import apply, as_float, as_floats, as_number
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag
from .._make import implements
from ..inverse import explain_lapack, inv, lapack, solve
from ..linalg import matmul, swap_last_axes
from ..moments import norm
from ..reduce import amax, amin
from ..reduce import sum as sum_
from ..shape import expand_dims, squeeze, swapaxes
from .decompositions import LU, svdvals

__all__ = [
    "cholesky_solve", "cond", "expm", "lstsq", "lu_solve", "matrix_norm", "matrix_power", "pinv", "solve_triangular",
]  # fmt: skip

# -- least squares ---------------------------------------------------------------------------------------------------


def _pinv_rule(xp: Any, g: Any, p: Any, a: Any, rcond: float) -> Any:
    gt, pt = swap_last_axes(xp, g), swap_last_axes(xp, p)
    outside_rows = gt - xp.matmul(a, xp.matmul(p, gt))  # (I − A P) δᵀ
    outside_columns = gt - xp.matmul(xp.matmul(gt, p), a)  # δᵀ (I − P A)
    first = xp.matmul(xp.matmul(outside_rows, p), pt)
    second = xp.matmul(xp.matmul(pt, p), outside_columns)
    return first + second - xp.matmul(xp.matmul(pt, g), pt)


_PINV = Primitive(
    "pinv", lapack(lambda x, rcond: np.linalg.pinv(x, rcond)), formula="A⁺",
    derivative=("(I − A A⁺) δᵀ A⁺ A⁺ᵀ + A⁺ᵀ A⁺ δᵀ (I − A⁺ A) − A⁺ᵀ δ A⁺ᵀ",),
    vjp=(_pinv_rule,),
    kink="the derivative along changes that keep the rank", explain=explain_lapack("LAPACK failed", square=False),
    batch=rules.aligned,
)  # fmt: skip


@implements(np.linalg.pinv)
def pinv(x: TensorLike, rcond: float | None = None) -> Tensor:
    """Moore–Penrose pseudo-inverse of matrices: (…, m, n) → (…, n, m). Gradient: Golub and Pereyra (1973), for constant rank.

    Singular values of at most `rcond` times the largest one count as 0; None takes max(m, n) times the precision of the dtype.

    >>> import autograd_mini as ag
    >>> ag.pinv([[2.0], [0.0]])
    Tensor([[0.5, 0. ]], shape=(1, 2))
    """
    x = as_float(x)
    return apply(_PINV, (x,), {"rcond": _cutoff("pinv", x, rcond)})


def _cutoff(name: str, x: Tensor, rcond: float | None) -> float:
    if rcond is not None:
        return as_number(f"{name}: rcond", rcond, "compute the pseudo-inverse from ag.svd")
    return max(x._data.shape[-2:], default=1) * float(np.finfo(x._data.dtype).eps)


class LeastSquares(NamedTuple):
    """The solution, the sums of squared residuals of its columns, the rank of A, and its singular values."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


@implements(np.linalg.lstsq)
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> LeastSquares:
    """Least-squares solution of A X ≈ B: a is (m, n), b is (m,) or (m, k); the shortest one if there are several.

    Computed as A⁺ B, and differentiable in both. The residuals are empty unless m > n. Singular values of at most `rcond` times
    the largest one count as 0, as in `pinv`.

    >>> import autograd_mini as ag
    >>> ag.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).solution.round(4)
    Tensor([1., 2.])
    """
    a, b = as_floats(a, b)
    if a._data.ndim != 2 or b._data.ndim not in (1, 2) or len(b._data) != len(a._data):
        raise ValueError(f"lstsq: expected shapes (m, n) and (m,) or (m, k), got {a._data.shape} and {b._data.shape}")
    cutoff = _cutoff("lstsq", a, rcond)
    solution, s = matmul(pinv(a, cutoff), b), svdvals(a)
    difference = matmul(a, solution) - b
    residuals = sum_(difference * difference, axis=0, keepdims=b._data.ndim == 1)
    rows, columns = a._data.shape
    rank = sum_(s > amax(s) * cutoff) if s._data.size else sum_(s > 0)
    return LeastSquares(solution, residuals if rows > columns else residuals[:0], rank, s)


# -- powers and norms ------------------------------------------------------------------------------------------------


@implements(np.linalg.matrix_power)
def matrix_power(x: TensorLike, n: int) -> Tensor:
    """Product of n equal square matrices (…, k, k), of their inverses if n is negative, by repeated squaring.

    >>> import autograd_mini as ag
    >>> ag.matrix_power([[1.0, 1.0], [0.0, 1.0]], 5)
    Tensor([[1., 5.],
            [0., 1.]], shape=(2, 2))
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: n must be an int, got {n!r}")
    base = as_float(x)
    _check_square("matrix_power", base)
    base, left = (inv(base), -int(n)) if n < 0 else (base, int(n))
    result: Tensor | None = None
    while left:
        if left % 2:
            result = base if result is None else matmul(result, base)
        left //= 2
        if left:
            base = matmul(base, base)
    return base * 0 + np.eye(base._data.shape[-1], dtype=base._data.dtype) if result is None else result


def _check_square(name: str, x: Tensor) -> None:
    if x._data.ndim < 2 or x._data.shape[-1] != x._data.shape[-2]:
        raise ValueError(f"{name}: expected a square matrix or a stack of them, got shape {x._data.shape}")


Order = Literal["fro", "nuc", 1, -1, 2, -2] | float


def matrix_norm(x: TensorLike, ord: Order = "fro") -> Tensor:
    """Norm of each matrix: (…, m, n) → (…).

    "fro" is the root of the sum of squares, "nuc" the sum of singular values, 2 and −2 are the largest and the smallest one;
    1 and −1 are the largest and the smallest sum of absolute values of a column, inf and −inf those of a row.

    >>> import autograd_mini as ag
    >>> [ag.matrix_norm([[3.0, 0.0], [0.0, 4.0]], ord).item() for ord in ("fro", "nuc", 2, -2, 1)]
    [5.0, 7.0, 4.0, 3.0, 4.0]
    """
    x = as_float(x)
    if x._data.ndim < 2:
        raise ValueError(f"matrix_norm: expected a matrix or a stack of them, got shape {x._data.shape}")
    if not isinstance(ord, (str, int, float)):
        raise TypeError(f'matrix_norm: ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}')
    if ord == "fro":
        return norm(x, axis=(-2, -1))
    if ord == "nuc":
        return sum_(svdvals(x), axis=-1)
    if ord in (2, -2):
        return (amax if ord == 2 else amin)(svdvals(x), axis=-1)
    if ord in (1, -1, np.inf, -np.inf):
        lines = sum_(abs(x), axis=-2 if ord in (1, -1) else -1)
        return (amax if ord > 0 else amin)(lines, axis=-1)
    raise ValueError(f'matrix_norm: ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}')


@implements(np.linalg.cond)
def cond(x: TensorLike, p: Order | None = None) -> Tensor:
    """Condition of each matrix, ‖A‖ ‖A⁻¹‖ in the norm `p` of `matrix_norm`; None: the ratio of the extreme singular values.

    >>> import autograd_mini as ag
    >>> ag.cond([[4.0, 0.0], [0.0, 2.0]])
    Tensor(2.0)
    """
    x = as_float(x)
    if p is None or (isinstance(p, int) and p in (2, -2)):
        s = svdvals(x)
        ratio = amax(s, axis=-1) / amin(s, axis=-1)
        return 1 / ratio if p == -2 else ratio
    _check_square("cond", x)
    return matrix_norm(x, p) * matrix_norm(inv(x), p)


# -- exponential -----------------------------------------------------------------------------------------------------

_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
    33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
_LARGEST_NORM = 5.371920351148152  # up to which the approximant is exact to double precision


def _expm(x: Array) -> Array:
    """Scaling and squaring with the Padé approximant of degree 13 (Higham 2005, Algorithm 2.3)."""
    size = np.abs(x).sum(-2).max(initial=0)
    squarings = max(0, int(np.ceil(np.log2(size / _LARGEST_NORM)))) if 0 < size < np.inf else 0
    a = x / 2**squarings
    identity = np.eye(x.shape[-1], dtype=x.dtype)
    a2 = a @ a
    even, odd, power = _PADE[0] * identity, _PADE[1] * identity, identity
    for k in range(2, 14, 2):
        power = power @ a2
        even = even + _PADE[k] * power
        odd = odd + _PADE[k + 1] * power
    odd = a @ odd
    result = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        result = result @ result
    return result


def _expm_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """Returns the upper right block of exp [[Aᵀ δ], [0 Aᵀ]] (Najfeld and Havel 1995)."""
    transposed, n = swap_last_axes(xp, x), x.shape[-1]
    upper = xp.concatenate(transposed, g, axis=x.ndim - 1)
    lower = xp.concatenate(xp.zeros_like(transposed), transposed, axis=x.ndim - 1)
    block = xp.expm(xp.concatenate(upper, lower, axis=x.ndim - 2))
    return xp.getitem(block, index=(..., slice(None, n), slice(n, None)))


_EXPM = Primitive(
    "expm", lapack(lambda x: _expm(x.astype(np.float64))), formula="e^A = Σ Aᵏ / k!",
    derivative=("the upper right block of exp [[Aᵀ δ], [0 Aᵀ]]",),
    vjp=(_expm_rule,), explain=explain_lapack("the exponential overflows"),
    batch=rules.aligned,
)  # fmt: skip


def expm(x: TensorLike) -> Tensor:
    """Matrix exponential Σ Aᵏ / k! of square matrices (…, n, n), computed in float64 (Higham 2005).

    Gradient: the upper right block of the exponential of [[Aᵀ δ], [0 Aᵀ]] (Najfeld and Havel 1995).

    >>> import autograd_mini as ag
    >>> ag.expm([[0.0, 1.0], [0.0, 0.0]])
    Tensor([[1., 1.],
            [0., 1.]], shape=(2, 2))
    """
    x = as_float(x)
    _check_square("expm", x)
    return apply(_EXPM, (x,))


# -- systems with known factors --------------------------------------------------------------------------------------


def _triangle(x: Tensor, upper: bool, unit: bool = False) -> Tensor:
    """Returns one triangle of matrices, with ones on the diagonal if `unit`."""
    ones = np.ones(x._data.shape[-2:], bool)
    offset = 1 if flag("solve_triangular", "unit_diagonal", unit) else 0
    mask = np.triu(ones, offset) if flag("solve", "upper", upper) else np.tril(ones, -offset)
    kept = x * mask.astype(x._data.dtype)
    return kept + np.eye(x._data.shape[-1], dtype=x._data.dtype) if unit else kept


def solve_triangular(a: TensorLike, b: TensorLike, *, upper: bool = True, unit_diagonal: bool = False) -> Tensor:
    """Solves A X = B, where only the upper (or lower) triangle of a (…, n, n) is read; b is (…, n, k) or one vector (n,).

    With `unit_diagonal` the diagonal counts as 1. Gradients as those of `solve`, restricted to the triangle.

    >>> import autograd_mini as ag
    >>> ag.solve_triangular([[2.0, 0.0], [9.0, 4.0]], [2.0, 4.0])
    Tensor([1., 1.])
    """
    a, b = as_floats(a, b)
    _check_square("solve_triangular", a)
    return solve(_triangle(a, upper, unit_diagonal), b)


def cholesky_solve(b: TensorLike, factor: TensorLike, *, upper: bool = False) -> Tensor:
    """Solves A X = B with the Cholesky factor of A, L in A = L Lᵀ, or U in A = Uᵀ U if `upper`; b is (…, n, k) or (n,).

    >>> import autograd_mini as ag
    >>> ag.cholesky_solve([4.0, 2.0], ag.cholesky([[4.0, 0.0], [0.0, 1.0]]))
    Tensor([1., 2.])
    """
    b, factor = as_floats(b, factor)
    _check_square("cholesky_solve", factor)
    triangle = _triangle(factor, upper)
    transposed = swapaxes(triangle, -1, -2)
    return solve(triangle, solve(transposed, b)) if upper else solve(transposed, solve(triangle, b))


def lu_solve(factors: LU, b: TensorLike) -> Tensor:
    """Solves A X = B with the result of `lu_factor`; b is (…, n, k) or one vector (n,).

    >>> import autograd_mini as ag
    >>> ag.lu_solve(ag.lu_factor([[1.0, 2.0], [4.0, 4.0]]), [3.0, 8.0])
    Tensor([1., 1.])
    """
    if not isinstance(factors, tuple) or len(factors) != 2 or not all(isinstance(x, Tensor) for x in factors):
        raise TypeError(f"lu_solve: expected the result of lu_factor, got {factors!r}")
    lu, b = as_floats(factors[0], b)
    _check_square("lu_solve", lu)
    columns = expand_dims(b, 1) if b._data.ndim == 1 else b
    order = factors[1]._data
    permutation = (order[..., :, None] == np.arange(order.shape[-1])).astype(b._data.dtype)
    x = solve(_triangle(lu, True), solve(_triangle(lu, False, unit=True), matmul(permutation, columns)))
    return squeeze(x, -1) if b._data.ndim == 1 else x
