"""Indexing with NumPy's semantics, and its inverse, which adds gradients to the positions that were read.

An index is stored as a template of slices, ints, None and Ellipsis, in which each integer or boolean array is a
`Placeholder` with the number of an operand. So index arrays are inputs of the graph, like all other arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..apply import apply, as_float, as_operands, cast, common_dtype
from ..batching import rules
from ..dtypes import default_dtype, supported
from ..primitive import Primitive
from ..tensor import Array, Shape, Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int
from ._make import implements, numpys_keywords
from .elementwise import equal, where, zeros_like
from .reduce import canonical_axis, one_axis
from .shape import broadcast_to, ravel, reshape

__all__ = [
    "argwhere", "embedding", "gather", "getitem", "index_add", "index_put", "nonzero", "one_hot", "scatter_add", "take",
    "take_along_axis",
]  # fmt: skip


class Placeholder(NamedTuple):
    """A placeholder in an index template for the operand number `position`."""

    position: int


Template = tuple[Any, ...]
_BASIC: Final = (slice, type(None), type(Ellipsis))


def _fill_template(template: Template, arrays: tuple[Array, ...]) -> tuple[Any, ...]:
    return tuple(arrays[e.position] if type(e) is Placeholder else e for e in template) if arrays else template


def _getitem(x: Array, *arrays: Array, index: Template) -> Any:
    return x[_fill_template(index, arrays)]


def _index_add(g: Array, *arrays: Array, index: Template, shape: Shape, out: Array | None = None) -> Array:
    if out is None:
        total = np.zeros(shape, g.dtype)
    else:
        total = out
        total.fill(0)
    position = _fill_template(index, arrays)
    if _selects_once(arrays):
        total[position] = g
        return total
    # `np.add.at` is fast along one axis only. So the last axes, which the index does not refer to, become ranges of flat
    # positions: 0.25 ms for 4096 rows of 64 columns, against 1.7 ms on the array itself and 0.6 ms with a sort and `reduceat`.
    depth = _count_indexed_axes(index, arrays, len(shape))
    block = math.prod(shape[depth:])
    starts = np.arange(math.prod(shape[:depth])).reshape(shape[:depth])[position] * block
    np.add.at(total.reshape(-1), (starts[..., None] + np.arange(block)).reshape(-1), g.reshape(-1))
    return total


def _add_at(total: Array, g: Array, *arrays: Array, index: Template, out: Array | None = None) -> Array:
    if out is None:
        out = np.array(total)
    elif out is not total:
        np.copyto(out, total)
    if _selects_once(arrays):
        out[_fill_template(index, arrays)] += g
    else:
        out += _index_add(g, *arrays, index=index, shape=total.shape)
    return out


def _selects_once(arrays: Sequence[Array]) -> bool:
    """Returns whether an index with these arrays selects no element twice: slices and masks do not."""
    return all(a.dtype.kind == "b" for a in arrays)


def _count_indexed_axes(index: Template, arrays: tuple[Array, ...], ndim: int) -> int:
    """Returns how many leading axes an index refers to."""
    if Ellipsis in index:
        return ndim
    masks = {i: a.ndim for i, a in enumerate(arrays) if a.dtype.kind == "b"}
    return sum(masks.get(e.position, 1) if type(e) is Placeholder else e is not None for e in index)


def _explain_index(x: Array, *arrays: Array, index: Template, **_: Any) -> str:
    return f"index {_format_index(index, arrays)} does not fit shape {x.shape}{_out_of_range(x, arrays, index)}"


def _out_of_range(x: Array, arrays: tuple[Array, ...], index: Template) -> str:
    """Names the first integer in an array of indices that its axis does not have."""
    entries = [e for e in index if e is not None]
    for axis, e in enumerate(entries[: entries.index(Ellipsis)] if Ellipsis in entries else entries[: x.ndim]):
        if type(e) is Placeholder and arrays[e.position].dtype.kind in "iu":
            length, wanted = x.shape[axis], arrays[e.position]
            wrong = wanted[(wanted < -length) | (wanted >= length)]
            if wrong.size:
                return f": {wrong[0]} is out of range for axis {axis} of length {length}"
    return ""


def _format_index(index: Template, arrays: tuple[Array, ...]) -> str:
    return f"[{', '.join(f'array{arrays[e.position].shape}' if type(e) is Placeholder else repr(e) for e in index)}]"


def _is_mask(arrays: Sequence[Tensor]) -> bool:
    return all(a._data.dtype.kind == "b" for a in arrays)


def _has_mask(x: Array, *arrays: Array) -> bool:
    """Returns whether a boolean mask selects elements, so that their number depends on its values."""
    return any(a.dtype.kind == "b" for a in arrays)


_GETITEM = Primitive(
    "getitem", _getitem, formula="x[index]", derivative=("1 for each time that an element is selected",),
    vjp=(lambda xp, g, y, x, *arrays, index: xp.index_add(g, *arrays, index=index, shape=x.shape),),
    explain=_explain_index, view=True, uniform=False, value_dependent_shape=_has_mask, accumulate="add_at",
    batch=rules.index(1),
)  # fmt: skip
INDEX_ADD: Final = Primitive(
    "index_add", _index_add, formula="zeros + x at index", derivative=("1",),
    vjp=(lambda xp, g, y, x, *arrays, index, shape: xp.getitem(g, *arrays, index=index),),
    uniform=False, value_dependent_shape=_has_mask, batch=rules.index(1),
)  # fmt: skip
_ADD_AT = Primitive(
    "add_at", _add_at, formula="x with v added at index", derivative=("1", "1 at index"),
    vjp=(lambda xp, g, y, x, v, *arrays, index: g, lambda xp, g, y, x, v, *arrays, index: xp.getitem(g, *arrays, index=index)),
    uniform=slice(0, 2), in_place=True, flops=lambda inputs, outputs, params: int(inputs[1].size),
    batch=rules.index(2),
)  # fmt: skip


def _index_put_base(xp: Any, g: Any, y: Any, x: Any, v: Any, *arrays: Any, index: Template) -> Any:
    return xp.index_put(g, xp.zeros_like(v), *arrays, index=index)


def _index_put_value(xp: Any, g: Any, y: Any, x: Any, v: Any, *arrays: Any, index: Template) -> Any:
    return xp.index_put_value(g, v, *arrays, index=index)


def _explain_index_put(x: Array, v: Array, *arrays: Array, index: Template) -> str:
    shape = np.shape(_getitem(x, *arrays, index=index))
    return f"a value of shape {v.shape} does not broadcast to the shape {shape} of x{_format_index(index, arrays)}"


def _index_put(x: Array, v: Array, *arrays: Array, index: Template) -> Array:
    y = np.array(x)
    y[_fill_template(index, arrays)] = v
    return y


def _written(shape: Shape, position: tuple[Any, ...]) -> Array:
    """Returns which elements of `x[position] = v` remain after the assignment; others are overwritten by later ones."""
    last = np.full(shape, -1)
    numbers = np.arange(last[position].size).reshape(last[position].shape)
    last[position] = numbers
    return last[position] == numbers


def _index_put_value_kernel(g: Array, v: Array, *arrays: Array, index: Template) -> Array:
    """Returns the gradient of v in `x[index] = v`, of v's shape whatever a mask selects: summed over the copies of v."""
    position = _fill_template(index, arrays)
    selected = g[position]
    if any(a.dtype.kind != "b" for a in arrays):  # slices and masks select no element twice
        selected = selected * _written(g.shape, position)
    lead = selected.ndim - v.ndim
    copied = tuple(i for i, n in enumerate(selected.shape) if i < lead or n != v.shape[i - lead])
    return np.add.reduce(selected, axis=copied, keepdims=True).reshape(v.shape) if copied else selected


