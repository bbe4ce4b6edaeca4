"""Images over time as one moving file: the same noise drawn at each epoch, say. Needs Pillow, which matplotlib brings."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array

from ..files import suffix_of, write_atomically
from .canvas import GAP, Values, array_of, block, checked_images, tiled

FORMATS: Final = ("gif", "png", "apng")
PAUSE: Final = 4  # the last frame stands that many times as long as the others


def save_animation(
    frames: Sequence[Values],
    path: str | os.PathLike[str],
    *,
    columns: int | None = None,
    milliseconds: int = 300,
    scale: int = 3,
) -> None:
    """Writes a sequence of image batches as a GIF (.gif) or an animated PNG (.png, .apng), each batch one sheet of images.

    Each frame is (N, H, W) or (N, H, W, 3) in [0, 1], all of one shape, and is shown for so many milliseconds, the last one
    four times as long; then the film repeats. A pixel is `scale` pixels wide on the
    screen. Raises ValueError for other shapes or suffixes.

    >>> import numpy as np, tempfile, pathlib
    >>> from autograd_mini import viz
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "samples.gif"
    >>> viz.save_animation([np.zeros((4, 8, 8)), np.ones((4, 8, 8))], path)
    >>> path.read_bytes()[:6]
    b'GIF89a'
    """
    from PIL import Image

    suffix = suffix_of(path, FORMATS)
    batches = [checked_images("save_animation", array_of(frame)) for frame in frames]
    if not batches or len({batch.shape for batch in batches}) > 1:
        raise ValueError(f"save_animation: expected batches of one shape, got {sorted({batch.shape for batch in batches})}")
    images = [Image.fromarray(_sheet(batch, columns, scale)) for batch in batches]
    options: dict[str, Any] = {"format": "GIF", "disposal": 1} if suffix == "gif" else {"format": "PNG"}
    lengths = [milliseconds] * (len(images) - 1) + [milliseconds * PAUSE]
    buffer = io.BytesIO()
    images[0].save(buffer, save_all=True, append_images=images[1:], duration=lengths, loop=0, **options)
    write_atomically(path, buffer.getvalue())


def _sheet(batch: Array, columns: int | None, scale: int) -> Array:
    """A batch as one image of bytes, rows of `columns`, nearly square by default."""
    sheet = tiled(block(batch, columns), GAP)
    return np.rint(sheet * 255).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
