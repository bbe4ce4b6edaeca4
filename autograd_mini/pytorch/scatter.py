"""PyTorch's `scatter_reduce` and `index_reduce`: elements with the same index are combined."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..apply import apply, as_operands, recorded
from ..ops.elementwise import floor_divide, maximum, ones_like, where, zeros_like
from ..ops.index import Placeholder, _index_along, getitem, index_add, index_put
from ..ops.order import argsort
from ..ops.reduce import canonical_axis
from ..ops.shape import concatenate, ravel, reshape
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike, as_tensor
from ..tools.arguments import flag, one_of

__all__ = ["index_reduce", "scatter_reduce"]

_AT: Final = (Placeholder(0),)


def _ties(x: Array, src: Array, y: Array, index: Array) -> Array:
    """Returns how many elements of x and src equal the result at each place, at least 1."""
    count = (x == y).astype(y.dtype)
    np.add.at(count, index, src == y[index])
    return np.maximum(count, 1)


Primitive(
    "scatter_ties", _ties, formula="the number of elements that equal the extreme one", constant=True, uniform=slice(0, 3)
)  # fmt: skip


def _self_rule(xp: Any, g: Any, y: Any, x: Any, src: Any, index: Any) -> Any:
    share = g / xp.scatter_ties(x, src, y, index)
    return xp.where(x == y, share, xp.zeros_like(share))


def _source_rule(xp: Any, g: Any, y: Any, x: Any, src: Any, index: Any) -> Any:
    share = xp.getitem(g / xp.scatter_ties(x, src, y, index), index, index=_AT)
    return xp.where(src == xp.getitem(y, index, index=_AT), share, xp.zeros_like(share))


def _extreme(name: str, ufunc: np.ufunc, formula: str) -> Primitive:
    def kernel(x: Array, src: Array, index: Array) -> Array:
        y = x.copy()
        ufunc.at(y, index, src)
        return y

    return Primitive(
        name, kernel, formula=formula, derivative=("[x is extreme] / number of ties", "[s is extreme] / number of ties"),
        vjp=(_self_rule, _source_rule, None),
        kink="ties share the gradient evenly", uniform=slice(0, 2),
    )  # fmt: skip


_EXTREMES: Final = {
    "amax": _extreme("scatter_max", np.maximum, "max of xᵢ and every s with index i"),
    "amin": _extreme("scatter_min", np.minimum, "min of xᵢ and every s with index i"),
}


def _product(x: Tensor, targets: Tensor, src: Tensor) -> Tensor:
    """Multiplies by running products of the elements sorted by target, which start again at each target: exact with zeros."""
    keys = concatenate([targets, np.arange(x._data.size)])
    order = argsort(keys)  # stable: the elements of x come last
    line, keys = getitem(concatenate([src, x]), order), getitem(keys, order)
    starts = concatenate([np.ones(1, bool), getitem(keys, slice(1, None)) != getitem(keys, slice(None, -1))])
    zeros = zeros_like(line)
    running = recorded.recurrence(where(starts, zeros, line), where(starts, line, zeros), axis=0)
    return getitem(running, getitem(argsort(order), slice(src._data.size, None)))


def _identity(reduce: str, dtype: np.dtype[Any]) -> Any:
    """Returns what does not change the result."""
    if reduce in ("amax", "amin"):
        least, most = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return least if reduce == "amax" else most
    return 1 if reduce == "prod" else 0


def _reduce(x: Tensor, targets: Tensor, src: Tensor, reduce: str, include_self: bool) -> Tensor:
    """Combines vectors: element i of `src` with element targets[i] of `x`."""
    if not src._data.size:
        return x
    start = x if include_self else index_put(x, targets, np.asarray(_identity(reduce, x._data.dtype), x._data.dtype))
    if reduce in _EXTREMES:
        return apply(_EXTREMES[reduce], (start, src, targets))
    if reduce == "prod":
        return _product(start, targets, src)
    total = index_add(start, targets, src)
    if reduce == "sum":
        return total
    ones = ones_like(x.detach())
    count = index_add(ones if include_self else index_put(ones, targets, 0), targets, ones_like(src.detach()))
    count = maximum(count, 1)
    return total / count if x._data.dtype.kind == "f" else floor_divide(total, count)


def _check_integers(name: str, index: TensorLike) -> Tensor:
    indices = as_tensor(index)
    if indices._data.dtype.kind not in "iu":
        raise TypeError(f"{name}: index must hold integers, got {indices._data.dtype}")
    return indices


def _targets(name: str, x: Tensor, indices: Tensor, position: Any) -> Tensor:
    """Returns the places in the flattened `x` that an index selects. Raises IndexError for places that do not exist."""
    try:
        return getitem(np.arange(x._data.size).reshape(x._data.shape), position)
    except IndexError:
        raise IndexError(f"{name}: index {indices._data.tolist()} does not fit input of shape {x.shape}") from None


def scatter_reduce(
    input: TensorLike, dim: int, index: TensorLike, src: TensorLike, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combines each element of `src` with the element of `input` that `index` selects along `dim`, as `scatter_add` adds.

    Parameters
    ----------
    input : the tensor to copy
    dim : the axis along which `index` selects
    index : integers, with as many axes as `input`
    src : the values, with a place for each index
    reduce : "sum", "prod", "mean", "amax" or "amin"; ties of the largest elements share the gradient evenly
    include_self : False to leave out the elements of `input` at these places

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.scatter_reduce([1.0, 2.0], 0, [0, 0, 1], [5.0, 3.0, 1.0], "amax")
    Tensor([5., 2.])
    """
    one_of("scatter_reduce", "reduce", reduce, ("sum", "prod", "mean", "amax", "amin"))
    x, values = as_operands(input, src)
    indices, keep = _check_integers("scatter_reduce", index), flag("scatter_reduce", "include_self", include_self)
    lengths = indices._data.shape
    if values._data.ndim != len(lengths) or any(n > m for n, m in zip(lengths, values._data.shape, strict=False)):
        raise ValueError(f"scatter_reduce: src needs a place for each index, got shapes {values.shape} and {lengths}")
    position = _index_along("scatter_reduce", x, dim, indices, lengths)
    targets = _targets("scatter_reduce", x, indices, position)
    used = getitem(values, tuple(slice(n) for n in lengths))
    return reshape(_reduce(ravel(x), ravel(targets), ravel(used), reduce, keep), x._data.shape)


