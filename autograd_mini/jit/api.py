"""`jit`: traces what a function of tensors does, and replays it without running its Python code again."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Final, Literal, TypeAlias, get_args, overload
from weakref import WeakSet

import numpy as np

from ..aliases import mark_modified
from ..state import mode, modes
from ..tensor import Tensor
from ..tools.arguments import flag
from ..trees import leaves
from .c.build import CompilerError, compiler
from .compile import compile_trace
from .plan import Plan
from .pool import Pool
from .python_state.surroundings import Surroundings
from .signature import Arguments, OutputSpec, describe_change
from .trace import NeedsEagerModeError, Trace

Backend: TypeAlias = Literal["numpy", "c", "auto"]
MAX_PLANS: Final = 8  # of one function; the plans used last are kept
MAX_PREPARED: Final = 64  # first calls and traces; after these, a function that replayed fewer than half as often runs eagerly
_RETURNED_TYPES: Final = (bool, int, float, str, type(None), np.generic)
_functions: Final[WeakSet[Jitted]] = WeakSet()


@overload
def jit(function: Callable[..., Any], *, profile: bool = False, exact: bool = False, backend: Backend = "numpy") -> Jitted: ...
@overload
def jit(
    *, profile: bool = False, exact: bool = False, backend: Backend = "numpy"
) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(
    function: Callable[..., Any] | None = None, *, profile: bool = False, exact: bool = False, backend: Backend = "numpy"
) -> Any:
    """Compiles a function of tensors: its first call runs it, the second traces it, and all later calls replay the trace.

    It is meant for a whole training step: forward and backward pass, update, random draws and running statistics are all
    recorded. Arguments may be nested lists, tuples and dicts. A plan serves all values of tensors and arrays, and of Python
    floats that are only computed with. Another plan is recorded if any of these differs: shapes and dtypes, ints, bools,
    strings and other objects, `no_grad`, frozen parameters, `training`, layers, hooks, and the Python state that the function
    can read: globals, closures, attributes, lists, dicts, NumPy arrays.

    Tensors that are not arguments (parameters, optimizer state, learning rates) are read in each replay. A function with side
    effects in Python runs eagerly, with a warning that names them: it changes Python state, draws from `random` or `np.random`,
    prints, or reads a clock, a file or an iterator. So does a function that needs more plans than it uses again. `eager_reason`
    then says why, and `clear()` lets it be compiled again.

    Parameters
    ----------
    function : the function to compile; without it, `jit` returns a decorator
    profile : measure the time of each step, which `print(step.plan)` then shows
    exact : give the same bits as eager code. Otherwise long sequences of operations on single numbers are computed by Python in
        double precision, and matrix products may be split in two.
    backend : "numpy"; "c" turns runs of elementwise operations into loops that a C compiler translates once (`step.plan.source`
        shows them), which takes a fraction of a second and needs `cc`, `gcc`, `clang` or the one in `$CC`; "auto" does so if
        there is a compiler. Loops of arithmetic give NumPy's bits; sums and functions such as exp differ by rounding, so
        `exact` wins over "auto", and cannot be combined with "c".

    Raises
    ------
    ValueError
        if `backend` is none of these, or "c" together with `exact`
    RuntimeError
        if `backend` is "c" and there is no working compiler
    TraceError
        while tracing, if the function needs a tensor's value in Python, as `.item()` and `if tensor` do; nothing is changed
    RuntimeError
        if a result requires a gradient: compile the whole step, or use `no_grad`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> w = ag.Tensor(1.0, requires_grad=True)
    >>> @ag.jit
    ... def step(x):
    ...     w.grad = None
    ...     loss = ag.square(w * x - 6)
    ...     loss.backward()
    ...     w.data = w - 0.1 * w.grad
    ...     return loss.detach()
    >>> [round(step(ag.Tensor(2.0)).item(), 4) for _ in range(4)]
    [16.0, 0.64, 0.0256, 0.001]
    """
    if function is not None and not callable(function):
        raise TypeError(f"jit: expected a function, got {function!r}")
    options: dict[str, Any] = {
        "profile": flag("jit", "profile", profile),
        "exact": flag("jit", "exact", exact),
        "backend": check_backend(backend, exact),
    }
    return partial(Jitted, **options) if function is None else Jitted(function, **options)


def check_backend(backend: Backend, exact: bool = False) -> Backend:
    """Returns a backend that can be used. Raises ValueError and RuntimeError as `jit` does."""
    if not isinstance(backend, str) or backend not in get_args(Backend):
        raise ValueError(f'jit: backend must be "numpy", "c" or "auto", got {backend!r}')
    if backend == "c" and exact:
        raise ValueError('jit: backend="c" rounds in another way than eager code; leave out exact=True, or use backend="numpy"')
    if backend == "c" and compiler() is None:
        raise CompilerError('jit: backend="c" needs a C compiler, such as gcc or clang; backend="auto" works without one')
    return backend


def available_backend(backend: Backend) -> Backend:
    """Returns the backend that "auto" stands for on this computer. Raises ValueError and RuntimeError as `jit` does."""
    check_backend(backend)
    return backend if backend != "auto" else "numpy" if compiler() is None else "c"


class Jitted:
    """A function compiled by `jit`.

    plans         its plans; the one used last is at the end
    eager_reason  why it runs eagerly, or an empty string
    warm_up       whether the first call runs eagerly, and the second one is the traced run; otherwise traced runs are undone,
                  and all results come from replays: then they do not depend on how often the process has called the function
    """

    __name__: str

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        profile: bool = False,
        exact: bool = False,
        backend: Backend = "numpy",
        warm_up: bool = True,
    ):
        self.__name__ = type(function).__name__  # for callable objects, which have no name of their own
        update_wrapper(self, function)  # first, because it copies attributes of the function that may have the names below
        self.function, self.profile, self.exact, self.backend, self.warm_up = function, profile, exact, backend, warm_up
        self._lock = threading.RLock()
        self.clear()
        _functions.add(self)

    def __repr__(self) -> str:
        return f"<jit {self.__name__}, plans: {len(self.plans)}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    @property
    def plan(self) -> Plan:
        """The plan that was used last. Raises RuntimeError if there is none yet.

        >>> import autograd_mini as ag
        >>> double = ag.jit(lambda x: x + x)
        >>> y = [double(ag.Tensor([1.0, 2.0])) for _ in range(3)]
        >>> len(double.plan.steps)
        1
        """
        if not self.plans:
            raise RuntimeError(
                f"{self.__name__}: there is no plan yet; the first call runs eagerly, the second one makes a plan"
            )
        return self.plans[-1]

    def clear(self) -> None:
        """Deletes all plans and their memory, and what is known about the function: it is compiled again."""
        with self._lock:
            self.plans: list[Plan] = []
            self.eager_reason = ""
            self._by_signature: dict[Any, list[Plan]] = {}
            self._by_value: frozenset[int] = frozenset()
            self._last_signature: Sequence[Any] = ()
            self._prepared = self._replayed = 0
            self._pool = Pool()

    def __reduce__(self) -> Any:
        """Copies and pickles the function; a copy has no plans. A function that a decorator compiled is found by its name."""
        module, name = getattr(self, "__module__", ""), getattr(self, "__qualname__", "")
        if getattr(sys.modules.get(module), name, None) is self:
            return name
        return partial(jit, profile=self.profile, exact=self.exact, backend=self.backend), (self.function,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = modes()
        if now.tracer is not None or now.anomaly is not None or now.compiling:  # part of a larger step, or being debugged
            return self.function(*args, **kwargs)
        if self.eager_reason:
            arguments = Arguments(args, kwargs)
            return self._run_function(arguments, arguments.originals)
        with self._lock:
            arguments = Arguments(args, kwargs, self._by_value)
            plans = self._by_signature.get(arguments.signature)
            for plan in plans or ():
                if plan.guards.hold():
                    self._replayed += 1
                    return self._replay(plan, arguments)
            self._prepared += 1
            if self._prepared > MAX_PREPARED and 2 * self._replayed < self._prepared:
                return self._fall_back(self._describe_changes(arguments, plans), arguments, stacklevel=3)
            self._last_signature = arguments.signature
            if plans is None and self.warm_up:
                self._by_signature[arguments.signature] = []
                with mode("compiling", True):
                    return self._run_function(arguments, arguments.originals)
            return self._trace(args, kwargs)

    def _run_function(self, arguments: Arguments, operands: Sequence[Any]) -> Any:
        """Calls the function on its operands and checks that a replay can return its result."""
        args, kwargs = arguments.rebuild(operands)
        result = self.function(*args, **kwargs)
        for x in leaves(result):
            if isinstance(x, Tensor):
                if x._requires_grad and x._primitive is not None:
                    raise RuntimeError(
                        f"jit: a result of {self.__name__}, {x._describe()}, requires a gradient, but a replay records no "
                        "graph: jit the whole step, return result.detach(), or use no_grad"
                    )
            elif not isinstance(x, _RETURNED_TYPES):
                raise TypeError(f"jit: {self.__name__} must return tensors, in lists, tuples or dicts, got {type(x).__name__}")
        return result

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Traces the function; if that fails, tries again with the values of Python floats as part of the plan."""
        while True:
            arguments = Arguments(args, kwargs, self._by_value)
            surroundings = Surroundings(self.function, arguments.kept_alive)
            if surroundings.unseen:
                return self._fall_back(f"it {surroundings.unseen}", arguments)
            if surroundings.types and (numbers := arguments.numbers(frozenset())):
                self._by_value |= numbers
                continue
            trace = Trace(arguments.tracing_tensors(), surroundings, is_dry=not self.warm_up)
            try:
                return self._trace_once(trace, arguments)
            except NeedsEagerModeError as error:
                return self._fall_back(str(error), arguments)
            except Exception:  # perhaps a number among the arguments was not like a number
                numbers = arguments.numbers(trace.needed)
                if not numbers:
                    raise
                self._by_value |= numbers

    def _trace_once(self, trace: Trace, arguments: Arguments) -> Any:
        operands = arguments.tracing_operands([value.tensor for value in trace.arguments if value.tensor is not None])
        try:
            with mode("tracer", trace):
                result = self._run_function(arguments, operands)
                trace.guards.surroundings.forget(trace.is_live)
                if changed := trace.guards.changed_guards():
                    raise NeedsEagerModeError(f"it changes {', '.join(changed)} in Python, and a replay would not")
                output = OutputSpec(result, trace, operands)
                plan = self._compile(trace, output, arguments)
        except BaseException:
            trace.restore()
            raise
        if not self.warm_up:
            return self._replay_at_once(trace, plan, arguments)
        self._mark_assigned(plan, arguments)
        self._add_plan(plan, arguments)
        return output.of_traced_run(result, arguments.originals)

    def _replay_at_once(self, trace: Trace, plan: Plan, arguments: Arguments) -> Any:
        """Undoes the traced run and replays it. The first plan is not kept: its run may have created states of optimizers."""
        trace.restore()
        if self._prepared > 1:
            self._add_plan(plan, arguments)
        self._mark_assigned(plan, arguments)
        return plan.output.build(plan.run([t._data for t in arguments.operands]), arguments.originals)

    def _compile(self, trace: Trace, output: OutputSpec, arguments: Arguments) -> Plan:
        """Returns a plan, with loops in C if the backend says so; "auto" does without them if the compiler fails."""
        compile_with = partial(compile_trace, trace, output, arguments, self._pool, exact=self.exact, profile=self.profile)
        try:
            return compile_with(loops=self.backend != "numpy" and not self.exact and compiler() is not None)
        except CompilerError as error:
            if self.backend == "c":
                raise
            warnings.warn(f"jit: {self.__name__} uses NumPy only: {error}", stacklevel=6)
            self.backend = "numpy"
            return compile_with()

    def _add_plan(self, plan: Plan, arguments: Arguments) -> None:
        """Adds a plan and forgets the one that was used least recently; also forgets old signatures without a plan."""
        self._by_signature.setdefault(arguments.signature, []).append(plan)
        self.plans.append(plan)
        oldest = self.plans.pop(0) if len(self.plans) > MAX_PLANS else None
        by_signature = {key: [p for p in plans if p is not oldest] for key, plans in self._by_signature.items()}
        waiting = [key for key, plans in by_signature.items() if not plans]
        for key in waiting[:-MAX_PREPARED]:
            del by_signature[key]
        self._by_signature = by_signature

    def _replay(self, plan: Plan, arguments: Arguments) -> Any:
        if self.plans[-1] is not plan:
            self.plans.remove(plan)
            self.plans.append(plan)
        self._mark_assigned(plan, arguments)
        return plan.output.build(plan.run([t._data for t in arguments.operands]), arguments.originals)

    def _mark_assigned(self, plan: Plan, arguments: Arguments) -> None:
        """Marks the arguments that the function sets as modified, so that no older graph uses them in a backward pass."""
        for i in plan.assigned:
            mark_modified(arguments.operands[i])

    # -- running eagerly -------------------------------------------------------------------------------------------------

    def _fall_back(self, reason: str, arguments: Arguments, stacklevel: int = 4) -> Any:
        """Runs the function eagerly, now and from now on, and says why."""
        self.clear()
        self.eager_reason = reason
        warnings.warn(f"jit: falling back to eager mode: {self.__name__} cannot be compiled: {reason}", stacklevel=stacklevel)
        return self._run_function(arguments, arguments.originals)

    def _describe_changes(self, arguments: Arguments, plans: Sequence[Plan] | None) -> str:
        """Describes what prevents that plans are used again."""
        if plans:
            change = ", ".join(plans[-1].guards.changed_guards()) or "its surroundings"
        else:
            change = f"its arguments ({describe_change(self._last_signature, arguments.signature)})"
        return (
            f"of {self._prepared - 1} plans that it prepared, few could be used again, because {change} changed; "
            "make what changes a tensor"
        )

    def _reset_after_fork(self) -> None:
        """Creates a new lock in a forked child if another thread held it; what that thread was doing is deleted."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()
            self.clear()


def _reset_after_fork() -> None:
    for function in list(_functions):
        function._reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
