"""The figure that most exercises draw: panels side by side, each with several curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autograd_mini.examples.study import Study
from autograd_mini.examples.words import in_words
from autograd_mini.viz.plots.canvas import COLOURS, LINES, MARKERS, save_figure

Curve = tuple[Sequence[float], Sequence[float]]  # x, y


def plot_curves(
    study: Study,
    name: str,
    panels: Mapping[str, Mapping[str, Curve]],
    *,
    xlabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
) -> None:
    """Saves the figure `name` of a study.

    Parameters
    ----------
    panels : y label to the curves of a panel, each a name and its x and y values; all panels share the y scale
    xlabel, xscale, yscale : label and scales ("linear" or "log") of the axes
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(1.5 + 4.5 * len(panels), 4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (ylabel, curves) in zip(grid, panels.items(), strict=True):
        for i, (label, (x, y)) in enumerate(curves.items()):
            marker, color, linestyle = (styles[i % len(styles)] for styles in (MARKERS, COLOURS, LINES))
            marker = marker if len(x) <= 30 else ""
            axes.plot(x, y, label=in_words(label), color=color, linestyle=linestyle, marker=marker, markersize=4, linewidth=1.8)
        axes.set(xlabel=in_words(xlabel), ylabel=in_words(ylabel), xscale=xscale, yscale=yscale)
        if xscale == "linear":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    save_figure(figure, study.figure(name))
