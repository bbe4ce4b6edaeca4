"""Operations that move elements: flip, roll, pad, repeat, triangles, diagonals, split and stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import numpy as np

from ..apply import apply, as_operands, cast, common_dtype
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Axis, Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int
from . import reduce
from ._make import implements, numpys_keywords
from .elementwise import where
from .index import INDEX_ADD, Placeholder, getitem, take
from .reduce import canonical_axes, canonical_axis, one_axis
from .shape import broadcast_to, check_not_empty, concatenate, expand_dims, ints, moveaxis, ravel, reshape, swapaxes

__all__ = [
    "array_split", "diag", "diagonal", "flip", "fliplr", "flipud", "hstack", "pad", "repeat", "roll", "rot90", "split", "tile",
    "trace", "tril", "triu", "vstack",
]  # fmt: skip

Pairs: TypeAlias = tuple[tuple[int, int], ...]

# -- flip and roll -------------------------------------------------------------------------------------------------------------

_FLIP = Primitive(
    "flip", lambda x, axis: np.flip(x, axis), formula="x in reverse order", derivative=("1",),
    vjp=(lambda xp, g, y, x, axis: xp.flip(g, axis=axis),),
    view=True, batch=rules.along_axis,
)  # fmt: skip
_ROLL = Primitive(
    "roll", lambda x, shift, axis: np.roll(x, shift, axis), formula="x shifted cyclically", derivative=("1",),
    vjp=(lambda xp, g, y, x, shift, axis: xp.roll(g, shift=tuple(-s for s in shift), axis=axis),),
    flops=0, batch=rules.along_axis,
)  # fmt: skip


@implements(np.flip)
def flip(x: TensorLike, axis: Axis = None, *, dims: Any = None) -> Tensor:
    """Reverses `x` along `axis` (an int, a tuple, or None for all).

    >>> import autograd_mini as ag
    >>> ag.flip([1.0, 2.0, 3.0])
    Tensor([3., 2., 1.])
    """
    x = as_tensor(x)
    axis = axis if dims is None else one_axis("flip", axis, dims)
    return apply(_FLIP, (x,), {"axis": canonical_axes("flip", axis, x._data.ndim)})


@implements(np.roll)
def roll(x: TensorLike, shift: int | tuple[int, ...], axis: Axis = None, *, dims: Axis = None) -> Tensor:
    """Shifts `x` cyclically by `shift` positions along `axis`; without `axis`, as if flattened.

    >>> import autograd_mini as ag
    >>> ag.roll([1.0, 2.0, 3.0], 1)
    Tensor([3., 1., 2.])
    """
    x = as_tensor(x)
    axis = axis if dims is None else one_axis("roll", axis, dims)
    shift = ints("roll", (shift,)) if isinstance(shift, tuple) else one_int("roll", "shift", shift)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x._data.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: expected one shift for each axis, got shift={shift} and axis={axis}")
    if not axes:
        return x
    return apply(_ROLL, (x,), {"shift": shifts, "axis": tuple(canonical_axis("roll", a, x._data.ndim) for a in axes)})


# -- padding ---------------------------------------------------------------------------------------------------------


def _pad(x: Array, pad_width: Pairs, value: float) -> Array:
    y = np.full([before + n + after for n, (before, after) in zip(x.shape, pad_width, strict=True)], value, x.dtype)
    y[_inner_slices(x, pad_width)] = x
    return y


def _inner_slices(x: Any, pad_width: Pairs) -> tuple[slice, ...]:
    """Returns the index of `x` in the padded array."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pad_width, strict=True))


_PAD = Primitive(
    "pad", _pad, formula="x with padding", derivative=("1",),
    vjp=(lambda xp, g, y, x, pad_width, value: xp.getitem(g, index=_inner_slices(x, pad_width)),),
    flops=0, batch=rules.pad,
)  # fmt: skip
_PAD_MODES = ("edge", "reflect", "symmetric", "wrap")


