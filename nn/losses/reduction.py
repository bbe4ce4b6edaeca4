"""What all losses share: the reduction of elementwise losses to one number, and the check of equal shapes.

`reduction` is "mean" (over all elements), "sum", "none" (one loss per element) or "batchmean" (the sum divided by the length
of the first axis: the sum over each example, averaged over the examples).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import autograd_mini as ag
from autograd_mini.apply import as_number, as_operands, cast
from autograd_mini.tensor import Tensor, TensorLike

Reduction: TypeAlias = Literal["mean", "sum", "none", "batchmean"]


def _batchmean(loss: Tensor) -> Tensor:
    if not loss.ndim:
        raise ValueError('reduction="batchmean" needs a batch axis, but the loss is a scalar')
    return ag.sum(loss) / len(loss)


_REDUCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "mean": ag.mean,
    "sum": ag.sum,
    "none": lambda loss: loss,
    "batchmean": _batchmean,
}


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """Reduces elementwise losses. Raises ValueError if `reduction` is unknown."""
    return _REDUCTIONS[check_reduction(reduction)](loss)


def check_reduction(reduction: str) -> str:
    """Returns the name of a reduction. Raises ValueError if it is unknown."""
    if not isinstance(reduction, str) or reduction not in _REDUCTIONS:
        raise ValueError(f"expected reduction to be one of {', '.join(_REDUCTIONS)}, got {reduction!r}")
    return reduction


def factor(name: str, value: float | Tensor) -> float | Tensor:
    """Returns a factor of a loss, a number or a scalar tensor. Raises TypeError for anything else."""
    if isinstance(value, Tensor) and not value.ndim:
        return value
    return as_number(name, value, "use a scalar tensor")


def weighted(name: str, loss: Tensor, weight: TensorLike | None) -> Tensor:
    """Multiplies each element of a loss by its weight, which broadcasts. Raises ValueError if the shapes do not fit."""
    if weight is None:
        return loss
    factors = cast(weight, loss.dtype)
    aligned = zip(reversed(factors.shape), reversed(loss.shape), strict=False)
    if factors.ndim > loss.ndim or not all(n in (1, m) for n, m in aligned):
        raise ValueError(f"{name}: a weight of shape {factors.shape} does not broadcast to the targets' shape {loss.shape}")
    return loss * factors


def as_pair(loss: str, predictions: TensorLike, targets: TensorLike) -> tuple[Tensor, Tensor]:
    """Converts both to tensors of one dtype. Raises ValueError if their shapes differ."""
    a, b = as_operands(predictions, targets)
    if a._data.shape != b._data.shape:
        raise ValueError(f"{loss}: predictions of shape {a.shape} and targets of shape {b.shape} must have the same shape")
    return a, b
