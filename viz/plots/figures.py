"""Figures of trained models: latent plane, surfaces of a regression, confusion, filters, feature maps, a GAN's balance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Array, Shape, Tensor

from .canvas import COLOURS, GAP, Curve, Path, Values, array_of, blank, block, counted, course, dotted, finished, sheet, tiled
from .learning import plot_manifold

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Extent: TypeAlias = tuple[float, float, float, float]

READABLE_CLASSES: Final = 20  # beyond it counts in the cells of a confusion matrix are too small to read


def plane(extent: Extent, size: int) -> Array:
    """A grid of size × size points of the plane as rows (size², 2), top row first, left to right.

    >>> from autograd_mini.viz.plots.figures import plane
    >>> plane((0, 1, 0, 1), 2).tolist()
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
) -> Figure:
    """What a decoder makes of a grid of size × size points of its 2-D latent space, each image at its point.

    `decode` takes points (N, 2) and returns N images in [0, 1] of `image_shape`, (H, W) or (H, W, 3), in any shape that starts
    with N; it is not recorded. `options` go to `plot_manifold`. ValueError where the images do not fit.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_latent_plane(lambda z: z[:, :1] * 0, image_shape=(1, 1), size=3)
    """
    with ag.no_grad():
        images = array_of(decode(Tensor(plane(extent, size).astype(ag.default_dtype()))))
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
) -> Figure:
    """Functions of two variables as 3-D surfaces side by side, on one scale: the truth, say, and what a model learnt.

    Each takes points (N, 2), float64, and returns N values in any shape; it is not recorded. ValueError for an empty mapping or
    other numbers of values.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_surface({"x y": lambda p: p[:, 0] * p[:, 1]}, size=5)
    >>> figure.axes[0].get_title()
    'x y'
    """
    from matplotlib.figure import Figure

    if not surfaces:
        raise ValueError("plot_surface: expected {name: function}, got nothing")
    points = plane(extent, size)
    with ag.no_grad():
        heights = {name: array_of(function(points)) for name, function in surfaces.items()}
    for name, z in heights.items():
        if z.size != size * size:
            raise ValueError(f"plot_surface: {name!r} must give {size * size} values for that many points, got {z.shape}")
    x, y = points.reshape(size, size, 2).transpose(2, 0, 1)
    low, high = min(z.min() for z in heights.values()), max(z.max() for z in heights.values())
    figure = Figure(figsize=(4 * len(heights), 3.6), layout="constrained")
    figure.suptitle(title)
    for i, (name, z) in enumerate(heights.items()):
        axes: Any = figure.add_subplot(1, len(heights), i + 1, projection="3d")
        axes.plot_surface(x, y, z.reshape(size, size), cmap="cividis", vmin=low, vmax=high, linewidth=0)
        axes.set(title=name, xlabel="$x_1$", ylabel="$x_2$", zlim=(low, high))
    return finished(figure, path)


