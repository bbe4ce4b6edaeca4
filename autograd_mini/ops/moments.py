"""Variance, standard deviation and norms. The gradient is 0 for a constant (`var`, `std`) and for the zero vector (`norm`).

`std` and `norm` have no second derivative there: it is nan, also for `std(x) ** 2`. Write `var(x)` and `sum(x * x)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import as_float, as_number
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Axis, Tensor, TensorLike
from . import reduce
from ._make import implements, numpys_keywords
from .elementwise import abs
from .reduce import canonical_axes, count, mean_kernel, reduce_axes, restore_axes, sum_kernel

__all__ = [
    "norm", "std", "var",
]  # fmt: skip


def _subtract_mean(x: Array, axis: tuple[int, ...]) -> Array:
    # Subtracts one element first: the mean of equal numbers may differ from them by rounding, the mean of zeros is exact.
    shifted: Array = x - x[tuple(slice(0, 1) if i in axis else slice(None) for i in range(x.ndim))]
    return shifted - mean_kernel(shifted, axis, True)


Primitive(
    "subtract_mean", _subtract_mean, formula="x − x̄", derivative=("δᵢⱼ − 1/n",),
    vjp=(lambda xp, g, y, x, axis: xp.subtract_mean(g, axis=axis),),
    batch=rules.along_axis,
)  # fmt: skip


def _var(x: Array, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    if x.dtype.itemsize == 2:  # squares and their sum may overflow float16
        return _var(x.astype(np.float32), axis, ddof, keepdims).astype(x.dtype)
    centred = _subtract_mean(x, axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sum_kernel(centred * centred, axis, keepdims) / x.dtype.type(_degrees_of_freedom(x, axis, ddof))


def _degrees_of_freedom(x: Any, axis: tuple[int, ...], ddof: float) -> float:
    """Returns n − ddof, or 0 if there are too few elements, which makes the variance nan."""
    n = count(x, axis) - ddof
    return n if n > 0 else 0


def _var_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    centred = xp.subtract_mean(x, axis=axis)
    n = _degrees_of_freedom(x, axis, ddof)
    return restore_axes(xp, g, x, axis) * (centred * (2 / n if n else np.nan))


_VAR = Primitive(
    "var", _var, formula="Σ (x − x̄)² / (n − ddof)", derivative=("2 (x − x̄) / (n − ddof)",),
    vjp=(_var_rule,),
    kink="nan for one element and ddof 1", batch=rules.along_axis,
)  # fmt: skip


def _std(x: Array, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    return np.sqrt(_var(x, axis, ddof, keepdims))


def _std_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], ddof: float, keepdims: bool) -> Any:
    centred = xp.subtract_mean(x, axis=axis)
    std, n = restore_axes(xp, y, x, axis), _degrees_of_freedom(x, axis, ddof)
    # For a constant, centred = std = 0; dividing by 1 gives the minimum-norm subgradient, 0. One element is always constant.
    divisor = (xp.convention if count(x, axis) > 1 else xp.where)(std == 0, 1.0, std)
    return restore_axes(xp, g, x, axis) * (centred / divisor * (1 / n if n else np.nan))


_STD = Primitive(
    "std", _std, formula="√(Σ (x − x̄)² / (n − ddof))", derivative=("(x − x̄) / ((n − ddof) std)",),
    vjp=(_std_rule,),
    kink="0 for a constant, second derivatives nan", batch=rules.along_axis,
)  # fmt: skip


_WITHOUT_DDOF = "divide ag.sum((x - ag.mean(x)) ** 2) yourself"


def _ddof(name: str, ddof: int | None, dim: Any, correction: int | None, unbiased: bool | None) -> float:
    """Returns n minus the divisor, from one of its three names. Without any of them, `dim` selects PyTorch's default."""
    given = {k: v for k, v in (("ddof", ddof), ("correction", correction), ("unbiased", unbiased)) if v is not None}
    if len(given) > 1:
        raise TypeError(f"{name}: {' and '.join(f'{k}={v!r}' for k, v in given.items())} mean the same; give only one of them")
    for key, value in given.items():
        number = as_number(f"{name}: {key}", value, _WITHOUT_DDOF)
        if not np.isfinite(number):
            raise ValueError(f"{name}: {key} must be finite, got {value!r}")
        return int(number) if number.is_integer() else number
    return 0 if dim is None else 1


@implements(np.var)
def var(
    x: TensorLike,
    axis: Axis = None,
    ddof: int | None = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    correction: int | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    **numpy: Any,
) -> Tensor:
    """Variance along `axis`; nan if n ≤ ddof.

    Parameters
    ----------
    x : the tensor
    axis : an int, a tuple, or None for all axes
    ddof : the sum of squares is divided by n − ddof; 0 as in NumPy, but 1 as in PyTorch if `dim` is given
    keepdims : keep the reduced axes at length 1
    dim, correction, unbiased, keepdim : PyTorch's names; `unbiased=True` means a correction of 1

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.var([1.0, 2.0, 3.0, 4.0])
    Tensor(1.25)
    """
    if numpy:
        return numpys_keywords(
            var, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim, ddof=ddof, correction=correction
        )
    freedom = _ddof("var", ddof, dim, correction, unbiased)
    return reduce_axes(_VAR, as_float(x), axis, keepdims, dim, keepdim, ddof=freedom)


