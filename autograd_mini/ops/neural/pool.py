"""Max pooling: the largest pixel of every window of series, images or volumes. Results have the same memory layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...apply import apply
from ...tensor import Array, Tensor, TensorLike, as_tensor
from ...tools.arguments import flag
from ..index import getitem, index_put, take_along_axis
from ..reduce import argmax
from ..shape import reshape
from .pool_kernels import MAX_POOLS, POSITIONS, VALID_POSITIONS
from .windows import (
    AdaptiveSize,
    Lengths,
    OneOrThree,
    OneOrTwo,
    Padding,
    adaptive_lengths,
    image_batch,
    int_lengths,
    window_geometry,
    without_batch,
)

__all__ = [
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

# -- what the functions for 1, 2 and 3 axes share ------------------------------------------------------------------------------


def _pool(
    axes: int, x: TensorLike, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool
) -> Any:
    name = f"max_pool{axes}d"
    image, single = image_batch(name, x, axes)
    kernel, dilations = (
        int_lengths(name, key, value, 1, axes) for key, value in (("kernel_size", kernel_size), ("dilation", dilation))
    )
    steps, pads, _ = window_geometry(name, image._data.shape, kernel, stride, padding, dilations, ceil_mode)
    return _pool_windows(axes, image, single, kernel, steps, pads, dilations, return_indices)


def _pool_windows(
    axes: int,
    image: Tensor,
    single: bool,
    kernel: Lengths,
    stride: Lengths,
    padding: Padding,
    dilation: Lengths,
    return_indices: bool,
) -> Any:
    params = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    largest, index = apply(MAX_POOLS[axes], (image,), params)
    largest = without_batch(largest, single)
    if not flag(MAX_POOLS[axes].name, "return_indices", return_indices):
        return largest
    return largest, without_batch(apply(POSITIONS, (index,), {"size": image._data.shape[2:], **params}), single)


def _adaptive_pool(axes: int, x: TensorLike, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{axes}d"
    image, single = image_batch(name, x, axes)
    lengths = image._data.shape[2:]
    out = adaptive_lengths(name, output_size, image._data.shape)
    if not any(n % m for n, m in zip(lengths, out, strict=True)):  # all windows have one size
        kernel = tuple(n // m for n, m in zip(lengths, out, strict=True))
        return _pool_windows(axes, image, single, kernel, kernel, ((0, 0),) * axes, (1,) * axes, return_indices)
    windows = _adaptive_windows(lengths, out)
    pixels = reshape(image, *image._data.shape[:2], math.prod(lengths))
    best = argmax(getitem(pixels.detach(), (slice(None), slice(None), windows)), -1)
    positions = getitem(windows, (np.arange(len(windows)), best))
    shape = (*image._data.shape[:2], *out)
    largest = without_batch(reshape(take_along_axis(pixels, positions, -1), shape), single)
    return (largest, without_batch(reshape(positions, shape), single)) if return_indices else largest


def _adaptive_windows(lengths: Lengths, out: Lengths) -> Array:
    """Returns the positions (in row-major order) of the pixels of each window; smaller windows repeat their last pixels."""
    flat = np.zeros((1, 1), np.int64)
    for n, m in zip(lengths, out, strict=True):
        i = np.arange(m)[:, None]
        start, end = i * n // m, -((i + 1) * n // -m)
        axis = np.minimum(start + np.arange((end - start).max()), end - 1)
        flat = (flat[:, None, :, None] * n + axis[:, None]).reshape(len(flat) * m, -1)
    return flat


def _unpool(
    axes: int, x: TensorLike, indices: TensorLike, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name = f"max_unpool{axes}d"
    image, single = image_batch(name, x, axes)
    positions = as_tensor(indices)
    if positions._data.dtype.kind not in "iu" or positions._data.shape != image._data.shape[single:]:
        raise ValueError(
            f"{name}: indices must be integers of the input's shape {image._data.shape[single:]}, "
            f"got {positions._data.dtype} of shape {positions._data.shape}"
        )
    kernel = int_lengths(name, "kernel_size", kernel_size, 1, axes)
    steps = kernel if stride is None else int_lengths(name, "stride", stride, 1, axes)
    pads = int_lengths(name, "padding", padding, 0, axes)
    n, c, *lengths = image._data.shape
    smallest = tuple((m - 1) * s - 2 * p + k for m, s, p, k in zip(lengths, steps, pads, kernel, strict=True))
    wanted = output_size[-axes:] if isinstance(output_size, (tuple, list)) else output_size
    size = int_lengths(name, "output_size", smallest if wanted is None else wanted, 1, axes)
    positions = apply(VALID_POSITIONS, (positions,), {"pixels": math.prod(size)})
    canvas = Tensor(np.zeros((n, c, math.prod(size)), image._data.dtype))
    place = (np.arange(n)[:, None, None], np.arange(c)[:, None], reshape(positions, n, c, math.prod(lengths)))
    return without_batch(reshape(index_put(canvas, place, reshape(image, n, c, math.prod(lengths))), n, c, *size), single)


# -- windows of one size -------------------------------------------------------------------------------------------------------


def max_pool2d(
    x: TensorLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    dilation: OneOrTwo = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest pixel of every window: (N, C, H, W) → (N, C, H′, W′).

    H′ = ⌊(H + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1. If pixels are equal, the first in row-major order gets the
    gradient; if some are nan, the result is nan and the first of them gets it. Padding never gets any.
    Raises ValueError if no window fits.

    Parameters
    ----------
    x : images, or one image (C, H, W)
    kernel_size : size k of the windows, an int or (h, w)
    stride : step between windows, an int or (h, w); `kernel_size` by default
    padding : pixels of −∞ around the image, an int or (h, w)
    dilation : step between the pixels of a window, an int or (h, w)
    ceil_mode : round H′ up, so that windows may reach beyond the border
    return_indices : return the maxima and where they are: positions in the image, numbered in row-major order

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.max_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2)
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    >>> ag.max_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2, return_indices=True)[1].item()
    2
    """
    return _pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d(
    x: TensorLike,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window: (N, C, L) → (N, C, L′). See `max_pool2d`.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, return_indices : as in `max_pool2d`, with one length instead of (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.max_pool1d([[[1.0, 3.0, 2.0, 4.0]]], 2)
    Tensor([[[3., 4.]]], shape=(1, 1, 2))
    """
    return _pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: TensorLike,
    kernel_size: OneOrThree,
    stride: OneOrThree | None = None,
    padding: OneOrThree = 0,
    dilation: OneOrThree = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window: (N, C, D, H, W) → (N, C, D′, H′, W′). See `max_pool2d`.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, return_indices : as in `max_pool2d`, with (d, h, w) instead of (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.max_pool3d(ag.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
    7.0
    """
    return _pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# -- windows that cover the image evenly ---------------------------------------------------------------------------------------


def adaptive_max_pool2d(x: TensorLike, output_size: AdaptiveSize, return_indices: bool = False) -> Any:
    """The largest pixel of each of `output_size` (h, w) windows that cover the image evenly: (N, C, H, W) → (N, C, h, w).

    The windows are those of `adaptive_avg_pool2d`; ties and `return_indices` are as in `max_pool2d`.

    >>> import autograd_mini as ag
    >>> ag.adaptive_max_pool2d([[[[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]]], (1, 2))
    Tensor([[[[4., 5.]]]], shape=(1, 1, 1, 2))
    """
    return _adaptive_pool(2, x, output_size, return_indices)


def adaptive_max_pool1d(x: TensorLike, output_size: int, return_indices: bool = False) -> Any:
    """The largest element of each of `output_size` windows: (N, C, L) → (N, C, output_size). See `adaptive_max_pool2d`.

    >>> import autograd_mini as ag
    >>> ag.adaptive_max_pool1d([[[1.0, 3.0, 2.0]]], 2)
    Tensor([[[3., 3.]]], shape=(1, 1, 2))
    """
    return _adaptive_pool(1, x, output_size, return_indices)


def adaptive_max_pool3d(x: TensorLike, output_size: AdaptiveSize, return_indices: bool = False) -> Any:
    """The largest voxel of each of `output_size` (d, h, w) windows: (N, C, D, H, W) → (N, C, d, h, w).

    See `adaptive_max_pool2d`.

    >>> import autograd_mini as ag
    >>> ag.adaptive_max_pool3d(ag.arange(8.0).reshape(1, 1, 2, 2, 2), (1, 1, 2)).tolist()
    [[[[[6.0, 7.0]]]]]
    """
    return _adaptive_pool(3, x, output_size, return_indices)


# -- the inverse ---------------------------------------------------------------------------------------------------------------


def max_unpool2d(
    x: TensorLike,
    indices: TensorLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    output_size: int | Sequence[int] | None = None,
) -> Tensor:
    """Puts each element of x back to its place in images of zeros: the inverse of `max_pool2d` with `return_indices`.

    If windows overlap, so that a place is named twice, the last one counts. Raises ValueError for indices of another shape.

    Parameters
    ----------
    x, indices : the results of `max_pool2d`
    kernel_size, stride, padding : as in that `max_pool2d`
    output_size : size (h, w) of the images; by default, the smallest one that `max_pool2d` maps to the size of x

    Examples
    --------
    >>> import autograd_mini as ag
    >>> y, places = ag.max_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2, return_indices=True)
    >>> ag.max_unpool2d(y, places, 2).tolist()
    [[[[0.0, 0.0], [4.0, 0.0]]]]
    """
    return _unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool1d(
    x: TensorLike,
    indices: TensorLike,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    output_size: int | Sequence[int] | None = None,
) -> Tensor:
    """Puts each element of x back to its place in zeros (N, C, L): the inverse of `max_pool1d` with `return_indices`.

    Parameters
    ----------
    x, indices, kernel_size, stride, padding, output_size : as in `max_unpool2d`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> y, places = ag.max_pool1d([[[1.0, 3.0, 2.0, 4.0]]], 2, return_indices=True)
    >>> ag.max_unpool1d(y, places, 2).tolist()
    [[[0.0, 3.0, 0.0, 4.0]]]
    """
    return _unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: TensorLike,
    indices: TensorLike,
    kernel_size: OneOrThree,
    stride: OneOrThree | None = None,
    padding: OneOrThree = 0,
    output_size: int | Sequence[int] | None = None,
) -> Tensor:
    """Puts each element of x back to its place in zeros (N, C, D, H, W): the inverse of `max_pool3d` with `return_indices`.

    Parameters
    ----------
    x, indices, kernel_size, stride, padding, output_size : as in `max_unpool2d`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> y, places = ag.max_pool3d([[[[[1.0, 3.0]]]]], (1, 1, 2), return_indices=True)
    >>> ag.max_unpool3d(y, places, (1, 1, 2)).tolist()
    [[[[[0.0, 3.0]]]]]
    """
    return _unpool(3, x, indices, kernel_size, stride, padding, output_size)
