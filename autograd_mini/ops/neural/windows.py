"""What convolutions, pools and other functions of windows share: lengths along each axis, images without a batch, pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from operator import index
from typing import Any, Final, TypeAlias

import numpy as np

from ...apply import as_float
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag
from ..shape import reshape

Lengths: TypeAlias = tuple[int, ...]
"""One length for each axis of an image: (L), (H, W) or (D, H, W)."""
Padding: TypeAlias = tuple[tuple[int, int], ...]
"""Padding before and after each axis."""
OneOrTwo: TypeAlias = int | tuple[int, int]
OneOrThree: TypeAlias = int | tuple[int, int, int]
AdaptiveSize: TypeAlias = int | tuple[int | None, ...] | None
"""An output size; None is the length of the input."""

SHAPES: Final = {1: "C, L", 2: "C, H, W", 3: "C, D, H, W"}
"""The shape of an image, by the number of its axes besides the channels."""
_ONE_OR_MORE: Final = {1: "an int", 2: "an int or a pair of ints", 3: "an int or a tuple of 3 ints"}


_MOST: Final = 1 << 31


def windows_out(length: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """Returns the number of windows that fit along an axis; none fits if it is below 1."""
    return (length + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def int_lengths(name: str, argument: str, value: Any, least: int, axes: int) -> Lengths:
    """Converts an int or a tuple to one int for each axis; errors name the function and the argument.

    Raises ValueError for other values, and for ints below `least`.
    """
    if type(value) is int and least <= value < _MOST:  # the common case
        return (value,) * axes
    lengths = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    try:
        numbers = tuple(map(index, lengths))
    except TypeError:
        numbers = ()
    if len(numbers) != axes:
        raise ValueError(f"{name}: {argument} must be {_ONE_OR_MORE[axes]}, got {value!r}")
    if min(numbers) < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    if max(numbers) >= _MOST:
        raise ValueError(f"{name}: {argument} must be below 2³¹, got {value!r}")
    return numbers


def padding_pairs(name: str, padding: Any, kernel: Lengths, stride: Lengths, dilation: Lengths) -> Padding:
    """Converts `padding` to (before, after) for each axis; as in PyTorch, "same" puts the larger part of an odd total last."""
    named = padding if isinstance(padding, str) else ""
    if named == "valid":
        return ((0, 0),) * len(kernel)
    if named == "same":
        if max(stride) > 1:
            raise ValueError(f'{name}: padding "same" needs stride 1, got {stride}')
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(padding, str):
        raise ValueError(f'{name}: padding must be ints, "same" or "valid", got {padding!r}')
    return tuple((p, p) for p in int_lengths(name, "padding", padding, 0, len(kernel)))


def window_geometry(
    name: str, shape: tuple[int, ...], kernel: Lengths, stride: Any, padding: Any, dilation: Lengths, ceil_mode: bool
) -> tuple[Lengths, Padding, Lengths]:
    """Returns stride, padding and output size; with `ceil_mode`, the padding includes the end of the last window."""
    axes, ceil_mode = len(kernel), flag(name, "ceil_mode", ceil_mode)
    steps = kernel if stride is None else int_lengths(name, "stride", stride, 1, axes)
    before = int_lengths(name, "padding", padding, 0, axes)
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
    return steps, tuple(pads), tuple(out)


def adaptive_lengths(name: str, output_size: Any, shape: tuple[int, ...]) -> Lengths:
    """Converts `output_size` to one int for each axis of images of this shape, where None is the length of the image."""
    lengths = shape[2:]
    if 0 in lengths:
        raise ValueError(f"{name}: expected images with pixels, got shape {shape}")
    if isinstance(output_size, (tuple, list)) and len(output_size) == len(lengths):
        output_size = tuple(n if size is None else size for n, size in zip(lengths, output_size, strict=True))
    return int_lengths(name, "output_size", lengths if output_size is None else output_size, 1, len(lengths))


def image_batch(name: str, x: TensorLike, axes: int) -> tuple[Tensor, bool]:
    """Converts `x` to a floating batch of images; one image (C, …) becomes a batch of one, and the second result is True.

    Raises ValueError for other shapes.
    """
    image = as_float(x)
    shape = image._data.shape
    if len(shape) == axes + 2:
        return image, False
    if len(shape) == axes + 1:
        return reshape(image, 1, *shape), True
    raise ValueError(f"{name}: expected an input of shape (N, {SHAPES[axes]}) or ({SHAPES[axes]}), got {shape}")


def without_batch(y: Tensor, single: bool) -> Tensor:
    """Removes the batch axis that `image_batch` added."""
    return reshape(y, y._data.shape[1:]) if single else y


# -- pixels of windows ---------------------------------------------------------------------------------------------------------


def allocate_padded(like: Array, shape: tuple[int, ...], padding: Padding, dtype: Any) -> tuple[Array, Array]:
    """Allocates images of `shape` plus padding, in the layout of `like`; returns them and a view without the padding."""
    n, c, *lengths = shape
    frame = (n, c, *(m + sum(p) for m, p in zip(lengths, padding, strict=True)))
    padded = np.empty_like(like, dtype, shape=frame)
    inside = (slice(before, before + m) for m, (before, _) in zip(lengths, padding, strict=True))
    return padded, padded[(slice(None), slice(None), *inside)]


def pixels_by_offset(images: Array, out: Lengths, kernel: Lengths, stride: Lengths, dilation: Lengths) -> Iterator[Array]:
    """Yields, for each position in a window in row-major order, the pixels of all windows at it: views (N, C, …)."""
    slices = (
        [slice(first, first + s * (n - 1) + 1, s) for first in range(0, k * d, d)]
        for k, d, s, n in zip(kernel, dilation, stride, out, strict=True)
    )
    for at in product(*slices):
        yield images[(slice(None), slice(None), *at)]


def padded_pixels_by_offset(
    x: Array, out: Lengths, kernel: Lengths, stride: Lengths, padding: Padding, dilation: Lengths, fill: float
) -> Iterator[Array]:
    """Pads `x` with `fill`, then does the same as `pixels_by_offset`."""
    if any(map(any, padding)):
        source = x
        x, inside = allocate_padded(source, source.shape, padding, source.dtype)
        x.fill(fill)
        inside[...] = source
    return pixels_by_offset(x, out, kernel, stride, dilation)
