"""Converts images to another size and another number of channels, and finds the shape that the files of a folder have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Array

from ...extras import extra

LUMINANCE: Final = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey, as in ITU-R BT.601 and Pillow
GREY_MODES: Final = frozenset({"1", "L", "LA", "La", "I", "F"})  # of Pillow, with the variants of "I" such as "I;16"
SAMPLED_FILES: Final = 1000  # files of a folder whose headers are read
QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})  # orientations of a camera that exchange height and width
ORIENTATION: Final = 0x0112  # tag of the orientation in Exif
_CHUNK: Final = 1 << 22  # pixels converted at once


def convert_images(images: Array, shape: Sequence[int]) -> Array:
    """Returns images (N, H, W) or (N, C, H, W) in the shape (C, H, W) that is requested, without a channel axis if C is 1.

    Images are cropped at the centre to the aspect ratio and scaled, so that shapes in them are not distorted. Grey images
    become colour images with equal channels; colour becomes grey by `LUMINANCE`. Two channels are grey and opacity, four are
    colour and opacity; a new opacity is 1, and one that is dropped is ignored.

    >>> import numpy as np
    >>> from autograd_mini.nn.data.pictures.resize import convert_images
    >>> convert_images(np.zeros((5, 28, 28), np.float32), (3, 30, 50)).shape
    (5, 3, 30, 50)
    """
    channels, *size = shape
    planes = images if images.ndim == 4 else images[:, None]
    count = max(1, _CHUNK // max(1, planes[0].size)) if len(planes) else 1
    parts = [
        convert_channels(resize_images(planes[i : i + count], size), channels) for i in range(0, max(len(planes), 1), count)
    ]
    result = np.concatenate(parts)
    return result[:, 0] if channels == 1 else result


def convert_channels(images: Array, channels: int) -> Array:
    """Returns images (N, C, H, W) with another number of channels, 1 to 4; see `convert_images`.

    >>> import numpy as np
    >>> from autograd_mini.nn.data.pictures.resize import convert_channels
    >>> convert_channels(np.full((1, 3, 1, 1), 0.5), 2).ravel().tolist()
    [0.5, 1.0]
    """
    present = images.shape[1]
    if present == channels:
        return images
    colours, opacity = (images[:, :-1], images[:, -1:]) if present % 2 == 0 else (images, np.ones_like(images[:, :1]))
    if channels <= 2 and colours.shape[1] == 3:
        colours = np.einsum("nchw,c->nhw", colours, np.asarray(LUMINANCE, images.dtype))[:, None]
    elif channels > 2 and colours.shape[1] == 1:
        colours = colours.repeat(3, axis=1)
    return np.concatenate([colours, opacity], axis=1) if channels % 2 == 0 else colours


def resize_images(images: Array, size: Sequence[int]) -> Array:
    """Returns images (…, H, W) cropped at the centre to the aspect ratio of `size`, (H′, W′), and scaled to it.

    Scaling is linear interpolation, over as many pixels as the reduction needs (the triangle filter of Pillow's BILINEAR).

    >>> import numpy as np
    >>> from autograd_mini.nn.data.pictures.resize import resize_images
    >>> resize_images(np.array([[0.0, 1.0, 2.0, 3.0]]), (1, 2))
    array([[1., 2.]])
    """
    height, width = images.shape[-2:]
    if (height, width) == tuple(size):
        return images
    scale = min(height / size[0], width / size[1])
    down, across = (
        _weights(length, out, scale).astype(images.dtype) for length, out in zip((height, width), size, strict=True)
    )
    return down @ images @ across.T


@lru_cache(maxsize=16)
def _weights(length: int, out: int, scale: float) -> NDArray[np.float64]:
    """Returns the matrix (out, length) that scales the middle `out` × `scale` pixels of an axis to `out` pixels."""
    start = (length - out * scale) / 2
    centres = start + (np.arange(out) + 0.5) * scale
    triangles = np.maximum(0, 1 - np.abs(np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1.0))
    return triangles / triangles.sum(axis=1, keepdims=True)


def shapes_of_files(paths: Sequence[Path]) -> Counter[tuple[int, int, int]]:
    """Returns how many picture files have which shape (C, H, W); C is 1 for grey and 3 for colour.

    Only headers are read, and at most 1000 files, evenly spaced. Files that cannot be read are not counted.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from autograd_mini.nn.data.pictures.resize import shapes_of_files
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "1.png"
    >>> Image.new("RGB", (50, 30)).save(path)
    >>> shapes_of_files([path])
    Counter({(3, 30, 50): 1})
    """
    step = -(-len(paths) // SAMPLED_FILES) or 1
    return Counter(shape for path in paths[::step] if (shape := _shape_of_file(path)))


def _shape_of_file(path: Path) -> tuple[int, int, int] | None:
    image = extra("PIL.Image", "reading images")
    try:
        with image.open(path) as file:
            width, height = file.size
            if _orientation(file) in QUARTER_TURNS:
                width, height = height, width
            return 1 if file.mode in GREY_MODES or file.mode.startswith("I;") else 3, height, width
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError):
        return None


def _orientation(file: Any) -> int:
    """Returns the orientation that the camera recorded; a PNG has it in its header, and is not read further."""
    return file.getexif().get(ORIENTATION, 1) if file.format != "PNG" or "exif" in file.info else 1
