"""Pooling: the largest or the mean pixel of every window. Images are (N, C, H, W); results have the same memory layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from ...apply import apply, as_float
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag
from .channels import store
from .conv import Padding, Pair, int_pair, windows_out
from .resample import RESAMPLE

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "max_pool2d",
]  # fmt: skip

# -- max pooling ----------------------------------------------------------------------------------------------------------

_NS_PER_PIXEL: Final = 0.5
"""Approximate nanoseconds for one pixel of one channel."""


def _allocate_padded(like: Array, shape: tuple[int, ...], padding: Padding, dtype: Any) -> tuple[Array, Array]:
    """Allocates images of `shape` plus padding, in the layout of `like`; returns them and a view without the padding."""
    n, c, *lengths = shape
    frame = (n, c, *(m + sum(p) for m, p in zip(lengths, padding, strict=True)))
    padded = np.empty_like(like, dtype, shape=frame)
    (top, _), (left, _) = padding
    return padded, padded[:, :, top : top + lengths[0], left : left + lengths[1]]


def _pixels_by_offset(images: Array, out: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Iterator[Array]:
    """Yields, for each position in a window in row-major order, the pixels of all windows at it: views (N, C, h, w)."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            down, across = (
                slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in zip((i, j), dilation, stride, out, strict=True)
            )
            yield images[:, :, down, across]


def _padded_pixels_by_offset(
    x: Array, out: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, fill: float
) -> Iterator[Array]:
    """Pads `x` with `fill`, then does the same as `_pixels_by_offset`."""
    if padding != ((0, 0), (0, 0)):
        source = x
        x, inside = _allocate_padded(source, source.shape, padding, source.dtype)
        x.fill(fill)
        inside[...] = source
    return _pixels_by_offset(x, out, kernel, stride, dilation)


