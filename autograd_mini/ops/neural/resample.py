"""Linear maps of images that treat rows and columns separately: one small matrix per axis averages or interpolates.

A tuple (kind, length, out, …) describes the map of an axis; its matrix (out, length) is computed once. The gradient uses the
transposed matrices. A nan or inf spreads along its row and column, because the product includes every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from ...apply import apply, as_float, as_number
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from ...tools.arguments import flag
from .channels import channels_last, in_float32
from .conv import Pair, int_pair

__all__ = [
    "upsample",
]  # fmt: skip

AxisMap: TypeAlias = tuple[Any, ...]


def _span_means(length: int, start: Array, end: Array, count: Array) -> Array:
    """Returns a matrix whose row i is 1 / count[i] in the columns start[i] … end[i] − 1, and 0 in others."""
    column = np.arange(length)
    return ((column >= start[:, None]) & (column < end[:, None])) / count[:, None]


def _average(length: int, out: int, kernel: int, stride: int, padding: int, include: bool) -> Array:
    start = np.arange(out) * stride - padding
    end = np.minimum(start + kernel, length + padding)
    count = end - start if include else np.minimum(end, length) - np.maximum(start, 0)
    return _span_means(length, start, end, count)


def _adaptive(length: int, out: int) -> Array:
    i = np.arange(out)
    start, end = i * length // out, -((i + 1) * length // -out)
    return _span_means(length, start, end, end - start)


_SOURCES: Final[dict[str, Callable[[Array, int, int, float], Array]]] = {
    "nearest": lambda i, length, out, ratio: np.floor(i * ratio),
    "bilinear": lambda i, length, out, ratio: (i + 0.5) * ratio - 0.5,
    "aligned": lambda i, length, out, ratio: i * ((length - 1) / max(out - 1, 1)),
    "asymmetric": lambda i, length, out, ratio: i * ratio,
}
"""The input position of output pixel i, by mode; `ratio` is the number of input pixels per output pixel."""


def _interpolate(length: int, out: int, mode: str, ratio: float) -> Array:
    i = np.arange(out)
    source = np.clip(_SOURCES[mode](i, length, out, ratio), 0, length - 1)
    left = np.floor(source).astype(int)
    weights = np.zeros((out, length))
    weights[i, left] = 1 - (source - left)
    weights[i, np.minimum(left + 1, length - 1)] += source - left
    return weights


_MATRICES: Final[dict[str, Callable[..., Array]]] = {"average": _average, "adaptive": _adaptive, "interpolate": _interpolate}


@lru_cache(maxsize=256)
def _matrix(axis: AxisMap, transposed: bool, dtype: Any) -> Array:
    kind, *args = axis
    weights = _MATRICES[kind](*args)
    return np.ascontiguousarray(weights.T if transposed else weights, dtype)


@in_float32
def _resample(x: Array, rows: AxisMap, columns: AxisMap, transposed: bool, out: Array | None = None) -> Any:
    down, across = _matrix(rows, transposed, x.dtype), _matrix(columns, transposed, x.dtype)
    if x.flags.c_contiguous:
        return np.matmul(np.matmul(down, x), across.T, out=out)
    n, c, h, w = x.shape
    y = np.matmul(down, channels_last(x).reshape(n, h, w * c))
    target = None if out is None else out.transpose(0, 2, 3, 1)
    return np.matmul(across, y.reshape(n, len(down), w, c), out=target).transpose(0, 3, 1, 2)


def _resample_rule(xp: Any, g: Any, y: Any, x: Any, rows: AxisMap, columns: AxisMap, transposed: bool) -> Any:
    return xp.resample(g, rows=rows, columns=columns, transposed=not transposed)


RESAMPLE: Final = Primitive(
    "resample", _resample, formula="A x Bᵀ", derivative=("Aᵀ δ B",),
    vjp=(_resample_rule,),
)  # fmt: skip

_KINDS: Final = {(kind, False): kind for kind in ("nearest", "bilinear", "asymmetric")} | {("bilinear", True): "aligned"}


def _scale_pair(scale: Any) -> tuple[float, ...]:
    values = tuple(scale) if isinstance(scale, (tuple, list)) else (scale, scale)
    pair = tuple(as_number("upsample: scale_factor", v, "sizes have no gradient; use scale_factor.detach()") for v in values)
    if len(pair) != 2 or not 0 < min(pair) <= max(pair) < math.inf:
        raise ValueError(f"upsample: scale_factor must be a positive number or a pair of them, got {scale!r}")
    return pair


def upsample(
    x: TensorLike,
    scale_factor: float | tuple[float, float] | None = None,
    *,
    size: int | Pair | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Resizes images (N, C, H, W). Each output pixel i has a source between the input pixels, clamped to [0, H − 1].

    The gradient is the transposed map. Raises ValueError for an unknown mode, or unless exactly one of `scale_factor` and
    `size` is given.

    Parameters
    ----------
    x : images
    scale_factor : a number, or one for each axis; the new height is ⌊scale · H⌋
    size : the new size, an int or (h, w)
    mode : the source: "nearest" ⌊i / scale⌋; "bilinear" (i + ½) / scale − ½; "asymmetric" i / scale, interpolated too: for
        scale 2 the originals are at even positions and the last one is repeated at the border
    align_corners : "bilinear" with the source i (H − 1) / (h − 1)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.upsample([[[[1.0, 3.0]]]], (1, 2), mode="asymmetric")
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """
    image = as_float(x)
    shape = image._data.shape
    if len(shape) != 4 or 0 in shape[2:]:
        raise ValueError(f"upsample: expected an input of shape (N, C, H, W) with pixels, got {shape}")
    if (scale_factor is None) == (size is None):
        raise ValueError(f"upsample: expected either scale_factor or size, got scale_factor={scale_factor} and size={size}")
    align_corners = flag("upsample", "align_corners", align_corners)
    if not isinstance(mode, str) or (mode, align_corners) not in _KINDS:
        raise ValueError(
            f"upsample: no mode {mode!r} with align_corners={align_corners}; expected nearest, bilinear or asymmetric"
        )
    if scale_factor is None:
        out = int_pair("upsample", "size", size, 1)
        ratios = shape[2] / out[0], shape[3] / out[1]
    else:
        factors = _scale_pair(scale_factor)
        out = int(shape[2] * factors[0]), int(shape[3] * factors[1])
        ratios = 1 / factors[0], 1 / factors[1]
        if 0 in out:
            raise ValueError(f"upsample: scale_factor {scale_factor} makes input {shape} empty")
    kind = _KINDS[mode, align_corners]
    rows, columns = (("interpolate", n, m, kind, r) for n, m, r in zip(shape[2:], out, ratios, strict=True))
    return apply(RESAMPLE, (image,), {"rows": rows, "columns": columns, "transposed": False})
