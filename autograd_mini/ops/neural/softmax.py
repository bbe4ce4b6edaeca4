"""ln Σ eˣ, softmax and log-softmax; subtracting the largest element first prevents overflow."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ...apply import apply, as_float
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Axis, Tensor, TensorLike
from ..reduce import canonical_axes, one_axis, reduce_axes, restore_axes

__all__ = [
    "log_softmax", "logsumexp", "softmax",
]  # fmt: skip


def _finite_max(x: Array, axis: tuple[int, ...]) -> Array:
    """Returns the largest element along `axis`, or 0 if it is not finite."""
    largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(largest), largest, 0).astype(x.dtype, copy=False)


def _log_sum(e: Array, total: Array, axis: tuple[int, ...]) -> Any:
    """Returns the logarithm of the sum of e = exp(x − max x), with the reduced axes at length 1.

    One element is 1. If the others are small, the logarithm of a number near 1 would lose their digits.
    """
    logarithm = np.log(total)
    if np.minimum.reduce(total, axis=None, initial=2) >= 1.5:
        return logarithm
    others = np.add.reduce(np.where(e == 1, 0, e), axis=axis, keepdims=True)
    return np.where((total >= 1) & (total < 1.5), np.log1p(others), logarithm)


def _widened(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a kernel on float16 operands in float32, which holds sums of many exponentials."""

    @wraps(kernel)
    def run(x: Array, **params: Any) -> Any:
        return kernel(x.astype(np.float32), **params).astype(x.dtype) if x.dtype.itemsize == 2 else kernel(x, **params)

    return run


@_widened
def _logsumexp(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    largest = _finite_max(x, axis)
    e = np.exp(x - largest)
    with np.errstate(divide="ignore"):  # the sum over an empty axis is 0
        total = _log_sum(e, np.add.reduce(e, axis=axis, keepdims=True), axis) + largest
    return total if keepdims else total.reshape([n for i, n in enumerate(total.shape) if i not in axis])


def _logsumexp_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return restore_axes(xp, g, x, axis) * xp.softmax_or_zero(x, axis=axis)


@_widened
def _softmax(x: Array, axis: tuple[int, ...]) -> Array:
    e = np.exp(x - _finite_max(x, axis))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


@_widened
def _softmax_or_zero(x: Array, axis: tuple[int, ...]) -> Array:
    e = np.exp(x - _finite_max(x, axis))
    total = np.add.reduce(e, axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _softmax_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return (g - xp.sum(g * y, axis=axis, keepdims=True)) * y


@_widened
def _log_softmax(x: Array, axis: tuple[int, ...]) -> Any:
    shifted = x - _finite_max(x, axis)
    e = np.exp(shifted)
    with np.errstate(divide="ignore"):  # the sum over an empty axis is 0
        return shifted - _log_sum(e, np.add.reduce(e, axis=axis, keepdims=True), axis)


def _log_softmax_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True)


_LOGSUMEXP = Primitive(
    "logsumexp", _logsumexp, formula="ln Σ eˣ", derivative=("softmax(x)",),
    vjp=(_logsumexp_rule,),
    kink="0 if every x is −inf", batch=rules.along_axis,
)  # fmt: skip
_SOFTMAX = Primitive(
    "softmax", _softmax, formula="eˣⁱ / Σⱼ eˣʲ", derivative=("yᵢ (δᵢⱼ − yⱼ)",),
    vjp=(_softmax_rule,),
    rowwise=True, batch=rules.along_axis,
)  # fmt: skip
Primitive(
    "softmax_or_zero", _softmax_or_zero, formula="eˣⁱ / Σⱼ eˣʲ", derivative=("yᵢ (δᵢⱼ − yⱼ)",),
    vjp=(_softmax_rule,),
    kink="0 if every x is −inf", rowwise=True, batch=rules.along_axis,
)  # fmt: skip
_LOG_SOFTMAX = Primitive(
    "log_softmax", _log_softmax, formula="x − ln Σ eˣ", derivative=("δᵢⱼ − softmax(x)ⱼ",),
    vjp=(_log_softmax_rule,),
    rowwise=True, batch=rules.along_axis,
)  # fmt: skip


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
    """ln Σ eˣ along `axis`, finite for x = ±1000. Local derivative: softmax(x), or 0 if every x is −inf.

    >>> import autograd_mini as ag
    >>> round(ag.logsumexp([1000.0, 1000.0]).item(), 3)
    1000.693
    """
    return reduce_axes(_LOGSUMEXP, as_float(x), axis, keepdims, dim, keepdim)


def softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """eˣ / Σ eˣ along `axis` (the last by default). Local derivative: yᵢ (δᵢⱼ − yⱼ).

    >>> import autograd_mini as ag
    >>> ag.softmax([0.0, 0.0])
    Tensor([0.5, 0.5])
    """
    x = as_float(x)
    axis = axis if dim is None else one_axis("softmax", axis, dim, -1)
    return apply(_SOFTMAX, (x,), {"axis": canonical_axes("softmax", axis, x._data.ndim)})


def log_softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """x − ln Σ eˣ along `axis`, finite for x = ±1000. Local derivative: δᵢⱼ − softmax(x)ⱼ.

    >>> import autograd_mini as ag
    >>> ag.log_softmax([1000.0, 0.0])
    Tensor([    0., -1000.])
    """
    x = as_float(x)
    axis = axis if dim is None else one_axis("log_softmax", axis, dim, -1)
    return apply(_LOG_SOFTMAX, (x,), {"axis": canonical_axes("log_softmax", axis, x._data.ndim)})
