"""Losses of predictions and targets. Shapes must be equal: broadcasting one against the other is nearly always a mistake.

`reduction.py` explains `reduction`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply, as_float, as_floats, as_number, as_operands, cast, kind_of
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Tensor, TensorLike, as_tensor
from autograd_mini.tools.arguments import flag, one_int
from autograd_mini.tools.calls import record_calls

from .reduction import Reduction, as_pair, check_reduction, reduce_loss, weighted

# -- regression ------------------------------------------------------------------------------------------------------------


@record_calls
def mse_loss(predictions: TensorLike, targets: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """Squared error (ŷ − y)². Raises ValueError if the shapes of predictions and targets differ.

    >>> from autograd_mini import nn
    >>> nn.mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.0)
    """
    a, b = as_pair("mse_loss", predictions, targets)
    return reduce_loss(ag.square(a - b), reduction)


@record_calls
def l1_loss(predictions: TensorLike, targets: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
    """Absolute error |ŷ − y|, with gradient 0 at 0; shapes as in `mse_loss`.

    >>> from autograd_mini import nn
    >>> nn.l1_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(1.0)
    """
    a, b = as_pair("l1_loss", predictions, targets)
    return reduce_loss(ag.abs(a - b), reduction)


@record_calls
def smooth_l1_loss(predictions: TensorLike, targets: TensorLike, *, beta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """d²/(2β) if the error d = |ŷ − y| is below β, otherwise d − β/2; `l1_loss` for β = 0 (Girshick 2015, eq. 3: β = 1).

    It is Huber's loss divided by β = `beta`. Shapes as in `mse_loss`. Raises ValueError if β is negative.

    >>> from autograd_mini import nn
    >>> nn.smooth_l1_loss([0.5, 3.0], [0.0, 0.0], reduction="none")
    Tensor([0.125, 2.5  ])
    """
    beta = as_number("smooth_l1_loss: beta", beta, "write ag.where(d < beta, d * d / (2 * beta), d - beta / 2)")
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: expected beta ≥ 0, got {beta=}")
    a, b = as_pair("smooth_l1_loss", predictions, targets)
    error = a - b
    if not beta:
        return reduce_loss(ag.abs(error), reduction)
    near = ag.clip(error, -beta, beta)
    return reduce_loss(near * (error - near * 0.5) * (1 / beta), reduction)


@record_calls
def huber_loss(
    predictions: TensorLike,
    targets: TensorLike,
    *,
    delta: float = 1.0,
    weight: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """d²/2 if the error d = |ŷ − y| is below δ, otherwise δ (d − δ/2) (Huber 1964); shapes as in `mse_loss`.

    Parameters
    ----------
    predictions, targets  ŷ and y, of one shape
    delta                 δ > 0 (ValueError otherwise)
    weight                factor of each element, which broadcasts
    reduction             see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.huber_loss([0.5, 3.0], [0.0, 0.0], delta=2.0, reduction="none")
    Tensor([0.125, 4.   ])
    """
    delta = as_number("huber_loss: delta", delta, "write ag.where(d < delta, d * d / 2, delta * (d - delta / 2))")
    if not delta > 0:
        raise ValueError(f"huber_loss: expected delta > 0, got {delta=}")
    a, b = as_pair("huber_loss", predictions, targets)
    error = ag.abs(a - b)
    loss = ag.where(error < delta, ag.square(a - b) * 0.5, error * delta - 0.5 * delta * delta)
    return reduce_loss(weighted("huber_loss", loss, weight), reduction)


def _gaussian_nll(mean: Array, target: Array, var: Array, eps: float) -> Any:
    if (var < 0).any():
        raise ValueError
    bounded = np.maximum(var, eps)
    return (np.log(bounded) + np.square(mean - target) / bounded) * var.dtype.type(0.5)


def _gaussian_by_mean(xp: Any, g: Any, y: Any, mean: Any, target: Any, var: Any, eps: float) -> Any:
    return g * (mean - target) / xp.maximum(var, eps)


def _gaussian_by_var(xp: Any, g: Any, y: Any, mean: Any, target: Any, var: Any, eps: float) -> Any:
    bounded = xp.maximum(var, eps)
    return g * xp.max_share(var, eps) * (1 - xp.square(mean - target) / bounded) / (bounded * 2)


_GAUSSIAN_NLL = Primitive(
    "gaussian_nll_loss",
    _gaussian_nll,
    (_gaussian_by_mean, lambda *args, **params: -_gaussian_by_mean(*args, **params), _gaussian_by_var),
    formula="½ (log σ² + (y − ŷ)²/σ²)",
    derivative=("(ŷ − y)/σ²", "(y − ŷ)/σ²", "(1 − (y − ŷ)²/σ²)/(2σ²)"),
    kink="0 with respect to a variance below eps, half the slope at eps",
    explain=lambda mean, target, var, eps: f"expected var ≥ 0, got {var.min()}",
    elementwise=True,
)


@record_calls
def gaussian_nll_loss(
    predictions: TensorLike,
    targets: TensorLike,
    var: TensorLike,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:
    """Negative log-likelihood −log N(y; ŷ, σ²) = ½ (log σ² + (y − ŷ)²/σ²) (Nix & Weigend 1994).

    Parameters
    ----------
    predictions  means ŷ
    targets      values y, of the shape of ŷ
    var          variances σ², of the shape of ŷ and not negative
    full         add the constant ½ log 2π
    eps          lower bound of the variances
    reduction    see `reduction.py`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.gaussian_nll_loss([1.0], [3.0], [1.0])
    Tensor(2.0)
    """
    operands = as_operands(predictions, targets, var)
    for other in operands[1:]:
        as_pair("gaussian_nll_loss", operands[0], other)
    floor = as_number("gaussian_nll_loss: eps", eps, "apply ag.maximum(var, eps) first")
    loss = apply(_GAUSSIAN_NLL, operands, {"eps": floor})
    return reduce_loss(loss + 0.5 * math.log(2 * math.pi) if flag("gaussian_nll_loss", "full", full) else loss, reduction)


# -- many classes ----------------------------------------------------------------------------------------------------------


def _kept_mean(losses: Array, kept: Array, total: Array) -> Any:
    if not kept.any():
        warnings.warn("every target equals ignore_index, so the mean loss is nan", RuntimeWarning, stacklevel=2)
    return np.add.reduce(losses, axis=None, where=kept) / (total or losses.dtype.type(np.nan))


def _by_total(xp: Any, g: Any, quotient: Any, total: Any) -> Any:
    """The derivative of a quotient with respect to its divisor; 0 for the divisor 0, when nothing is kept."""
    return -g * xp.where(total == 0, 0.0, quotient) / xp.where(total == 0, 1.0, total)


_KEPT_MEAN = Primitive(
    "kept_mean",
    _kept_mean,
    (
        lambda xp, g, y, x, kept, total: g * xp.kept_share(kept, total),
        None,
        lambda xp, g, y, x, kept, total: _by_total(xp, g, y, total),
    ),
    formula="Σ x / total, where kept",
    derivative=("[kept] / total", "none", "−Σ x / total²"),
    kink="0 where nothing is kept",
    uniform=False,
)
Primitive(
    "kept_share",
    lambda kept, total: kept / (total or total.dtype.type(1)),
    (None, lambda xp, g, y, kept, total: _by_total(xp, g, y, total)),
    formula="[kept] / total",
    derivative=("none", "−[kept] / total²"),
    kink="0 where nothing is kept",
    uniform=False,
)


@record_calls
def cross_entropy(
    logits: TensorLike,
    targets: TensorLike,
    *,
    weight: TensorLike | None = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ_c q_c ln softmax(x)_c, the sum over the class axis.

    Parameters
    ----------
    logits           x, (N, C) or (N, C, …), or (C,) for a single example
    targets          class indices (integers, in the logits' shape without the class axis) or probabilities q (floats)
    weight           (C,), a factor for each class; with class indices, "mean" divides by the sum of the targets' weights
    reduction        see `reduction.py`
    ignore_index     positions with this class index do not count; None: all count (PyTorch's default is −100)
    label_smoothing  ε: q becomes (1 − ε) q + ε/C (Szegedy et al. 2016, section 7)

    Raises
    ------
    ValueError       if shapes do not match
    IndexError       if a class index is outside [0, C)

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [1, 0], reduction="none")
    Tensor([0.6931472, 0.       ])
    >>> nn.cross_entropy([[0.0, 0.0]], [[0.25, 0.75]])
    Tensor(0.6931472)
    """
    smoothing = as_number(
        "cross_entropy: label_smoothing",
        label_smoothing,
        "pass the targets (1 - label_smoothing) * one_hot + label_smoothing / C",
    )
    options = weight, reduction, ignore_index, smoothing
    return _class_loss("cross_entropy", ag.softmax_cross_entropy, logits, targets, *options)


