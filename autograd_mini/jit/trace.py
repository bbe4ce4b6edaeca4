"""`Trace`: what one run of a function did, as a flat list of primitive calls on values.

A value is known by its array: whoever holds the same array, in whatever tensor, means the same value. It comes from one of five
sources: an argument, the gradient that a tensor had when the run began, a tensor that existed before ("captured": a replay
reads its storage as it then is), a constant made on the way from Python numbers, or a call. Whatever the run writes is
remembered, so that a failed one can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from ..apply import apply
from ..memory.arena import base_of
from ..ops.random import generator
from ..primitive import Primitive, registry
from ..state import tick
from ..tensor import Array, Tensor

Source: TypeAlias = Literal["argument", "gradient", "captured", "constant", "call"]


class TraceError(RuntimeError):
    """A function did something that a replay could not repeat.

    >>> import autograd_mini as ag
    >>> positive = ag.jit(lambda x: x if x > 0 else -x)
    >>> positive(ag.Tensor(-1.0))
    Tensor(1.0)
    >>> positive(ag.Tensor(-1.0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd_mini.jit.trace.TraceError: jit: bool(), as in `if tensor:`, hands a tensor's value to Python, which runs only...
    """


class Value:
    """An array of the trace. `owner` is the value whose memory it shows: itself, unless a call gave a view of an operand."""

    __slots__ = ("array", "owner", "source", "tensor")

    def __init__(self, array: Array, source: Source, owner: Value | None = None, tensor: Tensor | None = None):
        self.array, self.source, self.tensor = array, source, tensor
        self.owner: Value = owner or self


class Call:
    """A primitive on its operands. Writes of storage have no results."""

    __slots__ = ("inputs", "outs", "params", "primitive")

    def __init__(self, primitive: Primitive, inputs: tuple[Value, ...], params: dict[str, Any], outs: tuple[Value, ...]):
        self.primitive, self.inputs, self.params, self.outs = primitive, inputs, params, outs


class Trace:
    """What `modes.tracer` holds while a function is recorded: the engine reports to it.

    `calls` are in the order of the run. `switches` are the flags that it saw, (owner, attribute, what it was at the start), and
    `cleared` the gradients that it needs to be None, or not, at the start: (tensor, whether it was None). `older` are the
    operands of graphs from before that are walked back, with the time of their last write.
    """

    def __init__(self, arguments: Sequence[Tensor]):
        self.calls: list[Call] = []
        self.arguments = [Value(x._data, "argument", tensor=x) for x in arguments]
        self.entered: list[Value] = []
        self.switches: list[tuple[Any, str, Any]] = []
        self.cleared: list[tuple[Tensor, bool]] = []
        self.older: list[tuple[Tensor, int]] = []
        self._values = {id(v.array): v for v in self.arguments}
        self._memory = {id(base_of(v.array)) for v in self.arguments}  # what came in or was made by calls
        self._seen: dict[Any, Any] = {}  # what was met already, which keeps ids from being used again
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._given: set[Value] = set()
        self._undo: list[Callable[[], None]] = []
        self._start = tick()
        self.draws(generator())

    # -- reports of the engine -------------------------------------------------------------------------------------------

    def record(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor) -> None:
        """A call and its result; of several results `out` is the hidden node that holds them all."""
        if not primitive.has_fixed_shape(*[x._data for x in inputs]):
            raise TraceError(
                f"jit: the shape of the result of {primitive.name} depends on values, but a compiled step has fixed shapes; "
                "ag.where(mask, x, 0) keeps the shape"
            )
        operands = tuple(self.value(x) for x in inputs)
        arrays = out._data if isinstance(out._data, tuple) else (out._data,)
        self.calls.append(Call(primitive, operands, params, tuple(self._made(a, operands) for a in arrays)))

    def apply_effect(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], writes: tuple[Any, ...]
    ) -> None:
        """A call without a result, which is about to change arrays, dicts and the attributes of objects."""
        operands = tuple(self.value(x) for x in inputs)
        for written in writes:
            if isinstance(written, np.ndarray) and self._is_new(written):
                raise TraceError(
                    f"jit: {primitive.name} writes into a tensor that the function itself made, and each replay would find "
                    "what the last one left: make it outside, start from .copy() of an argument, or bind its name anew"
                )
            self._keep(written)
        self.calls.append(Call(primitive, operands, params, ()))

    def assign(self, target: Tensor, value: Tensor) -> None:
        """`target.data = value`."""
        self.apply_effect(ASSIGN, (target, value), {"target": target}, (target._data,))

    def aliases(self, tensor: Tensor) -> None:
        """A new tensor on an array that the function holds: it is read in each run."""
        self._values.setdefault(id(tensor._data), Value(tensor._data, "captured", tensor=tensor))

    def walks(self, nodes: Iterable[Tensor]) -> None:
        """Tensors of a graph that is about to be walked back."""
        self.older += [(x, x._seq) for node in nodes if node._seq < self._start for x in node._inputs]

    def draws(self, stream: np.random.Generator) -> None:
        """Somebody is about to draw from a stream."""
        if self._first(stream):
            state = stream.bit_generator.state
            self._undo.append(lambda: setattr(stream.bit_generator, "state", state))

    def switch(self, owner: Any, name: str) -> None:
        """Somebody reads a flag, or is about to change it. Those of tensors made meanwhile are nobody's concern."""
        if (not isinstance(owner, Tensor) or self._before(owner)) and self._first(owner, name):
            value = getattr(owner, name)
            self.switches.append((owner, name, value))
            self._undo.append(lambda: setattr(owner, name, value))

    def reads_grad(self, tensor: Tensor) -> None:
        """Somebody reads `.grad`."""
        if self._touched(tensor):
            self.cleared.append((tensor, tensor._grad is None))
            if tensor._grad is not None:
                self.entered.append(Value(tensor._grad._data, "gradient", tensor=tensor))
                self._values[id(tensor._grad._data)] = self.entered[-1]

    def writes_grad(self, tensor: Tensor) -> None:
        """Somebody is about to set `.grad`."""
        self._touched(tensor)

    def owned(self, gradient: Tensor) -> Tensor:
        """A gradient in memory of its own, so that no two tensors share one."""
        owner = self.value(gradient).owner
        if owner.source == "call" and owner not in self._given:
            self._given.add(owner)
            return gradient
        return apply(registry["copy"], (gradient,))

    def forbid(self, what: str, instead: str) -> None:
        """Something is about to happen once that no replay would repeat."""
        raise TraceError(f"jit: {what} happens only while recording, and in no replay: {instead}")

    def refuse(self, what: str) -> None:
        """A value is about to leave for Python, which does not run in a replay."""
        raise TraceError(
            f"jit: {what} hands a tensor's value to Python, which runs only while recording. Return the tensor and look at it "
            "outside; choose with ag.where instead of `if`"
        )

    # -- what a plan is made from ----------------------------------------------------------------------------------------

    def value(self, x: Tensor) -> Value:
        """The value that a tensor holds."""
        known = self._values.get(id(x._data))
        if known is None:
            known = self._values[id(x._data)] = self._new(x)
        if x._primitive is None:
            self.switch(x, "_requires_grad")
            self.switch(x, "_data")
            self.switch(x, "_watch")
            if x._watch is not None:
                self.switch(x._watch, "hooks")
        return known

    def grads(self) -> list[tuple[Tensor, Value | None]]:
        """The gradients that the run leaves behind and that were not there before."""
        left = [(tensor, tensor._grad) for tensor, was in self._grads.values() if tensor._grad is not was or was is None]
        return [(tensor, None if grad is None else self.value(grad)) for tensor, grad in left]

    def restore(self) -> None:
        """Undoes what the run wrote: storage, state of optimizers, flags, gradients, random streams."""
        for undo in reversed(self._undo):
            undo()

    def changed_guards(self) -> str:
        """Which flag the run left changed, if any."""
        changed = [(owner, name) for owner, name, value in self.switches if not stands(owner, name, value)]
        return ", ".join(f"{name.strip('_')} of {type(owner).__name__}" for owner, name in changed)

    def _new(self, x: Tensor) -> Value:
        if x._seq < self._start:
            return Value(x._data, "captured", tensor=x)
        if id(base_of(x._data)) in self._memory:
            raise TraceError(f"jit: {x._describe()} shows memory of a recorded tensor, but no operation made it")
        return Value(x._data, "constant")

    def _made(self, array: Array, operands: tuple[Value, ...]) -> Value:
        memory = base_of(array)
        owner = next((v.owner for v in operands if base_of(v.array) is memory), None)
        self._memory.add(id(memory))
        made = self._values[id(array)] = Value(array, "call", owner)
        return made

    def _before(self, tensor: Tensor) -> bool:
        known = self._values.get(id(tensor._data))
        met = (id(tensor), "_data") in self._seen  # and written since, perhaps
        return tensor._seq < self._start or met or (known is not None and known.tensor is tensor)

    def _is_new(self, array: Array) -> bool:
        known = self._values.get(id(array))
        return known is not None and known.source == "constant"

    def _first(self, thing: Any, name: str = "") -> bool:
        key = id(thing), name
        if key in self._seen:
            return False
        self._seen[key] = thing
        return True

    def _touched(self, tensor: Tensor) -> bool:
        """Whether `.grad` of a tensor from before is met for the first time."""
        if id(tensor) in self._grads or not self._before(tensor):
            return False
        was = tensor._grad
        self._grads[id(tensor)] = tensor, was
        self._undo.append(lambda: setattr(tensor, "_grad", was))
        return True

    def _keep(self, written: Any) -> None:
        """Remembers how to undo writes: of an array, of a dict and the arrays in it, of the attributes of an object."""
        if not self._first(written):
            return
        if isinstance(written, np.ndarray):
            saved = written.copy()
            self._undo.append(lambda: np.copyto(written, saved))
            return
        held = written if isinstance(written, dict) else vars(written)
        for value in held.values():
            if isinstance(value, np.ndarray):
                self._keep(value)
        items = dict(held)

        def undo() -> None:
            held.clear()
            held.update(items)

        self._undo.append(undo)


def stands(owner: Any, name: str, value: Any) -> bool:
    """Whether a flag is as it was: the same object, or an equal number or text."""
    now = getattr(owner, name, _GONE)
    return now is value or bool(type(now) is type(value) and isinstance(now, PLAIN) and now == value)


PLAIN: Final = (bool, int, float, str, type(None), np.generic)
"""What attributes of modules may be, for a compiled step to notice that they have changed."""
_GONE: Final = object()


def _assign(storage: Array, value: Array, target: Tensor) -> None:
    storage[...] = value
    target._seq = tick()


ASSIGN: Final = Primitive("assign", _assign, formula="x ← value", effect=True, uniform=False, flops=0)
