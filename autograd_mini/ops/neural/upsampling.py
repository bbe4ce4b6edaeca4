"""Upsampling, and resizing in general: every output pixel is interpolated between the input pixels around its source."""

from __future__ import annotations

from typing import Any, Final

from ...apply import apply, floating
from ...tensor import Tensor, TensorLike
from .conv import Pair, int_pair
from .resample import RESAMPLE

__all__ = [
    "upsample",
]

_KINDS: Final = {(kind, False): kind for kind in ("nearest", "bilinear", "asymmetric")} | {("bilinear", True): "aligned"}


def _scales(scale: Any) -> tuple[float, float]:
    given = tuple(scale) if isinstance(scale, (tuple, list)) else (scale, scale)
    if len(given) != 2 or not min(given) > 0:
        raise ValueError(f"upsample: scale_factor must be a positive number or a pair of them, got {scale!r}")
    return float(given[0]), float(given[1])


def upsample(
    x: TensorLike,
    scale_factor: float | tuple[float, float] | None = None,
    *,
    size: int | Pair | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Images (N, C, H, W) resized by `scale_factor` (a number, or one for each axis), to ⌊scale · H⌋, or to `size` (h, w).

    The source of output pixel i, clamped to [0, H − 1], goes by `mode`: "nearest" ⌊i / scale⌋; "bilinear" (i + ½) / scale − ½,
    or i (H − 1) / (h − 1) with `align_corners`; "asymmetric" i / scale, interpolated as well: for scale 2 the originals stand
    at even places and the last is repeated at the border. The gradient is the transposed map. ValueError for an unknown mode,
    or unless exactly one of `scale_factor` and `size` is given.

    >>> import autograd_mini as ag
    >>> ag.upsample([[[[1.0, 3.0]]]], (1, 2), mode="asymmetric")
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """
    image = floating(x)
    shape = image._data.shape
    if len(shape) != 4 or 0 in shape[2:]:
        raise ValueError(f"upsample: expected an input of shape (N, C, H, W) with pixels, got {shape}")
    if (scale_factor is None) == (size is None):
        raise ValueError("upsample: needs either a scale_factor or a size")
    if (mode, align_corners) not in _KINDS:
        raise ValueError(f"upsample: no mode {mode!r} with align_corners={align_corners}; modes: nearest, bilinear, asymmetric")
    if scale_factor is None:
        out = int_pair("upsample", "size", size, 1)
        ratios = shape[2] / out[0], shape[3] / out[1]
    else:
        factors = _scales(scale_factor)
        out = int(shape[2] * factors[0]), int(shape[3] * factors[1])
        ratios = 1 / factors[0], 1 / factors[1]
        if 0 in out:
            raise ValueError(f"upsample: scale_factor {scale_factor} leaves nothing of input {shape}")
    kind = _KINDS[mode, align_corners]
    rows, columns = (("interpolate", n, m, kind, r) for n, m, r in zip(shape[2:], out, ratios, strict=True))
    return apply(RESAMPLE, (image,), {"rows": rows, "columns": columns, "transposed": False})
