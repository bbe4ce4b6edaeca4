"""Fully connected generators and discriminators (Goodfellow et al. 2014), for images or points."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from autograd_mini import nn
from autograd_mini.tensor import Shape

from .networks import NORMS, OUTPUTS, SLOPE, Discriminator, GANArchitecture, discriminating_head


def hidden_units(architecture: GANArchitecture) -> tuple[int, ...]:
    """Returns the units of the generator's hidden layers: `layers`, or `width` and twice as many.

    >>> from autograd_mini.models.gans.dense import hidden_units
    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> hidden_units(GANArchitecture(width=16)), hidden_units(GANArchitecture(layers=(8, 12)))
    ((16, 32), (8, 12))
    """
    return tuple(architecture.layers) or (architecture.width, 2 * architecture.width)


def generator(inputs: int, image_shape: Shape, architecture: GANArchitecture) -> nn.Sequential:
    """Returns a generator z (N, inputs) → width → 2 width → images (N, *image_shape).

    Normalisation and leaky ReLU follow every layer except the last.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.dense import generator
    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> generator(8, (1, 28, 28), GANArchitecture(width=16))(ag.randn(5, 8)).shape
    (5, 1, 28, 28)
    """
    sizes = (inputs, *hidden_units(architecture))
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), *NORMS[architecture.norm](1, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(
        *layers, nn.Linear(sizes[-1], prod(image_shape)), nn.Unflatten(1, image_shape), OUTPUTS[architecture.output].layer()
    )


def discriminator(image_shape: Shape, architecture: GANArchitecture) -> Discriminator:
    """Returns the mirror image: images → 2 width → width → outputs. Batch norm, if there is any, skips the first layer.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.dense import discriminator
    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> discriminator((1, 28, 28), GANArchitecture(width=16))(ag.zeros((5, 1, 28, 28))).shape
    (5,)
    """
    a = architecture
    layers: list[nn.Module] = [nn.Flatten()]
    if a.noise > 0:
        layers.append(nn.GaussianNoise(a.noise))
    for i, (before, after) in enumerate(pairwise((prod(image_shape), *hidden_units(a)[::-1]))):
        layers += [nn.Linear(before, after), *NORMS["batch" if a.d_norm and i else "none"](1, after), nn.LeakyReLU(SLOPE)]
        if a.dropout > 0:
            layers.append(nn.Dropout(a.dropout))
    return Discriminator(nn.Sequential(*layers), discriminating_head(hidden_units(a)[0], a.outputs, a.minibatch))
