"""The base class of variational autoencoders (Kingma & Welling 2014): p(z) p(x|z), trained by a lower bound on log p(x).

The encoder computes q(z|x) = N(μ(x), σ²(x)), the decoder p(x|z). The reparameterisation z = μ + σ ε with ε ~ N(0, I)
makes the draw differentiable.

The bound is ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)), or the importance-weighted one, which is tighter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..model import Config
from .kl_warmup import KLWarmup
from .latent import LatentModel
from .likelihood import Likelihood, likelihood_of


@dataclass(frozen=True)
class VAEConfig(Config):
    """The options of variational autoencoders. Raises ValueError if a value is invalid, or if β is not 1 while K is above 1.

    >>> from autograd_mini import models
    >>> models.VAE((64, 32, 4), beta=4).config
    VAEConfig(likelihood='bernoulli', beta=4, importance_samples=1, kl_warmup=0, free_bits=0.0, binarize=False)
    """

    likelihood: str | Likelihood = "bernoulli"  # likelihood of the pixels: a name in LIKELIHOODS, or a Likelihood
    beta: float = 1.0  # weight of the KL divergence (Higgins et al. 2017); the loss is a bound on −log p(x) only for 1
    importance_samples: int = 1  # draws K of z per image: 1 trains with the ELBO, more with L_K (Burda et al. 2016)
    kl_warmup: int = 0  # batches at the start in which the weight of the KL divergence rises from 0 to β
    free_bits: float = 0.0  # nats of KL divergence per latent dimension that are not minimised (Kingma et al. 2016)
    binarize: bool = False  # whether training draws binary pixels, with grey levels as probabilities, for each batch

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_warmup < 0 or not self.free_bits >= 0:
            raise ValueError(f"expected kl_warmup ≥ 0 and free_bits ≥ 0, got {self.kl_warmup} and {self.free_bits}")
        if self.importance_samples > 1 and (self.kl_warmup or self.free_bits):
            raise ValueError(
                f"kl_warmup={self.kl_warmup} and free_bits={self.free_bits}: with importance_samples={self.importance_samples} "
                "both must be 0, because only the ELBO has a KL term"
            )
        if not self.beta >= 0 or self.importance_samples < 1:
            raise ValueError(
                f"expected beta ≥ 0 and importance_samples ≥ 1, got beta={self.beta} and "
                f"importance_samples={self.importance_samples}"
            )
        if self.beta != 1 and self.importance_samples > 1:
            raise ValueError(
                f"beta={self.beta}: with importance_samples={self.importance_samples} it must be 1, "
                "because only the ELBO has a KL term"
            )


class Variational(LatentModel):
    """Base of variational autoencoders; a subclass builds `encoder`, the heads `mu` and `logvar`, and `decoder`.

    `options` are the fields of `VAEConfig`.
    """

    plots = (*LatentModel.plots, "samples")
    evaluations = ("reconstruction", "likelihood", "generation")
    configs = (VAEConfig,)

    config = VAEConfig()
    encoder: nn.Sequential
    mu: nn.Linear
    logvar: nn.Linear

    def __init__(self, **options: Any) -> None:
        self.config = self.with_options(self.config, options)
        self.likelihood = likelihood_of(self.config.likelihood)
        # The share of β in training; set before each batch by the callback `KLWarmup`.
        self.kl_share = nn.Buffer(np.ones(1, ag.default_dtype())) if self.config.kl_warmup else None

    def encode(self, images: TensorLike) -> tuple[Tensor, Tensor]:
        """Returns the mean μ and the log variance log σ² of q(z|x), each (N, latent)."""
        h = self.encoder(ag.flatten(images, 1))
        return self.mu(h), self.logvar(h)

    def latent(self, images: TensorLike) -> Tensor:
        """Returns the mean μ of q(z|x) for each image, (N, latent)."""
        return self.encode(images)[0]

    def draw(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Draws one z from each N(μ, σ²): z = μ + σ ε, ε ~ N(0, I)."""
        sigma, noise = ag.exp(0.5 * logvar), ag.randn(*mu.shape, dtype=mu.dtype)
        z = mu + sigma * noise
        sigma.name, noise.name, z.name = "σ", "ε", "z"
        return z

    def loss(self, images: TensorLike) -> dict[str, Tensor]:
        """Returns the terms of −ELBO in nats, averaged over the images: `loss` = `reconstruction` + β `kl`.

        With several importance samples only `loss` is returned: −L_K. `reconstruction` is −log p(x|z) for one draw of z, summed
        over pixels; `kl` is KL(q(z|x) ‖ N(0, I)) = ½ Σ (σ² + μ² − log σ² − 1). In training, β is smaller in the first batches
        with `kl_warmup`, and the mean KL of a dimension counts as `free_bits` if it is less.
        """
        images, beta = ag.flatten(images, 1), self.config.beta
        if self.config.importance_samples > 1:
            weights = self.log_weights(images, self.config.importance_samples)
            return {"loss": math.log(len(weights)) - ag.mean(ag.logsumexp(weights, axis=0))}
        mu, logvar = self.encode(images)
        mu.name, logvar.name, images.name = "μ", "log σ²", images.name or "x"
        reconstruction = self.likelihood.loss(self.decoder(self.draw(mu, logvar)), images)
        kl = nn.kl_normal(mu, logvar)
        reconstruction.name, kl.name = "reconstruction", "KL"
        penalty = self._annealed(kl, mu, logvar) if self.training else kl
        return {"loss": reconstruction + (penalty if beta == 1 else beta * penalty), "reconstruction": reconstruction, "kl": kl}

    def _annealed(self, kl: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Returns what training minimises in place of the KL divergence."""
        if self.config.free_bits:
            each = ag.mean(nn.kl_normal(mu, logvar, reduction="none"), axis=0)
            kl = ag.sum(ag.maximum(each, self.config.free_bits))
        return kl if self.kl_share is None else kl * self.kl_share[0]

    def callbacks(self, others: Sequence[nn.Callback] = ()) -> list[nn.Callback]:
        """Returns the callbacks of a training run: KL annealing, if it is enabled, and `others`."""
        return [*([KLWarmup(self, self.config.kl_warmup)] if self.config.kl_warmup else []), *others]

    def log_weights(self, images: TensorLike, draws: int) -> Tensor:
        """Returns log w = log p(x, z) − log q(z|x) in nats for each draw z ~ q(z|x) and image, (draws, N).

        E log w is the ELBO, and L_K = E log (1/K) Σ w over K draws (Burda et al. 2016, equation 8). With z = μ + σ ε,
        log p(z) − log q(z|x) = ½ Σ (ε² − z² + log σ²).
        """
        images = ag.flatten(images, 1)
        mu, logvar = self.encode(images)
        noise = ag.randn(draws, *mu.shape, dtype=mu.dtype)
        z = mu + ag.exp(0.5 * logvar) * noise
        outputs = self.decoder(ag.reshape(z, -1, z.shape[-1]))
        log_likelihood = self.likelihood.log_prob(images, ag.reshape(outputs, draws, *images.shape))
        return log_likelihood + 0.5 * ag.sum(ag.square(noise) - ag.square(z) + logvar, axis=-1)

    def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Returns the loss of a batch and its terms; the first entry of the batch is the images."""
        return self.loss(ag.bernoulli(batch[0]) if self.config.binarize else batch[0])

    def sample(self, n: int, *, pixels: bool = False) -> Tensor:
        """Returns `n` new images (n, D), decoded from z ~ N(0, I), without recording gradients.

        Images are pixel means, or with `pixels` random draws of the pixels.
        """
        with ag.no_grad():
            outputs = self.decoder(ag.randn(n, self.mu.out_features))
            return self.likelihood.sample(outputs) if pixels else self.likelihood.mean(outputs)
