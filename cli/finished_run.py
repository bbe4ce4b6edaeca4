"""Opens a finished run: its recipe and its model with the final weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograd_mini import nn
from autograd_mini.models.model import Model
from autograd_mini.models.recipes import Recipe

from .classes import check_notes
from .run import WEIGHTS, averaged, callbacks_of_rows, early_stopping_of, stored_recipe


@dataclass(frozen=True)
class FinishedRun:
    """A run's folder, its recipe, and its model in inference mode."""

    folder: Path
    recipe: Recipe
    model: Model
    notes: Mapping[str, Any] = field(default_factory=dict)  # what the checkpoint says about the data


def open_run(folder: Path) -> FinishedRun:
    """Opens the run in a folder with the weights that its last checkpoint gives for use: the best ones if it stops early, else
    averages if the model keeps them, else the last ones. Without a checkpoint it has the saved weights of the model.

    Raises FileNotFoundError if there is no run or no saved weights, and ValueError if its files are damaged.

    >>> import pathlib, tempfile
    >>> from dataclasses import replace
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> from autograd_mini.cli.finished_run import open_run
    >>> with Run(replace(RECIPES["mlp", "digits"], epochs=1), pathlib.Path(tempfile.mkdtemp()), progress=False) as run:
    ...     run.train()
    >>> open_run(run.folder).recipe == run.recipe
    True
    """
    recipe = stored_recipe(folder)
    model = recipe.build()
    checkpoint = folder / nn.training.trainer.CHECKPOINT
    if not checkpoint.exists() and not (folder / WEIGHTS).exists():
        raise FileNotFoundError(f"{folder}: the run has no checkpoint yet; autograd-mini resume {folder} trains it")
    if checkpoint.exists():
        state = nn.training.checkpoint.load_checkpoint(checkpoint)
    else:
        state = {"model": nn.load(folder / WEIGHTS), "callbacks": []}
    try:
        _load_state(model, recipe, folder, state)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{folder}: the weights do not match the recipe: {error}") from error
    notes = state.get("notes", {})
    check_notes(recipe, notes, checkpoint)
    model.eval()
    return FinishedRun(folder, recipe, model, notes)


def _load_state(model: Model, recipe: Recipe, folder: Path, state: Mapping[str, Any]) -> None:
    others = callbacks_of_rows(recipe, model, folder, None)
    for callback, saved in zip(model.callbacks(others), state["callbacks"], strict=False):  # schedules follow
        callback.load_state_dict(saved)
    model.load_state_dict(state["model"])
    stopping = early_stopping_of(others)
    if stopping and stopping.best_weights:
        model.load_state_dict(stopping.best_weights)
    if state["callbacks"]:
        with averaged(model, stopping):
            weights = model.state_dict()
        model.load_state_dict(weights)
