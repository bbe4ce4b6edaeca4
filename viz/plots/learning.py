"""Plots of data and training. Each returns a matplotlib Figure, independent of pyplot, and saves it if given a path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_mini.tensor import Shape

from . import canvas
from .canvas import COLOURS, GAP, LINES, MARKERS, Curve, Path, Values
from .scales import Scale, set_scale
from .texts import label

if TYPE_CHECKING:
    from .plot import Plot


def plot_losses(
    history: Mapping[str, Curve],
    path: Path = None,
    *,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    yscale: Scale = "auto",
    title: str = "",
) -> Plot:
    """Plots one curve for each entry of `history`.

    The y axis is logarithmic if a spike would hide everything else. Raises ValueError if `history` is empty, the suffix of
    `path` is not .png, .svg or .pdf, or the scale is unknown or needs positive values.

    Parameters
    ----------
    history : name to values (numbers or scalar Tensors) at 1, 2, 3, …, or to {position: value}; lengths may differ
    path : the file to write, if any
    xlabel, ylabel, title : texts of the figure
    yscale : "linear", "log", "symlog" (for values of both signs), or "auto", which chooses one of them

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_losses({"train": [1.0, 0.5, 0.4], "validation": [1.1, 0.7, 0.6]})
    >>> figure.axes[0].get_xlabel()
    'epoch'
    >>> viz.plot_losses({"train": [3.0, 2.5, 9000.0, 2.1, 1.9]}).axes[0].get_yscale()
    'log'
    """
    if not isinstance(history, Mapping):
        raise TypeError(
            f"plot_losses: expected {{name: values}}, got {short(history)} of type {type(history).__name__}; of the rows of a "
            "trainer pass {'loss': [row['loss'] for row in history]}"
        )
    if not history:
        raise ValueError("plot_losses: the history is empty; expected {name: values}")
    figure, axes = canvas.new_figure(title)
    lines, shown = {}, []
    for i, (name, curve) in enumerate(history.items()):
        x, y = canvas.curve_points(curve)
        style: dict[str, Any] = {
            "linestyle": LINES[i % len(LINES)],
            "color": COLOURS[i % len(COLOURS)],
            **canvas.marker_style(y, i),
        }
        (lines[name],) = axes.plot(x, y, linewidth=2, **style)
        shown.append(y)
    axes.set(xlabel=label(xlabel), ylabel=label(ylabel))
    set_scale("plot_losses", axes, shown, yscale)
    canvas.use_integer_ticks(axes)
    canvas.add_legend(axes, lines)
    return canvas.save_figure(figure, path)


def plot_histograms(
    values: Mapping[str, Values],
    path: Path = None,
    *,
    bins: int = 60,
    xlabel: str = "value",
    title: str = "",
    yscale: Scale = "auto",
) -> Plot:
    """Plots histograms on common intervals, each as an outline with area 1, and shows mean and variance in the legend.

    Raises ValueError if `values` is empty, or an array is empty or not finite.

    Parameters
    ----------
    values : name to numbers in an array of any shape
    path : the file to write, if any
    bins : number of intervals
    xlabel, title : texts of the figure
    yscale : as in `plot_losses`

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_histograms({"before": [1.0, 3.0, 5.0], "after": [-1.0, 0.0, 1.0]})
    >>> [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    ['before: mean 3.00, variance 2.67', 'after: mean 0.00, variance 0.67']
    """
    arrays = {name: canvas.as_array(numbers).ravel() for name, numbers in values.items()}
    bad = [name for name, x in arrays.items() if not x.size or not np.isfinite(x).all()]
    if bad or not arrays:
        got = f"{bad[0]!r} is empty or not finite" if bad else "got an empty mapping"
        raise ValueError(f"plot_histograms: expected {{name: finite numbers}}, {got}")
    edges = np.histogram_bin_edges(np.concatenate(list(arrays.values())), bins).tolist()
    figure, axes = canvas.new_figure(title)
    outlines, heights = {}, []
    for i, (name, x) in enumerate(arrays.items()):
        moments = {"mean": f"{x.mean():z.2f}", "variance": f"{x.var():.2f}"}
        entry = label("{name}: mean {mean}, variance {variance}", name=name, **moments)
        style: dict[str, Any] = {"linestyle": LINES[i % len(LINES)], "color": COLOURS[i % len(COLOURS)]}
        height, _, patches = axes.hist(x, edges, density=True, histtype="step", linewidth=2, **style)
        outlines[entry] = patches[0]  # type: ignore[index]
        heights.append(np.asarray(height))
    axes.set(xlabel=label(xlabel), ylabel=label("density"))
    set_scale("plot_histograms", axes, [h[h > 0] for h in heights], yscale)
    canvas.add_legend(axes, outlines)
    return canvas.save_figure(figure, path)


def plot_scatter(
    points: Values,
    labels: Values,
    path: Path = None,
    *,
    classes: Sequence[str] | None = None,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str = "",
) -> Plot:
    """Plots points in the plane with a colour and marker for each class.

    Raises ValueError for other shapes and for labels without a name.

    Parameters
    ----------
    points : (N, 2)
    labels : class of each point, (N,)
    path : the file to write, if any
    classes : names of the classes, for labels from 0; by default the labels are shown
    xlabel, ylabel, title : texts of the figure

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_scatter([[0.0, 0.0], [1.0, 1.0]], [0, 1], classes=["cats", "dogs"])
    >>> [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    ['cats', 'dogs']
    """
    xy, numbers = canvas.as_array(points), canvas.as_array(labels)
    if xy.ndim != 2 or xy.shape[1] != 2 or numbers.shape != xy.shape[:1]:
        raise ValueError(f"plot_scatter: expected points (N, 2) and labels (N,), got {xy.shape} and {numbers.shape}")
    present = np.unique(numbers)
    if classes is not None and not (present.dtype.kind in "iu" and np.isin(present, range(len(classes))).all()):
        raise ValueError(f"plot_scatter: got {len(classes)} class names for the labels {', '.join(map(str, present))}")
    figure, axes = canvas.new_figure(title, (5, 5))
    groups = {}
    for i, number in enumerate(present):
        x, y = xy[numbers == number].T
        groups[str(number if classes is None else classes[number])] = axes.scatter(
            x, y, s=24, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], alpha=0.8, linewidths=0.4,
            edgecolors="white",
        )  # fmt: skip
    axes.set(xlabel=label(xlabel), ylabel=label(ylabel))
    canvas.add_legend(axes, groups, label("class"))
    return canvas.save_figure(figure, path)


def plot_images(images: Values, path: Path = None, *, columns: int | None = None, title: str = "") -> Plot:
    """Plots images (N, H, W) or (N, H, W, C) in a grid with `columns` images in a row, nearly square by default.

    C is 1 (grey), 2 (grey and opacity), 3 (colour) or 4 (colour and opacity, shown on white). White is 255 in uint8 and 1 in
    floats; other values outside [0, 1] are clipped with a warning. In a PNG each pixel of an image is a square of equally many
    pixels. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_images(np.zeros((6, 8, 8)), columns=3)
    """
    stack = canvas.check_images("plot_images", canvas.as_array(images))
    figure, _ = canvas.sheet_figure(canvas.tile(canvas.arrange_grid(stack, columns), GAP), title)
    return canvas.save_figure(figure, path)


def plot_reconstructions(
    originals: Values, reconstructions: Values, path: Path = None, *, image_shape: Shape, title: str = ""
) -> Plot:
    """Plots originals in the upper row and their reconstructions below.

    Raises ValueError if the arrays do not fit `image_shape`.

    Parameters
    ----------
    originals, reconstructions : N images with values in [0, 1], in any shape that starts with N
    path : the file to write, if any
    image_shape : (H, W) or (H, W, C) with 1 to 4 channels, as in `plot_images`
    title : title of the figure

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_reconstructions(np.zeros((8, 64)), np.ones((8, 64)), image_shape=(8, 8))
    """
    pair = [canvas.as_array(originals), canvas.as_array(reconstructions)]
    count = len(pair[0])
    if any(a.size != count * math.prod(image_shape) for a in pair):
        raise ValueError(
            f"plot_reconstructions: {count} images of shape {image_shape} do not fit {pair[0].shape} and {pair[1].shape}"
        )
    grid = np.stack([canvas.check_images("plot_reconstructions", a.reshape(count, *image_shape)) for a in pair])
    figure, axes = canvas.image_figure(canvas.tile(grid, GAP), title)
    height = image_shape[0] + GAP
    axes.set(xticks=[], yticks=[height / 2, height * 1.5], yticklabels=[label("original"), label("reconstruction")])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return canvas.save_figure(figure, path)


def plot_manifold(
    images: Values,
    path: Path = None,
    *,
    extent: tuple[float, float, float, float] = (-2, 2, -2, 2),
    gap: int = 0,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str = "",
) -> Plot:
    """Plots a decoder's images over a grid of points in the latent plane.

    Raises ValueError for other shapes.

    Parameters
    ----------
    images : R rows and C columns of images, (R, C, H, W) or (R, C, H, W, channels) in [0, 1], first row on top
    path : the file to write, if any
    extent : (left, right, bottom, top) of the plane in latent units
    gap : white pixels between images
    xlabel, ylabel, title : texts of the figure

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_manifold(np.zeros((5, 5, 8, 8)))
    """
    grid = canvas.as_array(images)
    if grid.ndim < 4:
        raise ValueError(f"plot_manifold: expected images (R, C, H, W) or (R, C, H, W, channels), got {grid.shape}")
    rows, columns = grid.shape[:2]
    flat = canvas.check_images("plot_manifold", grid.reshape(rows * columns, *grid.shape[2:]))
    figure, axes = canvas.image_figure(canvas.tile(flat.reshape(rows, columns, *flat.shape[1:]), gap), title, extent=extent)
    axes.set(xlabel=label(xlabel), ylabel=label(ylabel))
    return canvas.save_figure(figure, path)
