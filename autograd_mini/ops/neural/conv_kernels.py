"""Convolution over any number of axes, and its two gradients. All three are linear in both operands, and the gradient rules of
each are the other two.

With x an image, w a weight and y a feature map: `conv2d` x, w → y; `conv_transpose2d` y, w → x; `conv2d_weight` x, y → w; the
same for 1 and 3 axes. Shapes are (N, C, H, W), but results are stored as (N, H, W, C): a window's row of pixels is then
contiguous, windows become the rows of a matrix in long copies, and a convolution is one matrix product per block of images that
fits into the cache. Parameters of the primitives, with an entry for each axis: `stride`, `dilation`, `padding` (before, after);
and `groups`. A negative padding after the end leaves out the last pixels of x.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from operator import mul
from typing import Any, Final

import numpy as np

from ...batching import rules
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array
from .channels import as_row, channels_first, channels_last, channels_last_view, in_float32
from .windows import Lengths, Padding, windows_out

_BLOCK_ELEMENTS: Final = 1 << 19
"""Elements of the window matrix that are computed at a time: 2 MB in float32, about the cache of one core."""
_FEW_CHANNELS: Final = 3
"""With at most this number of channels, copies of rows of output pixels are longer than copies of rows of window pixels."""

# -- kernels -------------------------------------------------------------------------------------------------------------------


def _windows(images: Array, out: Lengths, kernel: Lengths, stride: Lengths, dilation: Lengths, groups: int) -> Array:
    """Returns all windows of contiguous (N, H, W, C) images as a view (groups, N, h, w, kh, kw, C / groups)."""
    image, *steps, item = images.strides
    depth = images.shape[-1] // groups
    strides = depth * item, image, *map(mul, stride, steps), *map(mul, dilation, steps), item
    return np.ndarray((groups, len(images), *out, *kernel, depth), images.dtype, images, 0, strides)


def _allocate_windows(shape: tuple[int, ...], dtype: Any) -> Array:
    """Allocates an array with the axes of `_windows`, in the memory order that allows long copies."""
    if shape[-1] > _FEW_CHANNELS:
        return np.empty(shape, dtype)
    half = len(shape) // 2 + 1  # N, h, w come before it; kh, kw, C / groups after it
    windows, pixels = range(1, half), range(half, len(shape))
    return np.empty((shape[0], *shape[half:], *shape[1:half]), dtype).transpose(
        0, *(len(pixels) + i for i in windows), *(i - len(windows) for i in pixels)
    )


def _crop(x: Array, padding: Padding) -> tuple[Array, Padding]:
    """Leaves out the pixels that a negative padding removes; returns the rest and its padding."""
    kept = [n + min(after, 0) for n, (_, after) in zip(x.shape[2:], padding, strict=True)]  # below 0: of the padding before too
    rest = tuple((before + min(n, 0), max(after, 0)) for n, (before, after) in zip(kept, padding, strict=True))
    return x[(slice(None), slice(None), *(slice(0, max(n, 0)) for n in kept))], rest


def _inside(lengths: Iterable[int], padding: Padding) -> tuple[slice, ...]:
    """Returns the index of the images in padded (N, …, C) images."""
    return slice(None), *(slice(before, before + n) for n, (before, _) in zip(lengths, padding, strict=True))


def _blocks(
    x: Array, kernel: Lengths, stride: Lengths, padding: Padding, dilation: Lengths, groups: int, least: int
) -> Iterator[tuple[slice, Array]]:
    """Yields the windows of each block of images as a matrix (groups, windows, kh · kw · C / groups), overwritten by the next.

    Blocks have at least `least` elements, the size of the weight; otherwise reading the weight would dominate.
    """
    if min(map(min, padding)) < 0:
        x, padding = _crop(x, padding)
    padded = any(map(any, padding))
    n, channels, *lengths = x.shape
    depth = channels // groups
    if not padded and max(kernel) == max(stride) == 1:  # each pixel is a window
        yield slice(0, n), _group_view(channels_last(x), slice(0, n), groups)
        return
    out = tuple(map(windows_out, lengths, kernel, stride, padding, dilation))
    size = math.prod(out) * math.prod(kernel) * channels
    step = min(n, max(1, max(_BLOCK_ELEMENTS, least) // max(1, size)))
    if padded:
        images = np.zeros((step, *(m + sum(p) for m, p in zip(lengths, padding, strict=True)), channels), x.dtype)
        inside = images[_inside(lengths, padding)]
        source = channels_last_view(x)
    else:
        images = channels_last(x)
    windows = _windows(images, out, kernel, stride, dilation, groups)
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
    *pixels, width, channels = maps.shape
    rows = maps.reshape(math.prod(pixels), width * channels)
    rows += as_row(bias, rows)


def _output_maps(n: int, size: Iterable[int], channels: int, dtype: Any, out: Array | None) -> Array:
    """Returns memory for (N, C, h, w) maps as an array (N, h, w, C): a view of `out`, or a new array."""
    return np.empty((n, *size, channels), dtype) if out is None else channels_last_view(out)


@in_float32
def _conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
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
    return channels_first(y)


@in_float32
def _conv_weight(
    x: Array,
    g: Array,
    *,
    kernel_size: Lengths,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
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
    return channels_first(weight)


@in_float32
def _conv_transpose(
    y: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    size: Lengths,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
    groups: int,
    out: Array | None = None,
) -> Any:
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    pads = tuple((r - before, r - after) for r, (before, after) in zip(reach, padding, strict=True))
    # If there are over 25 % more windows than pixels in y, adding the overlaps is faster (measured).
    if max(stride) == 1 and min(map(min, pads)) >= 0 and 4 * math.prod(size) <= 5 * math.prod(y.shape[2:]):
        return _conv(
            y, _flip_weight(weight, groups), bias, stride=stride, padding=pads, dilation=dilation, groups=groups, out=out
        )
    x = _output_maps(len(y), size, groups * weight.shape[1], y.dtype, out)
    _overlap_add(y, weight, bias, x, stride, padding, dilation, groups)
    return channels_first(x)


def _flip_weight(weight: Array, groups: int) -> Array:
    """Returns the weight of the backward convolution: input and output channels swapped, the kernel rotated by 180°."""
    out, depth, *kernel = weight.shape
    rotated: tuple[Any, ...] = (..., *(slice(None, None, -1),) * len(kernel))
    parts = weight[rotated].reshape(groups, out // groups, depth, *kernel)
    return parts.swapaxes(1, 2).reshape(groups * depth, out // groups, *kernel)


def _overlap_add(
    y: Array, weight: Array, bias: Array | None, x: Array, stride: Lengths, padding: Padding, dilation: Lengths, groups: int
) -> None:
    """Adds the window of each pixel of y (pixel times weight) to x (N, H, W, C); overlapping windows are summed.

    Kernel offsets within one stride do not overlap and are added together: a 4 × 4 kernel with stride 2 takes four additions.
    """
    n, _, *out = y.shape
    depth, *kernel = weight.shape[1:]
    matrices, maps = _matrices(weight, groups), channels_last(y)
    runs = [s if d == 1 and k % s == 0 else 1 for k, s, d in zip(kernel, stride, dilation, strict=True)]
    offsets = [range(0, k, run) for k, run in zip(kernel, runs, strict=True)]
    frame = [m + before + max(after, 0) for m, (before, after) in zip(x.shape[1:-1], padding, strict=True)]
    inside = _inside(x.shape[1:-1], padding)
    step = max(1, max(_BLOCK_ELEMENTS, weight.size) // max(1, math.prod(out) * math.prod(kernel) * groups * depth))

    def add_up(part: slice) -> None:
        for i in range(part.start, part.stop, step):
            at = slice(i, min(i + step, part.stop))
            count = at.stop - i
            products = np.empty((count, *out, groups, *kernel, depth), y.dtype)
            flat = products.reshape(count * math.prod(out), groups, math.prod(kernel) * depth)
            np.matmul(_group_view(maps, at, groups), matrices, out=flat.transpose(1, 0, 2))
            canvas = np.zeros((count, *frame, groups * depth), y.dtype)
            image, *steps, item = canvas.strides
            shape = (count, *out, groups, *runs, depth)
            strides = (image, *map(mul, stride, steps), depth * item, *steps, item)
            corners, sources = [*map(mul, dilation, steps)], products.strides[-1 - len(kernel) : -1]
            for offset in product(*offsets):  # windows share memory only with those of other offsets
                target = np.ndarray(shape, y.dtype, canvas, sum(map(mul, offset, corners)), strides)
                target += np.ndarray(shape, y.dtype, products, sum(map(mul, offset, sources)), products.strides)
            x[at] = canvas[inside]
            if bias is not None:
                _add_bias(x[at], bias)

    split_work(add_up, n, _estimate_ns(n * math.prod(out), math.prod(weight.shape[1:]), len(weight)))


# -- primitives ----------------------------------------------------------------------------------------------------------------


def _bias_rule(xp: Any, g: Any, y: Any, x: Any, weight: Any, bias: Any, **_: Any) -> Any:
    return xp.channel_sum(g)


def _count_flops(maps: Array, weight: Array) -> int:
    """Returns the FLOPs of a convolution or its gradients: each element of `maps` meets each weight of its channel."""
    return 2 * maps.size * weight.size // max(len(weight), 1)


def _family(axes: int) -> tuple[Primitive, Primitive]:
    """Registers the convolution over `axes` axes and its two gradients; returns it and the transposed convolution."""
    conv, conv_transpose, conv_weight = f"conv{axes}d", f"conv_transpose{axes}d", f"conv{axes}d_weight"
    convolution = Primitive(
        conv, _conv, formula="w ⋆ x + b", letters="xwb", derivative=("wᵀ ⋆ δ", "x ⋆ δ", "Σ δ"),
        vjp=(
            lambda xp, g, y, x, w, b=None, **params: getattr(xp, conv_transpose)(g, w, size=x.shape[2:], **params),
            lambda xp, g, y, x, w, b=None, **params: getattr(xp, conv_weight)(x, g, kernel_size=w.shape[2:], **params),
            _bias_rule,
        ),
        role="affine", batch=rules.rows(1, 2),
        flops=lambda inputs, outputs, params: _count_flops(outputs[0], inputs[1]) + outputs[0].size * len(inputs[2:]),
    )  # fmt: skip
    transposed = Primitive(
        conv_transpose, _conv_transpose, formula="wᵀ ⋆ x + b", letters="xwb", derivative=("w ⋆ δ", "δ ⋆ x", "Σ δ"),
        vjp=(
            lambda xp, g, z, y, w, b=None, size=None, **params: getattr(xp, conv)(g, w, **params),
            lambda xp, g, z, y, w, b=None, size=None, **params: getattr(xp, conv_weight)(
                g, y, kernel_size=w.shape[2:], **params
            ),
            _bias_rule,
        ),
        role="affine", batch=rules.rows(1, 2),
        flops=lambda inputs, outputs, params: _count_flops(inputs[0], inputs[1]) + outputs[0].size * len(inputs[2:]),
    )  # fmt: skip
    Primitive(
        conv_weight, _conv_weight, formula="x ⋆ δ", derivative=("δᵀ ⋆ g", "g ⋆ x"),
        vjp=(
            lambda xp, g, w, x, y, kernel_size, **params: getattr(xp, conv_transpose)(y, g, size=x.shape[2:], **params),
            lambda xp, g, w, x, y, kernel_size, **params: getattr(xp, conv)(x, g, **params),
        ),
        flops=lambda inputs, outputs, params: _count_flops(inputs[1], outputs[0]),
    )  # fmt: skip
    return convolution, transposed


FAMILIES: Final = {axes: _family(axes) for axes in (1, 2, 3)}
"""The convolution and the transposed convolution, by the number of axes."""
