"""Reductions: sums, products, extrema and counts. Moments are in `moments.py`, the softmax family is in `neural/softmax.py`.

Public functions take `axis` as None, an int or a tuple; kernels and rules get a sorted tuple of non-negative ints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index as _index
from typing import Any, NamedTuple, overload

import numpy as np

from ..apply import apply, as_float, recorded
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Axis, Shape, Tensor, TensorLike, as_tensor
from ..tools.arguments import flag
from ._make import implements, numpys_keywords

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "max", "mean", "min", "prod", "ptp", "sum",
]  # fmt: skip


def canonical_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Returns `axis` as a sorted tuple of distinct axes in [0, ndim); `name` is the operation, for errors."""
    if axis is None:
        return tuple(range(ndim))
    axes = sorted(canonical_axis(name, a, ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axes must be distinct, got axis={axis}")
    return tuple(axes)


def canonical_axis(name: str, axis: Any, ndim: int) -> int:
    """Returns an axis in [0, ndim); negative axes count from the end."""
    try:
        index = int(_index(axis))
    except TypeError:
        raise TypeError(f"{name}: axis must be an int, a tuple of ints or None, got {axis!r}") from None
    if not -ndim <= index < ndim:
        raise IndexError(f"{name}: axis {index} is out of range for a tensor with {ndim} axes")
    return index % ndim


def one_axis(name: str, axis: Any, dim: Any, default: Any = None) -> Any:
    """Returns the axis to use if `dim`, PyTorch's name for `axis`, was given. Raises TypeError if both were."""
    if axis is not default:
        raise TypeError(f"{name}: axis={axis!r} and dim={dim!r} mean the same; give only one of them")
    return tuple(dim) if isinstance(dim, list) else dim


def keepdims_shape(shape: Shape, axis: tuple[int, ...]) -> Shape:
    """Returns `shape` with the reduced axes at length 1."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def restore_axes(xp: Any, g: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """Inserts the reduced axes with length 1, so that `g` broadcasts against `x` (a 0-d array always does)."""
    return g if not g.ndim or g.ndim == x.ndim else xp.reshape(g, shape=keepdims_shape(x.shape, axis))


def count(x: Any, axis: tuple[int, ...]) -> int:
    """Returns the number of elements that are reduced to one."""
    return x.size if len(axis) == x.ndim else math.prod(x.shape[i] for i in axis)


def join_axes(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """Returns `x` with the axes to reduce merged into one last axis."""
    rest = tuple(i for i in range(x.ndim) if i not in axis)
    return xp.reshape(xp.transpose(x, axes=rest + axis), shape=(*(x.shape[i] for i in rest), count(x, axis)))


def separate_axes(xp: Any, line: Any, shape: Shape, axis: tuple[int, ...]) -> Any:
    """Inverts `join_axes` for a tensor of `shape`."""
    order = (*(i for i in range(len(shape)) if i not in axis), *axis)
    separate = xp.reshape(line, shape=tuple(shape[i] for i in order))
    return xp.transpose(separate, axes=tuple(sorted(range(len(shape)), key=order.__getitem__)))


_add: Any = np.add.reduce  # NumPy's stubs want keepdims as a literal


def sum_kernel(x: Array, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Any:
    return _add(x, axis, None, out, keepdims)


def mean_kernel(x: Array, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Any:
    if x.dtype.itemsize == 2:  # the sum and the count may overflow float16
        return np.add(mean_kernel(x.astype(np.float32), axis, keepdims).astype(x.dtype), 0, out=out)
    total, n = _add(x, axis, None, out, keepdims), count(x, axis) or np.nan
    return total / n if out is None else np.divide(total, n, out)  # dividing scalars takes a sixth of a ufunc's time


def _sum_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.broadcast_to(restore_axes(xp, g, x, axis), shape=x.shape)


def _mean_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.broadcast_to(restore_axes(xp, g * (1 / (count(x, axis) or 1)), x, axis), shape=x.shape)


_SUM = Primitive(
    "sum", sum_kernel, formula="Σ x", derivative=("1",),
    vjp=(_sum_rule,),
    rowwise=True, scalar="{0}", reduction="sum", batch=rules.along_axis,
)  # fmt: skip
_MEAN = Primitive(
    "mean", mean_kernel, formula="Σ x / n", derivative=("1/n",),
    vjp=(_mean_rule,),
    kink="nan without elements", scalar="{0}", reduction="mean", batch=rules.along_axis,
)  # fmt: skip


def reduce_axes(
    primitive: Primitive, x: Tensor, axis: Any, keepdims: bool, dim: Any = None, keepdim: bool = False, **params: Any
) -> Tensor:
    """Applies a primitive that reduces axes, with `axis` in canonical form; `dim` and `keepdim` are PyTorch's names."""
    if dim is not None:
        axis = one_axis(primitive.name, axis, dim)
    axes = canonical_axes(primitive.name, axis, x._data.ndim)
    if keepdims is not False or keepdim is not False:
        keepdims = either_flag(primitive.name, keepdims, keepdim)
    return apply(primitive, (x,), {"axis": axes, "keepdims": keepdims, **params})


def either_flag(name: str, keepdims: Any, keepdim: Any) -> bool:
    """Returns whether NumPy's `keepdims` or PyTorch's `keepdim` is set. Raises TypeError unless both are bools."""
    return flag(name, "keepdims", keepdims) | flag(name, "keepdim", keepdim)


@implements(np.sum)
def sum(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Sum of the elements along `axis` (an int, a tuple, or None for all); `keepdims` keeps the reduced axes at length 1.

    Local derivative: 1.

    >>> import autograd_mini as ag
    >>> ag.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.])
    """
    if numpy:
        return numpys_keywords(sum, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return reduce_axes(_SUM, as_tensor(x), axis, keepdims, dim, keepdim)


@implements(np.mean)
def mean(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Arithmetic mean along `axis`; the mean of integers has the default dtype, the mean of no elements is nan.

    Local derivative: 1/n.

    >>> import autograd_mini as ag
    >>> ag.mean([[1.0, 2.0], [3.0, 4.0]])
    Tensor(2.5)
    """
    if numpy:
        return numpys_keywords(mean, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return reduce_axes(_MEAN, as_float(x), axis, keepdims, dim, keepdim)


# -- products --------------------------------------------------------------------------------------------------------


def shift_by_one(xp: Any, x: Any, axis: int, value: float) -> Any:
    """Shifts `x` by one position along `axis`: inserts `value` at the start and drops the last element."""
    front = tuple((1, 0) if i == axis else (0, 0) for i in range(x.ndim))
    return xp.getitem(xp.pad(x, pad_width=front, value=value), index=(slice(None),) * axis + (slice(0, -1),))


def _prod_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    # The product of the others is (product of those before) · (product of those after). No division: exact with zeros.
    line = join_axes(xp, x, axis)
    last = line.ndim - 1
    before = shift_by_one(xp, xp.cumprod(line, axis=last), last, 1)
    after = xp.flip(shift_by_one(xp, xp.cumprod(xp.flip(line, axis=(last,)), axis=last), last, 1), axis=(last,))
    return restore_axes(xp, g, x, axis) * separate_axes(xp, before * after, x.shape, axis)


_PROD = Primitive(
    "prod", lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims), formula="Π x",
    derivative=("the product of the others",),
    vjp=(_prod_rule,),
    kink="exact with zeros", batch=rules.along_axis,
)  # fmt: skip


@implements(np.prod)
def prod(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Product of the elements along `axis`. Local derivative: the product of the others, exact if elements are 0.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ag.prod(x).backward()
    >>> x.grad
    Tensor([0., 6., 0.])
    """
    if numpy:
        return numpys_keywords(prod, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return reduce_axes(_PROD, as_tensor(x), axis, keepdims, dim, keepdim)


# -- extrema: a tie shares the gradient evenly -----------------------------------------------------------------------


def _extremum_share(x: Array, y: Array, axis: tuple[int, ...]) -> Array:
    extreme = x == y.reshape(keepdims_shape(x.shape, axis))
    return extreme.astype(x.dtype) / np.add.reduce(extreme, axis=axis, keepdims=True).astype(x.dtype)


Primitive("extremum_share", _extremum_share, formula="[x is extreme] / number of ties", constant=True, batch=rules.along_axis)


def _extremum_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return restore_axes(xp, g, x, axis) * xp.extremum_share(x, y, axis=axis)


def _extremum(name: str, ufunc: np.ufunc, formula: str) -> Primitive:
    def kernel(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    def explain(x: Array, axis: tuple[int, ...], keepdims: bool) -> str:
        return f"expected at least one element along axis {axis}, got shape {x.shape}" if not count(x, axis) else ""

    return Primitive(
        name, kernel, formula=formula, derivative=("[x is extreme] / number of ties",),
        vjp=(_extremum_rule,),
        kink="ties share the gradient evenly", explain=explain, batch=rules.along_axis,
    )  # fmt: skip


_MAX = _extremum("max", np.maximum, "max x")
_MIN = _extremum("min", np.minimum, "min x")


@overload
def max(x: TensorLike, *, dim: int, keepdim: bool = False) -> ValuesAndIndices: ...
@overload
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Tensor: ...
@implements(np.max, np.amax)
def max(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False, **numpy: Any
) -> Tensor | ValuesAndIndices:
    """Largest element along `axis`; ties share the gradient evenly. Raises ValueError for an empty axis.

    With PyTorch's name `dim`, returns (values, indices) as PyTorch does, and only the first of equal elements has a gradient.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    Tensor([0. , 0.5, 0.5])
    >>> ag.max(ag.Tensor([[1.0, 3.0], [4.0, 2.0]]), dim=1)
    ValuesAndIndices(values=Tensor([3., 4.]), indices=Tensor([1, 0]))
    """
    if numpy:
        return numpys_keywords(max, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    if dim is None:
        return reduce_axes(_MAX, as_tensor(x), axis, keepdims, keepdim=keepdim)
    return _extreme_along("max", argmax, x, one_axis("max", axis, dim), either_flag("max", keepdims, keepdim))


@overload
def min(x: TensorLike, *, dim: int, keepdim: bool = False) -> ValuesAndIndices: ...
@overload
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False, **numpy: Any) -> Tensor: ...
@implements(np.min, np.amin)
def min(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False, **numpy: Any
) -> Tensor | ValuesAndIndices:
    """Smallest element along `axis`; ties share the gradient evenly. Raises ValueError for an empty axis.

    With PyTorch's name `dim`, returns (values, indices), as `ag.max` does.

    >>> import autograd_mini as ag
    >>> ag.min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([1., 0.])
    """
    if numpy:
        return numpys_keywords(min, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    if dim is None:
        return reduce_axes(_MIN, as_tensor(x), axis, keepdims, keepdim=keepdim)
    return _extreme_along("min", argmin, x, one_axis("min", axis, dim), either_flag("min", keepdims, keepdim))


def amax(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Largest element along `axis`, an int or a tuple; ties share the gradient evenly, also with PyTorch's name `dim`.

    >>> import autograd_mini as ag
    >>> ag.amax([[1.0, 3.0], [4.0, 2.0]], dim=1)
    Tensor([3., 4.])
    """
    return reduce_axes(_MAX, as_tensor(x), axis, keepdims, dim, keepdim)


def amin(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Smallest element along `axis`, an int or a tuple; ties share the gradient evenly, also with PyTorch's name `dim`.

    >>> import autograd_mini as ag
    >>> ag.amin([[1.0, 3.0], [4.0, 2.0]], dim=1)
    Tensor([1., 2.])
    """
    return reduce_axes(_MIN, as_tensor(x), axis, keepdims, dim, keepdim)


def _extreme_along(name: str, index_of: Callable[..., Tensor], x: TensorLike, axis: int, keepdims: bool) -> ValuesAndIndices:
    from .index import gather  # that module needs this one

    x = as_tensor(x)
    if not x._data.ndim:
        canonical_axis(name, axis, 1)
        return ValuesAndIndices(x, index_of(x))
    axis = canonical_axis(name, axis, x._data.ndim)
    indices = index_of(x, axis, True)
    pair = gather(x, axis, indices), indices
    shape = x._data.shape[:axis] + x._data.shape[axis + 1 :]
    return ValuesAndIndices(*pair) if keepdims else ValuesAndIndices(*(recorded.reshape(y, shape=shape) for y in pair))


@implements(np.ptp)
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """Peak to peak, max − min, along `axis`.

    >>> import autograd_mini as ag
    >>> ag.ptp([3.0, 1.0, 6.0])
    Tensor(5.0)
    """
    x = as_tensor(x)
    return amax(x, axis, keepdims, dim=dim, keepdim=keepdim) - amin(x, axis, keepdims, dim=dim, keepdim=keepdim)


# -- without a gradient ----------------------------------------------------------------------------------------------


class ValuesAndIndices(NamedTuple):
    """Elements that were selected along an axis, and their indices there, as PyTorch returns them."""

    values: Tensor
    indices: Tensor


def _index_primitive(name: str, function: Callable[..., Any], formula: str) -> Primitive:
    def explain(x: Array, axis: int | None, keepdims: bool) -> str:
        return f"expected at least one element, got shape {x.shape}" if not x.size else ""

    return Primitive(
        name, lambda x, axis, keepdims: function(x, axis=axis, keepdims=keepdims), formula=formula,
        explain=explain, constant=True, batch=rules.along_axis,
    )  # fmt: skip


_ARGMAX = _index_primitive("argmax", np.argmax, "the index of max x")
_ARGMIN = _index_primitive("argmin", np.argmin, "the index of min x")


def _apply_index(primitive: Primitive, x: TensorLike, axis: int | None, keepdims: bool, dim: int | None) -> Tensor:
    x = as_tensor(x)
    if dim is not None:
        axis = one_axis(primitive.name, axis, dim)
    along = None if axis is None else canonical_axis(primitive.name, axis, x._data.ndim)
    return apply(primitive, (x,), {"axis": along, "keepdims": keepdims})


@implements(np.argmax)
def argmax(
    x: TensorLike,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    **numpy: Any,
) -> Tensor:
    """Index of the first largest element along `axis`, or in the flattened tensor. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argmax([[1.0, 5.0], [7.0, 2.0]], axis=1)
    Tensor([1, 0])
    """
    if numpy:
        return numpys_keywords(argmax, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return _apply_index(_ARGMAX, x, axis, either_flag("argmax", keepdims, keepdim), dim)


@implements(np.argmin)
def argmin(
    x: TensorLike,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    **numpy: Any,
) -> Tensor:
    """Index of the first smallest element along `axis`, or in the flattened tensor. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argmin([3.0, 1.0, 2.0])
    Tensor(1)
    """
    if numpy:
        return numpys_keywords(argmin, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return _apply_index(_ARGMIN, x, axis, either_flag("argmin", keepdims, keepdim), dim)


_ANY = Primitive(
    "any",
    lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims),
    formula="∨ x",
    constant=True,
    batch=rules.along_axis,
)
_ALL = Primitive(
    "all",
    lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims),
    formula="∧ x",
    constant=True,
    batch=rules.along_axis,
)


@implements(np.any)
def any(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Tests whether any element along `axis` is true (not 0). No gradient.

    >>> import autograd_mini as ag
    >>> ag.any([0.0, 2.0])
    Tensor(True)
    """
    if numpy:
        return numpys_keywords(any, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return reduce_axes(_ANY, as_tensor(x), axis, keepdims, dim, keepdim)


@implements(np.all)
def all(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Tests whether every element along `axis` is true (not 0). No gradient.

    >>> import autograd_mini as ag
    >>> ag.all([0.0, 2.0])
    Tensor(False)
    """
    if numpy:
        return numpys_keywords(all, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    return reduce_axes(_ALL, as_tensor(x), axis, keepdims, dim, keepdim)


_COUNT = Primitive(
    "count_nonzero", lambda x, axis, keepdims: np.count_nonzero(x, axis=axis, keepdims=keepdims), formula="Σ [x ≠ 0]",
    constant=True, batch=rules.along_axis,
)  # fmt: skip


@implements(np.count_nonzero)
def count_nonzero(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Number of elements along `axis` that are not 0. No gradient.

    >>> import autograd_mini as ag
    >>> ag.count_nonzero([0.0, 2.0, -1.0])
    Tensor(2)
    """
    return reduce_axes(_COUNT, as_tensor(x), axis, keepdims, dim, keepdim)
