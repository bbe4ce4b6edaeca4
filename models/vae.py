"""The variational autoencoder (Kingma & Welling 2014): a latent-variable model p(z) p(x|z), trained by a bound on log p(x).

The encoder gives q(z|x) = N(μ(x), σ²(x)), the decoder p(x|z); z = μ + σ ε with ε ~ N(0, I) (C.14) lets gradients pass the draw.
The bound is ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)) (C.16–17), here with one draw of z for each image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from .latent import LatentModel
from .stack import Activation, stack

SIZES = (784, 400, 20)  # pixels, hidden units, latent dimensions; the decoder is the mirror image, 20-400-784


class VAE(LatentModel):
    """A VAE of images (N, H, W) or (N, D) with values in [0, 1]; `sizes` are the encoder's, pixels to latent.

    Pixels are Bernoulli variables, whose logits the decoder gives; grey levels count as probabilities. ValueError without a
    hidden layer.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> vae = models.VAE(sizes=(64, 32, 4))
    >>> mu, logvar = vae.encode(np.zeros((5, 8, 8)))
    >>> mu.shape, logvar.shape, vae.sample(3).shape
    ((5, 4), (5, 4), (3, 64))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, activation: Activation = nn.ReLU) -> None:
        *encoder, latent = sizes
        self.encoder = nn.Sequential(*stack(encoder, activation), activation())
        self.mu = nn.Linear(encoder[-1], latent)
        self.logvar = nn.Linear(encoder[-1], latent)
        self.decoder = stack(sizes[::-1], activation)

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
        """The parts of −ELBO in nats, mean over the images: `loss` = `reconstruction` + `kl` (C.16–17).

        `reconstruction` is −log p(x|z) at one draw of z, the binary cross-entropy summed over pixels; `kl` is
        KL(q(z|x) ‖ N(0, I)) = ½ Σ (σ² + μ² − log σ² − 1).
        """
        images = ag.flatten(images, 1)
        mu, logvar = self.encode(images)
        logits = self.decoder(self.draw(mu, logvar))
        reconstruction = nn.binary_cross_entropy_with_logits(logits, images, reduction="batchmean")
        kl = nn.kl_normal(mu, logvar)
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The parts of −ELBO for a batch, whose first entry is the images."""
        return self.loss(batch[0])

    def sample(self, n: int) -> Tensor:
        """`n` new images (n, D), decoded from z ~ N(0, I); not recorded."""
        with ag.no_grad():
            return self.decode(ag.randn(n, self.mu.out_features))

    def interpolate(self, start: TensorLike, end: TensorLike, steps: int = 8) -> Tensor:
        """Images (steps, D) along the straight line between the μ of two images, each (H, W) or (D,); not recorded."""
        with ag.no_grad():
            ends = self.latent(ag.stack([ag.flatten(start), ag.flatten(end)]))
            share = ag.reshape(np.linspace(0, 1, steps), -1, 1)
            return self.decode((1 - share) * ends[0] + share * ends[1])
