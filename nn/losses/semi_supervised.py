"""Losses of a classifier of k classes that is a discriminator too (Salimans et al. 2016, section 5).

Class k + 1 is "generated". Its logit is fixed at 0, for only differences count, so the network has k outputs l. With
Z = Σ exp lᵢ, an example is real with probability D(x) = Z / (Z + 1) = σ(ln Z): ln Z is the logit of a discriminator.
"""

from __future__ import annotations

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike

from .reduction import Reduction, reduced
from .supervised import cross_entropy


def real_logit(logits: TensorLike) -> Tensor:
    """ln Z = ln Σ exp lᵢ over the last axis: (N, k) → (N,), the logit of "real".

    >>> from autograd_mini import nn
    >>> nn.real_logit([[0.0, 0.0]])
    Tensor([0.6931472])
    """
    return ag.logsumexp(logits, -1)


def unlabelled_loss(logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """U = −E ln(1 − p(k + 1 | x)) = E[softplus(ln Z) − ln Z] = E softplus(−ln Z): real examples are real, of whatever class.

    >>> from autograd_mini import nn
    >>> nn.unlabelled_loss([[0.0, -1000.0]])
    Tensor(0.6931472)
    """
    return reduced(ag.softplus(-real_logit(logits)), reduction)


def generated_loss(logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """V = −E ln p(k + 1 | G(z)) = E softplus(ln Z): generated examples are of class k + 1. The generator may take −V.

    >>> from autograd_mini import nn
    >>> nn.generated_loss([[0.0, -1000.0]])
    Tensor(0.6931472)
    """
    return reduced(ag.softplus(real_logit(logits)), reduction)


def semi_supervised_loss(
    labelled: TensorLike,
    labels: TensorLike,
    unlabelled: TensorLike,
    generated: TensorLike,
    *,
    unsupervised_weight: float = 1.0,
) -> Tensor:
    """The classifier's loss L + w (U + V) from three batches of logits (…, k), with L = −E ln p(y | x, y ≤ k), a cross-entropy.

    `unsupervised_weight` w is 1 in the paper's text and ½ in its code.

    >>> from autograd_mini import nn
    >>> certain = [[1000.0, 0.0]]
    >>> nn.semi_supervised_loss(certain, [0], certain, [[-1000.0, -1000.0]])
    Tensor(0.0)
    """
    unsupervised = unlabelled_loss(unlabelled) + generated_loss(generated)
    return cross_entropy(labelled, labels) + unsupervised * unsupervised_weight
