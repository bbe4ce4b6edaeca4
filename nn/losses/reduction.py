"""What all losses share: how the losses of elements become one number, and operands that must have one shape.

`reduction` is "mean" (over all elements), "sum", "none" (one loss per element) or "batchmean" (the sum divided by the length
of the first axis: what belongs to one example is added up, and the examples are averaged).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import autograd_mini as ag
from autograd_mini.apply import as_operands
from autograd_mini.tensor import Tensor, TensorLike

Reduction: TypeAlias = Literal["mean", "sum", "none", "batchmean"]


def _batchmean(loss: Tensor) -> Tensor:
    if not loss.ndim:
        raise ValueError('reduction "batchmean" needs a first axis, that of the batch; got the loss of one example, a scalar')
    return ag.sum(loss) / len(loss)


_REDUCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "mean": ag.mean,
    "sum": ag.sum,
    "none": lambda loss: loss,
    "batchmean": _batchmean,
}


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The losses of elements put together; ValueError for an unknown `reduction`."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(_REDUCTIONS)}, not {reduction!r}")
    return _REDUCTIONS[reduction](loss)


def paired(loss: str, predictions: TensorLike, targets: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as tensors of one dtype and shape; ValueError naming the shapes where they differ."""
    a, b = as_operands(predictions, targets)
    if a._data.shape != b._data.shape:
        raise ValueError(f"{loss}: predictions of shape {a.shape} and targets of shape {b.shape} must have the same shape")
    return a, b
