"""Your own images as a data set: one subfolder per class, or one flat folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Array

from ..extras import extra
from .idx import DataError

SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})


class ImageFolder:
    """The images in `root/CLASS/…`, with classes in alphabetical order; or those in `root`, as one class.

    Images are read when a batch needs them: `dataset[rows]` returns images (N, 3, H, W), or (N, H, W) with `grey`, float32 in
    [0, 1], and labels (N,), int64. With a `size` (H, W), each image is cropped at its centre to this aspect ratio and scaled;
    without, all must have the same size. The orientation that the camera recorded is applied, and of 16 bits the upper 8 are
    used. Needs Pillow. Raises FileNotFoundError if there are no images, and DataError if a file is damaged, has pixels that
    are not integers, or has a different size.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from autograd_mini import nn
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (root / name).mkdir()
    ...     Image.new("RGB", (40, 30), "white").save(root / name / "1.png")
    >>> pictures = nn.data.ImageFolder(root, size=(16, 16))
    >>> images, labels = pictures[:]
    >>> images.shape, labels, pictures.classes
    ((2, 3, 16, 16), array([0, 1]), ('cats', 'dogs'))
    """

    by_rows = True

    def __init__(self, root: str | os.PathLike[str], size: tuple[int, int] | None = None, grey: bool = False) -> None:
        self.root = Path(root)
        self.size = size
        self.grey = grey
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))
        classes = folders or [self.root]
        self.classes = tuple(path.name for path in classes)
        files = [(path, label) for label, folder in enumerate(classes) for path in sorted(folder.rglob("*")) if _is_image(path)]
        if not files:
            raise FileNotFoundError(f"{self.root}: no images ({', '.join(sorted(SUFFIXES))})")
        self.paths = tuple(path for path, _ in files)
        self.labels: NDArray[np.int64] = np.array([label for _, label in files])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        indices = np.arange(len(self))[rows]
        arrays = [self._read(self.paths[i]) for i in np.atleast_1d(indices)]
        for i, array in zip(np.atleast_1d(indices), arrays, strict=True):
            if array.shape != arrays[0].shape:
                sizes = f"{array.shape[:2]}, while others have {arrays[0].shape[:2]}"
                raise DataError(f"{self.paths[i]}: has the size {sizes}; pass a size to ImageFolder")
        images = np.stack(arrays).astype(np.float32) / np.float32(255) if arrays else self._no_images()
        images = images if self.grey else images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images.reshape(*indices.shape, *images.shape[1:])), self.labels[rows]

    def _read(self, path: Path) -> NDArray[np.uint8]:
        image, ops = extra("PIL.Image", "reading images"), extra("PIL.ImageOps", "reading images")
        try:
            with image.open(path) as file:
                picture = _to_8_bits(ops.exif_transpose(file)).convert("L" if self.grey else "RGB")
        except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
            raise DataError(f"{path}: cannot be read as an image: {error}") from error
        if self.size is not None:
            picture = ops.fit(picture, self.size[::-1], image.Resampling.BILINEAR)
        return np.asarray(picture)

    def _no_images(self) -> Array:
        height, width = self.size or (0, 0)
        return np.empty((0, height, width, *(() if self.grey else (3,))), np.float32)


def _to_8_bits(picture: Any) -> Any:
    """Keeps the upper 8 bits of 16-bit grey images; Pillow would clip values above 255. Raises ValueError for float pixels."""
    if picture.mode == "F":
        raise ValueError("its pixels are floats of unknown range; expected integers of 8 or 16 bits")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture) >> 8
    return extra("PIL.Image", "reading images").fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
