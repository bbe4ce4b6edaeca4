"""Fully connected generators and discriminators (Goodfellow et al. 2014), for images or points."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from autograd_mini import nn
from autograd_mini.tensor import Shape

from .networks import NORMS, OUTPUTS, SLOPE, Discriminator, discriminating_head


def generator(inputs: int, image_shape: Shape, width: int, norm: str, output: str) -> nn.Sequential:
    """Returns a generator z (N, inputs) → width → 2 width → images (N, *image_shape).

    Normalisation and leaky ReLU follow every layer except the last.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.dense import generator
    >>> generator(8, (1, 28, 28), 16, "batch", "tanh")(ag.randn(5, 8)).shape
    (5, 1, 28, 28)
    """
    sizes = (inputs, width, 2 * width)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), *NORMS[norm](1, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(
        *layers, nn.Linear(sizes[-1], prod(image_shape)), nn.Unflatten(1, image_shape), OUTPUTS[output].layer()
    )


def discriminator(
    image_shape: Shape, width: int, *, outputs: int, norm: bool, noise: float, dropout: float, minibatch: int
) -> Discriminator:
    """Returns the mirror image: images → 2 width → width → `outputs`. Batch norm, if `norm`, skips the first layer.

    `noise`, `dropout` and `minibatch` are as in `pyramid.discriminator`.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.dense import discriminator
    >>> d = discriminator((1, 28, 28), 16, outputs=1, norm=False, noise=0.0, dropout=0.0, minibatch=0)
    >>> d(ag.zeros((5, 1, 28, 28))).shape
    (5,)
    """
    layers: list[nn.Module] = [nn.Flatten(), *[nn.GaussianNoise(noise)] * (noise > 0)]
    for i, (before, after) in enumerate(pairwise((prod(image_shape), 2 * width, width))):
        layers += [nn.Linear(before, after), *NORMS["batch" if norm and i else "none"](1, after), nn.LeakyReLU(SLOPE)]
        layers += [nn.Dropout(dropout)] * (dropout > 0)
    return Discriminator(nn.Sequential(*layers), discriminating_head(width, outputs, minibatch))
