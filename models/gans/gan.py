"""`GAN`: a generator and a discriminator in one of the architectures listed in `FORMS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Shape, Tensor

from . import dense, pyramid
from .adversarial import AdversarialModel, GANConfig
from .networks import INITS, OUTPUTS, Discriminator, GANArchitecture

SIZES = (100, 1, 28, 28)  # latent dimensions; channels, height and width of the images
REFERENCE_BATCH_SIZE: Final = 64  # examples in the reference batch of virtual batch normalisation

FORMS: Final[dict[str, tuple[Callable[..., nn.Module], Callable[..., Discriminator]]]] = {
    "dense": (dense.generator, dense.discriminator),
    "transposed": (pyramid.generator, pyramid.discriminator),
    "bilinear": (pyramid.generator, pyramid.discriminator),
}
"""Form of an architecture -> functions that build its generator and its discriminator."""


class GAN(AdversarialModel):
    """A GAN of images (C, H, W), or of points (D,) with form "dense"; `sizes` is (latent, C, H, W) or (latent, D).

    `options` are the fields of `GANArchitecture` and `GANConfig`. Raises ValueError if sizes or options are invalid.

    >>> from autograd_mini import models
    >>> gan = models.GAN((100, 1, 28, 28), form="bilinear", width=8, outputs=2, real_label=0.7, fake_label=0.3)
    >>> gan.sample(5).shape
    (5, 1, 28, 28)
    >>> models.GAN((2, 2), width=16, output="linear").sample(5).shape
    (5, 2)
    """

    configs = (GANArchitecture, GANConfig)
    layers_option = "layers"

    architecture = GANArchitecture()

    def __init__(self, sizes: Sequence[int] = SIZES, **options: Any) -> None:
        if len(sizes) not in (2, 4) or min(sizes) < 1:
            raise ValueError(
                f"{type(self).__name__}: expected sizes (latent, channels, height, width) or (latent, features), "
                f"each 1 or more, got {tuple(sizes)}"
            )
        known = {option.name for option in fields(GANArchitecture)}
        a = self.with_options(self.architecture, {name: options.pop(name) for name in known & options.keys()})
        self.architecture = a
        latent, *image = sizes
        shape = (image[0], a.side, a.side) if a.side else tuple(image)
        make_generator, make_discriminator = FORMS[a.form]
        g = make_generator(self.generator_input_size(latent), shape, a)
        d = make_discriminator(self.discriminator_input_shape(shape), a)
        for network, has_norm in ((g, a.norm != "none"), (d, a.d_norm)):
            if has_norm:
                INITS[a.init](network)
        if a.norm == "virtual":
            g = nn.VirtualBatch(g, self.reference_batch(latent))
        super().__init__(g, d, latent, shape, OUTPUTS[a.output].black_level, **options)

    def generator_input_size(self, latent: int) -> int:
        """Returns the number of input features of the generator."""
        return latent

    def discriminator_input_shape(self, image_shape: Shape) -> Shape:
        """Returns the input shape of the discriminator, without the batch axis."""
        return image_shape

    def reference_batch(self, latent: int) -> Tensor:
        """Returns a reference batch of generator inputs, for virtual batch normalisation."""
        return ag.randn(REFERENCE_BATCH_SIZE, latent)
