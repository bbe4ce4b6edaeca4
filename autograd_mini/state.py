"""What an operation must know besides its operands: the modes of the context, and the clock of the process.

Modes belong to a context in the sense of `contextvars`: a thread or an asyncio task. They change only through context managers,
and each of these takes away its own entry, so blocks may end in any order. The clock numbers tensors in the order of creation,
which is a topological order of every graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar, overload

from .tools.arguments import flag
from .tools.decorate import decorate

__all__ = ["enable_grad", "is_grad_enabled", "is_recording", "no_grad", "set_grad_enabled"]

if TYPE_CHECKING:
    import numpy as np

    from .primitive import Primitive
    from .tensor import Tensor
    from .tools.anomaly import AnomalyDetector
    from .tools.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])

tick: Callable[[], int] = itertools.count(1).__next__


class Tracer(Protocol):
    """What the engine and its layers report to while `jit` traces a function. `will_...` is called before it happens."""

    is_dry: bool
    """The run will be undone and replayed, so it must not act on anything outside of the process."""

    def record(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, object], out: Tensor) -> None: ...
    def record_effect(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, object], writes: tuple[object, ...]
    ) -> None: ...
    def record_assignment(self, target: Tensor, value: Tensor) -> None: ...
    def capture(self, tensor: Tensor) -> None: ...
    def value_of(self, tensor: Tensor) -> object: ...
    def guard(self, owner: object, name: str) -> None: ...
    def existed_before(self, tensor: Tensor) -> bool: ...
    def will_walk(self, nodes: Iterable[Tensor]) -> None: ...
    def will_draw(self, stream: np.random.Generator) -> None: ...
    def will_read_grad(self, tensor: Tensor) -> None: ...
    def will_write_grad(self, tensor: Tensor) -> None: ...
    def take_ownership(self, gradient: Tensor) -> Tensor: ...
    def reject_action(self, action: str, instead: str) -> NoReturn: ...
    def reject_value(self, use: str, tensor: Tensor) -> NoReturn: ...
    def need_eager_mode(self, reason: str) -> NoReturn: ...


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


class Modes:
    """The modes of a context at one moment; a change makes a new object. `all_default` lets an operation read one flag."""

    __slots__ = (
        "all_default",
        "anomaly",
        "compiling",
        "entries",
        "grad_enabled",
        "profiler",
        "tracer",
        "two_threads",
        "variables",
    )

    grad_enabled: bool
    tracer: Tracer | None
    anomaly: AnomalyDetector | None
    profiler: Profile | None
    two_threads: bool
    compiling: bool
    """Inside the first, eager call of a compiled function."""
    variables: tuple[Tensor, ...]
    """What the active transforms (`grad`, `vjp`, …) differentiate with respect to."""
    entries: tuple[_Entry, ...]
    all_default: bool

    def __init__(self, entries: tuple[_Entry, ...] = ()):
        self.grad_enabled, self.two_threads, self.compiling = True, False, False
        self.tracer = self.anomaly = self.profiler = None
        self.variables, self.entries = (), entries
        for entry in entries:
            setattr(self, entry.key, entry.value)
        self.all_default = self.grad_enabled and self.tracer is None and self.anomaly is None and self.profiler is None


class _Entry:
    """One block that sets a mode, and the modes before it."""

    __slots__ = ("before", "key", "value")

    def __init__(self, key: str, value: Any, before: Modes):
        self.key, self.value, self.before = key, value, before


_DEFAULT: Final = Modes()
_current: Final = ContextVar("autograd_mini_modes", default=_DEFAULT)
modes: Final = _current.get
"""Returns the modes of the running context."""
enter_modes: Final = _current.set
"""Gives another context, inside its `run`, the modes of this one."""

active_modes: Final[set[int]] = set()
"""The open blocks that leave some mode at another value than its default. While there are none, operations skip the modes."""


running_variables: Final[dict[int, tuple[Tensor, ...]]] = {}
"""By open block, what the transforms of all threads differentiate: a value may leave the graph in another thread, too."""


def start_operation() -> None:
    """Starts the clock of this context's profiler, if there is one, before the kernel of an operation is called."""
    profiler = modes().profiler
    if profiler is not None:
        profiler.start_operation()