def index_reduce(
    input: TensorLike, dim: int, index: TensorLike, source: TensorLike, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combines each slice of `source` along `dim` with the slice of `input` that `index` selects.

    Parameters
    ----------
    input : the tensor to copy
    dim : the axis of the slices
    index : a vector of integers, one for each slice of `source`
    source : the slices
    reduce : "prod", "mean", "amax" or "amin"
    include_self : False to leave out the slices of `input` at these places

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.index_reduce([[1.0, 2.0]], 0, [0, 0], [[2.0, 3.0], [5.0, 1.0]], "prod")
    Tensor([[10.,  6.]], shape=(1, 2))
    """
    one_of("index_reduce", "reduce", reduce, ("prod", "mean", "amax", "amin"))
    x, values = as_operands(input, source)
    indices, keep = _check_integers("index_reduce", index), flag("index_reduce", "include_self", include_self)
    axis = canonical_axis("index_reduce", dim, x._data.ndim)
    expected = (*x._data.shape[:axis], indices._data.size, *x._data.shape[axis + 1 :])
    if indices._data.ndim != 1 or values._data.shape != expected:
        raise ValueError(
            f"index_reduce: expected a vector of indices and a source of shape {expected}, got shapes {indices.shape} and "
            f"{values.shape}"
        )
    targets = _targets("index_reduce", x, indices, (slice(None),) * axis + (indices,))
    return reshape(_reduce(ravel(x), ravel(targets), ravel(values), reduce, keep), x._data.shape)
