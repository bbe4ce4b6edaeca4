"""Allocates leaves that require a gradient one after the other in large chunks of memory.

So an optimizer can update many of them as one array.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES: Final = 8 << 20
"""Size of a chunk; a larger array gets its own chunk. A chunk is freed together with the last parameter in it."""
ALIGNMENT: Final = 64
"""Arrays start at multiples of this number of bytes: the size of a cache line and of a vector register."""


class _Chunk:
    """The chunk that is being filled."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.used = 0
        self.lock = threading.Lock()

    def take(self, nbytes: int) -> NDArray[Any]:
        """Returns the next bytes, from the start of a cache line; at most 63 bytes of padding separate two arrays."""
        room = -(-nbytes // ALIGNMENT) * ALIGNMENT
        with self.lock:
            if self.used + room > self.memory.nbytes:
                memory = np.zeros(max(CHUNK_BYTES, room) + ALIGNMENT, np.uint8)
                start = -memory.ctypes.data % ALIGNMENT
                self.memory, self.used = memory[start : start + max(CHUNK_BYTES, room)], 0
            self.used += room
            return self.memory[self.used - room :][:nbytes]


_chunk = _Chunk()


def _reset_after_fork() -> None:
    """Creates a new lock in a forked child, because another thread may have held it at that moment."""
    _chunk.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def allocate(array: NDArray[Any]) -> NDArray[Any]:
    """Returns a copy of an array in C order, allocated in the current chunk.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import allocate
    >>> a, b = allocate(np.ones((3, 3))), allocate(np.arange(2.0))
    >>> b
    array([0., 1.])
    """
    if not array.size:
        return np.array(array, order="C")
    copy: NDArray[Any] = np.ndarray(array.shape, array.dtype, _chunk.take(array.nbytes))
    copy[...] = array
    return copy


def allocate_like(array: NDArray[Any], like: NDArray[Any], mirrors: dict[int, tuple[Any, Any]]) -> NDArray[Any]:
    """Returns a copy of `array` at the same offset in a mirror of the chunk of `like`; `array` itself if `like` is in no chunk.

    `mirrors` keeps one mirror for each chunk; its unused pages need no memory. The padding after the array repeats the last
    element, so an operation on the whole mirror reads only values that could be in an array.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import allocate, allocate_like
    >>> a, b, mirrors = allocate(np.ones(3)), allocate(np.ones(2)), {}
    >>> x, y = (allocate_like(np.zeros_like(p), p, mirrors) for p in (a, b))
    >>> x.ctypes.data - a.ctypes.data == y.ctypes.data - b.ctypes.data
    True
    """
    chunk = base_of(like)
    if chunk.dtype != np.uint8 or not like.flags.c_contiguous or not like.size:
        return array
    if id(chunk) not in mirrors:
        memory = np.zeros(chunk.nbytes + ALIGNMENT, np.uint8)
        start = (chunk.ctypes.data - memory.ctypes.data) % ALIGNMENT
        mirrors[id(chunk)] = chunk, memory[start : start + chunk.nbytes]
    offset = like.ctypes.data - chunk.ctypes.data
    mirrored: NDArray[Any] = np.ndarray(like.shape, like.dtype, mirrors[id(chunk)][1], offset)
    mirrored[...] = array
    padding = -like.nbytes % ALIGNMENT // like.itemsize
    np.ndarray((padding,), like.dtype, mirrors[id(chunk)][1], offset + like.nbytes)[...] = mirrored.flat[-1]
    return mirrored


def base_of(array: NDArray[Any]) -> NDArray[Any]:
    """Returns the array that owns the memory of the view `array`.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import base_of
    >>> whole = np.zeros((2, 3))
    >>> base_of(whole.T[1:]) is whole
    True
    """
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Returns a view of an array that cannot be written.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import read_only
    >>> read_only(np.ones(2)).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view


def take_ownership(array: Any, dtype: np.dtype[Any], owned_bases: set[int]) -> NDArray[Any]:
    """Returns an array of `dtype` in memory that nothing else in `owned_bases`, a set of ids, shares; copies it if needed.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import take_ownership
    >>> g, owned = np.ones(2), set()
    >>> [take_ownership(g, g.dtype, owned) is g for _ in range(2)]
    [True, False]
    """
    array = np.asarray(array, dtype)
    base = array if array.base is None else base_of(array)
    shared = id(base) in owned_bases or not base.flags.owndata or not array.flags.writeable
    if shared or (array.base is not None and 0 in array.strides):
        return np.array(array)
    owned_bases.add(id(base))
    return array
