"""Large work in two halves, on the calling thread and on one helper beside it, while BLAS is held at a single thread.

BLAS's own threads meet at the end of every block of a product, and collapse where another process has one of the cores; two
halves of a batch meet once per operation. Kernels cut large work into the same halves wherever they run: a result depends
neither on this setting nor on the number of cores, and repeats bit for bit.
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
"""Nanoseconds of one thread from which work is cut: starting the helper and waiting for it costs about a tenth of that."""

MIN_SPLIT_ELEMENTS: Final = 1 << 19
"""Elements from which an elementwise operation of two or three passes is worth a cut."""

_turn = Lock()  # held by the call that has the helper


def split_work(work: Callable[[slice], T], count: int, cost: float) -> list[T]:
    """`work` on both halves of `count` items, or on all at once where its `cost`, in nanoseconds, is not worth a cut.

    Within `threads(2)` the halves run at the same time, unless the helper is busy with a call around or beside this one. `work`
    must touch arrays only. What it raises is raised here, the first half's error before the second's, when both have ended. A
    call inside a half is not cut again.
    """
    if cost < MIN_SPLIT_NS or count < 2 or _halves.inside:
        return [work(slice(0, count))]
    first, second = slice(0, count // 2), slice(count // 2, count)
    if not modes.paired or not _turn.acquire(blocking=False):
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
    """Whether this thread is at work on a half."""

    inside = False


_halves = _Halves()


def _half(work: Callable[[slice], T], part: slice) -> T:
    _halves.inside = True
    try:
        return work(part)
    finally:
        _halves.inside = False


def split_elementwise(ufunc: Callable[..., Any], *operands: Array, out: Array | None = None) -> Array:
    """`ufunc(*operands, out=…)` by halves of the first axis, for operands of one shape.

    Worth it from `MIN_SPLIT_ELEMENTS` elements.

    `ufunc` is any function that computes each element from those at its place.
    """
    result = np.empty_like(operands[0]) if out is None else out
    split_work(lambda part: ufunc(*[a[part] for a in operands], out=result[part]), len(result), MIN_SPLIT_NS)
    return result


@contextmanager
def threads(number: int = 2) -> Iterator[None]:
    """Large operations inside use two threads of ours (`number` 2) or one (1), and BLAS one in either case.

    Meant for whole training loops: `with ag.threads(2): …` or `@ag.threads(2)` above the function that trains. BLAS is held for
    the whole process, and gets back what it had when the last such block ends; the pair is for the calling thread alone.
    Results do not depend on `number`. ValueError for another number.

    >>> import autograd_mini as ag
    >>> with ag.threads(2):
    ...     y = ag.conv2d(ag.ones((64, 1, 28, 28)), ag.ones((32, 1, 3, 3)))
    """
    if number not in (1, 2):
        raise ValueError(f"threads: there can be 1 or 2, got {number!r}")
    with _blas, mode("paired", number == 2):
        yield


class _OneThread:
    """A context that holds BLAS at one thread while anybody is inside."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._inside = 0
        self._held: list[tuple[Any, int]] = []  # libraries, and how many threads each had

    def __enter__(self) -> None:
        with self.lock:
            if not self._inside:
                self._held = [(library, library.get_num_threads()) for library in _libraries(len(sys.modules))]
                for library, _ in self._held:
                    library.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            self._inside -= 1
            if not self._inside:
                for library, before in self._held:
                    library.set_num_threads(before)


_blas = _OneThread()


@lru_cache(maxsize=1)
def _libraries(modules: int) -> list[Any]:
    """The BLAS libraries that are loaded, looked for anew when `modules` have come: the search takes a millisecond."""
    try:
        import threadpoolctl  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("ag.threads needs threadpoolctl: pip install threadpoolctl", name=error.name) from None

    return list(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


@cache
def _helper() -> Any:
    """The helper: one thread, started at its first work, which ends with the process."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, "autograd_mini")


def _forked() -> None:
    """A forked child has no helper, and its locks may have been copied while held."""
    global _turn
    _turn, _blas.lock = Lock(), Lock()
    _helper.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
