"""What all plots share: colours and markers, empty figures, grids of images, and saving.

The colours (Okabe & Ito 2008) are distinguishable for colour-blind readers; line styles and markers differ as well.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from autograd_mini.tensor import Array, Tensor

from ..files import suffix_of, write_atomically
from .texts import literal, repair_texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .plot import Plot

AnyFigure = TypeVar("AnyFigure", bound="Figure")
Path: TypeAlias = "str | os.PathLike[str] | None"
Values: TypeAlias = "Tensor | ArrayLike"
Curve: TypeAlias = "Sequence[Any] | Mapping[Any, Any]"

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800", "#8C564B", "#999999")
LINES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
FORMATS: Final = ("png", "svg", "pdf")
DOTS_PER_INCH: Final = 150
GAP: Final = 2  # pixels of white between images
LEGEND_ROWS: Final = 20
TOLERANCE: Final = 1e-3  # values outside [0, 1] by less come from rounding
LIKELY_BYTES: Final = 16  # a larger value suggests that white is 255
TITLE_HEIGHT: Final = 0.4  # inches above an image
LONGEST_SIDE: Final = 1200  # screen pixels of an image whose pixels are enlarged


def as_array(values: Values) -> Array:
    """Returns the array of a tensor or of anything that NumPy converts to an array."""
    return values._data if isinstance(values, Tensor) else np.asarray(values)


def check_images(caller: str, images: Array) -> Array:
    """Returns images (N, H, W) or (N, H, W, C) as floats (N, H, W) or (N, H, W, 3) in [0, 1].

    C is 1 (grey), 2 (grey and opacity), 3 (colour) or 4 (colour and opacity); images with opacity are shown on white. White is
    255 in uint8, the largest number in other unsigned integers, and 1 otherwise. Raises ValueError for other shapes, and warns
    about values outside the range, which are clipped.
    """
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] > 4) or not images.size:
        hint = "; for images (N, C, H, W) pass images.transpose(0, 2, 3, 1)" if images.ndim == 4 else ""
        raise ValueError(f"{caller}: expected images (N, H, W) or (N, H, W, C) with 1 to 4 channels, got {images.shape}{hint}")
    shades = _to_unit_range(caller, images)
    if shades.ndim == 3:
        return shades
    if shades.shape[-1] % 2 == 0:
        shades = 1 - (1 - shades[..., :-1]) * shades[..., -1:]
    return shades[..., 0] if shades.shape[-1] == 1 else shades


def _to_unit_range(caller: str, images: Array) -> Array:
    if images.dtype.kind == "u":
        return images / np.float32(np.iinfo(images.dtype).max)
    shades = images if images.dtype.kind == "f" else images.astype(np.float32)
    with np.errstate(invalid="ignore"):
        low, high = float(np.nanmin(shades, initial=math.inf)), float(np.nanmax(shades, initial=-math.inf))
    undefined = int(np.isnan(shades).sum())
    if undefined or low < -TOLERANCE or high > 1 + TOLERANCE:
        _warn_about_range(caller, images.dtype, low, high, undefined)
        shades = np.nan_to_num(shades, posinf=1, neginf=0)
    return np.clip(shades, 0, 1)


def _warn_about_range(caller: str, dtype: np.dtype[Any], low: float, high: float, undefined: int) -> None:
    found = f"values from {low:.4g} to {high:.4g}" if low <= high else "values"
    parts = [f"{caller}: expected values from 0 (black) to 1 (white), got {found} in {dtype}, which are clipped"]
    if undefined:
        parts.append(f"{undefined} values are nan, which are black")
    if high > LIKELY_BYTES:
        parts.append("for images from 0 to 255 pass images / 255, or uint8")
    elif low < 0:
        parts.append("for images from −1 to 1 pass (images + 1) / 2")
    warnings.warn("; ".join(parts), stacklevel=4)


def arrange_grid(images: Array, columns: int | None = None) -> Array:
    """Arranges images (N, H, W[, 3]) in a grid (R, C, H, W[, 3]), nearly square by default; unused places are white."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    filler = np.ones((-len(images) % columns, *images.shape[1:]), images.dtype)
    return np.concatenate([images, filler]).reshape(-1, columns, *images.shape[1:])


