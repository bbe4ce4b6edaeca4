"""Draws the figures of docs/lecture.md from the numbers in docs/results.md.

python docs/make_lecture_figures.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograd_mini.viz.plots.canvas import COLOURS, LINES, MARKERS, save_figure

FOLDER = DOCS / "lecture"
MOST_TICKS = 6  # points that get a tick each
Curves = dict[str, tuple[list[float], list[float]]]
FIGURES: dict[str, Callable[[str], None]] = {}


def figure(draw: Callable[[str], None]) -> Callable[[str], None]:
    FIGURES[draw.__name__] = draw
    return draw


def numbers(text: str) -> list[float]:
    """Returns the numbers of a text.

    >>> numbers("90.3 86.7 %, −3")
    [90.3, 86.7, -3.0]
    """
    return [float(number.replace("−", "-")) for number in re.findall(r"[-−]?\d+(?:\.\d+)?", text)]


def find(results: str, pattern: str) -> list[float]:
    """Returns the numbers in the first group of a pattern, which must occur in the results."""
    match = re.search(pattern, results)
    if match is None:
        raise ValueError(f"docs/results.md no longer contains {pattern!r}")
    return numbers(match[1])


def table(results: str, head: str) -> dict[str, list[float]]:
    """Returns the rows of the table below a line that starts with `head`: first cell, and the numbers of the others."""
    lines = results[results.index(head) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[first] = [number for cell in cells for number in numbers(cell)[:1]]
    return rows


def plot(name: str, curves: Curves, *, xlabel: str, ylabel: str, xscale: str = "linear") -> None:
    drawing = Figure(figsize=(6, 3.4), layout="constrained")
    axes = drawing.subplots()
    for i, (label, (x, y)) in enumerate(curves.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i % len(LINES)], "marker": MARKERS[i % len(MARKERS)]}
        axes.plot(x, y, label=label, markersize=4, linewidth=1.8, **style)
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
    if len(x) <= MOST_TICKS:
        axes.set_xticks(x, [f"{value:,g}" for value in x])
        axes.minorticks_off()
    _finish(drawing, axes, name)


def bars(name: str, groups: dict[str, dict[str, float]], ylabel: str) -> None:
    drawing = Figure(figsize=(6, 3.4), layout="constrained")
    axes = drawing.subplots()
    width = 0.8 / len(groups)
    for i, (label, values) in enumerate(groups.items()):
        places = [place + i * width for place in range(len(values))]
        axes.bar_label(axes.bar(places, list(values.values()), width, label=label, color=COLOURS[i]), fmt="%g", fontsize=8)
        axes.set_xticks([place + width * (len(groups) - 1) / 2 for place in range(len(values))], list(values))
    axes.set(ylabel=ylabel)
    _finish(drawing, axes, name)


def _finish(drawing: Figure, axes: Axes, name: str) -> None:
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    save_figure(drawing, FOLDER / f"{name}.png")


@figure
def depth(results: str) -> None:
    x = find(results, r"600 steps with ([\d, ]+) layers")
    sigmoid, relu = (find(results, rf"{name} ([\d. ]+) %")[-6:] for name in ("sigmoid", "ReLU"))
    plot("depth", {"sigmoid": (x, sigmoid), "ReLU": (x, relu)}, xlabel="hidden layers", ylabel="test accuracy, %", xscale="log")


@figure
def losses(results: str) -> None:
    x = find(results, r"with learning rates ([\d. ]+):")
    curves = {name: (x, find(results, rf"{name} ([\d. ]+) %")[-5:]) for name in ("squared error", "cross-entropy")}
    plot("losses", curves, xlabel="learning rate", ylabel="test accuracy, %", xscale="log")


@figure
def by_hand(results: str) -> None:
    by_hand_first = find(results, r"in this order: ([\d., and]+)")
    runs = ("full batch, 30 steps", "batches of 100, 5 epochs", "single images, 1 epoch")
    columns = {"by hand": by_hand_first[::2], "with the engine": by_hand_first[1::2]}
    bars("by_hand", {name: dict(zip(runs, values, strict=True)) for name, values in columns.items()}, "CPU seconds")


@figure
def width(results: str) -> None:
    accuracy = [
        *find(results, r"10, 10², 10³, 10⁴ units: ([\d. ]+) %"),
        find(results, r"79.5 million parameters\): ([\d.]+) %")[0],
    ]
    plot(
        "width",
        {"after 1 epoch": ([10, 100, 1e3, 1e4, 1e5], accuracy)},
        xlabel="hidden units",
        ylabel="test accuracy, %",
        xscale="log",
    )


@figure
def nodes(results: str) -> None:
    section = results[results.index("### Exercise 26") : results.index("### Exercise 27")]
    rows = [numbers(line) for line in section.splitlines() if re.match(r"\| \d", line)]
    curves: Curves = {}
    for layers in (1, 2, 3):
        chosen = [row for row in rows if row[0] == layers and row[2] == 64]
        label = f"{layers} hidden layer{'s' * (layers > 1)}, batch 64"
        curves[label] = [row[1] for row in chosen], [row[4] for row in chosen]
    plot("nodes", curves, xlabel="nodes in each layer", ylabel="validation accuracy, %", xscale="log")


@figure
def optimizers(results: str) -> None:
    rows = table(results, "**validation accuracy, %, after 5 epochs")
    rates = rows.pop("")
    curves = {name: (rates, values) for name, values in rows.items() if not name.startswith("-")}
    plot("optimizers", curves, xlabel="learning rate", ylabel="validation accuracy, %", xscale="log")


@figure
def convolution(results: str) -> None:
    section = results[results.index("### Exercise 28") : results.index("### Exercise 29")]
    rows = re.findall(r"\| (mnist|cifar10) +\| (with\w* convolution) +\| \d+ +\| \d +\| [\d.]+ +\| ([\d.]+)", section)
    kinds = ("without convolution", "with convolution")
    groups = {kind: {data: float(value) for data, name, value in rows if name == kind} for kind in kinds}
    bars("convolution", groups, "test accuracy, %")


@figure
def elbo(results: str) -> None:
    rows = {k: values for k, values in table(results, "**bounds on log p(x)").items() if k.isdigit()}
    x, y = [float(k) for k in rows], [values[-1] for values in rows.values()]
    plot("elbo", {"MNIST": (x, y)}, xlabel="draws K", ylabel="bound on log p(x), nats", xscale="log")


@figure
def cifar(results: str) -> None:
    rows = {k: values for k, values in table(results, "**−ELBO, nats per image**").items() if k.isdigit()}
    x = [float(k) for k in rows]
    curves = {name: (x, [values[i] for values in rows.values()]) for i, name in enumerate(("training", "held out"))}
    plot("cifar", curves, xlabel="epoch", ylabel="−ELBO, nats per image")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    results = (DOCS / "results.md").read_text(encoding="utf-8")
    for name, draw in FIGURES.items():
        draw(results)
        print(f"docs/lecture/{name}.png")


if __name__ == "__main__":
    main()