def plot_confusion(
    targets: Values, predictions: Values, path: Path = None, *, classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """How often each class, a row, was taken for each class, a column: counts, coloured by their share of the row.

    `targets` and `predictions` are integers (N,) from 0; `classes` are names. Raises ValueError for other shapes or numbers.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_confusion([0, 1, 1], [0, 1, 0])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '1', '1']
    """
    truth, guess = array_of(targets), array_of(predictions)
    if truth.ndim != 1 or truth.shape != guess.shape or not truth.size:
        raise ValueError(f"plot_confusion: expected two arrays (N,), got {truth.shape} and {guess.shape}")
    if truth.dtype.kind not in "iu" or guess.dtype.kind not in "iu" or min(truth.min(), guess.min()) < 0:
        raise ValueError("plot_confusion: expected classes as integers from 0")
    count = max(int(truth.max()), int(guess.max())) + 1 if classes is None else len(classes)
    if max(truth.max(), guess.max()) >= count:
        raise ValueError(f"plot_confusion: {count} class names for classes up to {max(truth.max(), guess.max())}")
    names = [str(i) for i in range(count)] if classes is None else list(classes)
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (truth, guess), 1)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = blank(title, (1.6 + 0.45 * count, 1.4 + 0.45 * count))
    axes.grid(False)
    shown = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(shown, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", xticks=range(count), yticks=range(count), xticklabels=names, yticklabels=names)
    if max(map(len, map(str, names)), default=0) > 3:  # long names would run into each other
        axes.tick_params(axis="x", rotation=45)
    if count <= READABLE_CLASSES:
        for (i, j), number in np.ndenumerate(matrix):
            axes.text(j, i, str(number), ha="center", va="center", fontsize=8, color="black" if share[i, j] > 0.5 else "white")
    return finished(figure, path)


def plot_filters(weights: Values, path: Path = None, *, title: str = "") -> Figure:
    """The filters of a convolution (F, C, H, W): a row for each and a column for each input channel; a block where C is 1 or 3.

    Filters of three channels are shown in colour. Grey is 0 and each filter has a scale of its own, so that its shape shows.
    Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_filters(np.random.default_rng(0).normal(size=(4, 1, 3, 3)))
    """
    filters = array_of(weights)
    if filters.ndim != 4 or not filters.size:
        raise ValueError(f"plot_filters: expected filters (F, C, H, W), got {filters.shape}")
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    shades = 0.5 + 0.5 * filters / np.where(largest > 0, largest, 1)
    if shades.shape[1] in (1, 3):
        shades = block(shades[:, 0] if shades.shape[1] == 1 else shades.transpose(0, 2, 3, 1))
    return _sheet(shades, title, path)


def plot_feature_maps(maps: Values, path: Path = None, *, columns: int | None = None, title: str = "") -> Figure:
    """The feature maps of one image, (C, H, W), each stretched over its own range; constant maps are black.

    Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_feature_maps(np.random.default_rng(0).normal(size=(6, 5, 5)), columns=3)
    """
    stack = array_of(maps)
    if stack.ndim != 3 or not stack.size:
        raise ValueError(f"plot_feature_maps: expected maps (C, H, W), got {stack.shape}")
    low = stack.min(axis=(1, 2), keepdims=True)
    height = stack.max(axis=(1, 2), keepdims=True) - low
    shades = (stack - low) / np.where(height > 0, height, 1)
    return _sheet(block(shades, columns), title, path)


def _sheet(grid: Array, title: str, path: Path) -> Figure:
    figure, axes = sheet(tiled(grid, GAP), title)
    axes.set_axis_off()
    return finished(figure, path)


def plot_gan(real: Curve, fake: Curve, path: Path = None, *, xlabel: str = "iteration", title: str = "") -> Figure:
    """D(x) on real and D(G(z)) on generated images over training, and the line ½ where both meet at the optimum.

    Both are means in [0, 1] at 1, 2, 3, … (numbers or scalar Tensors), or {place: mean}. ValueError outside [0, 1], or where
    both are empty.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_gan([0.9, 0.7, 0.6], [0.1, 0.3, 0.4])
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['D(x)', 'D(G(z))', 'equilibrium ½']
    """
    curves = {"D(x)": course(real), "D(G(z))": course(fake)}
    values = [v for _, means in curves.values() for v in means]
    if not values or not all(0 <= v <= 1 for v in values):
        raise ValueError("plot_gan: expected probabilities in [0, 1]; pass sigmoid(logits) where D gives logits")
    figure, axes = blank(title)
    for (name, (x, y)), colour, line in zip(curves.items(), COLOURS, ("-", "--"), strict=False):
        axes.plot(x, y, line, color=colour, label=name, linewidth=2, **dotted(y))
    counted(axes)
    axes.axhline(0.5, color="black", linestyle=":", label="equilibrium ½")
    axes.set(xlabel=xlabel, ylabel="probability of being real", ylim=(0, 1))
    axes.legend(frameon=False)
    return finished(figure, path)