@record_calls
def nll_loss(
    log_probabilities: TensorLike,
    targets: TensorLike,
    *,
    weight: TensorLike | None = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
) -> Tensor:
    """−ln p_t of the target class t, from the log-probabilities that `log_softmax` returns.

    Shapes, `weight`, `reduction`, `ignore_index` and errors are those of `cross_entropy`.

    >>> import autograd_mini as ag
    >>> ag.nn.nll_loss(ag.log([[0.25, 0.75]]), [1], reduction="sum")
    Tensor(0.2876821)
    """
    options = weight, reduction, ignore_index, 0.0
    return _class_loss("nll_loss", _negative_log_likelihood, log_probabilities, targets, *options)


def _nll(x: Array, t: Array) -> Array:
    if t.size and not (t.min() >= 0 and t.max() < x.shape[-1]):
        raise IndexError
    return -np.take_along_axis(x, t[..., None].astype(np.int64, copy=False), -1)[..., 0]


def _nll_rule(xp: Any, g: Any, y: Any, x: Any, t: Any) -> Any:
    return xp.one_hot(t, classes=x.shape[-1], dtype=x.dtype) * -xp.reshape(g, shape=(*g.shape, 1))


_NLL = Primitive(
    "nll_loss",
    _nll,
    (_nll_rule, None),
    formula="−xₜ",
    derivative=("−[j = t]",),
    explain=lambda x, t: f"targets must lie in [0, {x.shape[-1]}), got {t.min()} to {t.max()}" if t.size else "",
    uniform=False,
    flops=0,
)


