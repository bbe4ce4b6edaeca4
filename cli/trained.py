"""A training run opened again: its recipe, and its model with the weights it ended with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autograd_mini import nn
from autograd_mini.models.recipes import Model, Recipe

from .run import stored_recipe

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Trained:
    """A run's folder, its recipe, and its model in inference mode."""

    folder: Path
    recipe: Recipe
    model: Model


def trained(folder: Path) -> Trained:
    """Opens the run in a folder; of one that was killed, with the weights of its last checkpoint.

    FileNotFoundError where there is no run, or none that has come to weights; ValueError where its files are damaged.

    >>> import pathlib, tempfile
    >>> from dataclasses import replace
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> from autograd_mini.cli.trained import trained
    >>> run = Run(replace(RECIPES["mlp", "digits"], epochs=1), pathlib.Path(tempfile.mkdtemp()), progress=False)
    >>> run.train()
    >>> trained(run.folder).recipe == run.recipe
    True
    """
    recipe = stored_recipe(folder)
    model = recipe.build()
    if (folder / WEIGHTS).exists():
        state = nn.load(folder / WEIGHTS)
    else:
        state = nn.training.checkpoint.load_checkpoint(folder / nn.training.trainer.CHECKPOINT)["model"]
    try:
        model.load_state_dict(state)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder}: its weights are not those of its recipe: {error}") from error
    model.eval()
    return Trained(folder, recipe, model)
