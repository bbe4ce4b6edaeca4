"""What is trained by default: a table of recipes, one for each model on each data set, and presets, which change them by name.

A recipe is all that a run depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

from autograd_mini import nn

from . import autoencoder, cnn, mlp, vae
from .latent import LatentModel

Model: TypeAlias = mlp.MLP | cnn.CNN | autoencoder.Autoencoder | vae.VAE

MODELS: Final[dict[str, type[Model]]] = {"mlp": mlp.MLP, "cnn": cnn.CNN, "ae": autoencoder.Autoencoder, "vae": vae.VAE}

OPTIMIZERS: Final[dict[str, Callable[..., nn.Optimizer]]] = {"adam": nn.Adam, "momentum": partial(nn.SGD, momentum=0.9)}

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
IMAGE_SHAPES: Final = {"digits": (1, 8, 8), "mnist": GREY, "fashion_mnist": GREY, "cifar10": COLOUR}
"""(C, H, W) of each data set; what is drawn without its data is drawn in this shape."""


@dataclass(frozen=True)
class Recipe:
    """A model, the data, and how it learns: `optimizer` at `lr`, `epochs` passes in batches of `batch_size`.

    `sizes` and `options` are what the model's constructor takes, `optimizer` is a name in `OPTIMIZERS` (ValueError for others),
    and `lr_decay` is the factor of the learning rate after each epoch.
    `classes` and `limit_per_class` cut the data down (None: all of it); `seed` fixes weights, draws and the order of data.
    """

    model: str
    data: str
    sizes: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: float
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "adam"
    lr_decay: float = 1.0
    seed: int = 0
    classes: tuple[int, ...] | None = None
    limit_per_class: int | None = None

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.optimizer!r}; there are {', '.join(OPTIMIZERS)}")

    def build(self) -> Model:
        """The model, with initial weights; ValueError for impossible sizes.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["mlp", "digits"].build().layers[0]
        Linear(in_features=64, out_features=128, bias=True)
        """
        return MODELS[self.model](self.sizes, **self.options)

    def with_latent(self, latent: int) -> Recipe:
        """The same with another number of latent dimensions; ValueError for a model that has no latent space.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].with_latent(2).sizes
        (784, 400, 2)
        """
        if not issubclass(MODELS[self.model], LatentModel):
            raise ValueError(f"{self.model} has no latent space")
        return replace(self, sizes=(*self.sizes[:-1], latent))


RECIPES: Final = {
    (recipe.model, recipe.data): recipe
    for recipe in (
        Recipe("mlp", "digits", (64, 128, 10), epochs=30, batch_size=32, lr=1e-3),
        Recipe("mlp", "mnist", mlp.SIZES, epochs=5, batch_size=128, lr=2e-3),
        Recipe("mlp", "fashion_mnist", mlp.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("mlp", "cifar10", (3072, 512, 10), epochs=5, batch_size=128, lr=1e-3, lr_decay=0.6),
        Recipe("cnn", "digits", (1, 8, 8, 10), epochs=20, batch_size=32, lr=1e-3),
        Recipe("cnn", "mnist", cnn.SIZES, epochs=3, batch_size=32, lr=2e-3, lr_decay=0.3),
        Recipe("cnn", "fashion_mnist", cnn.SIZES, epochs=10, batch_size=64, lr=1e-3),
        Recipe("cnn", "cifar10", (3, 32, 32, 10), epochs=5, batch_size=64, lr=1e-3, lr_decay=0.7, options={"variant": "cifar"}),
        Recipe("ae", "digits", (64, 128, 32, 2), epochs=100, batch_size=32, lr=1e-3),
        Recipe("ae", "mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("ae", "fashion_mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "digits", (64, 256, 64, 8), epochs=200, batch_size=32, lr=1e-3),
        Recipe("vae", "mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "fashion_mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
    )
}

CONTEST: Final = {"lr": 1e-3, "lr_decay": 1.0, "batch_size": 64, "epochs": 5}
PRESETS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("cnn", "keras-check"): {
        "options": {"variant": "keras"}, "optimizer": "momentum", "lr": 0.01, "lr_decay": 1.0, "batch_size": 32, "epochs": 1,
    },
    ("cnn", "contest-pool-7"): {"options": {"variant": "contest-7"}, **CONTEST},
    ("cnn", "contest-pool-4"): {"options": {"variant": "contest-4"}, **CONTEST},
    ("cnn", "contest-pool-2"): {"options": {"variant": "contest-2"}, **CONTEST},
}  # fmt: skip
"""A model and a name -> what is other than in the model's recipe, on any data."""