Primitive(
    "index_put_value", _index_put_value_kernel, formula="x[index], summed to the shape of v", derivative=("1 at index", "0"),
    vjp=(lambda xp, u, y, g, v, *arrays, index: xp.index_put(xp.zeros_like(g), u, *arrays, index=index), None),
    kink="0 for values that are overwritten", uniform=False, flops=0, batch=rules.index_put_value,
)  # fmt: skip
_INDEX_PUT = Primitive(
    "index_put", _index_put, formula="x with v at index", derivative=("0 at index, else 1", "1, or 0 if overwritten"),
    vjp=(_index_put_base, _index_put_value),
    kink="of values with the same index, the last one counts",
    explain=_explain_index_put, uniform=False, flops=0, batch=rules.index(2),
)  # fmt: skip


_EXPECTED: Final = "getitem: an index must be ints, bools, slices, None or Ellipsis"


def _index_array(entry: Any) -> Tensor:
    """Returns a list or an array in an index as a tensor. An empty list, which NumPy converts to floats, selects nothing."""
    try:
        return Tensor(np.asarray(entry, np.intp if isinstance(entry, list) and not entry else None))
    except (TypeError, ValueError):
        raise IndexError(f"{_EXPECTED}, got {entry!r}") from None


def parse(index: Any) -> tuple[Template, tuple[Tensor, ...]]:
    """Returns the template of an index, and its arrays as tensors. Raises IndexError for floats."""
    entries = index if isinstance(index, tuple) else (index,)
    template: list[Any] = []
    arrays: list[Tensor] = []
    for e in entries:
        if isinstance(e, _BASIC):
            template.append(e)
        elif isinstance(e, (int, np.integer)) and not isinstance(e, (bool, np.timedelta64)):
            template.append(int(e))
        else:
            array = e if isinstance(e, Tensor) else _index_array(e)
            if array._data.dtype.kind not in "iub":
                raise IndexError(f"{_EXPECTED}, got {array._data.dtype}")
            template.append(Placeholder(len(arrays)))
            arrays.append(array)
    return tuple(template), tuple(arrays)


