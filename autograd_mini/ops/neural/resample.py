"""Linear maps of images that treat each axis separately: one small matrix per axis averages or interpolates.

A tuple (kind, length, out, …) describes the map of an axis; its matrix (out, length) is computed once. The gradient uses the
transposed matrices. A nan or inf spreads along its row and column, because the product includes every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from ...apply import apply, as_float, as_number
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag
from .channels import channels_first, channels_last, channels_last_view, in_float32
from .windows import Lengths, int_lengths

__all__ = [
    "interpolate", "upsample",
]  # fmt: skip

AxisMap: TypeAlias = tuple[Any, ...]


def _span_means(length: int, start: Array, end: Array, count: Array) -> Array:
    """Returns a matrix whose row i is 1 / count[i] in the columns start[i] … end[i] − 1, and 0 in others."""
    column = np.arange(length)
    return ((column >= start[:, None]) & (column < end[:, None])) / count[:, None]


def _average(length: int, out: int, kernel: int, stride: int, padding: int, include: bool, divisor: int | None = None) -> Array:
    start = np.arange(out) * stride - padding
    end = np.minimum(start + kernel, length + padding)
    count = end - start if include else np.minimum(end, length) - np.maximum(start, 0)
    if divisor is not None:
        count = np.full(out, divisor)
    return _span_means(length, start, end, count)


def _adaptive(length: int, out: int) -> Array:
    i = np.arange(out)
    start, end = i * length // out, -((i + 1) * length // -out)
    return _span_means(length, start, end, end - start)


_SOURCES: Final[dict[str, Callable[[Array, int, int, float], Array]]] = {
    "nearest": lambda i, length, out, ratio: np.floor(i * ratio),
    "nearest-exact": lambda i, length, out, ratio: np.floor((i + 0.5) * ratio),
    "centred": lambda i, length, out, ratio: (i + 0.5) * ratio - 0.5,
    "aligned": lambda i, length, out, ratio: i * ((length - 1) / max(out - 1, 1)),
    "asymmetric": lambda i, length, out, ratio: i * ratio,
}
"""The input position of output pixel i, by mode; `ratio` is the number of input pixels per output pixel."""


def _cubic(distance: Array, a: float) -> Array:
    """Returns the weight of a pixel at this distance: the kernel of Keys 1981, equation 4, with the slope a at distance 1."""
    d = np.abs(distance)
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _linear(distance: Array) -> Array:
    return np.maximum(1 - np.abs(distance), 0.0)


def _add_weights(length: int, pixels: Array, weights: Array) -> Array:
    """Returns a matrix whose row i has weights[i] in the columns pixels[i], clamped to the image."""
    matrix = np.zeros((len(pixels), length))
    np.add.at(matrix, (np.arange(len(pixels))[:, None], np.clip(pixels, 0, length - 1)), weights)
    return matrix


def _interpolate(length: int, out: int, source: str, ratio: float) -> Array:
    """Returns the matrix of linear interpolation between the two pixels around the source, which is clamped to the image."""
    at = np.clip(_SOURCES[source](np.arange(out), length, out, ratio), 0, length - 1)[:, None]
    pixels = np.floor(at).astype(int) + np.arange(2)
    return _add_weights(length, pixels, _linear(at - pixels))


def _interpolate_cubic(length: int, out: int, source: str, ratio: float) -> Array:
    """Returns the matrix of cubic interpolation between the four pixels around the source; beyond the border, edges repeat."""
    at = _SOURCES[source](np.arange(out), length, out, ratio)[:, None]
    pixels = np.floor(at).astype(int) + np.arange(-1, 3)
    return _add_weights(length, pixels, _cubic(at - pixels, -0.75))


def _smooth(length: int, out: int, cubic: bool, ratio: float) -> Array:
    """Returns the matrix of interpolation with a kernel as wide as an output pixel, which avoids aliasing in small images."""
    scale = max(ratio, 1.0)
    distance = (np.arange(length) + 0.5 - (np.arange(out)[:, None] + 0.5) * ratio) / scale
    weights = _cubic(distance, -0.5) if cubic else _linear(distance)
    total: Array = weights / weights.sum(1, keepdims=True)
    return total


_MATRICES: Final[dict[str, Callable[..., Array]]] = {
    "average": _average,
    "adaptive": _adaptive,
    "interpolate": _interpolate,
    "cubic": _interpolate_cubic,
    "smooth": _smooth,
}


@lru_cache(maxsize=256)
def axis_matrices(maps: tuple[AxisMap, ...], transposed: bool, dtype: Any) -> list[Array]:
    """Returns the matrix of each axis, the last ones of the image."""
    full = [_MATRICES[kind](*args) for kind, *args in maps]
    return [np.ascontiguousarray(weights.T if transposed else weights, dtype) for weights in full]


@in_float32
def _resample(x: Array, maps: tuple[AxisMap, ...], transposed: bool, out: Array | None = None) -> Any:
    matrices = axis_matrices(maps, transposed, x.dtype)
    if x.flags.c_contiguous:
        return _map_axes(x, matrices, out)
    maps_last = _map_axes(channels_last(x), matrices, None if out is None else channels_last_view(out), first=1)
    return channels_first(maps_last)


def _map_axes(x: Array, matrices: Sequence[Array], out: Array | None, first: int = 2) -> Array:
    """Multiplies the axes of contiguous `x` from `first` on by their matrices, the last product into `out`."""
    last = first + len(matrices) - 1
    for axis, matrix in enumerate(matrices, first):
        target, behind = out if axis == last else None, x.ndim - axis - 1
        if behind == 0:
            x = np.matmul(x, matrix.T, out=target)
        elif behind == 1:
            x = np.matmul(matrix, x, out=target)
        else:
            *lead, length = x.shape[: axis + 1]
            tail = x.shape[axis + 1 :]
            x = np.matmul(matrix, x.reshape(*lead, length, math.prod(tail))).reshape(*lead, len(matrix), *tail)
    return x


def _resample_rule(xp: Any, g: Any, y: Any, x: Any, maps: tuple[AxisMap, ...], transposed: bool) -> Any:
    return xp.resample(g, maps=maps, transposed=not transposed)


RESAMPLE: Final = Primitive(
    "resample", _resample, formula="A x Bᵀ", derivative=("Aᵀ δ B",),
    vjp=(_resample_rule,),
    batch=rules.rows(),
)  # fmt: skip

# -- public functions ---------------------------------------------------------------------------------------------------

_AXES: Final = {"linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}
"""The numbers of axes of the modes that do not take all of them."""
_MODES: Final = {
    ("nearest", False): ("interpolate", "nearest"),
    ("nearest-exact", False): ("interpolate", "nearest-exact"),
    ("asymmetric", False): ("interpolate", "asymmetric"),
    **{(mode, align): ("interpolate", "aligned" if align else "centred")
       for mode in ("linear", "bilinear", "trilinear") for align in (False, True)},
    ("bicubic", False): ("cubic", "centred"),
    ("bicubic", True): ("cubic", "aligned"),
    ("area", False): ("adaptive",),
}  # fmt: skip
"""(mode, align_corners) -> kind of the matrix, and the source if it has one."""


def _factors(name: str, scale: Any, axes: int) -> tuple[float, ...]:
    values = tuple(scale) if isinstance(scale, (tuple, list)) else (scale,) * axes
    factors = tuple(as_number(f"{name}: scale_factor", v, "sizes have no gradient; use scale_factor.detach()") for v in values)
    if len(factors) != axes or not 0 < min(factors) <= max(factors) < 2**31:
        several = "a pair" if axes == 2 else f"a tuple of {axes}"
        raise ValueError(f"{name}: scale_factor must be a positive number or {several} of them, got {scale!r}")
    return factors


def _check_mode(name: str, shape: tuple[int, ...], mode: str, align_corners: bool, antialias: bool) -> None:
    axes = len(shape) - 2
    if (mode, align_corners) not in _MODES:
        known = ", ".join(key for key, align in _MODES if align == align_corners)
        raise ValueError(f"{name}: no mode {mode!r} with align_corners={align_corners}; expected one of {known}")
    if axes not in _AXES.get(mode, (axes,)):
        other = " or ".join(key for key, numbers in _AXES.items() if axes in numbers)
        raise ValueError(f"{name}: mode {mode!r} needs an input with {_AXES[mode][0] + 2} axes, got {shape}; use {other}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"{name}: antialias needs mode 'bilinear' or 'bicubic', got {mode!r}")


@lru_cache(maxsize=256)
def _axis_maps(
    name: str,
    shape: tuple[int, ...],
    out: Lengths,
    factors: tuple[float, ...],
    mode: str,
    align_corners: bool,
    antialias: bool,
) -> tuple[AxisMap, ...]:
    """Returns the map of each axis to the lengths `out`; their ratio is that of the lengths if there are no factors."""
    _check_mode(name, shape, mode, align_corners, antialias)
    lengths = shape[2:]
    ratios = [1 / f for f in factors] or [n / m for n, m in zip(lengths, out, strict=True)]
    if antialias:
        if align_corners:
            ratios = [(n - 1) / (m - 1) if m > 1 else 0.0 for n, m in zip(lengths, out, strict=True)]
        return tuple(("smooth", n, m, mode == "bicubic", r) for n, m, r in zip(lengths, out, ratios, strict=True))
    kind, *source = _MODES[mode, align_corners]
    if not source:
        return tuple((kind, n, m) for n, m in zip(lengths, out, strict=True))
    return tuple((kind, n, m, *source, r) for n, m, r in zip(lengths, out, ratios, strict=True))


def _resize(
    name: str, x: TensorLike, size: Any, scale_factor: Any, mode: Any, align_corners: Any, recompute: Any, antialias: Any
) -> Tensor:
    """Resizes `x`; `align_corners` and `recompute` may be None, PyTorch's default for False."""
    image, is_smooth = as_float(x), flag(name, "antialias", antialias)
    is_aligned = align_corners is not None and flag(name, "align_corners", align_corners)
    is_recomputed = recompute is not None and flag(name, "recompute_scale_factor", recompute)
    shape = image._data.shape
    axes = len(shape) - 2
    if axes not in (1, 2, 3) or 0 in shape[2:]:
        raise ValueError(
            f"{name}: expected an input of shape (N, C, L), (N, C, H, W) or (N, C, D, H, W) with pixels, got {shape}"
        )
    if (scale_factor is None) == (size is None):
        raise ValueError(f"{name}: expected either scale_factor or size, got scale_factor={scale_factor} and size={size}")
    if scale_factor is None:
        out, factors = int_lengths(name, "size", size, 1, axes), tuple[float, ...]()
    else:
        factors = _factors(name, scale_factor, axes)
        out = tuple(int(n * f) for n, f in zip(shape[2:], factors, strict=True))
        if 0 in out:
            raise ValueError(f"{name}: scale_factor {scale_factor} makes input {shape} empty")
    if not isinstance(mode, str):
        raise ValueError(f"{name}: mode must be a string, got {mode!r}")
    maps = _axis_maps(name, shape, out, () if is_recomputed else factors, mode, is_aligned, is_smooth)
    return apply(RESAMPLE, (image,), {"maps": maps, "transposed": False})


