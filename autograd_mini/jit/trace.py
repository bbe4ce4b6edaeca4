"""`Trace`: records one run of a function as a flat list of primitive calls on values.

A value is identified by its array: two tensors that hold the same array are one value. It comes from one of five sources:

argument  an argument of the function
gradient  the `.grad` that a tensor had when the run started
captured  a tensor that existed before; a replay reads what its storage then holds
constant  a tensor that the run made from Python numbers
call      the result of a recorded call

The trace also remembers everything that the run writes, so that a run that fails can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NoReturn, TypeAlias

import numpy as np

from ..aliases import mark_modified
from ..apply import apply
from ..memory.arena import base_of
from ..ops.random import generator
from ..primitive import Primitive, registry
from ..state import Tracer, tick
from ..tensor import Array, Tensor
from ..trees import leaves
from .number import TracedNumber
from .python_state.guards import Guards
from .python_state.surroundings import Surroundings

Source: TypeAlias = Literal["argument", "gradient", "captured", "constant", "call"]


class TraceError(RuntimeError):
    """The traced function did something that a replay cannot repeat. Nothing has been changed.

    >>> import autograd_mini as ag
    >>> positive = ag.jit(lambda x: x if x > 0 else -x)
    >>> positive(ag.Tensor(-1.0))
    Tensor(1.0)
    >>> positive(ag.Tensor(-1.0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd_mini.jit.trace.TraceError: jit: bool(), as in `if tensor:`, needs a concrete value, which is not available...
    """


class NeedsEagerModeError(TraceError):
    """The traced function does something that only eager mode can do; `jit` undoes the traced run and runs it eagerly."""


class Value:
    """An array of the trace. `owner` is the value whose memory it shares: itself, unless a call returns a view."""

    __slots__ = ("array", "owner", "source", "tensor")

    def __init__(self, array: Array, source: Source, owner: Value | None = None, tensor: Tensor | None = None):
        self.array, self.source, self.tensor = array, source, tensor
        self.owner: Value = owner or self


class Call:
    """One recorded call: a primitive, its operands and its results. Calls that only write have no results.

    `writes` are the operands that it changes in place.
    """

    __slots__ = ("inputs", "outs", "params", "primitive", "writes")

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Value, ...],
        params: dict[str, Any],
        outs: tuple[Value, ...],
        writes: tuple[Value, ...] = (),
    ):
        self.primitive, self.inputs, self.params, self.outs, self.writes = primitive, inputs, params, outs, writes


class Trace(Tracer):
    """The `Tracer` that `modes().tracer` holds while a function is recorded.

    arguments      the values of the function's arguments
    calls          the recorded calls, in the order of the run
    initial_grads  the values of gradients that existed before the run and that the run reads
    guards         what the run read besides its arguments
    needed         the numbers of the arguments whose values the run needed in Python
    is_dry         the run will be undone and replayed, so it must not act on anything outside of the process
    """

    def __init__(self, arguments: Sequence[Tensor], surroundings: Surroundings, is_dry: bool = False):
        self.is_dry = is_dry
        self.calls: list[Call] = []
        self.needed: set[int] = set()
        self.arguments = [Value(x._data, "argument", tensor=x) for x in arguments]
        self.initial_grads: list[Value] = []
        self.guards = Guards(surroundings)
        self._values = {id(v.array): v for v in self.arguments}
        self._memory = {id(base_of(v.array)) for v in self.arguments}  # the memory of arguments and of results
        self._visited: dict[tuple[int, str], Any] = {}  # keeps the objects alive, so that no id is used twice
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._owned: set[Value] = set()  # gradients that a tensor owns
        self._undo: list[Callable[[], None]] = []
        self._start = tick()
        self.will_draw(generator())

    # -- reports of the engine: see `state.Tracer` -----------------------------------------------------------------------

    def record(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor) -> None:
        """Records a call and its result. If there are several results, `out` is the hidden node that holds them all."""
        self.check_call(primitive, inputs, params)
        operands = tuple(self.value_of(x) for x in inputs)
        arrays = out._data if isinstance(out._data, tuple) else (out._data,)
        self.calls.append(Call(primitive, operands, params, tuple(self._add_result(a, operands) for a in arrays)))

    def check_call(self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> None:
        """Raises TraceError for a call that a replay cannot repeat."""
        if not primitive.has_fixed_shape(*[x._data for x in inputs]):
            raise TraceError(
                f"jit: the shape of the result of {primitive.name} depends on values, but a compiled step has fixed shapes; "
                "ag.where(mask, x, 0) keeps the shape"
            )
        for x in leaves(list(params.values())):
            if isinstance(x, TracedNumber):
                x.reject(f"{primitive.name}()")

    def record_effect(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], writes: tuple[Any, ...]
    ) -> None:
        """Records a call that returns nothing but changes `writes`: arrays, dicts and attributes of objects."""
        operands = tuple(self.value_of(x) for x in inputs)
        for target in writes:
            if isinstance(target, np.ndarray) and self._is_constant(target):
                self.need_eager_mode(
                    f"it writes into a tensor of shape {target.shape} that it has created, as each new layer does for its "
                    "parameters; create layers and such tensors outside of the function"
                )
            self._save(target)
        changed = {id(target) for target in writes}
        self.calls.append(Call(primitive, operands, params, (), tuple(v for v in operands if id(v.array) in changed)))

    def record_assignment(self, target: Tensor, value: Tensor) -> None:
        """Records `target.data = value`."""
        self.record_effect(ASSIGN, (target, value), {"target": target}, (target._data,))

    def capture(self, tensor: Tensor) -> None:
        """Registers a new tensor on an array that existed before; each replay reads the array."""
        self._values.setdefault(id(tensor._data), Value(tensor._data, "captured", tensor=tensor))

    def is_live(self, owner: Any) -> bool:
        """Returns whether each replay reads or writes this object itself: an array, a dict, or an object with attributes."""
        return (id(owner), "") in self._visited or id(owner) in self._values

    def value_of(self, tensor: Tensor) -> Value:
        """Returns the value that a tensor holds; its flags become guards if it is a leaf."""
        value = self._values.get(id(tensor._data))
        if value is None:
            value = self._values[id(tensor._data)] = self._new_value(tensor)
        if tensor._primitive is None:
            for name in ("_requires_grad", "_data", "_watch"):
                self.guard(tensor, name)
            if tensor._watch is not None:
                self.guard(tensor._watch, "hooks")
        return value

    def guard(self, owner: Any, name: str) -> None:
        """Makes a flag a guard, before it is read or changed; not for tensors that the run itself creates."""
        if (not isinstance(owner, Tensor) or self.existed_before(owner)) and self._is_first_visit(owner, name):
            value = getattr(owner, name)
            self.guards.flags.append((owner, name, value))
            self._undo.append(lambda: setattr(owner, name, value))

    def will_walk(self, nodes: Iterable[Tensor]) -> None:
        """Guards the operands of older graphs: a backward pass is about to walk through `nodes`."""
        self.guards.operands += [(x, x._seq) for node in nodes if node._seq < self._start for x in node._inputs]

    def will_draw(self, stream: np.random.Generator) -> None:
        """Saves the state of a random stream before the first draw."""
        if self._is_first_visit(stream):
            state = stream.bit_generator.state
            self._undo.append(lambda: setattr(stream.bit_generator, "state", state))

    def will_read_grad(self, tensor: Tensor) -> None:
        """Guards whether there is a `.grad`, before the first read."""
        if self._is_first_grad_visit(tensor):
            self.guards.gradients.append((tensor, tensor._grad is None))
            if tensor._grad is not None:
                self.initial_grads.append(Value(tensor._grad._data, "gradient", tensor=tensor))
                self._values[id(tensor._grad._data)] = self.initial_grads[-1]

    def will_write_grad(self, tensor: Tensor) -> None:
        """Saves `.grad` before the first write."""
        self._is_first_grad_visit(tensor)

    def take_ownership(self, gradient: Tensor) -> Tensor:
        """Returns the gradient, or a copy of it if its memory already belongs to something else."""
        owner = self.value_of(gradient).owner
        if owner.source == "call" and owner not in self._owned:
            self._owned.add(owner)
            return gradient
        return apply(registry["copy"], (gradient,))

    def reject_action(self, action: str, instead: str) -> NoReturn:
        """Raises TraceError for something that runs once, while tracing, and that replays would not repeat."""
        raise TraceError(f"jit: {action} runs only while tracing, and a replay would not repeat it: {instead}")

    def reject_value(self, use: str, tensor: Tensor) -> NoReturn:
        """Raises TraceError for a use of a tensor's value in Python, which does not run in a replay."""
        self.needed |= {i for i, value in enumerate(self.arguments) if value.tensor is tensor}
        raise TraceError(
            f"jit: {use} needs a concrete value, which is not available while tracing. Return the tensor and read it outside, "
            "or choose with ag.where instead of `if`"
        )

    def need_eager_mode(self, reason: str) -> NoReturn:
        """Raises the error after which `jit` runs the function eagerly, with a warning that contains the reason."""
        raise NeedsEagerModeError(reason)

    # -- after the run ---------------------------------------------------------------------------------------------------

    def final_grads(self) -> list[tuple[Tensor, Value | None]]:
        """Returns the gradients that the run leaves in `.grad` and that were not there before; None if the run cleared it."""
        changed = [(tensor, tensor._grad) for tensor, old in self._grads.values() if tensor._grad is not old or old is None]
        return [(tensor, None if grad is None else self.value_of(grad)) for tensor, grad in changed]

    def restore(self) -> None:
        """Undoes what the run wrote: storage, state of optimizers, flags, gradients, random streams, state in Python."""
        for undo in reversed(self._undo):
            undo()
        self.guards.surroundings.restore()

    # -- values and visits -----------------------------------------------------------------------------------------------

    def _new_value(self, x: Tensor) -> Value:
        if x._seq < self._start:
            return Value(x._data, "captured", tensor=x)
        if id(base_of(x._data)) in self._memory:
            raise TraceError(
                f"jit: {x._describe()} shares memory with a recorded tensor, but no recorded operation created it: use "
                "operations on tensors instead of NumPy views of their arrays"
            )
        return Value(x._data, "constant")

    def _add_result(self, array: Array, operands: tuple[Value, ...]) -> Value:
        memory = base_of(array)
        owner = next((v.owner for v in operands if base_of(v.array) is memory), None)
        self._memory.add(id(memory))
        value = self._values[id(array)] = Value(array, "call", owner)
        return value

    def existed_before(self, tensor: Tensor) -> bool:
        value = self._values.get(id(tensor._data))
        visited = (id(tensor), "_data") in self._visited  # a write since then has raised its `_seq`
        return tensor._seq < self._start or visited or (value is not None and value.tensor is tensor)

    def _is_constant(self, array: Array) -> bool:
        value = self._values.get(id(array))
        return value is not None and value.source == "constant"

    def _is_first_visit(self, thing: Any, name: str = "") -> bool:
        key = id(thing), name
        if key in self._visited:
            return False
        self._visited[key] = thing
        return True

    def _is_first_grad_visit(self, tensor: Tensor) -> bool:
        """Returns whether `.grad` of a tensor from before the run is visited for the first time; saves it if so."""
        if id(tensor) in self._grads or not self.existed_before(tensor):
            return False
        old = tensor._grad
        self._grads[id(tensor)] = tensor, old
        self._undo.append(lambda: setattr(tensor, "_grad", old))
        return True

    def _save(self, target: Any) -> None:
        """Saves an array, a dict and the arrays in it, or the attributes of an object, before the first write."""
        if not self._is_first_visit(target):
            return
        if isinstance(target, np.ndarray):
            saved = target.copy()
            self._undo.append(lambda: np.copyto(target, saved))
            return
        entries = target if isinstance(target, dict) else vars(target)
        for value in entries.values():
            if isinstance(value, np.ndarray):
                self._save(value)
        saved_entries = dict(entries)

        def undo() -> None:
            entries.clear()
            entries.update(saved_entries)

        self._undo.append(undo)


def _assign(storage: Array, value: Array, target: Tensor) -> None:
    storage[...] = value
    mark_modified(target)


ASSIGN: Final = Primitive("assign", _assign, formula="x ← value", effect=True, uniform=False, flops=0)
