"""`jit`: records what a function of tensors does and replays it, without Python in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Final, overload

import numpy as np

from .. import dtypes
from ..state import mode, modes
from ..tensor import Array, Number, Tensor, leaf, mark_modified, number
from ..transform import leaves, rebuild
from .allocate import Pool
from .plan import Plan
from .trace import Trace, TraceError, Value

PLANS: Final = 8  # kept of one function, the last used
_HASHED: Final = frozenset({bool, int, str, bytes, type(None)})
_RETURNED: Final = (bool, int, float, str, type(None))


@overload
def jit(function: Callable[..., Any], *, profile: bool = False, exact: bool = False) -> Jitted: ...
@overload
def jit(*, profile: bool = False, exact: bool = False) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(function: Callable[..., Any] | None = None, *, profile: bool = False, exact: bool = False) -> Any:
    """Makes a function of tensors fast: its first call runs it, the second records what it does, and all others replay that.

    Meant for a whole training step: forward and backward pass, update, random draws and running statistics are all recorded.
    Arguments may be nested lists, tuples and dicts. Tensors and arrays may differ from call to call; so may Python floats,
    which the function gets as 0-d tensors. Ints, bools, strings and other objects are part of what was recorded, as are shapes,
    dtypes, `no_grad`, frozen parameters, `training`, the layers and hooks of modules and the numbers and texts among their
    attributes: where one differs, another plan is made; eight are kept.
    Tensors that the function finds by itself (parameters, optimizer state, learning rates) are read as they then are.
    Python runs only while recording: printing, lists and counters do nothing in a replay, and other names bound to new
    objects since, or arrays of NumPy's that have changed, are not noticed. With `exact`, results are the bits that they are
    without jit; else long runs of operations on single numbers are done by Python in double precision, and products may be cut
    in two. `.plan` shows what is replayed, step by step; with `profile` also the time that each takes.

    TraceError for `.item()`, `if tensor` and other looks at values while recording; nothing is changed then. RuntimeError for a
    result that still needs a gradient: jit the whole step, or use `no_grad`.

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
    """What `jit` makes of a function. `plans` are what was recorded, the last used at the end."""

    __name__: str

    def __init__(self, function: Callable[..., Any], *, profile: bool = False, exact: bool = False):
        self.__name__ = type(function).__name__  # of callable objects, which have no name of their own
        update_wrapper(self, function)  # first: it copies the function's attributes, which may be called as those below
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
        """The plan that was used last; RuntimeError before there is one.

        >>> import autograd_mini as ag
        >>> double = ag.jit(lambda x: x + x)
        >>> y = [double(ag.Tensor([1.0, 2.0])) for _ in range(3)]
        >>> len(double.plan.steps)
        1
        """
        if not self.plans:
            raise RuntimeError(f"{self.__name__}: there is no plan yet: the first call runs, the second one records")
        return self.plans[-1]

    def clear(self) -> None:
        """Forgets all plans and their memory."""
        with self._lock:
            self.plans, self._by_signature, self._pool = [], {}, Pool()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if modes.tracer is not None or modes.anomaly is not None or modes.compiling:  # part of a larger step, or looked at
            return self.function(*args, **kwargs)
        call = _Arguments(args, kwargs)
        with self._lock:
            plans = self._by_signature.get(call.signature)
            if plans is None:
                self._by_signature[call.signature] = []
                with mode("compiling", True):
                    return self._checked(self.function, call, call.operands)
            for plan in plans:
                if plan.guards.hold():
                    return self._replay(plan, call)
            return self._record(call)

    def _checked(self, function: Callable[..., Any], call: _Arguments, operands: Sequence[Tensor]) -> Any:
        args, kwargs = call.rebuilt(operands)
        result = function(*args, **kwargs)
        for x in leaves(result):
            if isinstance(x, Tensor):
                if x._requires_grad and x._primitive is not None:
                    raise RuntimeError(
                        f"jit: a result of {self.__name__} requires a gradient, and a replay records nothing to walk back "
                        "through: jit the whole step, or return it by .detach(), or use no_grad"
                    )
            elif not isinstance(x, _RETURNED):
                raise TypeError(f"jit: {self.__name__} must return tensors, in lists, tuples and dicts, not {type(x).__name__}")
        return result

    def _record(self, call: _Arguments) -> Any:
        # An argument gets an array object of its own, so that it is not mistaken for a tensor that the function knows itself.
        inner = [t if t._requires_grad else _apart(t) for t in call.operands]
        trace = Trace(inner)
        try:
            with mode("tracer", trace):
                result = self._checked(self.function, call, inner)
                if changed := trace.guards.changed_guards():
                    raise TraceError(f"jit: {self.__name__} changes {changed}, and a replay would not: change it outside")
                returned = OutputSpec(result, trace, inner)
                plan = Plan(trace, returned.values, self._pool, profile=self.profile, exact=self.exact)
        except BaseException:
            trace.restore()
            raise
        plan.returned, plan.held = returned, call.held
        for i in plan.written:
            mark_modified(call.operands[i])
        self._by_signature[call.signature].append(plan)
        self.plans.append(plan)
        if len(self.plans) > PLANS:
            oldest = self.plans.pop(0)
            for plans in self._by_signature.values():
                if oldest in plans:
                    plans.remove(oldest)
        return returned.of_run(result, call.operands)

    def _replay(self, plan: Plan, call: _Arguments) -> Any:
        if self.plans[-1] is not plan:
            self.plans.remove(plan)
            self.plans.append(plan)
        for i in plan.written:
            mark_modified(call.operands[i])  # graphs that used it must not be walked back any more
        plan.release()
        return plan.returned.rebuilt(plan.run([t._data for t in call.operands]), call.operands)


