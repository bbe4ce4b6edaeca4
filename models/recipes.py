"""What is trained by default: a table of recipes, one for each model on each data set, and presets, which change them by name.

A recipe is all that a run depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

from autograd_mini import nn

from .autoencoders import autoencoder, conv_autoencoder, conv_vae, denoising, vae
from .autoencoders.latent import LatentModel
from .classifiers import cnn, mlp
from .gans import semi_supervised_gan
from .gans.adversarial import AdversarialModel
from .gans.conditional_gan import ConditionalGAN
from .gans.dcgan import DCGAN
from .gans.gan import GAN
from .gans.wgan_gp import WGANGP

Model: TypeAlias = Any  # one of those below: which, a recipe says by name

MODELS: Final[dict[str, type[Any]]] = {
    "mlp": mlp.MLP,
    "cnn": cnn.CNN,
    "ae": autoencoder.Autoencoder,
    "conv-ae": conv_autoencoder.ConvAutoencoder,
    "denoising-ae": denoising.DenoisingAutoencoder,
    "vae": vae.VAE,
    "conv-vae": conv_vae.ConvVAE,
    "gan": GAN,
    "dcgan": DCGAN,
    "cgan": ConditionalGAN,
    "ssgan": semi_supervised_gan.SemiSupervisedGAN,
    "wgan-gp": WGANGP,
}

OPTIMIZERS: Final[dict[str, Callable[..., nn.Optimizer]]] = {"adam": nn.Adam, "momentum": partial(nn.SGD, momentum=0.9)}

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
IMAGE_SHAPES: Final = {"digits": (1, 8, 8), "mnist": GREY, "fashion_mnist": GREY, "cifar10": COLOUR}
"""(C, H, W) of each data set; what is drawn without its data is drawn in this shape."""


@dataclass(frozen=True)
class Recipe:
    """A model, the data, and how it learns: `optimizer` at `lr`, for `epochs` passes or `iterations` batches of `batch_size`.

    `sizes` and `options` are what the model's constructor takes; a −1 in front of `sizes` is as many as the data have pixels.
    `optimizer` is a name in `OPTIMIZERS` (ValueError for others; GANs have their own, see `options`). The run is written down
    after each epoch, or each `every` batches: so often the learning rate changes by the factor `lr_decay`, and a GAN's Fréchet
    distance is taken where `frechet` asks for it. `early_stop` ends training once that number of the history, such as
    "frechet", has not become less for `patience` such times, and keeps the best weights.
    `classes` and `limit_per_class` cut the data down (None: all of it), of which `labelled_per_class` keep their labels for a
    semi-supervised model; `seed` fixes weights, draws and the order of data. ValueError unless either `epochs` or `iterations`
    is given.
    """

    model: str
    data: str
    sizes: tuple[int, ...]
    batch_size: int
    lr: float
    epochs: int | None = None
    iterations: int | None = None
    every: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "adam"
    lr_decay: float = 1.0
    seed: int = 0
    classes: tuple[int, ...] | None = None
    limit_per_class: int | None = None
    labelled_per_class: int | None = None
    frechet: bool = False
    early_stop: str | None = None
    patience: int = 5

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError(f"expected either epochs or iterations, got {self.epochs} and {self.iterations}")
        if self.labelled_per_class is not None and self.model != "ssgan":
            raise ValueError(f"labelled_per_class is for ssgan; {self.model} has no use for images without labels")
        if self.model not in MODELS:
            raise ValueError(f"unknown model {self.model!r}; there are {', '.join(MODELS)}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.optimizer!r}; there are {', '.join(OPTIMIZERS)}")
        if self.sizes[:1] == (-1,):
            pixels = math.prod(IMAGE_SHAPES.get(self.data, GREY))  # pictures in a folder are made grey for such models
            object.__setattr__(self, "sizes", (pixels, *self.sizes[1:]))  # frozen from here on

    @property
    def unit(self) -> str:
        """What rows of its history count in: "epoch", or "iteration" where they fall, or training ends, between epochs.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].unit, RECIPES["dcgan", "mnist"].unit
        ('epoch', 'iteration')
        """
        return "epoch" if self.iterations is None and self.every is None else "iteration"

    def build(self) -> Model:
        """The model, with initial weights; ValueError for impossible sizes or options.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["mlp", "digits"].build().layers[0]
        Linear(in_features=64, out_features=128, bias=True)
        """
        try:
            return MODELS[self.model](self.sizes, **self.options)
        except TypeError as error:
            raise ValueError(f"{self.model} with options {self.options}: {error}") from error

    def with_length(self, epochs: int | None = None, iterations: int | None = None) -> Recipe:
        """The same for another length, in epochs or in batches; itself where none is given, ValueError where both are.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> recipe = RECIPES["dcgan", "mnist"].with_length(epochs=3)
        >>> recipe.epochs, recipe.iterations
        (3, None)
        """
        return self if epochs is None and iterations is None else replace(self, epochs=epochs, iterations=iterations)

    def with_latent(self, latent: int) -> Recipe:
        """The same with another number of latent dimensions; ValueError for a model that has no latent space.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].with_latent(2).sizes
        (784, 400, 2)
        """
        if issubclass(MODELS[self.model], AdversarialModel):
            return replace(self, sizes=(latent, *self.sizes[1:]))
        if not issubclass(MODELS[self.model], LatentModel):
            raise ValueError(f"{self.model} has no latent space")
        return replace(self, sizes=(*self.sizes[:-1], latent))


COLOUR_OPTIONS: Final = {"channels": [32, 64, 128], "likelihood": "gaussian"}

GAN_DEFAULTS: Final[dict[str, Any]] = {"frechet": True, "batch_size": 64}
DCGAN_8: Final[dict[str, Any]] = {
    **GAN_DEFAULTS, "iterations": 2000, "every": 500, "lr": 1e-3, "options": {"width": 16, "real_label": 0.9},
}  # fmt: skip
DCGAN_28: Final[dict[str, Any]] = {
    **GAN_DEFAULTS, "iterations": 2000, "every": 200, "lr": 1e-3,
    "options": {"width": 32, "smallest": 4, "init": "layers", "real_label": 0.9, "ema": 0.99},
}  # fmt: skip
DCGAN_32: Final[dict[str, Any]] = {
    **GAN_DEFAULTS, "iterations": 4000, "every": 500, "lr": 2e-4, "options": {"width": 32},
}  # fmt: skip
WGAN: Final[dict[str, Any]] = {**DCGAN_32, "iterations": 5000, "lr": 5e-4}
IMPROVED_GAN: Final[dict[str, Any]] = {"epochs": 30, "batch_size": 100, "lr": 3e-3}  # Salimans et al. 2016

RECIPES: Final = {
    (recipe.model, recipe.data): recipe
    for recipe in (
        Recipe("mlp", "digits", (64, 128, 10), epochs=30, batch_size=32, lr=1e-3),
        Recipe("mlp", "mnist", mlp.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("mlp", "fashion_mnist", mlp.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("mlp", "cifar10", (3072, 512, 10), epochs=5, batch_size=128, lr=1e-3, lr_decay=0.6, options={"centred": True}),
        Recipe("cnn", "digits", (1, 8, 8, 10), epochs=20, batch_size=32, lr=1e-3),
        Recipe("cnn", "mnist", cnn.SIZES, epochs=3, batch_size=32, lr=2e-3, lr_decay=0.3),
        Recipe("cnn", "fashion_mnist", cnn.SIZES, epochs=10, batch_size=64, lr=1e-3),
        Recipe("cnn", "cifar10", (3, 32, 32, 10), epochs=5, batch_size=64, lr=1e-3, lr_decay=0.7, options={"variant": "cifar"}),
        Recipe("ae", "digits", (64, 128, 32, 2), epochs=100, batch_size=32, lr=1e-3),
        Recipe("ae", "mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("ae", "fashion_mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("conv-ae", "digits", (1, 8, 8, 8), epochs=60, batch_size=32, lr=2e-3),
        Recipe("conv-ae", "mnist", conv_autoencoder.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("conv-ae", "fashion_mnist", conv_autoencoder.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("conv-ae", "cifar10", (3, 32, 32, 128), epochs=5, batch_size=128, lr=1e-3, options=COLOUR_OPTIONS),
        Recipe("denoising-ae", "digits", (64, 256, 32), epochs=60, batch_size=32, lr=1e-3, options={"amount": 0.3}),
        Recipe("denoising-ae", "mnist", denoising.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("denoising-ae", "fashion_mnist", denoising.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "digits", (64, 256, 64, 8), epochs=200, batch_size=32, lr=1e-3),
        Recipe("vae", "mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "fashion_mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("conv-vae", "digits", (1, 8, 8, 8), epochs=100, batch_size=32, lr=2e-3),
        Recipe("conv-vae", "mnist", conv_vae.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("conv-vae", "fashion_mnist", conv_vae.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("conv-vae", "cifar10", (3, 32, 32, 128), epochs=5, batch_size=128, lr=1e-3, options=COLOUR_OPTIONS),
        Recipe("gan", "digits", (32, 1, 8, 8), iterations=3000, every=500, lr=2e-4, **GAN_DEFAULTS),
        Recipe("gan", "mnist", (100, *GREY), iterations=20000, every=2000, lr=2e-4, **GAN_DEFAULTS),
        Recipe("gan", "fashion_mnist", (100, *GREY), iterations=20000, every=2000, lr=2e-4, **GAN_DEFAULTS),
        Recipe("dcgan", "digits", (32, 1, 8, 8), **DCGAN_8),
        Recipe("dcgan", "mnist", (100, *GREY), **DCGAN_28),
        Recipe("dcgan", "fashion_mnist", (100, *GREY), **DCGAN_28),
        Recipe("dcgan", "cifar10", (100, *COLOUR), **DCGAN_32),
        Recipe("cgan", "digits", (32, 1, 8, 8), **DCGAN_8),
        Recipe("cgan", "mnist", (100, *GREY), **DCGAN_28),
        Recipe("cgan", "fashion_mnist", (100, *GREY), **DCGAN_28),
        Recipe("cgan", "cifar10", (100, *COLOUR), **DCGAN_32),
        Recipe("ssgan", "digits", (100, 1, 8, 8, 10), labelled_per_class=5, **IMPROVED_GAN),
        Recipe("ssgan", "mnist", semi_supervised_gan.SIZES, labelled_per_class=10, **IMPROVED_GAN),
        Recipe("ssgan", "fashion_mnist", semi_supervised_gan.SIZES, labelled_per_class=10, **IMPROVED_GAN),
        Recipe("wgan-gp", "digits", (32, 1, 8, 8), **{**WGAN, "options": {"width": 16}}),
        Recipe("wgan-gp", "mnist", (100, *GREY), **WGAN),
        Recipe("wgan-gp", "fashion_mnist", (100, *GREY), **WGAN),
        Recipe("wgan-gp", "cifar10", (100, *COLOUR), **{**WGAN, "lr": 2e-4}),
    )
}

# Burda et al. 2016, section 5.1, with a schedule for 30 epochs in place of theirs of 3280.
BURDA: Final = {"sizes": (-1, 200, 200, 50), "lr": 4e-3, "lr_decay": 0.89, "batch_size": 100, "epochs": 30}
BURDA_OPTIONS: Final = {"activation": "tanh", "binarize": True}
CONTEST: Final = {"lr": 1e-3, "lr_decay": 1.0, "batch_size": 64, "epochs": 5}
PRESETS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("cnn", "keras-check"): {
        "options": {"variant": "keras"}, "optimizer": "momentum", "lr": 0.01, "lr_decay": 1.0, "batch_size": 32, "epochs": 1,
    },
    ("cnn", "contest-pool-7"): {"options": {"variant": "contest-7"}, **CONTEST},
    ("cnn", "contest-pool-4"): {"options": {"variant": "contest-4"}, **CONTEST},
    ("cnn", "contest-pool-2"): {"options": {"variant": "contest-2"}, **CONTEST},
    ("ae", "exercise-29"): {"classes": (0, 1, 2), "limit_per_class": 100, "batch_size": 20, "epochs": 200},
    ("vae", "iwae-paper"): {"options": BURDA_OPTIONS, **BURDA},
    ("vae", "iwae-paper-k5"): {"options": {**BURDA_OPTIONS, "importance_samples": 5}, **BURDA},
    ("gan", "goodfellow"): {"options": {"output": "sigmoid", "norm": "none", "dropout": 0.5}},
    ("gan", "report-gan"): {
        "options": {
            "form": "bilinear", "side": 28, "width": 12, "outputs": 2, "mixed": True, "dropout": 0.3, "beta1": 0.9,
            "real_label": 0.7, "fake_label": 0.3, "d_rate": 3.0, "g_times": 2, "pretrain": 100,
        },
        "lr": 1e-4, "batch_size": 16, "iterations": 50000, "every": 2000, "frechet": True,
    },
    ("dcgan", "dcgan-28"): {**DCGAN_28, "options": {**DCGAN_28["options"], "side": 28}},
    ("dcgan", "dcgan-32"): {**DCGAN_28, "options": {**DCGAN_28["options"], "side": 32}},
    ("dcgan", "dcgan-64"): {
        "options": {"side": 64}, "lr": 2e-4, "batch_size": 128, "iterations": 25000, "every": 500, "frechet": True,
    },
    ("dcgan", "improved-gan"): {
        **DCGAN_28, "options": {**DCGAN_28["options"], "minibatch": 100, "norm": "virtual", "historical": 1e-4},
    },
    ("ssgan", "improved-gan-ssl"): {**IMPROVED_GAN, "labelled_per_class": 10},
}  # fmt: skip
"""A model and a name -> what is other than in the model's recipe, on any data."""