@implements(np.std)
def std(
    x: TensorLike,
    axis: Axis = None,
    ddof: int | None = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    correction: int | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    **numpy: Any,
) -> Tensor:
    """Standard deviation along `axis`; a constant has gradient 0, and second derivatives nan (those of `var` exist).

    Parameters
    ----------
    x, axis, ddof, keepdims, dim, correction, unbiased, keepdim : as in `var`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.std([2.0, 2.0, 6.0, 6.0])
    Tensor(2.0)
    """
    if numpy:
        return numpys_keywords(
            std, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim, ddof=ddof, correction=correction
        )
    freedom = _ddof("std", ddof, dim, correction, unbiased)
    return reduce_axes(_STD, as_float(x), axis, keepdims, dim, keepdim, ddof=freedom)


# -- norms -----------------------------------------------------------------------------------------------------------


def _norm(x: Array, axis: tuple[int, ...], keepdims: bool, ord: float) -> Any:
    if x.dtype.itemsize == 2:
        return _norm(x.astype(np.float32), axis, keepdims, ord).astype(x.dtype)
    size = np.absolute(x)
    top = np.maximum.reduce(size, axis=axis, keepdims=True, initial=0)
    # Divided by the largest element, powers neither overflow nor vanish.
    unit = np.where((top == 0) | np.isinf(top), 1, top)
    ratio = size / unit
    if ord == 2:
        length = unit * np.sqrt(sum_kernel(ratio * ratio, axis, True))
    else:
        length = unit * sum_kernel(ratio**ord, axis, True) ** (1 / ord)
    return length if keepdims else np.squeeze(length, axis)


def _norm_rule(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, ord: float) -> Any:
    length = restore_axes(xp, y, x, axis)
    ratio = x / xp.convention(length == 0, 1.0, length)
    if ord == 2:
        return restore_axes(xp, g, x, axis) * ratio
    # sgn x is 0 for elements of 0, so their base may be 1. Their second derivative is 0 if p > 2 and does not exist otherwise.
    if ord > 2:
        base = xp.abs(xp.where((ratio == 0) & (length > 0), 1.0, ratio))
    else:
        base = xp.abs(xp.convention(ratio == 0, 1.0, ratio))
    return restore_axes(xp, g, x, axis) * xp.sign(x) * xp.power(base, ord - 1)


_NORM = Primitive(
    "norm", _norm, formula="(Σ |x|ᵖ)^(1/p)", derivative=("sgn x · (|x| / norm)ᵖ⁻¹",),
    vjp=(_norm_rule,),
    kink="0 at the zero vector, second derivatives nan", batch=rules.along_axis,
)  # fmt: skip


@implements(np.linalg.vector_norm)
def norm(
    x: TensorLike,
    ord: float = 2,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    p: float | None = None,
    dim: Axis = None,
    keepdim: bool = False,
) -> Tensor:
    """Norm of the vector of all elements along `axis` (by default all axes): (Σ |x|ᵖ)^(1/p) for p = `ord`, largest |x| for inf.

    Several axes count as one long vector, so two axes give the Frobenius norm. The gradient is 0 at the zero vector, where
    second derivatives are nan, also those of `norm(x) ** 2`; those of `sum(x * x)` exist. If
    several elements are largest, they share the gradient of the inf-norm. Raises ValueError unless `ord` > 0.

    Parameters
    ----------
    x : the tensor
    ord : the exponent p, or inf
    axis : an int, a tuple, or None for all axes
    keepdims : keep the reduced axes at length 1
    p, dim, keepdim : PyTorch's names of `ord`, `axis` and `keepdims`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> ag.norm(x).backward()
    >>> x.grad
    Tensor([0.6, 0.8])
    """
    if dim is not None:
        axis = reduce.one_axis("norm", axis, dim)
    keepdims = reduce.either_flag("norm", keepdims, keepdim)
    if isinstance(ord, str) and ord == "fro" and axis is None:  # of all elements, as for a matrix
        ord = 2
    x, ord = (
        as_float(x),
        as_number(
            "norm: ord" if p is None else "norm: p", ord if p is None else p, "write ag.sum(ag.abs(x) ** ord) ** (1 / ord)"
        ),
    )
    if not ord > 0:
        raise ValueError(f"norm: ord must be greater than 0 or inf, got {ord}")
    if ord == np.inf:
        return reduce.amax(abs(x), axis, keepdims)
    if ord == 1:
        return reduce.sum(abs(x), axis, keepdims)
    return reduce_axes(_NORM, x, axis, keepdims, ord=ord)


@implements(np.linalg.norm)
def _numpy_norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Computes NumPy's norm. With `ord`, two axes mean a matrix norm; only the Frobenius norm is supported."""
    x = as_float(x)
    axes = canonical_axes("norm", axis, x._data.ndim)
    if ord is not None and ord != "fro" and len(axes) != 1:
        raise TypeError(f"np.linalg.norm: matrix norm ord={ord!r} is not supported, only 'fro'; ag.norm computes vector norms")
    return norm(x, 2 if ord in (None, "fro") else ord, axis, keepdims)
