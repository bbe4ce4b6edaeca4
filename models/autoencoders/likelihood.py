"""Likelihoods p(x|z) of images: how a decoder's outputs are interpreted. `LIKELIHOODS` lists them by name."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.losses.reduction import Reduction, reduce_loss
from autograd_mini.tensor import Array, Tensor

LOGVAR_SCALE: Final = 10.0  # log σ² = scale × parameter; Adam's steps are about lr in size, too small for log σ² itself


class Likelihood(nn.Module):
    """Base class: defines the probability of images given a decoder's `outputs` of the same shape, (…, D)."""

    @abstractmethod
    def loss(self, outputs: Tensor, images: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
        """Returns −log p(x|z) of the pixels in nats, reduced as in the losses of `nn`."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """Returns the mean images E[x|z], used for display."""

    @abstractmethod
    def outputs(self, mean: Array) -> Array:
        """Returns the outputs that have this mean: the inverse of `mean`, clipped so that it is finite."""

    @abstractmethod
    def sample(self, outputs: Tensor) -> Tensor:
        """Draws one value for each pixel."""

    def log_prob(self, images: Tensor, outputs: Tensor) -> Tensor:
        """Returns log p(x|z) in nats, summed over pixels: (…) for outputs (…, D), to which the images are broadcast."""
        return -ag.sum(self.loss(outputs, ag.broadcast_to(images, outputs.shape), reduction="none"), axis=-1)


class Bernoulli(Likelihood):
    """Pixels are 0 or 1, and the outputs are their logits; a grey level is treated as the probability of 1.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.autoencoders.likelihood import Bernoulli
    >>> Bernoulli().loss(ag.zeros((1, 2)), ag.ones((1, 2)))  # 2 log 2
    Tensor(1.3862944)
    """

    def loss(self, outputs: Tensor, images: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
        return nn.binary_cross_entropy_with_logits(outputs, images, reduction=reduction)

    def mean(self, outputs: Tensor) -> Tensor:
        return ag.sigmoid(outputs)

    def outputs(self, mean: Array) -> Array:
        p = np.clip(mean, 1e-3, 1 - 1e-3)
        return np.log(p / (1 - p))

    def sample(self, outputs: Tensor) -> Tensor:
        return ag.bernoulli(ag.sigmoid(outputs))


class Gaussian(Likelihood):
    """Pixels are N(output, σ²) with one shared σ, which is trained unless `learned` is False (Rybkin et al. 2021).

    −log p(x|z) = ½ ((x − output)²/σ² + log σ² + log 2π) is the negative log of a density, so it can be negative. The default
    initial σ is the standard deviation of a uniform variable in [0, 1]. Raises ValueError if `sigma` is not positive.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.autoencoders.likelihood import Gaussian
    >>> Gaussian(sigma=1.0, learned=False).loss(ag.zeros((1, 2)), ag.ones((1, 2)))  # 1 + log 2π
    Tensor(2.837877)
    """

    def __init__(self, sigma: float = 0.29, learned: bool = True) -> None:
        if not sigma > 0:
            raise ValueError(f"Gaussian: sigma must be positive, got {sigma}")
        start = np.asarray(2 * math.log(sigma) / LOGVAR_SCALE, ag.default_dtype())
        self.scaled_logvar = nn.Parameter(start) if learned else nn.Buffer(start)

    @property
    def logvar(self) -> Tensor:
        """The log variance log σ² of a pixel, a scalar."""
        return LOGVAR_SCALE * self.scaled_logvar

    @property
    def sigma(self) -> float:
        """The standard deviation of a pixel."""
        return math.exp(0.5 * self.logvar.item())

    def loss(self, outputs: Tensor, images: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
        logvar = self.logvar
        return reduce_loss(0.5 * (ag.square(images - outputs) * ag.exp(-logvar) + (logvar + math.log(2 * math.pi))), reduction)

    def mean(self, outputs: Tensor) -> Tensor:
        return outputs

    def outputs(self, mean: Array) -> Array:
        return mean

    def sample(self, outputs: Tensor) -> Tensor:
        return outputs + ag.exp(0.5 * self.logvar) * ag.randn(outputs.shape, dtype=outputs.dtype)


LIKELIHOODS: Final[dict[str, Callable[[], Likelihood]]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "gaussian-fixed": partial(Gaussian, sigma=0.1, learned=False),
}
"""Name -> likelihood; the σ of the Gaussian is trained, or fixed at 0.1."""


def likelihood_of(name: str | Likelihood) -> Likelihood:
    """Returns the likelihood of that name, or a Likelihood unchanged. Raises ValueError if the name is unknown.

    >>> from autograd_mini.models.autoencoders.likelihood import likelihood_of
    >>> round(likelihood_of("gaussian-fixed").sigma, 6)
    0.1
    """
    if isinstance(name, Likelihood):
        return name
    if name not in LIKELIHOODS:
        raise ValueError(f"unknown likelihood {name!r}; expected one of: {', '.join(LIKELIHOODS)}")
    return LIKELIHOODS[name]()
