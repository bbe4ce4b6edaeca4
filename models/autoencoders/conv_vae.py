"""A variational autoencoder whose encoder and decoder are convolutional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from autograd_mini import nn

from ..stack import Activation
from .conv_coder import conv_decoder, conv_encoder, reduced_shape
from .variational import Variational

SIZES = (1, 28, 28, 20)  # channels, height, width, latent dimensions
CHANNELS = (16, 32)


class ConvVAE(Variational):
    """A convolutional VAE of images (N, C, H, W), (N, H, W) or (N, D) of any size, with values in [0, 1].

    `sizes` is (C, H, W, latent). Each entry of `channels` adds a convolution that halves height and width, rounded up.
    `options` are the fields of `VAEConfig`.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> vae = models.ConvVAE(sizes=(3, 32, 32, 64), channels=(8, 16), likelihood="gaussian")
    >>> vae.reconstruct(np.zeros((5, 3, 32, 32))).shape, vae.sample(2).shape
    ((5, 3, 32, 32), (2, 3072))
    """

    layers_option = "channels"
    image_part = slice(0, 3)

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        channels: Sequence[int] = CHANNELS,
        activation: Activation = "relu",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        *image_shape, latent = sizes
        features = math.prod(reduced_shape(image_shape, channels))
        self.encoder = conv_encoder(image_shape, channels, activation)
        self.mu = nn.Linear(features, latent)
        self.logvar = nn.Linear(features, latent)
        self.decoder = conv_decoder(latent, image_shape, channels, activation)
