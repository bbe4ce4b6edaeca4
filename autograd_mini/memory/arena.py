"""Where leaves that ask for a gradient live: one after the other in large pieces of memory.

So an optimizer can move many of them as one array.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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


class ContiguousRun(NamedTuple):
    """Arrays that lie one after the other: their numbers, and where each lies in `storage`, their memory as one flat array."""

    numbers: range
    places: list[slice]
    storage: NDArray[Any]


def contiguous_runs(arrays: Sequence[NDArray[Any]]) -> list[ContiguousRun]:
    """The stretches of two and more among the arrays in which each begins where the one before ends, but for padding.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import allocate, contiguous_runs
    >>> a, b, c = allocate(np.ones(3)), allocate(np.zeros(2)), np.ones(2)
    >>> [(found.numbers, found.places) for found in contiguous_runs([a, b, c])]
    [(range(0, 2), [slice(0, 3, None), slice(8, 10, None)])]
    """
    found, start = [], 0
    for stop in range(1, len(arrays) + 1):
        if stop == len(arrays) or not _adjoin(arrays[stop - 1], arrays[stop]):
            places = _places(arrays[start:stop])
            storage = as_flat_view(arrays[start:stop], places) if len(places) > 1 else None
            if storage is not None:
                found.append(ContiguousRun(range(start, stop), places, storage))
            start = stop
    return found


def _adjoin(left: NDArray[Any], right: NDArray[Any]) -> bool:
    gap = right.ctypes.data - left.ctypes.data - left.nbytes
    return 0 <= gap < ALIGNED and right.dtype == left.dtype and not gap % right.itemsize


def _places(arrays: Sequence[NDArray[Any]]) -> list[slice]:
    starts = [(a.ctypes.data - arrays[0].ctypes.data) // a.itemsize for a in arrays]
    return [slice(start, start + a.size) for start, a in zip(starts, arrays, strict=True)]


def as_flat_view(parts: Sequence[NDArray[Any]], places: Sequence[slice]) -> NDArray[Any] | None:
    """The memory of `parts` as one flat array in which each has its place; None where they do not lie so.

    >>> import numpy as np
    >>> from autograd_mini.memory.arena import as_flat_view
    >>> whole = np.arange(6.0)
    >>> as_flat_view([whole[:2], whole[4:]], [slice(0, 2), slice(4, 6)])
    array([0., 1., 2., 3., 4., 5.])
    """
    first = parts[0]
    base = base_of(first)
    for part, place in zip(parts, places, strict=True):
        there = part.ctypes.data - first.ctypes.data == (place.start - places[0].start) * first.itemsize
        if not (there and base_of(part) is base and part.dtype == first.dtype and part.flags.c_contiguous):
            return None
    size = places[-1].stop - places[0].start
    return np.ndarray((size,), first.dtype, base, first.ctypes.data - base.ctypes.data)


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
