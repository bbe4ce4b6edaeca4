"""PyTorch's `torch.nn.utils`: clipping of gradients, parameters as one vector, normalisation of weights, padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from ..layers.reparametrize import SpectralNorm as spectral_norm
from ..layers.reparametrize import WeightNorm as weight_norm
from ..module import parameter_list
from ..optim.clip_grad import clip_grad_norm, clip_grad_value
from . import rnn

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "rnn", "spectral_norm", "vector_to_parameters",
    "weight_norm",
]  # fmt: skip


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = True,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients by one factor so that their joint norm is at most `max_norm`; returns the norm before that.

    Parameters
    ----------
    parameters          the tensors whose gradients are scaled
    max_norm            the largest norm
    norm_type           p of the norm, or inf
    error_if_nonfinite  has no effect: a norm of inf or nan always raises ValueError
    foreach             has no effect

    Examples
    --------
    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> nn.utils.clip_grad_norm_(w, max_norm=1.0)
    Tensor(5.0)
    """
    total = clip_grad_norm([parameters] if isinstance(parameters, Tensor) else parameters, max_norm, norm_type)
    return total if isinstance(total, Tensor) else Tensor(total)


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float, foreach: bool | None = None) -> None:
    """Limits each element of each gradient to [−clip_value, clip_value].

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> (w * 3).sum().backward()
    >>> nn.utils.clip_grad_value_(w, 1.0)
    >>> w.grad
    Tensor([1.])
    """
    clip_grad_value([parameters] if isinstance(parameters, Tensor) else parameters, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Returns all elements as one vector, with its graph.

    >>> from autograd_mini import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    return ag.concatenate([p.reshape(-1) for p in parameter_list("parameters_to_vector", parameters)])


def vector_to_parameters(vector: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies the elements of a vector into the parameters. Raises ValueError if their number differs.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> layer = nn.Linear(1, 1)
    >>> nn.utils.vector_to_parameters(ag.ones(2), layer.parameters())
    >>> layer.weight.item(), layer.bias.item()
    (1.0, 1.0)
    """
    targets: list[Any] = parameter_list("vector_to_parameters", parameters)
    sizes = [p.numel() for p in targets]
    if sum(sizes) != vector.numel():
        raise ValueError(f"vector_to_parameters: expected {sum(sizes)} elements, got {vector.numel()}")
    for p, part in zip(targets, ag.split(vector.detach().reshape(-1), sizes, dim=0), strict=True):
        p.data = part.reshape(p.shape)