def interpolate(
    x: TensorLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes series (N, C, L), images (N, C, H, W) or volumes (N, C, D, H, W). The gradient is the transposed map.

    Output pixel i has the source (i + ½) / scale − ½ between the input pixels, or i (H − 1) / (h − 1) with `align_corners`.
    Raises ValueError for an unknown mode, or unless exactly one of `size` and `scale_factor` is given.

    Parameters
    ----------
    x : images
    size : the new size, an int or one for each axis
    scale_factor : a number, or one for each axis; the new height is ⌊scale · H⌋
    mode : "nearest": pixel ⌊i / scale⌋; "nearest-exact": pixel ⌊(i + ½) / scale⌋; "linear" (series), "bilinear" (images),
        "trilinear" (volumes): between the neighbours of the source; "bicubic": cubic with a = −0.75 (Keys 1981); "area": the
        windows of `adaptive_avg_pool2d`; "asymmetric": linear with the source i / scale, so that for scale 2 the originals are
        at even positions
    align_corners : whether the corner pixels of input and output are at the same place
    recompute_scale_factor : compute the source from the sizes instead of `scale_factor`, which differ if ⌊scale · H⌋ rounds
    antialias : in modes "bilinear" and "bicubic" (a = −0.5), widen the kernel to the size of an output pixel, as Pillow does

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.interpolate([[[1.0, 3.0]]], size=4, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]], shape=(1, 1, 4))
    >>> ag.interpolate([[[1.0, 3.0]]], scale_factor=2)
    Tensor([[[1., 1., 3., 3.]]], shape=(1, 1, 4))
    """
    return _resize("interpolate", x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)


def upsample(
    x: TensorLike,
    scale_factor: float | Sequence[float] | None = None,
    *,
    size: int | Sequence[int] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resizes images like `interpolate`, with `scale_factor` as the first argument.

    Parameters
    ----------
    x, scale_factor, size, mode, align_corners, recompute_scale_factor : as in `interpolate`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.upsample([[[[1.0, 3.0]]]], (1, 2), mode="asymmetric")
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """
    return _resize("upsample", x, size, scale_factor, mode, align_corners, recompute_scale_factor, False)
