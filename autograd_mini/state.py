"""State that operations depend on besides their operands: the modes of the thread and the creation numbers of tensors.

Modes are thread-local and change only through context managers, so an exception always restores them.
Creation numbers count up from 1 in the whole process; they are a topological order of every graph.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

__all__ = ["enable_grad", "is_grad_enabled", "is_recording", "no_grad"]

if TYPE_CHECKING:
    import numpy as np

    from .primitive import Primitive
    from .tensor import Tensor
    from .tools.anomaly import AnomalyDetector
    from .tools.profile import Profile

tick: Callable[[], int] = itertools.count(1).__next__


class Tracer(Protocol):
    """What the engine and its layers report to while `jit` traces a function. `will_...` is called before it happens."""

    def record(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, object], out: Tensor) -> None: ...
    def record_effect(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, object], writes: tuple[object, ...]
    ) -> None: ...
    def record_assignment(self, target: Tensor, value: Tensor) -> None: ...
    def capture(self, tensor: Tensor) -> None: ...
    def value_of(self, tensor: Tensor) -> object: ...
    def guard(self, owner: object, name: str) -> None: ...
    def will_walk(self, nodes: Iterable[Tensor]) -> None: ...
    def will_draw(self, stream: np.random.Generator) -> None: ...
    def will_read_grad(self, tensor: Tensor) -> None: ...
    def will_write_grad(self, tensor: Tensor) -> None: ...
    def take_ownership(self, gradient: Tensor) -> Tensor: ...
    def reject_action(self, action: str, instead: str) -> NoReturn: ...
    def reject_value(self, use: str) -> NoReturn: ...


class WatchedState:
    """Counts changes of the state that compiled steps rely on: a replay compares one number instead of reading every flag.

    `version` counts all changes; `structure_version` those after which every step is traced again, because a layer, a
    parameter, a parameter group or the state of an optimizer was replaced.
    """

    version: int = 0
    structure_version: int = 0

    def flag_changed(self) -> None:
        """Reports a new value of `training`, `requires_grad`, a hook or an attribute of a module."""
        self.version += 1

    def structure_changed(self) -> None:
        """Reports that an object which plans refer to was replaced."""
        self.version += 1
        self.structure_version += 1


watched: Final = WatchedState()


class _Modes(threading.local):
    """The modes of one thread. `all_default` is True while every mode has its default, so an operation reads one flag."""

    grad_enabled: bool = True
    tracer: Tracer | None = None
    anomaly: AnomalyDetector | None = None
    profiler: Profile | None = None
    two_threads: bool = False
    compiling: bool = False  # inside the first, eager call of a compiled function
    all_default: bool = True


modes = _Modes()

threads_with_modes: Final[set[int]] = set()
"""The threads in which some mode differs from its default. While it is empty, operations need not look up modes (25 ns)."""


def start_operation() -> None:
    """Starts the clock of this thread's profiler, if there is one, before the kernel of an operation is called."""
    if modes.profiler is not None:
        modes.profiler.start_operation()


class mode(ContextDecorator):
    """Sets one mode for a `with` block or a decorated function, and restores the earlier value even after an exception."""

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
        """Returns a new context for each call of a decorated function, so that threads do not share `_saved`."""
        return mode(self._key, self._value)

    def _set(self, value: Any) -> None:
        setattr(modes, self._key, value)
        modes.all_default = modes.grad_enabled and modes.tracer is None and modes.anomaly is None and modes.profiler is None
        if modes.all_default:
            threads_with_modes.discard(threading.get_ident())
        else:
            threads_with_modes.add(threading.get_ident())


def no_grad() -> mode:
    """Turns off recording for a `with` block or a function: results are leaves that require no gradient.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * 2
    >>> y.requires_grad, y.is_leaf
    (False, True)
    """
    return mode("grad_enabled", False)


def enable_grad() -> mode:
    """Turns on recording for a `with` block or a function, even inside `no_grad`.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     (x * x).requires_grad
    True
    """
    return mode("grad_enabled", True)


def is_recording() -> bool:
    """Returns whether `jit` is tracing a function in this thread: Python code that runs now is not repeated by a replay.

    >>> import autograd_mini as ag
    >>> seen = []
    >>> f = ag.jit(lambda x: (seen.append(ag.is_recording()), x + 1)[1])
    >>> y = [f(ag.Tensor(1.0)) for _ in range(4)]
    >>> seen
    [False, True]
    """
    return modes.tracer is not None


def is_grad_enabled() -> bool:
    """Returns whether operations of this thread are recorded.

    >>> import autograd_mini as ag
    >>> ag.is_grad_enabled()
    True
    """
    return modes.grad_enabled
