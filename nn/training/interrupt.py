"""Ctrl-C as a request to stop: the program finishes its current step first."""

from __future__ import annotations

import signal
import threading
from typing import Any, Self


class Interrupt:
    """Inside a `with` block the first Ctrl-C only sets `requested`; the second raises KeyboardInterrupt as usual.

    Python delivers signals to the main thread only, so in other threads the block has no effect.

    >>> import signal
    >>> from autograd_mini.nn.training.interrupt import Interrupt
    >>> with Interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    >>> interrupt.requested
    True
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        # A signal that is ignored stays ignored, as `nohup` and shells in the background want it.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _request(self, number: int, frame: object) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
