"""Writes generated images for other programs: single files or one array, at the resolution of the model.

Images are generated in batches whose size depends only on the shape of an image, so the same seed gives the same bytes, and a
folder of single files needs the memory of one batch.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.nn.extras import extra, progress_bar
from autograd_mini.tensor import Shape, Tensor
from autograd_mini.tools.atomic_files import atomic_write
from autograd_mini.tools.locks import LOCK, FolderClaim

from .plots import pictures

IMAGES_PER_BATCH: Final = 500
VALUES_PER_BATCH: Final = 1 << 22  # fewer images in a batch if they are large
OURS: Final = re.compile(r"\d+(-\d+)?\.png")  # names of files that an export may replace

Draw = Callable[[int, int], Tensor]  # (number of images, number of the first one) -> images


class Format(StrEnum):
    """What `sample` writes: a picture of all images, single files, or one array."""

    grid = "grid"
    png = "png"
    npz = "npz"


def generate(draw: Draw, n: int, shape: Shape) -> Iterator[NDArray[np.uint8]]:
    """Yields `n` images of `shape`, (C, H, W), in batches (B, H, W) or (B, H, W, C) of bytes; 255 is white.

    >>> import autograd_mini as ag
    >>> from autograd_mini.cli.export import generate
    >>> [batch.shape for batch in generate(lambda count, first: ag.zeros((count, 3, 30, 50)), 700, (3, 30, 50))]
    [(500, 30, 50, 3), (200, 30, 50, 3)]
    """
    at_once = max(1, min(IMAGES_PER_BATCH, VALUES_PER_BATCH // int(np.prod(shape))))
    for first in range(0, n, at_once):
        images = pictures(draw(min(at_once, n - first), first), shape)
        yield np.rint(images * 255).astype(np.uint8)


def write_files(draw: Draw, n: int, shape: Shape, folder: Path, labels: NDArray[np.int64] | None = None) -> None:
    """Writes `n` images as PNG files to a folder: 00000.png, 00001.png, …, or 00000-LABEL.png, … if they have labels.

    The folder appears when all files are complete. It may replace an earlier export, but no other files.

    Parameters
    ----------
    draw    returns images, given their number and the number of the first one
    n       number of images
    shape   (C, H, W)
    folder  the folder to write
    labels  the class of each image, (n,); None: no labels

    Raises
    ------
    ValueError        if the folder contains other files
    FolderInUseError  if another process is writing it

    >>> import pathlib, tempfile
    >>> import autograd_mini as ag
    >>> from autograd_mini.cli.export import write_files
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "images"
    >>> write_files(lambda count, first: ag.ones((count, 1, 8, 8)), 2, (1, 8, 8), folder)
    >>> sorted(path.name for path in folder.iterdir())
    ['00000.png', '00001.png']
    """
    image = extra("PIL.Image", "writing images")
    with _replace_folder(folder) as temporary, progress_bar("writing images", total=n, desc="images") as bar:
        number = 0
        for batch in generate(draw, n, shape):
            for pixels in batch:
                label = "" if labels is None else f"-{labels[number]}"
                image.fromarray(pixels).save(temporary / f"{number:05d}{label}.png")
                number += 1
            bar.update(len(batch))


def write_array(draw: Draw, n: int, shape: Shape, path: Path, labels: NDArray[np.int64] | None = None) -> None:
    """Writes `n` images as the array `images`, bytes (n, H, W) or (n, H, W, C), to an .npz file; 255 is white.

    Labels become the array `labels`. Raises ValueError if the name does not end in .npz. Parameters are those of `write_files`.

    >>> import pathlib, tempfile
    >>> import autograd_mini as ag, numpy as np
    >>> from autograd_mini.cli.export import write_array
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "images.npz"
    >>> write_array(lambda count, first: ag.ones((count, 3, 8, 8)), 2, (3, 8, 8), path)
    >>> np.load(path)["images"].shape
    (2, 8, 8, 3)
    """
    if path.suffix.lower() != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    channels, *size = shape
    images = np.empty((n, *size, *([channels] if channels > 1 else [])), np.uint8)
    done = 0
    with progress_bar("generating images", total=n, desc="images") as bar:
        for batch in generate(draw, n, shape):
            images[done : done + len(batch)] = batch
            done += len(batch)
            bar.update(len(batch))
    arrays: dict[str, Any] = {"images": images} if labels is None else {"images": images, "labels": labels}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


@contextmanager
def _replace_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder next to `folder`, which replaces it when the block ends without an error.

    A killed process leaves the folder `.NAME.tmp`, which the next export to the same place uses.
    """
    if folder.exists() and not (folder.is_dir() and all(OURS.fullmatch(path.name) for path in folder.iterdir())):
        raise ValueError(f"{folder}: exists and has other files than an export of images; choose another --out")
    temporary = folder.with_name(f".{folder.name}.tmp")
    temporary.mkdir(parents=True, exist_ok=True)
    claim = FolderClaim(temporary)
    try:
        with claim:
            for path in temporary.iterdir():
                if path.name != LOCK:
                    path.unlink()
            yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)