@lru_cache(maxsize=256)
def _border_copies(length: int, before: int, after: int, mode: str) -> tuple[tuple[int, int], ...]:
    """Returns the pairs (position in the padding, position of the element that is copied to it), in the padded axis."""
    sources = before + np.pad(np.arange(length), (before, after), mode)  # type: ignore[call-overload]
    border = (*range(before), *range(before + length, before + length + after))
    return tuple((i, int(sources[i])) for i in border)


def _copies(shape: Sequence[int], pad_width: Pairs, mode: str) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yields the indices of each slice of the padding and of its source, in an order in which sources are complete."""
    for axis, (length, pair) in enumerate(zip(shape, pad_width, strict=True)):
        for place, source in _border_copies(length, *pair, mode):
            lead = (slice(None),) * axis
            yield (*lead, place), (*lead, source)


def _pad_with_copies(x: Array, pad_width: Pairs, mode: str, out: Array | None = None) -> Array:
    shape = tuple(before + n + after for n, (before, after) in zip(x.shape, pad_width, strict=True))
    y = np.empty_like(x, shape=shape) if out is None else out
    y[_inner_slices(x, pad_width)] = x
    for place, source in _copies(x.shape, pad_width, mode):
        y[place] = y[source]
    return y


def _sum_copies(g: Array, pad_width: Pairs, mode: str) -> Array:
    total = g.copy("K")
    shape = tuple(n - sum(pair) for n, pair in zip(g.shape, pad_width, strict=True))
    for place, source in reversed([*_copies(shape, pad_width, mode)]):
        total[source] += total[place]
    return total[tuple(slice(before, before + n) for n, (before, _) in zip(shape, pad_width, strict=True))]


_PAD_WITH_COPIES = Primitive(
    "pad_with_copies", _pad_with_copies, formula="x with copies of its elements as padding", derivative=("1",),
    vjp=(lambda xp, g, y, x, **params: xp.sum_copies(g, **params),),
    flops=0, batch=rules.pad,
)  # fmt: skip
Primitive(
    "sum_copies", _sum_copies, formula="x without padding, plus the padding at the elements it was copied from",
    derivative=("1",),
    vjp=(lambda xp, g, y, x, **params: xp.pad_with_copies(g, **params),),
    batch=rules.pad,
)  # fmt: skip


@implements(np.pad)
def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: TensorLike = 0) -> Tensor:
    """Pads `x` at both ends of its axes.

    Parameters
    ----------
    x : the tensor to pad
    pad_width : one number, a pair (before, after), or a pair for each axis
    mode : "constant", or NumPy's "edge", "reflect", "symmetric" or "wrap"
    constant_values : the value of the padding in mode "constant", a number or a 0-d tensor

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.pad([1.0, 2.0, 3.0], (1, 2))
    Tensor([0., 1., 2., 3., 0., 0.])
    >>> ag.pad([1.0, 2.0, 3.0], 1, mode="reflect")
    Tensor([2., 1., 2., 3., 2.])
    """
    if not isinstance(mode, str):
        raise TypeError(f"pad: mode must be a string such as 'constant', got {mode!r}")
    x = as_tensor(x) if mode != "constant" else cast(x, common_dtype(x, constant_values))
    try:
        array = np.broadcast_to(pad_width if np.size(pad_width) else 0, (x._data.ndim, 2))
    except ValueError:
        raise ValueError(f"pad: expected one pair for each axis of shape {x._data.shape}, got pad_width {pad_width}") from None
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0):
        raise ValueError(f"pad: pad_width must hold ints of at least 0, got {pad_width}")
    pairs: Pairs = tuple((int(before), int(after)) for before, after in array)
    if mode == "constant":
        return _pad_with(x, pairs, constant_values)
    if mode not in _PAD_MODES:
        raise ValueError(f'pad: mode must be "constant", {", ".join(map(repr, _PAD_MODES))}, got {mode!r}')
    if any(not n and pair != (0, 0) for n, pair in zip(x._data.shape, pairs, strict=True)):
        raise ValueError(f"pad: mode {mode!r} has nothing to copy along an axis of length 0, got shape {x._data.shape}")
    return apply(_PAD_WITH_COPIES, (x,), {"pad_width": pairs, "mode": mode})


def _pad_with(x: Tensor, pairs: Pairs, value: TensorLike) -> Tensor:
    """Pads with a number, or with a 0-d tensor, which gets the sum of the padding's gradient."""
    if np.ndim(value._data if isinstance(value, Tensor) else value):
        raise ValueError(f"pad: constant_values must be one number, got {value!r}")
    if not isinstance(value, Tensor):
        return apply(_PAD, (x,), {"pad_width": pairs, "value": value})
    inside = _pad(np.ones(x._data.shape, bool), pairs, False)
    return where(inside, apply(_PAD, (x,), {"pad_width": pairs, "value": 0}), value)


