"""Primitives that change the shape or the order of elements. The gradient rule of each is the inverse operation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..apply import apply, as_operands
from ..apply import cast as _cast
from ..batching import rules
from ..dtypes import supported
from ..primitive import Primitive
from ..tensor import Array, Axis, Shape, Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int as one_int
from ..tools.arguments import one_of
from ._make import implements, numpys_keywords
from .reduce import canonical_axes, canonical_axis, one_axis

__all__ = [
    "astype", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "concatenate", "copy", "expand_dims", "flatten",
    "moveaxis", "ravel", "reshape", "squeeze", "stack", "swapaxes", "transpose",
]  # fmt: skip


def _explain_reshape(x: Array, shape: Shape) -> str:
    return f"{x.size} elements of shape {x.shape} cannot have shape {shape}"


def _reshape(x: Array, shape: Shape, out: Array | None = None) -> Array:
    if out is None:
        return x.reshape(shape)
    np.copyto(out.reshape(x.shape), x)
    return out


_RESHAPE = Primitive(
    "reshape", _reshape, formula="x in another shape", derivative=("1",),
    vjp=(lambda xp, g, y, x, shape: xp.reshape(g, shape=x.shape),),
    explain=_explain_reshape, view=True, relayout=True, scalar="{0}", batch=rules.reshape,
)  # fmt: skip
_TRANSPOSE = Primitive(
    "transpose", lambda x, axes: x.transpose(axes), formula="xᵀ", derivative=("1",),
    vjp=(lambda xp, g, y, x, axes: xp.transpose(g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__))),),
    view=True, relayout=True, batch=rules.transpose,
)  # fmt: skip


def _broadcast_to(x: Array, shape: Shape) -> Array:
    if x.ndim:
        return np.broadcast_to(x, shape)
    view = np.ndarray(shape, x.dtype, np.asarray(x), 0, (0,) * len(shape))  # takes a sixth of the time of np.broadcast_to
    view.flags.writeable = False
    return view


_BROADCAST = Primitive(
    "broadcast_to", _broadcast_to, formula="x repeated to a larger shape", derivative=("1, summed over the copies",),
    vjp=(lambda xp, g, y, x, shape: g,),
    explain=lambda x, shape: f"shape {x.shape} does not broadcast to {shape}", view=True, scalar="{0}",
    batch=rules.broadcast_to,
)  # fmt: skip


def ints(name: str, values: tuple[Any, ...]) -> tuple[int, ...]:
    """Returns the arguments of `f(2, 3)` or `f((2, 3))` as a tuple of ints."""
    try:
        lengths = tuple(values[0]) if len(values) == 1 and not hasattr(values[0], "__index__") else values
        numbers = tuple(v.__index__() for v in lengths)
    except (AttributeError, TypeError):
        raise TypeError(f"{name}: expected ints, got {', '.join(map(repr, values))}") from None
    if numbers and max(numbers) >= 1 << 63:
        raise ValueError(f"{name}: expected ints of at most 64 bits, got {', '.join(map(repr, values))}")
    return numbers


def lengths_of(name: str, values: tuple[Any, ...]) -> Shape:
    """Returns a shape, as `ints` does. Raises ValueError if a length is negative."""
    lengths = ints(name, values)
    if any(n < 0 for n in lengths):
        raise ValueError(f"{name}: lengths must be ≥ 0, got {lengths}")
    return lengths


@implements(np.reshape)
def reshape(x: TensorLike, *shape: Any, **numpy: Any) -> Tensor:
    """Changes the shape, with the elements in row-major order; one length may be −1.

    >>> import autograd_mini as ag
    >>> ag.reshape([1.0, 2.0, 3.0, 4.0], 2, -1)
    Tensor([[1., 2.],
            [3., 4.]], shape=(2, 2))
    """
    if numpy:
        return numpys_keywords(reshape, (x, shape) if len(shape) > 1 else (x, *shape), numpy)
    x = as_tensor(x)
    lengths = ints("reshape", shape)
    if lengths.count(-1) > 1 or any(n < -1 for n in lengths):
        raise ValueError(f"reshape: expected lengths ≥ 0 and at most one −1, got {lengths}")
    if -1 in lengths:
        rest = math.prod(n for n in lengths if n != -1)
        if rest == 0 or x._data.size % rest:
            raise ValueError(f"reshape: {_explain_reshape(x._data, lengths)}")
        lengths = tuple(x._data.size // rest if n == -1 else n for n in lengths)
    return apply(_RESHAPE, (x,), {"shape": lengths})


@implements(np.transpose)
def transpose(x: TensorLike, *axes: Any, **numpy: Any) -> Tensor:
    """Reorders the axes; without `axes`, reverses them. Two ints swap these axes of a tensor that does not have two axes.

    For a matrix, `transpose(0, 1)` is NumPy's permutation, which changes nothing; a warning says so, because in PyTorch it
    swaps the axes.

    >>> import autograd_mini as ag
    >>> ag.transpose(ag.Tensor([[1.0, 2.0]]))
    Tensor([[1.],
            [2.]], shape=(2, 1))
    >>> ag.transpose(ag.zeros((2, 3, 4)), 1, 2).shape
    (2, 4, 3)
    """
    if numpy:
        return numpys_keywords(transpose, (x, *axes), numpy)
    x = as_tensor(x)
    ndim = x._data.ndim
    if len(axes) == 1 and isinstance(axes[0], np.ndarray):
        axes = (axes[0].tolist(),)
    if len(axes) == 2:
        if ndim != 2:
            return swapaxes(x, *axes)
        if axes == (0, 1):
            warnings.warn(
                "transpose(0, 1) is NumPy's permutation here and leaves a matrix unchanged; write x.T to swap the axes",
                stacklevel=2,
            )
    if not axes or (len(axes) == 1 and axes[0] is None):
        order = tuple(reversed(range(ndim)))
    else:
        order = tuple(canonical_axis("transpose", a, ndim) for a in ints("transpose", axes))
        if sorted(order) != list(range(ndim)):
            raise ValueError(f"transpose: expected a permutation of {ndim} axes, got {order}")
    return apply(_TRANSPOSE, (x,), {"axes": order})


@implements(np.swapaxes)
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """Swaps two axes.

    >>> import autograd_mini as ag
    >>> ag.swapaxes(ag.Tensor([[1.0, 2.0]]), 0, 1).shape
    (2, 1)
    """
    x = as_tensor(x)
    order = list(range(x._data.ndim))
    i, j = (canonical_axis("swapaxes", a, x._data.ndim) for a in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return transpose(x, order)


@implements(np.moveaxis)
def moveaxis(x: TensorLike, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Tensor:
    """Moves axes to new positions; the others keep their order.

    >>> import autograd_mini as ag
    >>> ag.moveaxis(ag.Tensor([[[1.0, 2.0]]]), -1, 0).shape
    (2, 1, 1)
    """
    x = as_tensor(x)
    ndim = x._data.ndim
    sources, destinations = (
        [canonical_axis("moveaxis", a, ndim) for a in (axes if isinstance(axes, (tuple, list)) else (axes,))]
        for axes in (source, destination)
    )  # fmt: skip
    if len(sources) != len(destinations) or len(set(sources)) != len(sources) or len(set(destinations)) != len(destinations):
        raise ValueError(f"moveaxis: source and destination need equally many distinct axes, got {source} and {destination}")
    order = [i for i in range(ndim) if i not in sources]
    for target, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(target, axis)
    return transpose(x, order) if ndim else x


@implements(np.broadcast_to)
def broadcast_to(x: TensorLike, shape: int | Shape) -> Tensor:
    """Repeats `x` along new axes and axes of length 1 to `shape`; the gradient is the sum over the copies.

    >>> import autograd_mini as ag
    >>> ag.broadcast_to([1.0, 2.0], (2, 2))
    Tensor([[1., 2.],
            [1., 2.]], shape=(2, 2))
    """
    return apply(_BROADCAST, (as_tensor(x),), {"shape": ints("broadcast_to", (shape,))})


@implements(np.expand_dims)
def expand_dims(x: TensorLike, axis: int | tuple[int, ...]) -> Tensor:
    """Inserts axes of length 1 at the given positions of the result.

    >>> import autograd_mini as ag
    >>> ag.expand_dims([1.0, 2.0], 0).shape
    (1, 2)
    """
    x = as_tensor(x)
    new = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = canonical_axes("expand_dims", new, x._data.ndim + len(new))
    shape = iter(x._data.shape)
    return reshape(x, tuple(1 if i in axes else next(shape) for i in range(x._data.ndim + len(new))))


@implements(np.squeeze)
def squeeze(x: TensorLike, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """Removes axes of length 1: all of them, or the given ones (ValueError if one is longer).

    With PyTorch's name `dim`, axes that are longer remain, as in PyTorch.

    >>> import autograd_mini as ag
    >>> ag.squeeze(ag.Tensor([[1.0, 2.0]])).shape
    (2,)
    """
    x = as_tensor(x)
    shape = x._data.shape
    if dim is not None:
        given = canonical_axes("squeeze", one_axis("squeeze", axis, dim), len(shape))
        axis = tuple(i for i in given if shape[i] == 1)
    axes = tuple(i for i, n in enumerate(shape) if n == 1) if axis is None else canonical_axes("squeeze", axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: only axes of length 1 can be removed, got axis {axis} of shape {shape}")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))


def flatten(x: TensorLike, start_dim: Any = 0, end_dim: int = -1, *, order: str = "C") -> Tensor:
    """Merges the axes from `start_dim` to `end_dim`, both included, into one.

    >>> import autograd_mini as ag
    >>> ag.flatten(ag.Tensor([[[1.0], [2.0]]]), 1).shape
    (1, 2)
    """
    x = as_tensor(x)
    if isinstance(start_dim, str):  # NumPy's method
        return ravel(x, start_dim)
    if one_of("flatten", "order", order, ("C", "F")) == "F":
        return ravel(x, order)
    if x._data.ndim == 0:
        return reshape(x, (1,))
    shape = x._data.shape
    i, j = canonical_axis("flatten", start_dim, len(shape)), canonical_axis("flatten", end_dim, len(shape))
    if i > j:
        raise ValueError(f"flatten: start_dim must not come after end_dim, got {start_dim} and {end_dim}")
    return reshape(x, (*shape[:i], math.prod(shape[i : j + 1]), *shape[j + 1 :]))


@implements(np.ravel)
def ravel(x: TensorLike, order: str = "C") -> Tensor:
    """Flattens `x` to one axis, row by row, or column by column with `order` "F".

    >>> import autograd_mini as ag
    >>> ag.ravel([[1.0], [2.0]])
    Tensor([1., 2.])
    """
    return flatten(x if one_of("ravel", "order", order, ("C", "F")) == "C" else transpose(x))


# -- concatenation -------------------------------------------------------------------------------------------------------------


def _concatenate_rule(xp: Any, needs: list[bool], g: Any, y: Any, *xs: Any, axis: int) -> list[Any]:
    parts, start = [], 0
    for x, need in zip(xs, needs, strict=True):
        end = start + x.shape[axis]
        parts.append(xp.getitem(g, index=(slice(None),) * axis + (slice(start, end),)) if need else None)
        start = end
    return parts


def _explain_concatenate(*xs: Array, axis: int) -> str:
    return f"shapes must agree except along axis {axis}: {', '.join(str(x.shape) for x in xs)}"


_CONCATENATE = Primitive(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis), formula="x₁ ⧺ x₂ ⧺ …", derivative=("1",),
    vjp=_concatenate_rule,
    explain=_explain_concatenate, flops=0, batch=rules.along_axis,
)  # fmt: skip


@implements(np.concatenate)
def concatenate(tensors: Any, axis: int | None = 0, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Joins tensors along an existing axis; their other lengths must agree. With `axis=None` it joins flattened tensors.

    >>> import autograd_mini as ag
    >>> ag.concatenate([ag.Tensor([1.0]), ag.Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    if numpy:
        return numpys_keywords(concatenate, (tensors,), numpy, axis=axis, dim=dim)
    xs = as_operands(*check_not_empty("concatenate", tensors))
    axis = axis if dim is None else one_axis("concatenate", axis, dim, 0)
    if axis is None:
        return concatenate([ravel(x) for x in xs])
    if not xs[0]._data.ndim:
        raise ValueError("concatenate: 0-d tensors have no axis to join along; use ag.stack")
    return apply(_CONCATENATE, xs, {"axis": canonical_axis("concatenate", axis, xs[0]._data.ndim)})


@implements(np.stack)
def stack(tensors: Any, axis: int = 0, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Joins tensors of one shape along a new axis.

    >>> import autograd_mini as ag
    >>> ag.stack([ag.Tensor(1.0), ag.Tensor(2.0)])
    Tensor([1., 2.])
    """
    if numpy:
        return numpys_keywords(stack, (tensors,), numpy, axis=axis, dim=dim)
    xs = as_operands(*check_not_empty("stack", tensors))
    axis = axis if dim is None else one_axis("stack", axis, dim, 0)
    if len({t._data.shape for t in xs}) > 1:
        raise ValueError(f"stack: shapes must agree: {', '.join(str(t._data.shape) for t in xs)}")
    return concatenate([expand_dims(t, axis) for t in xs], axis)


