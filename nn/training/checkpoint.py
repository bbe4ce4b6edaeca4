"""The state of a training run in one safetensors file: arrays by path, everything else as JSON in the file's metadata.

A new file replaces the old one by a single rename, so there is a complete checkpoint, old or new, at any moment.
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

from ..serialize import load_contents, save

KEY: Final = "checkpoint"
ARRAY: Final = "$array"


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Writes nested dicts and lists of arrays and simple values (str, int, float, bool, None), completely or not at all.

    Arrays are named by their path in `state`, such as `model.encoder.0.weight`. Raises OSError with the reason if the file
    cannot be written; the previous file is then unchanged.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini.nn.training.checkpoint import load_checkpoint, save_checkpoint
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> save_checkpoint(path, {"epoch": 3, "model": {"w": np.ones(2)}})
    >>> load_checkpoint(path)
    {'epoch': 3, 'model': {'w': array([1., 1.])}}
    """
    arrays: dict[str, Array] = {}
    structure = {key: _extract_arrays(value, key, arrays) for key, value in state.items()}
    with explain_write_errors(path):
        save(path, arrays, {KEY: json.dumps(structure)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns what `save_checkpoint` wrote, with keys as strings and tuples as lists.

    Raises FileNotFoundError if the file is missing and ValueError if it is damaged or not a checkpoint.
    """
    arrays, metadata = load_contents(path)
    if metadata.keys() != {KEY}:
        raise ValueError(f"{os.fspath(path)}: not a checkpoint of a training run")
    try:
        state = json.loads(metadata[KEY], object_hook=lambda d: arrays[d[ARRAY]] if ARRAY in d else d)
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"{os.fspath(path)}: damaged checkpoint: missing or unreadable: {error}") from None
    if not isinstance(state, dict):
        raise ValueError(f"{os.fspath(path)}: damaged checkpoint: expected named parts, got {type(state).__name__}")
    return state


def write_text(path: Path, text: str) -> None:
    """Writes a text file completely or not at all: to a temporary file, which is then renamed.

    >>> import pathlib, tempfile
    >>> from autograd_mini.nn.training.checkpoint import write_text
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_text(path, "done")
    >>> path.read_text()
    'done'
    """
    with explain_write_errors(path), atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")  # names of files may be any bytes


@contextmanager
def explain_write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Inside the `with` block, an error of writing becomes an OSError that names the file, which system errors often do not.

    >>> from autograd_mini.nn.training.checkpoint import explain_write_errors
    >>> with explain_write_errors("run.safetensors"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
        ...
    OSError: run.safetensors: cannot be written (No space left on device); the previous file is unchanged
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{os.fspath(path)}: cannot be written ({reason}); the previous file is unchanged") from error


def _extract_arrays(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """Returns `value` with a reference in place of each array, and moves the arrays into `arrays`."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {ARRAY: path}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _extract_arrays(child, f"{path}.{key}", arrays) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_extract_arrays(child, f"{path}.{i}", arrays) for i, child in enumerate(value)]
    return value
