"""Convolutional generators and discriminators, which double and halve the image size from map to map.

DCGAN (Radford et al. 2016) upsamples by transposed convolutions; the "bilinear" form by bilinear upsampling and convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from autograd_mini import nn
from autograd_mini.tensor import Shape

from ..halving import half, window
from .networks import NORMS, OUTPUTS, SLOPE, Discriminator, GANArchitecture, discriminating_head


class Growth(NamedTuple):
    """The layers that build the first map (C, H, W) from z, and the layers that double a map."""

    first: Callable[[int, Shape], list[nn.Module]]  # (features of z, shape of the first map) -> layers
    double: Callable[[int, Shape], list[nn.Module]]  # (channels, shape of the next map) -> layers


GROWTH: Final = {
    "transposed": Growth(
        lambda z, shape: [nn.Unflatten(1, (z, 1, 1)), nn.ConvTranspose2d(z, shape[0], (shape[1], shape[2]), bias=False)],
        lambda before, after: [nn.ConvTranspose2d(before, after[0], *window(after), bias=False)],
    ),
    "bilinear": Growth(
        lambda z, shape: [nn.Linear(z, shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape)],
        lambda before, after: [nn.Upsample((after[1], after[2]), mode="asymmetric"), nn.Conv2d(before, after[0], 3, padding=1)],
    ),
}


def pyramid(image_shape: Shape, width: int, smallest: int = 7) -> list[Shape]:
    """Returns the map shapes (C, H, W) from the smallest to the image.

    From the image down, sides are halved while they are above `smallest`, and channels double. Half of an odd side is rounded
    up. Raises ValueError if the image cannot be halved at least once.

    >>> from autograd_mini.models.gans.pyramid import pyramid
    >>> pyramid((3, 64, 64), 64)
    [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    >>> pyramid((1, 28, 28), 32), pyramid((1, 28, 28), 32, smallest=4)[0]
    ([(64, 7, 7), (32, 14, 14), (1, 28, 28)], (128, 4, 4))
    """
    maps: list[Shape] = [tuple(image_shape)]
    sides = tuple(image_shape[1:])
    while len(sides) == 2 and min(sides) > max(smallest, 1):
        sides = half(sides)
        maps.append((width << (len(maps) - 1), *sides))
    if len(maps) == 1:
        raise ValueError(f"expected images (C, H, W) with sides above {smallest}, got {tuple(image_shape)}")
    return maps[::-1]


def maps_of(image_shape: Shape, architecture: GANArchitecture) -> list[Shape]:
    """Returns the map shapes from the smallest to the image: one for each of the `layers`, or those of `pyramid`.

    Raises ValueError if the image is too small for this number of layers.

    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> from autograd_mini.models.gans.pyramid import maps_of
    >>> maps_of((1, 28, 28), GANArchitecture(form="transposed", layers=(48, 24)))
    [(48, 7, 7), (24, 14, 14), (1, 28, 28)]
    """
    if not architecture.layers:
        return pyramid(image_shape, architecture.width, architecture.smallest)
    maps: list[Shape] = [tuple(image_shape)]
    for channels in reversed(architecture.layers):
        if len(image_shape) != 3 or min(maps[-1][1:]) < 2:
            raise ValueError(f"layers {tuple(architecture.layers)}: images {tuple(image_shape)} cannot be halved that often")
        maps.append((channels, *half(maps[-1][1:])))
    return maps[::-1]


def generator(inputs: int, image_shape: Shape, architecture: GANArchitecture) -> nn.Sequential:
    """Returns a generator z (N, inputs) → images (N, C, H, W) through the maps of `pyramid`.

    Normalisation and ReLU follow every map except the last. "transposed" uses transposed convolutions without bias: the first
    is as large as its map, the others are 4/2/1 (kernel, stride, padding), or 3/2/1 for odd sides. "bilinear" uses a dense
    layer, then asymmetric bilinear upsampling and a 3×3 convolution per map.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.pyramid import generator
    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> generator(100, (3, 32, 32), GANArchitecture(form="transposed", width=8))(ag.randn(2, 100)).shape
    (2, 3, 32, 32)
    """
    first, double = GROWTH[architecture.form]
    maps = maps_of(image_shape, architecture)
    layers = first(inputs, maps[0])
    for (before, *_), after in pairwise(maps):
        layers += [*NORMS[architecture.norm](2, before), nn.ReLU(), *double(before, after)]
    return nn.Sequential(*layers, OUTPUTS[architecture.output].layer())


def discriminator(image_shape: Shape, architecture: GANArchitecture) -> Discriminator:
    """Returns a discriminator of images (N, C, H, W): convolutions down the maps of `pyramid`, then a head.

    Convolutions are 4/2/1 (kernel, stride, padding), or 3/2/1 for odd sides, each followed by leaky ReLU. Every convolution but
    the first has batch norm if `d_norm` is set; convolutions have a bias only without it. Without minibatch discrimination the
    head is a convolution as large as its map.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.networks import GANArchitecture
    >>> from autograd_mini.models.gans.pyramid import discriminator
    >>> d = discriminator((3, 32, 32), GANArchitecture(form="transposed", width=8, outputs=2, d_norm=True, minibatch=5))
    >>> d(ag.zeros((2, 3, 32, 32))).shape
    (2,)
    """
    a = architecture
    maps = maps_of(image_shape, a)
    layers: list[nn.Module] = [nn.GaussianNoise(a.noise)] if a.noise > 0 else []
    for i, (larger, (after, *_)) in enumerate(pairwise(maps[::-1])):
        layers += [nn.Conv2d(larger[0], after, *window(larger), bias=not a.d_norm)]
        layers += [*NORMS["batch" if a.d_norm and i else "none"](2, after), nn.LeakyReLU(SLOPE)]
        if a.dropout > 0:
            layers.append(nn.Dropout(a.dropout))
    channels, *kernel = maps[0]
    if a.minibatch:
        head = nn.Sequential(nn.Flatten(), *discriminating_head(channels * kernel[0] * kernel[1], a.outputs, a.minibatch))
    else:
        head = nn.Sequential(nn.Conv2d(channels, a.outputs, (kernel[0], kernel[1]), bias=not a.d_norm), nn.Flatten())
    return Discriminator(nn.Sequential(*layers), head)
