"""Loads the images of a recipe: a built-in data set by name, or your own images by the path of their folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autograd_mini import nn
from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, RECIPES, Recipe
from autograd_mini.tensor import Shape

TEST_SHARE: Final = 0.2  # share of each class in an image folder that is used for testing
FALLBACK_DATA: Final = ("cifar10", "mnist")  # an image folder uses the model's recipe for the first of these


def load(recipe: Recipe) -> nn.data.Dataset:
    """Loads the images of a recipe, limited to its classes and its number of images per class.

    In an image folder, about a fifth of each class is used for testing, always the same images. All images are kept in memory.
    Raises DataError or OSError if the data cannot be read, and ValueError if there are too few images or, for a classifier,
    only one class.

    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.load(recipes.RECIPES["mlp", "digits"]).name
    'digits'
    """
    known = recipe.data in nn.data.DATASETS
    data = nn.data.DATASETS[recipe.data]() if known else _load_folder(Path(recipe.data), image_shape(recipe))
    train, test = data.train.only(recipe.classes, recipe.limit_per_class), data.test.only(recipe.classes)
    if MODELS[recipe.model].classifies and len(present := np.unique(train.labels)) < 2:
        raise ValueError(
            f"{recipe.model} needs at least two classes, but {recipe.data} has only one: {data.classes[present[0]]}"
        )
    return replace(data, train=train, test=test)


def _load_folder(folder: Path, shape: Shape) -> nn.data.Dataset:
    channels, height, width = shape
    pictures = nn.data.ImageFolder(folder, (height, width), grey=channels == 1)
    train, test = nn.data.stratified_split(pictures, [1 - TEST_SHARE, TEST_SHARE], pictures.labels)
    if not len(test):
        raise ValueError(f"{folder}: {len(pictures)} images are too few to keep some for testing")
    return nn.data.Dataset(str(folder), nn.data.Split(*train[:]), nn.data.Split(*test[:]), pictures.classes)


def image_shape(recipe: Recipe) -> Shape:
    """Returns (C, H, W) of a recipe's images; images in a folder are resized to the model's image size.

    >>> from dataclasses import replace
    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.image_shape(replace(recipes.RECIPES["dcgan", "cifar10"], data="pictures", options={"side": 64}))
    (3, 64, 64)
    """
    if recipe.data in IMAGE_SHAPES:
        return IMAGE_SHAPES[recipe.data]
    channels, *size = IMAGE_SHAPES[_fallback_data(recipe.model)]
    side = recipe.options.get("side")
    return (channels, side, side) if side else (channels, *size)


def recipe_for_folder(model: str, folder: Path) -> Recipe:
    """Returns the recipe of a model for an image folder, based on its CIFAR-10 recipe or, if it has none, on its MNIST recipe.

    With the MNIST recipe, images are converted to greyscale. Raises FileNotFoundError if the folder has no images.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from autograd_mini.cli.datasets import recipe_for_folder
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (root / name).mkdir()
    ...     Image.new("RGB", (40, 30), "white").save(root / name / "1.png")
    >>> recipe_for_folder("mlp", root).sizes
    (3072, 512, 2)
    """
    recipe = replace(RECIPES[model, _fallback_data(model)], data=str(folder.resolve()))
    return recipe.with_classes(len(nn.data.ImageFolder(folder).classes))


def _fallback_data(model: str) -> str:
    return next(name for name in FALLBACK_DATA if (model, name) in RECIPES)
