"""The base class of models with a latent space: decoding, reconstruction and interpolation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..model import Model, Names
from .likelihood import Likelihood


class LatentModel(Model):
    """Base of autoencoders. A subclass defines `decoder`, `likelihood` and `latent(images)`.

    The likelihood determines how the decoder's outputs are interpreted as images. Images are (N, H, W), (N, C, H, W) or (N, D)
    with values in [0, 1]. Calling the model reconstructs images.
    """

    plots: Names = ("reconstructions", "latent", "plane", "interpolation")
    evaluations: Names = ("reconstruction",)
    latent_index = -1

    decoder: nn.Sequential
    likelihood: Likelihood
    latent: Callable[[TensorLike], Tensor]

    def forward(self, images: TensorLike) -> Tensor:
        images = ag.as_tensor(images)
        return ag.reshape(self.decode(self.latent(images)), images.shape)

    def init_from_data(self, images: TensorLike, batch_size: int | None = None) -> None:
        """Sets the decoder's last bias so that its initial outputs match the mean of all these images; call it before training.

        The model then need not learn what all images have in common, and uses the latent space for their differences. A
        convolution has one bias per channel, which is set from the mean of the channel.
        """
        *_, bias = self.decoder.parameters()
        mean = ag.as_tensor(images).numpy().mean(axis=0, dtype=np.float64)
        bias.data = self.likelihood.outputs(mean.reshape(bias.size, -1).mean(axis=1))

    def decode(self, latent: TensorLike) -> Tensor:
        """Returns the images (N, D) at latent points (N, latent), as pixel means."""
        return self.likelihood.mean(self.decoder(latent))

    def reconstruct(self, images: TensorLike) -> Tensor:
        """Returns the reconstructions of the images, in the shape of the images, without recording gradients."""
        with ag.no_grad():
            return self.forward(images)

    def interpolate(self, start: TensorLike, end: TensorLike, steps: int = 8) -> Tensor:
        """Returns images (steps, D) along the line between the latent points of two images, without recording gradients."""
        with ag.no_grad():
            ends = self.latent(ag.stack([ag.flatten(start), ag.flatten(end)]))
            share = ag.reshape(np.linspace(0, 1, steps), -1, 1)
            return self.decode((1 - share) * ends[0] + share * ends[1])
