"""Operations that move pixels: between channels and space, and between images and columns of windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...apply import apply, as_float
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ..shape import reshape, transpose
from .windows import (
    Lengths,
    OneOrTwo,
    Padding,
    allocate_padded,
    image_batch,
    int_lengths,
    padded_pixels_by_offset,
    padding_pairs,
    pixels_by_offset,
    windows_out,
    without_batch,
)

__all__ = [
    "fold", "pixel_shuffle", "pixel_unshuffle", "unfold",
]  # fmt: skip

# -- windows as columns --------------------------------------------------------------------------------------------------------


def _unfold(
    x: Array, kernel_size: Lengths, stride: Lengths, padding: Padding, dilation: Lengths, out: Array | None = None
) -> Array:
    n, channels, *lengths = x.shape
    windows = tuple(map(windows_out, lengths, kernel_size, stride, padding, dilation))
    columns = np.empty((n, channels * math.prod(kernel_size), math.prod(windows)), x.dtype) if out is None else out
    by_offset = columns.reshape(n, channels, math.prod(kernel_size), *windows)
    for k, pixels in enumerate(padded_pixels_by_offset(x, windows, kernel_size, stride, padding, dilation, 0)):
        by_offset[:, :, k] = pixels
    return columns


def _fold(x: Array, size: Lengths, kernel_size: Lengths, stride: Lengths, padding: Padding, dilation: Lengths) -> Array:
    windows = tuple(map(windows_out, size, kernel_size, stride, padding, dilation))
    count = math.prod(kernel_size)
    channels = x.shape[1] // count
    by_offset = x.reshape(len(x), channels, count, *windows)
    padded, inside = allocate_padded(x, (len(x), channels, *size), padding, x.dtype)
    padded.fill(0)
    for k, pixels in enumerate(pixels_by_offset(padded, windows, kernel_size, stride, dilation)):
        pixels += by_offset[:, :, k]
    return inside


_UNFOLD = Primitive(
    "unfold", _unfold, formula="the windows of x as columns", derivative=("1 for each window with the pixel",),
    vjp=(lambda xp, g, y, x, **params: xp.fold(g, size=x.shape[2:], **params),),
    flops=0, batch=rules.rows(),
)  # fmt: skip
_FOLD = Primitive(
    "fold", _fold, formula="the sum of columns, each at its window", derivative=("1",),
    vjp=(lambda xp, g, y, x, size, **params: xp.unfold(g, **params),),
    batch=rules.rows(),
)  # fmt: skip


def _windows(name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """Converts the arguments to parameters of the primitives."""
    kernel, steps, dilations = (
        int_lengths(name, key, value, 1, 2)
        for key, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
    )
    pads = padding_pairs(name, padding, kernel, steps, dilations)
    return {"kernel_size": kernel, "stride": steps, "padding": pads, "dilation": dilations}


def unfold(x: TensorLike, kernel_size: OneOrTwo, dilation: OneOrTwo = 1, padding: OneOrTwo = 0, stride: OneOrTwo = 1) -> Tensor:
    """Returns the windows of images (N, C, H, W) as columns (N, C · kh · kw, windows), like im2col; `fold` is its transpose.

    Raises ValueError if no window fits.

    Parameters
    ----------
    x : images, or one image (C, H, W)
    kernel_size : size of the windows, an int or (h, w)
    dilation : step between the pixels of a window, an int or (h, w)
    padding : zeros around the image, an int or (h, w)
    stride : step between windows, an int or (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.unfold([[[[1.0, 2.0, 3.0]]]], (1, 2)).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    image, single = image_batch("unfold", x, 2)
    params = _windows("unfold", kernel_size, stride, padding, dilation)
    shape = image._data.shape
    if min(map(windows_out, shape[2:], *params.values())) < 1:
        raise ValueError(f"unfold: no window fits into input {shape} with {params}")
    return without_batch(apply(_UNFOLD, (image,), params), single)


def fold(
    x: TensorLike,
    output_size: OneOrTwo,
    kernel_size: OneOrTwo,
    dilation: OneOrTwo = 1,
    padding: OneOrTwo = 0,
    stride: OneOrTwo = 1,
) -> Tensor:
    """Adds columns (N, C · kh · kw, windows) up to images (N, C, h, w), each at the place that `unfold` took it from.

    Raises ValueError if the number of windows or of rows does not fit.

    Parameters
    ----------
    x : columns, or those of one image, (C · kh · kw, windows)
    output_size : size of the images, an int or (h, w)
    kernel_size, dilation, padding, stride : as in `unfold`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.fold([[[1.0, 2.0], [2.0, 3.0]]], (1, 3), (1, 2)).tolist()
    [[[[1.0, 4.0, 3.0]]]]
    """
    columns, single = image_batch("fold", x, 1)
    size = int_lengths("fold", "output_size", output_size, 1, 2)
    params = _windows("fold", kernel_size, stride, padding, dilation)
    out, (_, rows, count) = tuple(map(windows_out, size, *params.values())), columns._data.shape
    if min(out) < 1 or math.prod(out) != count or rows % math.prod(params["kernel_size"]):
        raise ValueError(
            f"fold: expected an input of shape (N, C · {math.prod(params['kernel_size'])}, {math.prod(out)}) for the windows "
            f"of images of size {size}, got {columns._data.shape} with {params}"
        )
    return without_batch(apply(_FOLD, (columns,), {"size": size, **params}), single)


# -- channels as pixels --------------------------------------------------------------------------------------------------------


def _factor(name: str, argument: str, x: TensorLike, factor: Any) -> tuple[Tensor, int]:
    image = as_float(x)
    if image._data.ndim < 3:
        raise ValueError(f"{name}: expected an input of shape (…, C, H, W), got {image._data.shape}")
    return image, int_lengths(name, argument, factor, 1, 1)[0]


def _swap_inner(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Permutes the last `len(order)` axes."""
    lead = x._data.ndim - len(order)
    return transpose(x, (*range(lead), *(lead + i for i in order)))


def pixel_shuffle(x: TensorLike, upscale_factor: int) -> Tensor:
    """Rearranges groups of r² channels into blocks of r × r pixels: (…, C · r², H, W) → (…, C, H · r, W · r).

    Raises ValueError unless r² divides the channels. Shi et al. 2016, equation 4; the inverse is `pixel_unshuffle`.

    >>> import autograd_mini as ag
    >>> ag.pixel_shuffle([[[1.0]], [[2.0]], [[3.0]], [[4.0]]], 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    image, r = _factor("pixel_shuffle", "upscale_factor", x, upscale_factor)
    *lead, channels, h, w = image._data.shape
    if channels % (r * r):
        raise ValueError(
            f"pixel_shuffle: the channels must be a multiple of upscale_factor² = {r * r}, got input {image._data.shape}"
        )
    blocks = reshape(image, *lead, channels // (r * r), r, r, h, w)
    return reshape(_swap_inner(blocks, (2, 0, 3, 1)), *lead, channels // (r * r), h * r, w * r)


def pixel_unshuffle(x: TensorLike, downscale_factor: int) -> Tensor:
    """Rearranges blocks of r × r pixels into r² channels: (…, C, H · r, W · r) → (…, C · r², H, W).

    Raises ValueError unless r divides height and width.

    >>> import autograd_mini as ag
    >>> ag.pixel_unshuffle([[[1.0, 2.0], [3.0, 4.0]]], 2).tolist()
    [[[1.0]], [[2.0]], [[3.0]], [[4.0]]]
    """
    image, r = _factor("pixel_unshuffle", "downscale_factor", x, downscale_factor)
    *lead, channels, h, w = image._data.shape
    if h % r or w % r:
        raise ValueError(
            f"pixel_unshuffle: height and width must be multiples of downscale_factor {r}, got input {image._data.shape}"
        )
    blocks = reshape(image, *lead, channels, h // r, r, w // r, r)
    return reshape(_swap_inner(blocks, (1, 3, 0, 2)), *lead, channels * r * r, h // r, w // r)
