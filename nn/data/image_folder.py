"""A user's own pictures as a data set: one folder for each class, or a single folder of pictures."""

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
    """The pictures in `root/CLASS/…`, classes in alphabetical order; or those in `root` itself, as one class, if it has no
    folders. They are read when a batch asks for them.

    `dataset[rows]` gives images (N, 3, H, W), or (N, H, W) with `grey`, float32 in [0, 1], and labels (N,), int64. With a
    `size` (H, W) the middle of each picture, cut to that proportion, is scaled to it; without, all must have one size. Pictures
    are turned as their camera noted; of 16 bits the upper 8 are kept. Needs Pillow. FileNotFoundError where there is no
    picture, DataError naming a file that is damaged, has pixels that are no whole numbers, or another size.

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

    def __init__(self, root: str | os.PathLike[str], size: tuple[int, int] | None = None, grey: bool = False) -> None:
        self.root = Path(root)
        self.size = size
        self.grey = grey
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))
        classes = folders or [self.root]
        self.classes = tuple(path.name for path in classes)
        found = [(path, label) for label, folder in enumerate(classes) for path in sorted(folder.rglob("*")) if _picture(path)]
        if not found:
            raise FileNotFoundError(f"{self.root}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
        self.paths = tuple(path for path, _ in found)
        self.labels: NDArray[np.int64] = np.array([label for _, label in found])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        chosen = np.arange(len(self))[rows]
        pictures = [self._read(self.paths[i]) for i in np.atleast_1d(chosen)]
        for i, picture in zip(np.atleast_1d(chosen), pictures, strict=True):
            if picture.shape != pictures[0].shape:
                sizes = f"{picture.shape[:2]}, while others have {pictures[0].shape[:2]}"
                raise DataError(f"{self.paths[i]}: has the size {sizes}; give ImageFolder a size")
        images = np.stack(pictures).astype(np.float32) / np.float32(255) if pictures else self._none()
        images = images if self.grey else images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images.reshape(*chosen.shape, *images.shape[1:])), self.labels[rows]

    def _read(self, path: Path) -> NDArray[np.uint8]:
        image, ops = extra("PIL.Image", "reading pictures"), extra("PIL.ImageOps", "reading pictures")
        try:
            with image.open(path) as file:
                picture = _of_bytes(ops.exif_transpose(file)).convert("L" if self.grey else "RGB")
        except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
            raise DataError(f"{path}: is no picture that can be read: {error}") from error
        if self.size is not None:
            picture = ops.fit(picture, self.size[::-1], image.Resampling.BILINEAR)
        return np.asarray(picture)

    def _none(self) -> Array:
        height, width = self.size or (0, 0)
        return np.empty((0, height, width, *(() if self.grey else (3,))), np.float32)


def _of_bytes(picture: Any) -> Any:
    """16 bits of grey as their upper 8, where Pillow would cut off what is above 255; ValueError for fractions of any range."""
    if picture.mode == "F":
        raise ValueError("its pixels are fractions, whose range is not known; expected whole numbers of 8 or 16 bits")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture) >> 8
    return extra("PIL.Image", "reading pictures").fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
