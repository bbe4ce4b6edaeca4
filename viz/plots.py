"""Plots of data and of learning. Each returns a matplotlib Figure, free of pyplot's state, and writes it if given a path.

Colours are those of Okabe & Ito (2008), which colour-blind readers tell apart; line styles and markers differ too.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from autograd_mini.tensor import Array, Shape, Tensor

from .files import suffix_of, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Path: TypeAlias = "str | os.PathLike[str] | None"
Values: TypeAlias = "Tensor | ArrayLike"

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800")
LINES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
FORMATS: Final = ("png", "svg", "pdf")
DOTS_PER_INCH: Final = 150
GAP: Final = 2  # pixels of white between images


def plot_losses(
    history: Mapping[str, Sequence[Any]], path: Path = None, *, xlabel: str = "epoch", ylabel: str = "loss", title: str = ""
) -> Figure:
    """A curve for each entry of `history`: name to values at 1, 2, 3, … (numbers or scalar Tensors), not all equally long.

    Raises ValueError for an empty history, or a suffix of `path` other than .png, .svg and .pdf.

    >>> from autograd_mini import viz
    >>> figure = viz.plot_losses({"train": [1.0, 0.5, 0.4], "validation": [1.1, 0.7, 0.6]})
    >>> figure.axes[0].get_xlabel()
    'epoch'
    """
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise ValueError("plot_losses: the history is empty; expected {name: values}")
    figure, axes = _figure(title)
    for i, (name, curve) in enumerate(history.items()):
        y = [float(v) for v in curve]
        marker = MARKERS[i % len(MARKERS)] if len(y) <= 30 else ""
        style: dict[str, Any] = {"linestyle": LINES[i % len(LINES)], "color": COLOURS[i % len(COLOURS)], "marker": marker}
        axes.plot(range(1, len(y) + 1), y, label=name, markersize=5, linewidth=2, **style)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return _finished(figure, path)


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
    xy, classes = _array(points), _array(labels)
    if xy.ndim != 2 or xy.shape[1] != 2 or classes.shape != xy.shape[:1]:
        raise ValueError(f"plot_scatter: expected points (N, 2) and labels (N,), got {xy.shape} and {classes.shape}")
    figure, axes = _figure(title, (6, 5))
    for i, label in enumerate(np.unique(classes)):
        x, y = xy[classes == label].T
        axes.scatter(
            x, y, s=24, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=str(label),
            alpha=0.8, linewidths=0.4, edgecolors="white",
        )  # fmt: skip
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(title="class", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _finished(figure, path)


def plot_images(images: Values, path: Path = None, *, columns: int | None = None, title: str = "") -> Figure:
    """Images (N, H, W) or (N, H, W, 3) with values in [0, 1] in a grid, by rows; nearly square unless `columns` says otherwise.

    Values outside [0, 1] are clipped. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_images(np.zeros((6, 8, 8)), columns=3)
    """
    stack = _images("plot_images", _array(images))
    columns = columns or math.ceil(math.sqrt(len(stack)))
    blank = np.ones((-len(stack) % columns, *stack.shape[1:]), stack.dtype)
    grid = np.concatenate([stack, blank]).reshape(-1, columns, *stack.shape[1:])
    figure, axes = _canvas(_tiled(grid, GAP), title)
    axes.set_axis_off()
    return _finished(figure, path)


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
    pair = [_array(originals), _array(reconstructions)]
    count = len(pair[0])
    if any(a.size != count * math.prod(image_shape) for a in pair):
        raise ValueError(
            f"plot_reconstructions: {count} images of shape {image_shape} do not fit {pair[0].shape} and {pair[1].shape}"
        )
    grid = np.stack([_images("plot_reconstructions", a.reshape(count, *image_shape)) for a in pair])
    figure, axes = _canvas(_tiled(grid, GAP), title)
    height = image_shape[0] + GAP
    axes.set(xticks=[], yticks=[height / 2, height * 1.5], yticklabels=["original", "reconstruction"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _finished(figure, path)


def plot_manifold(
    images: Values,
    path: Path = None,
    *,
    extent: tuple[float, float, float, float] = (-2, 2, -2, 2),
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str = "",
) -> Figure:
    """A decoder's images over a grid in the latent plane, (R, C, H, W) or (R, C, H, W, 3) in [0, 1], the first row on top.

    `extent` is the plane's (left, right, bottom, top) in latent units. Raises ValueError for other shapes.

    >>> import numpy as np
    >>> from autograd_mini import viz
    >>> figure = viz.plot_manifold(np.zeros((5, 5, 8, 8)))
    """
    grid = _array(images)
    if grid.ndim < 4:
        raise ValueError(f"plot_manifold: expected images (R, C, H, W) or (R, C, H, W, 3), got {grid.shape}")
    rows, columns = grid.shape[:2]
    flat = _images("plot_manifold", grid.reshape(rows * columns, *grid.shape[2:]))
    figure, axes = _canvas(_tiled(flat.reshape(grid.shape), 0), title, extent=extent)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return _finished(figure, path)


def _array(values: Values) -> Array:
    return values._data if isinstance(values, Tensor) else np.asarray(values)


def _images(caller: str, images: Array) -> Array:
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3) or not images.size:
        raise ValueError(f"{caller}: expected images (N, H, W) or (N, H, W, 3), got {images.shape}")
    return np.clip(images, 0, 1)


def _tiled(grid: Array, gap: int) -> Array:
    """Images (R, C, H, W[, 3]) as one large image, white between them."""
    padding = [(0, 0), (0, 0), (gap // 2, gap - gap // 2), (gap // 2, gap - gap // 2)] + [(0, 0)] * (grid.ndim - 4)
    padded = np.pad(grid, padding, constant_values=1)
    rows, columns, height, width = padded.shape[:4]
    return padded.swapaxes(1, 2).reshape(rows * height, columns * width, *padded.shape[4:])


def _figure(title: str, size: tuple[float, float] = (7, 4.5)) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _canvas(image: Array, title: str, **options: Any) -> tuple[Figure, Axes]:
    """A figure that shows one image, as sharp as its pixels."""
    height, width = image.shape[:2]
    longest = 8 / max(height, width)
    figure, axes = _figure(title, (max(width * longest, 2) + 0.5, max(height * longest, 1) + 0.5))
    axes.grid(False)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)
    return figure, axes


def _finished(figure: Figure, path: Path) -> Figure:
    if path is not None:
        suffix = suffix_of(path, FORMATS)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, dpi=DOTS_PER_INCH)
        write_atomically(path, buffer.getvalue())
    return figure
