"""Several runs beside each other: a table of how they ended, and a figure of how they came there."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from autograd_mini import nn, viz

from .run import stored_recipe
from .tables import Cell

FAVOURED: Final = (
    "val_accuracy",
    "frechet",
    "errors",
    "val_loss",
    "loss",
)  # what is compared, if it is not said: the first in all

History = list[dict[str, float]]


def history(folder: Path) -> History:
    """The rows of a run's metrics.csv; FileNotFoundError where it has none, ValueError where it is damaged.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.compare import history
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "metrics.csv").write_text("epoch,loss,lr\\n1,0.5,\\n2,0.25,0.1\\n")
    >>> history(folder)
    [{'epoch': 1.0, 'loss': 0.5}, {'epoch': 2.0, 'loss': 0.25, 'lr': 0.1}]
    """
    path = folder / nn.training.trainer.METRICS
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
        except (TypeError, ValueError, csv.Error) as error:
            raise ValueError(f"{path}: is no history of a run: {error}") from None
    if not rows:
        raise ValueError(f"{path}: the run has not come to its first row yet")
    return rows


def seconds(folder: Path) -> float:
    """How long a run has trained, by its timing.csv."""
    with (folder / nn.training.trainer.TIMING).open(newline="", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file))


def told(row: Mapping[str, float]) -> str:
    """The numbers of a row of a history, without those that say which row it is.

    >>> from autograd_mini.cli.compare import told
    >>> told({"epoch": 2, "iteration": 90, "loss": 0.123456, "accuracy": 0.95})
    'loss 0.1235, accuracy 0.95'
    """
    return ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in ("epoch", "iteration"))


def metric_of(histories: Sequence[History], asked: str | None = None) -> str:
    """What to compare: the number that is `asked` for, or the first of the usual ones that all runs have; else ValueError.

    >>> from autograd_mini.cli.compare import metric_of
    >>> metric_of([[{"epoch": 1.0, "loss": 2.0, "val_loss": 2.5}], [{"epoch": 1.0, "val_loss": 1.5}]])
    'val_loss'
    """
    shared = set.intersection(*({name for row in rows for name in row} for rows in histories))
    found = next((name for name in ((asked,) if asked else FAVOURED) if name in shared), None)
    if found is None:
        raise ValueError(f"not all runs have {asked or 'one of ' + ', '.join(FAVOURED)}; all have {', '.join(sorted(shared))}")
    return found


def table(runs: Mapping[Path, History]) -> list[dict[str, Cell]]:
    """A row for each run: its recipe, its time, and the last row of its history."""
    rows: list[dict[str, Cell]] = []
    for folder, rows_of_run in runs.items():
        recipe = stored_recipe(folder)
        last = rows_of_run[-1]
        told: dict[str, Cell] = {"run": folder.name, "model": recipe.model, "data": recipe.data, "seed": recipe.seed}
        rows.append({**told, "seconds": round(seconds(folder), 1), **last})
    return rows


def plot(runs: Mapping[Path, History], metric: str, path: Path) -> None:
    """The course of one number in each run, over epochs or, unless all runs count in these, over iterations."""
    names = [folder.name for folder in runs]
    labels = names if len(set(names)) == len(names) else [str(folder) for folder in runs]
    unit = "epoch" if all(stored_recipe(folder).unit == "epoch" for folder in runs) else "iteration"
    courses = ({row[unit]: row[metric] for row in rows if metric in row} for rows in runs.values())
    viz.plot_losses(dict(zip(labels, courses, strict=True)), path, xlabel=unit, ylabel=metric)
