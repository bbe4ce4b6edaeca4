"""Sorting, `topk` and `median`. The first of equal elements is selected; gradients go to the selected elements."""

from __future__ import annotations

import numpy as np

from ..apply import apply, as_float, recorded
from ..primitive import Primitive
from ..tensor import Array, Axis, Tensor, TensorLike, as_tensor
from ._make import implements
from .elementwise import isnan, where
from .index import gather, getitem
from .reduce import canonical_axes, canonical_axis, join_axes, keepdims_shape, mean
from .shape import one_int, ravel, reshape

__all__ = [
    "argsort", "median", "sort", "topk",
]  # fmt: skip


def _argsort(x: Array, axis: int, descending: bool) -> Array:
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sorts the reversed array and reverses the result, so that ties keep their order.
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)


_ARGSORT = Primitive("argsort", _argsort, formula="the indices that sort x", constant=True, flops=0)


@implements(np.argsort)
def argsort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """Indices that sort `x` along `axis` (None: flattened), stable in both directions; nan counts as largest. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argsort([3.0, 1.0, 2.0])
    Tensor([1, 2, 0])
    """
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    return apply(_ARGSORT, (x,), {"axis": canonical_axis("argsort", along, x._data.ndim), "descending": bool(descending)})


@implements(np.sort)
def sort(x: TensorLike, axis: int | None = -1, descending: bool = False) -> Tensor:
    """Sorts `x` along `axis` (None: flattened); each gradient goes to the position that its value came from.

    >>> import autograd_mini as ag
    >>> ag.sort([3.0, 1.0, 2.0], descending=True)
    Tensor([3., 2., 1.])
    """
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    return gather(x, along, argsort(x, along, descending))


def topk(x: TensorLike, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """Returns the `k` largest (or smallest) elements along `axis`, in order, and their indices; ties keep their order.

    Parameters
    ----------
    x : the tensor to search
    k : the number of elements; ValueError if `axis` has fewer
    axis : the axis to search along
    largest : False to select the smallest elements

    Examples
    --------
    >>> import autograd_mini as ag
    >>> values, indices = ag.topk([1.0, 5.0, 3.0], 2)
    >>> values, indices
    (Tensor([5., 3.]), Tensor([1, 2]))
    """
    x = as_tensor(x)
    axis = canonical_axis("topk", axis, x._data.ndim)
    k = one_int("topk", "k", k)
    if not 0 <= k <= x._data.shape[axis]:
        raise ValueError(f"topk: k must lie in [0, {x._data.shape[axis]}] for axis {axis} of shape {x._data.shape}, got {k}")
    indices = getitem(argsort(x, axis, descending=largest), (slice(None),) * axis + (slice(0, k),))
    return gather(x, axis, indices), indices


@implements(np.median)
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Middle element along `axis`, or the mean of the two middle ones; nan if one is nan or if there are no elements.

    The gradient goes to the one or two elements selected, in stable order.

    >>> import autograd_mini as ag
    >>> ag.median([4.0, 1.0, 3.0, 10.0])
    Tensor(3.5)
    """
    x = as_float(x)
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
