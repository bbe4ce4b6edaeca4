"""`jit`: traces what a function of tensors does, and replays it without running its Python code again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Final, overload

from ..aliases import mark_modified
from ..state import mode, modes
from ..tensor import Tensor
from ..trees import leaves
from .compile import compile_trace
from .plan import Plan
from .pool import Pool
from .signature import Arguments, OutputSpec
from .trace import Trace, TraceError

MAX_PLANS: Final = 8  # of one function; the plans used last are kept
_RETURNED_TYPES: Final = (bool, int, float, str, type(None))


@overload
def jit(function: Callable[..., Any], *, profile: bool = False, exact: bool = False) -> Jitted: ...
@overload
def jit(*, profile: bool = False, exact: bool = False) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(function: Callable[..., Any] | None = None, *, profile: bool = False, exact: bool = False) -> Any:
    """Compiles a function of tensors: its first call runs it, the second traces it, and all later calls replay the trace.

    It is meant for a whole training step: forward and backward pass, update, random draws and running statistics are all
    recorded. Arguments may be nested lists, tuples and dicts. A plan serves all values of tensors and arrays, and of Python
    floats, which the function receives as 0-d tensors. Another plan is recorded if any of these differs: shapes and dtypes,
    ints, bools, strings and other objects, `no_grad`, frozen parameters, `training`, layers, hooks, and the numbers and strings
    among the attributes of modules.

    Tensors that are not arguments (parameters, optimizer state, learning rates) are read in each replay. Python
    code runs only while tracing: a replay does not print, append to lists or count, and it does not notice that a variable
    refers to a new object or that a NumPy array has changed.

    Parameters
    ----------
    function : the function to compile; without it, `jit` returns a decorator
    profile : measure the time of each step, which `print(step.plan)` then shows
    exact : give the same bits as eager code. Otherwise long sequences of operations on single numbers are computed by Python in
        double precision, and matrix products may be split in two.

    Raises
    ------
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
    return partial(Jitted, profile=profile, exact=exact) if function is None else Jitted(function, profile=profile, exact=exact)


class Jitted:
    """A function compiled by `jit`. `plans` are its plans; the one used last is at the end."""

    __name__: str

    def __init__(self, function: Callable[..., Any], *, profile: bool = False, exact: bool = False):
        self.__name__ = type(function).__name__  # for callable objects, which have no name of their own
        update_wrapper(self, function)  # first, because it copies attributes of the function that may have the names below
        self.function, self.profile, self.exact = function, profile, exact
        self.plans: list[Plan] = []
        self._by_signature: dict[Any, list[Plan]] = {}
        self._pool = Pool()
        self._lock = threading.RLock()

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
        """Deletes all plans and their memory."""
        with self._lock:
            self.plans, self._by_signature, self._pool = [], {}, Pool()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = modes()
        if now.tracer is not None or now.anomaly is not None or now.compiling:  # part of a larger step, or being debugged
            return self.function(*args, **kwargs)
        arguments = Arguments(args, kwargs)
        with self._lock:
            plans = self._by_signature.get(arguments.signature)
            if plans is None:
                self._by_signature[arguments.signature] = []
                with mode("compiling", True):
                    return self._run_function(arguments, arguments.operands)
            for plan in plans:
                if plan.guards.hold():
                    return self._replay(plan, arguments)
            return self._trace(arguments)

    def _run_function(self, arguments: Arguments, operands: Sequence[Tensor]) -> Any:
        """Calls the function on tensors and checks that a replay can return its result."""
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

    def _trace(self, arguments: Arguments) -> Any:
        operands = arguments.tracing_operands()
        trace = Trace(operands)
        try:
            with mode("tracer", trace):
                result = self._run_function(arguments, operands)
                if changed := trace.guards.changed_guards():
                    raise TraceError(f"jit: {self.__name__} changes {changed}, and a replay would not: change it outside")
                output = OutputSpec(result, trace, operands)
                plan = compile_trace(trace, output, arguments, self._pool, exact=self.exact, profile=self.profile)
        except BaseException:
            trace.restore()
            raise
        self._mark_assigned(plan, arguments)
        self._by_signature[arguments.signature].append(plan)
        self.plans.append(plan)
        if len(self.plans) > MAX_PLANS:
            oldest = self.plans.pop(0)
            for plans in self._by_signature.values():
                if oldest in plans:
                    plans.remove(oldest)
        return output.of_traced_run(result, arguments.operands)

    def _replay(self, plan: Plan, arguments: Arguments) -> Any:
        if self.plans[-1] is not plan:
            self.plans.remove(plan)
            self.plans.append(plan)
        self._mark_assigned(plan, arguments)
        plan.release()
        return plan.output.build(plan.run([t._data for t in arguments.operands]), arguments.operands)

    def _mark_assigned(self, plan: Plan, arguments: Arguments) -> None:
        """Marks the arguments that the function sets as modified, so that no older graph uses them in a backward pass."""
        for i in plan.assigned:
            mark_modified(arguments.operands[i])
