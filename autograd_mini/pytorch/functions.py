"""Functions under PyTorch's names. `input`, `dim` and the other arguments have PyTorch's order and meaning."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import as_float, as_operands, cast, common_dtype
from ..dtypes import default_dtype as get_default_dtype
from ..ops import elementwise as e
from ..ops.index import _index_along, getitem, index_put, take, take_along_axis
from ..ops.linalg import matmul
from ..ops.rearrange import repeat, tile
from ..ops.reduce import canonical_axis
from ..ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    ints,
    moveaxis,
    reshape,
    swapaxes,
    transpose,
)
from ..ops.transcendental import arccos, arcsin, arctan, arctan2
from ..state import no_grad
from ..tensor import Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int

__all__ = [
    "acos", "addcdiv", "addcmul", "asin", "atan", "atan2", "bmm", "cat", "chunk", "clamp", "concat", "div", "expand",
    "get_default_dtype", "index_select", "inference_mode", "is_floating_point", "is_tensor", "lerp", "masked_fill",
    "masked_select", "mm", "movedim", "mul", "mv", "narrow", "neg", "numel", "permute", "pow", "repeat_interleave", "rsqrt",
    "scatter", "sub", "swapdims", "t", "take_along_dim", "unbind", "unflatten", "unsqueeze", "view",
]  # fmt: skip

cat, concat = concatenate, concatenate
mm, bmm, mv = matmul, matmul, matmul
mul, neg, pow = e.multiply, e.negative, e.power
acos, asin, atan, atan2 = arccos, arcsin, arctan, arctan2
movedim, swapdims, view, take_along_dim = moveaxis, swapaxes, reshape, take_along_axis
inference_mode = no_grad


# -- arithmetic ----------------------------------------------------------------------------------------------------------------


def _scale(x: TensorLike, factor: TensorLike) -> TensorLike:
    return x if isinstance(factor, int) and factor == 1 else e.multiply(x, factor)


def add_scaled(input: TensorLike, other: TensorLike, *, alpha: TensorLike = 1) -> Tensor:
    """Returns input + alpha · other.

    >>> from autograd_mini import Tensor
    >>> Tensor([1.0]).add(Tensor([2.0]), alpha=10)
    Tensor([21.])
    """
    return e.add(input, _scale(other, alpha))


def sub(input: TensorLike, other: TensorLike, *, alpha: TensorLike = 1) -> Tensor:
    """Returns input − alpha · other.

    >>> import autograd_mini as ag
    >>> ag.sub([5.0], [2.0], alpha=2)
    Tensor([1.])
    """
    return e.subtract(input, _scale(other, alpha))


def div(input: TensorLike, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """Returns input / other; `rounding_mode` "floor" or "trunc" rounds the quotient.

    >>> import autograd_mini as ag
    >>> ag.div([-7.0], [2.0], rounding_mode="trunc")
    Tensor([-3.])
    """
    if rounding_mode is not None and not isinstance(rounding_mode, str):
        raise TypeError(f'div: rounding_mode must be None, "floor" or "trunc", got {rounding_mode!r}')
    if rounding_mode == "floor":
        return e.floor_divide(input, other)
    if rounding_mode not in (None, "trunc"):
        raise ValueError(f'div: rounding_mode must be None, "floor" or "trunc", got {rounding_mode!r}')
    quotient = e.divide(input, other)
    return quotient if rounding_mode is None else e.trunc(quotient)


def addcmul(input: TensorLike, a: TensorLike, b: TensorLike, *, value: TensorLike = 1) -> Tensor:
    """Returns input + value · a · b.

    >>> import autograd_mini as ag
    >>> ag.addcmul([1.0], [2.0], [3.0], value=10)
    Tensor([61.])
    """
    input, a, b = as_operands(input, a, b)
    return e.add(input, _scale(e.multiply(a, b), value))


def addcdiv(input: TensorLike, a: TensorLike, b: TensorLike, *, value: TensorLike = 1) -> Tensor:
    """Returns input + value · a / b.

    >>> import autograd_mini as ag
    >>> ag.addcdiv([1.0], [6.0], [3.0], value=10)
    Tensor([21.])
    """
    input, a, b = as_operands(input, a, b)
    return e.add(input, _scale(e.divide(a, b), value))


def lerp(input: TensorLike, end: TensorLike, weight: TensorLike) -> Tensor:
    """Returns input + weight · (end − input): linear interpolation.

    >>> import autograd_mini as ag
    >>> ag.lerp([0.0], [10.0], 0.25)
    Tensor([2.5])
    """
    input, end, weight = as_operands(input, end, weight)
    return e.add(input, e.multiply(weight, e.subtract(end, input)))


def rsqrt(input: TensorLike) -> Tensor:
    """Returns 1 / √input.

    >>> import autograd_mini as ag
    >>> ag.rsqrt([4.0])
    Tensor([0.5])
    """
    return e.reciprocal(e.sqrt(as_float(input)))


def clamp(input: TensorLike, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """Limits input to [min, max], as `ag.clip` does.

    >>> import autograd_mini as ag
    >>> ag.clamp([-2.0, 3.0], min=0)
    Tensor([0., 3.])
    """
    return e.clip(input, min, max)


# -- shapes --------------------------------------------------------------------------------------------------------------------


def permute(input: TensorLike, *dims: Any) -> Tensor:
    """Reorders the axes.

    >>> import autograd_mini as ag
    >>> ag.permute(ag.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return transpose(input, ints("permute", dims))


def unsqueeze(input: TensorLike, dim: int) -> Tensor:
    """Inserts an axis of length 1 at position `dim` of the result.

    >>> import autograd_mini as ag
    >>> ag.unsqueeze([1.0, 2.0], -1).shape
    (2, 1)
    """
    return expand_dims(input, one_int("unsqueeze", "dim", dim))


def unflatten(input: TensorLike, dim: int, sizes: Any) -> Tensor:
    """Splits the axis `dim` into axes of the lengths `sizes`, one of which may be −1.

    >>> import autograd_mini as ag
    >>> ag.unflatten(ag.zeros(5, 12), 1, (3, -1)).shape
    (5, 3, 4)
    """
    x = as_tensor(input)
    axis = canonical_axis("unflatten", dim, x._data.ndim)
    split = reshape(np.empty(x._data.shape[axis], bool), ints("unflatten", (sizes,))).shape  # checks the lengths
    return reshape(x, (*x._data.shape[:axis], *split, *x._data.shape[axis + 1 :]))


def t(input: TensorLike) -> Tensor:
    """Transposes a matrix; a vector remains as it is. Raises ValueError for more than two axes.

    >>> import autograd_mini as ag
    >>> ag.t(ag.zeros(2, 3)).shape
    (3, 2)
    """
    x = as_tensor(input)
    if x._data.ndim > 2:
        raise ValueError(f"t: expected a matrix or a vector, got shape {x._data.shape}; use ag.swapaxes or x.mT")
    return transpose(x)


def expand(input: TensorLike, *sizes: Any) -> Tensor:
    """Repeats axes of length 1, and new leading axes, to `sizes`; −1 leaves a length as it is.

    >>> import autograd_mini as ag
    >>> ag.expand(ag.zeros(3, 1), -1, 4).shape
    (3, 4)
    """
    x, lengths = as_tensor(input), ints("expand", sizes)
    own = (-1,) * (len(lengths) - x._data.ndim) + x._data.shape
    return broadcast_to(x, tuple(m if n == -1 else n for n, m in zip(lengths, own, strict=False)))


def tile_dims(input: TensorLike, *dims: Any) -> Tensor:
    """Repeats the whole tensor `dims` times along each axis, as PyTorch's method `repeat` does.

    >>> from autograd_mini import Tensor
    >>> Tensor([1.0, 2.0]).tile(2, 2).shape
    (2, 4)
    """
    return tile(input, ints("tile", dims))


def repeat_interleave(input: TensorLike, repeats: Any, dim: int | None = None) -> Tensor:
    """Repeats each element, or each slice along `dim`.

    >>> import autograd_mini as ag
    >>> ag.repeat_interleave([1.0, 2.0], 2)
    Tensor([1., 1., 2., 2.])
    """
    return repeat(input, repeats.tolist() if isinstance(repeats, Tensor) else repeats, dim)


def numel(input: TensorLike) -> int:
    """Returns the number of elements.

    >>> import autograd_mini as ag
    >>> ag.numel(ag.zeros(2, 3))
    6
    """
    return int(as_tensor(input)._data.size)


def is_tensor(value: object) -> bool:
    """Returns whether `value` is a Tensor.

    >>> import autograd_mini as ag
    >>> ag.is_tensor([1.0])
    False
    """
    return isinstance(value, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Returns whether the dtype is a float.

    >>> import autograd_mini as ag
    >>> ag.is_floating_point(ag.zeros(2))
    True
    """
    return as_tensor(input)._data.dtype.kind == "f"


# -- parts ---------------------------------------------------------------------------------------------------------------------


def chunk(input: TensorLike, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Splits a tensor along `dim` into at most `chunks` parts of equal length; the last one may be shorter.

    >>> import autograd_mini as ag
    >>> [part.tolist() for part in ag.chunk(ag.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    x, count = as_tensor(input), one_int("chunk", "chunks", chunks)
    if count < 1:
        raise ValueError(f"chunk: chunks must be at least 1, got {chunks}")
    axis = canonical_axis("chunk", dim, x._data.ndim)
    n = x._data.shape[axis]
    length = max(-(-n // count), 1)
    return tuple(narrow(x, axis, start, min(length, n - start)) for start in range(0, max(n, 1), length))


def narrow(input: TensorLike, dim: int, start: int, length: int) -> Tensor:
    """Returns `length` slices along `dim`, from `start` on.

    >>> import autograd_mini as ag
    >>> ag.narrow(ag.arange(5), 0, 1, 3)
    Tensor([1, 2, 3])
    """
    x = as_tensor(input)
    axis = canonical_axis("narrow", dim, x._data.ndim)
    start, length = one_int("narrow", "start", start), one_int("narrow", "length", length)
    if not 0 <= start <= start + length <= x._data.shape[axis]:
        raise IndexError(f"narrow: {start=} and {length=} do not fit axis {dim} of shape {x._data.shape}")
    return getitem(x, (slice(None),) * axis + (slice(start, start + length),))


def unbind(input: TensorLike, dim: int = 0) -> tuple[Tensor, ...]:
    """Returns the slices along `dim`, without that axis.

    >>> import autograd_mini as ag
    >>> ag.unbind([[1.0, 2.0], [3.0, 4.0]])
    (Tensor([1., 2.]), Tensor([3., 4.]))
    """
    x = as_tensor(input)
    axis = canonical_axis("unbind", dim, x._data.ndim)
    return tuple(getitem(x, (slice(None),) * axis + (i,)) for i in range(x._data.shape[axis]))


def index_select(input: TensorLike, dim: int, index: TensorLike) -> Tensor:
    """Returns the slices along `dim` at the integers in `index`.

    >>> import autograd_mini as ag
    >>> ag.index_select([[1.0, 2.0], [3.0, 4.0]], 1, [1])
    Tensor([[2.],
            [4.]], shape=(2, 1))
    """
    return take(input, index, dim)


def masked_select(input: TensorLike, mask: TensorLike) -> Tensor:
    """Returns the elements where `mask` is true, as a vector.

    >>> import autograd_mini as ag
    >>> ag.masked_select([1.0, 2.0, 3.0], [True, False, True])
    Tensor([1., 3.])
    """
    x, chosen = as_tensor(input), _mask("masked_select", mask)
    try:
        shape = np.broadcast_shapes(x._data.shape, chosen._data.shape)
    except ValueError:
        shapes = f"{x._data.shape} and {chosen._data.shape}"
        raise ValueError(f"masked_select: input and mask do not broadcast together: shapes {shapes}") from None
    return getitem(broadcast_to(x, shape), broadcast_to(chosen, shape))


def masked_fill(input: TensorLike, mask: TensorLike, value: TensorLike) -> Tensor:
    """Returns `value` where `mask` is true, else input.

    >>> import autograd_mini as ag
    >>> ag.masked_fill([1.0, 2.0], [True, False], float("-inf"))
    Tensor([-inf,   2.])
    """
    return e.where(_mask("masked_fill", mask), value, input)


def _mask(name: str, mask: TensorLike) -> Tensor:
    chosen = as_tensor(mask)
    if chosen._data.dtype.kind != "b":
        raise TypeError(f"{name}: mask must hold bools, got {chosen._data.dtype}; write mask != 0")
    return chosen


def where_method(self: Tensor, condition: TensorLike, other: TensorLike) -> Tensor:
    """Returns the elements of this tensor where `condition` is true, else those of `other`.

    >>> from autograd_mini import Tensor
    >>> Tensor([1.0, -2.0]).where([True, False], 0.0)
    Tensor([1., 0.])
    """
    return e.where(condition, self, other)


def scatter(input: TensorLike, dim: int, index: TensorLike, src: TensorLike) -> Tensor:
    """Returns a copy of input with `src`, a number or a tensor of the shape of `index`, at `index` along `dim`.

    Parameters
    ----------
    input : the tensor to copy
    dim : the axis along which `index` selects
    index : integers, with as many axes as `input`
    src : what to write

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.scatter(ag.zeros(2, 3), 1, [[0], [2]], 1.0)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]], shape=(2, 3))
    """
    x, indices = cast(input, common_dtype(input, src)), as_tensor(index)
    return index_put(x, _index_along("scatter", x, dim, indices, indices._data.shape), src)
