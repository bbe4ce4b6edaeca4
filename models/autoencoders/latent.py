"""What models with a latent space share: a decoder, and the way from images through that space back to images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from .likelihood import Likelihood


class LatentModel(nn.Module):
    """Base of autoencoders: whoever has a `decoder` of latent points, a `likelihood`, which says what images the decoder's
    outputs mean, and `latent(images)` can reconstruct.

    Images are (N, H, W), (N, C, H, W) or (N, D) with values in [0, 1]. Calling the model reconstructs.
    """

    decoder: nn.Sequential
    likelihood: Likelihood
    latent: Callable[[TensorLike], Tensor]

    def forward(self, images: TensorLike) -> Tensor:
        images = ag.as_tensor(images)
        return ag.reshape(self.decode(self.latent(images)), images.shape)

    def init_from_data(self, images: TensorLike) -> None:
        """For before training: sets the decoder's last bias so that its outputs lie about the mean of these images.

        What images have in common need then not be learnt, and more of the latent space comes to say how they differ. A
        convolution, whose bias has a number for each channel, gets the means of the channels.
        """
        *_, bias = self.decoder.parameters()
        mean = ag.as_tensor(images).numpy().mean(axis=0, dtype=np.float64)
        bias.data = self.likelihood.outputs(mean.reshape(bias.size, -1).mean(axis=1))

    def decode(self, latent: TensorLike) -> Tensor:
        """The images (N, D) at latent points (N, latent): the means of their pixels."""
        return self.likelihood.mean(self.decoder(latent))

    def reconstruct(self, images: TensorLike) -> Tensor:
        """The images as they come back from latent space, in their own shape; not recorded."""
        with ag.no_grad():
            return self.forward(images)

    def interpolate(self, start: TensorLike, end: TensorLike, steps: int = 8) -> Tensor:
        """Images (steps, D) along the straight line between the latent points of two images of one shape; not recorded."""
        with ag.no_grad():
            ends = self.latent(ag.stack([ag.flatten(start), ag.flatten(end)]))
            share = ag.reshape(np.linspace(0, 1, steps), -1, 1)
            return self.decode((1 - share) * ends[0] + share * ends[1])
