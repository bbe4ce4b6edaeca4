"""Decoded pictures in one file, so that a large folder is decoded once and not at every start.

The files are in `pictures` in the cache of downloads, readable by their user only, and can be deleted at any time. A file is
used while names, sizes and times of all pictures stay the same. A damaged file, or one of another user, is ignored and
replaced. Nothing in it is unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

import numpy as np

from autograd_mini.tools.atomic_files import atomic_write, remove_temporary_files

from ...extras import extra, say
from ..fetch import cache_folder
from .decode import Decoder
from .load import Pictures

FORMAT: Final = 1  # increase it if decoding changes
_DAMAGE: Final = (ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
                  ValueError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def cache_path(root: Path, classes: Sequence[str], decoder: Decoder) -> Path:
    """Returns the file for the pictures of some classes of a folder as one decoder returns them.

    >>> from pathlib import Path
    >>> from autograd_mini.nn.data.pictures.cache import cache_path
    >>> from autograd_mini.nn.data.pictures.decode import Decoder
    >>> paths = {cache_path(Path("/pets"), ["cats"], Decoder((side, 8))).name for side in (8, 9, 8)}
    >>> len(paths), {Path(path).suffix for path in paths}
    (2, {'.npz'})
    """
    return cache_folder() / "pictures" / f"{_digest([str(root), *classes, *astuple(decoder)])[:32]}.npz"


def fingerprint(paths: Sequence[Path], names: Sequence[str], decoder: Decoder) -> str:
    """Returns a digest of the names, sizes and times of all files, and of what decodes them.

    Raises OSError if a file is missing.
    """
    stats = map(os.stat, paths)
    files = [(name, status.st_size, status.st_mtime_ns) for name, status in zip(names, stats, strict=True)]
    return _digest([FORMAT, extra("PIL", "reading images").__version__, *astuple(decoder), files])


def read_cache(path: Path, expected: str) -> Pictures | None:
    """Returns the pictures in a file, or None if it is missing, damaged, of somebody else, or of other pictures."""
    try:
        with open(path, "rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            with np.load(file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                if about["fingerprint"] != expected:
                    return None
                images = stored["images"]
        if images.dtype != np.uint8 or list(images.shape) != about["shape"]:
            return None
        return Pictures(images, {int(row): str(error) for row, error in about["damaged"].items()})
    except _DAMAGE:
        return None


def write_cache(path: Path, expected: str, pictures: Pictures) -> None:
    """Writes pictures to a file; if that is not possible, says why."""
    about: dict[str, Any] = {"fingerprint": expected, "shape": pictures.images.shape, "damaged": pictures.damaged}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_temporary_files(path.parent)
        with atomic_write(path) as beside, open(beside, "r+b") as file:
            with contextlib.suppress(OSError):  # some file systems have no permissions
                os.chmod(beside, 0o600)
            np.savez(file, about=np.array(json.dumps(about)), images=pictures.images)
    except OSError as error:
        say(f"{path}: cannot be written ({error.strerror or error}); the images will be decoded again at the next start")


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode("utf-8", "surrogatepass")).hexdigest()
