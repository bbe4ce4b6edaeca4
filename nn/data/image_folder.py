"""Your own images as a data set: one subfolder per class, train and test folders, or one flat folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Array

from ..extras import say
from .idx import DataError
from .pictures.cache import cache_path, fingerprint, read_cache, write_cache
from .pictures.decode import Decoder
from .pictures.layout import find_pictures
from .pictures.load import MANY, Pictures, decode_all, large_pictures
from .subsets import Subset, stratified_split


class ImageFolder:
    """The images in `root/CLASS/…`, or in `root/train/CLASS/…` and `root/test/CLASS/…`; or those in `root`, as one class.

    Classes are in alphabetical order, with numbers in the order of their values; folders inside a class belong to it. What is
    skipped (hidden files and folders, folders without images, folders of training runs) is printed in one line.

    `dataset[rows]` returns images (N, C, H, W), or (N, H, W) with one channel, float32 in [0, 1], and labels (N,), int64.
    Images are read when they are needed, or by `load`, all at once. The orientation that the camera recorded is applied;
    animations give their first image; greys of 12 and 16 bits are scaled from their range. Reads all formats of Pillow.

    Parameters
    ----------
    root          the folder
    size          (H, W): each image is cropped at its centre to this aspect ratio and scaled; None: all must have one size
    grey          whether images have one channel
    channels      1 is grey, 2 grey with alpha, 3 colour, 4 colour with alpha; None: by `grey`
    classes       the classes to use, in the order of their labels; None: all
    background    the colour under transparent pixels: a name, or #rrggbb
    skip_damaged  whether files that cannot be read are reported and left out; this decodes all images at once
    quiet         whether the line on what is skipped is left out

    Raises
    ------
    FileNotFoundError  if there is no such folder, or no image in it
    ValueError         if it is the folder of a training run, a class or its test folder is missing, or an argument is wrong
    DataError          if a file is damaged, its range of greys is unknown, or it has a different size

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

    def __init__(
        self,
        root: str | os.PathLike[str],
        size: tuple[int, int] | None = None,
        grey: bool = False,
        *,
        channels: int | None = None,
        classes: Sequence[str] | None = None,
        background: str = "white",
        skip_damaged: bool = False,
        quiet: bool = False,
    ) -> None:
        self.decoder = Decoder(size, (1 if grey else 3) if channels is None else channels, background)
        layout = find_pictures(root)
        if layout.skipped and not quiet:
            say(layout.skipped)
        self.root = layout.root
        self.has_classes = bool(layout.classes)
        self.classes = layout.classes or (self.root.name,)
        self.paths, self.labels, self.is_test = layout.paths, layout.labels, layout.is_test
        self._images: NDArray[np.uint8] | None = None
        if classes is not None:
            self.select_classes(classes)
        if skip_damaged:
            self.load(skip_damaged=True)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"<ImageFolder {str(self.root)!r}: {len(self):,} images, {len(self.classes)} classes>"

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        indices = np.arange(len(self))[rows]
        if self._images is not None:
            images = self._images[indices]
        else:
            images = decode_all([self.paths[i] for i in indices.ravel()], self.decoder).images
            images = images.reshape(*indices.shape, *images.shape[1:])
        return np.divide(images, 255, dtype=np.float32), self.labels[rows]

    @property
    def names(self) -> list[str]:
        """The paths of the files below the folder, with slashes."""
        start = len(os.path.join(self.root, ""))
        return [str(path)[start:].replace(os.sep, "/") for path in self.paths]

    def load(self, skip_damaged: bool = False, progress: bool = True) -> ImageFolder:
        """Decodes all images and keeps them in memory, one byte per value; returns this data set.

        Several threads decode; `progress` shows a bar, or without a terminal prints a line. The images of a folder with 100 or
        more are written to the cache, `nn.data.fetch.cache_folder()`, and read from there while names, sizes and times of
        all files stay the same. With `skip_damaged`, files that cannot be read are reported and left out; DataError is raised
        without it, or if none is left.

        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from autograd_mini import nn
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(root / "1.png")
        >>> nn.data.ImageFolder(root, grey=True).load()[:][0].shape
        (1, 8, 8)
        """
        if self._images is None:
            with large_pictures():
                self._keep(self._decode(skip_damaged, progress))
        return self

    def select_classes(self, classes: Sequence[str]) -> ImageFolder:
        """Keeps only the images of some classes, whose order is that of the new labels; returns this data set.

        Raises ValueError if a class is unknown or occurs twice.

        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from autograd_mini import nn
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("cats", "cows", "dogs"):
        ...     (root / name).mkdir()
        ...     Image.new("L", (8, 8)).save(root / name / "1.png")
        >>> pictures = nn.data.ImageFolder(root).select_classes(["dogs", "cats"])
        >>> pictures.classes, [path.parent.name for path in pictures.paths]
        (('dogs', 'cats'), ['dogs', 'cats'])
        """
        names, present = tuple(classes), self.classes if self.has_classes else ()
        if not names or len(set(names)) < len(names) or set(names) - set(present):
            raise ValueError(f"{self.root}: classes={names}: expected different names out of {', '.join(present) or 'none'}")
        new_label = np.full(len(present), -1)
        new_label[[present.index(name) for name in names]] = np.arange(len(names))
        labels = new_label[self.labels]
        in_test = 0 if self.is_test is None else self.is_test
        rows = np.argsort(labels + len(names) * in_test, kind="stable")
        self.classes = names
        self._take(rows[labels[rows] >= 0], labels)
        return self

    def split(self, test_share: float = 0.2, seed: int = 0) -> tuple[Subset, Subset]:
        """Returns the images for training and for testing: those of the train and test folders, or else a share of each class.

        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from autograd_mini import nn
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> for i in range(10):
        ...     Image.new("L", (8, 8)).save(root / f"{i}.png")
        >>> [len(part) for part in nn.data.ImageFolder(root).split()]
        [8, 2]
        """
        if self.is_test is not None:
            return Subset(self, np.flatnonzero(~self.is_test)), Subset(self, np.flatnonzero(self.is_test))
        train, test = stratified_split(self, [1 - test_share, test_share], self.labels, seed)
        return train, test

    def _take(self, rows: NDArray[np.intp], labels: NDArray[np.int64]) -> None:
        """Keeps some images, in this order."""
        self.paths, self.labels = tuple(self.paths[row] for row in rows), labels[rows]
        self.is_test = None if self.is_test is None else self.is_test[rows]
        self._images = None if self._images is None else self._images[rows]

    def _decode(self, skip_damaged: bool, progress: bool) -> Pictures:
        """Returns all images, from the cache if they are there."""
        if len(self) < MANY:
            return self._checked(decode_all(self.paths, self.decoder, skip_damaged=skip_damaged, progress=progress))
        path, wanted = cache_path(self.root, self.classes, self.decoder), fingerprint(self.paths, self.names, self.decoder)
        pictures = read_cache(path, wanted)
        if pictures is None or (pictures.damaged and not skip_damaged):
            pictures = decode_all(self.paths, self.decoder, skip_damaged=skip_damaged, progress=progress)
            write_cache(path, wanted, pictures)
        return self._checked(pictures)

    def _checked(self, pictures: Pictures) -> Pictures:
        for error in pictures.damaged.values():
            say(f"skipped: {error}")
        if not len(pictures.images):
            raise DataError(f"{self.root}: none of the {len(self)} images can be read")
        return pictures

    def _keep(self, pictures: Pictures) -> None:
        if pictures.damaged:
            self._take(np.setdiff1d(np.arange(len(self)), list(pictures.damaged)), self.labels)
        self._images = pictures.images
