"""How viz writes files: atomically, in the format that the suffix names."""

from __future__ import annotations

import os
from pathlib import Path

from autograd_mini.tools.atomic_files import atomic_write


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path` atomically: an error or interruption leaves an existing file as it was."""
    with atomic_write(path) as beside:
        beside.write_bytes(data)


def suffix_of(path: str | os.PathLike[str], known: tuple[str, ...]) -> str:
    """Returns the suffix of a file name without its dot. Raises ValueError if it is not one of `known`."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in known:
        raise ValueError(f"{os.fspath(path)}: expected a name that ends in {', '.join('.' + s for s in known)}")
    return suffix
