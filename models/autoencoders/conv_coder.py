"""Convolutional encoders and decoders: each encoder layer halves height and width, each decoder layer doubles them.

Inputs and outputs are flat, (N, D), so an encoder or decoder can replace a fully connected stack.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from autograd_mini import nn

from ..stack import Activation, activation_of

WINDOW: Final = (4, 2, 1)  # kernel, stride, padding: halves every even length, and doubles it when transposed


def reduced_shape(image_shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    """Returns the shape (C, H, W) after one halving per entry of `channels`.

    Raises ValueError if height or width cannot be halved that often, or if `channels` is empty.

    >>> from autograd_mini.models.autoencoders.conv_coder import reduced_shape
    >>> reduced_shape((1, 28, 28), (16, 32))
    (32, 7, 7)
    """
    _, height, width = image_shape
    factor = 2 ** len(channels)
    if not channels:
        raise ValueError("channels: expected at least one entry, got none")
    if height % factor or width % factor:
        raise ValueError(f"images {height}×{width} cannot be halved {len(channels)} times; expected multiples of {factor}")
    return channels[-1], height // factor, width // factor


def conv_encoder(image_shape: Sequence[int], channels: Sequence[int], activation: Activation = "relu") -> nn.Sequential:
    """Returns strided convolutions, each followed by an activation, that map images (N, C·H·W) to features (N, F).

    F is the product of `reduced_shape`.

    >>> import numpy as np
    >>> from autograd_mini.models.autoencoders.conv_coder import conv_encoder
    >>> conv_encoder((1, 28, 28), (16, 32))(np.zeros((5, 784), np.float32)).shape
    (5, 1568)
    """
    reduced_shape(image_shape, channels)
    layers: list[nn.Module] = [nn.Unflatten(1, tuple(image_shape))]
    for inner, outer in pairwise([image_shape[0], *channels]):
        layers += [nn.Conv2d(inner, outer, *WINDOW), activation_of(activation)()]
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
    smallest = reduced_shape(image_shape, channels)
    layers: list[nn.Module] = [nn.Linear(latent, math.prod(smallest)), nn.Unflatten(1, smallest)]
    for inner, outer in pairwise([*channels[::-1], image_shape[0]]):
        layers += [activation_of(activation)(), nn.ConvTranspose2d(inner, outer, *WINDOW)]
    return nn.Sequential(*layers, nn.Flatten())
