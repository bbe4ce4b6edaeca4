"""Likelihoods p(x|z) of images: what a decoder's outputs mean. `LIKELIHOODS` is the table of them, by name."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.losses.reduction import Reduction, reduced
from autograd_mini.tensor import Array, Tensor

LOGVAR_SCALE: Final = (
    10.0  # log σ² over its parameter: Adam moves a number by about its rate, and this one has a long way to go
)


class Likelihood(nn.Module):
    """Base of the table: a subclass says how probable images are, given a decoder's `outputs` of the same shape, (…, D)."""

    @abstractmethod
    def loss(self, outputs: Tensor, images: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
        """−log p(x|z) of each pixel in nats, put together as by the losses of `nn`."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """E[x|z], the images to look at."""

    @abstractmethod
    def outputs(self, mean: Array) -> Array:
        """The outputs that have this mean: the inverse of `mean`, finite at its ends."""

    @abstractmethod
    def sample(self, outputs: Tensor) -> Tensor:
        """One draw of each pixel."""

    def log_prob(self, images: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z) in nats, summed over pixels: images (…, D) that broadcast to outputs (…, D) give (…)."""
        return -ag.sum(self.loss(outputs, ag.broadcast_to(images, outputs.shape), reduction="none"), axis=-1)


class Bernoulli(Likelihood):
    """Pixels are 0 or 1, and the outputs are their logits; a grey level x counts as the share x of ones.

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
    """Pixels are N(output, σ²), with one σ for all of them, which is learnt unless `learned` is False (Rybkin et al. 2021).

    −log p(x|z) = ½ ((x − output)²/σ² + log σ² + log 2π) is that of a density: it may be negative. The σ to start from is by
    default the spread of pixels that are anywhere in [0, 1]. ValueError unless it is positive.

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
        """log σ², a scalar."""
        return LOGVAR_SCALE * self.scaled_logvar

    @property
    def sigma(self) -> float:
        """The standard deviation of a pixel."""
        return math.exp(0.5 * self.logvar.item())

    def loss(self, outputs: Tensor, images: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
        logvar = self.logvar
        return reduced(0.5 * (ag.square(images - outputs) * ag.exp(-logvar) + (logvar + math.log(2 * math.pi))), reduction)

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
"""Name -> the likelihood; a Gaussian's σ is learnt, or fixed at 0.1."""


def likelihood_of(name: str | Likelihood) -> Likelihood:
    """The likelihood of that name in the table, or the one given; ValueError for an unknown name.

    >>> from autograd_mini.models.autoencoders.likelihood import likelihood_of
    >>> round(likelihood_of("gaussian-fixed").sigma, 6)
    0.1
    """
    if isinstance(name, Likelihood):
        return name
    if name not in LIKELIHOODS:
        raise ValueError(f"unknown likelihood {name!r}; there are {', '.join(LIKELIHOODS)}")
    return LIKELIHOODS[name]()