def _correct_index(
    x: Array, largest: Array, index: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> None:
    """Sets `index` to the first nan of each window that has one, and to the first pixel of windows with only −inf."""
    rank = np.isnan(x).astype(np.int8) + np.int8(1)  # padding gets 0, so that it is never selected
    ranks = np.stack([*_padded_pixels_by_offset(rank, index.shape[2:], kernel, stride, padding, dilation, 0)])
    np.copyto(index, ranks.argmax(0), where=~(largest > -np.inf), casting="unsafe")


def _max_pool2d(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, out: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Returns the largest pixel of each window, and its row-major position in the window."""
    h, w = map(windows_out, x.shape[2:], kernel_size, stride, padding, dilation)
    last = kernel_size[0] * kernel_size[1] - 1
    if out is None:
        largest = np.empty_like(x, shape=(*x.shape[:2], h, w))
        out = largest, np.empty_like(largest, np.uint8 if last < 256 else np.int32)
    largest, index = out
    index.fill(0)

    def search(part: slice) -> None:
        pixels_by_offset = _padded_pixels_by_offset(x[part], (h, w), kernel_size, stride, padding, dilation, -np.inf)
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
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    out: Array | None = None,
) -> Array:
    """Adds each element of g to an image of `size`, at the position `index` in its window."""
    if out is not None and padding == ((0, 0), (0, 0)):
        padded = inside = out
    else:
        padded, inside = _allocate_padded(index, (*index.shape[:2], *size), padding, g.dtype)
    disjoint = dilation == (1, 1) and kernel_size[0] <= stride[0] and kernel_size[1] <= stride[1]
    writes_all = disjoint and g.size * kernel_size[0] * kernel_size[1] >= padded.size  # each pixel once
    same_layout = np.empty_like(index, g.dtype)

    def scatter(part: slice) -> None:
        values, position, canvas = g[part], index[part], padded[part]
        if g.strides != same_layout.strides:  # for example the gradient of a flattened layer; mixed layouts are slow
            values = store(values, same_layout[part])
        if not writes_all:
            canvas.fill(0)
        for k, pixels in enumerate(_pixels_by_offset(canvas, index.shape[2:], kernel_size, stride, dilation)):
            if disjoint:
                np.multiply(values, position == k, pixels)
            else:
                pixels += values * (position == k)

    split_work(scatter, len(g), padded.size * _NS_PER_PIXEL)
    return inside if inside is out else store(inside, out)


def _pool_gather(
    x: Array, index: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, out: Array | None = None
) -> Array:
    """Returns the pixel at the position `index` in each window, the inverse of `_pool_scatter`."""
    total = np.empty_like(index, x.dtype) if out is None else out
    total.fill(0)
    for k, pixels in enumerate(_padded_pixels_by_offset(x, index.shape[2:], kernel_size, stride, padding, dilation, 0)):
        total += pixels * (index == k)
    return total


def _max_pool_rule(xp: Any, g: Any, y: Any, x: Any, **params: Any) -> Any:
    return xp.pool_scatter(g[0], y[1], size=x.shape[2:], **params)


_MAX_POOL = Primitive(
    "max_pool2d", _max_pool2d, formula="max of a window", derivative=("1 at the maximum, else 0",),
    vjp=(_max_pool_rule,),
    kink="the first of equal pixels gets the gradient, or the first nan", outputs=2,
)  # fmt: skip
Primitive(
    "pool_scatter", _pool_scatter, formula="x added at the maximum of its window", derivative=("1",),
    vjp=(lambda xp, g, y, x, index, size, **params: xp.pool_gather(g, index, **params), None),
    uniform=False,
)  # fmt: skip
Primitive(
    "pool_gather", _pool_gather, formula="x at the maximum of each window", derivative=("1 at the maximum, else 0",),
    vjp=(lambda xp, g, y, x, index, **params: xp.pool_scatter(g, index, size=x.shape[2:], **params), None),
    uniform=False,
)  # fmt: skip


# -- public functions ---------------------------------------------------------------------------------------------------


def _image(name: str, x: TensorLike) -> Tensor:
    image = as_float(x)
    if image._data.ndim != 4:
        raise ValueError(f"{name}: expected an input of shape (N, C, H, W), got {image._data.shape}")
    return image


def _window_geometry(
    name: str, shape: tuple[int, ...], kernel: Pair, stride: Any, padding: Any, dilation: Pair, ceil_mode: bool
) -> tuple[Pair, Padding, Pair]:
    """Returns stride, padding and output size; with `ceil_mode`, the padding includes the end of the last window."""
    steps = kernel if stride is None else int_pair(name, "stride", stride, 1)
    before, ceil_mode = int_pair(name, "padding", padding, 0), flag(name, "ceil_mode", ceil_mode)
    pads, out = [], []
    for n, k, s, p, d in zip(shape[2:], kernel, steps, before, dilation, strict=True):
        reach = d * (k - 1) + 1
        if 2 * p > reach:
            raise ValueError(f"{name}: padding must be at most half of the kernel {kernel}, got {before}")
        count = windows_out(n, k, s, (p, p + (s - 1) * ceil_mode), d)
        count -= bool(ceil_mode and (count - 1) * s >= n + p)  # each window must start before the end of the image
        if count < 1 or n == 0:
            raise ValueError(
                f"{name}: kernel {kernel} with dilation {dilation} does not fit into input {shape} with padding {before}"
            )
        pads.append((p, max(p, (count - 1) * s + reach - n - p)))
        out.append(count)
    return steps, (pads[0], pads[1]), (out[0], out[1])


def max_pool2d(
    x: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest pixel of every window: (N, C, H, W) → (N, C, H′, W′).

    H′ = ⌊(H + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1. If pixels are equal, the first in row-major order gets the
    gradient; if some are nan, the result is nan and the first of them gets it. Padding never gets any.
    Raises ValueError if no window fits.

    Parameters
    ----------
    x : images
    kernel_size : size k of the windows, an int or (h, w)
    stride : step between windows, an int or (h, w); `kernel_size` by default
    padding : pixels of −∞ around the image, an int or (h, w)
    dilation : step between the pixels of a window, an int or (h, w)
    ceil_mode : round H′ up, so that windows may reach beyond the border

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.max_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2)
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    """
    name = "max_pool2d"
    image, kernel = _image(name, x), int_pair(name, "kernel_size", kernel_size, 1)
    dilations = int_pair(name, "dilation", dilation, 1)
    steps, pads, _ = _window_geometry(name, image._data.shape, kernel, stride, padding, dilations, ceil_mode)
    return apply(_MAX_POOL, (image,), {"kernel_size": kernel, "stride": steps, "padding": pads, "dilation": dilations})[0]


def avg_pool2d(
    x: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean pixel of every window: (N, C, H, W) → (N, C, H′, W′), with H′ as in `max_pool2d`.

    Raises ValueError if no window fits.

    Parameters
    ----------
    x, kernel_size, stride : as in `max_pool2d`
    padding : pixels around the image, an int or (h, w)
    ceil_mode : as in `max_pool2d`; the pixels that it adds never count, as in PyTorch
    count_include_pad : count padding as zeros; otherwise it does not count

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.avg_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2)
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """
    name = "avg_pool2d"
    image, kernel = _image(name, x), int_pair(name, "kernel_size", kernel_size, 1)
    pads = int_pair(name, "padding", padding, 0)
    steps, _, out = _window_geometry(name, image._data.shape, kernel, stride, pads, (1, 1), ceil_mode)
    rows, columns = (
        ("average", *axis, flag(name, "count_include_pad", count_include_pad))
        for axis in zip(image._data.shape[2:], out, kernel, steps, pads, strict=True)
    )
    return apply(RESAMPLE, (image,), {"rows": rows, "columns": columns, "transposed": False})


def adaptive_avg_pool2d(x: TensorLike, output_size: int | Pair) -> Tensor:
    """Means of `output_size` (h, w) windows that cover the image evenly: (N, C, H, W) → (N, C, h, w).

    Window i spans ⌊i H / h⌋ … ⌈(i + 1) H / h⌉ − 1, as in PyTorch. Size 1 is the mean of the whole image.

    >>> import autograd_mini as ag
    >>> ag.adaptive_avg_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 1)
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """
    name = "adaptive_avg_pool2d"
    image, out = _image(name, x), int_pair(name, "output_size", output_size, 1)
    if 0 in image._data.shape[2:]:
        raise ValueError(f"{name}: expected images with pixels, got shape {image._data.shape}")
    rows, columns = (("adaptive", *lengths) for lengths in zip(image._data.shape[2:], out, strict=True))
    return apply(RESAMPLE, (image,), {"rows": rows, "columns": columns, "transposed": False})
