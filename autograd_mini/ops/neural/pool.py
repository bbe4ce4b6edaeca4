"""Pooling: the largest or the mean pixel of every window. Images are (N, C, H, W); results have the same memory layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from ...apply import apply, as_float
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from .channels import store
from .conv import Padding, Pair, int_pair, windows_out
from .resample import RESAMPLE

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "max_pool2d",
]  # fmt: skip

# -- the largest pixel ----------------------------------------------------------------------------------------------------


_PIXEL: Final = 0.5
"""Nanoseconds that a pixel and channel take, about."""


def _allocate_padded(like: Array, shape: tuple[int, ...], padding: Padding, dtype: Any) -> tuple[Array, Array]:
    """Allocates images of `shape` with padding, in the layout of `like`; returns them and their part without padding."""
    n, c, *lengths = shape
    frame = (n, c, *(m + sum(p) for m, p in zip(lengths, padding, strict=True)))
    whole = np.empty_like(like, dtype, shape=frame)
    (top, _), (left, _) = padding
    return whole, whole[:, :, top : top + lengths[0], left : left + lengths[1]]


def _offsets(images: Array, out: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Iterator[Array]:
    """Yields, for each kernel position in row-major order, the pixels there in all windows: views (N, C, h, w)."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            down, across = (
                slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in zip((i, j), dilation, stride, out, strict=True)
            )
            yield images[:, :, down, across]


def _views(x: Array, out: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, fill: float) -> Iterator[Array]:
    if padding != ((0, 0), (0, 0)):
        source = x
        x, inside = _allocate_padded(source, source.shape, padding, source.dtype)
        x.fill(fill)
        inside[...] = source
    return _offsets(x, out, kernel, stride, dilation)


