"""Sums and broadcasts per channel, for images that are stored channels-last.

Convolutions store (N, C, H, W) in memory as (N, H, W, C). NumPy is slow on rows as short as C, so kernels process W pixels
at a time, as a row of a matrix (N · H, W · C). This needs no copy, and a sum over pixels is a matrix product.
An array `out` for the result must have the strides that the result has without `out`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from itertools import repeat
from typing import Any

import numpy as np

from ...batching import rules
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Shape


def in_float32(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a kernel compute float16 operands in float32, for precise sums and fast matrix products."""

    @wraps(kernel)
    def run(x: Array, *others: Any, out: Any = None, **params: Any) -> Any:
        if x.dtype.itemsize > 2:
            return kernel(x, *others, out=out, **params)
        result = kernel(*[a.astype(np.float32) for a in (x, *others)], out=None, **params)
        if isinstance(result, tuple):
            return tuple(store(a.astype(x.dtype), target) for a, target in zip(result, out or repeat(None), strict=False))
        return store(result.astype(x.dtype), out)

    return run


def store(result: Array, out: Array | None) -> Array:
    """Copies a result into `out` and returns `out`; returns the result itself if `out` is None."""
    if out is None:
        return result
    out[...] = result
    return out


def channels_last_view(x: Array) -> Array:
    """Returns (N, C, …) as a view (N, …, C)."""
    return x.transpose(_to_last(x.ndim))


def channels_first(maps: Array) -> Array:
    """Returns (N, …, C) as a view (N, C, …)."""
    return maps.transpose(_to_first(maps.ndim))


@cache
def _to_last(ndim: int) -> tuple[int, ...]:
    return 0, *range(2, ndim), 1


@cache
def _to_first(ndim: int) -> tuple[int, ...]:
    return 0, ndim - 1, *range(1, ndim - 1)


def channels_last(x: Array) -> Array:
    """Returns (N, C, …) as a contiguous (N, …, C) array, which is a view if the memory has this order."""
    return np.ascontiguousarray(channels_last_view(x))


def to_rows(x: Array) -> Array:
    """Returns (N, C, …, W) as contiguous rows (N · …, W · C), which is a view if the memory has this order."""
    n, channels, *rest = x.shape
    return channels_last(x).reshape(n * math.prod(rest[:-1]), channels * (rest[-1] if rest else 1))


def from_rows(rows: Array, shape: Shape) -> Array:
    """Inverts `to_rows` for an array of `shape`."""
    n, channels, *rest = shape
    return rows.reshape(n, *rest, channels).transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def column_sums(rows: Array) -> Any:
    """Computes the sum of each column as a matrix product with ones, eight times as fast as a reduction."""
    return np.ones(len(rows), rows.dtype).dot(rows)


def column_dots(a: Array, b: Array) -> Any:
    """Computes the sum of a · b over each column, without an array of the products."""
    return np.einsum("ij,ij->j", a, b)


def regroup(sums: Any, channels: int) -> Any:
    """Computes the sum of each channel from the sums of the columns."""
    return np.add.reduce(sums.reshape(len(sums) // max(channels, 1), channels), axis=0)


def sum_halves(work: Callable[[slice], Any], rows: Array, cost: float) -> Any:
    """Adds the results of `work` for both halves of the rows; `cost` is in nanoseconds per element."""
    first, *others = split_work(work, len(rows), rows.size * cost)
    return sum(others, first)


def as_row(values: Array, rows: Array) -> Array:
    """Repeats the values, one per channel, along a row of pixels."""
    return np.tile(values, rows.shape[1] // max(len(values), 1))


def per_channel(xp: Any, values: Any, x: Any) -> Any:
    """Reshapes the values, one per channel, so that they broadcast against x (N, C, …)."""
    return xp.reshape(values, shape=(x.shape[1],) + (1,) * (x.ndim - 2))


@in_float32
def _channel_sum(x: Array, out: Array | None = None) -> Any:
    rows = to_rows(x)
    return store(regroup(sum_halves(lambda part: column_sums(rows[part]), rows, 0.1), x.shape[1]), out)


Primitive(
    "channel_sum", _channel_sum, formula="Σ x for each channel", derivative=("1",),
    vjp=(lambda xp, g, y, x: xp.broadcast_to(per_channel(xp, g, x), shape=x.shape),),
    batch=rules.by_channel,
)  # fmt: skip
