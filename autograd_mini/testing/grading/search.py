"""The search for the smallest input at which a check fails, and a limit on the time of a call."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from .compare import Failure


def find_smallest(strategy: st.SearchStrategy[Any], check: Callable[[Any], Failure | None], examples: int) -> Failure | None:
    """Checks `examples` drawn inputs; returns the failure at the smallest input that hypothesis finds, or None.

    The same inputs are drawn each time.

    >>> from hypothesis import strategies as st
    >>> from autograd_mini.testing.grading.compare import Failure
    >>> from autograd_mini.testing.grading.search import find_smallest
    >>> find_smallest(st.integers(0, 1000), lambda n: Failure(f"wrong at {n}") if n > 20 else None, 100).message
    'wrong at 21'
    """
    failures: list[Failure] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(drawn: Any) -> None:
        if (failure := check(drawn)) is not None:
            failures.append(failure)
            raise _Failed

    try:
        run()
    except Exception:
        if not failures:
            raise
    return failures[-1] if failures else None


class _Failed(Exception):
    pass


class TooSlow(BaseException):
    """Raised if a call takes too long; no `except Exception` of the student's code catches it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raises TooSlow if the block takes longer; does nothing outside the main thread, or on a system without alarm signals."""
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooSlow(f"took longer than {seconds:g} s; is there an endless loop?")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
