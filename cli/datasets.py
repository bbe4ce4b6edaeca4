"""Loads the images of a recipe: a built-in data set by name, or your own images by the path of their folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from autograd_mini import nn
from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, RECIPES, SMALLEST_SIDE, Recipe
from autograd_mini.nn.data.pictures.resize import convert_images, shapes_of_files
from autograd_mini.nn.extras import say
from autograd_mini.tensor import Shape

from .classes import classes_to_load

ORDER_SEED: Final = 0  # of the order of a folder's images
TEST_SHARE: Final = 0.2  # share of each class in an image folder that is used for testing
FALLBACK_DATA: Final = ("cifar10", "mnist")  # an image folder uses the model's recipe for the first of these
LARGEST_SIDE: Final = 128  # pixels; larger images are scaled to the image size of the model's recipe unless a size is requested


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
    shape = image_shape(recipe)
    data = nn.data.DATASETS[recipe.data]() if known else _load_folder(recipe, shape)
    if known and shape != IMAGE_SHAPES[recipe.data]:
        train, test = (nn.data.Split(convert_images(part.images, shape), part.labels) for part in (data.train, data.test))
        data = replace(data, train=train, test=test)
    labels = [label for label in recipe.classes or () if isinstance(label, int)] or None  # names are selected already
    train, test = data.train.only(labels, recipe.limit_per_class), data.test.only(labels)
    if MODELS[recipe.model].classifies and len(present := np.unique(train.labels)) < 2:
        found = f"only one: {data.classes[present[0]]}" if known or recipe.class_names != () else "no class folders"
        raise ValueError(f"{recipe.model} needs at least two classes, but {recipe.data} has {found}")
    return replace(data, train=train, test=test)


def _load_folder(recipe: Recipe, shape: Shape) -> nn.data.Dataset:
    channels, height, width = shape
    pictures = nn.data.ImageFolder(recipe.data, (height, width), channels=channels, background=recipe.background)
    if (classes := classes_to_load(recipe, pictures)) is not None:
        pictures.select_classes(classes)
    train, test = pictures.load(skip_damaged=recipe.skip_damaged).split(TEST_SHARE)
    if not len(test):
        count = f"{len(pictures)} image{'s' if len(pictures) != 1 else ''}"
        raise ValueError(
            f"{recipe.data}: {count} in {len(pictures.classes)} class{'es' if len(pictures.classes) != 1 else ''}: too few to "
            "keep a fifth of each class for testing; expected 3 or more of a class, or folders train and test"
        )
    names = pictures.names
    digest = hashlib.sha256("\n".join(names[row] for row in train.indices).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return nn.data.Dataset(recipe.data, _mixed(train), _mixed(test), pictures.classes, digest)


def _mixed(part: nn.data.Subset) -> nn.data.Split:
    """Returns images and labels in a fixed random order, so that the first few of a folder are not all of one class."""
    return nn.data.Split(*part[np.random.default_rng(ORDER_SEED).permutation(len(part))])


def image_shape(recipe: Recipe) -> Shape:
    """Returns (C, H, W) of a recipe's images; images in a folder are converted to the recipe's image shape.

    >>> from dataclasses import replace
    >>> from autograd_mini.cli import datasets
    >>> from autograd_mini.models import recipes
    >>> datasets.image_shape(replace(recipes.RECIPES["dcgan", "cifar10"], data="pictures", options={"side": 64}))
    (3, 64, 64)
    """
    if recipe.data in IMAGE_SHAPES:
        return recipe.image_shape or IMAGE_SHAPES[recipe.data]
    channels, *size = recipe.image_shape or IMAGE_SHAPES[_fallback_data(recipe.model)]
    side = recipe.options.get("side")
    return (channels, side, side) if side else (channels, *size)


def recipe_for_folder(model: str, folder: Path, size: Sequence[int] | None = None, channels: int | None = None) -> Recipe:
    """Returns the recipe of a model for an image folder, based on its CIFAR-10 recipe or, if it has none, on its MNIST recipe.

    Images keep their size if all have the same one, with sides of 8 to 128 pixels, and grey images stay grey. Otherwise they
    are cropped and scaled to the image size of the recipe. A GAN does not log its Fréchet distance unless this is requested.
    Raises FileNotFoundError if the folder has no images.

    Parameters
    ----------
    model     a name in `MODELS`
    folder    one subfolder per class, or images of one class
    size      (H, W) to which the images are cropped and scaled; None: see above
    channels  1 grey, 2 grey and opacity, 3 colour, 4 colour and opacity; None: 1 if all images are grey, otherwise 3

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from autograd_mini.cli.datasets import recipe_for_folder
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (root / name).mkdir()
    ...     Image.new("RGB", (40, 30), "white").save(root / name / "1.png")
    >>> recipe_for_folder("mlp", root).sizes  # 3 · 30 · 40 pixels
    (3600, 512, 2)
    """
    recipe = replace(RECIPES[model, _fallback_data(model)], data=str(folder.resolve()), frechet=False)
    pictures = nn.data.ImageFolder(folder, quiet=True)
    shapes: set[Shape] = {*shapes_of_files(pictures.paths)} or {image_shape(recipe)}
    channels = channels or max(shape[0] for shape in shapes)
    size = size or _size_of_images({shape[1:] for shape in shapes}, image_shape(recipe)[1:])
    recipe = replace(recipe, class_names=pictures.classes if pictures.has_classes else ())
    return recipe.with_classes(len(pictures.classes)).with_image_shape((channels, *size))


def _size_of_images(sizes: set[tuple[int, ...]], fallback: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the common size (H, W) of images if models can use it, else `fallback`, and says so."""
    smallest, largest = min(sizes), max(sizes)
    if len(sizes) == 1 and min(smallest) >= SMALLEST_SIDE and max(largest) <= LARGEST_SIDE:
        return smallest
    found = " to ".join(dict.fromkeys(f"{height}x{width}" for height, width in (smallest, largest)))
    say(
        f"images of {found} pixels (height x width) are cropped at the centre and scaled to {fallback[0]}x{fallback[1]}; "
        "--size HxW sets another size"
    )
    return fallback


def _fallback_data(model: str) -> str:
    return next(name for name in FALLBACK_DATA if (model, name) in RECIPES)
