"""Losses of distances and margins between pairs of vectors or scores, and of counts. Names and formulas follow PyTorch."""

from __future__ import annotations

import math

import autograd_mini as ag
from autograd_mini.apply import as_floats, as_number
from autograd_mini.tensor import Tensor, TensorLike
from autograd_mini.tools.arguments import flag
from autograd_mini.tools.calls import record_calls

from .reduction import Reduction, as_pair, reduce_loss, weighted

_CONSTANT = "write the loss with functions of ag"


def cosine_similarity(x1: TensorLike, x2: TensorLike, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`; the shapes broadcast.

    >>> from autograd_mini import nn
    >>> nn.functional.cosine_similarity([[3.0, 4.0]], [[4.0, 3.0]])
    Tensor([0.96])
    """
    a, b = as_floats(x1, x2)
    eps = as_number("cosine_similarity: eps", eps, _CONSTANT)
    lengths = ag.clip(ag.norm(a, dim=dim), eps) * ag.clip(ag.norm(b, dim=dim), eps)
    return ag.sum(a * b, dim=dim) / lengths


def pairwise_distance(x1: TensorLike, x2: TensorLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ along the last axis; the shapes broadcast.

    Parameters
    ----------
    x1, x2   vectors (…, D)
    p        exponent of the norm
    eps      ε, which keeps the gradient finite at distance 0
    keepdim  keep the last axis at length 1

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.functional.pairwise_distance([[3.0, 4.0]], [[0.0, 0.0]], eps=0.0)
    Tensor([5.])
    """
    a, b = as_floats(x1, x2)
    eps = as_number("pairwise_distance: eps", eps, _CONSTANT)
    return ag.norm(a - b + eps, p=p, dim=-1, keepdim=keepdim)


@record_calls
def cosine_embedding_loss(
    x1: TensorLike, x2: TensorLike, target: TensorLike, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """1 − cos(x₁, x₂) for pairs with target 1, max(0, cos(x₁, x₂) − margin) for those with target −1.

    Parameters
    ----------
    x1, x2     vectors (N, D) or (D,)
    target     1 or −1 for each pair
    margin     pairs with target −1 and a smaller cosine cost nothing
    reduction  see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.functional.cosine_embedding_loss([[1.0, 0.0]], [[0.0, 2.0]], [1])
    Tensor(1.0)
    """
    cosine = cosine_similarity(x1, x2, dim=-1)
    margin = as_number("cosine_embedding_loss: margin", margin, _CONSTANT)
    return reduce_loss(ag.where(ag.as_tensor(target) == 1, 1 - cosine, ag.relu(cosine - margin)), reduction)


@record_calls
def margin_ranking_loss(
    x1: TensorLike, x2: TensorLike, target: TensorLike, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """max(0, −t (x₁ − x₂) + margin): t = 1 if x₁ should be larger, −1 if x₂ should be.

    Parameters
    ----------
    x1, x2     scores
    target     1 or −1 for each pair
    margin     the distance from which a pair costs nothing
    reduction  see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.functional.margin_ranking_loss([1.0], [3.0], [1.0])
    Tensor(2.0)
    """
    a, b, t = as_floats(x1, x2, target)
    return reduce_loss(ag.relu(-t * (a - b) + as_number("margin_ranking_loss: margin", margin, _CONSTANT)), reduction)


@record_calls
def hinge_embedding_loss(
    input: TensorLike, target: TensorLike, *, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1, for distances x.

    >>> from autograd_mini import nn
    >>> nn.functional.hinge_embedding_loss([0.25, 0.25], [1, -1], reduction="none")
    Tensor([0.25, 0.75])
    """
    x, t = as_floats(input, target)
    margin = as_number("hinge_embedding_loss: margin", margin, _CONSTANT)
    return reduce_loss(ag.where(t == 1, x, ag.relu(margin - x)), reduction)


@record_calls
def triplet_margin_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin) (Schroff et al. 2015), with `pairwise_distance` as d.

    Parameters
    ----------
    anchor, positive, negative  vectors (N, D)
    margin     how much farther the negative example should be
    p, eps     settings of the distance
    swap       use the smaller of d(anchor, negative) and d(positive, negative) (Balntas et al. 2016)
    reduction  see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> round(nn.functional.triplet_margin_loss([[0.0]], [[3.0]], [[1.0]]).item(), 4)
    3.0
    """
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if flag("triplet_margin_loss", "swap", swap):
        far = ag.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduce_loss(ag.relu(near - far + as_number("triplet_margin_loss: margin", margin, _CONSTANT)), reduction)


@record_calls
def soft_margin_loss(input: TensorLike, target: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """ln(1 + e^(−t x)) for targets t of 1 or −1.

    >>> from autograd_mini import nn
    >>> nn.functional.soft_margin_loss([1000.0, -1000.0], [1.0, 1.0], reduction="none")
    Tensor([   0., 1000.])
    """
    x, t = as_pair("soft_margin_loss", *as_floats(input, target))
    return reduce_loss(ag.softplus(-t * x), reduction)


@record_calls
def multilabel_soft_margin_loss(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, *, reduction: Reduction = "mean"
) -> Tensor:
    """Binary cross-entropy of logits (N, C), averaged over the classes; `weight` has a factor for each class.

    >>> from autograd_mini import nn
    >>> nn.functional.multilabel_soft_margin_loss([[0.0, 0.0]], [[1.0, 0.0]])
    Tensor(0.6931472)
    """
    x, t = as_pair("multilabel_soft_margin_loss", *as_floats(input, target))
    loss = ag.binary_cross_entropy_with_logits(x, t)
    return reduce_loss(ag.mean(weighted("multilabel_soft_margin_loss", loss, weight), -1), reduction)


@record_calls
def poisson_nll_loss(
    input: TensorLike,
    target: TensorLike,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Tensor:
    """Negative log-likelihood of counts t with the rate λ: λ − t ln λ, without the constant ln t!.

    Parameters
    ----------
    input      ln λ, or λ if `log_input` is False
    target     counts t
    log_input  whether the input is ln λ
    full       add Stirling's approximation t ln t − t + ½ ln(2πt) of ln t!, for t > 1
    eps        added to λ in ln λ if `log_input` is False
    reduction  see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.functional.poisson_nll_loss([0.0], [2.0])
    Tensor(1.0)
    """
    x, t = as_pair("poisson_nll_loss", *as_floats(input, target))
    if flag("poisson_nll_loss", "log_input", log_input):
        loss = ag.exp(x) - t * x
    else:
        loss = x - t * ag.log(x + as_number("poisson_nll_loss: eps", eps, _CONSTANT))
    if flag("poisson_nll_loss", "full", full):
        counts = ag.maximum(t, 1.0)
        loss = loss + ag.where(t > 1, t * ag.log(counts) - t + 0.5 * ag.log(2 * math.pi * counts), 0.0)
    return reduce_loss(loss, reduction)
