"""PyTorch's `grid_sample`, which reads an image between its pixels, and `cdist`, the distances between two sets of vectors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..apply import as_float, as_floats, as_number
from ..ops.elementwise import abs, clip, floor, nan_to_num, remainder, rint, where
from ..ops.index import getitem
from ..ops.moments import norm
from ..ops.reduce import sum
from ..ops.shape import astype, expand_dims, moveaxis
from ..tensor import Tensor, TensorLike
from ..tools.arguments import flag, one_of

__all__ = ["cdist", "grid_sample"]

# -- between pixels ------------------------------------------------------------------------------------------------------------


def _cubic(t: Tensor, offset: int) -> Tensor:
    """Returns the weight of the pixel at `offset`: the kernel of Keys 1981, equation 4, with the slope −0.75 at distance 1."""
    a, d = -0.75, t - offset if offset <= 0 else offset - t
    return ((a + 2) * d - (a + 3)) * d * d + 1 if offset in (0, 1) else ((d - 5) * d + 8) * d * a - 4 * a


_MODES: Final[dict[str, tuple[Callable[..., Tensor], tuple[int, ...], Callable[[Tensor, int], Tensor | None]]]] = {
    "bilinear": (floor, (0, 1), lambda t, offset: t if offset else 1 - t),
    "nearest": (rint, (0,), lambda t, offset: None),
    "bicubic": (floor, (-1, 0, 1, 2), _cubic),
}
"""By mode: the first pixel of a position, the offsets of the pixels around it, and their weights."""


def _reflect(at: Tensor, n: int, align_corners: bool) -> Tensor:
    """Returns positions mirrored into the image: at the centres of its outer pixels, or at their outer edges."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if not span:
        return at * 0.0
    distance = abs(at - low)
    flips = floor(distance / span)
    rest = distance - flips * span
    return where(remainder(flips, 2) == 0, rest, span - rest) + low


def _inside(at: Tensor, n: int, padding_mode: str, align_corners: bool) -> Tensor:
    if padding_mode == "zeros":
        return at
    return clip(_reflect(at, n, align_corners) if padding_mode == "reflection" else at, 0.0, float(n - 1))


def _taps(g: Tensor, n: int, mode: str, padding_mode: str, align_corners: bool) -> list[tuple[Tensor, Any]]:
    """Returns the pixels along an axis that a coordinate in [−1, 1] reads, each with its weight."""
    first, offsets, weight_of = _MODES[mode]
    at = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
    at = at if mode == "bicubic" else _inside(at, n, padding_mode, align_corners)
    base = first(at)
    taps = []
    for offset in offsets:
        pixel, weight = base + offset, weight_of(at - base, offset)
        if mode == "bicubic":
            pixel = _inside(pixel, n, padding_mode, align_corners)
        real = (pixel >= 0) & (pixel <= n - 1)
        weight = where(real, 1.0 if weight is None else weight, 0.0)
        taps.append((astype(nan_to_num(clip(pixel, 0.0, float(n - 1))), "int64"), astype(weight, g.dtype)))
    return taps


def grid_sample(
    input: TensorLike,
    grid: TensorLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Reads images (N, C, H, W) or volumes (N, C, D, H, W) at the points of `grid`, which also get a gradient.

    Parameters
    ----------
    input : the images
    grid : points (N, H′, W′, 2) as (x, y), or (N, D′, H′, W′, 3) as (x, y, z); −1 and 1 are the borders of the image
    mode : "bilinear", "nearest", or "bicubic" for images
    padding_mode : what is outside of the image: "zeros", "border" (its outer pixels) or "reflection"
    align_corners : True if −1 and 1 are the centres of the outer pixels; by default they are their outer edges

    Examples
    --------
    >>> import autograd_mini as ag
    >>> image = ag.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ag.grid_sample(image, [[[[0.0, 0.0], [0.5, -0.5]]]])
    Tensor([[[[2.5, 2. ]]]], shape=(1, 1, 1, 2))
    """
    one_of("grid_sample", "mode", mode, tuple(_MODES))
    one_of("grid_sample", "padding_mode", padding_mode, ("zeros", "border", "reflection"))
    aligned = align_corners is not None and flag("grid_sample", "align_corners", align_corners)
    x, g = as_floats(input, grid)
    shape, axes = x._data.shape, x._data.ndim - 2
    if axes not in (2, 3) or g._data.ndim != axes + 2 or g._data.shape[0] != shape[0] or g._data.shape[-1] != axes:
        raise ValueError(
            "grid_sample: expected input (N, C, H, W) with grid (N, H′, W′, 2), or input (N, C, D, H, W) with grid "
            f"(N, D′, H′, W′, 3), got shapes {shape} and {g.shape}"
        )
    if not min(shape[2:]):
        raise ValueError(f"grid_sample: expected images with at least one pixel, got shape {shape}")
    if mode == "bicubic" and axes == 3:
        raise ValueError(f"grid_sample: mode 'bicubic' needs an input with 4 axes, got shape {shape}")
    rows = np.arange(shape[0]).reshape(-1, *(1,) * axes)
    coordinates = [getitem(g, (..., axes - 1 - k)) for k in range(axes)]  # x belongs to the last axis
    taps = [_taps(c, n, mode, padding_mode, aligned) for c, n in zip(coordinates, shape[2:], strict=True)]
    total: Any = 0.0
    for corner in itertools.product(*taps):
        weight: Any = 1.0
        for _, w in corner:
            weight = w * weight
        total = getitem(x, (rows, slice(None), *(pixel for pixel, _ in corner))) * expand_dims(weight, -1) + total
    return moveaxis(total, -1, 1)


# -- distances -----------------------------------------------------------------------------------------------------------------


def cdist(x1: TensorLike, x2: TensorLike, p: float = 2.0) -> Tensor:
    """Distances ‖x₁ᵢ − x₂ⱼ‖ₚ of all pairs of vectors: (…, P, M) and (…, R, M) give (…, P, R). At distance 0 the gradient is 0.

    p = 0 counts the coordinates that differ, inf takes the largest difference.

    >>> import autograd_mini as ag
    >>> ag.cdist([[0.0, 0.0], [3.0, 0.0]], [[0.0, 4.0]])
    Tensor([[4.],
            [5.]], shape=(2, 1))
    """
    a, b = as_floats(x1, x2)
    a, b = as_float(a), as_float(b)
    p = as_number("cdist: p", p, "write ag.norm(x1[:, None] - x2, p=p, dim=-1)")
    if not p >= 0:
        raise ValueError(f"cdist: p must be at least 0, got {p}")
    if a._data.ndim < 2 or b._data.ndim < 2 or a._data.shape[-1] != b._data.shape[-1]:
        raise ValueError(f"cdist: expected shapes (…, P, M) and (…, R, M), got {a.shape} and {b.shape}")
    difference = expand_dims(a, -2) - expand_dims(b, -3)
    return sum(astype(difference != 0, difference.dtype), -1) if p == 0 else norm(difference, p, -1)
