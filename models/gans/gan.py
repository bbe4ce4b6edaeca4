"""`GAN`: a generator and a discriminator in one of the architectures listed in `FORMS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Shape, Tensor

from . import dense, pyramid
from .adversarial import AdversarialModel
from .networks import NORMS, OUTPUTS, Discriminator, dcgan_init

SIZES = (100, 1, 28, 28)  # latent dimensions; channels, height and width of the images
INITS: Final[dict[str, Callable[[nn.Module], nn.Module]]] = {"dcgan": dcgan_init, "layers": lambda network: network}
REFERENCE_BATCH_SIZE: Final = 64  # examples in the reference batch of virtual batch normalisation

FORMS: Final[dict[str, tuple[Callable[..., nn.Module], Callable[..., Discriminator]]]] = {
    "dense": (dense.generator, dense.discriminator),
    "transposed": (partial(pyramid.generator, growth="transposed"), pyramid.discriminator),
    "bilinear": (partial(pyramid.generator, growth="bilinear"), pyramid.discriminator),
}


class GAN(AdversarialModel):
    """A GAN of images (C, H, W), or of points (D,) with form "dense"; `sizes` is (latent, C, H, W) or (latent, D).

    Parameters
    ----------
    form       architecture: "dense" (the original GAN), "transposed" (DCGAN) or "bilinear" (bilinear upsampling)
    side       side length of the generated images; None: that of the data
    width      channels at half the image size, or units of the dense form
    smallest   sides are halved while they are above this; not used by the dense form
    init       initial weights of networks with batch norm: "dcgan", or "layers" for the defaults of the layers
    norm       normalisation in the generator: "batch", "virtual" or "none"
    output     last activation of the generator: "tanh", "sigmoid" or "linear"
    d_norm     whether the discriminator has batch norm
    noise      standard deviation of the noise added to the discriminator's input
    dropout    dropout probability in the discriminator
    minibatch  number of kernels of minibatch discrimination; 0: none
    outputs    outputs of the discriminator: 1 (sigmoid) or 2 (softmax)
    config     the fields of `GANConfig`

    Raises
    ------
    ValueError if sizes, names or options are invalid

    >>> from autograd_mini import models
    >>> gan = models.GAN((100, 1, 28, 28), form="bilinear", width=8, outputs=2, real_label=0.7, fake_label=0.3)
    >>> gan.sample(5).shape
    (5, 1, 28, 28)
    >>> models.GAN((2, 2), width=16, output="linear").sample(5).shape
    (5, 2)
    """

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        *,
        form: str = "dense",
        side: int | None = None,
        width: int = 256,
        smallest: int = pyramid.SMALLEST,
        init: str = "dcgan",
        norm: str = "batch",
        output: str = "tanh",
        d_norm: bool = False,
        noise: float = 0.0,
        dropout: float = 0.0,
        minibatch: int = 0,
        outputs: int = 1,
        **config: Any,
    ) -> None:
        names = (("form", form, FORMS), ("norm", norm, NORMS), ("output", output, OUTPUTS), ("init", init, INITS))
        for what, name, known in names:
            if name not in known:
                raise ValueError(f"{type(self).__name__}: unknown {what} {name!r}; expected one of: {', '.join(known)}")
        if len(sizes) not in (2, 4) or min(*sizes, width) < 1 or outputs not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: expected sizes (latent, channels, height, width) or (latent, features) and a width, "
                f"each 1 or more, and 1 or 2 outputs, got sizes={tuple(sizes)}, width={width}, outputs={outputs}"
            )
        latent, *image = sizes
        shape = (image[0], side, side) if side else tuple(image)
        make_generator, make_discriminator = FORMS[form]
        pyramid_options = {} if form == "dense" else {"smallest": smallest}
        g = make_generator(self.generator_input_size(latent), shape, width, norm, output, **pyramid_options)
        d = make_discriminator(
            self.discriminator_input_shape(shape), width,
            outputs=outputs, norm=d_norm, noise=noise, dropout=dropout, minibatch=minibatch, **pyramid_options,
        )  # fmt: skip
        for network, has_norm in ((g, norm != "none"), (d, d_norm)):
            if has_norm:
                INITS[init](network)
        if norm == "virtual":
            g = nn.VirtualBatch(g, self.reference_batch(latent))
        super().__init__(g, d, latent, shape, OUTPUTS[output].black_level, **config)

    def generator_input_size(self, latent: int) -> int:
        """Returns the number of input features of the generator."""
        return latent

    def discriminator_input_shape(self, image_shape: Shape) -> Shape:
        """Returns the input shape of the discriminator, without the batch axis."""
        return image_shape

    def reference_batch(self, latent: int) -> Tensor:
        """Returns a reference batch of generator inputs, for virtual batch normalisation."""
        return ag.randn(REFERENCE_BATCH_SIZE, latent)
