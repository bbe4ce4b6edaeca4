"""PyTorch's `torch.nn.functional`: its names, argument names and defaults, for operations and losses of this library.

>>> import autograd_mini as ag
>>> import autograd_mini.nn.functional as F
>>> F.softmax(ag.zeros(1, 2), dim=1)
Tensor([[0.5, 0.5]], shape=(1, 2))
"""

from __future__ import annotations

import typing as _typing
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import as_float, as_number
from autograd_mini.tensor import Tensor, TensorLike, as_tensor
from autograd_mini.tools.arguments import flag, one_int
from autograd_mini.tools.missing_names import MissingNameError as _MissingNameError

from .layers.padding import pad as _pad_last_axes
from .losses import binary, supervised
from .losses.distances import (
    cosine_embedding_loss,
    cosine_similarity,
    hinge_embedding_loss,
    margin_ranking_loss,
    multilabel_soft_margin_loss,
    pairwise_distance,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from .losses.reduction import Reduction

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout", "dropout2d", "elu",
    "embedding", "fold", "gaussian_nll_loss", "gelu", "glu", "grid_sample", "gumbel_softmax", "hardsigmoid", "hardswish",
    "hardtanh", "hinge_embedding_loss", "huber_loss", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "logsigmoid", "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d",
    "max_unpool2d", "max_unpool3d", "mish", "mse_loss", "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot",
    "pad", "pairwise_distance", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "selu",
    "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "softsign", "tanh",
    "triplet_margin_loss", "unfold",
]  # fmt: skip

# -- activations -----------------------------------------------------------------------------------------------------------
# `inplace` only saves memory in PyTorch. Here it is accepted, and the result is a new tensor.


def _activation(function: Callable[[TensorLike], Tensor]) -> Callable[..., Tensor]:
    def call(input: TensorLike, inplace: bool = False) -> Tensor:
        return function(input)

    call.__name__ = call.__qualname__ = getattr(function, "__name__", "activation")
    call.__doc__ = function.__doc__
    return call


relu, relu6, selu, silu, mish = (_activation(f) for f in (ag.relu, ag.relu6, ag.selu, ag.silu, ag.mish))
sigmoid, tanh, logsigmoid, softsign, gelu = ag.sigmoid, ag.tanh, ag.logsigmoid, ag.softsign, ag.gelu


