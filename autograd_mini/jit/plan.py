"""`Plan`: a trace made ready to be run again and again, as a flat list of steps `(function, arguments, sinks)`.

Calls that nobody needs are dropped, calls on constants alone are done once and for all, views of a buffer are made once. Each
other call becomes a step whose arguments are bound already. What is new in each run (arguments, results that leave, views
of these) flows through sinks: places among the arguments of later steps. The order of calls is that of the recorded run, so
that writes and draws need no further care.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from contextvars import copy_context
from functools import partial
from operator import getitem
from typing import Any, Final, TypeAlias

import numpy as np

from ..apply import KERNEL_ERRORS, explain_error
from ..memory.references import held_elsewhere
from ..memory.threads import split_work
from ..primitive import registry
from ..state import modes
from ..tensor import Array, leaf
from . import report as table
from . import scalar_fusion as scalars
from . import tiling as halves
from .allocate import Memory, Pool
from .emit import bound
from .report import Entry, Row
from .tiling import RowBlock, tile_rows, tiles
from .trace import ASSIGN, Call, Trace, Value
from .update_fusion import fuse_updates

Sinks: TypeAlias = "list[tuple[list[Any], int]]"
Step: TypeAlias = "tuple[Callable[..., Any], Sequence[Any], Sinks | None]"

Half: TypeAlias = "tuple[Callable[..., Any], list[Any], Call]"

_REPLAYS: Final = 1000  # of which times are kept


class Plan:
    """One way through a function, for one signature, and for flags as they stood when it was recorded.

    `results` are the values that the function returns. `pool` is the memory that it shares with other plans. What `print` shows
    are its `rows`, one for each of the `steps`. `written` are the numbers of the arguments that it assigns to.
    """

    returned: Any  # how the function makes its result from those values
    held: Sequence[Any]  # objects that the signature knows by identity

    times: list[deque[int]] | None  # nanoseconds of each step in the last replays, where they are asked for

    def __init__(self, trace: Trace, results: Sequence[Value], pool: Pool, *, profile: bool = False, exact: bool = False):
        self.results, self.pool = tuple(results), pool
        grads = trace.final_grads()
        left = [(tensor, value) for tensor, value in grads if value is not None]
        self.guards = trace.guards
        self.guards.seal()
        self.written = [
            trace.arguments.index(call.inputs[0])
            for call in trace.calls
            if call.primitive is ASSIGN and call.inputs[0].source == "argument"
        ]
        self.entered = [value.tensor for value in trace.initial_grads if value.tensor is not None]
        leaving = [*results, *(value for _, value in left)]
        calls = _needed(_folded(trace.calls), leaving)
        if not exact:
            calls = scalars.compiled(calls, leaving)
        # Where gradients are added to those of an earlier run, they are new each time: the earlier ones are still read.
        kept = [] if trace.initial_grads else left
        fused = fuse_updates(calls, {value: tensor for tensor, value in kept})
        self._fused = {update.calls[0]: update for update in fused}
        self._flat_gradients = {update.calls[0]: pool.flat_gradient(update.group) for update in fused}
        homes: dict[Value, Array] = {}
        for first, update in self._fused.items():
            for call, position in zip(update.calls, update.group.slices, strict=True):
                owner = call.inputs[1].owner
                homes.setdefault(owner, self._flat_gradients[first][position].reshape(owner.array.shape))
        parts = halves.arranged(calls, exact)
        self._memory = Memory([_members(part) for part in parts], leaving, kept, homes, pool)
        self._views: dict[Value, Array] = {}
        self._sinks: dict[Value, Sinks] = {}
        self.rows: list[Row] = []
        self.steps: list[Step] = []
        self._done: set[Call] = set()  # calls that others do
        for part in parts:
            if isinstance(part, Call):
                self._emit(part)
            else:
                self._emit_halves(part)
        fed = {id(places) for into in self._sinks.values() for places, _ in into}
        self.steps = [
            (f, a if id(a) in fed else tuple(a), into) for f, a, into in self.steps
        ]  # tuples are passed on as they are
        self._given = [self._sinks.setdefault(value, []) for value in (*trace.arguments, *trace.initial_grads)]
        outlets = [self._array(value) for value in leaving]
        self._results = outlets[: len(results)]
        self._new: list[Any] = [None] * len(leaving)  # what is no array of the plan's own
        for i, value in enumerate(leaving):
            if outlets[i] is None:
                self._sinks.setdefault(value, []).append((self._new, i))
        self._cleared_after = [tensor for tensor, value in grads if value is None]
        after = [(tensor, outlets[i], i) for i, (tensor, _) in enumerate(left, len(results))]
        self._left = [(tensor, pool.left(array)) for tensor, array, _ in after if array is not None]
        self._left_new = [(tensor, i) for tensor, array, i in after if array is None]
        self.times = [deque(maxlen=_REPLAYS) for _ in self.steps] if profile else None
        self._quiet = copy_context()  # where NumPy warns of nothing: to enter it takes a tenth of what `np.errstate` takes
        self._quiet.run(np.seterr, all="ignore")
        for call in trace.calls:
            for value in (*call.inputs, *call.outs):
                if value.source in ("call", "argument", "gradient"):  # only the form is still of interest
                    value.array = np.broadcast_to(np.empty((), value.array.dtype), value.array.shape)

    # -- what it shows ---------------------------------------------------------------------------------------------------

    def table(self) -> list[Entry]:
        """The steps as plain data, to be sorted and summed up; `print(plan)` shows them as a table.

        >>> import autograd_mini as ag
        >>> f = ag.jit(lambda x: ag.tanh(x * 2) @ x)
        >>> y = [f(ag.ones((3, 3))) for _ in range(3)]
        >>> max(f.plan.table(), key=lambda step: step.flops).kernel
        'matmul'
        """
        return table.entries(self.rows, self.times)

    def __repr__(self) -> str:
        return table.written(self.table(), self.pool)

    def _repr_html_(self) -> str:
        return table.page(self.table(), self.pool)

    # -- replay ----------------------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Lets go of gradients that somebody kept, which the next run would overwrite."""
        for tensor, kept in self._left:
            if held_elsewhere(kept, "tensor", 2 if tensor._grad is kept.tensor else 1):  # `kept`, and `.grad`
                kept.release()

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Replays the steps on the arguments' arrays; gives the arrays of the results, which nobody else holds."""
        given = [*arrays, *(tensor._grad._data for tensor in self.entered)] if self.entered else arrays  # type: ignore[union-attr]
        for flows, array in zip(self._given, given, strict=True):
            for places, i in flows:
                places[i] = array
        self._quiet.run(self._go)
        for tensor, kept in self._left:
            tensor._grad = kept.tensor
        for tensor, i in self._left_new:
            tensor._grad = leaf(np.asarray(self._new[i]))
        for tensor in self._cleared_after:
            tensor._grad = None
        return [np.asarray(self._new[i]) if kept is None else np.array(kept) for i, kept in enumerate(self._results)]

    def _go(self) -> None:
        arguments: Sequence[Any] = ()
        steps = self.steps if self.times is None and modes.profiler is None else self._timed()
        try:
            for function, arguments, sinks in steps:
                value = function(*arguments)
                if sinks is not None:
                    for places, i in sinks:
                        places[i] = value
        except KERNEL_ERRORS as error:
            raise self._explained(arguments, error) from None

    def _timed(self) -> Iterator[Step]:
        """The steps one after the other; the time until the next is asked for is that of the step."""
        profiler = modes.profiler
        clock = time.perf_counter_ns if profiler is None else profiler.clock
        with nullcontext() if profiler is None else profiler.region("replay", "replay"):
            for number, (step, row) in enumerate(zip(self.steps, self.rows, strict=True)):
                start = clock()
                yield step
                end = clock()
                if self.times is not None:
                    self.times[number].append(end - start)
                if profiler is not None:
                    inputs, outputs = row.shapes
                    profiler.span(row.kernel, start, end, bytes=row.made, inputs=inputs, outputs=outputs, memory=row.memory)

    def _explained(self, arguments: Sequence[Any], error: Exception) -> Exception:
        """The error of the step that was given these arguments, in the words of its operation."""
        if not arguments:  # a stretch has explained it, and a draw has no operands to speak of
            return error
        call = next(row.call for row, step in zip(self.rows, self.steps, strict=True) if step[1] is arguments)
        operands = [leaf(np.asarray(x)) for x in arguments[: len(call.inputs)]]
        return explain_error(call.primitive, operands, call.params, error)

    # -- making ----------------------------------------------------------------------------------------------------------

    def _array(self, value: Value) -> Array | None:
        """The array that a value has in every run; None for one that is new each time."""
        if value.source in ("captured", "constant"):
            return value.array
        return self._memory.places.get(value, self._views.get(value))

    def _emit(self, call: Call) -> None:
        fused = self._fused.get(call)
        if fused is not None:
            gradient = self._flat_gradients[call]
            for update, part in zip(fused.calls, fused.group.slices, strict=True):
                self._bring(update.inputs[1], gradient[part])
            self.steps.append((fused.group, [fused.group.storage, gradient], None))
            self.rows.append(Row(call, fused=tuple(fused.calls[1:])))
            self._done.update(fused.calls)
        if call in self._done:
            return
        kernel, outs = call.primitive.kernel, call.outs
        arrays = [self._array(v) for v in call.inputs]
        if len(outs) == 1 and outs[0].owner is not outs[0] and all(a is not None for a in arrays):
            self._views[outs[0]] = kernel(*arrays, **call.params)
            return
        places = [self._memory.places[out] for out in outs if out in self._memory.places]
        function, arguments = bound(call, arrays, places)
        for i, (value, array) in enumerate(zip(call.inputs, arrays, strict=True)):
            if array is None:
                self._sinks.setdefault(value, []).append((arguments, i))
        sinks: Sinks | None = None
        if len(outs) == 1 and not places:
            sinks = self._sinks.setdefault(outs[0], [])
        elif outs and not places:
            function = partial(_spread, function, [self._sinks.setdefault(out, []) for out in outs])
        self.steps.append((function, arguments, sinks))
        self.rows.append(Row(call, tuple(self._memory.labels.get(v, "new" if v.owner is v else "view") for v in outs)))

    def _bring(self, gradient: Value, place: Array) -> None:
        """Copies the gradient of a member of a flat group to its place, unless its kernel writes it there itself."""
        lies = self._memory.places.get(gradient.owner)
        if lies is not None and lies.ctypes.data == place.ctypes.data:
            return
        array = self._array(gradient)
        arguments: list[Any] = [place.reshape(gradient.array.shape), array]
        if array is None:
            self._sinks.setdefault(gradient, []).append((arguments, 1))
        self.steps.append((np.copyto, arguments, None))
        self.rows.append(Row(Call(registry["copy"], (gradient,), {}, ()), ("gradient",)))

    def _emit_halves(self, block: RowBlock) -> None:
        """One step for a stretch: each half has steps of its own, on its rows of the same arrays."""
        whole = not all(out in self._memory.places for call, _ in block.calls for out in call.outs)
        for call, rows in block.members:
            if whole or rows is None:  # where each result has its place, views of them can be made beforehand
                self._emit(call)
        if whole:
            return
        number = tiles(block)
        both = [
            [self._some(call, by_row, tile_rows(call, k, 2 * number)) for k in half for call, by_row in block.calls]
            for half in (range(number), range(number, 2 * number))
        ]
        self.steps.append((partial(_in_halves, both, block.cost), [], None))
        labels = tuple(self._memory.labels[out] for call, _ in block.calls for out in call.outs)
        first, *rest = (call for call, _ in block.calls)
        self.rows.append(Row(first, labels, block=tuple(rest)))

    def _some(self, call: Call, by_row: Sequence[bool], part: slice) -> Half:
        """A call on some rows."""
        arrays = [self._array(v) for v in call.inputs]
        some = [a[part] if rows and a is not None else a for a, rows in zip(arrays, by_row, strict=True)]
        function, arguments = bound(call, some, [self._memory.places[out][part] for out in call.outs])
        for i, (value, array) in enumerate(zip(call.inputs, arrays, strict=True)):
            if array is None:
                self._feed(value, arguments, i, part if by_row[i] else None)
        return function, arguments, call

    def _feed(self, value: Value, arguments: list[Any], i: int, part: slice | None) -> None:
        """Lets a value that is new in each run, or some rows of it, flow to an argument."""
        if part is None:
            self._sinks.setdefault(value, []).append((arguments, i))
            return
        given: list[Any] = [None, part]
        self._sinks.setdefault(value, []).append((given, 0))
        self.steps.append((getitem, given, [(arguments, i)]))
        self.rows.append(Row(Call(registry["getitem"], (value,), {"index": (part,)}, ()), ("view",)))