# -- repeats ---------------------------------------------------------------------------------------------------------


@implements(np.tile)
def tile(x: TensorLike, reps: int | Sequence[int]) -> Tensor:
    """Repeats `x` as a whole `reps` times along each axis; the shorter of shape and `reps` gets leading ones.

    >>> import autograd_mini as ag
    >>> ag.tile([1.0, 2.0], 2)
    Tensor([1., 2., 1., 2.])
    """
    x = as_tensor(x)
    times = ints("tile", (reps,))
    ndim = max(len(times), x._data.ndim)
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - x._data.ndim) + x._data.shape
    copies = broadcast_to(
        reshape(x, [n for m in shape for n in (1, m)]), tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    )
    return reshape(copies, tuple(t * n for t, n in zip(times, shape, strict=True)))


@implements(np.repeat)
def repeat(x: TensorLike, repeats: int | Sequence[int] | Array, axis: int | None = None) -> Tensor:
    """Repeats each element (or slice along `axis`) `repeats` times; a sequence has one number for each.

    >>> import autograd_mini as ag
    >>> ag.repeat([1.0, 2.0], 2)
    Tensor([1., 1., 2., 2.])
    >>> ag.repeat([1.0, 2.0], [0, 3])
    Tensor([2., 2., 2.])
    """
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    i = canonical_axis("repeat", along, x._data.ndim)
    shape = x._data.shape
    if np.ndim(repeats):
        if len(repeats) != shape[i]:  # type: ignore[arg-type]
            raise ValueError(f"repeat: axis {i} needs {shape[i]} repeats, got {len(repeats)}")  # type: ignore[arg-type]
        return take(x, np.repeat(np.arange(shape[i]), repeats), i)
    times = one_int("repeat", "repeats", repeats)
    if times < 0:
        raise ValueError(f"repeat: repeats must be at least 0, got {repeats}")
    copies = broadcast_to(expand_dims(x, i + 1), (*shape[: i + 1], times, *shape[i + 1 :]))
    return reshape(copies, (*shape[:i], shape[i] * times, *shape[i + 1 :]))


# -- triangles and diagonals -----------------------------------------------------------------------------------------


def _triangle(name: str, kernel: Any, formula: str) -> Primitive:
    return Primitive(
        name, lambda x, k: kernel(x, k), formula=formula, derivative=("1 inside the triangle, else 0",),
        vjp=(lambda xp, g, y, x, k: getattr(xp, name)(g, k=k),),
        flops=0, batch=rules.same,
    )  # fmt: skip


_TRIL = _triangle("tril", np.tril, "x on and below the diagonal, else 0")
_TRIU = _triangle("triu", np.triu, "x on and above the diagonal, else 0")


def _check_matrix(name: str, x: TensorLike) -> Tensor:
    """Converts `x` to a tensor; raises ValueError if it has fewer than two axes."""
    x = as_tensor(x)
    if x._data.ndim < 2:
        raise ValueError(f"{name}: expected a matrix or a stack of matrices, got shape {x._data.shape}")
    return x


