"""What is shared by all that viz writes: a whole file or none, in a format that its name asks for."""

from __future__ import annotations

import os
from pathlib import Path

from autograd_mini.tools.atomic_files import replacing


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Puts `data` at `path`, whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(data)


def suffix_of(path: str | os.PathLike[str], known: tuple[str, ...]) -> str:
    """The format that a file's name asks for; ValueError names the `known` ones where it is none of them."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in known:
        raise ValueError(f"{os.fspath(path)}: expected a name that ends in {', '.join('.' + s for s in known)}")
    return suffix
