"""Losses as modules, under PyTorch's names: each class calls a function with its settings, and its defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from autograd_mini.tensor import Tensor, TensorLike

from ..layers.base import FunctionLayer
from ..module import Buffer
from . import binary, distances, supervised
from .reduction import Reduction


class Loss(FunctionLayer):
    """Base of the losses: `loss(input, target)` is a call of the function with the arguments of `__init__`.

    >>> from autograd_mini import nn
    >>> criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    >>> round(criterion([[2.0, 0.0]], [0]).item(), 4)
    0.2269
    """

    function: ClassVar[Callable[..., Tensor]]

    def forward(self, *operands: TensorLike) -> Tensor:
        return self.function(*operands, **self.settings)


def _constant(value: TensorLike | None) -> Buffer | None:
    """Weights are part of the state, as in PyTorch."""
    return None if value is None else Buffer(value)


class MSELoss(Loss, function=supervised.mse_loss):
    """Squared error, combined by `reduction`; see `nn.mse_loss`."""

    def __init__(self, *, reduction: Reduction = "mean"):
        self.reduction = reduction


class L1Loss(Loss, function=supervised.l1_loss):
    """Absolute error, combined by `reduction`; see `nn.l1_loss`."""

    def __init__(self, *, reduction: Reduction = "mean"):
        self.reduction = reduction


class SmoothL1Loss(Loss, function=supervised.smooth_l1_loss):
    """Squared error below `beta`, absolute error elsewhere, combined by `reduction`; see `nn.smooth_l1_loss`."""

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0):
        self.reduction, self.beta = reduction, beta


class HuberLoss(Loss, function=supervised.huber_loss):
    """Squared error below `delta`, absolute error elsewhere, combined by `reduction`; see `nn.huber_loss`."""

    def __init__(self, *, reduction: Reduction = "mean", delta: float = 1.0):
        self.reduction, self.delta = reduction, delta


class CrossEntropyLoss(Loss, function=supervised.cross_entropy):
    """Cross-entropy of logits and classes or probabilities; see `nn.cross_entropy`.

    `weight`, `reduction` and `label_smoothing` are its arguments. Targets that equal `ignore_index`, −100 as in PyTorch, do not
    count.
    """

    def __init__(
        self,
        weight: TensorLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ):
        self.weight, self.ignore_index = _constant(weight), ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing


class NLLLoss(Loss, function=supervised.nll_loss):
    """Negative log-likelihood of log-probabilities, with the arguments of `CrossEntropyLoss`.

    `weight`, `ignore_index` and `reduction` are those of `nn.nll_loss`.
    """

    def __init__(self, weight: TensorLike | None = None, *, ignore_index: int = -100, reduction: Reduction = "mean"):
        self.weight, self.ignore_index, self.reduction = _constant(weight), ignore_index, reduction


class BCELoss(Loss, function=binary.binary_cross_entropy):
    """Binary cross-entropy of probabilities; `weight` and `reduction` are those of `nn.binary_cross_entropy`."""

    def __init__(self, weight: TensorLike | None = None, *, reduction: Reduction = "mean"):
        self.weight, self.reduction = _constant(weight), reduction


class BCEWithLogitsLoss(Loss, function=binary.binary_cross_entropy_with_logits):
    """Binary cross-entropy of logits.

    `weight`, `pos_weight` and `reduction` are those of `nn.binary_cross_entropy_with_logits`.
    """

    def __init__(
        self, weight: TensorLike | None = None, *, reduction: Reduction = "mean", pos_weight: TensorLike | None = None
    ):
        self.weight, self.reduction, self.pos_weight = _constant(weight), reduction, _constant(pos_weight)


class KLDivLoss(Loss, function=supervised.kl_div):
    """KL divergence of log-probabilities; see `nn.kl_div` for `log_target`.

    The default `reduction` is the mean over elements, as in PyTorch; "batchmean" is the divergence.
    """

    def __init__(self, *, reduction: Reduction = "mean", log_target: bool = False):
        self.reduction, self.log_target = reduction, log_target


class GaussianNLLLoss(Loss, function=supervised.gaussian_nll_loss):
    """Negative log-likelihood of N(input, var), called as `loss(input, target, var)`.

    `full`, `eps` and `reduction` are those of `nn.gaussian_nll_loss`.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean"):
        self.full, self.eps, self.reduction = full, eps, reduction


