"""The dtype of a result follows three rules, which only this file defines:

1. Float wins over integer, integer over bool; an operand of a lower kind never widens one of a higher kind.
2. Within a kind, arrays win over 0-d tensors, and these over Python and NumPy scalars ("weak" operands). An integer scalar
   that the dtype cannot represent raises OverflowError. Only comparisons compare integers of different dtypes by value.
3. Python floats, and integer operands of functions such as `sqrt`, `/` and `mean`, give the default dtype (float32).
"""

from __future__ import annotations

from array import array as TypedArray
from collections.abc import Iterator
from functools import lru_cache
from reprlib import repr as short
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["default_dtype", "set_default_dtype"]

FLOATS: Final = tuple(np.dtype(t) for t in (np.float16, np.float32, np.float64))

_default: np.dtype[Any] = np.dtype(np.float32)
_INT64: Final = np.dtype(np.int64)
_NUMPY_INT: Final = np.dtype(int)
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
        dtype = np.dtype(_INT64 if dtype is int else dtype)
    except TypeError:
        raise TypeError(f"expected a dtype such as 'float32' or np.int64, got {dtype!r}") from None
    if dtype.kind not in _KINDS or dtype.itemsize > 8:
        raise TypeError(f"tensors support bool, integer and float16/32/64 values, not {dtype}; convert the values first")
    return np.dtype(dtype.type)  # the one object of this dtype, which operations recognise by identity


@lru_cache(maxsize=512)
def common(*operands: tuple[np.dtype[Any], int]) -> np.dtype[Any]:
    """Returns the dtype of a result from each operand's (dtype, rank): rank 0 is a scalar, 1 a 0-d tensor, 2 an array."""
    best, result = (-1, -1), _default
    for dtype, rank in operands:
        kind = _KINDS[dtype.kind]
        if rank == 0 and kind:
            dtype = _default if kind == 2 else _INT64
        if (kind, rank) > best:
            best, result = (kind, rank), dtype
        elif (kind, rank) == best:
            result = np.promote_types(result, dtype)
    return result


def read_numbers(value: Any) -> tuple[NDArray[Any], np.dtype[Any]]:
    """Returns numbers, lists and arrays as NumPy reads them, and the dtype that they have as a tensor.

    Python floats have the default dtype, but are not rounded to it yet. A list with arrays or NumPy scalars has theirs.
    """
    check_unmasked("Tensor", value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"cannot make a tensor: {error}") from None
    if array.dtype.kind in "OSU":
        raise _not_numbers(array, value)
    if array.dtype.kind != "f" or _has_dtype(value):
        narrow = array.dtype == _NUMPY_INT and not _has_dtype(value)  # Python's ints, which a browser's NumPy reads as int32
        return array, _INT64 if narrow else array.dtype
    found = list(_float_dtypes(value))
    return array, np.result_type(*found) if found else _default


def check_unmasked(use: str, value: Any) -> None:
    """Raises TypeError for an array with masked elements, or a list that contains one."""
    several = value if isinstance(value, (list, tuple)) else (value,)
    if any(type(v) is not np.ndarray and isinstance(v, np.ndarray) and np.any(getattr(v, "mask", False)) for v in several):
        raise TypeError(f"{use}: a masked array would lose its mask; use .filled(value), or ag.where(mask, value, tensor)")


def _not_numbers(array: NDArray[Any], value: Any) -> Exception:
    """The error for strings and other objects that are not numbers, and for integers that no dtype represents."""
    found = f"got {short(value)} of type {type(value).__name__}"
    if array.dtype.kind == "O" and array.size and all(isinstance(x, int) for x in array.flat) and not hasattr(value, "dtype"):
        return OverflowError(f"Tensor: expected integers of at most 64 bits, {found}; use floats")
    return TypeError(f"Tensor: expected numbers, {found}")


_TYPED: Final = ("__array__", "__array_interface__", "__array_struct__")


def _has_dtype(value: Any) -> bool:
    """Whether `value` is an array, a NumPy scalar or other typed memory, in contrast to Python numbers."""
    return isinstance(value, memoryview | TypedArray) or any(hasattr(value, name) for name in _TYPED)


def _float_dtypes(values: Any) -> Iterator[np.dtype[Any]]:
    """The floating dtypes of the arrays and NumPy scalars in a nested list; none if it consists of Python numbers."""
    if not isinstance(values, (list, tuple)) or {*map(type, values)} <= {float, int}:
        return
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _float_dtypes(v)
        elif isinstance(dtype := getattr(v, "dtype", None), np.dtype) and dtype.kind == "f":
            yield dtype
