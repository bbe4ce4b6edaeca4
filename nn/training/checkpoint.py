"""The whole state of a training run in one safetensors file: arrays by path, all else as JSON in the file's metadata.

One file takes its place by one renaming, so at any moment there is a whole checkpoint, the old one or the new.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array
from autograd_mini.tools.atomic_files import atomic_write

from ..serialize import load, load_metadata, save

KEY: Final = "checkpoint"
ARRAY: Final = "$array"


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Writes nested dicts and lists of arrays and plain values (str, int, float, bool, None), whole or not at all.

    An array lies in the file under its path in `state`, such as `model.encoder.0.weight`. OSError that says why it cannot be
    written; what stood there before is then untouched.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini.nn.training.checkpoint import load_checkpoint, save_checkpoint
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> save_checkpoint(path, {"epoch": 3, "model": {"w": np.ones(2)}})
    >>> load_checkpoint(path)
    {'epoch': 3, 'model': {'w': array([1., 1.])}}
    """
    arrays: dict[str, Array] = {}
    outline = {key: _outline(value, key, arrays) for key, value in state.items()}
    with writing(path):
        save(path, arrays, {KEY: json.dumps(outline)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save_checkpoint` wrote; keys come back as strings and tuples as lists.

    FileNotFoundError without the file; ValueError naming it where it is damaged or no checkpoint.
    """
    outline = load_metadata(path).get(KEY)
    if outline is None:
        raise ValueError(f"{os.fspath(path)}: is no checkpoint of a training run")
    arrays = load(path)
    try:
        return json.loads(outline, object_hook=lambda d: arrays[d[ARRAY]] if ARRAY in d else d)
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{os.fspath(path)}: is damaged, {error} is missing or unreadable") from None


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all, beside its place and then renamed.

    >>> import pathlib, tempfile
    >>> from autograd_mini.nn.training.checkpoint import write_text
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_text(path, "done")
    >>> path.read_text()
    'done'
    """
    with writing(path), atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Inside, what prevents writing becomes an OSError that names the file, which the system's own often does not.

    >>> from autograd_mini.nn.training.checkpoint import writing
    >>> with writing("run.safetensors"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
        ...
    OSError: run.safetensors: cannot be written (No space left on device); what was there before is untouched
    """
    try:
        yield
    except Exception as error:
        # The writer of safetensors has an error of its own for a full disk.
        if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
            raise
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{os.fspath(path)}: cannot be written ({reason}); what was there before is untouched") from error


def sweep(folder: Path) -> None:
    """Removes what a process that was killed while writing left half done.

    >>> import pathlib, tempfile
    >>> from autograd_mini.nn.training.checkpoint import sweep
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / ".checkpoint.safetensors.0a1b2c3d.tmp").write_bytes(b"half")
    >>> sweep(folder)
    >>> list(folder.iterdir())
    []
    """
    for left in folder.glob(".*.????????.tmp"):
        left.unlink(missing_ok=True)


def _outline(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """`value` with its arrays moved into `arrays`, a reference in the place of each."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {ARRAY: path}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _outline(child, f"{path}.{key}", arrays) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outline(child, f"{path}.{i}", arrays) for i, child in enumerate(value)]
    return value
