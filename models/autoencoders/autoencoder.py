"""An autoencoder: an encoder compresses an image to a bottleneck, and a mirrored decoder reconstructs the image from it."""

from __future__ import annotations

from collections.abc import Sequence

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike

from ..stack import Activation, stack
from .latent import LatentModel
from .likelihood import Likelihood, likelihood_of

SIZES = (784, 256, 64, 2)  # pixels, hidden units, bottleneck; the decoder is its mirror image, 2-64-256-784


class Autoencoder(LatentModel):
    """An autoencoder of images (N, …) with values in [0, 1]; `sizes` are the encoder's, pixels to bottleneck.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> ae = models.Autoencoder(sizes=(64, 32, 2))
    >>> ae.encode(np.zeros((5, 8, 8))).shape, ae.reconstruct(np.zeros((5, 8, 8))).shape
    ((5, 2), (5, 8, 8))
    """

    def __init__(
        self, sizes: Sequence[int] = SIZES, activation: Activation = "relu", likelihood: str | Likelihood = "bernoulli"
    ) -> None:
        self.encoder = stack(sizes, activation)
        self.decoder = stack(sizes[::-1], activation)
        self.likelihood = likelihood_of(likelihood)

    def encode(self, images: TensorLike) -> Tensor:
        """Returns the bottleneck values of the images, (N, latent)."""
        return self.encoder(ag.flatten(images, 1))

    latent = encode

    def corrupt(self, images: Tensor) -> Tensor:
        """Returns the encoder's input in training: here the images (N, D) unchanged."""
        return images

    def training_step(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Returns −log p(images | reconstructions) in nats, summed over pixels and averaged over the batch.

        For a Bernoulli likelihood this is the binary cross-entropy.
        """
        images = ag.flatten(batch[0], 1)
        outputs = self.decoder(self.encode(self.corrupt(images)))
        return {"loss": self.likelihood.loss(outputs, images)}
