"""What ablations share: each row is measured with each seed; a table of mean ± deviation, a figure, and what can be said."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from autograd_mini.examples.study import Study
from autograd_mini.viz.plots import canvas

Row = TypeVar("Row")
Results = Mapping[str, Mapping[str, Sequence[float]]]  # row -> column -> a value for each seed


def compare(study: Study, rows: Mapping[str, Row], measure: Callable[[str, Row, int], Mapping[str, float]], seeds: int) -> str:
    """Measures every row by `measure(name, row, seed)`, a value for each column, and shows all; the first row is the yardstick.

    Returns which rows differ from the first, by `verdict`.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for name, row in rows.items():
        columns = found.setdefault(name, {})
        for seed in range(study.seed, study.seed + seeds):
            for column, value in measure(name, row, seed).items():
                columns.setdefault(column, []).append(value)
    study.table(f"mean ± standard deviation of {seeds} seeds", table(found))
    figure(found, study.figure("comparison.png"))
    return " ".join(verdict(found, column) for column in found[next(iter(rows))])


def table(results: Results) -> list[dict[str, str]]:
    """A line for each row: each column's values, and behind the first column the gain over the first row, seed by seed."""
    first = next(iter(results.values()))
    judged = next(iter(first))
    lines = []
    for name, columns in results.items():
        cells = {"": name} | {column: spread(values) for column, values in columns.items()}
        lines.append(
            cells | {f"gain in {judged}": spread(gains(columns[judged], first[judged]), "+") if columns is not first else ""}
        )
    return lines


def gains(values: Sequence[float], base: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(values, base, strict=True)]


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean ± standard deviation.

    >>> from autograd_mini.examples.ablations.comparison import spread
    >>> spread([1.0, 2.0, 3.0])
    '2.00 ± 1.00'
    """
    return f"{statistics.mean(values):{sign}.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


def verdict(results: Results, column: str) -> str:
    """Which rows differ from the first in a column: by more than three standard errors of their gains over it.

    >>> from autograd_mini.examples.ablations.comparison import verdict
    >>> verdict({"plain": {"x": [1.0, 2.0, 3.0]}, "more": {"x": [3.0, 4.0, 5.1]}, "same": {"x": [2.0, 1.0, 3.0]}}, "x")
    "x: above 'plain': more (+2.03); not told apart from it: same (+0.00)."
    """
    (base, first), *others = results.items()
    groups: dict[str, list[str]] = {f"above {base!r}": [], f"below {base!r}": [], "not told apart from it": []}
    above, below, alike = groups.values()
    for name, columns in others:
        gain = gains(columns[column], first[column])
        mean = statistics.mean(gain)
        error = statistics.stdev(gain) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
        group = alike if abs(mean) <= 3 * error else above if mean > 0 else below
        group.append(f"{name} ({mean:+.2f})")
    return f"{column}: " + "; ".join(f"{how}: {', '.join(names)}" for how, names in groups.items() if names) + "."


def figure(results: Results, path: Path) -> None:
    """A panel for each column: every seed a dot, the mean a bar; rows in their order from the top."""
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