def _members(part: Call | RowBlock) -> list[Call]:
    return [part] if isinstance(part, Call) else [call for call, _ in part.members]


def _in_halves(both: Sequence[Sequence[Half]], cost: float) -> None:
    def work(part: slice) -> None:
        for half in both[part]:
            for function, arguments, call in half:
                try:
                    function(*arguments)
                except KERNEL_ERRORS as error:
                    operands = [leaf(np.asarray(x)) for x in arguments[: len(call.inputs)]]
                    raise explain_error(call.primitive, operands, call.params, error) from None

    split_work(work, 2, cost)


def _spread(function: Callable[..., Any], sinks: Sequence[Sinks], *arguments: Any) -> None:
    """Calls a function of several results and lets each flow where it is needed."""
    for value, into in zip(function(*arguments), sinks, strict=True):
        for places, i in into:
            places[i] = value


def _folded(calls: Sequence[Call]) -> list[Call]:
    """The calls but for those on constants alone, whose results become constants too."""
    rest = []
    for call in calls:
        if call.inputs and call.outs and not call.primitive.effect and all(v.source == "constant" for v in call.inputs):
            for out in call.outs:
                out.source = "constant"
        else:
            rest.append(call)
    return rest


def _needed(calls: Sequence[Call], wanted: Sequence[Value]) -> list[Call]:
    """The calls that the wanted values come from, and those with an effect."""
    needed, rest = set(wanted), []
    for call in reversed(calls):
        if call.primitive.effect or any(out in needed for out in call.outs):
            needed.update(call.inputs)
            rest.append(call)
    return rest[::-1]
