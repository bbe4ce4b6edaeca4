"""Primitives that fold axes: sums, extrema, moments, and the softmax family.

User functions take `axis` as None, an int or a tuple; kernels and rules meet a sorted tuple of non-negative ints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Primitive, apply, floating
from ..tensor import Array, Axis, Shape, Tensor, TensorLike, as_tensor
from ._make import implements

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "softmax",
    "std",
    "sum",
    "var",
]


def canonical_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` as a sorted tuple of distinct axes in [0, ndim); IndexError or ValueError names the operation."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    axes = sorted(canonical_axis(name, a, ndim) for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return tuple(axes)


def canonical_axis(name: str, axis: Any, ndim: int) -> int:
    """One axis in [0, ndim); negative ones count from the end."""
    try:
        index = axis.__index__()
    except AttributeError:
        raise TypeError(f"{name}: axis must be an int, a tuple of ints or None, got {axis!r}") from None
    if not -ndim <= index < ndim:
        raise IndexError(f"{name}: axis {index} is out of range for a tensor with {ndim} axes")
    return int(index) % ndim


def kept(shape: Shape, axis: tuple[int, ...]) -> Shape:
    """`shape` with the folded axes at length 1."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def unfold(xp: Any, g: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """A folded array with its folded axes back at length 1, so that it broadcasts against `x`."""
    return g if g.ndim == x.ndim else xp.reshape(g, shape=kept(x.shape, axis))


def _count(x: Any, axis: tuple[int, ...]) -> int:
    return math.prod(x.shape[i] for i in axis)


def _sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype.itemsize == 2:  # neither the sum nor the count need fit into float16: NumPy's mean adds in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    total = np.add.reduce(x, axis=axis, keepdims=keepdims)
    return total / (_count(x, axis) or x.dtype.type(np.nan))


def _sum_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.broadcast_to(unfold(xp, g, x, axis), shape=x.shape)


def _mean_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.broadcast_to(unfold(xp, g / (_count(x, axis) or 1), x, axis), shape=x.shape)


_SUM = Primitive("sum", _sum, (_sum_rule,), formula="Σ x", derivative=("1",))
_MEAN = Primitive("mean", _mean, (_mean_rule,), formula="Σ x / n", derivative=("1/n",), kink="the mean of nothing is nan")


def _fold(primitive: Primitive, x: Tensor, axis: Any, keepdims: bool, **more: Any) -> Tensor:
    axes = canonical_axes(primitive.name, axis, x._data.ndim)
    return apply(primitive, (x,), {"axis": axes, "keepdims": bool(keepdims), **more})


@implements(np.sum)
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum of the elements along `axis` (an int, a tuple, or None for all); `keepdims` leaves folded axes at length 1.

    Local derivative: 1.

    >>> import autograd_mini as ag
    >>> ag.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.])
    """
    return _fold(_SUM, as_tensor(x), axis, keepdims)


@implements(np.mean)
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean along `axis`; the mean of integers has the default dtype, the mean of nothing is nan.

    Local derivative: 1/n.

    >>> import autograd_mini as ag
    >>> ag.mean([[1.0, 2.0], [3.0, 4.0]])
    Tensor(2.5)
    """
    return _fold(_MEAN, floating(x), axis, keepdims)


# -- extrema: a tie shares the gradient evenly ----------------------------------------------------------------------------------


def _share(x: Array, y: Array, axis: tuple[int, ...]) -> Array:
    hit = x == y.reshape(kept(x.shape, axis))
    return (hit / np.add.reduce(hit, axis=axis, keepdims=True)).astype(x.dtype, copy=False)


Primitive("share", _share, formula="[x = max] / number of ties", constant=True)


def _extremum_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return unfold(xp, g, x, axis) * xp.share(x, y, axis=axis)


def _extremum(name: str, ufunc: np.ufunc, formula: str) -> Primitive:
    def kernel(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    def explain(x: Array, axis: tuple[int, ...], keepdims: bool) -> str:
        return (
            f"a tensor of shape {x.shape} has no largest or smallest element along axis {axis}" if not _count(x, axis) else ""
        )

    return Primitive(
        name, kernel, (_extremum_rule,), formula=formula, derivative=("[x is extreme] / number of ties",), explain=explain,
        kink="ties share the gradient evenly",
    )  # fmt: skip


_MAX = _extremum("max", np.maximum, "max x")
_MIN = _extremum("min", np.minimum, "min x")


@implements(np.max, np.amax)
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element along `axis`; ties share the gradient evenly. An empty axis raises ValueError.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    Tensor([0. , 0.5, 0.5])
    """
    return _fold(_MAX, as_tensor(x), axis, keepdims)


