"""Kernels of max pooling over any number of axes: maxima with their positions, and gradients that go to these positions."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ...batching import rules
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array
from .channels import store
from .windows import Lengths, Padding, allocate_padded, padded_pixels_by_offset, pixels_by_offset, windows_out

_NS_PER_PIXEL: Final = 0.5
"""Approximate nanoseconds for one pixel of one channel."""


def _correct_index(
    x: Array, largest: Array, index: Array, kernel: Lengths, stride: Lengths, padding: Padding, dilation: Lengths
) -> None:
    """Sets `index` to the first nan of each window that has one, and to the first pixel of windows with only −inf."""
    rank = np.isnan(x).astype(np.int8) + np.int8(1)  # padding gets 0, so that it is never selected
    ranks = np.stack([*padded_pixels_by_offset(rank, index.shape[2:], kernel, stride, padding, dilation, 0)])
    np.copyto(index, ranks.argmax(0), where=~(largest > -np.inf), casting="unsafe")


def _max_pool(
    x: Array, kernel_size: Lengths, stride: Lengths, padding: Padding, dilation: Lengths, out: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Returns the largest pixel of each window, and its row-major position in the window."""
    shape = tuple(map(windows_out, x.shape[2:], kernel_size, stride, padding, dilation))
    last = math.prod(kernel_size) - 1
    if out is None:
        largest = np.empty_like(x, shape=(*x.shape[:2], *shape))
        out = largest, np.empty_like(largest, np.uint8 if last < 256 else np.int32)
    largest, index = out
    index.fill(0)

    def search(part: slice) -> None:
        pixels_by_offset = padded_pixels_by_offset(x[part], shape, kernel_size, stride, padding, dilation, -np.inf)
        best, *others = pixels_by_offset
        buffers = largest[part], np.empty_like(largest[part])  # the last maximum is written to the first one
        if not others:
            largest[part] = best
        for k, pixels in enumerate(others, 1):
            previous, best = best, np.maximum(best, pixels, out=buffers[(last - k) % 2])
            # k increases, so a maximum assigns k wherever `pixels` are larger, without a mask.
            np.maximum(index[part], np.multiply(best > previous, index.dtype.type(k)), out=index[part])
        # nan and −inf need a second look, since comparing pixels does not find them.
        if not np.minimum.reduce(largest[part], axis=None, initial=np.inf) > -np.inf:
            _correct_index(x[part], largest[part], index[part], kernel_size, stride, padding, dilation)

    split_work(search, len(x), x.size * _NS_PER_PIXEL)
    return largest, index


def _pool_scatter(
    g: Array,
    index: Array,
    size: Lengths,
    kernel_size: Lengths,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
    out: Array | None = None,
) -> Array:
    """Adds each element of g to an image of `size`, at the position `index` in its window."""
    if out is not None and max(map(max, padding)) == 0:
        padded = inside = out
    else:
        padded, inside = allocate_padded(index, (*index.shape[:2], *size), padding, g.dtype)
    disjoint = max(dilation) == 1 and all(k <= s for k, s in zip(kernel_size, stride, strict=True))
    writes_all = disjoint and g.size * math.prod(kernel_size) >= padded.size  # each pixel once
    same_layout = np.empty_like(index, g.dtype)

    def scatter(part: slice) -> None:
        values, position, canvas = g[part], index[part], padded[part]
        if g.strides != same_layout.strides:  # for example the gradient of a flattened layer; mixed layouts are slow
            values = store(values, same_layout[part])
        if not writes_all:
            canvas.fill(0)
        for k, pixels in enumerate(pixels_by_offset(canvas, index.shape[2:], kernel_size, stride, dilation)):
            if disjoint:
                np.multiply(values, position == k, pixels)
            else:
                pixels += values * (position == k)

    split_work(scatter, len(g), padded.size * _NS_PER_PIXEL)
    return inside if inside is out else store(inside, out)


def _pool_gather(
    x: Array, index: Array, kernel_size: Lengths, stride: Lengths, padding: Padding, dilation: Lengths, out: Array | None = None
) -> Array:
    """Returns the pixel at the position `index` in each window, the inverse of `_pool_scatter`."""
    total = np.empty_like(index, x.dtype) if out is None else out
    total.fill(0)
    for k, pixels in enumerate(padded_pixels_by_offset(x, index.shape[2:], kernel_size, stride, padding, dilation, 0)):
        total += pixels * (index == k)
    return total


def _max_pool_rule(xp: Any, g: Any, y: Any, x: Any, **params: Any) -> Any:
    return xp.pool_scatter(g[0], y[1], size=x.shape[2:], **params)


def _pool_positions(
    index: Array, size: Lengths, kernel_size: Lengths, stride: Lengths, padding: Padding, dilation: Lengths
) -> Array:
    """Returns the position in the image (numbered in row-major order) of each index in a window."""
    flat = np.zeros(index.shape, np.int64)
    axes = zip(size, np.unravel_index(index, kernel_size), stride, padding, dilation, strict=True)
    for axis, (length, offset, step, (before, _), spacing) in enumerate(axes):
        start = np.arange(index.shape[2 + axis]) * step - before
        flat = flat * length + offset * spacing + start.reshape(-1, *(1,) * (len(size) - 1 - axis))
    return flat


MAX_POOLS: Final = {
    axes: Primitive(
        f"max_pool{axes}d", _max_pool, formula="max of a window", derivative=("1 at the maximum, else 0",),
        vjp=(_max_pool_rule,),
        kink="the first of equal pixels gets the gradient, or the first nan", outputs=2, batch=rules.rows(),
    )
    for axes in (1, 2, 3)
}  # fmt: skip
"""Max pooling, by the number of axes."""


def _valid_positions(positions: Array, pixels: int) -> Array:
    if positions.size and (positions.min() < 0 or positions.max() >= pixels):  # NumPy would take −1 for the last pixel
        raise IndexError
    return positions


VALID_POSITIONS: Final = Primitive(
    "valid_positions", _valid_positions, formula="x, whose elements are positions in an image", constant=True, uniform=False,
    explain=lambda x, pixels: f"indices must lie in [0, {pixels}), got {x.min()} to {x.max()}", view=True, flops=0,
    batch=rules.rows(),
)  # fmt: skip
POSITIONS: Final = Primitive(
    "pool_positions", _pool_positions, formula="where in the image the maximum of each window is", constant=True, uniform=False,
    batch=rules.rows(),
)  # fmt: skip
Primitive(
    "pool_scatter", _pool_scatter, formula="x added at the maximum of its window", derivative=("1",),
    vjp=(lambda xp, g, y, x, index, size, **params: xp.pool_gather(g, index, **params), None),
    uniform=False, batch=rules.rows(),
)  # fmt: skip
Primitive(
    "pool_gather", _pool_gather, formula="x at the maximum of each window", derivative=("1 at the maximum, else 0",),
    vjp=(lambda xp, g, y, x, index, **params: xp.pool_scatter(g, index, size=x.shape[2:], **params), None),
    uniform=False, batch=rules.rows(),
)  # fmt: skip