@implements(np.tril)
def tril(x: TensorLike, k: int = 0, *, diagonal: int | None = None) -> Tensor:
    """The lower triangle of each matrix in the last two axes, with zeros above diagonal number `k`.

    `diagonal` is PyTorch's name of `k`.

    >>> import autograd_mini as ag
    >>> ag.tril([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 0.],
            [3., 4.]], shape=(2, 2))
    """
    return apply(_TRIL, (_check_matrix("tril", x),), {"k": one_int("tril", "k", k if diagonal is None else diagonal)})


@implements(np.triu)
def triu(x: TensorLike, k: int = 0, *, diagonal: int | None = None) -> Tensor:
    """The upper triangle of each matrix in the last two axes, with zeros below diagonal number `k`.

    `diagonal` is PyTorch's name of `k`.

    >>> import autograd_mini as ag
    >>> ag.triu([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [0., 4.]], shape=(2, 2))
    """
    return apply(_TRIU, (_check_matrix("triu", x),), {"k": one_int("triu", "k", k if diagonal is None else diagonal)})


def _diagonal_indices(length: int, offset: int) -> tuple[Tensor, Tensor]:
    """Returns the row and column indices of a diagonal with `length` elements."""
    steps = np.arange(length)
    return Tensor(steps + max(-offset, 0)), Tensor(steps + max(offset, 0))


@implements(np.diagonal)
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Returns the diagonals of the matrices in two axes, as a new last axis.

    Parameters
    ----------
    x : a tensor with at least two axes
    offset : the number of the diagonal; positive ones are right of the main diagonal
    axis1, axis2 : the axes of the matrices' rows and columns

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.diagonal([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 4.])
    """
    offset = one_int("diagonal", "offset", offset)
    x = moveaxis(_check_matrix("diagonal", x), (axis1, axis2), (-2, -1))
    rows, columns = x._data.shape[-2:]
    return getitem(x, (..., *_diagonal_indices(max(min(rows, columns, rows + offset, columns - offset), 0), offset)))


@implements(np.trace)
def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Sum of a diagonal.

    Parameters
    ----------
    x, offset, axis1, axis2 : as in `diagonal`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.trace([[1.0, 2.0], [3.0, 4.0]])
    Tensor(5.0)
    """
    return reduce.sum(diagonal(x, offset, axis1, axis2), -1)


