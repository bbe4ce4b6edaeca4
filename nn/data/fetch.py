"""Finds a data file: in the user's folder, in the cache, or on a mirror, from which it is downloaded into the cache.

Some mirrors have archives. Files are extracted by name; the paths inside an archive are never used as targets. Each file is
checked against its SHA-256 digest and then renamed to its place in the cache, so that files there are always complete.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from autograd_mini.tools.atomic_files import atomic_write, remove_temporary_files, require_regular_file

from ..extras import progress_bar
from .idx import DataError

CHUNK = 1 << 16  # bytes
TIMEOUT = 30.0  # seconds without a byte


class DownloadError(OSError):
    """Every mirror failed; the message lists the causes."""


class WrongBytesError(OSError):
    """The content of a file does not match its digest."""


# What reading a damaged tar file raises. A link to itself exceeds the recursion limit; false sizes exceed the memory.
_DAMAGE: Final = (
    ArithmeticError, EOFError, LookupError, MemoryError, RecursionError, ValueError, WrongBytesError, gzip.BadGzipFile,
    tarfile.TarError, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A folder of files, the addresses of its mirrors, and the SHA-256 digest of each file.

    With an `archive`, the mirrors have only this tar file, which contains the other files in its folder `inside`.
    """

    folder: str
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]
    archive: str | None = None
    inside: str = ""


def cache_folder() -> Path:
    """Returns the folder of downloads: `$AUTOGRAD_MINI_CACHE`, or `.cache/autograd_mini` in the home folder.

    >>> from autograd_mini.nn.data.fetch import cache_folder
    >>> cache_folder().is_absolute()
    True
    """
    folder = os.environ.get("AUTOGRAD_MINI_CACHE")
    return Path(folder).absolute() if folder else Path.home() / ".cache" / "autograd_mini"


def fetch(source: Source, name: str) -> Path:
    """Returns the path of a file of the source: `$AUTOGRAD_MINI_DATA/folder/name` if it exists, otherwise in the cache.

    A file that is missing there is downloaded from the first mirror that works. Raises DownloadError if every mirror fails.
    """
    user_folder = os.environ.get("AUTOGRAD_MINI_DATA")
    if user_folder and (path := Path(user_folder) / source.folder / name).exists():
        require_regular_file(path)
        return path
    path = cache_folder() / source.folder / name
    if path.exists():
        require_regular_file(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(path.parent)
    if source.archive and name != source.archive:
        _unpack(fetch(source, source.archive), f"{source.inside}/{name}", path, source.digests[name])
    else:
        _download(source, name, path)
    return path


def _download(source: Source, name: str, path: Path) -> None:
    faults = []
    for mirror in source.mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with _verified_file(path, source.digests[name]) as part:
                _receive(url, part)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a header that is not a number
            faults.append(f"{url}: {error}")
    raise DownloadError(
        f"{name}: every mirror failed ({'; '.join(faults)}). "
        f"To use your own copy, save it as $AUTOGRAD_MINI_DATA/{source.folder}/{name}"
    )


def _unpack(archive: Path, member: str, path: Path, digest: str) -> None:
    """Copies one file out of a tar file. Raises DataError if the archive is damaged or a different one."""
    try:
        with tarfile.open(archive) as tar, _verified_file(path, digest) as part:
            content = tar.extractfile(member)
            if content is None:
                raise WrongBytesError("not a file")
            shutil.copyfileobj(content, part, CHUNK)
    except _DAMAGE as error:
        raise DataError(f"{archive}: damaged or another archive: {member}: {error}") from error


@contextmanager
def _verified_file(path: Path, digest: str) -> Iterator[IO[bytes]]:
    """Opens a temporary file for the block; then renames it to `path`, or raises WrongBytesError if its digest is wrong."""
    with atomic_write(path) as beside:
        with beside.open("r+b") as part:
            yield part
            part.seek(0)
            actual = hashlib.file_digest(part, "sha256").hexdigest()
        if actual != digest:
            raise WrongBytesError(f"expected SHA-256 digest {digest}, got {actual}")


def _receive(url: str, target: IO[bytes]) -> None:
    """Downloads `url` into `target` and shows the progress."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        size = response.headers.get("Content-Length")
        total = int(size) if size else None
        scale: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        with progress_bar("a download's progress bar", desc=url.rpartition("/")[2], total=total, **scale) as bar:
            while chunk := response.read(CHUNK):
                target.write(chunk)
                bar.update(len(chunk))
        if total is not None and target.tell() != total:
            raise OSError(f"the download ended after {target.tell()} of {total} bytes")
