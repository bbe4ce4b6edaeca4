"""Convolutional classifiers: blocks of convolution and pooling, then fully connected layers. `VARIANTS` lists them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..stack import stack
from .base import Classifier

SIZES = (1, 28, 28, 10)  # channels, height, width, classes


@dataclass(frozen=True)
class Block:
    """A padded 3×3 convolution, then optional batch norm, ReLU, optional max pooling, and optional dropout.

    >>> from autograd_mini.models.classifiers.cnn import Block
    >>> [type(layer).__name__ for layer in Block(32, pool=2).layers(in_channels=3)]
    ['Conv2d', 'ReLU', 'MaxPool2d']
    """

    channels: int  # output channels
    stride: int = 1  # stride of the convolution
    norm: bool = False  # whether batch norm follows the convolution
    pool: int = 1  # window and stride of max pooling; 1: no pooling
    dropout: float = 0.0  # probability that a value is dropped

    def layers(self, in_channels: int) -> Iterator[nn.Module]:
        """Yields the block's layers, for images (N, in_channels, H, W)."""
        yield nn.Conv2d(
            in_channels, self.channels, 3, self.stride, padding=1, bias=not self.norm
        )  # batch norm has its own bias
        if self.norm:
            yield nn.BatchNorm2d(self.channels)
        yield nn.ReLU()
        if self.pool > 1:
            yield nn.MaxPool2d(self.pool)
        if self.dropout:
            yield nn.Dropout(self.dropout)


VARIANTS: Final[dict[str, tuple[tuple[Block, ...], tuple[int, ...]]]] = {
    "stride": ((Block(16, stride=2), Block(32, stride=2)), (128,)),
    "keras": ((Block(32), Block(64, pool=2)), (128,)),
    "cifar": ((Block(32, pool=2), Block(64, pool=2)), (128,)),
    "contest-7": ((Block(32, norm=True, pool=7, dropout=0.5),), ()),
    "contest-4": ((Block(32, norm=True, pool=4, dropout=0.5),), ()),
    "contest-2": ((Block(32, norm=True, pool=2, dropout=0.5),), ()),
}
"""Name -> (blocks, widths of the hidden layers between the blocks and the logits)."""


class CNN(Classifier):
    """A convolutional network that maps images (N, C, H, W), or (N, H, W) for one channel, to logits (N, classes).

    `sizes` is (C, H, W, classes), `variant` a name in `VARIANTS`, and `centred` as in `Classifier`. `channels` replaces the
    channels of the variant's blocks; blocks after its last one are like that one. Raises ValueError if the variant is unknown,
    if `sizes` is invalid, or if the images are too small for a layer; the message names the layer.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> cnn = models.CNN(sizes=(3, 32, 32, 10), variant="cifar")
    >>> cnn(np.zeros((5, 3, 32, 32), np.float32)).shape
    (5, 10)
    """

    image_part = slice(0, 3)

    layers_option = "channels"

    def __init__(
        self, sizes: Sequence[int] = SIZES, variant: str = "stride", centred: bool = False, channels: Sequence[int] = ()
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"CNN: unknown variant {variant!r}; expected one of: {', '.join(VARIANTS)}")
        if len(sizes) != 4 or min(sizes) < 1:
            raise ValueError(f"CNN: expected sizes (channels, height, width, classes), each 1 or more, got {tuple(sizes)}")
        self.centred = centred
        blocks, hidden = VARIANTS[variant]
        if channels:
            blocks = tuple(replace(blocks[min(i, len(blocks) - 1)], channels=count) for i, count in enumerate(channels))
        *image_shape, classes = sizes
        inputs = [image_shape[0], *(block.channels for block in blocks)]
        convolutions = [layer for channels, block in zip(inputs, blocks, strict=False) for layer in block.layers(channels)]
        features = nn.Sequential(*convolutions, nn.Flatten())
        with nn.evaluation(features):  # a blank image shows how many features the blocks produce
            count = features(ag.zeros((1, *image_shape))).shape[1]
        self.layers = nn.Sequential(*features, *stack((count, *hidden, classes), nn.ReLU))

    def forward(self, images: TensorLike) -> Tensor:
        images = self.scale_pixels(images)
        return self.layers(ag.expand_dims(images, 1) if images.ndim == 3 else images)
