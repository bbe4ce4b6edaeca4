"""Losses of a classifier with k classes that is also a discriminator (Salimans et al. 2016, section 5).

Class k + 1 is "generated". Its logit is fixed at 0, because only differences matter, so the network has k outputs l. With
Z = Σ exp lᵢ, an example is real with probability D(x) = Z / (Z + 1) = σ(ln Z): ln Z is the logit of a discriminator.
"""

from __future__ import annotations

import autograd_mini as ag
from autograd_mini.apply import as_floats
from autograd_mini.tensor import Tensor, TensorLike
from autograd_mini.tools.calls import record_calls

from .reduction import Reduction, factor, reduce_loss
from .supervised import cross_entropy


def real_logit(logits: TensorLike) -> Tensor:
    """Returns ln Z = ln Σ exp lᵢ over the last axis: (N, k) → (N,), the logit of "real".

    >>> from autograd_mini import nn
    >>> nn.real_logit([[0.0, 0.0]])
    Tensor([0.6931472])
    """
    return ag.logsumexp(logits, -1)


@record_calls
def unlabelled_loss(logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """Returns U = −E ln(1 − p(k + 1 | x)) = E softplus(−ln Z): real examples are real, of any class.

    >>> from autograd_mini import nn
    >>> nn.unlabelled_loss([[0.0, -1000.0]])
    Tensor(0.6931472)
    """
    return reduce_loss(ag.softplus(-real_logit(logits)), reduction)


@record_calls
def generated_loss(logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """Returns V = −E ln p(k + 1 | G(z)) = E softplus(ln Z): generated examples are of class k + 1. A generator may minimise −V.

    >>> from autograd_mini import nn
    >>> nn.generated_loss([[0.0, -1000.0]])
    Tensor(0.6931472)
    """
    return reduce_loss(ag.softplus(real_logit(logits)), reduction)


@record_calls
def semi_supervised_loss(
    labelled: TensorLike,
    labels: TensorLike,
    unlabelled: TensorLike,
    generated: TensorLike,
    *,
    unsupervised_weight: float = 1.0,
) -> Tensor:
    """Returns the classifier's loss L + w (U + V) with the cross-entropy L = −E ln p(y | x, y ≤ k).

    Parameters
    ----------
    labelled             logits (N, k) of real images with labels
    labels               their classes (N,)
    unlabelled           logits (…, k) of real images without labels
    generated            logits (…, k) of generated images
    unsupervised_weight  w: 1 in the paper's text, ½ in its code

    Examples
    --------
    >>> from autograd_mini import nn
    >>> certain = [[1000.0, 0.0]]
    >>> nn.semi_supervised_loss(certain, [0], certain, [[-1000.0, -1000.0]])
    Tensor(0.0)
    """
    labelled, unlabelled, generated = as_floats(labelled, unlabelled, generated)
    weight = factor("semi_supervised_loss: unsupervised_weight", unsupervised_weight)
    unsupervised = unlabelled_loss(unlabelled) + generated_loss(generated)
    return cross_entropy(labelled, labels) + unsupervised * weight
