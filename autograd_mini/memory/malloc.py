"""A switch of the C library's that the user may turn: whether memory of freed arrays stays in the process."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["keep_memory"]

# Parameters of mallopt(3).
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3


def keep_memory() -> bool:
    """Keeps the memory of freed arrays in this process for the next ones; True where the C library can do that.

    glibc returns large arrays to the system as soon as they are freed, and each time the system hands out empty pages anew:
    in a step on large arrays those page faults take up to half of the time. This sets M_MMAP_THRESHOLD to 1 GiB and
    M_TRIM_THRESHOLD to its largest value (which alone would make things worse), for the whole process and until it ends; it
    then stays as large as it ever was. Nothing in the library calls it. Elsewhere than under glibc nothing happens: False.

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
