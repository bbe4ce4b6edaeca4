"""The layout of a safetensors file: the length of a JSON text, the text, which says where each array is, and the arrays.

`read_layout` accepts what the format (https://huggingface.co/docs/safetensors) allows: names that occur once, and arrays that
cover the data without gaps and overlaps, in sizes that fit their shapes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

DTYPES: Final[dict[str, Any]] = {
    "BOOL": np.bool_, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
    "U32": np.uint32, "U64": np.uint64, "F16": np.float16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
}  # fmt: skip
HEADER_LIMIT: Final = 100_000_000  # bytes; readers of the format refuse more
_LENGTH: Final = 8  # bytes of the number in front of the JSON text


class Entry(NamedTuple):
    """Where an array is: `dtype` is the format's name of it, and the data are the bytes from `start` to `end` of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Layout(NamedTuple):
    """The arrays of a file by name, and its metadata."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def read_layout(content: bytes) -> Layout:
    """Returns where the arrays of a file are. Raises ValueError with the reason if the file does not have this format.

    >>> from autograd_mini.nn.file_format import read_layout
    >>> text = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    >>> read_layout(len(text).to_bytes(8, "little") + text + bytes(8)).entries
    {'w': Entry(dtype='F32', shape=(2,), start=62, end=70)}
    """
    header, start = _read_header(content)
    metadata = _check_metadata(header.pop("__metadata__", None))
    entries = {name: _read_entry(name, value, start) for name, value in header.items()}
    _check_cover(sorted(entries.values(), key=lambda e: (e.start, e.end)), start, len(content))
    return Layout(entries, metadata)


def _read_header(content: bytes) -> tuple[dict[str, Any], int]:
    """Returns the parsed JSON text, and where the data begin."""
    if len(content) < _LENGTH:
        raise ValueError(f"expected at least {_LENGTH} bytes, got {len(content)}")
    length = int.from_bytes(content[:_LENGTH], "little")
    end = _LENGTH + length
    if length > HEADER_LIMIT:
        raise ValueError(f"a header of {length} bytes exceeds the format's {HEADER_LIMIT}")
    if end > len(content):
        raise ValueError(f"the file ends within its header: {len(content)} of {end} bytes")
    if content[_LENGTH : _LENGTH + 1] != b"{":
        raise ValueError("the header does not start with '{'")
    header = json.loads(content[_LENGTH:end].decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    return header, end


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in the header")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_metadata(metadata: Any) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("__metadata__ must be strings by name")
    return metadata


def _read_entry(name: str, value: Any, start: int) -> Entry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name}: expected dtype, shape and data_offsets, got {value!r:.200}")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str):
        raise ValueError(f"{name}: dtype must be a string, got {dtype!r:.200}")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1]):
        raise ValueError(f"{name}: shape {shape!r:.200} and data_offsets {offsets!r:.200} must be lists of sizes")
    if dtype in DTYPES:
        needed, found = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize, offsets[1] - offsets[0]
        if needed != found:
            raise ValueError(f"{name}: {dtype} of shape {tuple(shape)} needs {needed} bytes, got {found}")
    return Entry(dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in values)


def _check_cover(entries: Sequence[Entry], start: int, size: int) -> None:
    """Raises ValueError unless the arrays follow each other, from `start` to the end of the file."""
    for entry in entries:
        if entry.start != start:
            raise ValueError(f"an array begins at byte {entry.start}, expected {start}")
        start = entry.end
    if start != size:
        raise ValueError(f"the arrays end at byte {start} of {size}")
