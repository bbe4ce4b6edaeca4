"""`GAN`: a generator and a discriminator in one of the architectures listed in `FORMS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, ClassVar, Final

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Shape, Tensor

from ..model import Config
from . import dense, pyramid
from .adversarial import AdversarialModel, GANConfig
from .networks import NORMS, OUTPUTS, Discriminator, dcgan_init

SIZES = (100, 1, 28, 28)  # latent dimensions; channels, height and width of the images
INITS: Final[dict[str, Callable[[nn.Module], nn.Module]]] = {"dcgan": dcgan_init, "layers": lambda network: network}
REFERENCE_BATCH_SIZE: Final = 64  # examples in the reference batch of virtual batch normalisation

FORMS: Final[dict[str, tuple[Callable[..., nn.Module], Callable[..., Discriminator]]]] = {
    "dense": (dense.generator, dense.discriminator),
    "transposed": (partial(pyramid.generator, growth="transposed"), pyramid.discriminator),
    "bilinear": (partial(pyramid.generator, growth="bilinear"), pyramid.discriminator),
}


@dataclass(frozen=True)
class GANArchitecture(Config):
    """The networks of a GAN: their form and width, and what the generator (G) and the discriminator (D) contain.

    Raises ValueError if a name is unknown, or if a value has the wrong type or is out of range.
    """

    names: ClassVar = {"form": FORMS, "norm": NORMS, "output": OUTPUTS, "init": INITS}

    form: str = "dense"  # "dense" (the original GAN), "transposed" (DCGAN) or "bilinear" (bilinear upsampling)
    side: int | None = None  # side length of the generated images; None: that of the data
    width: int = 256  # channels at half the image size, or units of the dense form
    smallest: int = pyramid.SMALLEST  # sides are halved while they are above this; not used by the dense form
    init: str = "dcgan"  # initial weights of networks with batch norm: "dcgan", or "layers" for the defaults of the layers
    norm: str = "batch"  # normalisation in G: "batch", "virtual" or "none"
    output: str = "tanh"  # last activation of G: "tanh", "sigmoid" or "linear"
    d_norm: bool = False  # whether D has batch norm
    noise: float = 0.0  # standard deviation of the noise added to D's input
    dropout: float = 0.0  # dropout probability in D
    minibatch: int = 0  # number of kernels of minibatch discrimination in D; 0: none
    outputs: int = 1  # outputs of D: 1 (sigmoid) or 2 (softmax)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.outputs not in (1, 2):
            raise ValueError(f"expected width ≥ 1 and 1 or 2 outputs, got width={self.width} and outputs={self.outputs}")


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
        pyramid_options = {} if a.form == "dense" else {"smallest": a.smallest}
        g = make_generator(self.generator_input_size(latent), shape, a.width, a.norm, a.output, **pyramid_options)
        d = make_discriminator(
            self.discriminator_input_shape(shape), a.width,
            outputs=a.outputs, norm=a.d_norm, noise=a.noise, dropout=a.dropout, minibatch=a.minibatch, **pyramid_options,
        )  # fmt: skip
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
