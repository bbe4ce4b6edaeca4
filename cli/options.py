"""Builds a recipe from the names and options of the command line, using the tables of `recipes`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from autograd_mini import nn
from autograd_mini.jit.api import available_backend
from autograd_mini.models.recipes import IMAGE_SHAPES, MODELS, PRESETS, RECIPES, Recipe

from .datasets import recipe_for_folder
from .training_options import VAE_OPTIONS, parse_layers

REQUIREMENTS: Final[tuple[tuple[str, Callable[[Recipe], bool], str], ...]] = (
    ("patience", lambda recipe: recipe.early_stop is not None, "--patience requires --early-stop METRIC"),
    (
        "frechet",
        lambda recipe: "frechet" in MODELS[recipe.model].row_metrics,
        "--frechet and --no-frechet are only for GANs",
    ),
    (
        "frechet",
        lambda recipe: recipe.frechet or recipe.early_stop != "frechet",
        "--early-stop frechet needs the Fréchet distance: remove --no-frechet",
    ),
    ("background", lambda recipe: recipe.data not in nn.data.DATASETS, "--background is only for folders of images"),
    ("skip_damaged", lambda recipe: recipe.data not in nn.data.DATASETS, "--skip-damaged is only for folders of images"),
)
"""A field, whether a recipe meets its requirement, and the error message if not.

Only fields set on the command line are checked; fields of a recipe or a preset are ignored if they do not apply."""


def choose(
    model: str, data: str, preset: str | None = None, size: tuple[int, int] | None = None, channels: int | None = None
) -> Recipe:
    """Returns the recipe of a model on a data set or an image folder, with the changes of a preset.

    Raises ValueError for unknown names and invalid sizes.

    Parameters
    ----------
    model     a name in `MODELS`
    data      the name of a data set, or the path of an image folder
    preset    the name of a preset of the model
    size      (H, W) to which images are cropped and scaled; replaces the option `side` of a preset; None: that of the data
    channels  1 grey, 2 grey and opacity, 3 colour, 4 colour and opacity; None: those of the data

    >>> from autograd_mini.cli.options import choose
    >>> choose("cnn", "fashion-mnist", "keras-check").options
    {'variant': 'keras'}
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}; available: {', '.join(MODELS)}")
    recipe = replace(_base_recipe(model, data, size, channels), **_preset_fields(model, preset))
    if size and "side" in recipe.options:
        recipe = replace(recipe, options={name: value for name, value in recipe.options.items() if name != "side"})
    return recipe


def parse_size(text: str) -> tuple[int, int]:
    """Parses HEIGHTxWIDTH, or one number for square images. Raises ValueError for anything else.

    >>> from autograd_mini.cli.options import parse_size
    >>> parse_size("30x50"), parse_size("28")
    ((30, 50), (28, 28))
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"--size {text}: expected HEIGHTxWIDTH in pixels, such as 30x50, or one number for square images")
    return int(parts[0]), int(parts[-1])


def override(
    recipe: Recipe,
    flags: Mapping[str, Any],
    options: Iterable[str] = (),
    latent: int | None = None,
    layers: str | None = None,
) -> Recipe:
    """Returns the recipe with some fields and options replaced.

    Raises ValueError if a value is invalid or has no effect on this recipe.

    Parameters
    ----------
    recipe   the recipe to start from
    flags    new values of its fields; None keeps a field
    options  options of the model, each NAME=VALUE
    latent   number of latent dimensions; None keeps it
    layers   numbers of units or channels of the hidden layers, such as "256,64"; None keeps them

    >>> from autograd_mini.cli.options import choose, override
    >>> override(choose("vae", "mnist"), {"epochs": 3, "lr": None}, ["beta=4"], latent=2).options
    {'beta': 4}
    """
    fields = {name: value for name, value in flags.items() if value is not None}
    if "backend" in fields:
        fields["backend"] = available_backend(fields["backend"])
    model_options = {name: fields.pop(name) for name in VAE_OPTIONS if name in fields}
    if model_options and not set(VAE_OPTIONS) <= set(MODELS[recipe.model].option_names()):
        raise ValueError("--kl-warmup and --free-bits are only for VAEs")
    recipe = recipe.with_length(fields.pop("epochs", None), fields.pop("iterations", None))
    recipe = replace(recipe, **fields) if latent is None else replace(recipe, **fields).with_latent(latent)
    for name, fits, message in REQUIREMENTS:
        if name in fields and not fits(recipe):
            raise ValueError(message)
    if layers is not None:
        recipe = recipe.with_layers(parse_layers(layers))
    requested: dict[str, Any] = model_options | dict(map(_parse_option, options))
    if not requested:
        if layers is not None:
            recipe.build()
        return recipe
    known = MODELS[recipe.model].option_names()
    if unknown := requested.keys() - set(known):
        raise ValueError(f"{recipe.model} has no option {', '.join(sorted(unknown))}; available: {', '.join(known)}")
    recipe = replace(recipe, options={**recipe.options, **requested})
    recipe.build()
    return recipe


def data_name(data: str) -> str:
    """Returns the name of a data set as the tables spell it, with underscores: fashion-mnist becomes fashion_mnist.

    >>> from autograd_mini.cli.options import data_name
    >>> data_name("fashion-mnist"), data_name("my-pictures")
    ('fashion_mnist', 'my-pictures')
    """
    name = data.replace("-", "_")
    return name if name in nn.data.DATASETS else data


def _base_recipe(model: str, data: str, size: tuple[int, int] | None, channels: int | None) -> Recipe:
    name = data_name(data)
    if (model, name) in RECIPES:
        (present, *sides), recipe = IMAGE_SHAPES[name], RECIPES[model, name]
        return recipe.with_image_shape((channels or present, *(size or sides))) if size or channels else recipe
    if name in nn.data.DATASETS:
        fitting = ", ".join(other for kind, other in RECIPES if kind == model)
        raise ValueError(f"no recipe for {model} on {name}; available for: {fitting}")
    if not Path(data).is_dir():
        raise ValueError(f"unknown data set {data!r}; available: {', '.join(nn.data.DATASETS)}, or the path of an image folder")
    return recipe_for_folder(model, Path(data), size, channels)


def _preset_fields(model: str, preset: str | None) -> dict[str, Any]:
    """Returns the fields that a preset replaces in the model's recipe."""
    if preset is None:
        return {}
    if (model, preset) not in PRESETS:
        fitting = ", ".join(name for other, name in PRESETS if other == model) or "none"
        raise ValueError(f"no preset {preset!r} for {model}; available: {fitting}")
    return PRESETS[model, preset]


def _parse_option(text: str) -> tuple[str, Any]:
    """Parses NAME=VALUE; a value that is not valid JSON is kept as text."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ValueError(f"--option: expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
