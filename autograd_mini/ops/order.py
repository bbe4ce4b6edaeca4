"""Sorting, `topk` and `median`. The first of equal elements is selected; gradients go to the selected elements."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from ..apply import apply, as_float, recorded
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Axis, Tensor, TensorLike, as_tensor
from ..tools.arguments import flag, one_int
from ._make import implements, numpys_keywords
from .elementwise import isnan, where
from .index import gather, getitem
from .reduce import ValuesAndIndices, canonical_axes, canonical_axis, either_flag, join_axes, keepdims_shape, mean, one_axis
from .shape import ravel, reshape

__all__ = [
    "argsort", "median", "sort", "topk",
]  # fmt: skip


def _argsort(x: Array, axis: int, descending: bool) -> Array:
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sorts the reversed array and reverses the result, so that ties keep their order.
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)


_ARGSORT = Primitive("argsort", _argsort, formula="the indices that sort x", constant=True, flops=0, batch=rules.along_axis)


@implements(np.argsort)
def argsort(
    x: TensorLike, axis: int | None = -1, descending: bool = False, *, dim: int | None = None, stable: bool = True, **numpy: Any
) -> Tensor:
    """Indices that sort `x` along `axis` (None: flattened), stable in both directions; nan counts as largest. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argsort([3.0, 1.0, 2.0])
    Tensor([1, 2, 0])
    """
    if numpy:
        return numpys_keywords(argsort, (x,), numpy, axis=axis, dim=dim, descending=descending)
    axis = axis if dim is None else one_axis("argsort", axis, dim, -1)
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    down = flag("argsort", "descending", descending)
    return apply(_ARGSORT, (x,), {"axis": canonical_axis("argsort", along, x._data.ndim), "descending": down})


@overload
def sort(x: TensorLike, *, dim: int, descending: bool = False, stable: bool = True) -> ValuesAndIndices: ...
@overload
def sort(x: TensorLike, axis: int | None = -1, descending: bool = False, **numpy: Any) -> Tensor: ...
@implements(np.sort)
def sort(
    x: TensorLike, axis: int | None = -1, descending: bool = False, *, dim: int | None = None, stable: bool = True, **numpy: Any
) -> Tensor | ValuesAndIndices:
    """Sorts `x` along `axis` (None: flattened); each gradient goes to the position that its value came from.

    With PyTorch's name `dim`, returns (values, indices) as PyTorch does. The sort is always stable.

    >>> import autograd_mini as ag
    >>> ag.sort([3.0, 1.0, 2.0], descending=True)
    Tensor([3., 2., 1.])
    >>> ag.sort([3.0, 1.0, 2.0], dim=0)
    ValuesAndIndices(values=Tensor([1., 2., 3.]), indices=Tensor([1, 2, 0]))
    """
    if numpy:
        return numpys_keywords(sort, (x,), numpy, axis=axis, dim=dim, descending=descending)
    along = axis if dim is None else one_axis("sort", axis, dim, -1)
    x, along = (ravel(x), 0) if along is None else (as_tensor(x), along)
    indices = argsort(x, along, descending)
    values = gather(x, along, indices)
    return values if dim is None else ValuesAndIndices(values, indices)


def topk(
    x: TensorLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True, *, dim: int | None = None
) -> ValuesAndIndices:
    """Returns the `k` largest (or smallest) elements along `axis`, in order, and their indices; ties keep their order.

    Parameters
    ----------
    x : the tensor to search
    k : the number of elements; ValueError if `axis` has fewer
    axis : the axis to search along
    largest : False to select the smallest elements
    sorted : has no effect, because the result is always sorted
    dim : PyTorch's name of `axis`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> values, indices = ag.topk([1.0, 5.0, 3.0], 2)
    >>> values, indices
    (Tensor([5., 3.]), Tensor([1, 2]))
    """
    x = as_tensor(x)
    axis = canonical_axis("topk", axis if dim is None else one_axis("topk", axis, dim, -1), x._data.ndim)
    k = one_int("topk", "k", k)
    if not 0 <= k <= x._data.shape[axis]:
        raise ValueError(f"topk: k must lie in [0, {x._data.shape[axis]}] for axis {axis} of shape {x._data.shape}, got {k}")
    indices = getitem(argsort(x, axis, descending=flag("topk", "largest", largest)), (slice(None),) * axis + (slice(0, k),))
    return ValuesAndIndices(gather(x, axis, indices), indices)


@overload
def median(x: TensorLike, *, dim: int, keepdim: bool = False) -> ValuesAndIndices: ...
@overload
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
@implements(np.median)
def median(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False
) -> Tensor | ValuesAndIndices:
    """Middle element along `axis`, or the mean of the two middle ones; nan if one is nan or if there are no elements.

    The gradient goes to the one or two elements selected, in stable order. With PyTorch's name `dim`, returns (values, indices)
    of the lower one of the two middle elements, as PyTorch does.

    >>> import autograd_mini as ag
    >>> ag.median([4.0, 1.0, 3.0, 10.0])
    Tensor(3.5)
    """
    if dim is not None:
        return _lower_median(as_tensor(x), one_axis("median", axis, dim), either_flag("median", keepdims, keepdim))
    x, keepdims = as_float(x), either_flag("median", keepdims, keepdim)
    axes = canonical_axes("median", axis, x._data.ndim)
    line = join_axes(recorded, x, axes)
    n = line._data.shape[-1]
    order = argsort(line)
    middle = getitem(order, (..., slice((n - 1) // 2, n // 2 + 1)))
    if n:
        last = getitem(order, (..., slice(n - 1, n)))  # nan sorts last
        middle = where(isnan(gather(line, -1, last)), last, middle)
    result = mean(gather(line, -1, middle), -1)
    return reshape(result, keepdims_shape(x._data.shape, axes)) if keepdims else result


def _lower_median(x: Tensor, axis: int, keepdim: bool) -> ValuesAndIndices:
    axis = canonical_axis("median", axis, x._data.ndim)
    n = x._data.shape[axis]
    if not n:
        raise ValueError(f"median: expected at least one element along dim={axis}, got shape {x._data.shape}")
    order = argsort(x, axis)
    here = (slice(None),) * axis
    indices = getitem(order, (*here, slice((n - 1) // 2, (n - 1) // 2 + 1)))
    if x._data.dtype.kind == "f":
        last = getitem(order, (*here, slice(n - 1, n)))  # nan sorts last
        indices = where(isnan(gather(x, axis, last)), last, indices)
    values = gather(x, axis, indices)
    shape = keepdims_shape(x._data.shape, (axis,)) if keepdim else x._data.shape[:axis] + x._data.shape[axis + 1 :]
    return ValuesAndIndices(reshape(values, shape), reshape(indices, shape))
