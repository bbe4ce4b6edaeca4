"""Plots of data and of learning. Each returns a matplotlib Figure, free of pyplot's state, and writes it if given a path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_mini.tensor import Shape

from .canvas import (
    COLOURS,
    GAP,
    LINES,
    MARKERS,
    Curve,
    Path,
    Values,
    array_of,
    blank,
    block,
    checked_images,
    counted,
    course,
    dotted,
    finished,
    sheet,
    tiled,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_losses(
    history: Mapping[str, Curve],
    path: Path = None,
    *,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    title: str = "",
) -> Figure:
    """A curve for each entry of `history`: name to values at 1, 2, 3, … (numbers or scalar Tensors), or to {place: value}; not
    all equally long.

    Raises ValueError for an empty history, or a suffix of `path` other than .png, .svg and .pdf.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_losses({"train": [1.0, 0.5, 0.4], "validation": [1.1, 0.7, 0.6]})
    >>> figure.axes[0].get_xlabel()
    'epoch'
    """
    if not history:
        raise ValueError("plot_losses: the history is empty; expected {name: values}")
    figure, axes = blank(title)
    for i, (name, curve) in enumerate(history.items()):
        x, y = course(curve)
        style: dict[str, Any] = {"linestyle": LINES[i % len(LINES)], "color": COLOURS[i % len(COLOURS)], **dotted(y, i)}
        axes.plot(x, y, label=name, linewidth=2, **style)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    counted(axes)
    axes.legend(frameon=False)
    return finished(figure, path)


def plot_histograms(
    values: Mapping[str, Values], path: Path = None, *, bins: int = 60, xlabel: str = "value", title: str = ""
) -> Figure:
    """How the numbers in arrays of any shape are spread: an outline for each entry of `values`, with its mean and variance.

    All outlines share the same `bins` intervals, and each encloses the area 1. Raises ValueError for an empty mapping, or an
    array that is empty or not finite.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_histograms({"before": [1.0, 3.0, 5.0], "after": [-1.0, 0.0, 1.0]})
    >>> [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    ['before: mean 3.00, variance 2.67', 'after: mean 0.00, variance 0.67']
    """
    arrays = {name: array_of(numbers).ravel() for name, numbers in values.items()}
    bad = [name for name, x in arrays.items() if not x.size or not np.isfinite(x).all()]
    if bad or not arrays:
        got = f"{bad[0]!r} is empty or not finite" if bad else "got nothing"
        raise ValueError(f"plot_histograms: expected {{name: finite numbers}}, {got}")
    edges = np.histogram_bin_edges(np.concatenate(list(arrays.values())), bins).tolist()
    figure, axes = blank(title)
    for i, (name, x) in enumerate(arrays.items()):
        label = f"{name}: mean {x.mean():z.2f}, variance {x.var():.2f}"
        style: dict[str, Any] = {"linestyle": LINES[i % len(LINES)], "color": COLOURS[i % len(COLOURS)]}
        axes.hist(x, edges, density=True, histtype="step", linewidth=2, label=label, **style)
    axes.set(xlabel=xlabel, ylabel="density")
    axes.legend(frameon=False)
    return finished(figure, path)


def plot_scatter(
    points: Values,
    labels: Values,
    path: Path = None,
    *,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str = "",
) -> Figure:
    """Points in the plane, (N, 2), coloured and marked by their class, `labels` (N,), with a legend.

    Raises ValueError for other shapes.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_scatter([[0.0, 0.0], [1.0, 1.0]], [0, 1])
    >>> [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    ['0', '1']
    """
    xy, classes = array_of(points), array_of(labels)
    if xy.ndim != 2 or xy.shape[1] != 2 or classes.shape != xy.shape[:1]:
        raise ValueError(f"plot_scatter: expected points (N, 2) and labels (N,), got {xy.shape} and {classes.shape}")
    figure, axes = blank(title, (6, 5))
    for i, label in enumerate(np.unique(classes)):
        x, y = xy[classes == label].T
        axes.scatter(
            x, y, s=24, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=str(label),
            alpha=0.8, linewidths=0.4, edgecolors="white",
        )  # fmt: skip
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(title="class", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return finished(figure, path)


def plot_images(images: Values, path: Path = None, *, columns: int | None = None, title: str = "") -> Figure:
    """Images (N, H, W) or (N, H, W, 3) with values in [0, 1] in a grid, by rows; nearly square unless `columns` says otherwise.

    Values outside [0, 1] are clipped. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_images(np.zeros((6, 8, 8)), columns=3)
    """
    stack = checked_images("plot_images", array_of(images))
    figure, axes = sheet(tiled(block(stack, columns), GAP), title)
    axes.set_axis_off()
    return finished(figure, path)


def plot_reconstructions(
    originals: Values, reconstructions: Values, path: Path = None, *, image_shape: Shape, title: str = ""
) -> Figure:
    """Originals in the upper row and what a model made of them below, N pairs with values in [0, 1].

    Both hold N × H × W (× 3) numbers in any shape that starts with N; `image_shape` is (H, W) or (H, W, 3). Raises ValueError
    where that does not fit.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_reconstructions(np.zeros((8, 64)), np.ones((8, 64)), image_shape=(8, 8))
    """
    pair = [array_of(originals), array_of(reconstructions)]
    count = len(pair[0])
    if any(a.size != count * math.prod(image_shape) for a in pair):
        raise ValueError(
            f"plot_reconstructions: {count} images of shape {image_shape} do not fit {pair[0].shape} and {pair[1].shape}"
        )
    grid = np.stack([checked_images("plot_reconstructions", a.reshape(count, *image_shape)) for a in pair])
    figure, axes = sheet(tiled(grid, GAP), title)
    height = image_shape[0] + GAP
    axes.set(xticks=[], yticks=[height / 2, height * 1.5], yticklabels=["original", "reconstruction"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return finished(figure, path)


def plot_manifold(
    images: Values,
    path: Path = None,
    *,
    extent: tuple[float, float, float, float] = (-2, 2, -2, 2),
    gap: int = 0,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str = "",
) -> Figure:
    """A decoder's images over a grid in the latent plane, (R, C, H, W) or (R, C, H, W, 3) in [0, 1], the first row on top.

    `extent` is the plane's (left, right, bottom, top) in latent units, `gap` the pixels of white between
    images. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_manifold(np.zeros((5, 5, 8, 8)))
    """
    grid = array_of(images)
    if grid.ndim < 4:
        raise ValueError(f"plot_manifold: expected images (R, C, H, W) or (R, C, H, W, 3), got {grid.shape}")
    rows, columns = grid.shape[:2]
    flat = checked_images("plot_manifold", grid.reshape(rows * columns, *grid.shape[2:]))
    figure, axes = sheet(tiled(flat.reshape(grid.shape), gap), title, extent=extent)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return finished(figure, path)
