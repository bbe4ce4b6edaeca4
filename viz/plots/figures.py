"""Figures of trained models: latent plane, regression surface, confusion matrix, filters, feature maps, GAN balance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Array, Shape, Tensor

from . import canvas
from .canvas import COLOURS, GAP, Curve, Path, Values
from .learning import plot_manifold
from .texts import label, literal

if TYPE_CHECKING:
    from .plot import Plot

Extent: TypeAlias = tuple[float, float, float, float]

READABLE_CLASSES: Final = 20  # with more classes, the counts in a confusion matrix are too small to read


def check_grid(caller: str, extent: Extent, size: int) -> None:
    """Raises ValueError unless a grid of size × size points of a plane makes sense."""
    left, right, bottom, top = extent
    if not (left < right and bottom < top and np.isfinite(extent).all()):
        raise ValueError(
            f"{caller}: expected extent=(left, right, bottom, top) with left < right and bottom < top, got {extent}"
        )
    if size < 2:
        raise ValueError(f"{caller}: size must be at least 2 points, got {size}")


def grid_points(extent: Extent, size: int) -> Array:
    """Returns a grid of size × size points of the plane as rows (size², 2), top row first, left to right.

    >>> from autograd_mini.viz.plots.figures import grid_points
    >>> grid_points((0, 1, 0, 1), 2).tolist()
    [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    """
    left, right, bottom, top = extent
    x, y = np.meshgrid(np.linspace(left, right, size), np.linspace(top, bottom, size))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def plot_latent_plane(
    decode: Callable[[Tensor], Values],
    path: Path = None,
    *,
    image_shape: Shape,
    size: int = 15,
    extent: Extent = (-2, 2, -2, 2),
    **options: Any,
) -> Plot:
    """Plots the images that a decoder computes from a grid of points of its 2-D latent space.

    Raises ValueError if the images do not fit `image_shape`.

    Parameters
    ----------
    decode : maps points (N, 2) to N images in [0, 1], in any shape that starts with N; it runs under `no_grad`
    path : the file to write, if any
    image_shape : (H, W) or (H, W, C) with 1 to 4 channels
    size : the grid has size × size points
    extent : (left, right, bottom, top) of the plane
    options : further arguments of `plot_manifold`

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_latent_plane(lambda z: z[:, :1] * 0, image_shape=(1, 1), size=3)
    """
    with ag.no_grad():
        images = canvas.as_array(decode(Tensor(grid_points(extent, size).astype(ag.default_dtype()))))
    if images.size != size * size * math.prod(image_shape):
        raise ValueError(f"plot_latent_plane: expected {size * size} images of shape {image_shape}, got {images.shape}")
    return plot_manifold(images.reshape(size, size, *image_shape), path, extent=extent, **options)


def plot_surface(
    surfaces: Mapping[str, Callable[[Array], Values]],
    path: Path = None,
    *,
    extent: Extent = (-5, 5, -5, 5),
    size: int = 50,
    title: str = "",
) -> Plot:
    """Plots functions of two variables side by side as 3-D surfaces on one scale, for example the truth and a model.

    Raises ValueError if there is no function, or one returns another number of values.

    Parameters
    ----------
    surfaces : title to function; it maps float64 points (N, 2) to N values in any shape and runs under `no_grad`
    path : the file to write, if any
    extent : (left, right, bottom, top) of the plane
    size : the grid has size × size points
    title : title of the figure

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_surface({"x y": lambda p: p[:, 0] * p[:, 1]}, size=5)
    >>> figure.axes[0].get_title()
    'x y'
    """
    from .plot import Plot

    if not surfaces:
        raise ValueError("plot_surface: expected {name: function}, got an empty mapping")
    points = grid_points(extent, size)
    with ag.no_grad():
        heights = {name: canvas.as_array(function(points)) for name, function in surfaces.items()}
    for name, z in heights.items():
        if z.size != size * size:
            raise ValueError(f"plot_surface: {name!r} must return {size * size} values, one per point, got shape {z.shape}")
    x, y = points.reshape(size, size, 2).transpose(2, 0, 1)
    low, high = min(z.min() for z in heights.values()), max(z.max() for z in heights.values())
    figure = Plot(figsize=(4 * len(heights), 3.6), layout="constrained")
    figure.suptitle(title)
    for i, (name, z) in enumerate(heights.items()):
        axes: Any = figure.add_subplot(1, len(heights), i + 1, projection="3d")
        axes.plot_surface(x, y, z.reshape(size, size), cmap="cividis", vmin=low, vmax=high, linewidth=0)
        axes.set(title=literal(name), xlabel="$x_1$", ylabel="$x_2$", zlim=(low, high))
    return canvas.save_figure(figure, path)


def plot_confusion(
    targets: Values, predictions: Values, path: Path = None, *, classes: Sequence[str] | None = None, title: str = ""
) -> Plot:
    """Plots a confusion matrix: true classes in rows, predictions in columns, coloured by the share of the row.

    Raises ValueError for other shapes, types or classes without a name.

    Parameters
    ----------
    targets, predictions : classes as integers from 0, (N,)
    path : the file to write, if any
    classes : names of the classes
    title : title of the figure

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_confusion([0, 1, 1], [0, 1, 0])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '1', '1']
    """
    truth, guess = canvas.as_array(targets), canvas.as_array(predictions)
    if truth.ndim != 1 or truth.shape != guess.shape or not truth.size:
        raise ValueError(f"plot_confusion: expected two arrays (N,), got {truth.shape} and {guess.shape}")
    if truth.dtype.kind not in "iu" or guess.dtype.kind not in "iu" or min(truth.min(), guess.min()) < 0:
        raise ValueError(f"plot_confusion: expected classes as integers from 0, got {truth.dtype} and {guess.dtype}")
    count = max(int(truth.max()), int(guess.max())) + 1 if classes is None else len(classes)
    if max(truth.max(), guess.max()) >= count:
        raise ValueError(f"plot_confusion: got {count} class names for classes 0 to {max(truth.max(), guess.max())}")
    names = [literal(str(name)) for name in (range(count) if classes is None else classes)]
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (truth, guess), 1)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    longest = max(map(len, names), default=0)
    room = 0.09 * longest  # inches of the names: beside the rows, and at an angle of 45° below the columns
    figure, axes = canvas.new_figure(title, (2.4 + 0.45 * count + room, max(1.5 + 0.45 * count, 2.6) + 0.7 * room))
    axes.grid(False)
    shown = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(shown, label=label("share of the true class"), shrink=0.8)
    axes.set(xlabel=label("predicted"), ylabel=label("true"))
    axes.set(xticks=range(count), yticks=range(count), xticklabels=names, yticklabels=names)
    if longest > 3:  # long names would overlap
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    if count <= READABLE_CLASSES:
        for (i, j), number in np.ndenumerate(matrix):
            axes.text(j, i, str(number), ha="center", va="center", fontsize=8, color="black" if share[i, j] > 0.5 else "white")
    return canvas.save_figure(figure, path)


def plot_filters(weights: Values, path: Path = None, *, title: str = "") -> Plot:
    """Plots the filters of a convolution (F, C, H, W): one row per filter, one column per input channel.

    If C is 1 or 3 (colour), filters form a grid. Grey is 0; each filter has its own scale. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_filters(np.random.default_rng(0).normal(size=(4, 1, 3, 3)))
    """
    filters = canvas.as_array(weights)
    if filters.ndim != 4 or not filters.size:
        raise ValueError(f"plot_filters: expected filters (F, C, H, W), got {filters.shape}")
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    shades = 0.5 + 0.5 * filters / np.where(largest > 0, largest, 1)
    if shades.shape[1] in (1, 3):
        shades = canvas.arrange_grid(shades[:, 0] if shades.shape[1] == 1 else shades.transpose(0, 2, 3, 1))
    return _image_figure(shades, title, path)


def plot_feature_maps(maps: Values, path: Path = None, *, columns: int | None = None, title: str = "") -> Plot:
    """Plots the feature maps of one image, (C, H, W), each scaled to its own range; constant maps are black.

    Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_feature_maps(np.random.default_rng(0).normal(size=(6, 5, 5)), columns=3)
    """
    stack = canvas.as_array(maps)
    if stack.ndim != 3 or not stack.size:
        raise ValueError(f"plot_feature_maps: expected maps (C, H, W), got {stack.shape}")
    low = stack.min(axis=(1, 2), keepdims=True)
    height = stack.max(axis=(1, 2), keepdims=True) - low
    shades = (stack - low) / np.where(height > 0, height, 1)
    return _image_figure(canvas.arrange_grid(shades, columns), title, path)


def _image_figure(grid: Array, title: str, path: Path) -> Plot:
    figure, _ = canvas.sheet_figure(canvas.tile(grid, GAP), title)
    return canvas.save_figure(figure, path)


def plot_gan(real: Curve, fake: Curve, path: Path = None, *, xlabel: str = "iteration", title: str = "") -> Plot:
    """Plots D(x) on real and D(G(z)) on generated images over training, and ½, where both meet at the optimum.

    Raises ValueError if a value lies outside [0, 1], or there are no values.

    Parameters
    ----------
    real, fake : means in [0, 1] (numbers or scalar Tensors) at 1, 2, 3, …, or {position: mean}
    path : the file to write, if any
    xlabel, title : texts of the figure

    Examples
    --------
    >>> from autograd_mini import viz
    >>> figure = viz.plot_gan([0.9, 0.7, 0.6], [0.1, 0.3, 0.4])
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['D(x)', 'D(G(z))', 'equilibrium ½']
    """
    curves = {"D(x)": canvas.curve_points(real), "D(G(z))": canvas.curve_points(fake)}
    values = [v for _, means in curves.values() for v in means]
    if not values or not all(0 <= v <= 1 for v in values):
        raise ValueError(f"plot_gan: expected probabilities in [0, 1], got {values}; if D returns logits, pass sigmoid(logits)")
    figure, axes = canvas.new_figure(title)
    lines = {}
    for (name, (x, y)), colour, line in zip(curves.items(), COLOURS, ("-", "--"), strict=False):
        (lines[name],) = axes.plot(x, y, line, color=colour, label=name, linewidth=2, **canvas.marker_style(y))
    canvas.use_integer_ticks(axes)
    middle = label("equilibrium ½")
    lines[middle] = axes.axhline(0.5, color="black", linestyle=":", label=middle)
    axes.set(xlabel=label(xlabel), ylabel=label("probability of being real"), ylim=(0, 1))
    canvas.add_legend(axes, lines)
    return canvas.save_figure(figure, path)
