"""The classes of a run by name: which ones it uses, which label a name has, and whether a folder still has them.

The labels of a run are indices into its class names. For a folder these names are part of the recipe and of the checkpoint.
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autograd_mini import nn
from autograd_mini.models.recipes import Recipe


def class_names(recipe: Recipe) -> tuple[str, ...]:
    """Returns the names of a recipe's classes by label; none for a flat folder, and for a folder in a recipe of older versions.

    >>> from autograd_mini.cli.classes import class_names
    >>> from autograd_mini.models.recipes import RECIPES
    >>> class_names(RECIPES["cnn", "cifar10"])[:3]
    ('airplane', 'automobile', 'bird')
    """
    return nn.data.CLASS_NAMES.get(recipe.data) or recipe.class_names or ()


def with_classes(recipe: Recipe, text: str | None) -> Recipe:
    """Returns the recipe limited to the classes in a list with commas; for a folder, labels follow the order of the list.

    Numbers mean names, and labels if no class has this name. Raises ValueError for an unknown class and one that occurs twice.

    >>> from autograd_mini.cli.classes import with_classes
    >>> from autograd_mini.models.recipes import RECIPES
    >>> with_classes(RECIPES["cnn", "cifar10"], "cat, dog, 0").classes
    (3, 5, 0)
    """
    if text is None:
        return recipe
    entries = [entry.strip() for entry in next(csv.reader([text], skipinitialspace=True), [])]
    labels = [label_of(recipe, entry, "--classes") for entry in entries if entry]
    names = class_names(recipe)
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"--classes {shlex.quote(text)}: expected different names out of {', '.join(names)}")
    if recipe.data in nn.data.DATASETS:
        return replace(recipe, classes=tuple(labels))
    chosen = tuple(names[label] for label in labels)
    return replace(recipe, classes=chosen, class_names=chosen).with_classes(len(chosen))


def label_of(recipe: Recipe, entry: str, option: str = "--class") -> int:
    """Returns the label of a class that is given by its name, or by its label if no class has this name.

    Raises ValueError if there is no such class.

    >>> from autograd_mini.cli.classes import label_of
    >>> from autograd_mini.models.recipes import RECIPES
    >>> label_of(RECIPES["cnn", "cifar10"], "truck"), label_of(RECIPES["cnn", "cifar10"], "2")
    (9, 2)
    """
    names = class_names(recipe)
    if entry in names:
        return names.index(entry)
    count = len(names) or recipe.options.get("classes", 0)
    if entry.isdecimal() and int(entry) < count:
        return int(entry)
    available = ", ".join(names) or (f"0 to {count - 1}" if count else f"none, {recipe.data} has no class folders")
    raise ValueError(f"{option} {shlex.quote(entry)}: no such class; available: {available}")


def classes_to_load(recipe: Recipe, pictures: nn.data.ImageFolder) -> tuple[str, ...] | None:
    """Returns the classes of a folder in the order of the run's labels; None: it has no classes.

    Raises ValueError if the folder does not have the classes that the run was trained on.
    """
    found = pictures.classes if pictures.has_classes else ()
    expected = recipe.class_names
    if expected is None:  # older versions sorted numbers as text
        return tuple(sorted(found)) or None
    selected = recipe.classes == expected and bool(expected)
    if set(expected) - set(found) or (not selected and set(found) != set(expected)):
        raise ValueError(
            f"{recipe.data}: the classes of the run are {_listed(expected)}, but those of the folder are {_listed(found)}; "
            "restore the folders or train a new run"
        )
    return expected or None


def check_notes(recipe: Recipe, notes: Mapping[str, object], where: object) -> None:
    """Raises ValueError if a checkpoint was written with other classes than those of the recipe."""
    stored = notes.get("classes")
    if isinstance(stored, list) and recipe.class_names is not None and stored != list(recipe.class_names):
        raise ValueError(
            f"{where}: the classes of the checkpoint are {_listed(stored)}, but those in config.json are "
            f"{_listed(recipe.class_names)}"
        )


def notes_of(recipe: Recipe, data: nn.data.Dataset) -> dict[str, object]:
    """Returns what the checkpoint of a run on a folder says about its data: the classes and a digest of the training files."""
    if recipe.class_names is None:
        return {}
    return {"classes": list(recipe.class_names), "files": data.files_digest}


def changed_files(notes: Mapping[str, object], data: nn.data.Dataset) -> bool:
    """Returns whether the files for training are known to be others than those of the checkpoint."""
    return bool(data.files_digest) and notes.get("files", data.files_digest) != data.files_digest


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(str, names)) or "none"
