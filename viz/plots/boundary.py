"""`plot_boundary`: which class a classifier gives to each point of the plane, under its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini.nn.module import Module, evaluation
from autograd_mini.tensor import Array, Tensor

from . import canvas
from .canvas import COLOURS, MARKERS, Path, Values
from .figures import Extent, check_grid, grid_points
from .texts import label

if TYPE_CHECKING:
    from .plot import Plot

MARGIN: Final = 0.15  # of the range of the data, on each side
PALEST: Final = 0.08  # opacity of a region where the model is undecided,
DARKEST: Final = 0.5  # and where it is certain


def plot_boundary(
    model: Callable[[Tensor], Any],
    points: Values,
    labels: Values,
    path: Path = None,
    *,
    threshold: float | None = None,
    extent: Extent | None = None,
    size: int = 200,
    classes: Sequence[str] | None = None,
    xlabel: str = "$x_1$",
    ylabel: str = "$x_2$",
    title: str = "",
) -> Plot:
    """Plots the regions of the plane that a classifier assigns to each class, darker where it is more certain, and the data.

    The model runs in evaluation mode and without recording gradients.

    Parameters
    ----------
    model : maps points (N, 2) to (N, C) logits or probabilities, or for two classes to N numbers, (N,) or (N, 1)
    points, labels : the data, (N, 2) and (N,). Labels are classes from 0; with one output, any two numbers
    path : the file to write, if any
    threshold : with one output, the class changes here; by default at 0.5 if all outputs lie between 0 and 1, like
        probabilities, else at 0, as for logits and ±1
    extent : (left, right, bottom, top) of the plane; by default the data with a margin
    size : the model is evaluated at size × size points
    classes : names of the classes
    xlabel, ylabel, title : texts of the figure

    Raises
    ------
    ValueError
        for other shapes, or labels that the model has no output for

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> points = [[0.0, 1.0], [2.0, 0.5], [-1.0, -1.0]]
    >>> figure = viz.plot_boundary(lambda x: x[:, 0] - x[:, 1], points, [0, 1, 0])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['0', '1']
    """
    xy, truth = canvas.as_array(points), canvas.as_array(labels)
    truth = truth[:, 0] if truth.ndim == 2 and truth.shape[1] == 1 else truth
    if xy.ndim != 2 or xy.shape[1] != 2 or truth.shape != xy.shape[:1] or not len(xy):
        raise ValueError(f"plot_boundary: expected points (N, 2) and labels (N,), got {xy.shape} and {truth.shape}")
    if not np.isfinite(xy).all():
        raise ValueError(f"plot_boundary: points must be finite, got {xy[~np.isfinite(xy).all(axis=1)][0].tolist()}")
    extent = _around(xy) if extent is None else extent
    check_grid("plot_boundary", extent, size)
    most = int(truth.max()) + 1 if truth.dtype.kind in "iu" else 2
    scores = _scores(model, grid_points(extent, size), threshold, most)
    present, numbers = _class_numbers(truth, scores.shape[1])
    if classes is not None and len(classes) < scores.shape[1]:
        raise ValueError(f"plot_boundary: got {len(classes)} class names for {scores.shape[1]} classes")
    figure, axes = canvas.new_figure(title, (5.5, 5))
    axes.grid(False)
    axes.imshow(_regions(scores).reshape(size, size, 3), extent=extent, aspect="auto", interpolation="bilinear")
    _draw_boundaries(axes, scores.reshape(size, size, -1), extent)
    groups = {}
    for i, number in zip(numbers, present, strict=True):
        x, y = xy[truth == number].T
        groups[str(number if classes is None else classes[i])] = axes.scatter(
            x, y, s=26, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], linewidths=0.7, edgecolors="white",
        )  # fmt: skip
    left, right, bottom, top = extent
    axes.set(xlabel=label(xlabel), ylabel=label(ylabel), xlim=(left, right), ylim=(bottom, top))
    canvas.add_legend(axes, groups, label("class"))
    return canvas.save_figure(figure, path)


def _around(xy: Array) -> Extent:
    """Returns the rectangle around points, with a margin."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    room = MARGIN * np.where(high > low, high - low, 1)
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return left, right, bottom, top


def _scores(model: Callable[[Tensor], Any], grid: Array, threshold: float | None, most: int) -> Array:
    """Returns one score per point and class; the class with the largest score is the answer, and softmax its probability.

    A model that returns classes, as `predict` does, has at least `most` classes.
    """
    with ag.no_grad(), evaluation(model) if isinstance(model, Module) else nullcontext():
        output = canvas.as_array(model(Tensor(grid.astype(ag.default_dtype()))))
    if output.ndim not in (1, 2) or len(output) != len(grid) or not output.size:
        raise ValueError(
            f"plot_boundary: the model must map points (N, 2) to (N, classes), (N, 1) or (N,), "
            f"got {output.shape} for N = {len(grid)}"
        )
    if output.ndim == 1 and output.dtype.kind in "iub":  # classes, as `predict` returns
        return np.where(output[:, None] == np.arange(max(2, most, int(output.max()) + 1)), 8.0, 0.0)
    output = output.reshape(len(grid), -1).astype(np.float64)
    if output.shape[1] == 1:
        # Probabilities become logits, so that certainty has the same colour.
        in_unit_range = output.min() >= 0 and output.max() <= 1
        threshold = (0.5 if in_unit_range else 0.0) if threshold is None else threshold
        are_probabilities = 0 < threshold < 1 and in_unit_range
        logits = _logit(output) - _logit(np.asarray(threshold)) if are_probabilities else output - threshold
        return np.concatenate([-logits / 2, logits / 2], axis=1)
    if output.min() >= 0 and np.allclose(output.sum(axis=1), 1, atol=1e-4):
        return np.log(np.maximum(output, 1e-12))
    return output


def _logit(p: Array) -> Array:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.log(p) - np.log1p(-p)


def _class_numbers(labels: Array, count: int) -> tuple[Array, list[int]]:
    """Returns the labels that occur, and the number of the output that stands for each."""
    present = np.unique(labels)
    if present.dtype.kind in "iub" and present[0] >= 0 and present[-1] < count:
        return present, [int(number) for number in present]
    if count == 2 and len(present) == 2:
        return present, [0, 1]
    raise ValueError(
        f"plot_boundary: the model distinguishes {count} classes, so labels must be integers from 0 to {count - 1}, "
        f"got {', '.join(map(str, present[:8]))}"
    )


def _regions(scores: Array) -> Array:
    """Returns the colour of each point: that of its class, mixed with white where the class is uncertain."""
    winner, count = scores.argmax(axis=1), scores.shape[1]
    share = 1 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)  # softmax of the winner
    certainty = np.clip((share - 1 / count) / (1 - 1 / count), 0, 1)
    opacity = (PALEST + (DARKEST - PALEST) * certainty)[:, None]
    palette = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in COLOURS])
    return 1 - opacity * (1 - palette[winner % len(COLOURS)])


def _draw_boundaries(axes: Any, scores: Array, extent: Extent) -> None:
    """Draws a line where the class with the largest score changes."""
    left, right, bottom, top = extent
    x, y = np.linspace(left, right, scores.shape[1]), np.linspace(top, bottom, scores.shape[0])
    for i in range(scores.shape[2] if scores.shape[2] > 2 else 1):
        margin = scores[..., i] - np.delete(scores, i, axis=2).max(axis=2)
        if margin.min() < 0 < margin.max():
            axes.contour(x, y, margin, levels=[0.0], colors="black", linewidths=1.2)
