"""Linear maps of images that treat rows and columns separately: a small matrix for each axis averages or interpolates.

A map is named by a tuple, (kind, length, out, …), from which its matrix (out, length) is made once. The gradient is the same
pair of matrices, transposed. A nan or inf spreads along its row and column, since every pixel meets every entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from ...primitive import Primitive
from ...tensor import Array
from .channels import channels_last, in_float32

AxisMap: TypeAlias = tuple[Any, ...]


def _spans(length: int, start: Array, end: Array, count: Array) -> Array:
    """Row i: 1 / count[i] from start[i] up to, and without, end[i]."""
    at = np.arange(length)
    return ((at >= start[:, None]) & (at < end[:, None])) / count[:, None]


def _average(length: int, out: int, kernel: int, stride: int, padding: int, include: bool) -> Array:
    start = np.arange(out) * stride - padding
    end = np.minimum(start + kernel, length + padding)
    count = end - start if include else np.minimum(end, length) - np.maximum(start, 0)
    return _spans(length, start, end, count)


def _adaptive(length: int, out: int) -> Array:
    i = np.arange(out)
    start, end = i * length // out, -((i + 1) * length // -out)
    return _spans(length, start, end, end - start)


_SOURCES: Final[dict[str, Callable[[Array, int, int, float], Array]]] = {
    "nearest": lambda i, length, out, ratio: np.floor(i * ratio),
    "bilinear": lambda i, length, out, ratio: (i + 0.5) * ratio - 0.5,
    "aligned": lambda i, length, out, ratio: i * ((length - 1) / max(out - 1, 1)),
    "asymmetric": lambda i, length, out, ratio: i * ratio,
}
"""Where output pixel i lies among the input's, by mode; `ratio` is input pixels per output pixel."""


def _interpolate(length: int, out: int, mode: str, ratio: float) -> Array:
    i = np.arange(out)
    source = np.clip(_SOURCES[mode](i, length, out, ratio), 0, length - 1)
    left = np.floor(source).astype(int)
    weights = np.zeros((out, length))
    weights[i, left] = 1 - (source - left)
    weights[i, np.minimum(left + 1, length - 1)] += source - left
    return weights


_MAPS: Final[dict[str, Callable[..., Array]]] = {"average": _average, "adaptive": _adaptive, "interpolate": _interpolate}


@lru_cache(maxsize=256)
def _matrix(axis: AxisMap, transposed: bool, dtype: Any) -> Array:
    kind, *facts = axis
    weights = _MAPS[kind](*facts)
    return np.ascontiguousarray(weights.T if transposed else weights, dtype)


@in_float32
def _resample(x: Array, rows: AxisMap, columns: AxisMap, transposed: bool, out: Array | None = None) -> Any:
    down, across = _matrix(rows, transposed, x.dtype), _matrix(columns, transposed, x.dtype)
    if x.flags.c_contiguous:
        return np.matmul(np.matmul(down, x), across.T, out=out)
    n, c, h, w = x.shape
    y = np.matmul(down, channels_last(x).reshape(n, h, w * c))
    into = None if out is None else out.transpose(0, 2, 3, 1)
    return np.matmul(across, y.reshape(n, len(down), w, c), out=into).transpose(0, 3, 1, 2)


RESAMPLE: Final = Primitive(
    "resample",
    _resample,
    (
        lambda xp, g, y, x, rows, columns, transposed: xp.resample(
            g, rows=rows, columns=columns, transposed=not transposed
        ),
    ),
    formula="A x Bᵀ",
    derivative=("Aᵀ δ B",),
)  # fmt: skip
