"""What models with a latent space share: a decoder, and the way from images through that space back to images."""

from __future__ import annotations

from collections.abc import Callable

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike


class LatentModel(nn.Module):
    """Base of autoencoders: whoever has a `decoder` (latent points to pixel logits) and `latent(images)` can reconstruct.

    Images are (N, H, W) or (N, D) with values in [0, 1]. Calling the model reconstructs.
    """

    decoder: nn.Sequential
    latent: Callable[[TensorLike], Tensor]

    def forward(self, images: TensorLike) -> Tensor:
        images = ag.as_tensor(images)
        return ag.reshape(self.decode(self.latent(images)), images.shape)

    def decode(self, latent: TensorLike) -> Tensor:
        """The images (N, D), values in (0, 1), at latent points (N, latent)."""
        return ag.sigmoid(self.decoder(latent))

    def reconstruct(self, images: TensorLike) -> Tensor:
        """The images as they come back from latent space, in their own shape; not recorded."""
        with ag.no_grad():
            return self.forward(images)
