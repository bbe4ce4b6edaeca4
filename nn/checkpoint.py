"""The whole state of a training run in one safetensors file: arrays by path, all else as JSON in the file's metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from autograd_mini.tensor import Array

from .serialize import load, load_metadata, save

KEY: Final = "checkpoint"
ARRAY: Final = "$array"


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Writes nested dicts and lists of arrays and plain values (str, int, float, bool, None), whole or not at all.

    An array lies in the file under its path in `state`, such as `model.encoder.0.weight`.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini.nn.checkpoint import load_checkpoint, save_checkpoint
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> save_checkpoint(path, {"epoch": 3, "model": {"w": np.ones(2)}})
    >>> load_checkpoint(path)
    {'epoch': 3, 'model': {'w': array([1., 1.])}}
    """
    arrays: dict[str, Array] = {}
    outline = {key: _outline(value, key, arrays) for key, value in state.items()}
    save(path, arrays, {KEY: json.dumps(outline)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save_checkpoint` wrote; keys come back as strings and tuples as lists.

    FileNotFoundError without the file; ValueError naming it where it is damaged or no checkpoint.
    """
    outline = load_metadata(path).get(KEY)
    if outline is None:
        raise ValueError(f"{os.fspath(path)}: is no checkpoint of a training run")
    arrays = load(path)
    return json.loads(outline, object_hook=lambda d: arrays[d[ARRAY]] if ARRAY in d else d)


def _outline(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """`value` with its arrays moved into `arrays`, a reference in the place of each."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {ARRAY: path}
    if isinstance(value, Mapping):
        return {str(key): _outline(child, f"{path}.{key}", arrays) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outline(child, f"{path}.{i}", arrays) for i, child in enumerate(value)]
    return value
