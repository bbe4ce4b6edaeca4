"""What an operation must know besides its operands: the thread's modes and the process's clock.

Modes are thread-local and change only through context managers, so an exception always restores them.
The clock numbers tensors in order of creation, which is already a topological order of every graph.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any, Final

tick: Callable[[], int] = itertools.count(1).__next__


class _Settings:
    """Counts the changes of what a compiled step takes for granted: frozen parameters, `training`, groups, exchanged layers."""

    version: int = 0
    structure_version: int = 0


settings = _Settings()


class _Modes(threading.local):
    """The modes of one thread. `all_default` is True while every mode has its default, so an operation reads one flag."""

    grad_enabled: bool = True
    tracer: Any = None
    anomaly: Any = None
    profiler: Any = None
    paired: bool = False
    compiling: bool = False  # inside the first, eager call of a compiled function
    all_default: bool = True


modes = _Modes()

threads_with_modes: Final[set[int]] = set()
"""The threads in which some mode is not at its default. While it is empty, an operation skips looking up its own (25 ns)."""


def begin() -> None:
    """Tells the profile of this thread, if it has one, that an operation begins."""
    if modes.profiler is not None:
        modes.profiler.begin()


class mode(ContextDecorator):
    """Sets one mode for a `with` block (or a decorated function) and puts the earlier value back, whatever happens."""

    def __init__(self, key: str, value: Any):
        self._key, self._value = key, value
        self._saved: list[Any] = []

    def __enter__(self) -> Any:
        self._saved.append(getattr(modes, self._key))
        self._set(self._value)
        return self._value

    def __exit__(self, *exc: object) -> None:
        self._set(self._saved.pop())

    def _recreate_cm(self) -> mode:
        """A decorated function enters a context of its own at every call, so that threads do not share `_saved`."""
        return mode(self._key, self._value)

    def _set(self, value: Any) -> None:
        setattr(modes, self._key, value)
        modes.all_default = modes.grad_enabled and modes.tracer is None and modes.anomaly is None and modes.profiler is None
        if modes.all_default:
            threads_with_modes.discard(threading.get_ident())
        else:
            threads_with_modes.add(threading.get_ident())


def no_grad() -> mode:
    """Operations inside are not recorded: their results are leaves that need no gradient.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * 2
    >>> y.requires_grad, y.is_leaf
    (False, True)
    """
    return mode("grad_enabled", False)


def enable_grad() -> mode:
    """Records operations inside, also within `no_grad`.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     (x * x).requires_grad
    True
    """
    return mode("grad_enabled", True)


def is_recording() -> bool:
    """Whether a function that `jit` compiles is being recorded in this thread: what Python does now, no replay will do.

    >>> import autograd_mini as ag
    >>> seen = []
    >>> f = ag.jit(lambda x: (seen.append(ag.is_recording()), x + 1)[1])
    >>> y = [f(ag.Tensor(1.0)) for _ in range(4)]
    >>> seen
    [False, True]
    """
    return modes.tracer is not None


def is_grad_enabled() -> bool:
    """Whether operations of this thread are being recorded.

    >>> import autograd_mini as ag
    >>> ag.is_grad_enabled()
    True
    """
    return modes.grad_enabled
