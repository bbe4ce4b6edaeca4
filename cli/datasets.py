"""The images that a recipe names: a data set by its name, or the user's own pictures by the path of their folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autograd_mini import nn
from autograd_mini.models.classifiers.base import Classifier
from autograd_mini.models.gans.conditional_gan import ConditionalGAN
from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, RECIPES, Recipe
from autograd_mini.tensor import Shape

TESTED: Final = 0.2  # the share of a folder's pictures of each class that are test images
LIKE: Final = ("cifar10", "mnist")  # whose recipes serve for folders: the first that a model has


def load(recipe: Recipe) -> nn.data.Dataset:
    """The images of a recipe, cut down as it says; DataError and OSError as data sets have them, ValueError for too few images
    or, for a classifier, for a single class.

    Of a folder, every fifth picture or so of each class is a test image, always the same ones, and all are held in memory.

    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.load(recipes.RECIPES["mlp", "digits"]).name
    'digits'
    """
    known = recipe.data in nn.data.DATASETS
    data = nn.data.DATASETS[recipe.data]() if known else _pictures(Path(recipe.data), image_shape(recipe))
    train, test = data.train.only(recipe.classes, recipe.limit_per_class), data.test.only(recipe.classes)
    if issubclass(MODELS[recipe.model], Classifier) and len(present := np.unique(train.labels)) < 2:
        raise ValueError(
            f"{recipe.model} tells classes apart, and {recipe.data} gives it one alone, {data.classes[present[0]]}"
        )
    return replace(data, train=train, test=test)


def _pictures(folder: Path, shape: Shape) -> nn.data.Dataset:
    channels, height, width = shape
    pictures = nn.data.ImageFolder(folder, (height, width), grey=channels == 1)
    train, test = nn.data.stratified_split(pictures, [1 - TESTED, TESTED], pictures.labels)
    if not len(test):
        raise ValueError(f"{folder}: {len(pictures)} pictures are too few to set some apart for testing")
    return nn.data.Dataset(str(folder), nn.data.Split(*train[:]), nn.data.Split(*test[:]), pictures.classes)


def image_shape(recipe: Recipe) -> Shape:
    """(C, H, W) of a recipe's images; pictures in a folder are scaled to what the model draws.

    >>> from dataclasses import replace
    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.image_shape(replace(recipes.RECIPES["dcgan", "cifar10"], data="pictures", options={"side": 64}))
    (3, 64, 64)
    """
    if recipe.data in IMAGE_SHAPES:
        return IMAGE_SHAPES[recipe.data]
    channels, *size = IMAGE_SHAPES[_like(recipe.model)]
    side = recipe.options.get("side")
    return (channels, side, side) if side else (channels, *size)


def recipe_for_folder(model: str, folder: Path) -> Recipe:
    """The recipe of a model for pictures in a folder: that for CIFAR-10 or, where the model has none, for MNIST, then in grey.

    FileNotFoundError where there are no pictures.

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
    recipe = replace(RECIPES[model, _like(model)], data=str(folder.resolve()))
    classes = len(nn.data.ImageFolder(folder).classes)
    if issubclass(MODELS[model], Classifier):
        return replace(recipe, sizes=(*recipe.sizes[:-1], classes))
    if issubclass(MODELS[model], ConditionalGAN):
        return replace(recipe, options={**recipe.options, "classes": classes})
    return recipe


def _like(model: str) -> str:
    return next(name for name in LIKE if (model, name) in RECIPES)
