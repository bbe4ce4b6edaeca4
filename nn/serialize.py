"""Saves and loads arrays by name in the safetensors format, which PyTorch reads too. Pickle is never used.

The metadata of a saved file contain the SHA-256 digest of the whole file, computed with zeros in place of the digest itself. So
any damage is detected. Files of other programs have no digest; they are loaded without this check.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.atomic_files import atomic_write, require_regular_file

from .file_format import DTYPES, HEADER_LIMIT, Entry, read_layout
from .module import Module

DIGEST: Final = "autograd_mini.sha256"  # key of the metadata
_BEFORE_DIGEST: Final = f'"{DIGEST}":"'.encode()
_START: Final = b'{"__metadata__":{' + _BEFORE_DIGEST
"""How the header of each file that `save` writes begins."""
_ZEROS: Final = b"0" * 64
_CODES: Final = {np.dtype(kind): code for code, kind in DTYPES.items()}


class Contents(NamedTuple):
    """The arrays of a file by name, and its metadata."""

    arrays: dict[str, Array]
    metadata: dict[str, str]


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
    values = state.state_dict() if isinstance(state, Module) else state
    arrays = {name: _to_array(name, value) for name, value in values.items()}
    notes = {key: _check_string(key, value) for key, value in (metadata or {}).items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))  # so that all data are aligned
    header = _header({name: arrays[name] for name in order}, notes)
    digest = hashlib.sha256(header)
    for name in order:
        digest.update(arrays[name].tobytes())
    with atomic_write(path) as beside, open(beside, "r+b") as file:
        file.write(header.replace(_BEFORE_DIGEST + _ZEROS, _BEFORE_DIGEST + digest.hexdigest().encode(), 1))
        for name in order:
            file.write(arrays[name].tobytes())
        file.flush()
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
    return load_contents(path).arrays


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the metadata that `save` wrote; raises the same errors as `load`.

    >>> import os, tempfile
    >>> from autograd_mini import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.safetensors")
    >>> nn.save(path, {}, {"dataset": "mnist"})
    >>> nn.load_metadata(path)
    {'dataset': 'mnist'}
    """
    return load_contents(path).metadata


def load_contents(path: str | os.PathLike[str]) -> Contents:
    """Returns the arrays and the metadata of one version of a file, even if another process replaces it meanwhile.

    >>> import os, tempfile, numpy as np
    >>> from autograd_mini.nn.serialize import load_contents, save
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> save(path, {"w": np.zeros(2)}, {"epoch": "5"})
    >>> load_contents(path)
    Contents(arrays={'w': array([0., 0.])}, metadata={'epoch': '5'})
    """
    name = os.fspath(path)
    require_regular_file(path)
    try:
        content = Path(path).read_bytes()
        entries, notes = read_layout(content)
    except MemoryError:
        raise OSError(errno.ENOMEM, "not enough memory to load it", name) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not a complete safetensors file: {error}") from None
    digest = notes.pop(DIGEST, None)
    if (digest is not None or _starts_with_digest(content)) and (_BEFORE_DIGEST not in content or digest != _digest(content)):
        raise ValueError(f"{name}: damaged: its content does not match its SHA-256 digest")
    return Contents({key: _read(name, key, entry, content) for key, entry in entries.items()}, notes)


def _header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Returns what comes before the data: the length of a JSON text, and the text, which says where each array is."""
    header: dict[str, Any] = {"__metadata__": {DIGEST: _ZEROS.decode(), **metadata}}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype.newbyteorder("=")], "shape": array.shape, "data_offsets": (start, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise ValueError(
            f"save: names and metadata of {len(text)} bytes exceed the format's {HEADER_LIMIT}; save them as arrays"
        )
    return len(text).to_bytes(8, "little") + text


def _starts_with_digest(content: bytes) -> bool:
    """Returns whether a file begins as `save` writes it, with at most 8 damaged bytes, such as some in the digest's key."""
    start = content[8 : 8 + len(_START)]
    return len(start) == len(_START) and sum(a != b for a, b in zip(start, _START, strict=True)) <= 8


def _digest(content: bytes) -> str:
    """Returns the SHA-256 digest of a file, computed with zeros in place of the digest."""
    start = content.index(_BEFORE_DIGEST) + len(_BEFORE_DIGEST)
    digest = hashlib.sha256(content[:start] + _ZEROS)
    digest.update(memoryview(content)[start + len(_ZEROS) :])
    return digest.hexdigest()


def _read(path: str, name: str, entry: Entry, content: bytes) -> Array:
    if entry.dtype not in DTYPES:  # bfloat16 and similar
        raise ValueError(f"{path}: {name} has a dtype that NumPy does not support: {entry.dtype}")
    dtype = np.dtype(DTYPES[entry.dtype])
    data = np.frombuffer(memoryview(content)[entry.start : entry.end], dtype.newbyteorder("<"))
    return data.reshape(entry.shape).astype(dtype)


def _to_array(name: str, value: Any) -> Array:
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"save: {name}: expected a bool, integer or float16/32/64 array, got {getattr(array, 'dtype', type(array))}"
        )
    if name == "__metadata__":
        raise ValueError("save: the format does not allow an array named '__metadata__'; choose another name")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _check_string(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"save: metadata {key!r} must be a string, not {type(value).__name__}")
    if key == DIGEST:
        raise ValueError(f"save: metadata {key!r} is reserved for the digest of the file; choose another key")
    return value