def check_not_empty(name: str, tensors: Any) -> list[Any]:
    """Returns the tensors as a list; raises ValueError if there are none."""
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"{name}: expected a list of tensors, got {tensors!r}; write [a, b]")
    several = list(tensors)
    if not several:
        raise ValueError(f"{name}: expected at least one tensor, got none")
    return several


# -- dtype and copies ---------------------------------------------------------------------------------------------------------


def astype(x: TensorLike, dtype: Any) -> Tensor:
    """Converts `x` to another dtype; its gradient has x's dtype. Returns the same tensor if the dtype is the same.

    >>> import autograd_mini as ag
    >>> ag.astype([1, 2], "float64")
    Tensor([1., 2.], dtype=float64)
    """
    if dtype is None:  # NumPy's float64
        raise TypeError("astype: expected a dtype such as 'float32' or np.int64, got None")
    return _cast(as_tensor(x), supported(dtype))


def _copy(x: Array, out: Array | None = None) -> Array:
    if out is None:
        return x.copy("K")
    np.copyto(out, x)
    return out


_COPY = Primitive(
    "copy", _copy, formula="x", derivative=("1",),
    vjp=(lambda xp, g, y, x: g,),
    relayout=True, flops=0, scalar="{0}", batch=rules.same,
)  # fmt: skip


