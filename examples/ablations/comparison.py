"""What ablations share: each row is measured with each seed; results are a table of mean ± deviation, a figure and verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from autograd_mini.examples.study import Study
from autograd_mini.viz.plots import canvas

T = TypeVar("T")
Results = Mapping[str, Mapping[str, Sequence[float]]]  # row -> column -> a value for each seed


def compare(study: Study, rows: Mapping[str, T], measure: Callable[[str, T, int], Mapping[str, float]], seeds: int) -> str:
    """Measures every row with every seed, shows a table and a figure, and returns the verdicts; see `measure_all`."""
    return present(study, measure_all(study, rows, measure, seeds), seeds)


def measure_all(
    study: Study, rows: Mapping[str, T], measure: Callable[[str, T, int], Mapping[str, Any]], seeds: int
) -> dict[str, dict[str, list[Any]]]:
    """Returns the values of every row with every seed, by row and column; with --jobs, several are measured at a time.

    Parameters
    ----------
    rows : name to setting; the first row is the baseline
    measure : returns a value for each column, given the name, the setting and a seed
    seeds : number of seeds
    """
    cases = [(name, seed) for name in rows for seed in range(study.seed, study.seed + seeds)]
    results: dict[str, dict[str, list[Any]]] = {name: {} for name in rows}
    for (name, _), values in zip(cases, study.map(lambda name, seed: measure(name, rows[name], seed), cases), strict=True):
        for column, value in values.items():
            results[name].setdefault(column, []).append(value)
    return results


def present(study: Study, results: Results, seeds: int) -> str:
    """Shows a table and a figure, and returns the verdicts."""
    study.table(f"mean ± standard deviation of {seeds} seeds", result_table(results))
    plot_results(results, study.figure("comparison.png"))
    return " ".join(verdict(results, column) for column in next(iter(results.values())))


def result_table(results: Results) -> list[dict[str, str]]:
    """Returns the cells of each row: mean ± deviation of every column, and of the gain over the first row, seed by seed."""
    first = next(iter(results.values()))
    compared = next(iter(first))
    lines = []
    for name, columns in results.items():
        cells = {"": name} | {column: mean_and_deviation(values) for column, values in columns.items()}
        lines.append(
            cells
            | {
                f"gain in {compared}": mean_and_deviation(gains(columns[compared], first[compared]), "+")
                if columns is not first
                else ""
            }
        )
    return lines


def gains(values: Sequence[float], base: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(values, base, strict=True)]


def mean_and_deviation(values: Sequence[float], sign: str = "") -> str:
    """Formats mean ± standard deviation.

    >>> from autograd_mini.examples.ablations.comparison import mean_and_deviation
    >>> mean_and_deviation([1.0, 2.0, 3.0])
    '2.00 ± 1.00'
    """
    return f"{statistics.mean(values):{sign}.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


def verdict(results: Results, column: str) -> str:
    """Lists the rows whose mean gain over the first row is more than three standard errors from zero, and the others.

    >>> from autograd_mini.examples.ablations.comparison import verdict
    >>> verdict({"plain": {"x": [1.0, 2.0, 3.0]}, "more": {"x": [3.0, 4.0, 5.1]}, "same": {"x": [2.0, 1.0, 3.0]}}, "x")
    "x: above 'plain': more (+2.03); no clear difference: same (+0.00)."
    """
    (base, first), *others = results.items()
    groups: dict[str, list[str]] = {f"above {base!r}": [], f"below {base!r}": [], "no clear difference": []}
    above, below, unclear = groups.values()
    for name, columns in others:
        gain = gains(columns[column], first[column])
        mean = statistics.mean(gain)
        error = statistics.stdev(gain) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
        group = unclear if abs(mean) <= 3 * error else above if mean > 0 else below
        group.append(f"{name} ({mean:+.2f})")
    return f"{column}: " + "; ".join(f"{title}: {', '.join(names)}" for title, names in groups.items() if names) + "."


def plot_results(results: Results, path: Path) -> None:
    """Plots a panel for each column, with a dot per seed and a bar at the mean."""
    from matplotlib.figure import Figure

    names, columns = list(results), list(next(iter(results.values())))
    drawing = Figure(figsize=(3.2 + 3.2 * len(columns), 1 + 0.4 * len(names)), layout="constrained")
    for axes, column in zip(drawing.subplots(1, len(columns), sharey=True, squeeze=False)[0], columns, strict=True):
        for y, name in enumerate(names):
            values = results[name][column]
            axes.plot(values, [y] * len(values), "o", color=canvas.COLOURS[0], alpha=0.5, markersize=5)
            axes.plot([statistics.mean(values)], [y], "|", color=canvas.COLOURS[1], markersize=16, markeredgewidth=2.5)
        axes.set(xlabel=column, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        axes.grid(alpha=0.25)
    canvas.save_figure(drawing, path)