def getitem(x: TensorLike, index: Any) -> Tensor:
    """`x[index]` with ints, slices, None, Ellipsis, integer arrays and boolean masks; gradients of repeated elements are added.

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
    """Returns a copy of `x` with `value` at `index`, like `x[index] = value`. For a repeated index, the last value counts.

    The result has the common dtype of `x` and `value`, so no value is rounded.

    >>> import autograd_mini as ag
    >>> ag.index_put([1.0, 2.0, 3.0], 1, 9.0)
    Tensor([1., 9., 3.])
    """
    x, v, template, arrays, _ = _prepare_write("index_put", x, index, value)
    return apply(_INDEX_PUT, (x, v, *arrays), {"index": template})


def index_add(x: TensorLike, index: Any, value: TensorLike) -> Tensor:
    """Returns a copy of `x` with `value` added at `index`, like `np.add.at`: repeated indices accumulate.

    The result has the common dtype of `x` and `value`.

    >>> import autograd_mini as ag
    >>> ag.index_add([1.0, 2.0, 3.0], [0, 0], [10.0, 20.0])
    Tensor([31.,  2.,  3.])
    """
    x, v, template, arrays, target = _prepare_write("index_add", x, index, value)
    if arrays and _is_mask(arrays):  # no place is selected twice, and no shape depends on what the mask selects
        return x + apply(_INDEX_PUT, (zeros_like(x), v, *arrays), {"index": template})
    v = v if v._data.shape == target else broadcast_to(v, target)
    return apply(_ADD_AT, (x, v, *arrays), {"index": template})


def _prepare_write(
    name: str, x: TensorLike, index: Any, value: TensorLike
) -> tuple[Tensor, Tensor, Template, tuple[Tensor, ...], Shape]:
    """Returns x and the value in one dtype, the value without extra axes, the parsed index, and the shape of `x[index]`."""
    x, v = as_operands(x, value)
    template, arrays = parse(index)
    data = [t._data for t in arrays]
    try:
        target = np.shape(x._data[_fill_template(template, tuple(data))])
    except IndexError:
        raise IndexError(f"{name}: {_explain_index(x._data, *data, index=template)}") from None
    surplus = v._data.ndim - len(target)
    if surplus > 0 and set(v._data.shape[:surplus]) == {1}:
        v = reshape(v, v._data.shape[surplus:])
    return x, v, template, arrays, target


@implements(np.take)
def take(x: TensorLike, indices: TensorLike, axis: int | None = None, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Elements (or slices along `axis`) at integer `indices`; without `axis`, elements of the flattened tensor.

    >>> import autograd_mini as ag
    >>> ag.take([[1.0, 2.0], [3.0, 4.0]], [1, 1], axis=1)
    Tensor([[2., 2.],
            [4., 4.]], shape=(2, 2))
    """
    if numpy:
        return numpys_keywords(take, (x, indices), numpy, axis=axis, dim=dim)
    x = as_tensor(x)
    axis = axis if dim is None else one_axis("take", axis, dim)
    if axis is None:
        return getitem(ravel(x), as_tensor(indices))
    return getitem(x, (slice(None),) * canonical_axis("take", axis, x._data.ndim) + (as_tensor(indices),))