@implements(np.min, np.amin)
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element along `axis`; ties share the gradient evenly. An empty axis raises ValueError.

    >>> import autograd_mini as ag
    >>> ag.min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([1., 0.])
    """
    return _fold(_MIN, as_tensor(x), axis, keepdims)


# -- moments -----------------------------------------------------------------------------------------------------------------


def _var(x: Array, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    centred = x - _mean(x, axis, True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _sum(centred * centred, axis, keepdims) / x.dtype.type(_count(x, axis) - ddof)


def _var_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    count = _count(x, axis) - ddof
    return unfold(xp, g, x, axis) * (centred * (2 / count if count else np.nan))


_VAR = Primitive(
    "var", _var, (_var_rule,), formula="Σ (x − x̄)² / (n − ddof)", derivative=("2 (x − x̄) / (n − ddof)",), kink="nan for one element and ddof 1"
)  # fmt: skip


def _std(x: Array, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    return np.sqrt(_var(x, axis, ddof, keepdims))


def _std_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    spread, count = unfold(xp, y, x, axis), _count(x, axis) - ddof
    # A constant has centred = spread = 0; dividing by 1 there gives the minimum-norm subgradient, 0.
    return unfold(xp, g, x, axis) * (centred / (xp.where(spread == 0, xp.ones_like(spread), spread) * (count or np.nan)))


_STD = Primitive(
    "std", _std, (_std_rule,), formula="√(Σ (x − x̄)² / (n − ddof))", derivative=("(x − x̄) / ((n − ddof) std)",), kink="0 for a constant"
)  # fmt: skip


@implements(np.var)
def var(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Variance along `axis`, divided by n − ddof (ddof 0 as in NumPy; PyTorch's default is 1).

    >>> import autograd_mini as ag
    >>> ag.var([1.0, 2.0, 3.0, 4.0])
    Tensor(1.25)
    """
    return _fold(_VAR, floating(x), axis, keepdims, ddof=ddof)


