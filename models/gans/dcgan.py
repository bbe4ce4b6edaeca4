"""The deep convolutional GAN (Radford et al. 2016): transposed convolutions in G, convolutions in D, batch norm in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .gan import GAN
from .networks import GANArchitecture

SIZES = (100, 3, 64, 64)  # latent dimensions; channels, height and width of the images


class DCGAN(GAN):
    """A convolutional GAN, for grey or colour images of any size and shape: z → 512×4² → 256×8² → … → 3×64².

    The options are those of `GAN`, with other defaults for the architecture.

    >>> from autograd_mini import models
    >>> dcgan = models.DCGAN((100, 1, 28, 28), width=8, real_label=0.9)
    >>> dcgan.sample(5).shape
    (5, 1, 28, 28)
    """

    architecture = GANArchitecture(form="transposed", width=64, d_norm=True)

    def __init__(self, sizes: Sequence[int] = SIZES, **options: Any) -> None:
        super().__init__(sizes, **options)