def _negative_log_likelihood(x: Tensor, t: Tensor) -> Tensor:
    """−x_t for classes t, −Σ_c t_c x_c for probabilities t."""
    if t.dtype.kind == "f":
        return -ag.sum(t * x, -1)
    if not x.ndim or t.shape != x.shape[:-1]:
        raise ValueError(f"nll_loss: log-probabilities {x.shape} do not fit targets {t.shape}")
    return apply(_NLL, (x, t))


def _class_loss(
    name: str,
    rows: Callable[[Tensor, Tensor], Tensor],
    logits: TensorLike,
    targets: TensorLike,
    weight: TensorLike | None,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> Tensor:
    """Applies the options of `cross_entropy` to `rows(x, t)`, a loss for each row of classes."""
    check_reduction(reduction)
    ignored = None if ignore_index is None else one_int(name, "ignore_index", ignore_index)
    x, whole = as_float(logits), kind_of(targets) in "iu"
    t = as_tensor(targets) if whole else cast(targets, x.dtype)
    x, t = _classes_last(name, x, t) if x.ndim > 2 else (x, t)
    if not whole and t.shape != x.shape:  # the product with the weights would broadcast
        hint = "; class indices must be integers: targets.astype(int)" if t.shape == x.shape[:-1] else ""
        raise ValueError(f"{name}: logits {x.shape} do not fit probability targets {t.shape}{hint}")
    kept = t != ignored if whole and ignored is not None else None
    if kept is not None:
        t = ag.where(kept, t, 0)
    scale = None if weight is None else _class_weights(name, x, weight)
    share = None  # the weight of each position in the mean
    if whole and not label_smoothing:
        losses = rows(x, t)
        if scale is not None:
            share = ag.take(scale, t)
            losses = losses * share
    else:
        q = _smooth_labels(ag.one_hot(t, x.shape[-1], x.dtype) if whole else t, label_smoothing)
        losses = rows(x, q if scale is None else q * scale)
        share = ag.take(scale, t) if scale is not None and whole else None
    if kept is None and share is None:
        return reduce_loss(losses, reduction)
    kept = Tensor(np.ones(losses.shape, bool)) if kept is None else kept
    if reduction != "mean":
        return reduce_loss(ag.where(kept, losses, 0), reduction)
    total = ag.sum(ag.where(kept, 1.0 if share is None else share, 0)).astype(x.dtype)
    return apply(_KEPT_MEAN, (losses, kept, total))


def _class_weights(name: str, x: Tensor, weight: TensorLike) -> Tensor:
    scale = cast(weight, x.dtype)
    if scale.shape != x.shape[-1:]:
        raise ValueError(f"{name}: {x.shape[-1]} classes need a weight of shape {x.shape[-1:]}, got {scale.shape}")
    return scale


def _classes_last(name: str, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Moves the class axis, axis 1, to the end in both; class indices have no class axis."""
    positions = (logits.shape[0], *logits.shape[2:])
    if targets.shape not in (positions, logits.shape):
        raise ValueError(
            f"{name}: logits {logits.shape} need class indices of shape {positions} or probabilities of the same "
            f"shape, got {targets.shape}"
        )
    return ag.moveaxis(logits, 1, -1), ag.moveaxis(targets, 1, -1) if targets.shape == logits.shape else targets


def _smooth_labels(q: Tensor, share: float) -> Tensor:
    if not 0 <= share <= 1:
        raise ValueError(f"cross_entropy: expected label_smoothing in [0, 1], got {share}")
    return q * (1 - share) + share / q.shape[-1]


# -- distributions ---------------------------------------------------------------------------------------------------------


@record_calls
def kl_div(
    log_probabilities: TensorLike, targets: TensorLike, *, log_target: bool = False, reduction: Reduction = "batchmean"
) -> Tensor:
    """KL(p ‖ q) = Σ p (ln p − ln q), with 0 ln 0 = 0. Raises ValueError if the shapes differ.

    Parameters
    ----------
    log_probabilities  ln q, with the batch on the first axis
    targets            p, or ln p if `log_target`
    log_target         whether the targets are logarithms
    reduction          "batchmean" is the mean divergence; PyTorch's default, the mean over elements, is not a divergence

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.nn.kl_div(ag.log([[0.5, 0.5]]), [[1.0, 0.0]])
    Tensor(0.6931472)
    """
    q, p = as_pair("kl_div", log_probabilities, targets)
    loss = ag.exp(p) * (p - q) if flag("kl_div", "log_target", log_target) else ag.xlogy(p, p) - p * q
    return reduce_loss(loss, reduction)


@record_calls
def kl_normal(
    mu: TensorLike,
    logvar: TensorLike,
    other_mu: TensorLike | None = None,
    other_logvar: TensorLike | None = None,
    *,
    reduction: Reduction = "batchmean",
) -> Tensor:
    """KL(N(μ, σ²) ‖ N(μ₂, σ₂²)) for each dimension. Raises ValueError if the shapes differ.

    ½ (σ² + μ² − log σ² − 1) with N(0, 1), and ½ (σ²/σ₂² + (μ − μ₂)²/σ₂² − log(σ²/σ₂²) − 1) in general (Kingma & Welling
    2014, appendix B).

    Parameters
    ----------
    mu            means μ, with the batch on the first axis
    logvar        log σ²
    other_mu      means μ₂; None: 0
    other_logvar  log σ₂²; None: 0
    reduction     "batchmean" is the mean divergence; a mean over dimensions is not a divergence

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.kl_normal([[1.0, 2.0]], [[0.0, 0.0]])
    Tensor(2.5)
    >>> nn.kl_normal([[1.0, 2.0]], [[0.0, 0.0]], [[1.0, 1.0]], [[0.0, 0.0]])
    Tensor(0.5)
    """
    if mu is None or logvar is None:
        raise TypeError(f"kl_normal: mu and logvar must be tensors, got mu={mu!r} and logvar={logvar!r}")
    shift, ratio, *others = as_floats(*(x for x in (mu, logvar, other_mu, other_logvar) if x is not None))
    for t in (ratio, *others):
        as_pair("kl_normal", shift, t)
    if other_mu is not None:
        shift = shift - others[0]
    distance = ag.square(shift)
    if other_logvar is not None:
        ratio, distance = ratio - others[-1], distance * ag.exp(-others[-1])
    return reduce_loss((ag.expm1(ratio) - ratio + distance) * 0.5, reduction)  # never below 0 through rounding