def gather(
    x: TensorLike, axis: Any = None, indices: Any = None, *, dim: int | None = None, index: TensorLike | None = None
) -> Tensor:
    """Selects along `axis`: result[i][j] = x[i][indices[i][j]] for axis 1. `indices` has x's number of axes, as in PyTorch.

    `dim` and `index` are PyTorch's names of `axis` and `indices`.

    >>> import autograd_mini as ag
    >>> ag.gather([[1.0, 2.0], [3.0, 4.0]], 1, [[0], [1]])
    Tensor([[1.],
            [4.]], shape=(2, 1))
    """
    axis = axis if dim is None else one_axis("gather", axis, dim)
    x, indices = as_tensor(x), as_tensor(indices if index is None else index)
    return getitem(x, _index_along("gather", x, axis, indices, indices._data.shape))


def scatter_add(x: TensorLike, axis: int, indices: TensorLike, values: TensorLike) -> Tensor:
    """Adds `values` to a copy of `x` along `axis`: result[i][indices[i][j]] += values[i][j] for axis 1, as `gather` reads.

    Parameters
    ----------
    x : the tensor to copy
    axis : the axis along which `indices` select
    indices : integers, with as many axes as `x`
    values : the numbers to add, of the shape of `indices`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.scatter_add(ag.Tensor([[0.0, 0.0, 0.0]]), 1, [[2, 2]], [[1.0, 5.0]])
    Tensor([[0., 0., 6.]], shape=(1, 3))
    """
    dtype, indices = common_dtype(x, values), as_tensor(indices)
    x = cast(x, dtype)
    return index_add(x, _index_along("scatter_add", x, axis, indices, indices._data.shape), values)


@implements(np.take_along_axis)
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int | None = -1, *, dim: int | None = None) -> Tensor:
    """Elements at `indices` along `axis` (None: of the flattened tensor); along other axes, `indices` and `x` broadcast.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([[3.0, 1.0], [2.0, 5.0]])
    >>> ag.take_along_axis(x, ag.argmax(x, axis=1, keepdims=True), 1)
    Tensor([[3.],
            [5.]], shape=(2, 1))
    """
    axis = axis if dim is None else one_axis("take_along_axis", axis, dim, -1)
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    return getitem(x, _index_along("take_along_axis", x, along, as_tensor(indices), x._data.shape))


def _index_along(name: str, x: Tensor, axis: int, indices: Tensor, lengths: Shape) -> tuple[Any, ...]:
    """Returns an index with `indices` along `axis` and 0 … length − 1 along every other axis."""
    ndim = x._data.ndim
    if indices._data.ndim != ndim or not ndim:
        raise ValueError(f"{name}: indices need as many axes as x, at least one; got shapes {indices.shape} and {x.shape}")
    axis = canonical_axis(name, axis, ndim)
    grid = [np.arange(n).reshape([-1 if i == k else 1 for i in range(ndim)]) for k, n in enumerate(lengths)]
    return tuple(indices if k == axis else numbers for k, numbers in enumerate(grid))


_ARGWHERE = Primitive(
    "argwhere", np.argwhere, formula="the indices where x ≠ 0", constant=True, flops=0, value_dependent_shape=True
)  # fmt: skip


@implements(np.argwhere)
def argwhere(x: TensorLike) -> Tensor:
    """Indices of the elements that are not 0, one per row: shape (count, ndim). No gradient.

    >>> import autograd_mini as ag
    >>> ag.argwhere([0.0, 2.0, 3.0])
    Tensor([[1],
            [2]], shape=(2, 1))
    """
    return apply(_ARGWHERE, (as_tensor(x),))


@implements(np.nonzero)
def nonzero(x: TensorLike, *, as_tuple: bool = True) -> tuple[Tensor, ...]:
    """Indices of the elements that are not 0, one tensor per axis: `x[ag.nonzero(x)]` selects these elements.

    `as_tuple` is PyTorch's, whose default is False: one tensor with a row per element, which here is `ag.argwhere(x)`.

    >>> import autograd_mini as ag
    >>> ag.nonzero([0.0, 2.0, 3.0])
    (Tensor([1, 2]),)
    """
    if as_tuple is not True:
        raise ValueError(f"nonzero: as_tuple must be True, got {as_tuple!r}; write ag.argwhere(x) for one tensor")
    x = as_tensor(x)
    if not x._data.ndim:
        raise ValueError("nonzero: expected a tensor with at least one axis, got a 0-d tensor")
    positions = argwhere(x)
    return tuple(getitem(positions, (slice(None), i)) for i in range(x._data.ndim))


