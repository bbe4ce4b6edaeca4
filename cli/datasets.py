"""Loads the images of a recipe: a built-in data set by name, or your own images by the path of their folder."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autograd_mini import nn
from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, RECIPES, Recipe
from autograd_mini.tensor import Shape

from .classes import classes_to_load

TEST_SHARE: Final = 0.2  # share of each class in an image folder that is used for testing
FALLBACK_DATA: Final = ("cifar10", "mnist")  # an image folder uses the model's recipe for the first of these


def load(recipe: Recipe) -> nn.data.Dataset:
    """Loads the images of a recipe, limited to its classes and its number of images per class.

    Of a folder without a test folder, about a fifth of each class is used for testing, always the same images. All images are
    kept in memory. Raises DataError or OSError if the data cannot be read, and ValueError if there are too few images, for a
    classifier only one class, or other classes than those of the recipe.

    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.load(recipes.RECIPES["mlp", "digits"]).name
    'digits'
    """
    known = recipe.data in nn.data.DATASETS
    data = nn.data.DATASETS[recipe.data]() if known else _load_folder(recipe)
    labels = [label for label in recipe.classes or () if isinstance(label, int)] or None  # names are selected already
    train, test = data.train.only(labels, recipe.limit_per_class), data.test.only(labels)
    if MODELS[recipe.model].classifies and len(present := np.unique(train.labels)) < 2:
        raise ValueError(
            f"{recipe.model} needs at least two classes, but {recipe.data} has only one: {data.classes[present[0]]}"
        )
    return replace(data, train=train, test=test)


def _load_folder(recipe: Recipe) -> nn.data.Dataset:
    channels, height, width = image_shape(recipe)
    pictures = nn.data.ImageFolder(recipe.data, (height, width), channels=channels, background=recipe.background)
    if (names := classes_to_load(recipe, pictures)) is not None:
        pictures.select_classes(names)
    train, test = pictures.load(skip_damaged=recipe.skip_damaged).split(TEST_SHARE)
    if not len(test):
        raise ValueError(f"{recipe.data}: {len(pictures)} images are too few to keep some for testing")
    files = [pictures.paths[row].relative_to(pictures.root).as_posix() for row in train.indices]
    digest = hashlib.sha256("\n".join(files).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return nn.data.Dataset(recipe.data, nn.data.Split(*train[:]), nn.data.Split(*test[:]), pictures.classes, digest)


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
    pictures = nn.data.ImageFolder(folder, quiet=True)
    names = pictures.classes if pictures.has_classes else ()
    return replace(recipe, class_names=names).with_classes(len(pictures.classes))


def _fallback_data(model: str) -> str:
    return next(name for name in FALLBACK_DATA if (model, name) in RECIPES)
