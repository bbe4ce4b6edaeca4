"""Compares several runs: a table of their final metrics and a plot of their learning curves."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from autograd_mini import nn, viz
from autograd_mini.tools.atomic_files import read_text

from .run import stored_recipe
from .tables import Cell

DEFAULT_METRICS: Final = (
    "val_accuracy",
    "frechet",
    "errors",
    "val_loss",
    "loss",
)  # without --metric, the first of these that all runs have is compared

_LINE_OF_TIMING: Final = re.compile(r"^\d+,(\d+\.?\d*)\r?$", re.MULTILINE)

History = list[dict[str, float]]


def history(folder: Path) -> History:
    """Returns the rows of a run's metrics.csv.

    Raises FileNotFoundError if the file is missing, and ValueError if it is damaged, empty or without epochs.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.compare import history
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "metrics.csv").write_text("epoch,loss,lr\\n1,0.5,\\n2,0.25,0.1\\n")
    >>> history(folder)
    [{'epoch': 1.0, 'loss': 0.5}, {'epoch': 2.0, 'loss': 0.25, 'lr': 0.1}]
    """
    path = folder / nn.training.trainer.METRICS
    try:
        table = csv.DictReader(io.StringIO(read_text(path), newline=""))
        rows = [{name: float(value) for name, value in row.items() if value} for row in table]
    except FileNotFoundError:
        raise
    except (TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read as metrics of a run: {error}") from None
    if not rows:
        raise ValueError(f"{path}: the run has not logged any metrics yet")
    if not all("epoch" in row for row in rows):
        raise ValueError(f"{path}: cannot be read as metrics of a run: expected an epoch in every row")
    return rows


def histories(folders: Iterable[Path]) -> tuple[dict[Path, History], list[str]]:
    """Returns the histories of the runs that can be read, by folder, and what is wrong with the others.

    >>> import pathlib
    >>> from autograd_mini.cli.compare import histories
    >>> histories([pathlib.Path("nowhere")])
    ({}, ['nowhere/config.json: no such file; this folder does not contain a run'])
    """
    found, faults = {}, []
    for folder in folders:
        try:
            stored_recipe(folder)
            found[folder] = history(folder)
        except (OSError, ValueError) as error:
            faults.append(str(error))
    return found, faults


def seconds(folder: Path) -> float:
    """Returns a run's training time in seconds, read from its timing.csv, without lines that were cut off.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.compare import seconds
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "timing.csv").write_text("iteration,seconds\\n3,1.5\\n6,\\n9,0.5\\n1")
    >>> seconds(folder)
    2.0
    """
    try:
        text = read_text(folder / nn.training.trainer.TIMING)
    except (OSError, ValueError):  # the time is not worth an error
        return 0.0
    return sum(float(line[1]) for line in _LINE_OF_TIMING.finditer(text))


def format_row(row: Mapping[str, float]) -> str:
    """Formats the metrics of a row as text, without its epoch and iteration.

    >>> from autograd_mini.cli.compare import format_row
    >>> format_row({"epoch": 2, "iteration": 90, "loss": 0.123456, "accuracy": 0.95})
    'loss 0.1235, accuracy 0.95'
    """
    return ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in ("epoch", "iteration"))


def metric_of(histories: Sequence[History], requested: str | None = None) -> str:
    """Returns the metric to compare: `requested`, or the first of `DEFAULT_METRICS` that all runs have.

    Raises ValueError if the runs have no such metric in common.

    >>> from autograd_mini.cli.compare import metric_of
    >>> metric_of([[{"epoch": 1.0, "loss": 2.0, "val_loss": 2.5}], [{"epoch": 1.0, "val_loss": 1.5}]])
    'val_loss'
    """
    shared = set.intersection(*({name for row in rows for name in row} for rows in histories))
    metric = next((name for name in ((requested,) if requested else DEFAULT_METRICS) if name in shared), None)
    if metric is None:
        wanted = requested or "one of " + ", ".join(DEFAULT_METRICS)
        raise ValueError(f"not all runs have {wanted}; all have {', '.join(sorted(shared))}")
    return metric


def table(runs: Mapping[Path, History]) -> list[dict[str, Cell]]:
    """Returns one row per run: its recipe, its training time and its last metrics."""
    rows: list[dict[str, Cell]] = []
    for folder, rows_of_run in runs.items():
        recipe = stored_recipe(folder)
        last = rows_of_run[-1]
        summary: dict[str, Cell] = {"run": folder.name, "model": recipe.model, "data": recipe.data, "seed": recipe.seed}
        rows.append({**summary, "seconds": round(seconds(folder), 1), **last})
    return rows


def plot(runs: Mapping[Path, History], metric: str, path: Path) -> None:
    """Plots one metric for each run: over epochs if all runs use epochs, otherwise over iterations."""
    names = [folder.name for folder in runs]
    labels = names if len(set(names)) == len(names) else [str(folder) for folder in runs]
    unit = "epoch" if all(stored_recipe(folder).unit == "epoch" for folder in runs) else "iteration"
    curves = ({row[unit]: row[metric] for row in rows if metric in row and unit in row} for rows in runs.values())
    viz.plot_losses(dict(zip(labels, curves, strict=True)), path, xlabel=unit, ylabel=metric)
