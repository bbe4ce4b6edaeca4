"""From names and flags to a recipe: what the command line asks for, put together from the tables of `recipes`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final

from autograd_mini import nn
from autograd_mini.models.gans.adversarial import AdversarialModel, GANConfig
from autograd_mini.models.recipes import MODELS, PRESETS, RECIPES, Recipe

from .datasets import recipe_for_folder

COMPANIONS: Final[tuple[tuple[str, Callable[[Recipe], bool], str], ...]] = (
    ("patience", lambda recipe: recipe.early_stop is not None, "--patience goes with --early-stop METRIC"),
    ("frechet", lambda recipe: issubclass(MODELS[recipe.model], AdversarialModel), "--frechet and --no-frechet are for GANs"),
    (
        "frechet",
        lambda recipe: ("cnn", recipe.data) in RECIPES,
        f"--frechet goes with data that have a classifier: {', '.join(data for model, data in RECIPES if model == 'cnn')}",
    ),
    (
        "frechet",
        lambda recipe: recipe.frechet or recipe.early_stop != "frechet",
        "--early-stop frechet takes that distance: --no-frechet contradicts it",
    ),
)
"""A field that does nothing by itself, whether a recipe has what it goes with, and how that is told: those asked for are held
to it, while those of a recipe or a preset serve where they can."""


def choose(model: str, data: str, preset: str | None = None) -> Recipe:
    """The recipe of a model on a data set, or on a folder of pictures, as a preset changes it; ValueError for unknown names.

    >>> from autograd_mini.cli.options import choose
    >>> choose("cnn", "fashion-mnist", "keras-check").options
    {'variant': 'keras'}
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}; there are {', '.join(MODELS)}")
    return replace(_plain(model, data), **_changes(model, preset))


def changed(recipe: Recipe, flags: Mapping[str, Any], options: Iterable[str] = (), latent: int | None = None) -> Recipe:
    """The recipe with other fields (None: as they are), options of the model, each NAME=VALUE, and so many latent dimensions.

    ValueError for what does not fit, or has no effect on such a recipe.

    >>> from autograd_mini.cli.options import changed, choose
    >>> changed(choose("vae", "mnist"), {"epochs": 3, "lr": None}, ["beta=4"], latent=2).options
    {'beta': 4}
    """
    given = {name: value for name, value in flags.items() if value is not None}
    recipe = recipe.with_length(given.pop("epochs", None), given.pop("iterations", None))
    recipe = replace(recipe, **given) if latent is None else replace(recipe, **given).with_latent(latent)
    for name, fits, told in COMPANIONS:
        if name in given and not fits(recipe):
            raise ValueError(told)
    asked = dict(map(_option, options))
    if not asked:
        return recipe
    known = option_names(recipe.model)
    if unknown := asked.keys() - set(known):
        raise ValueError(f"{recipe.model} has no option {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    recipe = replace(recipe, options={**recipe.options, **asked})
    recipe.build()
    return recipe


def option_names(model: str) -> list[str]:
    """The options of a model: what its class and its bases take by keyword, and of a GAN the rules of its game.

    >>> from autograd_mini.cli.options import option_names
    >>> option_names("mlp"), option_names("wgan-gp")[:4]
    (['activation', 'centred'], ['form', 'side', 'width', 'smallest'])
    """
    kind = MODELS[model]
    own = [base for base in kind.__mro__ if "__init__" in vars(base) and not issubclass(AdversarialModel, base)]
    given = [p for base in own for p in signature(vars(base)["__init__"]).parameters.values()]
    names = [p.name for p in given if p.default is not Parameter.empty and p.name != "sizes"]
    rules = list(GANConfig.__dataclass_fields__) if issubclass(kind, AdversarialModel) else []
    return list(dict.fromkeys([*names, *rules]))


def data_name(data: str) -> str:
    """A data set as the tables spell it: the world writes fashion-mnist.

    >>> from autograd_mini.cli.options import data_name
    >>> data_name("fashion-mnist"), data_name("my-pictures")
    ('fashion_mnist', 'my-pictures')
    """
    name = data.replace("-", "_")
    return name if name in nn.data.DATASETS else data


def _plain(model: str, data: str) -> Recipe:
    name = data_name(data)
    if (model, name) in RECIPES:
        return RECIPES[model, name]
    if name in nn.data.DATASETS:
        fitting = ", ".join(other for kind, other in RECIPES if kind == model)
        raise ValueError(f"no recipe for {model} on {name}; there are some for {fitting}")
    if not Path(data).is_dir():
        raise ValueError(f"unknown data set {data!r}; there are {', '.join(nn.data.DATASETS)}, or a folder of pictures")
    return recipe_for_folder(model, Path(data))


def _changes(model: str, preset: str | None) -> dict[str, Any]:
    """What a preset changes in the model's recipe."""
    if preset is None:
        return {}
    if (model, preset) not in PRESETS:
        fitting = ", ".join(name for other, name in PRESETS if other == model) or "none"
        raise ValueError(f"no preset {preset!r} for {model}; there are {fitting}")
    return PRESETS[model, preset]


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE, where the value is JSON, or else the text that it is."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ValueError(f"--option: expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
