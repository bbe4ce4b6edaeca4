"""Animations of image batches, such as samples from the same noise at each epoch. Needs Pillow, a matplotlib dependency."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array

from ..files import suffix_of, write_atomically
from .canvas import GAP, Values, arrange_grid, as_array, check_images, tile

FORMATS: Final = ("gif", "png", "apng")
PAUSE: Final = 4  # the last frame is shown this many times as long as the others


def save_animation(
    frames: Sequence[Values],
    path: str | os.PathLike[str],
    *,
    columns: int | None = None,
    milliseconds: int = 300,
    scale: int = 3,
) -> None:
    """Writes a sequence of image batches as an endless GIF (.gif) or animated PNG (.png, .apng); each batch is one frame.

    Raises ValueError for other shapes or suffixes.

    Parameters
    ----------
    frames : batches (N, H, W) or (N, H, W, C) with values in [0, 1], as in `plot_images`, all of one shape
    path : the file to write; its suffix is the format
    columns : images in a row of a frame; nearly square by default
    milliseconds : duration of each frame; the last one is shown four times as long
    scale : screen pixels for each image pixel

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> from autograd_mini import viz
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.gif"
    >>> viz.save_animation([np.zeros((4, 8, 8)), np.ones((4, 8, 8))], path)
    >>> path.read_bytes()[:6]
    b'GIF89a'
    """
    from PIL import Image

    suffix = suffix_of(path, FORMATS)
    batches = [check_images("save_animation", as_array(frame)) for frame in frames]
    if not batches or len({batch.shape for batch in batches}) > 1:
        raise ValueError(f"save_animation: expected batches of one shape, got {sorted({batch.shape for batch in batches})}")
    images = [Image.fromarray(_sheet(batch, columns, scale)) for batch in batches]
    options: dict[str, Any] = {"format": "GIF", "disposal": 1} if suffix == "gif" else {"format": "PNG"}
    lengths = [milliseconds] * (len(images) - 1) + [milliseconds * PAUSE]
    buffer = io.BytesIO()
    images[0].save(buffer, save_all=True, append_images=images[1:], duration=lengths, loop=0, **options)
    write_atomically(path, buffer.getvalue())


def _sheet(batch: Array, columns: int | None, scale: int) -> Array:
    """Returns a batch as one uint8 image with `columns` images in a row, nearly square by default."""
    sheet = tile(arrange_grid(batch, columns), GAP)
    return np.rint(sheet * 255).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
