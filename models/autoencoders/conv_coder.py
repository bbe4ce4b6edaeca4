"""Convolutional encoders and decoders: each encoder layer halves height and width, each decoder layer doubles them.

Half of an odd side is rounded up, and the decoder restores it exactly, so images can have any size.

Inputs and outputs are flat, (N, D), so an encoder or decoder can replace a fully connected stack.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from autograd_mini import nn

from ..halving import half, window
from ..stack import Activation, activation_of


def map_shapes(image_shape: Sequence[int], channels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Returns the shapes (C, H, W) of the image and of the maps after each halving, one per entry of `channels`.

    Raises ValueError if `channels` is empty, or if `image_shape` is not (C, H, W).

    >>> from autograd_mini.models.autoencoders.conv_coder import map_shapes
    >>> map_shapes((3, 30, 50), (16, 32))
    [(3, 30, 50), (16, 15, 25), (32, 8, 13)]
    """
    if not channels:
        raise ValueError("channels: expected at least one entry, got none")
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f"expected images (channels, height, width), each 1 or more, got {tuple(image_shape)}")
    first, height, width = image_shape
    maps = [(first, height, width)]
    for count in channels:
        maps.append((count, *half(maps[-1])))
    return maps


def reduced_shape(image_shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    """Returns the shape (C, H, W) after one halving per entry of `channels`, the last of `map_shapes`.

    >>> from autograd_mini.models.autoencoders.conv_coder import reduced_shape
    >>> reduced_shape((1, 28, 28), (16, 32))
    (32, 7, 7)
    """
    return map_shapes(image_shape, channels)[-1]


def conv_encoder(image_shape: Sequence[int], channels: Sequence[int], activation: Activation = "relu") -> nn.Sequential:
    """Returns strided convolutions, each followed by an activation, that map images (N, C·H·W) to features (N, F).

    F is the product of `reduced_shape`.

    >>> import numpy as np
    >>> from autograd_mini.models.autoencoders.conv_coder import conv_encoder
    >>> conv_encoder((1, 28, 28), (16, 32))(np.zeros((5, 784), np.float32)).shape
    (5, 1568)
    """
    layers: list[nn.Module] = [nn.Unflatten(1, tuple(image_shape))]
    for larger, smaller in pairwise(map_shapes(image_shape, channels)):
        layers += [nn.Conv2d(larger[0], smaller[0], *window(larger)), activation_of(activation)()]
    return nn.Sequential(*layers, nn.Flatten())


def conv_decoder(
    latent: int, image_shape: Sequence[int], channels: Sequence[int], activation: Activation = "relu"
) -> nn.Sequential:
    """Returns the mirror image of an encoder: a linear layer, then transposed convolutions, each after an activation.

    Parameters
    ----------
    latent       number of input features
    image_shape  (C, H, W); the outputs are (N, C·H·W)
    channels     channels of the encoder, which are used in reverse order
    activation   a name in `ACTIVATIONS`, or a class

    >>> import numpy as np
    >>> from autograd_mini.models.autoencoders.conv_coder import conv_decoder
    >>> conv_decoder(8, (1, 28, 28), (16, 32))(np.zeros((5, 8), np.float32)).shape
    (5, 784)
    """
    maps = map_shapes(image_shape, channels)[::-1]
    layers: list[nn.Module] = [nn.Linear(latent, math.prod(maps[0])), nn.Unflatten(1, maps[0])]
    for smaller, larger in pairwise(maps):
        layers += [activation_of(activation)(), nn.ConvTranspose2d(smaller[0], larger[0], *window(larger))]
    return nn.Sequential(*layers, nn.Flatten())
