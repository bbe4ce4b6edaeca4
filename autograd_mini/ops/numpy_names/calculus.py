"""NumPy's calculus on samples: `gradient`, `trapezoid`, `interp`, `convolve`, and the function `sinc`."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ...apply import apply, as_float, as_floats, as_number, as_operands, cast
from ...batching import rules
from ...primitive import Primitive
from ...tensor import Array, Axis, Tensor, TensorLike
from ...tools.arguments import one_int, one_of
from .._make import implements
from ..elementwise import remainder, where
from ..index import getitem
from ..order import argsort
from ..reduce import canonical_axes, canonical_axis, one_axis, sum
from ..scan import diff
from ..shape import broadcast_to, concatenate, reshape

__all__ = [
    "convolve", "gradient", "interp", "sinc", "trapezoid",
]  # fmt: skip

# -- sinc ---------------------------------------------------------------------------------------------------------------------


def _small_argument(z: Array, order: int) -> Array:
    """Returns the derivative of sin(z) / z of this order by its power series Σ ± zᵐ / (m! (m + order + 1)), m + order even."""
    start = order % 2
    total, power = np.zeros_like(z), z**start
    for m in range(start, start + 2 * (12 + 2 * order), 2):
        total += (-1.0) ** ((m + order) // 2) / (m + order + 1) / math.factorial(m) * power
        power = power * z * z
    return total


def _sinc(x: Array, order: int) -> Any:
    """Returns the derivative of sinc of an order: by z f⁽ᵏ⁾ + k f⁽ᵏ⁻¹⁾ = sin(z + k π/2), which loses digits for small z."""
    if not order:
        return np.sinc(x.astype(np.float32)).astype(x.dtype) if x.dtype.itemsize == 2 else np.sinc(x)
    z = np.pi * x.astype(np.float64)
    small = np.abs(z) <= max(order, 1)
    safe = np.where(small, 1.0, z)
    shifts = (np.sin, np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t))
    y = np.sin(safe) / safe
    for k in range(1, order + 1):
        y = (shifts[k % 4](safe) - k * y) / safe
    return (np.pi**order * np.where(small, _small_argument(np.where(small, z, 0.0), order), y)).astype(x.dtype)


_SINC = Primitive(
    "sinc", _sinc, formula="sin πx / πx", derivative=("(cos πx − sinc x) / x",),
    vjp=(lambda xp, g, y, x, order: g * xp.sinc(x, order=order + 1),),
    elementwise=True, kink="exact at 0, in every order", nanoseconds=15,
)  # fmt: skip


@implements(np.sinc)
def sinc(x: TensorLike) -> Tensor:
    """sin(πx) / (πx), elementwise, and 1 at 0; derivatives of every order are exact at 0.

    >>> import autograd_mini as ag
    >>> ag.sinc([0.0, 0.5])
    Tensor([1.        , 0.63661975])
    >>> ag.grad(ag.grad(ag.sinc))(0.0)
    Tensor(-3.289868)
    """
    return apply(_SINC, (as_float(x),), {"order": 0})


# -- derivatives and integrals of samples -------------------------------------------------------------------------------------


def _at(x: Tensor, axis: int, part: Any) -> Tensor:
    return getitem(x, (slice(None),) * axis + (part,))


def _spacings(f: Tensor, varargs: tuple[Tensor, ...], axes: tuple[int, ...]) -> list[Tensor]:
    """Returns for each axis the distance between neighbours: a 0-d tensor, or a vector of distances."""
    given = varargs * len(axes) if len(varargs) == 1 else varargs or (cast(1.0, f.dtype),) * len(axes)
    if len(given) != len(axes):
        raise TypeError(f"gradient: expected no spacing, one, or one for each of {len(axes)} axes, got {len(varargs)}")
    distances = []
    for axis, spacing in zip(axes, given, strict=True):
        n = f._data.shape[axis]
        if spacing._data.ndim and spacing._data.shape != (n,):
            raise ValueError(f"gradient: coordinates along axis {axis} need shape ({n},), got {spacing.shape}")
        distances.append(diff(spacing) if spacing._data.ndim else spacing)
    return distances


def _derivative(f: Tensor, h: Tensor, axis: int, edge_order: int) -> Tensor:
    """Returns the derivative along an axis: second order inside, of order `edge_order` at both ends."""
    slopes = diff(f, axis=axis) / _along(h, f, axis)
    if h._data.ndim:
        before, after = (_along(getitem(h, part), f, axis) for part in (slice(None, -1), slice(1, None)))
        weight = before / (before + after)
    else:
        weight = as_float(np.asarray(0.5, f.dtype))
    left, right = _at(slopes, axis, slice(None, -1)), _at(slopes, axis, slice(1, None))
    inner = left + weight * (right - left)
    first, last = _at(slopes, axis, slice(0, 1)), _at(slopes, axis, slice(-1, None))
    if edge_order == 2:  # the tangent of the parabola through three points is linear in between
        first = first + first - _at(inner, axis, slice(0, 1)) if not h._data.ndim else _edge(slopes, h, f, axis, (0, 1))
        last = last + last - _at(inner, axis, slice(-1, None)) if not h._data.ndim else _edge(slopes, h, f, axis, (-1, -2))
    return concatenate([first, inner, last], axis)


def _edge(slopes: Tensor, h: Tensor, f: Tensor, axis: int, places: tuple[int, int]) -> Tensor:
    """Returns the slope at an end of the parabola through the three points there, from the slopes of two intervals."""
    near, far = (_at(slopes, axis, [place]) for place in places)
    width, next_width = (_along(getitem(h, [place]), f, axis) for place in places)
    return near + width / (width + next_width) * (near - far)


def _along(h: Tensor, f: Tensor, axis: int) -> Tensor:
    """Returns a vector as a tensor that broadcasts along an axis of `f`; a 0-d tensor as it is."""
    return reshape(h, *(-1 if i == axis else 1 for i in range(f._data.ndim))) if h._data.ndim else h


def gradient(f: TensorLike, *varargs: TensorLike, axis: Axis = None, edge_order: int = 1) -> Any:
    """Derivative of samples along each axis by differences: central ones inside, one-sided ones at the ends, as in NumPy.

    Returns a tensor for one axis, else a tuple with one tensor for each axis.

    Parameters
    ----------
    f : the samples
    *varargs : nothing (distance 1), one distance or vector of coordinates for all axes, or one for each axis
    axis : an int, a tuple, or None for all axes
    edge_order : 1 or 2, the order of the differences at the ends

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.gradient([1.0, 2.0, 4.0, 7.0])
    Tensor([1. , 1.5, 2.5, 3. ])
    >>> ag.gradient([0.0, 1.0, 9.0], [0.0, 1.0, 3.0], edge_order=2)
    Tensor([0., 2., 6.])
    """
    f, *spacings = as_floats(f, *varargs)
    order = one_int("gradient", "edge_order", edge_order)
    if order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order!r}")
    canonical_axes("gradient", axis, f._data.ndim)  # distinct and in range
    axes = tuple(range(f._data.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(canonical_axis("gradient", a, f._data.ndim) for a in axes)  # in the given order, as the distances
    if short := [a for a in axes if f._data.shape[a] <= order]:
        raise ValueError(f"gradient: axis {short[0]} needs at least {order + 1} elements, got shape {f.shape}")
    results = [_derivative(f, h, a, order) for h, a in zip(_spacings(f, tuple(spacings), axes), axes, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


@implements(np.gradient)
def _numpy_gradient(f: TensorLike, varargs: tuple[TensorLike, ...] = (), axis: Axis = None, edge_order: int = 1) -> Any:
    return gradient(f, *varargs, axis=axis, edge_order=edge_order)


@implements(np.trapezoid)
def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1, *, dim: int | None = None
) -> Tensor:
    """Integral of samples along `axis` by the trapezoidal rule.

    Parameters
    ----------
    y : the samples
    x : their coordinates, a vector or a tensor that broadcasts with `y`
    dx : the distance between samples, if there are no coordinates
    axis : the axis to integrate along
    dim : PyTorch's name of `axis`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.trapezoid([1.0, 2.0, 3.0], x=[0.0, 1.0, 3.0])
    Tensor(6.5)
    """
    y, spacing = as_floats(y, dx if x is None else x)
    if not y._data.ndim:
        raise ValueError(f"trapezoid: expected samples along an axis, got a 0-d tensor: {y!r}")
    along = canonical_axis("trapezoid", axis if dim is None else one_axis("trapezoid", axis, dim, -1), y._data.ndim)
    if x is not None and spacing._data.ndim < 2:
        if spacing._data.shape != (y._data.shape[along],):
            raise ValueError(f"trapezoid: expected x of shape ({y._data.shape[along]},), got {spacing.shape}")
        spacing = _along(diff(spacing), y, along)
    elif x is not None:
        spacing = diff(spacing, axis=along - y._data.ndim)
    means = (_at(y, along, slice(1, None)) + _at(y, along, slice(None, -1))) / 2
    return sum(means * spacing, along - y._data.ndim)


# -- interpolation ------------------------------------------------------------------------------------------------------------


def _batched_search(call: rules.BatchedCall) -> Any:
    """Sorted coordinates that all examples share are searched in one call."""
    return rules.loop(call) if call.batched[0] else call.run(call.inputs, call.params)


_SEARCH: Final = Primitive(
    "searchsorted", lambda knots, x: np.searchsorted(knots, x, "right"), formula="the number of knots ≤ x",
    constant=True, batch=_batched_search,
)  # fmt: skip


def _periodic(x: Tensor, knots: Tensor, values: Tensor, period: TensorLike) -> tuple[Tensor, Tensor, Tensor]:
    """Returns x in [0, period), and the knots sorted there, with the last one before them and the first one after them."""
    length = abs(as_operands(x, period)[1])
    x, knots = remainder(x, length), remainder(knots, length)
    order = argsort(knots)
    knots, values = getitem(knots, order), getitem(values, order)
    before, after = slice(-1, None), slice(0, 1)
    knots = concatenate([getitem(knots, before) - length, knots, getitem(knots, after) + length])
    return x, knots, concatenate([getitem(values, before), values, getitem(values, after)])


@implements(np.interp)
def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
    period: TensorLike | None = None,
) -> Tensor:
    """Linear interpolation at `x` between the points (xp, fp). At a knot, the slope is that of the interval to its right.

    Parameters
    ----------
    x : where to evaluate
    xp : the coordinates of the points, a vector in increasing order (in any order with `period`)
    fp : their values
    left, right : the values below and above all points, by default those of the first and the last point
    period : the period of the coordinates; `left` and `right` have no effect then

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.interp([0.5, 3.0], [0.0, 1.0, 2.0], [0.0, 10.0, 0.0])
    Tensor([5., 0.])
    """
    x, knots, values = as_floats(x, xp, fp)
    if knots._data.ndim != 1 or knots._data.shape != values._data.shape or not knots._data.size:
        raise ValueError(
            f"interp: xp and fp must be vectors of one length of at least 1, got shapes {knots.shape} and {values.shape}"
        )
    x, knots, values = as_operands(x, knots, values)
    if period is not None:
        if not isinstance(period, Tensor) and not as_number("interp: period", period, "give a tensor of one number"):
            raise ValueError(f"interp: period must not be 0, got {period!r}")
        x, knots, values = _periodic(x, knots, values, period)
        left = right = None
    first, last = getitem(knots, 0), getitem(knots, -1)
    below, above = x < first, x > last
    inside = where(below | above, first, x)
    if knots._data.size == 1:
        result = values + inside * 0.0 if not x._data.ndim else broadcast_to(values, x._data.shape)
        result = reshape(result, x._data.shape)
    else:
        i = _interval(knots, inside)
        low, base = getitem(knots, i), getitem(values, i)
        slope = (getitem(values, i + 1) - base) / (getitem(knots, i + 1) - low)
        result = base + slope * (inside - low)
    result = where(below, getitem(values, 0) if left is None else left, result)
    return where(above, getitem(values, -1) if right is None else right, result)


def _interval(knots: Tensor, x: Tensor) -> Tensor:
    """Returns the number of the interval between knots that contains x; the last one includes its right end."""
    found = apply(_SEARCH, (knots, x)) - 1
    last = knots._data.size - 2
    return where(found > last, last, where(found < 0, 0, found))


# -- convolution --------------------------------------------------------------------------------------------------------------


def _signal_rule(xp: Any, g: Any, y: Any, a: Any, v: Any, mode: str) -> Any:
    return xp.convolve(g, xp.flip(v, axis=(0,)), mode="valid" if mode == "full" else "full")


def _filter_rule(xp: Any, g: Any, y: Any, a: Any, v: Any, mode: str) -> Any:
    if mode == "full":
        return xp.convolve(g, xp.flip(a, axis=(0,)), mode="valid")
    return xp.flip(xp.convolve(a, xp.flip(g, axis=(0,)), mode="valid"), axis=(0,))


_CONVOLVE: Final = Primitive(
    "convolve", lambda a, v, mode: np.convolve(a, v, mode), formula="yₙ = Σₘ aₘ vₙ₋ₘ", derivative=("vₙ₋ₘ", "aₙ₋ₘ"),
    vjp=(_signal_rule, _filter_rule),
    flops=lambda inputs, outputs, params: 2 * inputs[0].size * inputs[1].size,
)  # fmt: skip
"""In the modes "full" and "valid", whose gradients are convolutions of the same kind; a is at least as long as v."""


@implements(np.convolve)
def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> Tensor:
    """Discrete convolution Σₘ aₘ vₙ₋ₘ of two vectors.

    Parameters
    ----------
    a, v : vectors; the longer one counts as the signal
    mode : "full" for all overlaps, "same" for the length of the longer vector, "valid" for complete overlaps only

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    Tensor([0. , 1. , 2.5, 4. , 1.5])
    """
    one_of("convolve", "mode", mode, ("full", "same", "valid"))
    signal, kernel = as_operands(a, v)
    if signal._data.ndim > 1 or kernel._data.ndim > 1 or not signal._data.size or not kernel._data.size:
        raise ValueError(f"convolve: expected vectors with at least one element, got shapes {signal.shape} and {kernel.shape}")
    signal, kernel = (reshape(t, -1) for t in (signal, kernel))
    if len(kernel._data) > len(signal._data):
        signal, kernel = kernel, signal
    full = apply(_CONVOLVE, (signal, kernel), {"mode": "valid" if mode == "valid" else "full"})
    start = (len(kernel._data) - 1) // 2
    return getitem(full, slice(start, start + len(signal._data))) if mode == "same" else full
