"""Splits large work into two halves, for the calling thread and one helper thread, while BLAS is limited to one thread.

BLAS's own threads synchronise after every block of a product, and become slow if another process uses one of the cores. Two
halves of a batch synchronise once per operation. Kernels always split large work into the same halves: results depend neither
on this setting nor on the number of cores, and repeat bit for bit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, lru_cache
from threading import Lock, local
from typing import Any, Final, TypeVar

import numpy as np

from ..state import mode, modes
from ..tensor import Array

__all__ = ["threads"]

T = TypeVar("T")

MIN_SPLIT_NS: Final = 300_000
"""Work that takes one thread at least this many nanoseconds is split; starting the helper costs about a tenth of that."""

MIN_SPLIT_ELEMENTS: Final = 1 << 19
"""Elementwise operations of two or three passes over at least this many elements are split."""

HAS_THREADS: Final = sys.platform != "emscripten"
"""A browser runs Python in one thread."""

_turn = Lock()  # held by the call that uses the helper


def split_work(work: Callable[[slice], T], count: int, cost: float) -> list[T]:
    """Calls `work` on both halves of `count` items, or once on all of them if `cost`, in nanoseconds, is small.

    In `threads(2)` the halves run at the same time, unless another call is using the helper. `work` must use arrays only. An
    exception is raised after both halves have ended; if both fail, it is that of the first half. A call inside a half is not
    split again.
    """
    if cost < MIN_SPLIT_NS or count < 2 or _halves.inside:
        return [work(slice(0, count))]
    first, second = slice(0, count // 2), slice(count // 2, count)
    if not modes().two_threads or not _turn.acquire(blocking=False):
        return [_half(work, first), _half(work, second)]
    try:
        # The copied context carries `np.errstate` over to the helper.
        other = _helper().submit(copy_context().run, _half, work, second)
        try:
            mine = _half(work, first)
        finally:
            other.exception()  # also waits
        return [mine, other.result()]
    finally:
        _turn.release()


class _Halves(local):
    """Whether this thread is processing a half."""

    inside = False


_halves = _Halves()


def _half(work: Callable[[slice], T], part: slice) -> T:
    _halves.inside = True
    try:
        return work(part)
    finally:
        _halves.inside = False


def split_elementwise(ufunc: Callable[..., Any], *operands: Array, out: Array | None = None) -> Array:
    """Calls `ufunc(*operands, out=…)` on both halves of the first axis, for operands of one shape.

    `ufunc` is any function that computes each element from the elements at the same index. Below `MIN_SPLIT_ELEMENTS` elements
    a direct call is faster.
    """
    result = np.empty_like(operands[0]) if out is None else out
    split_work(lambda part: ufunc(*[a[part] for a in operands], out=result[part]), len(result), MIN_SPLIT_NS)
    return result


@contextmanager
def threads(number: int = 2) -> Iterator[None]:
    """Makes large operations in a `with` block use `number` threads, 1 or 2, of this library, and BLAS one thread.

    Use it around a whole training loop: `with ag.threads(2): …`, or `@ag.threads(2)` above the function that trains. BLAS is
    limited in the whole process until the last such block ends; the two threads serve only the calling thread. Results do not
    depend on `number`. In a browser, where Python has one thread, 2 works like 1. Raises ValueError if it is neither 1 nor 2.

    >>> import autograd_mini as ag
    >>> with ag.threads(2):
    ...     y = ag.conv2d(ag.ones((64, 1, 28, 28)), ag.ones((32, 1, 3, 3)))
    """
    if number not in (1, 2):
        raise ValueError(f"threads: number must be 1 or 2, got {number!r}")
    with _blas, mode("two_threads", number == 2 and HAS_THREADS):
        yield


class _SingleThreadedBlas:
    """A context that limits BLAS to one thread until the last thread leaves it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._inside = 0
        self._limited: list[tuple[Any, int]] = []  # libraries, and how many threads each had before

    def __enter__(self) -> None:
        with self.lock:
            if not self._inside:
                self._limited = [(library, library.get_num_threads()) for library in _libraries(len(sys.modules))]
                for library, _ in self._limited:
                    library.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            self._inside -= 1
            if not self._inside:
                for library, before in self._limited:
                    library.set_num_threads(before)


_blas = _SingleThreadedBlas()


@lru_cache(maxsize=1)
def _libraries(modules: int) -> list[Any]:
    """Returns the BLAS libraries that are loaded; searches again if the number of `modules` changes, which takes 1 ms."""
    if not HAS_THREADS:
        return []
    try:
        import threadpoolctl  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("ag.threads needs threadpoolctl: pip install threadpoolctl", name=error.name) from None

    return list(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


@cache
def _helper() -> Any:
    """Returns the helper: one thread, started at its first call, which ends with the process."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, "autograd_mini")


def _reset_after_fork() -> None:
    """Creates new locks in a forked child: it has no helper, and the locks may have been copied while they were held."""
    global _turn
    _turn, _blas.lock = Lock(), Lock()
    _helper.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
