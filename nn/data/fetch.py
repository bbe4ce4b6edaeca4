"""Where a data file is: in the user's own folder, in the cache, or on a mirror, from which it is downloaded into the cache.

A download is checked against its SHA-256 digest and takes its place in the cache by renaming: a file there is whole.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..extras import extra

CHUNK = 1 << 16  # bytes
TIMEOUT = 30.0  # seconds without a byte


class DownloadError(OSError):
    """No mirror gave the file; the message tells what went wrong at each."""


@dataclass(frozen=True)
class Source:
    """A folder of files, the addresses that mirror it, and each file's SHA-256 digest."""

    folder: str
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]


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
    faults = []
    for mirror in source.mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            _download(url, path, source.digests[name])
            return path
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"{url}: {error}")
    raise DownloadError(
        f"{name}: no mirror gave it ({'; '.join(faults)}). "
        f"To use a copy of your own, put it at $AUTOGRAD_MINI_DATA/{source.folder}/{name}"
    )


def _download(url: str, path: Path, digest: str) -> None:
    """Fills a temporary file beside `path`, which becomes `path` only once its digest is right."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as part:
        try:
            found = _copy(url, part)
            if found != digest:
                raise OSError(f"SHA-256 digest is {found}, expected {digest}")
            part.close()
            os.replace(part.name, path)
        except BaseException:
            part.close()
            os.unlink(part.name)
            raise


def _copy(url: str, target: IO[bytes]) -> str:
    """Copies what `url` holds into `target`, showing progress; returns its SHA-256 digest."""
    tqdm = extra("tqdm.auto", "showing a download's progress").tqdm
    sha = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        size = response.headers.get("Content-Length")
        total = int(size) if size else None
        with tqdm(desc=url.rpartition("/")[2], total=total, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            while chunk := response.read(CHUNK):
                sha.update(chunk)
                target.write(chunk)
                bar.update(len(chunk))
        if total is not None and target.tell() != total:
            raise OSError(f"the transfer ended after {target.tell()} of {total} bytes")
    return sha.hexdigest()