def tile(grid: Array, gap: int) -> Array:
    """Joins a grid of images (R, C, H, W[, 3]) to one large image with white gaps."""
    padding = [(0, 0), (0, 0), (gap // 2, gap - gap // 2), (gap // 2, gap - gap // 2)] + [(0, 0)] * (grid.ndim - 4)
    padded = np.pad(grid, padding, constant_values=1)
    rows, columns, height, width = padded.shape[:4]
    return padded.swapaxes(1, 2).reshape(rows * height, columns * width, *padded.shape[4:])


def new_figure(title: str, size: tuple[float, float] = (7, 4.5)) -> tuple[Plot, Axes]:
    """Returns an empty figure with one pair of axes, independent of pyplot."""
    from .plot import Plot

    figure = Plot(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def curve_points(curve: Curve) -> tuple[list[float], list[float]]:
    """Returns the x and y values of a curve: a sequence lies at 1, 2, 3, …, a mapping at its keys."""
    positions, values = (curve.keys(), curve.values()) if isinstance(curve, Mapping) else (range(1, len(curve) + 1), curve)
    return list(positions), [float(v) for v in values]


def marker_style(curve: Sequence[float], number: int = 0) -> dict[str, Any]:
    """Returns the marker options of curve `number`.

    Of a curve with more than 30 points only about ten have markers, and none if colours and lines suffice to tell curves apart.
    """
    few, plain = len(curve) <= 30, number < math.lcm(len(COLOURS), len(LINES))
    marker = MARKERS[number % len(MARKERS)] if few or not plain else ""
    return {"marker": marker, "markersize": 5, "markevery": 1 if few else (number % 7, max(len(curve) // 10, 1))}


def add_legend(axes: Axes, names: Mapping[str, Any], title: str = "") -> None:
    """Adds a legend of `names` to artists at the right of the axes, where it covers nothing; the figure becomes wider by it.

    matplotlib itself omits names that start with an underscore. More than 20 names make several columns.
    """
    legend = axes.legend(
        list(names.values()), ["name"] * len(names), title=title or None, frameon=False, loc="upper left",
        bbox_to_anchor=(1.01, 1), borderaxespad=0, ncols=-(-len(names) // LEGEND_ROWS), fontsize="small",
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(literal(name))
    figure: Any = axes.get_figure()
    repair_texts(figure)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + legend.get_window_extent().width / figure.dpi, height)


def use_integer_ticks(axes: Axes) -> None:
    """Shows only integers on the x axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def image_figure(image: Array, title: str, **options: Any) -> tuple[Plot, Axes]:
    """Returns a figure with axes that shows one image with square pixels, without interpolation."""
    height, width = image.shape[:2]
    longest = 8 / max(height, width)
    figure, axes = new_figure(title, (max(width * longest, 2) + 0.5, max(height * longest, 1) + 0.5))
    axes.grid(False)
    left, right, bottom, top = options.get("extent", (0, width, height, 0))
    aspect = abs((right - left) / width) / abs((top - bottom) / height)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect, **options)
    return figure, axes


def sheet_figure(image: Array, title: str) -> tuple[Plot, Axes]:
    """Returns a figure of one image without axes: each pixel of the image is a square of equally many pixels of a saved PNG.

    The title, if there is one, is above the image.
    """
    from .plot import Plot

    height, width = image.shape[:2]
    scale = max(1, round(LONGEST_SIDE / max(height, width))) / DOTS_PER_INCH
    inches, above = height * scale, TITLE_HEIGHT if title else 0.0
    figure = Plot(figsize=(width * scale, inches + above), dpi=DOTS_PER_INCH)
    axes = figure.add_axes((0.0, 0.0, 1.0, inches / (inches + above)))
    axes.set_title(title)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure, axes


def save_figure(figure: AnyFigure, path: Path) -> AnyFigure:
    """Makes all texts showable and saves the figure to `path`, if given, in the format of its suffix; returns the figure."""
    repair_texts(figure)
    if path is not None:
        from .plot import render

        write_atomically(path, render(figure, suffix_of(path, FORMATS), DOTS_PER_INCH))
    return figure
