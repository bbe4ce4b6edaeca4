"""PyTorch's names of dtypes. Each is NumPy's dtype, so `x.dtype == ag.float32` compares as in both libraries."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

__all__ = ["double", "float16", "float32", "float64", "half", "int8", "int16", "int32", "int64", "long", "short", "uint8"]

DType = np.dtype[Any]

float16: DType = np.dtype(np.float16)
float32: DType = np.dtype(np.float32)
float64: DType = np.dtype(np.float64)
uint8: DType = np.dtype(np.uint8)
int8: DType = np.dtype(np.int8)
int16: DType = np.dtype(np.int16)
int32: DType = np.dtype(np.int32)
int64: DType = np.dtype(np.int64)
half, double, short, long = float16, float64, int16, int64

boolean: DType = np.dtype(np.bool_)
SHADOWING: Final[dict[str, DType]] = {"float": float32, "int": int32, "bool": boolean}
"""Names that Python has too: `ag.float` works, but `from autograd_mini import *` leaves Python's own alone."""
