"""The dtype of a result follows three rules, which only this file defines:

1. Float wins over integer, integer over bool; an operand of a lower kind never widens one of a higher kind.
2. Within a kind, arrays win over 0-d tensors, and these over Python and NumPy scalars ("weak" operands). An integer scalar
   that the dtype cannot represent raises OverflowError. Only comparisons compare integers of different dtypes by value.
3. Python floats, and integer operands of functions such as `sqrt`, `/` and `mean`, give the default dtype (float32).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["default_dtype", "set_default_dtype"]

FLOATS: Final = tuple(np.dtype(t) for t in (np.float16, np.float32, np.float64))

_default: np.dtype[Any] = np.dtype(np.float32)
_KINDS: Final = {"f": 2, "i": 1, "u": 1, "b": 0}


def default_dtype() -> np.dtype[Any]:
    """Returns the dtype of tensors that are created from Python floats.

    >>> import autograd_mini as ag
    >>> ag.default_dtype()
    dtype('float32')
    """
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Sets the dtype (float16, float32 or float64) of tensors that are created from Python floats, in the whole process.

    >>> import autograd_mini as ag
    >>> ag.set_default_dtype("float64")
    >>> ag.Tensor(0.5).dtype
    dtype('float64')
    >>> ag.set_default_dtype("float32")
    """
    global _default
    dtype = supported(dtype)
    if dtype not in FLOATS:
        raise TypeError(f"set_default_dtype: expected float16, float32 or float64, got {dtype}")
    _default = dtype
    common.cache_clear()


def supported(dtype: DTypeLike) -> np.dtype[Any]:
    """Returns `dtype` in native byte order. Raises TypeError if tensors do not support it."""
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"expected a dtype such as 'float32' or np.int64, got {dtype!r}") from None
    if dtype.kind not in _KINDS or dtype.itemsize > 8:
        raise TypeError(f"tensors support bool, integer and float16/32/64 values, not {dtype}; convert the values first")
    return dtype.newbyteorder("=")


@lru_cache(maxsize=512)
def common(*operands: tuple[np.dtype[Any], int]) -> np.dtype[Any]:
    """Returns the dtype of a result from each operand's (dtype, rank): rank 0 is a scalar, 1 a 0-d tensor, 2 an array."""
    best, result = (-1, -1), _default
    for dtype, rank in operands:
        kind = _KINDS[dtype.kind]
        if rank == 0 and kind:
            dtype = _default if kind == 2 else np.dtype(np.int64)
        if (kind, rank) > best:
            best, result = (kind, rank), dtype
        elif (kind, rank) == best:
            result = np.promote_types(result, dtype)
    return result
