"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Puts `data` at `path` by way of a temporary file beside it, so that no reader, nor a crash, ever sees half a file."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def suffix_of(path: str | os.PathLike[str], known: tuple[str, ...]) -> str:
    """The format that a file's name asks for; ValueError names the `known` ones where it is none of them."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in known:
        raise ValueError(f"{os.fspath(path)}: expected a name that ends in {', '.join('.' + s for s in known)}")
    return suffix
