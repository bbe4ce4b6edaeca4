"""An autoencoder whose encoder and decoder are convolutional."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd_mini import nn

from ..stack import Activation
from .autoencoder import Autoencoder
from .conv_coder import conv_decoder, conv_encoder, reduced_shape
from .likelihood import Likelihood, likelihood_of

SIZES = (1, 28, 28, 16)  # channels, height, width, bottleneck
CHANNELS = (16, 32)


class ConvAutoencoder(Autoencoder):
    """A convolutional autoencoder of images (N, C, H, W), (N, H, W) or (N, D) of any size, with values in [0, 1].

    Parameters
    ----------
    sizes       (C, H, W, bottleneck)
    channels    channels of the convolutions of the encoder; each halves height and width, rounded up
    activation  a name in `ACTIVATIONS`, or a class
    likelihood  likelihood of the pixels: a name in `LIKELIHOODS`, or a Likelihood

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> ae = models.ConvAutoencoder(sizes=(3, 32, 32, 64), channels=(8, 16))
    >>> ae.encode(np.zeros((5, 3, 32, 32))).shape, ae.reconstruct(np.zeros((5, 3, 32, 32))).shape
    ((5, 64), (5, 3, 32, 32))
    """

    layers_option = "channels"
    image_part = slice(0, 3)

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        channels: Sequence[int] = CHANNELS,
        activation: Activation = "relu",
        likelihood: str | Likelihood = "bernoulli",
    ) -> None:
        *image_shape, latent = sizes
        features = math.prod(reduced_shape(image_shape, channels))
        self.encoder = nn.Sequential(*conv_encoder(image_shape, channels, activation), nn.Linear(features, latent))
        self.decoder = conv_decoder(latent, image_shape, channels, activation)
        self.likelihood = likelihood_of(likelihood)
