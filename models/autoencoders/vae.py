"""A variational autoencoder with fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_mini import nn

from ..stack import Activation, activation_of, stack
from .variational import Variational

SIZES = (784, 400, 20)  # pixels, hidden units, latent dimensions; the decoder is the mirror image, 20-400-784


class VAE(Variational):
    """A variational autoencoder of images (N, …) with values in [0, 1].

    `sizes` are the widths of the encoder, from pixels to latent dimensions. By default pixels are Bernoulli variables, the
    decoder outputs their logits, and grey levels are treated as probabilities. `options` are the fields of `VAE.config`:
    `likelihood`, `beta`, `importance_samples` and `binarize`. Raises ValueError if there is no hidden layer.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> vae = models.VAE(sizes=(64, 32, 4))
    >>> mu, logvar = vae.encode(np.zeros((5, 8, 8)))
    >>> mu.shape, logvar.shape, vae.sample(3).shape
    ((5, 4), (5, 4), (3, 64))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, activation: Activation = "relu", **options: Any) -> None:
        super().__init__(**options)
        if len(sizes) < 3:
            raise ValueError(f"VAE: expected sizes (pixels, one or more hidden layers, latent dimensions), got {tuple(sizes)}")
        *encoder, latent = sizes
        self.encoder = nn.Sequential(*stack(encoder, activation), activation_of(activation)())
        self.mu = nn.Linear(encoder[-1], latent)
        self.logvar = nn.Linear(encoder[-1], latent)
        self.decoder = stack(sizes[::-1], activation)
