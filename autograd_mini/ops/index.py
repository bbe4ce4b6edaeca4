"""Indexing with NumPy's semantics, and its inverse: what is read from many places is added back to them.

An index is kept as a template of slices, ints, None and Ellipsis, in which each integer or boolean array is a `Place` that points
to an operand. So arrays that index are inputs of the graph like all others.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ..primitive import Primitive, apply, cast
from ..tensor import Array, Shape, Tensor, TensorLike, as_tensor

__all__ = [
    "gather",
    "getitem",
    "index_put",
    "one_hot",
    "take",
]


class Place(NamedTuple):
    """Stands in an index template for the operand number `position`."""

    position: int


Template = tuple[Any, ...]
_BASIC: Final = (slice, type(None), type(Ellipsis))


def _fill(template: Template, arrays: tuple[Array, ...]) -> tuple[Any, ...]:
    return tuple(arrays[e.position] if type(e) is Place else e for e in template) if arrays else template


def _getitem(x: Array, *arrays: Array, index: Template) -> Any:
    return x[_fill(index, arrays)]


def _index_add(g: Array, *arrays: Array, index: Template, shape: Shape) -> Array:
    total = np.zeros(shape, g.dtype)
    where = _fill(index, arrays)
    if any(a.dtype.kind != "b" for a in arrays):
        np.add.at(total, where, g)
    else:  # slices and masks name no element twice
        total[where] = g
    return total


def _why_not(x: Array, *arrays: Array, index: Template, **_: Any) -> str:
    shown = ", ".join(f"array{arrays[e.position].shape}" if type(e) is Place else repr(e) for e in index)
    return f"index [{shown}] does not fit shape {x.shape}"


_GETITEM = Primitive(
    "getitem",
    _getitem,
    (lambda xp, g, y, x, *arrays, index: xp.index_add(g, *arrays, index=index, shape=x.shape),),
    formula="x[index]",
    derivative=("1 where chosen, added up where chosen twice",),
    view=True,
    uniform=False,
    explain=_why_not,
)
Primitive(
    "index_add",
    _index_add,
    (lambda xp, g, y, x, *arrays, index, shape: xp.getitem(g, *arrays, index=index),),
    formula="zeros, with x added at index",
    derivative=("1",),
    uniform=False,
)


def _index_put_base(xp: Any, g: Any, y: Any, x: Any, v: Any, *arrays: Any, index: Template) -> Any:
    return xp.index_put(g, xp.zeros_like(v), *arrays, index=index)


def _index_put(x: Array, v: Array, *arrays: Array, index: Template) -> Array:
    y = x.copy()
    y[_fill(index, arrays)] = v
    return y


def _written(v: Array, *arrays: Array, index: Template, shape: Shape) -> Array:
    """1 for each element of the broadcast value that the assignment left standing, 0 for those it overwrote (repeated indices)."""
    where = _fill(index, arrays)
    order = np.full(shape, -1)
    slots = order[where]
    numbers = np.arange(slots.size).reshape(slots.shape)
    order[where] = numbers
    return (order[where] == numbers).astype(v.dtype)


Primitive("written", _written, formula="[the value stands]", constant=True, uniform=False)
_INDEX_PUT = Primitive(
    "index_put",
    _index_put,
    (
        _index_put_base,
        lambda xp, g, y, x, v, *arrays, index: (
            xp.getitem(g, *arrays, index=index) * xp.written(v, *arrays, index=index, shape=x.shape)
            if arrays
            else xp.getitem(g, index=index)
        ),
    ),
    formula="x, with v at index",
    derivative=("0 where overwritten, else 1", "1 where it stands"),
    kink="of repeated indices the last value stands",
    uniform=False,
    explain=lambda x, v, *arrays, index: f"a value of shape {v.shape} cannot be put there: {_why_not(x, *arrays, index=index)}",
)


def parse(index: Any) -> tuple[Template, tuple[Tensor, ...]]:
    """The template of an index, and its arrays as tensors. Floats raise IndexError."""
    entries = index if isinstance(index, tuple) else (index,)
    template: list[Any] = []
    arrays: list[Tensor] = []
    for e in entries:
        if isinstance(e, _BASIC):
            template.append(e)
        elif hasattr(e, "__index__") and not isinstance(e, (bool, np.bool_)) and np.ndim(e) == 0 and not isinstance(e, Tensor):
            template.append(e.__index__())
        else:
            chosen = e if isinstance(e, Tensor) else Tensor(np.asarray(e, dtype=np.intp if np.size(e) == 0 else None))
            if chosen._data.dtype.kind not in "iub":
                raise IndexError(f"getitem: an index must be ints, bools, slices, None or Ellipsis, not {chosen._data.dtype}")
            template.append(Place(len(arrays)))
            arrays.append(chosen)
    return tuple(template), tuple(arrays)


def getitem(x: TensorLike, index: Any) -> Tensor:
    """`x[index]`: ints, slices, None, Ellipsis, integer arrays (gradients add up where an index repeats), boolean masks, mixtures.

    >>> from autograd_mini import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    Tensor([2., 0., 1.])
    """
    x = as_tensor(x)
    template, arrays = parse(index)
    return apply(_GETITEM, (x, *arrays), {"index": template})


def index_put(x: TensorLike, index: Any, value: TensorLike) -> Tensor:
    """A copy of `x` with `value` at `index`: the functional form of `x[index] = value`. Of repeated indices the last value stands.

    >>> import autograd_mini as ag
    >>> ag.index_put([1.0, 2.0, 3.0], 1, 9.0)
    Tensor([1., 9., 3.])
    """
    x = as_tensor(x)
    v = cast(as_tensor(value), x._data.dtype)
    template, arrays = parse(index)
    return apply(_INDEX_PUT, (x, v, *arrays), {"index": template})


def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Tensor:
    """Elements (or slices along `axis`) at integer `indices`; without an axis, of the flattened tensor.

    >>> import autograd_mini as ag
    >>> ag.take([[1.0, 2.0], [3.0, 4.0]], [1, 1], axis=1)
    Tensor([[2., 2.],
            [4., 4.]], shape=(2, 2))
    """
    from .reduce import canonical_axis
    from .shape import ravel

    x = as_tensor(x)
    if axis is None:
        return getitem(ravel(x), as_tensor(indices))
    return getitem(x, (slice(None),) * canonical_axis("take", axis, x._data.ndim) + (as_tensor(indices),))


def gather(x: TensorLike, axis: int, indices: TensorLike) -> Tensor:
    """Picks along `axis`: result[i][j] = x[i][indices[i][j]] for axis 1. `indices` has x's number of axes, as in PyTorch.

    >>> import autograd_mini as ag
    >>> ag.gather([[1.0, 2.0], [3.0, 4.0]], 1, [[0], [1]])
    Tensor([[1.],
            [4.]], shape=(2, 1))
    """
    from .reduce import canonical_axis

    x, chosen = as_tensor(x), as_tensor(indices)
    if chosen._data.ndim != x._data.ndim:
        raise ValueError(f"gather: indices of shape {chosen.shape} need as many axes as x of shape {x.shape}")
    axis = canonical_axis("gather", axis, x._data.ndim)
    grid = [np.arange(n).reshape([-1 if i == k else 1 for i in range(x._data.ndim)]) for k, n in enumerate(chosen._data.shape)]
    return getitem(x, tuple(chosen if k == axis else along for k, along in enumerate(grid)))


def one_hot(indices: TensorLike, classes: int, dtype: Any = None) -> Tensor:
    """Rows of zeros with a 1 at each index: shape (*indices.shape, classes). No gradient.

    >>> import autograd_mini as ag
    >>> ag.one_hot([0, 2], 3)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]], shape=(2, 3))
    """
    from ..dtypes import default_dtype

    chosen = as_tensor(indices)
    if chosen._data.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices must be integers, not {chosen._data.dtype}")
    if chosen._data.size and not (chosen._data.min() >= 0 and chosen._data.max() < classes):
        raise IndexError(f"one_hot: indices must lie in [0, {classes}), got {chosen._data.min()} to {chosen._data.max()}")
    return apply(_ONE_HOT, (chosen,), {"classes": int(classes), "dtype": np.dtype(dtype or default_dtype())})


_ONE_HOT = Primitive(
    "one_hot",
    lambda i, classes, dtype: (i[..., None] == np.arange(classes)).astype(dtype),
    formula="[j = i]",
    constant=True,
)