def _index_exceptions(
    x: Array, largest: Array, index: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> None:
    """Corrects `index` where comparing pixels finds nothing: at the first nan of a window, or the first pixel of only −inf."""
    rank = np.isnan(x).astype(np.int8) + np.int8(1)  # 0 is left for the padding, which must not win
    ranks = np.stack([*_views(rank, index.shape[2:], kernel, stride, padding, dilation, 0)])
    np.copyto(index, ranks.argmax(0), where=~(largest > -np.inf), casting="unsafe")


def _max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    size = tuple(map(windows_out, x.shape[2:], kernel, stride, padding, dilation))
    last = kernel[0] * kernel[1] - 1
    if out is None:
        largest = np.empty_like(x, shape=(*x.shape[:2], *size))
        out = largest, np.empty_like(largest, np.uint8 if last < 256 else np.int32)
    largest, index = out
    index.fill(0)

    def search(part: slice) -> None:
        best, *places = _views(x[part], size, kernel, stride, padding, dilation, -np.inf)  # type: ignore[arg-type]
        into, place = largest[part], index[part]
        turns = into, np.empty_like(into)
        if not places:
            into[...] = best
        for k, pixels in enumerate(places, 1):
            former, best = best, np.maximum(best, pixels, out=turns[(last - k) % 2])
            # k only grows, so the maximum is an assignment to where `pixels` were larger, without a mask.
            found = np.multiply(best > former, index.dtype.type(k))
            np.maximum(place, found, out=place)
        if not np.minimum.reduce(into, axis=None, initial=np.inf) > -np.inf:  # one is −inf or nan
            _index_exceptions(x[part], into, place, kernel, stride, padding, dilation)

    split_work(search, len(x), x.size * _PIXEL)
    return largest, index


def _pool_scatter(
    g: Array,
    index: Array,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    out: Array | None = None,
) -> Array:
    if out is not None and padding == ((0, 0), (0, 0)):
        whole = inside = out
    else:
        whole, inside = _allocate_padded(index, (*index.shape[:2], *size), padding, g.dtype)
    apart = dilation == (1, 1) and kernel[0] <= stride[0] and kernel[1] <= stride[1]
    covered = apart and g.size * kernel[0] * kernel[1] >= whole.size  # every pixel is assigned, once
    laid_out = np.empty_like(index, g.dtype)

    def put(part: slice) -> None:
        mine, chosen, canvas = g[part], index[part], whole[part]
        if g.strides != laid_out.strides:  # as gradients of flattened layers do: mixed layouts are slow
            mine = store(mine, laid_out[part])
        if not covered:
            canvas.fill(0)
        for k, pixels in enumerate(_offsets(canvas, index.shape[2:], kernel, stride, dilation)):
            if apart:
                np.multiply(mine, chosen == k, pixels)
            else:
                pixels += mine * (chosen == k)

    split_work(put, len(g), whole.size * _PIXEL)
    return inside if inside is out else store(inside, out)


def _pool_gather(
    x: Array, index: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, out: Array | None = None
) -> Array:
    total = np.empty_like(index, x.dtype) if out is None else out
    total.fill(0)
    for k, pixels in enumerate(_views(x, index.shape[2:], kernel, stride, padding, dilation, 0)):
        total += pixels * (index == k)
    return total


def _max_pool_rule(xp: Any, g: Any, y: Any, x: Any, **at: Any) -> Any:
    return xp.pool_scatter(g[0], y[1], size=x.shape[2:], **at)


_MAX_POOL = Primitive(
    "max_pool2d", _max_pool2d, formula="max of a window", derivative=("1 at the maximum, else 0",),
    vjp=(_max_pool_rule,),
    kink="the first of equal pixels gets the gradient, or the first nan", outputs=2,
)  # fmt: skip
Primitive(
    "pool_scatter", _pool_scatter, formula="x put where its window had the maximum", derivative=("1",),
    vjp=(lambda xp, g, y, x, index, size, **at: xp.pool_gather(g, index, **at), None),
    uniform=False,
)  # fmt: skip
Primitive(
    "pool_gather", _pool_gather, formula="x taken where its window had the maximum", derivative=("1 where taken",),
    vjp=(lambda xp, g, y, x, index, **at: xp.pool_scatter(g, index, size=x.shape[2:], **at), None),
    uniform=False,
)  # fmt: skip


# -- public functions ---------------------------------------------------------------------------------------------------


def _image(name: str, x: TensorLike) -> Tensor:
    image = as_float(x)
    if image._data.ndim != 4:
        raise ValueError(f"{name}: expected an input of shape (N, C, H, W), got {image._data.shape}")
    return image


def _fit(
    name: str, shape: tuple[int, ...], kernel: Pair, stride: Any, padding: Any, dilation: Pair, ceil_mode: bool
) -> tuple[Pair, Padding, Pair]:
    """Returns stride, padding and output size; with `ceil_mode`, the padding at the end reaches as far as the windows."""
    step = kernel if stride is None else int_pair(name, "stride", stride, 1)
    before = int_pair(name, "padding", padding, 0)
    around, out = [], []
    for n, k, s, p, d in zip(shape[2:], kernel, step, before, dilation, strict=True):
        reach = d * (k - 1) + 1
        if 2 * p > reach:
            raise ValueError(
                f"{name}: padding {before} may be at most half the kernel {kernel}, or windows would hold nothing else"
            )
        count = windows_out(n, k, s, (p, p + (s - 1) * ceil_mode), d)
        count -= bool(ceil_mode and (count - 1) * s >= n + p)  # a window must start on the image or before it
        if count < 1 or n == 0:
            raise ValueError(
                f"{name}: kernel {kernel} with dilation {dilation} does not fit into input {shape} padded by {before}"
            )
        around.append((p, max(p, (count - 1) * s + reach - n - p)))
        out.append(count)
    return step, (around[0], around[1]), (out[0], out[1])


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
    image, size, gaps = _image(name, x), int_pair(name, "kernel_size", kernel_size, 1), int_pair(name, "dilation", dilation, 1)
    step, around, _ = _fit(name, image._data.shape, size, stride, padding, gaps, ceil_mode)
    return apply(_MAX_POOL, (image,), {"kernel": size, "stride": step, "padding": around, "dilation": gaps})[0]


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
    image, size, before = _image(name, x), int_pair(name, "kernel_size", kernel_size, 1), int_pair(name, "padding", padding, 0)
    step, _, out = _fit(name, image._data.shape, size, stride, before, (1, 1), ceil_mode)
    rows, columns = (
        ("average", *facts, bool(count_include_pad))
        for facts in zip(image._data.shape[2:], out, size, step, before, strict=True)
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
        raise ValueError(f"{name}: input {image._data.shape} has no pixels")
    rows, columns = (("adaptive", *lengths) for lengths in zip(image._data.shape[2:], out, strict=True))
    return apply(RESAMPLE, (image,), {"rows": rows, "columns": columns, "transposed": False})