@implements(np.diag)
def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The diagonal number `k` of a matrix, or the matrix with a vector as its diagonal number `k`.

    >>> import autograd_mini as ag
    >>> ag.diag([1.0, 2.0])
    Tensor([[1., 0.],
            [0., 2.]], shape=(2, 2))
    """
    x, k = as_tensor(x), one_int("diag", "k", k)
    if x._data.ndim == 2:
        return diagonal(x, k)
    if x._data.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x._data.shape}")
    side = len(x) + abs(k)
    return apply(
        INDEX_ADD, (x, *_diagonal_indices(len(x), k)), {"index": (Placeholder(0), Placeholder(1)), "shape": (side, side)}
    )


# -- split and stack -------------------------------------------------------------------------------------------------


def _split(name: str, x: Tensor, sections: int | Sequence[int], axis: int, even: bool) -> list[Tensor]:
    axis = canonical_axis(name, axis, x._data.ndim)
    n = x._data.shape[axis]
    if not np.ndim(sections):
        sections = one_int(name, "sections", sections)
        if sections < 1 or (even and n % sections):
            raise ValueError(f"{name}: cannot split {n} elements along axis {axis} into {sections} equal parts")
        size, remainder = divmod(n, sections)  # the first `remainder` parts have one more element
        bounds = [i * size + min(i, remainder) for i in range(sections + 1)]
    else:
        bounds = [0, *ints(name, (sections,)), n]
    return [getitem(x, (slice(None),) * axis + (slice(i, j),)) for i, j in pairwise(bounds)]


@implements(np.split)
def split(x: TensorLike, sections: int | Sequence[int], axis: int = 0, *, dim: int | None = None, **numpy: Any) -> list[Tensor]:
    """Splits `x` along `axis`, into a number of equal parts (ValueError if this is not possible) or at a list of indices.

    With PyTorch's name `dim`, `sections` is the length of each part but the last, or a list of lengths, as in PyTorch.

    >>> import autograd_mini as ag
    >>> ag.split([1.0, 2.0, 3.0], [1])
    [Tensor([1.]), Tensor([2., 3.])]
    """
    if numpy:
        return numpys_keywords(split, (x,), numpy, axis=axis, dim=dim, sections=sections)
    if dim is not None:
        return _split_lengths(as_tensor(x), sections, one_axis("split", axis, dim, 0))
    return _split("split", as_tensor(x), sections, axis, even=True)


def _split_lengths(x: Tensor, lengths: int | Sequence[int], axis: int) -> list[Tensor]:
    n = x._data.shape[canonical_axis("split", axis, x._data.ndim)]
    if not np.ndim(lengths):
        size = one_int("split", "sections", lengths)
        if size < 1:
            raise ValueError(f"split: with dim={axis}, sections is the length of a part and must be at least 1, got {size}")
        return _split("split", x, range(size, n, size), axis, even=False)
    sizes = ints("split", (lengths,))
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ValueError(f"split: with dim={axis}, expected lengths with the sum {n}, got {list(sizes)}")
    return _split("split", x, list(accumulate(sizes))[:-1], axis, even=False)


@implements(np.array_split)
def array_split(x: TensorLike, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """`split` into parts whose lengths may differ by one, the longer ones first.

    >>> import autograd_mini as ag
    >>> ag.array_split([1.0, 2.0, 3.0], 2)
    [Tensor([1., 2.]), Tensor([3.])]
    """
    return _split("array_split", as_tensor(x), sections, axis, even=False)


@implements(np.hstack)
def hstack(tensors: Sequence[TensorLike]) -> Tensor:
    """Joins tensors along their second axis, vectors and numbers along their only axis.

    >>> import autograd_mini as ag
    >>> ag.hstack([ag.Tensor([1.0]), ag.Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    xs = [reshape(t, -1) if t._data.ndim == 0 else t for t in as_operands(*check_not_empty("hstack", tensors))]
    return concatenate(xs, 0 if xs[0]._data.ndim == 1 else 1)


@implements(np.vstack)
def vstack(tensors: Sequence[TensorLike]) -> Tensor:
    """Joins tensors along their first axis; a vector counts as one row.

    >>> import autograd_mini as ag
    >>> ag.vstack([ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])])
    Tensor([[1., 2.],
            [3., 4.]], shape=(2, 2))
    """
    xs = as_operands(*check_not_empty("vstack", tensors))
    return concatenate([reshape(t, 1, -1) if t._data.ndim < 2 else t for t in xs])


@implements(np.rot90)
def rot90(x: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Rotates by k quarter turns in the plane of two axes, from the first towards the second.

    >>> import autograd_mini as ag
    >>> ag.rot90([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 4.],
            [1., 3.]], shape=(2, 2))
    """
    x = as_tensor(x)
    if not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise ValueError(f"rot90: expected a pair of axes, such as (0, 1), got axes={axes!r}")
    first, second = (canonical_axis("rot90", axis, x.ndim) for axis in axes)
    if first == second:
        raise ValueError(f"rot90: axes must be distinct, got {axes}")
    for _ in range(one_int("rot90", "k", k) % 4):
        x = flip(swapaxes(x, first, second), axis=first)
    return x


@implements(np.fliplr)
def fliplr(x: TensorLike) -> Tensor:
    """Reverses `x` along the second axis.

    >>> import autograd_mini as ag
    >>> ag.fliplr([[1.0, 2.0]])
    Tensor([[2., 1.]], shape=(1, 2))
    """
    return flip(x, axis=1)


@implements(np.flipud)
def flipud(x: TensorLike) -> Tensor:
    """Reverses `x` along the first axis.

    >>> import autograd_mini as ag
    >>> ag.flipud([1.0, 2.0])
    Tensor([2., 1.])
    """
    return flip(x, axis=0)
