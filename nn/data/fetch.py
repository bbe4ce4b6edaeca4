"""Where a data file is: in the user's own folder, in the cache, or on a mirror, from which it is downloaded into the cache.

Some lie in an archive there, out of which a file is copied by its name; nothing is unpacked to a path that an archive names.
Each file is checked against its SHA-256 digest and takes its place in the cache by renaming: a file there is whole.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..extras import extra
from .idx import DataError

CHUNK = 1 << 16  # bytes
TIMEOUT = 30.0  # seconds without a byte


class DownloadError(OSError):
    """No mirror gave the file; the message tells what went wrong at each."""


class WrongBytesError(OSError):
    """A file has not the content that its digest asks for."""


@dataclass(frozen=True)
class Source:
    """A folder of files, the addresses that mirror it, and each file's SHA-256 digest.

    With an `archive`, the mirrors have that one tar file, and the other files lie in it under `inside`.
    """

    folder: str
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]
    archive: str | None = None
    inside: str = ""


def cache_folder() -> Path:
    """Where downloads are kept: `$AUTOGRAD_MINI_CACHE`, or `.cache/autograd_mini` in the home folder.

    >>> from autograd_mini.nn.data.fetch import cache_folder
    >>> cache_folder().is_absolute()
    True
    """
    chosen = os.environ.get("AUTOGRAD_MINI_CACHE")
    return Path(chosen).absolute() if chosen else Path.home() / ".cache" / "autograd_mini"


def fetch(source: Source, name: str) -> Path:
    """The path of one of the source's files: `$AUTOGRAD_MINI_DATA/folder/name` where it exists, only read; else the cache's.

    What the cache lacks is downloaded, trying the mirrors in turn; DownloadError when none of them gives the right bytes.
    """
    own = os.environ.get("AUTOGRAD_MINI_DATA")
    if own and (path := Path(own) / source.folder / name).exists():
        return path
    path = cache_folder() / source.folder / name
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
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
            with _filling(path, source.digests[name]) as part:
                _receive(url, part)
            return
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"{url}: {error}")
    raise DownloadError(
        f"{name}: no mirror gave it ({'; '.join(faults)}). "
        f"To use a copy of your own, put it at $AUTOGRAD_MINI_DATA/{source.folder}/{name}"
    )


def _unpack(archive: Path, member: str, path: Path, digest: str) -> None:
    """Copies one file out of a tar file; DataError where the archive is damaged or another."""
    try:
        with tarfile.open(archive) as tar, _filling(path, digest) as part:
            found = tar.extractfile(member)
            if found is None:
                raise WrongBytesError("is no file")
            shutil.copyfileobj(found, part, CHUNK)
    except (KeyError, WrongBytesError, gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{archive}: damaged or another archive: {member}: {error}") from error


@contextmanager
def _filling(path: Path, digest: str) -> Iterator[IO[bytes]]:
    """A temporary file, to be filled inside; it becomes `path` only if its digest is right then, else WrongBytesError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as part:
        try:
            yield part
            part.seek(0)
            if (found := hashlib.file_digest(part, "sha256").hexdigest()) != digest:
                raise WrongBytesError(f"SHA-256 digest is {found}, expected {digest}")
            part.close()
            os.replace(part.name, path)
        except BaseException:
            part.close()
            os.unlink(part.name)
            raise


def _receive(url: str, target: IO[bytes]) -> None:
    """Copies what `url` holds into `target`, showing progress."""
    tqdm = extra("tqdm.auto", "showing a download's progress").tqdm
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        size = response.headers.get("Content-Length")
        total = int(size) if size else None
        with tqdm(desc=url.rpartition("/")[2], total=total, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            while chunk := response.read(CHUNK):
                target.write(chunk)
                bar.update(len(chunk))
        if total is not None and target.tell() != total:
            raise OSError(f"the transfer ended after {target.tell()} of {total} bytes")
