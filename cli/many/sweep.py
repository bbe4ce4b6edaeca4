"""`sweep`: the runs of a grid of settings with several seeds, then one table and one figure."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

from autograd_mini import nn
from autograd_mini.models.recipes import MODELS, Recipe
from autograd_mini.nn.extras import say
from autograd_mini.nn.jobs import map_jobs

from ..compare import DEFAULT_METRICS, history
from ..tables import Cell, markdown

Setting = dict[str, Any]

RESULT, NUMBERS, FIGURE = "sweep.md", "sweep.json", "sweep.png"
_NOT_SWEPT: Final = frozenset({"model", "data", "sizes", "options", "seed", "image_shape", "class_names", "classes"})
FIELDS: Final = tuple(field.name for field in fields(Recipe) if field.name not in _NOT_SWEPT)


def parse_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parses options NAME=VALUE,VALUE,…; values are JSON or text. Raises ValueError for anything else.

    >>> from autograd_mini.cli.many.sweep import parse_grid
    >>> parse_grid(["lr=1e-3,3e-3", "optimizer=adam,sgd", "channels=[8,16],[16,32]"])
    {'lr': [0.001, 0.003], 'optimizer': ['adam', 'sgd'], 'channels': [[8, 16], [16, 32]]}
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        parts = _split(values)
        if not sign or not name.isidentifier() or not all(parts):
            raise ValueError(f"--option: expected NAME=VALUE,VALUE,…, such as lr=1e-3,3e-3, got {text!r}")
        if name in grid:
            raise ValueError(f"--option: {name} is given twice; write all its values in one option: {name}=VALUE,VALUE")
        grid[name] = [_value(part) for part in parts]
    return grid


def _split(text: str) -> list[str]:
    """Returns the parts between the commas that are not inside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def settings_of(grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Returns all combinations of the values.

    >>> from autograd_mini.cli.many.sweep import settings_of
    >>> settings_of({"lr": [0.1, 0.2], "width": [8]})
    [{'lr': 0.1, 'width': 8}, {'lr': 0.2, 'width': 8}]
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def name_of(setting: Mapping[str, Any]) -> str:
    """Returns the name of a setting, which is also a part of its folders' names.

    >>> from autograd_mini.cli.many.sweep import name_of
    >>> name_of({"lr": 0.001, "channels": [8, 16]})
    'lr=0.001,channels=8-16'
    """
    text = ",".join(f"{name}={_text(value)}" for name, value in setting.items())
    return "".join(sign if sign.isalnum() or sign in "=,.-+_" else "-" for sign in text) or "recipe"


def _text(value: Any) -> str:
    return "-".join(map(_text, value)) if isinstance(value, list) else f"{value:g}" if type(value) is float else str(value)


def with_setting(recipe: Recipe, setting: Mapping[str, Any]) -> Recipe:
    """Returns a recipe with other values of its fields, such as `lr`, and of options of its model.

    Raises ValueError if a name is unknown or a value is invalid.
    """
    options = MODELS[recipe.model].option_names()
    for name in setting:
        if name not in FIELDS and name not in options:
            raise ValueError(f"--option: unknown {name!r}; expected one of: {', '.join([*FIELDS, *options])}")
    changes = {name: value for name, value in setting.items() if name in FIELDS}
    length = {name: changes.pop(name) for name in ("epochs", "iterations") if name in changes}
    chosen = {name: value for name, value in setting.items() if name not in FIELDS}
    changed = replace(recipe.with_length(**length), **changes, options={**recipe.options, **chosen})
    changed.build()
    return changed


def train_run(recipe: Recipe, folder: Path, threads: int | None) -> dict[str, Any]:
    """Trains a run, or the rest of it, and returns its last row; or "error", if training diverges or the data do not fit."""
    from ..run import WEIGHTS, Run, contains_run  # in the worker, because it takes a second

    if (folder / WEIGHTS).exists():
        return dict(history(folder)[-1])
    try:
        with Run(recipe, folder, resume=contains_run(folder), progress=False, threads=threads) as run:
            run.train()
            if run.trainer.interrupted:
                raise KeyboardInterrupt
            run.write()
            return dict(run.trainer.history[-1])
    except (nn.DivergedError, ValueError) as error:
        return {"error": str(error)}


def _check_settings(recipe: Recipe, folder: Path) -> None:
    """Raises ValueError if a folder holds a run with other settings, such as fewer epochs: it must not count as this one."""
    if not folder.exists():
        return
    from ..run import contains_run, stored_recipe

    if not contains_run(folder):
        return
    old, new = (json.loads(json.dumps(asdict(each))) for each in (stored_recipe(folder), recipe))
    changed = ", ".join(f"{name}={old[name]!r} instead of {new[name]!r}" for name in new if old[name] != new[name])
    if changed:
        raise ValueError(f"{folder} is a run with {changed}; choose another folder with --out, or repeat that sweep's command")


def sweep(
    recipe: Recipe,
    grid: Mapping[str, Sequence[Any]],
    seeds: int,
    folder: Path,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    metric: str | None = None,
) -> list[dict[str, Cell]]:
    """Trains every setting of a grid with every seed, writes a table and a figure, and returns the rows of the table.

    Each run has a folder like those of `autograd-mini train`. Called again, only missing and interrupted runs are trained.

    Parameters
    ----------
    recipe   the recipe that all runs start from
    grid     values by name: fields of the recipe, or options of the model
    seeds    number of seeds, from the recipe's on
    folder   folder of the sweep
    jobs     processes at a time, each with one thread if there are several
    cluster  address of a running Dask scheduler; the folder must be reachable from its workers
    metric   what the figure shows; None: the first of the usual metrics that all runs have
    """
    settings = settings_of(grid)
    recipes = [with_setting(recipe, setting) for setting in settings]
    cases = [
        (replace(changed, seed=recipe.seed + k), folder.absolute() / f"{name_of(setting)},seed={recipe.seed + k}")
        for setting, changed in zip(settings, recipes, strict=True)
        for k in range(seeds)
    ]
    for changed, path in cases:
        _check_settings(changed, path)
    folder.mkdir(parents=True, exist_ok=True)
    threads = 2 if jobs == 1 and cluster is None else 1
    report = lambda done, total: say(f"{done} of {total} runs")
    try:
        results = map_jobs(train_run, [(*case, threads) for case in cases], jobs, cluster=cluster, report=report)
    except KeyboardInterrupt:
        say(f"the sweep in {folder} is interrupted; the same command continues it")
        raise
    groups = [(name_of(setting), results[i * seeds : (i + 1) * seeds]) for i, setting in enumerate(settings)]
    shown = _metric(results, metric)
    rows = [_row(name, group) for name, group in groups]
    write = nn.training.checkpoint.write_text
    write(
        folder / RESULT,
        f"# {recipe.model} on {recipe.data}, {seeds} seed{'s' * (seeds > 1)}\n\n{markdown(rows)}\n\n![{shown}]({FIGURE})\n",
    )
    runs = [{"run": path.name, **result} for (_, path), result in zip(cases, results, strict=True)]
    write(folder / NUMBERS, json.dumps({"grid": dict(grid), "seeds": seeds, "runs": runs}, indent=1) + "\n")
    if shown:
        plot(groups, shown, folder / FIGURE)
    for run in runs:
        if "error" in run:
            say(f"{run['run']}: {run['error']}")
    return rows


def _metric(results: Sequence[Mapping[str, Any]], requested: str | None) -> str:
    """Returns the metric of the figure. Raises ValueError if `requested` was not logged."""
    complete = [set(result) for result in results if "error" not in result]
    common = set.intersection(*complete) if complete else set()
    if requested is not None and complete and requested not in common:
        raise ValueError(f"--metric: not all runs have {requested!r}; all have {', '.join(sorted(common))}")
    return requested or next((name for name in DEFAULT_METRICS if name in common), "")


def _row(name: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Cell]:
    """Returns the means and deviations of the metrics of one setting; runs that failed are counted."""
    complete = [result for result in results if "error" not in result]
    names = [key for key in (complete[0] if complete else ()) if key not in ("epoch", "iteration")]
    cells: dict[str, Cell] = {"setting": name, "runs": f"{len(complete)} of {len(results)}"}
    return cells | {key: _mean([result[key] for result in complete if key in result]) for key in names}


def _mean(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 and all(map(math.isfinite, values)) else ""
    return f"{statistics.fmean(values):.4g}{deviation}"


def plot(groups: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], metric: str, path: Path) -> None:
    """Plots the last value of a metric: a dot for each run and a bar at the mean of each setting."""
    from matplotlib.figure import Figure

    from autograd_mini.viz.plots import canvas

    drawing = Figure(figsize=(6.4, 1.2 + 0.4 * len(groups)), layout="constrained")
    axes = drawing.subplots()
    for y, (_, results) in enumerate(groups):
        values = [result[metric] for result in results if metric in result]
        if values:
            axes.plot(values, [y] * len(values), "o", color=canvas.COLOURS[0], alpha=0.5, markersize=5)
            axes.plot([statistics.fmean(values)], [y], "|", color=canvas.COLOURS[1], markersize=16, markeredgewidth=2.5)
    names = [name for name, _ in groups]
    axes.set(xlabel=metric, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.grid(alpha=0.25)
    canvas.save_figure(drawing, path)
