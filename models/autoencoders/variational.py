"""What variational autoencoders share (Kingma & Welling 2014): a model p(z) p(x|z), trained by a lower bound on log p(x).

The encoder gives q(z|x) = N(μ(x), σ²(x)), the decoder p(x|z); z = μ + σ ε with ε ~ N(0, I) (C.14) lets gradients pass the draw.
The bound is ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)) (C.16–17), or the importance-weighted one, which is tighter.
"""

from __future__ import annotations

import math
from typing import TypedDict

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from .latent import LatentModel
from .likelihood import Likelihood, likelihood_of


class VariationalOptions(TypedDict, total=False):
    """What every variational autoencoder may be told, see `Variational`."""

    likelihood: str | Likelihood
    beta: float
    importance_samples: int
    binarize: bool


class Variational(LatentModel):
    """Base of variational autoencoders; a subclass builds `encoder`, the heads `mu` and `logvar`, and `decoder`.

    - `likelihood` of the pixels: a name in `LIKELIHOODS`, or a Likelihood;
    - `beta`: the weight of the KL divergence (Higgins et al. 2017); other than 1, the loss is no bound any more;
    - `importance_samples`: K draws of z for each image. 1 trains by the ELBO, more by L_K (Burda et al. 2016);
    - `binarize`: in training, grey levels are probabilities of binary pixels, drawn anew for each batch.

    ValueError for an unknown likelihood, a negative β, K below 1, and a β other than 1 where K is not 1.
    """

    encoder: nn.Sequential
    mu: nn.Linear
    logvar: nn.Linear

    def __init__(
        self,
        likelihood: str | Likelihood = "bernoulli",
        beta: float = 1.0,
        importance_samples: int = 1,
        binarize: bool = False,
    ) -> None:
        if not beta >= 0 or importance_samples < 1:
            raise ValueError(f"expected beta ≥ 0 and importance_samples ≥ 1, got {beta} and {importance_samples}")
        if beta != 1 and importance_samples > 1:
            raise ValueError(f"beta weighs the KL of the ELBO: with {importance_samples} importance samples it must be 1")
        self.likelihood = likelihood_of(likelihood)
        self.beta, self.importance_samples, self.binarize = beta, importance_samples, binarize

    def encode(self, images: TensorLike) -> tuple[Tensor, Tensor]:
        """The mean μ and the logarithm of the variance, log σ², of q(z|x), each (N, latent)."""
        h = self.encoder(ag.flatten(images, 1))
        return self.mu(h), self.logvar(h)

    def latent(self, images: TensorLike) -> Tensor:
        """The likeliest point of q(z|x), which is μ, for each image: (N, latent)."""
        return self.encode(images)[0]

    def draw(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """One z from each N(μ, σ²): z = μ + σ ε, ε ~ N(0, I) (C.14)."""
        return mu + ag.exp(0.5 * logvar) * ag.randn(*mu.shape, dtype=mu.dtype)

    def loss(self, images: TensorLike) -> dict[str, Tensor]:
        """The parts of −ELBO in nats, mean over the images: `loss` = `reconstruction` + β `kl` (C.16–17).

        With several importance samples there is `loss` alone, which is −L_K. `reconstruction` is −log p(x|z) at one draw of z,
        summed over pixels; `kl` is KL(q(z|x) ‖ N(0, I)) = ½ Σ (σ² + μ² − log σ² − 1).
        """
        images = ag.flatten(images, 1)
        if self.importance_samples > 1:
            weights = self.log_weights(images, self.importance_samples)
            return {"loss": math.log(len(weights)) - ag.mean(ag.logsumexp(weights, axis=0))}
        mu, logvar = self.encode(images)
        reconstruction = self.likelihood.loss(self.decoder(self.draw(mu, logvar)), images)
        kl = nn.kl_normal(mu, logvar)
        return {"loss": reconstruction + (kl if self.beta == 1 else self.beta * kl), "reconstruction": reconstruction, "kl": kl}

    def log_weights(self, images: TensorLike, draws: int) -> Tensor:
        """log w = log p(x, z) − log q(z|x) in nats at so many draws of z ~ q(z|x) for each image: (draws, N).

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
        """The loss of a batch, whose first entry is the images, and its parts."""
        return self.loss(ag.bernoulli(batch[0]) if self.binarize else batch[0])

    def sample(self, n: int, *, pixels: bool = False) -> Tensor:
        """`n` new images (n, D), decoded from z ~ N(0, I): the means of their pixels, or with `pixels` draws of them; not
        recorded."""
        with ag.no_grad():
            outputs = self.decoder(ag.randn(n, self.mu.out_features))
            return self.likelihood.sample(outputs) if pixels else self.likelihood.mean(outputs)