class _Arguments:
    """A call's arguments: tensors apart from all else, and what a plan may rely on, as a key."""

    __slots__ = ("_given", "_tree", "held", "operands", "signature")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self._tree: Any = (args, kwargs)
        self._given: list[Any] = []
        self.operands: list[Tensor] = []
        self.held: list[Any] = []  # known by identity, so they must not go away
        key: list[Any] = [modes.grad_enabled, dtypes.default_dtype()]
        for x in args:
            self._add(x, key)
        for name, x in kwargs.items():
            key.append(name)
            self._add(x, key)
        self.signature = tuple(key)

    def _add(self, x: Any, key: list[Any]) -> None:
        kind = type(x)
        if isinstance(x, Tensor) or kind is float or isinstance(x, (np.ndarray, np.floating)):
            t = x if isinstance(x, Tensor) else _tensor(x)
            if t._requires_grad and t._primitive is not None and modes.grad_enabled:
                raise RuntimeError(f"jit: an argument, {t._describe()}, is part of a graph: jit the whole step, or detach it")
            a = t._data
            key.append((type(t), a.shape, a.strides, a.dtype, id(t) if t._requires_grad else None))
            self.operands.append(t)
            self._given.append(t)
        elif isinstance(x, (list, tuple)):
            key.append((kind, len(x)))
            for y in x:
                self._add(y, key)
        elif isinstance(x, dict):
            key.append((kind, *x))
            for y in x.values():
                self._add(y, key)
        elif kind in _HASHED or isinstance(x, np.generic):
            key.append((kind, x))
            self._given.append(x)
        else:
            key.append((kind, id(x)))
            self.held.append(x)
            self._given.append(x)

    def rebuilt(self, operands: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments, with other tensors."""
        supply = iter(operands)
        return rebuild(self._tree, [next(supply) if isinstance(x, Tensor) else x for x in self._given])


def _apart(t: Tensor) -> Tensor:
    """The same on an array object of its own."""
    view = t._data.view()
    return number(view) if type(t) is Number else leaf(view, t.name)


def _tensor(x: Any) -> Tensor:
    """An array as a tensor on the same memory; a number, in whatever guise, as one that leaves the dtype to others."""
    own = isinstance(x, np.ndarray) and dtypes.supported(x.dtype) == x.dtype
    array = x if own else np.array(x, dtypes.supported(np.asarray(x).dtype))
    return leaf(array) if array.ndim else number(array)


class OutputSpec:
    """How results are made anew: the form of what was returned, and for each tensor in it where it comes from."""

    def __init__(self, result: Any, trace: Trace, inner: Sequence[Tensor]):
        self.values: list[Value] = []
        self._makers: list[tuple[str, Any]] = []
        places = {id(t): i for i, t in enumerate(inner)}
        for x in leaves(result):
            if not isinstance(x, Tensor):
                self._makers.append(("as it is", x))
            elif id(x) in places:
                self._makers.append(("argument", places[id(x)]))
            elif trace.value_of(x).tensor is x:
                self._makers.append(("as it is", x))
            else:
                self._makers.append(("new", len(self.values)))
                self.values.append(trace.value_of(x))
        self._form = rebuild(result, [None] * len(self._makers))
        self._single = isinstance(result, Tensor) and len(self.values) == 1

    def rebuilt(self, arrays: Sequence[Array], operands: Sequence[Tensor]) -> Any:
        """The result of a replay."""
        if self._single:
            return leaf(arrays[0])
        found = [leaf(arrays[x]) if how == "new" else operands[x] if how == "argument" else x for how, x in self._makers]
        return rebuild(self._form, found)

    def of_run(self, result: Any, operands: Sequence[Tensor]) -> Any:
        """The result of the recorded run itself, with the caller's own tensors in it."""
        pairs = zip(leaves(result), self._makers, strict=True)
        return rebuild(result, [operands[at] if how == "argument" else x for x, (how, at) in pairs])