def one_hot(indices: TensorLike, classes: int, dtype: Any = None) -> Tensor:
    """Returns rows of zeros with a 1 at each index: shape (*indices.shape, classes). No gradient.

    >>> import autograd_mini as ag
    >>> ag.one_hot([0, 2], 3)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]], shape=(2, 3))
    """
    indices = as_tensor(indices)
    if indices._data.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices must be integers, got {indices._data.dtype}")
    width, kind = one_int("one_hot", "classes", classes, least=0), default_dtype() if dtype is None else supported(dtype)
    return apply(_ONE_HOT, (indices,), {"classes": width, "dtype": kind})


def _one_hot(i: Array, classes: int, dtype: np.dtype[Any]) -> Array:
    if i.size and not (i.min() >= 0 and i.max() < classes):
        raise IndexError
    return (i[..., None] == np.arange(classes)).astype(dtype)


_ONE_HOT = Primitive(
    "one_hot", _one_hot, formula="[j = i]",
    explain=lambda i, classes, dtype: f"indices must lie in [0, {classes}), got {i.min()} to {i.max()}",
    constant=True, flops=0, batch=rules.same,
)  # fmt: skip


def _embedding_add(g: Array, indices: Array, rows: int) -> Array:
    """Adds the rows of g that have the same index. Sorting them first is three times as fast as `np.add.at`."""
    width = g.shape[indices.ndim :]
    total = np.zeros((rows, *width), g.dtype)
    if indices.size:
        flat = indices.ravel()
        order = np.argsort(flat, kind="stable")
        flat = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
        total[flat[starts]] = np.add.reduceat(g.reshape(len(order), *width)[order], starts)
    return total


def _embedding(weight: Array, indices: Array) -> Any:
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):  # NumPy would take −1 for the last row
        raise IndexError
    return weight[indices]


_EMBEDDING = Primitive(
    "embedding", _embedding, formula="row i of W", derivative=("δ added to row i",),
    vjp=(lambda xp, g, y, weight, indices: xp.embedding_add(g, indices, rows=weight.shape[0]), None),
    explain=lambda weight, indices: f"indices must lie in [0, {len(weight)}), got {indices.min()} to {indices.max()}",
    uniform=False, flops=0, batch=rules.embedding,
)  # fmt: skip
Primitive(
    "embedding_add", _embedding_add, formula="sum of the rows with index i", derivative=("1",),
    vjp=(lambda xp, g, y, x, indices, rows: xp.embedding(g, indices), None),
    uniform=False, batch=rules.embedding_add,
)  # fmt: skip


def embedding(weight: TensorLike, indices: TensorLike, padding_idx: int | None = None) -> Tensor:
    """Rows of `weight` (entries, dim) at integer `indices` (…): shape (…, dim). The gradients of a repeated row are added.

    Row `padding_idx` gets no gradient; a negative one counts from the end. Raises TypeError if indices are not integers,
    IndexError if they are outside [0, entries), and ValueError for a `padding_idx` outside the table.

    >>> import autograd_mini as ag
    >>> ag.embedding([[1.0, 2.0], [3.0, 4.0]], [1, 1]).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    weight, indices = as_float(weight), as_tensor(indices)
    if indices._data.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices must be integers, got {indices._data.dtype}")
    if not weight._data.ndim:
        raise ValueError(f"embedding: expected a weight of shape (entries, dim), got a 0-d tensor: {weight!r}")
    rows = apply(_EMBEDDING, (weight, indices))
    if padding_idx is None:
        return rows
    entries = len(weight._data)
    padding_idx = one_int("embedding", "padding_idx", padding_idx)
    if not -entries <= padding_idx < entries:
        raise ValueError(f"embedding: padding_idx must be an int in [-{entries}, {entries}), got {padding_idx!r}")
    is_padding = equal(indices, padding_idx % entries)
    column = (*indices._data.shape, *(1,) * (weight._data.ndim - 1))
    return where(reshape(is_padding, column), rows.detach(), rows)