class PoissonNLLLoss(Loss, function=distances.poisson_nll_loss):
    """Negative log-likelihood of counts.

    `log_input`, `full`, `eps` and `reduction` are those of `nn.functional.poisson_nll_loss`.
    """

    def __init__(self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: Reduction = "mean"):
        self.log_input, self.full, self.eps, self.reduction = log_input, full, eps, reduction


class CosineSimilarity(Loss, function=distances.cosine_similarity):
    """Cosine of the angle between two vectors along `dim`; lengths count as at least `eps`. See `functional.cosine_similarity`.

    >>> from autograd_mini import nn
    >>> nn.CosineSimilarity()([[3.0, 4.0]], [[4.0, 3.0]])
    Tensor([0.96])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        self.dim, self.eps = dim, eps


class PairwiseDistance(Loss, function=distances.pairwise_distance):
    """Distance of two vectors in the `p`-norm along the last axis, which `keepdim` keeps; `eps` is added to x₁ − x₂.

    >>> from autograd_mini import nn
    >>> nn.PairwiseDistance(eps=0.0)([[3.0, 4.0]], [[0.0, 0.0]])
    Tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        self.p, self.eps, self.keepdim = p, eps, keepdim


class CosineEmbeddingLoss(Loss, function=distances.cosine_embedding_loss):
    """Cosine distance of pairs with a `margin`, called as `loss(x1, x2, target)` and combined by `reduction`.

    See `nn.functional.cosine_embedding_loss`.
    """

    def __init__(self, margin: float = 0.0, *, reduction: Reduction = "mean"):
        self.margin, self.reduction = margin, reduction


class MarginRankingLoss(Loss, function=distances.margin_ranking_loss):
    """Order of two scores with a `margin`, called as `loss(x1, x2, target)` and combined by `reduction`.

    See `nn.functional.margin_ranking_loss`.
    """

    def __init__(self, margin: float = 0.0, *, reduction: Reduction = "mean"):
        self.margin, self.reduction = margin, reduction


class HingeEmbeddingLoss(Loss, function=distances.hinge_embedding_loss):
    """Distances of similar and dissimilar pairs with a `margin`, combined by `reduction`.

    See `nn.functional.hinge_embedding_loss`.
    """

    def __init__(self, margin: float = 1.0, *, reduction: Reduction = "mean"):
        self.margin, self.reduction = margin, reduction


class TripletMarginLoss(Loss, function=distances.triplet_margin_loss):
    """Distances of three vectors, called as `loss(anchor, positive, negative)`.

    `margin`, `p`, `eps`, `swap` and `reduction` are those of `nn.functional.triplet_margin_loss`.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: Reduction = "mean",
    ):
        self.margin, self.p, self.eps, self.swap, self.reduction = margin, p, eps, swap, reduction


class SoftMarginLoss(Loss, function=distances.soft_margin_loss):
    """Logistic loss of targets 1 and −1, combined by `reduction`; see `nn.functional.soft_margin_loss`."""

    def __init__(self, *, reduction: Reduction = "mean"):
        self.reduction = reduction


class MultiLabelSoftMarginLoss(Loss, function=distances.multilabel_soft_margin_loss):
    """Binary cross-entropy of several labels, with a `weight` per class, combined by `reduction`.

    See `nn.functional.multilabel_soft_margin_loss`.
    """

    def __init__(self, weight: TensorLike | None = None, *, reduction: Reduction = "mean"):
        self.weight, self.reduction = _constant(weight), reduction


MODULES: dict[str, Any] = {
    name: kind for name, kind in list(vars().items()) if isinstance(kind, type) and issubclass(kind, Loss) and kind is not Loss
}
"""The losses by name."""
