"""Losses of two classes: binary cross-entropy of probabilities and of logits."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Tensor, TensorLike
from autograd_mini.tools.calls import record_calls

from .ranges import require_range
from .reduction import Reduction, as_pair, reduce_loss, weighted


def _bce(p: Array, t: Array) -> Any:
    if p.size and not (p.min() >= 0 and p.max() <= 1):  # also true for nan
        raise ValueError
    with np.errstate(divide="ignore"):
        return (t - 1) * np.maximum(np.log1p(-p), -100) - t * np.maximum(np.log(p), -100)


def _not_probabilities(p: Array, t: Array) -> str:
    return f"expected probabilities in [0, 1], got {p.min()} to {p.max()}; for logits, use binary_cross_entropy_with_logits"


def _bce_by_probability(xp: Any, g: Any, y: Any, p: Any, t: Any) -> Any:
    # The lower bound gives a certain wrong answer a large, finite gradient, and a certain right one the gradient 0.
    smallest = max(1e-12, float(np.finfo(p.dtype).tiny))
    return g * (p - t) / xp.maximum(p * (1 - p), smallest)


_BCE = Primitive(
    "binary_cross_entropy",
    _bce,
    (_bce_by_probability, lambda xp, g, y, p, t: g * (xp.maximum(xp.log(1 - p), -100) - xp.maximum(xp.log(p), -100))),
    formula="−t ln p − (1 − t) ln(1 − p)",
    letters="pt",
    derivative=("(p − t) / (p (1 − p))", "ln(1 − p) − ln p"),
    kink="logarithms are clamped at −100",
    explain=_not_probabilities,
)


@record_calls
def binary_cross_entropy(
    probabilities: TensorLike, targets: TensorLike, *, weight: TensorLike | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """−t ln p − (1 − t) ln(1 − p) for probabilities p in [0, 1] and targets t, times `weight`, which broadcasts.

    Logarithms are clamped at −100, so that loss and gradient are finite at p = 0 and 1. If p is the output of a sigmoid, use
    `binary_cross_entropy_with_logits`, which is exact. Raises ValueError if p is outside [0, 1] or the shapes differ.

    >>> from autograd_mini import nn
    >>> nn.binary_cross_entropy([0.0, 0.5], [1.0, 1.0], reduction="none")
    Tensor([100.       ,   0.6931472])
    """
    pair = as_pair("binary_cross_entropy", probabilities, targets)
    _require_probabilities("binary_cross_entropy", pair[1])
    return reduce_loss(weighted("binary_cross_entropy", apply(_BCE, pair), weight), reduction)


@record_calls
def binary_cross_entropy_with_logits(
    logits: TensorLike,
    targets: TensorLike,
    *,
    weight: TensorLike | None = None,
    pos_weight: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−t ln σ(x) − (1 − t) ln(1 − σ(x)) = ln(1 + eˣ) − x t, exact for any logit x.

    The derivative with respect to x is σ(x) − t. Raises ValueError if the shapes differ.

    Parameters
    ----------
    logits, targets  x and t in [0, 1], of one shape
    weight           factor of each element, which broadcasts
    pos_weight       factor of the term −t ln σ(x), which broadcasts: above 1 for rare positive examples
    reduction        see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 1.0], reduction="none")
    Tensor([   0., 1000.])
    """
    pair = as_pair("binary_cross_entropy_with_logits", logits, targets)
    _require_probabilities("binary_cross_entropy_with_logits", pair[1])
    if pos_weight is None:
        loss = ag.binary_cross_entropy_with_logits(*pair)
    else:
        x, t = pair
        factor = weighted("binary_cross_entropy_with_logits", t, pos_weight) - t + 1  # 1 + (w − 1) t
        loss = (1 - t) * x + factor * ag.softplus(-x)
    return reduce_loss(weighted("binary_cross_entropy_with_logits", loss, weight), reduction)


_ADVICE: Final = (
    'scale them, such as images / 255, or use a loss of any numbers: mse_loss, an autoencoder\'s likelihood="gaussian"'
)


def _require_probabilities(loss: str, targets: Tensor) -> None:
    require_range(targets, 0, 1, f"{loss} needs targets", _ADVICE)
