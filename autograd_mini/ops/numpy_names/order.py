"""Order statistics and running extrema: `quantile`, `percentile`, `partition`, `cummax`, `cummin` and `logcumsumexp`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...apply import apply, as_float, as_floats, cast, recorded
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Axis, Tensor, TensorLike, as_tensor
from ...tools.arguments import one_of
from .._make import implements, numpys_keywords
from ..elementwise import ceil, clip, floor, isinf, isnan, rint, where
from ..index import gather, getitem
from ..order import sort
from ..reduce import ValuesAndIndices, canonical_axes, canonical_axis, either_flag, join_axes, keepdims_shape, one_axis
from ..scan import _scan
from ..shape import astype, ints, moveaxis, ravel, reshape

__all__ = [
    "cummax", "cummin", "logcumsumexp", "partition", "percentile", "quantile",
]  # fmt: skip

# -- quantiles ----------------------------------------------------------------------------------------------------------------

_POSITIONS: Final = {
    "linear": (1.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0), "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8), "interpolated_inverted_cdf": (0.0, 1.0),
}  # fmt: skip
"""α and β of the methods that interpolate at the position n q + α + q (1 − α − β) − 1: Hyndman and Fan 1996, section 2."""
_ROUNDINGS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "lower": floor, "higher": ceil, "nearest": rint, "midpoint": lambda at: (floor(at) + ceil(at)) / 2,
}  # fmt: skip
"""What the other methods make of the position of "linear"."""


def _position(q: Tensor, n: int, method: str) -> Tensor:
    alpha, beta = _POSITIONS.get(method, (1.0, 1.0))
    at = q * (n + (1 - alpha - beta)) + (alpha - 1)
    return clip(_ROUNDINGS[method](at) if method in _ROUNDINGS else at, 0.0, float(max(n - 1, 0)))


def _quantile(name: str, x: Tensor, q: Tensor, axis: Axis, method: str, keepdims: bool) -> Tensor:
    axes = canonical_axes(name, axis, x._data.ndim)
    line = sort(join_axes(recorded, x, axes))
    n = line._data.shape[-1]
    if not n:
        raise ValueError(f"{name}: expected at least one element along axis={axis}, got shape {x.shape}")
    at = _position(ravel(q), n, method)
    low = clip(astype(floor(at), "int64"), 0, n - 1)
    below, above = getitem(line, (..., low)), getitem(line, (..., clip(low + 1, 0, n - 1)))
    share = astype(at - low, line.dtype)
    flat = isinf(above) & ((share == 0) | (above == below))  # not 0 · ∞, nor ∞ − ∞
    result = below + share * (where(flat, 0.0, above) - where(flat, 0.0, below))
    last = getitem(line, (..., slice(n - 1, n)))  # nan sorts last
    result = moveaxis(where(isnan(last), last, result), -1, 0)
    rest = keepdims_shape(x._data.shape, axes) if keepdims else result._data.shape[1:]
    return reshape(result, (*q._data.shape, *rest))


def _prepare(
    name: str, x: TensorLike, q: TensorLike, axis: Axis, method: str, interpolation: str | None, dim: Axis, top: float
) -> tuple[Tensor, Tensor, Axis, str]:
    if interpolation is not None:
        method = interpolation
    one_of(name, "method", method, (*_POSITIONS, *_ROUNDINGS))
    x, given = as_floats(x, q)
    q = cast(given if isinstance(q, Tensor) else q, np.dtype(np.float64))  # a position in a large array needs the digits
    if q._data.size and not (q._data.min() >= 0 and q._data.max() <= top):
        raise ValueError(f"{name}: q must lie in [0, {top:g}], got {q._data.tolist()}")
    return x, q, axis if dim is None else one_axis(name, axis, dim), method


@implements(np.quantile)
def quantile(
    x: TensorLike,
    q: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    method: str = "linear",
    *,
    dim: Axis = None,
    keepdim: bool = False,
    interpolation: str | None = None,
    **numpy: Any,
) -> Tensor:
    """Quantiles along `axis`, interpolated between the two nearest elements, which get the gradient; nan if one is nan.

    Parameters
    ----------
    x : the tensor
    q : the fraction of elements below the quantile, in [0, 1]; several fractions make new leading axes
    axis : an int, a tuple, or None for all axes
    keepdims : keep the reduced axes at length 1
    method : "linear", "lower", "higher", "nearest", "midpoint", or another of NumPy's methods that interpolate
    dim, keepdim, interpolation : PyTorch's names of `axis`, `keepdims` and `method`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.quantile([1.0, 2.0, 4.0, 8.0], [0.25, 0.5])
    Tensor([1.75, 3.  ])
    """
    if numpy:
        given = {"axis": axis, "dim": dim, "keepdims": keepdims, "keepdim": keepdim, "method": method}
        return numpys_keywords(quantile, (x, q), numpy, **given, interpolation=interpolation)
    keep = either_flag("quantile", keepdims, keepdim)
    return _quantile("quantile", *_prepare("quantile", x, q, axis, method, interpolation, dim, 1.0), keep)


@implements(np.percentile)
def percentile(
    x: TensorLike,
    q: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    method: str = "linear",
    *,
    dim: Axis = None,
    keepdim: bool = False,
    **numpy: Any,
) -> Tensor:
    """`quantile` with q in [0, 100].

    Parameters
    ----------
    x, axis, keepdims, method, dim, keepdim : as in `quantile`
    q : the percentage of elements below

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.percentile([1.0, 2.0, 4.0, 8.0], 50)
    Tensor(3.0)
    """
    if numpy:
        given = {"axis": axis, "dim": dim, "keepdims": keepdims, "keepdim": keepdim, "method": method}
        return numpys_keywords(percentile, (x, q), numpy, **given)
    keep = either_flag("percentile", keepdims, keepdim)
    x, q, axis, method = _prepare("percentile", x, q, axis, method, None, dim, 100.0)
    return _quantile("percentile", x, q / 100, axis, method, keep)


# -- partition ----------------------------------------------------------------------------------------------------------------

_ARGPARTITION: Final = Primitive(
    "argpartition", lambda x, kth, axis: np.argpartition(x, kth, axis), formula="indices with element k in its sorted place",
    constant=True, flops=0, batch=rules.along_axis,
)  # fmt: skip


@implements(np.partition)
def partition(x: TensorLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """Moves element `kth` along `axis` to its sorted place, smaller ones before it, others behind it, in no special order.

    >>> import autograd_mini as ag
    >>> ag.partition([3.0, 1.0, 2.0], 0)[0]
    Tensor(1.0)
    """
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    along = canonical_axis("partition", along, x._data.ndim)
    places, n = ints("partition", (kth,)), x._data.shape[along]
    if not places or not all(-n <= k < n for k in places):
        raise ValueError(f"partition: kth must lie in [-{n}, {n}) for axis {along} of shape {x.shape}, got {kth!r}")
    return gather(x, along, apply(_ARGPARTITION, (x,), {"kth": places, "axis": along}))


# -- running extrema ----------------------------------------------------------------------------------------------------------


def _running(name: str, ufunc: np.ufunc, formula: str) -> Primitive:
    def kernel(x: Array, axis: int) -> Array:
        positions = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        is_extreme = (x == ufunc.accumulate(x, axis)) | (x != x)
        indices: Array = np.maximum.accumulate(np.where(is_extreme, positions, 0), axis)
        return indices

    return Primitive(name, kernel, formula=formula, constant=True, batch=rules.along_axis)


_CUMMAX: Final = _running("cummax_indices", np.maximum, "the index of the last largest of x₁ … xᵢ")
_CUMMIN: Final = _running("cummin_indices", np.minimum, "the index of the last smallest of x₁ … xᵢ")


def _running_extremum(name: str, primitive: Primitive, x: TensorLike, axis: int | None, dim: int | None) -> Any:
    along = axis if dim is None else one_axis(name, axis, dim)
    x, along = (ravel(x), 0) if along is None else (as_tensor(x), along)
    along = canonical_axis(name, along, x._data.ndim)
    indices = apply(primitive, (x,), {"axis": along})
    values = gather(x, along, indices)
    return values if dim is None else ValuesAndIndices(values, indices)


def cummax(x: TensorLike, axis: int | None = None, *, dim: int | None = None) -> Any:
    """Largest element so far along `axis`, or of the flattened tensor; the last of equal elements gets the gradient.

    With PyTorch's name `dim`, returns (values, indices) as PyTorch does.

    >>> import autograd_mini as ag
    >>> ag.cummax([1.0, 3.0, 2.0, 3.0])
    Tensor([1., 3., 3., 3.])
    >>> ag.cummax([1.0, 3.0, 2.0, 3.0], dim=0).indices
    Tensor([0, 1, 1, 3])
    """
    return _running_extremum("cummax", _CUMMAX, x, axis, dim)


def cummin(x: TensorLike, axis: int | None = None, *, dim: int | None = None) -> Any:
    """Smallest element so far along `axis`, as in `cummax`.

    >>> import autograd_mini as ag
    >>> ag.cummin([3.0, 1.0, 2.0])
    Tensor([3., 1., 1.])
    """
    return _running_extremum("cummin", _CUMMIN, x, axis, dim)


# -- running logarithm of a sum -----------------------------------------------------------------------------------------------


def _logcumsumexp_kernel(x: Array, axis: int) -> Array:
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    return np.logaddexp.accumulate(wide, axis).astype(x.dtype, copy=False)


def _logcumsumexp_rule(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    # Σ over i ≥ j of gᵢ exp(yⱼ − yᵢ) is a recurrence from the end, whose factors exp(yⱼ − yⱼ₊₁) are at most 1.
    back, front = (axis,), (slice(None),) * axis
    finite = xp.where(y == -np.inf, xp.zeros_like(y), y)  # a sum of nothing has gradient 0
    n = x.shape[axis]
    later = xp.getitem(finite, index=(*front, slice(1, n))), xp.getitem(finite, index=(*front, slice(n - 1, n)))
    factors = xp.exp(y - xp.concatenate(*later, axis=axis))
    total = xp.flip(xp.recurrence(xp.flip(factors, axis=back), xp.flip(g, axis=back), axis=axis), axis=back)
    return xp.exp(x - finite) * total


_LOGCUMSUMEXP: Final = Primitive(
    "logcumsumexp", _logcumsumexp_kernel, formula="yᵢ = ln Σ exp x₁ … exp xᵢ", derivative=("exp(xⱼ − yᵢ) for j ≤ i",),
    vjp=(_logcumsumexp_rule,),
    kink="0 if every x is −inf", batch=rules.along_axis, nanoseconds=20,
)  # fmt: skip


def logcumsumexp(x: TensorLike, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """Running ln Σ eˣ along `axis`, or of the flattened tensor; finite for x = ±1000.

    >>> import autograd_mini as ag
    >>> ag.logcumsumexp([1000.0, 1000.0])
    Tensor([1000.    , 1000.6932])
    """
    return _scan(_LOGCUMSUMEXP, as_float(x), axis if dim is None else one_axis("logcumsumexp", axis, dim))
