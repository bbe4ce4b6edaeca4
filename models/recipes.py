"""Default hyperparameters: one recipe per model and data set, and named presets that override parts of a recipe.

A recipe contains everything that a run depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from autograd_mini import nn

from .autoencoders import autoencoder, conv_autoencoder, conv_vae, denoising, vae
from .classifiers import cnn, mlp
from .gans import semi_supervised_gan
from .gans.conditional_gan import ConditionalGAN
from .gans.dcgan import DCGAN
from .gans.gan import GAN
from .gans.wgan_gp import WGANGP
from .model import Model

MODELS: Final[dict[str, type[Model]]] = {
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

OPTIMIZERS: Final[dict[str, Callable[..., nn.Optimizer]]] = {
    "adam": nn.Adam,
    "adamw": nn.AdamW,
    "nadam": nn.NAdam,
    "sgd": nn.SGD,
    "momentum": partial(nn.SGD, momentum=0.9),
    "nesterov": partial(nn.SGD, momentum=0.9, nesterov=True),
    "rmsprop": nn.RMSprop,
    "adagrad": nn.Adagrad,
    "adadelta": nn.Adadelta,
    "ftrl": nn.FTRL,
}

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
IMAGE_SHAPES: Final = {"digits": (1, 8, 8), "mnist": GREY, "fashion_mnist": GREY, "cifar10": COLOUR}
"""The image shape (C, H, W) of each data set, known without loading the data."""


SMALLEST_SIDE: Final = 8  # pixels; convolutional models need some room to halve their maps
MOST_CHANNELS: Final = 4  # colour with transparency


def check_image_shape(shape: Sequence[int]) -> None:
    """Raises ValueError unless `shape` is (C, H, W) with 1 to 4 channels and sides of 8 pixels or more.

    >>> from autograd_mini.models.recipes import check_image_shape
    >>> check_image_shape((3, 30, 50))
    """
    if len(shape) != 3 or not 1 <= shape[0] <= MOST_CHANNELS or min(shape[1:]) < SMALLEST_SIDE:
        raise ValueError(
            f"image shape {tuple(shape)}: expected (channels, height, width) with 1 to {MOST_CHANNELS} channels "
            f"and sides of at least {SMALLEST_SIDE} pixels"
        )


@dataclass(frozen=True)
class Recipe:
    """The complete configuration of a run: the model, the data, and how the model is trained.

    A row of metrics is logged after each epoch, or every `every` batches. Raises ValueError if the model or the optimizer is
    unknown, if not exactly one of `epochs` and `iterations` is set, or if `labelled_per_class` is set for a supervised model.
    """

    model: str  # a name in MODELS
    data: str  # a data set, or a folder of images
    sizes: tuple[int, ...]  # passed to the model's constructor; a leading −1 stands for the number of pixels
    batch_size: int  # examples per batch
    lr: float  # learning rate
    epochs: int | None = None  # train for this many passes over the data; or set `iterations`
    iterations: int | None = None  # train for this many batches; or set `epochs`
    every: int | None = None  # log metrics and save a checkpoint every N batches; None: after each epoch
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the model's constructor
    optimizer: str = "adam"  # a name in OPTIMIZERS
    lr_decay: float = 1.0  # factor of the learning rate after each logged row
    seed: int = 0  # seed of the initial weights, the random draws and the order of the data
    classes: tuple[int | str, ...] | None = None  # train on these classes only, labels or names of a folder; None: all
    limit_per_class: int | None = None  # keep at most this many images per class; None: all
    labelled_per_class: int | None = None  # images per class that keep their labels; semi-supervised models only
    frechet: bool = False  # compute a GAN's Fréchet distance for each logged row
    early_stop: str | None = None  # stop early on this metric and keep the best weights
    patience: int = 5  # logged rows without improvement before training stops early
    backend: str = "numpy"  # of compiled steps: "numpy", or "c" for loops in C
    accumulate: int = 1  # batches per step
    clip_grad_norm: float | None = None  # largest joint norm of the gradients of a step; None: no limit
    clip_grad_value: float | None = None  # largest size of each element of a gradient; None: no limit
    keep_best: str | None = None  # also keep the checkpoint of the best row by this metric
    keep_every: int | None = None  # also keep the checkpoint of every n-th row
    tensorboard: bool = False  # write event files for TensorBoard
    image_shape: tuple[int, ...] | None = None  # (C, H, W) to which the images are converted; None: that of the data set
    class_names: tuple[str, ...] | None = None  # of a folder, by label; none if it is flat; None: not a folder
    background: str = "white"  # colour under the transparent pixels of images from a folder
    skip_damaged: bool = False  # leave out the files of a folder that cannot be read

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError(f"expected either epochs or iterations, got epochs={self.epochs} and iterations={self.iterations}")
        if self.labelled_per_class is not None and self.model != "ssgan":
            raise ValueError(
                f"labelled_per_class={self.labelled_per_class}: only ssgan learns from unlabelled images, not {self.model}"
            )
        if self.model not in MODELS:
            raise ValueError(f"unknown model {self.model!r}; expected one of: {', '.join(MODELS)}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.optimizer!r}; expected one of: {', '.join(OPTIMIZERS)}")
        if self.image_shape is not None:
            check_image_shape(self.image_shape)
        if self.sizes[:1] == (-1,):
            pixels = math.prod(self.image_shape or IMAGE_SHAPES.get(self.data, GREY))
            object.__setattr__(self, "sizes", (pixels, *self.sizes[1:]))  # the dataclass is frozen

    @property
    def unit(self) -> str:
        """The unit in which the history counts: "epoch", or "iteration" if rows or the end of training can fall between epochs.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].unit, RECIPES["dcgan", "mnist"].unit
        ('epoch', 'iteration')
        """
        return "epoch" if self.iterations is None and self.every is None else "iteration"

    def build(self) -> Any:
        """Returns the model with its initial weights. Raises ValueError if the sizes or options are invalid.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["mlp", "digits"].build().layers[0]
        Linear(in_features=64, out_features=128, bias=True)
        """
        kind: Any = MODELS[self.model]
        try:
            return kind(self.sizes, **self.options)
        except TypeError as error:
            raise ValueError(f"{self.model} with options {self.options}: {error}") from error

    def with_length(self, epochs: int | None = None, iterations: int | None = None) -> Recipe:
        """Returns this recipe with another length, in epochs or in batches, or unchanged if neither is set.

        Raises ValueError if both are set.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> recipe = RECIPES["dcgan", "mnist"].with_length(epochs=3)
        >>> recipe.epochs, recipe.iterations
        (3, None)
        """
        return self if epochs is None and iterations is None else replace(self, epochs=epochs, iterations=iterations)

    def with_image_shape(self, image_shape: Sequence[int]) -> Recipe:
        """Returns this recipe for images of another shape (C, H, W), to which the data is converted.

        Raises ValueError if a side is shorter than 8 pixels, or if there are not 1 to 4 channels.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> [RECIPES[model, "mnist"].with_image_shape((3, 30, 50)).sizes for model in ("vae", "dcgan")]
        [(4500, 400, 20), (100, 3, 30, 50)]
        """
        shape, sizes, part = tuple(image_shape), list(self.sizes), MODELS[self.model].image_part
        check_image_shape(shape)
        sizes[part] = shape if part.stop - part.start == 3 else [math.prod(shape)]
        return replace(self, sizes=tuple(sizes), image_shape=shape)

    def with_layers(self, layers: Sequence[int]) -> Recipe:
        """Returns this recipe with other hidden layers: units of dense layers, or channels of convolutions.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].with_layers([300, 100]).sizes, RECIPES["cnn", "mnist"].with_layers([8, 16]).options
        ((784, 300, 100, 20), {'channels': [8, 16]})
        """
        option = MODELS[self.model].layers_option
        if option is not None:
            return replace(self, options={**self.options, option: list(layers)})
        return replace(self, sizes=(self.sizes[0], *layers, self.sizes[-1]))

    def with_latent(self, latent: int) -> Recipe:
        """Returns this recipe with another number of latent dimensions. Raises ValueError if the model has no latent space.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].with_latent(2).sizes
        (784, 400, 2)
        """
        index, sizes = MODELS[self.model].latent_index, list(self.sizes)
        if index is None:
            with_one = ", ".join(name for name, kind in MODELS.items() if kind.latent_index is not None)
            raise ValueError(f"latent={latent}: {self.model} has no latent space; models with one: {with_one}")
        sizes[index] = latent
        return replace(self, sizes=tuple(sizes))

    def with_classes(self, classes: int) -> Recipe:
        """Returns this recipe for data with another number of classes, or unchanged if the model does not use labels.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["mlp", "mnist"].with_classes(2).sizes, RECIPES["cgan", "mnist"].with_classes(2).options["classes"]
        ((784, 128, 2), 2)
        """
        kind = MODELS[self.model]
        if kind.conditional:
            return replace(self, options={**self.options, "classes": classes})
        return replace(self, sizes=(*self.sizes[:-1], classes)) if kind.classifies else self


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

# Burda et al. 2016, section 5.1; the schedule is shortened from 3280 epochs to 30.
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
"""(model, preset name) -> the fields that replace those of the model's recipe, on any data set."""
