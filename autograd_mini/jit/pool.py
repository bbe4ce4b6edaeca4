"""`Pool`: the memory that all plans of one function share, and the gradients that they keep in it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..memory.arena import base_of
from ..memory.flat_group import FlatGroup
from ..tensor import Array, Tensor, Transient, leaf

_ALIGNED: Final = 64  # bytes: a cache line, and a vector register


class Pool:
    """Memory that the plans of one function share, since only one of them runs at a time.

    buffers    raw bytes that any plan may use for anything while it runs
    gradients  arrays that keep their contents after a run
    """

    def __init__(self) -> None:
        self.buffers: list[Array] = []
        self.gradients: dict[Any, Array] = {}
        self._kept: dict[Any, Transient] = {}

    def gradient(self, tensor: Tensor, like: Array) -> Array:
        """Returns the array for the gradient of one tensor."""
        key = id(tensor), layout(like)
        if key not in self.gradients:
            self.gradients[key] = shape_bytes(raw_bytes(extent(like)), like)
        return self.gradients[key]

    def flat_gradient(self, group: FlatGroup) -> Array:
        """Returns the flat array for the gradients of a group of parameters."""
        slices = tuple((part.start, part.stop) for part in group.slices)
        key = tuple(map(id, group.parameters)), slices, group.storage.dtype
        if key not in self.gradients:
            self.gradients[key] = group.new_gradient()
        return self.gradients[key]

    def keep(self, array: Array) -> Transient:
        """Returns the gradient in `array` as a tensor. Plans that write the same memory share it.

        >>> import autograd_mini as ag
        >>> w, kept = ag.Tensor(1.0, requires_grad=True), []
        >>> @ag.jit
        ... def step(x):
        ...     w.grad = None
        ...     (w * x).backward()
        >>> for x in (1.0, 2.0, 3.0, 4.0):
        ...     step(ag.Tensor(x))
        ...     kept.append(w.grad)
        >>> kept
        [Tensor(1.0), Tensor(2.0), Tensor(3.0), Tensor(4.0)]
        """
        kept: Any = leaf(array)
        kept.__class__ = Transient
        return self._kept.setdefault((array.ctypes.data, *layout(array)), kept)

    @property
    def nbytes(self) -> int:
        """The bytes of all buffers and gradients together."""
        return sum({id(base): base.nbytes for base in map(base_of, (*self.buffers, *self.gradients.values()))}.values())


def layout(array: Array) -> tuple[Any, ...]:
    """Returns shape, strides and dtype."""
    return array.shape, array.strides, array.dtype


def extent(like: Array) -> int:
    """Returns the number of bytes from the first to the last element."""
    return like.itemsize + sum((n - 1) * stride for n, stride in zip(like.shape, like.strides, strict=True))


def raw_bytes(nbytes: int) -> Array:
    """Allocates bytes that start at a cache line."""
    memory = np.empty(nbytes + _ALIGNED, np.uint8)
    start = -memory.ctypes.data % _ALIGNED
    return memory[start : start + nbytes]


def shape_bytes(raw: Array, like: Array) -> Array:
    """Returns an array on raw bytes, with the layout of `like`."""
    return np.ndarray(like.shape, like.dtype, raw, 0, like.strides)
