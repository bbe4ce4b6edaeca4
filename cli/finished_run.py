"""Opens a finished run: its recipe and its model with the final weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autograd_mini import nn
from autograd_mini.models.model import Model
from autograd_mini.models.recipes import Recipe

from .run import stored_recipe

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class FinishedRun:
    """A run's folder, its recipe, and its model in inference mode."""

    folder: Path
    recipe: Recipe
    model: Model


def open_run(folder: Path) -> FinishedRun:
    """Opens the run in a folder; for an interrupted run, loads the weights of its last checkpoint.

    Raises FileNotFoundError if there is no run or no saved weights, and ValueError if its files are damaged.

    >>> import pathlib, tempfile
    >>> from dataclasses import replace
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> from autograd_mini.cli.finished_run import open_run
    >>> run = Run(replace(RECIPES["mlp", "digits"], epochs=1), pathlib.Path(tempfile.mkdtemp()), progress=False)
    >>> run.train()
    >>> open_run(run.folder).recipe == run.recipe
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
        raise ValueError(f"{folder}: the weights do not match the recipe: {error}") from error
    model.eval()
    return FinishedRun(folder, recipe, model)
