"""Running sums and products along an axis, and differences, the inverse of running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import apply
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int
from ._make import implements, numpys_keywords
from .index import getitem
from .reduce import canonical_axis, one_axis, shift_by_one
from .shape import ravel

__all__ = [
    "cumprod", "cumsum", "diff",
]  # fmt: skip


def _cumsum_rule(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    return xp.flip(xp.cumsum(xp.flip(g, axis=(axis,)), axis=axis), axis=(axis,))


_CUMSUM = Primitive(
    "cumsum", lambda x, axis: np.cumsum(x, axis), formula="yᵢ = Σ x₁ … xᵢ", derivative=("1 for j ≤ i",),
    vjp=(_cumsum_rule,),
    batch=rules.along_axis,
)  # fmt: skip


def _recurrence(a: Array, b: Array, axis: int) -> Array:
    """Computes yᵢ = aᵢ yᵢ₋₁ + bᵢ in log₂ n steps: after each one, (a, y) at i combines the last `step` applications."""
    a, y = np.moveaxis(a.copy(), axis, 0), np.moveaxis(b.copy(), axis, 0)
    step = 1
    while step < len(y):
        y[step:] += a[step:] * y[:-step]
        a[step:] *= a[:-step].copy()
        step *= 2
    return np.moveaxis(y, 0, axis)


def _reverse_recurrence(xp: Any, a: Any, g: Any, axis: int) -> Any:
    """Computes the gradient of yᵢ = aᵢ yᵢ₋₁ + bᵢ with respect to bᵢ: the same recurrence from the end to the start."""
    back = (axis,)
    return xp.flip(xp.recurrence(shift_by_one(xp, xp.flip(a, axis=back), axis, 0), xp.flip(g, axis=back), axis=axis), axis=back)


Primitive(
    "recurrence", _recurrence, formula="yᵢ = aᵢ yᵢ₋₁ + bᵢ", derivative=("yᵢ₋₁ · aᵢ₊₁ … aⱼ for j ≥ i", "aᵢ₊₁ … aⱼ for j ≥ i"),
    vjp=(
        lambda xp, g, y, a, b, axis: _reverse_recurrence(xp, a, g, axis) * shift_by_one(xp, y, axis, 0),
        lambda xp, g, y, a, b, axis: _reverse_recurrence(xp, a, g, axis),
    ),
    batch=rules.along_axis,
)  # fmt: skip
# xᵢ is multiplied by yᵢ₋₁, and yᵢ is a factor of every later product. No division: exact with zeros.
_CUMPROD = Primitive(
    "cumprod", lambda x, axis: np.cumprod(x, axis), formula="yᵢ = Π x₁ … xᵢ",
    derivative=("the product of the others, for j ≤ i",),
    vjp=(lambda xp, g, y, x, axis: _reverse_recurrence(xp, x, g, axis) * shift_by_one(xp, y, axis, 1),),
    kink="exact with zeros", batch=rules.along_axis,
)  # fmt: skip


def _scan(primitive: Primitive, x: TensorLike, axis: int | None) -> Tensor:
    x, along = (ravel(x), 0) if axis is None else (as_tensor(x), axis)
    return apply(primitive, (x,), {"axis": canonical_axis(primitive.name, along, x._data.ndim)})


@implements(np.cumsum)
def cumsum(x: TensorLike, axis: int | None = None, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Running sum along `axis`, or of the flattened tensor.

    >>> import autograd_mini as ag
    >>> ag.cumsum([1.0, 2.0, 3.0])
    Tensor([1., 3., 6.])
    """
    if numpy:
        return numpys_keywords(cumsum, (x,), numpy, axis=axis, dim=dim)
    return _scan(_CUMSUM, x, axis if dim is None else one_axis("cumsum", axis, dim))


@implements(np.cumprod)
def cumprod(x: TensorLike, axis: int | None = None, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Running product along `axis`, or of the flattened tensor; its gradient is exact if elements are 0.

    >>> import autograd_mini as ag
    >>> ag.cumprod([1.0, 2.0, 3.0])
    Tensor([1., 2., 6.])
    """
    if numpy:
        return numpys_keywords(cumprod, (x,), numpy, axis=axis, dim=dim)
    return _scan(_CUMPROD, x, axis if dim is None else one_axis("cumprod", axis, dim))


@implements(np.diff)
def diff(x: TensorLike, n: int = 1, axis: int = -1, *, dim: int | None = None, **numpy: Any) -> Tensor:
    """Differences of adjacent elements along `axis`, computed `n` times.

    >>> import autograd_mini as ag
    >>> ag.diff([1.0, 4.0, 9.0])
    Tensor([3., 5.])
    """
    if numpy:
        return numpys_keywords(diff, (x,), numpy, axis=axis, dim=dim, n=n)
    x = as_tensor(x)
    axis = axis if dim is None else one_axis("diff", axis, dim, -1)
    before = (slice(None),) * canonical_axis("diff", axis, x._data.ndim)
    if one_int("diff", "n", n) < 0:
        raise ValueError(f"diff: n must be at least 0, got {n}")
    for _ in range(n):
        x = getitem(x, (*before, slice(1, None))) - getitem(x, (*before, slice(None, -1)))
    return x
