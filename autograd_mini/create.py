"""Tensors from nothing: constants of a given shape, and ranges. Floats have the default dtype unless one is named."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .dtypes import default_dtype, supported
from .tensor import Array, Shape, Tensor, TensorLike, as_tensor, leaf

__all__ = ["arange", "eye", "full", "full_like", "linspace", "ones", "zeros"]


def _made(array: Array, requires_grad: bool = False) -> Tensor:
    tensor = leaf(array)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    return default_dtype() if dtype is None else supported(np.dtype(dtype))


def zeros(shape: int | Shape, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> import autograd_mini as ag
    >>> ag.zeros(3)
    Tensor([0., 0., 0.])
    """
    return _made(np.zeros(shape, _dtype(dtype)), requires_grad)


def ones(shape: int | Shape, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    >>> import autograd_mini as ag
    >>> ag.ones((1, 2)).shape
    (1, 2)
    """
    return _made(np.ones(shape, _dtype(dtype)), requires_grad)


def full(shape: int | Shape, value: float, dtype: DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor that repeats one value.

    >>> import autograd_mini as ag
    >>> ag.full(2, 0.5)
    Tensor([0.5, 0.5])
    """
    return _made(np.full(shape, value, _dtype(dtype)), requires_grad)


def full_like(x: TensorLike, value: float) -> Tensor:
    """One value with the shape and dtype of `x`.

    >>> import autograd_mini as ag
    >>> ag.full_like([1.0, 2.0], 7)
    Tensor([7., 7.])
    """
    return _made(np.full_like(as_tensor(x)._data, value))


def arange(*bounds: float, dtype: DTypeLike | None = None) -> Tensor:
    """Evenly spaced values: `arange(stop)`, `arange(start, stop)` or `arange(start, stop, step)`; ints stay ints.

    >>> import autograd_mini as ag
    >>> ag.arange(3), ag.arange(0.0, 1.0, 0.5)
    (Tensor([0, 1, 2]), Tensor([0. , 0.5]))
    """
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"arange: takes one to three numbers, got {len(bounds)}")
    array: Array = np.arange(*bounds)
    return _made(array.astype(_dtype(dtype)) if array.dtype.kind == "f" or dtype is not None else array)


def linspace(start: float, stop: float, count: int = 50, dtype: DTypeLike | None = None) -> Tensor:
    """`count` values from `start` to `stop`, both included.

    >>> import autograd_mini as ag
    >>> ag.linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return _made(np.linspace(start, stop, count, dtype=_dtype(dtype)))


def eye(rows: int, columns: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    >>> import autograd_mini as ag
    >>> ag.eye(2)
    Tensor([[1., 0.],
            [0., 1.]], shape=(2, 2))
    """
    return _made(np.eye(rows, columns, dtype=_dtype(dtype)))
