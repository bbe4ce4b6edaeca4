"""`keep_memory`: makes the C library keep the memory of freed arrays in the process."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["keep_memory"]

# Parameters of mallopt(3).
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3


def keep_memory() -> bool:
    """Keeps the memory of freed arrays in this process for new ones; returns True if the C library supports it.

    glibc returns the memory of a large array to the system when the array is freed. The next array then causes page faults,
    which take up to half of the time of a step on large arrays. This function sets M_MMAP_THRESHOLD to 1 GiB and
    M_TRIM_THRESHOLD to its largest value, for the whole process until it ends; the process then never returns memory. The
    library itself never calls it. With another C library than glibc it does nothing and returns False.

    >>> import autograd_mini as ag
    >>> ag.keep_memory()  # doctest: +SKIP
    True
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(what, value) for what, value in ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, 2**31 - 1)))