def leaky_relu(input: TensorLike, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Returns x for x > 0, otherwise `negative_slope` · x."""
    return ag.leaky_relu(input, negative_slope)


def prelu(input: TensorLike, weight: TensorLike) -> Tensor:
    """Returns `leaky_relu` with a learnable slope: one number, or one for each channel, axis 1."""
    return ag.prelu(input, weight)


def elu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Returns x for x > 0, otherwise α (eˣ − 1)."""
    return ag.elu(input, alpha)


def celu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Returns x for x > 0, otherwise α (e^(x/α) − 1)."""
    return ag.celu(input, alpha)


def hardtanh(input: TensorLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Limits x to [`min_val`, `max_val`]."""
    return ag.hardtanh(input, min_val, max_val)


def hardsigmoid(input: TensorLike, inplace: bool = False) -> Tensor:
    """Returns min(max(x + 3, 0), 6) / 6."""
    return ag.hardsigmoid(input)


def hardswish(input: TensorLike, inplace: bool = False) -> Tensor:
    """Returns x · hardsigmoid(x) (Howard et al. 2019)."""
    return ag.hardswish(input)


def softplus(input: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Returns ln(1 + e^(βx)) / β, exact for any x, so that it needs no `threshold`."""
    beta = as_number("softplus: beta", beta, "write softplus(x * beta) / beta")
    return ag.softplus(input) if beta == 1 else ag.softplus(as_float(input) * beta) / beta


def glu(input: TensorLike, dim: int = -1) -> Tensor:
    """Returns a · σ(b), where a and b are the halves of the input along `dim` (Dauphin et al. 2017)."""
    return ag.glu(input, dim)


def _need_dim(name: str, dim: int | None) -> int:
    if dim is None:
        raise TypeError(f"{name}: dim is missing; write F.{name}(x, dim=1) for rows of classes")
    return dim


def softmax(input: TensorLike, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Returns eˣ / Σ eˣ along `dim`, which must be given."""
    return ag.softmax(_cast(input, dtype), dim=_need_dim("softmax", dim))


def softmin(input: TensorLike, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Returns the softmax of −x along `dim`, which must be given."""
    return ag.softmax(-_cast(input, dtype), dim=_need_dim("softmin", dim))


def log_softmax(input: TensorLike, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Returns x − ln Σ eˣ along `dim`, which must be given."""
    return ag.log_softmax(_cast(input, dtype), dim=_need_dim("log_softmax", dim))


def gumbel_softmax(logits: TensorLike, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Draws from the Gumbel-softmax distribution with temperature τ (Jang et al. 2017).

    Parameters
    ----------
    logits  unnormalised log-probabilities
    tau     τ > 0
    hard    return one-hot vectors, with the gradient of the soft draws
    eps     has no effect
    dim     the axis of the classes
    """
    x, tau = as_float(logits), as_number("gumbel_softmax: tau", tau, "use .detach() for a constant")
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau must be positive, got {tau}")
    uniform = ag.clip(ag.rand(x.shape, dtype=x.dtype), float(np.finfo(x.dtype).tiny), 1.0)
    soft = ag.softmax((x - ag.log(-ag.log(uniform))) / tau, dim=dim)
    if not flag("gumbel_softmax", "hard", hard):
        return soft
    best = ag.argmax(soft.detach(), dim=dim)
    return ag.moveaxis(ag.one_hot(best, x.shape[dim], x.dtype), -1, dim) - soft.detach() + soft


def _cast(input: TensorLike, dtype: Any) -> Tensor:
    return as_float(input) if dtype is None else ag.astype(input, dtype)


# -- layers ----------------------------------------------------------------------------------------------------------------

linear, layer_norm = ag.linear, ag.layer_norm


def dropout(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Sets each element to 0 with probability `p` and divides the others by 1 − p, if `training`."""
    return ag.dropout(input, p, training)


def dropout2d(input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Sets each map of (N, C, …) to 0 with probability `p` and divides the others by 1 − p, if `training`."""
    x = as_float(input)
    return x * ag.dropout(ag.ones((*x.shape[:2], *(1,) * (x.ndim - 2)), dtype=x.dtype), p, training)


def embedding(input: TensorLike, weight: TensorLike, padding_idx: int | None = None) -> Tensor:
    """Returns rows of `weight` at the integers in `input`; the row `padding_idx` gets no gradient."""
    return ag.embedding(weight, input, padding_idx)


def one_hot(tensor: TensorLike, num_classes: int = -1) -> Tensor:
    """Returns int64 rows of zeros with a 1 at each index; by default with as many classes as the largest index needs."""
    indices = as_tensor(tensor)
    if one_int("one_hot", "num_classes", num_classes) == -1:
        num_classes = int(indices.max().item()) + 1
    return ag.one_hot(indices, num_classes, np.int64)


def _from_input(*functions: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Returns the functions with PyTorch's name `input` for their first argument."""

    def rename(function: Callable[..., Any]) -> Callable[..., Any]:
        first, *others = signature(function).parameters.values()

        @wraps(function)
        def call(input: TensorLike, *args: Any, **keywords: Any) -> Any:
            return function(input, *args, **keywords)

        renamed = signature(function).replace(parameters=[first.replace(name="input"), *others])
        call.__signature__ = renamed  # type: ignore[attr-defined]
        return call

    return [rename(function) for function in functions]


conv1d, conv2d, conv3d = _from_input(ag.conv1d, ag.conv2d, ag.conv3d)
conv_transpose1d, conv_transpose2d, conv_transpose3d = _from_input(
    ag.conv_transpose1d, ag.conv_transpose2d, ag.conv_transpose3d
)
max_pool1d, max_pool2d, max_pool3d = _from_input(ag.max_pool1d, ag.max_pool2d, ag.max_pool3d)
max_unpool1d, max_unpool2d, max_unpool3d = _from_input(ag.max_unpool1d, ag.max_unpool2d, ag.max_unpool3d)
avg_pool1d, avg_pool2d, avg_pool3d = _from_input(ag.avg_pool1d, ag.avg_pool2d, ag.avg_pool3d)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = _from_input(
    ag.adaptive_avg_pool1d, ag.adaptive_avg_pool2d, ag.adaptive_avg_pool3d
)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _from_input(
    ag.adaptive_max_pool1d, ag.adaptive_max_pool2d, ag.adaptive_max_pool3d
)
grid_sample = ag.grid_sample
interpolate, pixel_shuffle, pixel_unshuffle = _from_input(ag.interpolate, ag.pixel_shuffle, ag.pixel_unshuffle)
unfold, fold = _from_input(ag.unfold, ag.fold)


def batch_norm(
    input: TensorLike,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel of (N, C, …) by the batch's statistics if `training`, otherwise by the running ones.

    In training, the running statistics are updated in place: (1 − momentum) running + momentum · batch, with the unbiased
    variance of the batch.
    """
    if not flag("batch_norm", "training", training):
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: expected running_mean and running_var unless training=True, got None")
        return ag.batch_norm_inference(input, running_mean, running_var, weight, bias, eps)
    y, mean, var = ag.batch_norm(input, weight, bias, eps)
    count = y.size // y.shape[1]
    if running_mean is not None and running_var is not None:
        if not (isinstance(running_mean, Tensor) and isinstance(running_var, Tensor)):
            got = f"{type(running_mean).__name__} and {type(running_var).__name__}"
            raise TypeError(f"batch_norm: training updates running_mean and running_var, which must be tensors, got {got}")
        with ag.no_grad():
            running_mean.lerp_(mean.detach(), momentum)
            running_var.lerp_(var.detach() * (count / max(count - 1, 1)), momentum)
    return y


# -- shapes ----------------------------------------------------------------------------------------------------------------


def pad(input: TensorLike, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads the last axes: `pad` is (left, right) of the last one, then (top, bottom) of the one before, and so on.

    Negative numbers crop. `mode` is "constant" (with `value`), "reflect", "replicate" or "circular".
    """
    return _pad_last_axes(input, pad, mode, value)


def normalize(input: TensorLike, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divides x by its p-norm along `dim`, or by `eps` if that is larger."""
    x = as_float(input)
    return x / ag.clip(ag.norm(x, p=p, dim=dim, keepdim=True), eps)


# -- losses ----------------------------------------------------------------------------------------------------------------


def _loss(function: Callable[..., Tensor], **defaults: Any) -> Callable[..., Tensor]:
    """Returns a loss whose operands may be called `input` and `target`, with PyTorch's defaults."""

    def call(input: TensorLike, target: TensorLike, *others: TensorLike, **options: Any) -> Tensor:
        return function(input, target, *others, **{**defaults, **options})

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = function.__doc__
    first, second, *others = signature(function).parameters.values()
    others = [p.replace(default=defaults.get(p.name, p.default)) for p in others]
    parameters = [first.replace(name="input"), second.replace(name="target"), *others]
    call.__signature__ = signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


mse_loss = _loss(supervised.mse_loss)
l1_loss = _loss(supervised.l1_loss)
smooth_l1_loss = _loss(supervised.smooth_l1_loss)
huber_loss = _loss(supervised.huber_loss)
kl_div = _loss(supervised.kl_div, reduction="mean")
gaussian_nll_loss = _loss(supervised.gaussian_nll_loss)


def binary_cross_entropy(
    input: TensorLike, target: TensorLike, weight: TensorLike | None = None, *, reduction: Reduction = "mean"
) -> Tensor:
    """Binary cross-entropy of probabilities; see `nn.binary_cross_entropy`."""
    return binary.binary_cross_entropy(input, target, weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    reduction: Reduction = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """Binary cross-entropy of logits; see `nn.binary_cross_entropy_with_logits`."""
    options: dict[str, Any] = {"weight": weight, "pos_weight": pos_weight, "reduction": reduction}
    return binary.binary_cross_entropy_with_logits(input, target, **options)


def cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits and classes or probabilities; see `nn.cross_entropy`."""
    options: dict[str, Any] = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
    return supervised.cross_entropy(input, target, weight=weight, **options)


def nll_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    """Negative log-likelihood of log-probabilities; see `nn.nll_loss`."""
    return supervised.nll_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)


if not _typing.TYPE_CHECKING:

    def __getattr__(name):
        """Other functions of `ag` have the same name and arguments in PyTorch."""
        if not name.startswith("_") and hasattr(ag, name):
            return getattr(ag, name)
        raise _MissingNameError(__name__, name)