@implements(np.std)
def std(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Standard deviation along `axis`, with n − ddof; a constant has gradient 0, not nan.

    >>> import autograd_mini as ag
    >>> ag.std([2.0, 2.0, 6.0, 6.0])
    Tensor(2.0)
    """
    return _fold(_STD, floating(x), axis, keepdims, ddof=ddof)


# -- the softmax family: shifted by the maximum, so that nothing overflows ----------------------------------------------------------


def _shift(x: Array, axis: tuple[int, ...]) -> Array:
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0).astype(x.dtype, copy=False)


def _logsumexp(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = _shift(x, axis)
    with np.errstate(divide="ignore"):
        total = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else total.reshape([n for i, n in enumerate(total.shape) if i not in axis])


def _logsumexp_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return unfold(xp, g, x, axis) * xp.softmax_or_zero(x, unfold(xp, y, x, axis), axis=axis)


def _softmax_or_zero(x: Array, total: Array, axis: tuple[int, ...]) -> Array:
    # Where every x is −inf so is the total; the weights are then 0 and not −inf − (−inf).
    return np.exp(x - np.where(np.isneginf(total), 0, total).astype(x.dtype, copy=False))


Primitive(
    "softmax_or_zero",
    _softmax_or_zero,
    (lambda xp, g, y, x, total, axis: g * y, lambda xp, g, y, x, total, axis: -g * y),
    formula="exp(x − total)",
    derivative=("exp(x − total)", "−exp(x − total)"),
)
_LOGSUMEXP = Primitive(
    "logsumexp", _logsumexp, (_logsumexp_rule,), formula="ln Σ eˣ", derivative=("softmax(x)",), kink="0 where every x is −inf"
)  # fmt: skip


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """ln Σ eˣ along `axis`, finite for x = ±1000. Local derivative: softmax(x).

    >>> import autograd_mini as ag
    >>> round(ag.logsumexp([1000.0, 1000.0]).item(), 3)
    1000.693
    """
    return _fold(_LOGSUMEXP, floating(x), axis, keepdims)


def _softmax(x: Array, axis: tuple[int, ...]) -> Array:
    e = np.exp(x - _shift(x, axis))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


def _softmax_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return (g - xp.sum(g * y, axis=axis, keepdims=True)) * y


def _log_softmax(x: Array, axis: tuple[int, ...]) -> Array:
    shifted = x - _shift(x, axis)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True)


_SOFTMAX = Primitive("softmax", _softmax, (_softmax_rule,), formula="eˣⁱ / Σⱼ eˣʲ", derivative=("yᵢ (δᵢⱼ − yⱼ)",))
_LOG_SOFTMAX = Primitive(
    "log_softmax", _log_softmax, (_log_softmax_rule,), formula="x − ln Σ eˣ", derivative=("δᵢⱼ − softmax(x)ⱼ",)
)


def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """eˣ / Σ eˣ along `axis` (the last by default). Local derivative: yᵢ (δᵢⱼ − yⱼ).

    >>> import autograd_mini as ag
    >>> ag.softmax([0.0, 0.0])
    Tensor([0.5, 0.5])
    """
    x = floating(x)
    return apply(_SOFTMAX, (x,), {"axis": canonical_axes("softmax", axis, x._data.ndim)})


def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """x − ln Σ eˣ along `axis`, finite for x = ±1000. Local derivative: δᵢⱼ − softmax(x)ⱼ.

    >>> import autograd_mini as ag
    >>> ag.log_softmax([1000.0, 0.0])
    Tensor([    0., -1000.])
    """
    x = floating(x)
    return apply(_LOG_SOFTMAX, (x,), {"axis": canonical_axes("log_softmax", axis, x._data.ndim)})


# -- without a gradient ---------------------------------------------------------------------------------------------------------


def _arg(name: str, function: Callable[..., Any], formula: str) -> Primitive:
    def explain(x: Array, axis: int | None, keepdims: bool) -> str:
        return f"a tensor of shape {x.shape} has no element to choose" if not x.size else ""

    return Primitive(
        name, lambda x, axis, keepdims: function(x, axis=axis, keepdims=keepdims), formula=formula, constant=True, explain=explain
    )  # fmt: skip


_ARGMAX = _arg("argmax", np.argmax, "the index of max x")
_ARGMIN = _arg("argmin", np.argmin, "the index of min x")


def _pick(primitive: Primitive, x: TensorLike, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    return apply(
        primitive,
        (x,),
        {"axis": None if axis is None else canonical_axis(primitive.name, axis, x._data.ndim), "keepdims": keepdims},
    )


@implements(np.argmax)
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first largest element along `axis`, or in the flattened tensor. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argmax([[1.0, 5.0], [7.0, 2.0]], axis=1)
    Tensor([1, 0])
    """
    return _pick(_ARGMAX, x, axis, keepdims)


@implements(np.argmin)
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first smallest element along `axis`, or in the flattened tensor. No gradient.

    >>> import autograd_mini as ag
    >>> ag.argmin([3.0, 1.0, 2.0])
    Tensor(1)
    """
    return _pick(_ARGMIN, x, axis, keepdims)


_ANY = Primitive("any", lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims), formula="∨ x", constant=True)
_ALL = Primitive("all", lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims), formula="∧ x", constant=True)


@implements(np.any)
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element along `axis` is true (not 0). No gradient.

    >>> import autograd_mini as ag
    >>> ag.any([0.0, 2.0])
    Tensor(True)
    """
    return _fold(_ANY, as_tensor(x), axis, keepdims)


@implements(np.all)
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element along `axis` is true (not 0). No gradient.

    >>> import autograd_mini as ag
    >>> ag.all([0.0, 2.0])
    Tensor(False)
    """
    return _fold(_ALL, as_tensor(x), axis, keepdims)
