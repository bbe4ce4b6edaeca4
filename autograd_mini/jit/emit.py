"""Emission: binds each kernel to its arrays. Everything that stays the same from replay to replay is looked up here, once.

On small arrays, looking up takes longer than computing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import getitem
from typing import Any, Final, TypeAlias

import numpy as np

from ..apply import KERNEL_ERRORS, explain_error
from ..memory.threads import split_work
from ..primitive import registry
from ..tensor import Array, leaf
from .allocate import Memory
from .common_calls import changed_values
from .plan import Sinks, Step
from .report import Row
from .tiling import RowBlock, tile_rows, tiles
from .trace import Call, Value
from .update_fusion import FusedUpdate

BoundCall: TypeAlias = "tuple[Callable[..., Any], list[Any]]"
Tile: TypeAlias = "tuple[Callable[..., Any], list[Any], Call]"

_OUT_BY_NAME: Final = (np.maximum, np.minimum)  # a future NumPy may let these take many operands by position


class Emitter:
    """The steps of a plan and, for people, their rows."""

    def __init__(self, blocks: Iterable[Call | RowBlock], memory: Memory, fused: Iterable[FusedUpdate]):
        self.rows: list[Row] = []
        self.steps: list[Step] = []
        self._memory = memory
        self._views: dict[Value, Array] = {}
        self._sinks: dict[Value, Sinks] = {}
        self._fused = {update.calls[0]: update for update in fused}
        self._done: set[Call] = set()  # updates that a fused update includes
        blocks = list(blocks)
        self._changed = changed_values(block for block in blocks if isinstance(block, Call))
        for block in blocks:
            if isinstance(block, Call):
                self._emit_call(block)
            else:
                self._emit_block(block)
        sinks = {id(target) for sinks in self._sinks.values() for target, _ in sinks}
        # Arguments that are complete become tuples, which Python passes on without a copy.
        self.steps = [(f, a if id(a) in sinks else tuple(a), out) for f, a, out in self.steps]

    def sinks_of(self, value: Value) -> Sinks:
        """Returns the positions in the arguments of steps that a value flows to."""
        return self._sinks.setdefault(value, [])

    def connect_outputs(self, values: Sequence[Value]) -> tuple[list[Array | None], list[Any]]:
        """Returns the array of each value, and a list into which each run puts the values that have no array."""
        arrays, fresh = [self._array(value) for value in values], [None] * len(values)
        for i, (value, array) in enumerate(zip(values, arrays, strict=True)):
            if array is None:
                self.sinks_of(value).append((fresh, i))
        return arrays, fresh

    def _add(self, function: Callable[..., Any], arguments: list[Any], sinks: Sinks | None, row: Row) -> None:
        self.steps.append((function, arguments, sinks))
        self.rows.append(row)

    def _array(self, value: Value) -> Array | None:
        """Returns the array that a value has in every run; None if it is new each time."""
        if value.source in ("captured", "constant"):
            return value.array
        return self._memory.arrays.get(value, self._views.get(value))

    def _connect(self, arguments: list[Any], values: Sequence[Value], arrays: Sequence[Array | None]) -> None:
        """Lets the values that have no array flow into the arguments."""
        for i, (value, array) in enumerate(zip(values, arrays, strict=True)):
            if array is None:
                self.sinks_of(value).append((arguments, i))

    def _emit_call(self, call: Call) -> None:
        if call in self._fused:
            self._emit_fused(self._fused[call])
        if call in self._done:
            return
        kernel, outs = call.primitive.kernel, call.outs
        arrays = [self._array(v) for v in call.inputs]
        if len(outs) == 1 and outs[0].owner is not outs[0] and all(a is not None for a in arrays):
            self._views[outs[0]] = kernel(*arrays, **call.params)
            return
        results = [self._memory.arrays[out] for out in outs if out in self._memory.arrays]
        function, arguments = bind(call, arrays, results)
        if len(outs) == 1 and not results and outs[0] in self._changed:  # a kernel may return a number
            function = partial(_call_for_array, function)
        self._connect(arguments, call.inputs, arrays)
        sinks: Sinks | None = None
        if len(outs) == 1 and not results:
            sinks = self.sinks_of(outs[0])
        elif outs and not results:
            function = partial(_call_and_distribute, function, [self.sinks_of(out) for out in outs])
        labels = tuple(self._memory.labels.get(v, "new" if v.owner is v else "view") for v in outs)
        loop = call.params.get("loop")
        self._add(function, arguments, sinks, Row(call, labels, loop=loop.calls if loop else ()))

    def _emit_fused(self, update: FusedUpdate) -> None:
        """Adds one step for several updates."""
        calls, group, gradient = update
        for call, part in zip(calls, group.slices, strict=True):
            self._copy_gradient(call.inputs[1], gradient[part])
        self._add(group, [group.storage, gradient], None, Row(calls[0], fused=tuple(calls[1:])))
        self._done.update(calls)

    def _copy_gradient(self, gradient: Value, target: Array) -> None:
        """Adds a copy of a gradient into the flat gradient, unless its kernel writes there itself."""
        source = self._memory.arrays.get(gradient.owner)
        if source is not None and source.ctypes.data == target.ctypes.data:
            return
        array = self._array(gradient)
        arguments: list[Any] = [target.reshape(gradient.array.shape), array]
        if array is None:
            self.sinks_of(gradient).append((arguments, 1))
        self._add(np.copyto, arguments, None, Row(Call(registry["copy"], (gradient,), {}, ()), ("gradient",)))

    def _emit_block(self, block: RowBlock) -> None:
        """Adds one step for a block of calls; each thread works on its own rows of the same arrays."""
        divisible = all(out in self._memory.arrays for call, _ in block.calls for out in call.outs)
        for call, rows in block.members:
            if not divisible or rows is None:  # views can be created beforehand if each result has its array
                self._emit_call(call)
        if not divisible:
            return
        count = tiles(block)
        halves = [
            [self._bind_rows(call, by_row, tile_rows(call, k, 2 * count)) for k in tile_numbers for call, by_row in block.calls]
            for tile_numbers in (range(count), range(count, 2 * count))
        ]
        labels = tuple(self._memory.labels[out] for call, _ in block.calls for out in call.outs)
        first, *rest = (call for call, _ in block.calls)
        self._add(partial(_run_halves, halves, block.cost), [], None, Row(first, labels, block=tuple(rest)))

    def _bind_rows(self, call: Call, by_row: Sequence[bool], rows: slice) -> Tile:
        """Binds a call to some of its rows."""
        arrays = [self._array(v) for v in call.inputs]
        operands = [a[rows] if sliced and a is not None else a for a, sliced in zip(arrays, by_row, strict=True)]
        function, arguments = bind(call, operands, [self._memory.arrays[out][rows] for out in call.outs])
        for i, (value, array) in enumerate(zip(call.inputs, arrays, strict=True)):
            if array is None and by_row[i]:
                selection: list[Any] = [None, rows]
                self.sinks_of(value).append((selection, 0))
                row = Row(Call(registry["getitem"], (value,), {"index": (rows,)}, ()), ("view",))
                self._add(getitem, selection, [(arguments, i)], row)
            elif array is None:
                self.sinks_of(value).append((arguments, i))
        return function, arguments, call


def bind(call: Call, arrays: Sequence[Array | None], results: Sequence[Array]) -> BoundCall:
    """Returns a function and its arguments, with None for arguments that flow in later.

    The function writes into the arrays `results`, if there are any. Operands come first and in order, unless all are known.
    """
    kernel = call.primitive.kernel
    if call.primitive.elementwise and len(results) == 1:
        arrays = _match_shapes(arrays, results[0])
    if results and isinstance(kernel, np.ufunc) and kernel not in _OUT_BY_NAME:  # by position it is faster than by name
        return kernel, [*arrays, *results]
    if not results:
        return partial(kernel, **call.params) if call.params else kernel, list(arrays)
    specialize = call.primitive.specialize
    if specialize and (faster := specialize(*[value.array for value in call.inputs])):
        first, *others = arrays
        if any(a is None for a in arrays):
            return faster, [first, *others, *results]
        return partial(faster, first) if not hasattr(faster, "__get__") else faster.__get__(first), [*others, *results]
    return partial(kernel, **call.params, out=results[0] if len(results) == 1 else tuple(results)), list(arrays)


def _match_shapes(arrays: Sequence[Array | None], out: Array) -> list[Array | None]:
    """Reshapes operands of as many elements to the shape of the result: (n,) with (1, n) takes NumPy twice as long as (1, n).

    An operand that has this shape stays the same object, so NumPy sees at once if it writes in place.
    """
    return [a if a is None or a.size != out.size or a.shape in (out.shape, ()) else a.reshape(out.shape) for a in arrays]


def _call_and_distribute(function: Callable[..., Any], sinks: Sequence[Sinks], *arguments: Any) -> None:
    """Calls a function with several results and passes each result to its sinks."""
    for value, targets in zip(function(*arguments), sinks, strict=True):
        for target, i in targets:
            target[i] = value


def _call_for_array(function: Callable[..., Any], *arguments: Any) -> Array:
    """Returns the result as an array, which a later call can change in place."""
    return np.asarray(function(*arguments))


def _run_halves(halves: Sequence[Sequence[Tile]], cost: float) -> None:
    def work(part: slice) -> None:
        for half in halves[part]:
            for function, arguments, call in half:
                try:
                    function(*arguments)
                except KERNEL_ERRORS as error:
                    operands = [leaf(np.asarray(x)) for x in arguments[: len(call.inputs)]]
                    raise explain_error(call.primitive, operands, call.params, error) from None

    split_work(work, 2, cost)