@implements(np.copy)
def copy(x: TensorLike, order: str = "K") -> Tensor:
    """Copies the values to new memory, as a recorded operation; NumPy's `order` of the elements in memory has no effect.

    >>> import autograd_mini as ag
    >>> ag.copy([1.0])
    Tensor([1.])
    """
    one_of("copy", "order", order, ("C", "F", "A", "K"))
    return apply(_COPY, (as_tensor(x),))


def _at_least(x: Tensor, shapes: dict[int, Any]) -> Tensor:
    return reshape(x, shapes[x.ndim]) if x.ndim in shapes else x


@implements(np.atleast_1d)
def atleast_1d(x: TensorLike) -> Tensor:
    """Adds an axis to a 0-d tensor.

    >>> import autograd_mini as ag
    >>> ag.atleast_1d(3.0)
    Tensor([3.])
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1,)})


@implements(np.atleast_2d)
def atleast_2d(x: TensorLike) -> Tensor:
    """Adds axes until there are at least two axes; a vector becomes a row.

    >>> import autograd_mini as ag
    >>> ag.atleast_2d([1.0, 2.0]).shape
    (1, 2)
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1, 1), 1: (1, -1)})


@implements(np.atleast_3d)
def atleast_3d(x: TensorLike) -> Tensor:
    """Adds axes until there are at least three axes, as NumPy places them: a vector lies along the second.

    >>> import autograd_mini as ag
    >>> ag.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1, 1, 1), 1: (1, -1, 1), 2: (*x.shape, 1)})
