"""Saving and loading arrays by name in the safetensors format, which PyTorch reads too. Nothing is ever pickled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.atomic_files import atomic_write

from .module import Module


def save(
    path: str | os.PathLike[str], state: Module | Mapping[str, Array | Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a module's state, or arrays by name, to one safetensors file, with `metadata` of strings beside them.

    The file appears whole or not at all: it is written beside `path`, flushed to disk and then renamed. TypeError names a
    value that is no array of bool, integer or float16/32/64, or metadata that is no string.

    >>> import os, tempfile
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "layer.safetensors")
    >>> nn.save(path, nn.Linear(2, 3), {"epoch": "5"})
    >>> sorted(nn.load(path)), nn.load_metadata(path)
    (['bias', 'weight'], {'epoch': '5'})
    """
    from safetensors.numpy import save_file

    values = state.state_dict() if isinstance(state, Module) else state
    arrays = {name: _dense(name, value) for name, value in values.items()}
    notes = {key: _text(key, value) for key, value in (metadata or {}).items()}
    with atomic_write(path) as beside:
        beside.touch()
        mode = beside.stat().st_mode  # what new files get here; safetensors would leave it to the owner alone
        save_file(arrays, beside, notes or None)
        beside.chmod(mode)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a safetensors file by name. FileNotFoundError without the file; ValueError naming it where it is damaged.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> nn.save(path, {"w": np.eye(2, dtype="float32")})
    >>> nn.load(path)["w"]
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    with _opened(path) as file:
        return {name: _read(path, file, name) for name in file.keys()}  # noqa: SIM118 (the file is no dict)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings that `save` put beside the arrays; the same errors as `load`.

    >>> import os, tempfile
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.safetensors")
    >>> nn.save(path, {}, {"dataset": "mnist"})
    >>> nn.load_metadata(path)
    {'dataset': 'mnist'}
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


def _opened(path: str | os.PathLike[str]) -> Any:
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise FileNotFoundError(f"{os.fspath(path)}: no such file")
    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)}: no whole safetensors file: {error}") from None


def _read(path: str | os.PathLike[str], file: Any, name: str) -> Array:
    try:
        return np.array(file.get_tensor(name))
    except (TypeError, AttributeError, KeyError) as error:  # bfloat16 and its like
        raise ValueError(f"{os.fspath(path)}: {name} has a dtype that NumPy does not know: {error}") from None


def _dense(name: str, value: Any) -> Array:
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"save: {name}: expected a bool, integer or float16/32/64 array, got {getattr(array, 'dtype', type(array))}"
        )
    return np.asarray(array, order="C")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"save: metadata {key!r} must be a string, not {type(value).__name__}")
    return value