class mode:
    """Sets one mode for a `with` block, or for the calls of a decorated function, generator or coroutine function."""

    __slots__ = ("_entries", "_key", "_value")

    def __init__(self, key: str, value: Any):
        self._key, self._value = key, value
        self._entries: list[_Entry] = []

    def __enter__(self) -> Any:
        before = modes()
        entry = _Entry(self._key, self._value, before)
        now = Modes((*before.entries, entry))
        self._entries.append(entry)
        _current.set(now)
        if self._key == "variables":
            running_variables[id(entry)] = self._value
        if not now.all_default:
            active_modes.add(id(entry))
        return self._value

    def __exit__(self, *exc: object) -> None:
        entry = self._entries.pop()
        active_modes.discard(id(entry))
        running_variables.pop(id(entry), None)
        entries = modes().entries
        if entries and entries[-1] is entry and len(entries) == len(entry.before.entries) + 1:
            _current.set(entry.before)
        else:  # blocks that do not nest, as in two generators: the others stay
            _current.set(Modes(tuple(other for other in entries if other is not entry)))

    def __call__(self, function: F) -> F:
        return decorate(function, lambda: mode(self._key, self._value))


class _GradMode:
    """`no_grad` or `enable_grad`: a context manager and decorator, with or without parentheses."""

    def __init__(self, enabled: bool, name: str, text: str):
        self._enabled = enabled
        self.__name__ = self.__qualname__ = name
        self.__doc__ = text
        self._open: ContextVar[tuple[mode, ...]] = ContextVar(name, default=())

    @overload
    def __call__(self) -> mode: ...
    @overload
    def __call__(self, function: F) -> F: ...
    def __call__(self, function: Any = None) -> Any:
        if function is not None and not callable(function):
            raise TypeError(f"{self.__name__}: expected a function to decorate, or nothing, got {function!r}")
        block = mode("grad_enabled", self._enabled)
        return block if function is None else block(function)

    def __enter__(self) -> None:
        block = self()
        block.__enter__()
        self._open.set((*self._open.get(), block))

    def __exit__(self, *exc: object) -> None:
        *rest, block = self._open.get()
        self._open.set(tuple(rest))
        block.__exit__()

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


no_grad: Final = _GradMode(
    False,
    "no_grad",
    """Turns off recording for a `with` block or a decorated function: results are leaves that require no gradient.

    Generators and coroutines can be decorated too; the mode holds while their own code runs. Under `no_grad`, an augmented
    assignment such as `w -= 0.1 * w.grad` writes into the memory of a leaf.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * 2
    >>> y.requires_grad, y.is_leaf
    (False, True)
    """,
)
enable_grad: Final = _GradMode(
    True,
    "enable_grad",
    """Turns on recording for a `with` block or a decorated function, even inside `no_grad`.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     (x * x).requires_grad
    True
    """,
)


def set_grad_enabled(enabled: bool) -> mode:
    """Returns `enable_grad()` or `no_grad()`, for a `with` block or as a decorator.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> with ag.set_grad_enabled(False):
    ...     (x * x).requires_grad
    False
    """
    return mode("grad_enabled", flag("set_grad_enabled", "enabled", enabled))


def is_recording() -> bool:
    """Returns whether `jit` is tracing a function in this thread: Python code that runs now is not repeated by a replay.

    >>> import autograd_mini as ag
    >>> f = ag.jit(lambda x: x * 2 if ag.is_recording() else x)
    >>> [f(ag.Tensor(1.0)).item() for _ in range(4)]  # run, trace, replay, replay
    [1.0, 2.0, 2.0, 2.0]
    """
    return modes().tracer is not None


def is_grad_enabled() -> bool:
    """Returns whether operations of this thread are recorded.

    >>> import autograd_mini as ag
    >>> ag.is_grad_enabled()
    True
    """
    return modes().grad_enabled
