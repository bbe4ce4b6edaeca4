"""Where leaves that ask for a gradient live: one after the other in large pieces of memory.

So an optimizer can move many of them as one array.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PIECE: Final = 8 << 20
"""Bytes of a piece of memory; what is larger gets one of its own. It is freed when the last parameter in it is."""
ALIGNED: Final = 64
"""Bytes between possible starts: a cache line, and a vector register."""


class _Piece:
    """The piece that is being filled."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.used = 0
        self.lock = threading.Lock()

    def take(self, nbytes: int) -> NDArray[Any]:
        """The next bytes, which start at a cache line; between two of them lie at most 63 bytes of padding."""
        room = -(-nbytes // ALIGNED) * ALIGNED
        with self.lock:
            if self.used + room > self.memory.nbytes:
                memory = np.zeros(max(PIECE, room) + ALIGNED, np.uint8)
                start = -memory.ctypes.data % ALIGNED
                self.memory, self.used = memory[start : start + max(PIECE, room)], 0
            self.used += room
            return self.memory[self.used - room :][:nbytes]


_piece = _Piece()


def allocate(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of an array in C order, in the next free place.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import allocate
    >>> a, b = allocate(np.ones((3, 3))), allocate(np.arange(2.0))
    >>> b
    array([0., 1.])
    """
    if not array.size:
        return np.array(array, order="C")
    home: NDArray[Any] = np.ndarray(array.shape, array.dtype, _piece.take(array.nbytes))
    home[...] = array
    return home


def allocate_like(array: NDArray[Any], like: NDArray[Any], mirrors: dict[int, tuple[Any, Any]]) -> NDArray[Any]:
    """`array`, of the shape of `like`, in memory laid out as that of `like`; itself where `like` is not at home.

    `mirrors` keeps the memory for each piece, whose untouched pages cost nothing. The padding behind it repeats the last
    element, so that what is done to the whole memory meets no number there that could not be in an array.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import allocate, allocate_like
    >>> a, b, mirrors = allocate(np.ones(3)), allocate(np.ones(2)), {}
    >>> x, y = (allocate_like(np.zeros_like(p), p, mirrors) for p in (a, b))
    >>> x.ctypes.data - a.ctypes.data == y.ctypes.data - b.ctypes.data
    True
    """
    piece = base_of(like)
    if piece.dtype != np.uint8 or not like.flags.c_contiguous or not like.size:
        return array
    if id(piece) not in mirrors:
        memory = np.zeros(piece.nbytes + ALIGNED, np.uint8)
        start = (piece.ctypes.data - memory.ctypes.data) % ALIGNED
        mirrors[id(piece)] = piece, memory[start : start + piece.nbytes]
    offset = like.ctypes.data - piece.ctypes.data
    place: NDArray[Any] = np.ndarray(like.shape, like.dtype, mirrors[id(piece)][1], offset)
    place[...] = array
    padding = -like.nbytes % ALIGNED // like.itemsize
    np.ndarray((padding,), like.dtype, mirrors[id(piece)][1], offset + like.nbytes)[...] = place.flat[-1]
    return place


def base_of(array: NDArray[Any]) -> NDArray[Any]:
    """The array whose memory `array` shows.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import base_of
    >>> whole = np.zeros((2, 3))
    >>> base_of(whole.T[1:]) is whole
    True
    """
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
