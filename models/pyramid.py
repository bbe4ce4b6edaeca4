"""Generators and discriminators that double and halve images, read off one table of maps: the DCGAN's and the report's.

Radford et al. 2016 grow an image by transposed convolutions, the report by bilinear upsampling and convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from autograd_mini import nn
from autograd_mini.tensor import Shape

from .players import NORMS, OUTPUTS, SLOPE, Discriminator, discriminating_head

SMALLEST: Final = 7  # pixels: a side that is even and longer is halved


class Growth(NamedTuple):
    """How an image starts, from z to a map (C, H, W), and how it doubles, from so many channels to so many."""

    first: Callable[[int, Shape], list[nn.Module]]
    double: Callable[[int, int], list[nn.Module]]


GROWTH: Final = {
    "transposed": Growth(
        lambda z, start: [nn.Unflatten(1, (z, 1, 1)), nn.ConvTranspose2d(z, start[0], start[1:], bias=False)],  # type: ignore[arg-type]
        lambda before, after: [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)],
    ),
    "bilinear": Growth(
        lambda z, start: [nn.Linear(z, start[0] * start[1] * start[2]), nn.Unflatten(1, start)],
        lambda before, after: [nn.Upsample(scale_factor=2, mode="asymmetric"), nn.Conv2d(before, after, 3, padding=1)],
    ),
}


def pyramid(image_shape: Shape, width: int) -> list[tuple[int, int, int]]:
    """The maps (C, H, W) from the smallest to the image: sides are halved while they are even and above 7, channels double.

    ValueError for images that cannot be halved once.

    >>> from autograd_mini.models.pyramid import pyramid
    >>> pyramid((3, 64, 64), 64)
    [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    >>> pyramid((1, 28, 28), 32)
    [(64, 7, 7), (32, 14, 14), (1, 28, 28)]
    """
    channels, *sides = image_shape
    halvings = 0
    while len(sides) == 2 and all(side % 2 == 0 and side > SMALLEST for side in sides):
        sides, halvings = [side // 2 for side in sides], halvings + 1
    if not halvings:
        raise ValueError(f"expected images (C, H, W) with even sides above {SMALLEST}, got {tuple(image_shape)}")
    height, breadth = sides
    grown = [(width << i, height << (halvings - 1 - i), breadth << (halvings - 1 - i)) for i in reversed(range(halvings))]
    return [*grown, (channels, height << halvings, breadth << halvings)]


def generator(inputs: int, image_shape: Shape, width: int, norm: str, output: str, growth: str = "transposed") -> nn.Sequential:
    """z (N, inputs) → images (N, C, H, W) through the maps of the pyramid, each normalised, then ReLU, but for the last.

    "transposed": transposed convolutions without bias, the first as large as its map, then 4/2/1 (kernel, stride, padding).
    "bilinear": a dense layer, then asymmetric bilinear upsampling and a 3×3 convolution each.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.pyramid import generator
    >>> generator(100, (3, 32, 32), 8, "batch", "tanh")(ag.randn(2, 100)).shape
    (2, 3, 32, 32)
    """
    first, double = GROWTH[growth]
    maps = pyramid(image_shape, width)
    layers = first(inputs, maps[0])
    for (before, *_), (after, *_) in pairwise(maps):
        layers += [*NORMS[norm](2, before), nn.ReLU(), *double(before, after)]
    return nn.Sequential(*layers, OUTPUTS[output].layer())


def discriminator(
    image_shape: Shape, width: int, *, outputs: int, norm: bool, noise: float, dropout: float, minibatch: int
) -> Discriminator:
    """Images (N, C, H, W) → the head's outputs, down the maps of the pyramid by convolutions 4/2/1.

    Leaky ReLU after each; batch norm if `norm`, but for the first, else a bias. The head is a convolution as large as the last
    map; with `minibatch` kernels, minibatch discrimination and a linear layer. `noise` is the deviation of what is added to
    the images, `dropout` the share dropped after each map.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.pyramid import discriminator
    >>> d = discriminator((3, 32, 32), 8, outputs=2, norm=True, noise=0.1, dropout=0.3, minibatch=5)
    >>> d(ag.zeros((2, 3, 32, 32))).shape
    (2,)
    """
    maps = pyramid(image_shape, width)
    layers: list[nn.Module] = [nn.GaussianNoise(noise)] * (noise > 0)
    for i, ((before, *_), (after, *_)) in enumerate(pairwise(maps[::-1])):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=not norm), *NORMS["batch" if norm and i else "none"](2, after)]
        layers += [nn.LeakyReLU(SLOPE), *[nn.Dropout(dropout)] * (dropout > 0)]
    channels, *kernel = maps[0]
    if minibatch:
        head = nn.Sequential(nn.Flatten(), *discriminating_head(channels * kernel[0] * kernel[1], outputs, minibatch))
    else:
        head = nn.Sequential(nn.Conv2d(channels, outputs, (kernel[0], kernel[1]), bias=not norm), nn.Flatten())
    return Discriminator(nn.Sequential(*layers), head)
