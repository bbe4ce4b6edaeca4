"""Average pooling: the mean of every window of series, images or volumes, as one small matrix for each axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...apply import apply
from ...tensor import Tensor, TensorLike
from ...tools.arguments import flag
from .resample import RESAMPLE, AxisMap
from .windows import (
    AdaptiveSize,
    Lengths,
    OneOrThree,
    OneOrTwo,
    adaptive_lengths,
    image_batch,
    int_lengths,
    window_geometry,
    without_batch,
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
]  # fmt: skip


@lru_cache(maxsize=256)
def _average_maps(
    name: str,
    shape: tuple[int, ...],
    kernel: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> tuple[AxisMap, ...]:
    """Returns the map of each axis; the first one divides by the divisor, if there is one, and the others by 1."""
    axes = len(kernel)
    steps, _, out = window_geometry(name, shape, kernel, stride, padding, (1,) * axes, ceil_mode)
    divisors = (None,) * axes if divisor is None else (divisor, *(1,) * (axes - 1))
    geometry = zip(shape[2:], out, kernel, steps, padding, strict=True)
    return tuple(("average", *axis, count_include_pad, d) for axis, d in zip(geometry, divisors, strict=True))


def _pool(
    axes: int,
    x: TensorLike,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    name = f"avg_pool{axes}d"
    image, single = image_batch(name, x, axes)
    kernel, pads = int_lengths(name, "kernel_size", kernel_size, 1, axes), int_lengths(name, "padding", padding, 0, axes)
    steps = None if stride is None else int_lengths(name, "stride", stride, 1, axes)
    divisor = None if divisor_override is None else int_lengths(name, "divisor_override", divisor_override, 1, 1)[0]
    ceil, include = flag(name, "ceil_mode", ceil_mode), flag(name, "count_include_pad", count_include_pad)
    maps = _average_maps(name, image._data.shape, kernel, steps, pads, ceil, include, divisor)
    return without_batch(apply(RESAMPLE, (image,), {"maps": maps, "transposed": False}), single)


def _adaptive_pool(axes: int, x: TensorLike, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{axes}d"
    image, single = image_batch(name, x, axes)
    out = adaptive_lengths(name, output_size, image._data.shape)
    maps = tuple(("adaptive", *lengths) for lengths in zip(image._data.shape[2:], out, strict=True))
    return without_batch(apply(RESAMPLE, (image,), {"maps": maps, "transposed": False}), single)


# -- windows of one size -------------------------------------------------------------------------------------------------------


def avg_pool2d(
    x: TensorLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean pixel of every window: (N, C, H, W) → (N, C, H′, W′), with H′ as in `max_pool2d`.

    Raises ValueError if no window fits.

    Parameters
    ----------
    x, kernel_size, stride : as in `max_pool2d`
    padding : pixels around the image, an int or (h, w)
    ceil_mode : as in `max_pool2d`; the pixels that it adds never count, as in PyTorch
    count_include_pad : count padding as zeros; otherwise it does not count
    divisor_override : divide the sum of each window by this number instead of the count

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.avg_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 2)
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """
    return _pool(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool1d(
    x: TensorLike,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window: (N, C, L) → (N, C, L′). See `avg_pool2d`.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode, count_include_pad : as in `avg_pool2d`, with one length instead of (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.avg_pool1d([[[1.0, 3.0, 2.0, 4.0]]], 2)
    Tensor([[[2., 3.]]], shape=(1, 1, 2))
    """
    return _pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool3d(
    x: TensorLike,
    kernel_size: OneOrThree,
    stride: OneOrThree | None = None,
    padding: OneOrThree = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window: (N, C, D, H, W) → (N, C, D′, H′, W′). See `avg_pool2d`.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override : as in `avg_pool2d`, with (d, h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.avg_pool3d(ag.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
    3.5
    """
    return _pool(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# -- windows that cover the image evenly ---------------------------------------------------------------------------------------


def adaptive_avg_pool2d(x: TensorLike, output_size: AdaptiveSize) -> Tensor:
    """Means of `output_size` (h, w) windows that cover the image evenly: (N, C, H, W) → (N, C, h, w).

    Window i spans ⌊i H / h⌋ … ⌈(i + 1) H / h⌉ − 1, as in PyTorch. Size 1 is the mean of the whole image; None keeps a length.

    >>> import autograd_mini as ag
    >>> ag.adaptive_avg_pool2d([[[[1.0, 2.0], [4.0, 3.0]]]], 1)
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """
    return _adaptive_pool(2, x, output_size)


def adaptive_avg_pool1d(x: TensorLike, output_size: int) -> Tensor:
    """Means of `output_size` windows that cover the series evenly: (N, C, L) → (N, C, output_size).

    See `adaptive_avg_pool2d`.

    >>> import autograd_mini as ag
    >>> ag.adaptive_avg_pool1d([[[1.0, 3.0, 2.0]]], 2)
    Tensor([[[2. , 2.5]]], shape=(1, 1, 2))
    """
    return _adaptive_pool(1, x, output_size)


def adaptive_avg_pool3d(x: TensorLike, output_size: AdaptiveSize) -> Tensor:
    """Means of `output_size` (d, h, w) windows that cover the volume evenly: (N, C, D, H, W) → (N, C, d, h, w).

    See `adaptive_avg_pool2d`.

    >>> import autograd_mini as ag
    >>> ag.adaptive_avg_pool3d(ag.arange(8.0).reshape(1, 1, 2, 2, 2), (1, 1, 2)).tolist()
    [[[[[3.0, 4.0]]]]]
    """
    return _adaptive_pool(3, x, output_size)
