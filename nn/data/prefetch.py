"""Loads batches ahead in threads, in order.

Threads, not processes: decoding and resizing images, reading files and array operations run in parallel, nothing is copied or
pickled, and nothing needs `if __name__ == "__main__"`. On two cores, 200 PNG files load equally fast either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from autograd_mini.memory.threads import HAS_THREADS

T = TypeVar("T")

AHEAD: Final = 2  # tasks per thread that are waiting or done


def load_ahead(load: Callable[[int], T], numbers: Iterable[int], workers: int) -> Iterator[T]:
    """Yields `load(number)` for each number, in order, computed by some threads ahead of time.

    An error of `load` is raised in the place of its result. The threads end with the iterator; they are daemons, so that a call
    of `load` that hangs does not keep the program alive. In a browser, where Python has one thread, nothing is loaded ahead.

    >>> from autograd_mini.nn.data.prefetch import load_ahead
    >>> list(load_ahead(lambda i: i * i, range(5), workers=3))
    [0, 1, 4, 9, 16]
    """
    if not HAS_THREADS:
        yield from map(load, numbers)
        return
    tasks: SimpleQueue[Any] = SimpleQueue()
    pending: deque[Future[T]] = deque()
    threads = [Thread(target=copy_context().run, args=(_work, tasks, load), daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for number in numbers:
            pending.append(Future())
            tasks.put((number, pending[-1]))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for _ in threads:
            tasks.put(None)


def _work(tasks: SimpleQueue[Any], load: Callable[[int], Any]) -> None:
    """Runs tasks until the end of the queue, in a thread."""
    while (task := tasks.get()) is not None:
        number, future = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(load(number))
        except BaseException as error:
            future.set_exception(error)
