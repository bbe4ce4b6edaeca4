"""The IDX format of MNIST and similar data sets: a short header, then raw bytes, compressed with gzip.

Header, big-endian: two zero bytes, a type code (8 is unsigned byte), the number of axes, then the length of each in 32 bits.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 8
MAX_COMPRESSION = 1100  # gzip makes nothing smaller than to 1/1032


class DataError(ValueError):
    """A data file is damaged or of a wrong kind; the message names the file and the cause."""


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Reads the byte array with `ndim` axes from a gzipped IDX file. Raises DataError if it is damaged or of another kind.

    >>> import gzip, pathlib, tempfile
    >>> from autograd_mini.nn.data.idx import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "labels.gz"
    ...     _ = path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])))
    ...     read_idx(path, 1)
    array([7, 2, 1], dtype=uint8)
    """
    try:
        with gzip.open(path) as file:
            magic = file.read(4)
            if magic != bytes((0, 0, UNSIGNED_BYTE, ndim)):
                raise DataError(
                    f"{path}: expected the magic number 0000080{ndim} of an IDX file, got {magic.hex() or 'nothing'}"
                )
            shape = tuple(int(n) for n in np.frombuffer(_read_exactly(file, 4 * ndim), ">u4"))
            if math.prod(shape) > MAX_COMPRESSION * path.stat().st_size:
                raise DataError(f"{path}: a file of {path.stat().st_size} bytes cannot hold the shape {shape} in its header")
            array = np.frombuffer(_read_exactly(file, math.prod(shape)), np.uint8).reshape(shape)
            if file.read(1):
                raise DataError(f"{path}: has more bytes than the shape {shape} in its header")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: truncated or corrupt: {error}") from error
    except MemoryError:
        raise DataError(f"{path}: not enough memory for its {math.prod(shape)} bytes") from None
    return array


def _read_exactly(file: Any, count: int) -> bytes:
    content: bytes = file.read(count)
    if len(content) != count:
        raise EOFError(f"the data end after {len(content)} of {count} bytes")
    return content
