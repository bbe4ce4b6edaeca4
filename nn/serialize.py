"""Saves and loads arrays by name in the safetensors format, which PyTorch reads too. Pickle is never used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.atomic_files import atomic_write

from .module import Module


def save(
    path: str | os.PathLike[str], state: Module | Mapping[str, Array | Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a module's state, or arrays by name, and `metadata` of strings to one safetensors file.

    The write is atomic: a temporary file in the same folder is flushed to disk and then renamed. Raises TypeError if a value
    is not an array of bool, integer or float16/32/64, or if metadata is not a string.

    >>> import os, tempfile
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "layer.safetensors")
    >>> nn.save(path, nn.Linear(2, 3), {"epoch": "5"})
    >>> sorted(nn.load(path)), nn.load_metadata(path)
    (['bias', 'weight'], {'epoch': '5'})
    """
    from safetensors.numpy import save_file

    values = state.state_dict() if isinstance(state, Module) else state
    arrays = {name: _to_array(name, value) for name, value in values.items()}
    notes = {key: _check_string(key, value) for key, value in (metadata or {}).items()}
    with atomic_write(path) as beside:
        beside.touch()
        mode = beside.stat().st_mode  # the mode of new files here; safetensors would restrict it to the owner
        save_file(arrays, beside, notes or None)
        with suppress(OSError):  # some network and USB disks refuse it, and need no mode
            beside.chmod(mode)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Returns the arrays of a safetensors file by name. Raises FileNotFoundError, or ValueError if the file is damaged.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> nn.save(path, {"w": np.eye(2, dtype="float32")})
    >>> nn.load(path)["w"]
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    with _open(path) as file:
        return {name: _read(path, file, name) for name in file.keys()}  # noqa: SIM118 (the file is not a dict)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the metadata that `save` wrote; raises the same errors as `load`.

    >>> import os, tempfile
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.safetensors")
    >>> nn.save(path, {}, {"dataset": "mnist"})
    >>> nn.load_metadata(path)
    {'dataset': 'mnist'}
    """
    with _open(path) as file:
        return dict(file.metadata() or {})


def _open(path: str | os.PathLike[str]) -> Any:
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise FileNotFoundError(f"{os.fspath(path)}: no such file")
    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)}: not a complete safetensors file: {error}") from None


def _read(path: str | os.PathLike[str], file: Any, name: str) -> Array:
    try:
        return np.array(file.get_tensor(name))
    except (TypeError, AttributeError, KeyError) as error:  # bfloat16 and similar
        raise ValueError(f"{os.fspath(path)}: {name} has a dtype that NumPy does not support: {error}") from None


def _to_array(name: str, value: Any) -> Array:
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"save: {name}: expected a bool, integer or float16/32/64 array, got {getattr(array, 'dtype', type(array))}"
        )
    return np.asarray(array, order="C")


def _check_string(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"save: metadata {key!r} must be a string, not {type(value).__name__}")
    return value
