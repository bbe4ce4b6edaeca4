"""What is trained by default: a recipe for each model on each data set, as one table. A recipe is all that a run depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from . import autoencoder, mlp, vae

Model: TypeAlias = mlp.MLP | autoencoder.Autoencoder | vae.VAE

MODELS: Final[dict[str, type[Model]]] = {"mlp": mlp.MLP, "ae": autoencoder.Autoencoder, "vae": vae.VAE}


@dataclass(frozen=True)
class Recipe:
    """A model and its layer sizes, the data, and how it learns: Adam at `lr`, `epochs` passes in batches of `batch_size`.

    `classes` and `limit_per_class` cut the data down (None: all of it); `seed` fixes weights, draws and the order of data.
    """

    model: str
    data: str
    sizes: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: float
    seed: int = 0
    classes: tuple[int, ...] | None = None
    limit_per_class: int | None = None

    def with_latent(self, latent: int) -> Recipe:
        """The same with another number of latent dimensions; ValueError for a model that has no latent space.

        >>> from autograd_mini.models.recipes import RECIPES
        >>> RECIPES["vae", "mnist"].with_latent(2).sizes
        (784, 400, 2)
        """
        if self.model == "mlp":
            raise ValueError("an mlp has no latent space")
        return replace(self, sizes=(*self.sizes[:-1], latent))


RECIPES: Final = {
    (recipe.model, recipe.data): recipe
    for recipe in (
        Recipe("mlp", "digits", (64, 128, 10), epochs=30, batch_size=32, lr=1e-3),
        Recipe("mlp", "mnist", mlp.SIZES, epochs=5, batch_size=128, lr=1e-3),
        Recipe("mlp", "fashion_mnist", mlp.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("ae", "digits", (64, 128, 32, 2), epochs=100, batch_size=32, lr=1e-3),
        Recipe("ae", "mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("ae", "fashion_mnist", autoencoder.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "digits", (64, 256, 64, 8), epochs=200, batch_size=32, lr=1e-3),
        Recipe("vae", "mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
        Recipe("vae", "fashion_mnist", vae.SIZES, epochs=10, batch_size=128, lr=1e-3),
    )
}
