"""Convolution and its two gradients. All three are linear in both operands, and the gradient rules of each are the other two.

With x an image, w a weight and y a feature map: `conv2d` x, w → y; `conv_transpose2d` y, w → x; `conv2d_weight` x, y → w.
Shapes are (N, C, H, W), but results are stored as (N, H, W, C): a window's row of pixels is then contiguous, windows become the
rows of a matrix in long copies, and a convolution is one matrix product per block of images that fits into the cache.
Parameters of the primitives: `stride` and `dilation` (h, w), `padding` ((top, bottom), (left, right)), `groups`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from operator import index
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...apply import apply, as_float, as_operands
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import one_int
from ..shape import reshape
from .channels import as_row, channels_last, in_float32

__all__ = [
    "conv1d", "conv2d", "conv_transpose2d",
]  # fmt: skip

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[Pair, Pair]

_BLOCK_ELEMENTS: Final = 1 << 19
"""Elements of the window matrix that are computed at a time: 2 MB in float32, about the cache of one core."""
_FEW_CHANNELS: Final = 3
"""With at most this number of channels, copies of rows of output pixels are longer than copies of rows of window pixels."""

# -- kernels -------------------------------------------------------------------------------------------------------------------


def windows_out(length: int, kernel: int, stride: int, padding: Pair, dilation: int) -> int:
    """Returns the number of windows that fit along an axis; none fits if it is below 1."""
    return (length + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def _windows(images: Array, out: Pair, kernel: Pair, stride: Pair, dilation: Pair, groups: int) -> Array:
    """Returns all windows of contiguous (N, H, W, C) images as a view (groups, N, h, w, kh, kw, C / groups)."""
    n, _, width, channels = images.shape
    pixel = channels * images.itemsize
    row = width * pixel
    depth = channels // groups
    return as_strided(
        images,
        (groups, n, *out, *kernel, depth),
        (depth * images.itemsize, images.shape[1] * row, stride[0] * row, stride[1] * pixel, dilation[0] * row,
         dilation[1] * pixel, images.itemsize),
    )  # fmt: skip


def _allocate_windows(shape: tuple[int, ...], dtype: Any) -> Array:
    """Allocates an array with the axes of `_windows`, in the memory order that allows long copies."""
    if shape[-1] > _FEW_CHANNELS:
        return np.empty(shape, dtype)
    return np.empty((shape[0], *shape[4:], *shape[1:4]), dtype).transpose(0, 4, 5, 6, 1, 2, 3)


def _blocks(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, groups: int, least: int
) -> Iterator[tuple[slice, Array]]:
    """Yields the windows of each block of images as a matrix (groups, windows, kh · kw · C / groups), overwritten by the next.

    Blocks have at least `least` elements, the size of the weight; otherwise reading the weight would dominate.
    """
    n, channels, *lengths = x.shape
    depth = channels // groups
    (top, _), (left, _) = padding
    if kernel == stride == (1, 1) and padding == ((0, 0), (0, 0)):  # each pixel is a window
        yield slice(0, n), _group_view(channels_last(x), slice(0, n), groups)
        return
    out = tuple(map(windows_out, lengths, kernel, stride, padding, dilation))
    size = math.prod(out) * math.prod(kernel) * channels
    step = min(n, max(1, max(_BLOCK_ELEMENTS, least) // max(1, size)))
    padded = padding != ((0, 0), (0, 0))
    if padded:
        images = np.zeros((step, *(m + sum(p) for m, p in zip(lengths, padding, strict=True)), channels), x.dtype)
        inside = images[:, top : top + lengths[0], left : left + lengths[1]]
        source = x.transpose(0, 2, 3, 1)
    else:
        images = channels_last(x)
    windows = _windows(images, out, kernel, stride, dilation, groups)  # type: ignore[arg-type]
    rows = _allocate_windows((groups, step, *windows.shape[2:]), x.dtype)
    for i in range(0, max(n, 1), max(step, 1)):
        count = min(step, n - i)
        if padded:
            inside[:count] = source[i : i + count]
        block = rows[:, :count]
        np.copyto(block, windows[:, :count] if padded else windows[:, i : i + count])
        yield slice(i, i + count), block.reshape(groups, count * math.prod(out), math.prod(kernel) * depth)


def _matrices(weight: Array, groups: int) -> Array:
    """Returns the weight (out, in / groups, kh, kw) as matrices (groups, out / groups, kh · kw · in / groups)."""
    out, *rest = weight.shape
    return channels_last(weight).reshape(groups, out // groups, math.prod(rest))


def _group_view(maps: Array, at: slice, groups: int) -> Array:
    """Returns a block of contiguous (N, h, w, C) maps as a view (groups, pixels, C / groups)."""
    block = maps[at]
    return block.reshape(math.prod(block.shape[:-1]), groups, block.shape[-1] // groups).transpose(1, 0, 2)


def _estimate_ns(windows: int, inner: int, outer: int) -> float:
    """Estimates the nanoseconds of one core to gather windows of `inner` numbers and multiply each by `outer` filters."""
    return windows * inner * (0.2 + outer / 50)


def _add_bias(maps: Array, bias: Array) -> None:
    """Adds a bias for each channel to contiguous (N, h, w, C) maps."""
    rows = maps.reshape(maps.shape[0] * maps.shape[1], maps.shape[2] * maps.shape[3])
    rows += as_row(bias, rows)


def _output_maps(n: int, size: Iterable[int], channels: int, dtype: Any, out: Array | None) -> Array:
    """Returns memory for (N, C, h, w) maps as an array (N, h, w, C): a view of `out`, or a new array."""
    return np.empty((n, *size, channels), dtype) if out is None else out.transpose(0, 2, 3, 1)


@in_float32
def _conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None = None,
) -> Array:
    kernel = weight.shape[2:]
    size = map(windows_out, x.shape[2:], kernel, stride, padding, dilation)
    y = _output_maps(len(x), size, len(weight), x.dtype, out)
    columns = _matrices(weight, groups).transpose(0, 2, 1)

    def convolve(part: slice) -> None:
        maps = y[part]
        for at, rows in _blocks(x[part], kernel, stride, padding, dilation, groups, weight.size):
            np.matmul(rows, columns, out=_group_view(maps, at, groups))
            if bias is not None:
                _add_bias(maps[at], bias)

    split_work(convolve, len(x), _estimate_ns(y.size // max(1, len(weight)), math.prod(weight.shape[1:]), len(weight)))
    return y.transpose(0, 3, 1, 2)


@in_float32
def _conv2d_weight(
    x: Array,
    g: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None = None,
) -> Array:
    filters, depth = g.shape[1], x.shape[1] // groups
    inner = math.prod(kernel_size) * depth
    weight = _output_maps(filters, kernel_size, depth, x.dtype, out)
    matrices = weight.reshape(groups, filters // groups, inner)

    def correlate(part: slice) -> Array:
        maps = channels_last(g[part])
        total = np.empty_like(matrices) if part.start else matrices
        for at, rows in _blocks(x[part], kernel_size, stride, padding, dilation, groups, weight.size):
            block = _group_view(maps, at, groups)
            # BLAS is slow if both factors are transposed, which is the case for windows of few channels.
            if depth > _FEW_CHANNELS:
                term = np.matmul(block.transpose(0, 2, 1), rows, out=None if at.start else total)
            else:
                # For such small results, matmul would hold Python's lock and block the other thread.
                term = np.stack([a.T.dot(b).T for a, b in zip(rows, block, strict=True)])
            if at.start:
                total += term
            elif term is not total:
                total[...] = term
        return total

    # Splitting costs a second sum of the size of the weight.
    _, *others = split_work(correlate, len(x), _estimate_ns(g.size // max(1, filters), inner, filters) - weight.size)
    for other in others:
        matrices += other
    return weight.transpose(0, 3, 1, 2)


@in_float32
def _conv_transpose2d(
    y: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None = None,
) -> Any:
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    pads = tuple((r - before, r - after) for r, (before, after) in zip(reach, padding, strict=True))
    # If there are over 25 % more windows than pixels in y, adding the overlaps is faster (measured).
    if stride == (1, 1) and min(map(min, pads)) >= 0 and 4 * math.prod(size) <= 5 * math.prod(y.shape[2:]):
        return _conv2d(
            y, _flip_weight(weight, groups), bias, stride=stride, padding=pads, dilation=dilation, groups=groups, out=out
        )
    x = _output_maps(len(y), size, groups * weight.shape[1], y.dtype, out)
    _overlap_add(y, weight, bias, x, stride, padding, dilation, groups)
    return x.transpose(0, 3, 1, 2)


def _flip_weight(weight: Array, groups: int) -> Array:
    """Returns the weight of the backward convolution: input and output channels swapped, the kernel rotated by 180°."""
    out, depth, *kernel = weight.shape
    parts = weight[:, :, ::-1, ::-1].reshape(groups, out // groups, depth, *kernel)
    return parts.swapaxes(1, 2).reshape(groups * depth, out // groups, *kernel)


def _overlap_add(
    y: Array, weight: Array, bias: Array | None, x: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> None:
    """Adds the window of each pixel of y (pixel times weight) to x (N, H, W, C); overlapping windows are summed.

    Kernel offsets within one stride do not overlap and are added together: a 4 × 4 kernel with stride 2 takes four additions.
    """
    n, _, *out = y.shape
    depth, *kernel = weight.shape[1:]
    matrices, maps = _matrices(weight, groups), channels_last(y)
    runs = [s if d == 1 and k % s == 0 else 1 for k, s, d in zip(kernel, stride, dilation, strict=True)]
    offsets = [range(0, k, run) for k, run in zip(kernel, runs, strict=True)]
    (top, _), (left, _) = padding
    frame = [m + sum(p) for m, p in zip(x.shape[1:3], padding, strict=True)]
    step = max(1, max(_BLOCK_ELEMENTS, weight.size) // max(1, math.prod(out) * math.prod(kernel) * groups * depth))

    def add_up(part: slice) -> None:
        for i in range(part.start, part.stop, step):
            at = slice(i, min(i + step, part.stop))
            count = at.stop - i
            products = np.empty((count, *out, groups, *kernel, depth), y.dtype)
            flat = products.reshape(count * math.prod(out), groups, math.prod(kernel) * depth)
            np.matmul(_group_view(maps, at, groups), matrices, out=flat.transpose(1, 0, 2))
            canvas = np.zeros((count, *frame, groups * depth), y.dtype)
            for p, q in product(*offsets):
                corner = canvas[:, p * dilation[0] :, q * dilation[1] :]
                image, row, pixel, item = corner.strides
                target = as_strided(
                    corner,
                    (count, *out, groups, *runs, depth),
                    (image, stride[0] * row, stride[1] * pixel, depth * item, row, pixel, item),
                )  # fmt: skip
                target += products[:, :, :, :, p : p + runs[0], q : q + runs[1]]
            x[at] = canvas[:, top : top + x.shape[1], left : left + x.shape[2]]
            if bias is not None:
                _add_bias(x[at], bias)

    split_work(add_up, n, _estimate_ns(n * math.prod(out), math.prod(weight.shape[1:]), len(weight)))


# -- primitives ----------------------------------------------------------------------------------------------------------------


def _bias_rule(xp: Any, g: Any, y: Any, x: Any, weight: Any, bias: Any, **_: Any) -> Any:
    return xp.channel_sum(g)


def _count_flops(maps: Array, weight: Array) -> int:
    """Returns the FLOPs of a convolution or its gradients: each element of `maps` meets each weight of its channel."""
    return 2 * maps.size * weight.size // max(len(weight), 1)


_CONV = Primitive(
    "conv2d", _conv2d, formula="w ⋆ x + b", derivative=("wᵀ ⋆ δ", "x ⋆ δ", "Σ δ"),
    vjp=(
        lambda xp, g, y, x, w, b=None, **params: xp.conv_transpose2d(g, w, size=x.shape[2:], **params),
        lambda xp, g, y, x, w, b=None, **params: xp.conv2d_weight(x, g, kernel_size=w.shape[2:], **params),
        _bias_rule,
    ),
    role="affine",
    flops=lambda inputs, outputs, params: _count_flops(outputs[0], inputs[1]) + outputs[0].size * len(inputs[2:]),
)  # fmt: skip
_CONV_TRANSPOSE = Primitive(
    "conv_transpose2d", _conv_transpose2d, formula="wᵀ ⋆ x + b", derivative=("w ⋆ δ", "δ ⋆ x", "Σ δ"),
    vjp=(
        lambda xp, g, z, y, w, b=None, size=None, **params: xp.conv2d(g, w, **params),
        lambda xp, g, z, y, w, b=None, size=None, **params: xp.conv2d_weight(g, y, kernel_size=w.shape[2:], **params),
        _bias_rule,
    ),
    role="affine",
    flops=lambda inputs, outputs, params: _count_flops(inputs[0], inputs[1]) + outputs[0].size * len(inputs[2:]),
)  # fmt: skip
Primitive(
    "conv2d_weight", _conv2d_weight, formula="x ⋆ δ", derivative=("δᵀ ⋆ g", "g ⋆ x"),
    vjp=(
        lambda xp, g, w, x, y, kernel_size, **params: xp.conv_transpose2d(y, g, size=x.shape[2:], **params),
        lambda xp, g, w, x, y, kernel_size, **params: xp.conv2d(x, g, **params),
    ),
    flops=lambda inputs, outputs, params: _count_flops(inputs[1], outputs[0]),
)  # fmt: skip


# -- public functions ---------------------------------------------------------------------------------------------------


def int_pair(name: str, argument: str, value: Any, least: int) -> Pair:
    """Converts an int or a pair (h, w) to a pair; errors name the function and the argument.

    Raises ValueError for other values, and for ints below `least`.
    """
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        height, width = map(index, pair)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {argument} must be an int or a pair of ints, got {value!r}") from None
    if min(height, width) < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    if max(height, width) >> 31:
        raise ValueError(f"{name}: {argument} must be below 2³¹, got {value!r}")
    return height, width


def _padding(name: str, padding: Any, kernel: Any, stride: Pair, dilation: Pair) -> Padding:
    """Converts `padding` to ((top, bottom), (left, right)); as in PyTorch, "same" puts the larger part of an odd total last."""
    named = padding if isinstance(padding, str) else ""
    if named == "valid":
        return (0, 0), (0, 0)
    if named == "same":
        if stride != (1, 1):
            raise ValueError(f'{name}: padding "same" needs stride 1, got {stride}')
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)
    if isinstance(padding, str):
        raise ValueError(f'{name}: padding must be ints, "same" or "valid", got {padding!r}')
    h, w = int_pair(name, "padding", padding, 0)
    return (h, h), (w, w)


def _operands(name: str, x: TensorLike, weight: TensorLike, bias: TensorLike | None, ndim: int) -> tuple[Tensor, ...]:
    operands = as_operands(x, weight) if bias is None else as_operands(x, weight, bias)
    image, kernel = (t._data.shape for t in operands[:2])
    if len(image) != ndim or len(kernel) != ndim:
        raise ValueError(f"{name}: expected an input and a weight with {ndim} axes each, got {image} and {kernel}")
    return tuple(map(as_float, operands))


def _check_channels(name: str, operands: tuple[Tensor, ...], groups: int, needed: int, out: int) -> None:
    """Raises ValueError unless x has `needed` channels and the bias `out` elements, and groups divide the filters."""
    x, weight = (t._data.shape for t in operands[:2])
    if groups < 1 or weight[0] % groups:
        raise ValueError(f"{name}: cannot split {weight[0]} filters into groups={groups} (weight {weight})")
    if x[1] != needed:
        raise ValueError(f"{name}: weight {weight} with {groups} groups needs {needed} input channels, got input {x}")
    if len(operands) > 2 and operands[2]._data.shape != (out,):
        raise ValueError(f"{name}: weight {weight} needs a bias of shape ({out},), got {operands[2]._data.shape}")


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """2-D cross-correlation: (N, C, H, W) with weight (O, C / groups, kh, kw) and bias (O,) gives (N, O, H′, W′).

    y[o, i, j] = bias[o] + Σ w[o, c, a, b] · x[c, i·stride + a·dilation − padding, j·stride + b·dilation − padding], with
    H′ = ⌊(H + 2 padding − dilation (kh − 1) − 1) / stride⌋ + 1. Raises ValueError if channels, groups or sizes do not fit.
    Gradients: for x the transposed convolution of δ with w, for w the correlation of x with δ, for the bias Σ δ.

    Parameters
    ----------
    x, weight, bias : images, filters, and a number per filter
    stride : step between windows, an int or (h, w)
    padding : zeros around the image, an int or (h, w); "valid" (none) or "same" (H′ = H, for stride 1)
    dilation : step between the pixels of a window, an int or (h, w)
    groups : number of groups of channels that are convolved separately

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x = ag.Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    >>> ag.conv2d(x, [[[[1.0, -1.0]]]])
    Tensor([[[[-1., -1.],
              [-1., -1.]]]], shape=(1, 1, 2, 2))
    """
    groups = one_int("conv2d", "groups", groups)
    operands = _operands("conv2d", x, weight, bias, 4)
    return _convolve("conv2d", operands, stride, padding, dilation, groups)


def _convolve(name: str, operands: tuple[Tensor, ...], stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    image, shape = (t._data.shape for t in operands[:2])
    _check_channels(name, operands, groups, shape[1] * groups, shape[0])
    steps, dilations = int_pair(name, "stride", stride, 1), int_pair(name, "dilation", dilation, 1)
    pads = _padding(name, padding, shape[2:], steps, dilations)
    out = tuple(map(windows_out, image[2:], shape[2:], steps, pads, dilations))
    if min(out) < 1 or min(shape[2:]) < 1:
        raise ValueError(
            f"{name}: kernel {shape[2:]} with dilation {dilations} does not fit into input {image} with padding {pads}"
        )
    return apply(_CONV, operands, {"stride": steps, "padding": pads, "dilation": dilations, "groups": groups})


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    *,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """1-D cross-correlation: (N, C, L) with weight (O, C / groups, k) and bias (O,) gives (N, O, L′).

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : as in `conv2d`, with one length for the two

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv1d([[[1.0, 2.0, 4.0]]], [[[-1.0, 1.0]]])
    Tensor([[[1., 2.]]], shape=(1, 1, 2))
    """
    groups = one_int("conv1d", "groups", groups)
    series, filters, *rest = _operands("conv1d", x, weight, bias, 3)
    (n, c, length), (o, depth, k) = series._data.shape, filters._data.shape
    image, kernel = reshape(series, n, c, 1, length), reshape(filters, o, depth, 1, k)
    pads = padding if isinstance(padding, str) else (0, padding)
    y = _convolve("conv1d", (image, kernel, *rest), (1, stride), pads, (1, dilation), groups)
    return reshape(y, n, o, y._data.shape[3])


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution, the input gradient of `conv2d`: (N, C, H, W), weight (C, O / groups, kh, kw) → (N, O, H′, W′).

    H′ = (H − 1) stride − 2 padding + dilation (kh − 1) + 1 + output_padding.
    Raises ValueError if channels, groups or sizes do not fit.

    Parameters
    ----------
    x, weight, bias, stride, dilation, groups : as in `conv2d`
    padding : the padding of that `conv2d`, an int or (h, w); it is cut off here
    output_padding : below `stride`; selects one of the sizes that `conv2d` maps to H

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv_transpose2d([[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]], stride=(1, 2))
    Tensor([[[[ 1., 10.,  2., 20.]]]], shape=(1, 1, 1, 4))
    """
    groups = one_int("conv_transpose2d", "groups", groups)
    name = "conv_transpose2d"
    operands = _operands(name, x, weight, bias, 4)
    maps, shape = (t._data.shape for t in operands[:2])
    _check_channels(name, operands, groups, shape[0], shape[1] * groups)
    steps, dilations = int_pair(name, "stride", stride, 1), int_pair(name, "dilation", dilation, 1)
    extra = int_pair(name, "output_padding", output_padding, 0)
    if extra[0] >= steps[0] or extra[1] >= steps[1]:
        raise ValueError(f"{name}: output_padding {extra} must be smaller than stride {steps}")
    pads = _padding(name, padding, shape[2:], steps, dilations)
    size = tuple(
        (n - 1) * s - sum(p) + d * (k - 1) + 1 + e
        for n, s, p, d, k, e in zip(maps[2:], steps, pads, dilations, shape[2:], extra, strict=True)
    )
    if min(size) < 1 or min(maps[2:]) < 1 or min(shape[2:]) < 1:
        raise ValueError(f"{name}: input {maps} with weight {shape} and padding {pads} gives an image of size {size}")
    return apply(
        _CONV_TRANSPOSE, operands, {"size": size, "stride": steps, "padding": pads, "dilation": dilations, "groups": groups}
    )  # fmt: skip
