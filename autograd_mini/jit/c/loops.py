"""The pass `fuse_loops`: elementwise calls on one shape, and sums of their results, become one call, a loop in C.

Calls that a loop cannot contain move behind it if nothing in the loop needs them. No call crosses a write or a random draw.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import numpy as np

from ...memory.threads import split_work
from ...primitive import Primitive, registry
from ...tensor import Array
from ..pool import extent
from ..trace import Call, Value
from . import build
from .source import TYPES, Loop, NotInC, Operand, Sum, merge_axes, translate

LOOKAHEAD: Final = 200
"""Calls that are searched for one loop."""
MIN_ELEMENTS: Final = 1 << 14
"""Elements that the calls of a loop compute together; below that, a loop saves less time than compiling it takes."""


def fuse_loops(calls: Sequence[Call], outputs: Collection[Value], fresh: Collection[Value]) -> tuple[list[Call], str]:
    """Replaces runs of calls by loops; returns the new calls and the C text. Raises `build.CompilerError`.

    Parameters
    ----------
    calls : the calls of a plan
    outputs : values that the plan returns or keeps
    fresh : those of them that are new arrays in each replay
    """
    readers: dict[Value, list[Call]] = {}
    for call in calls:
        for v in call.inputs:
            readers.setdefault(v, []).append(call)
    todo, fused, loops = list(calls), list[Call](), list[CompiledLoop]()
    while todo:
        before, members, rest = _first_loop(todo[:LOOKAHEAD]) if _shape_of(todo[0]) else ([], [], [])
        if len(members) < 2 or sum(_size(call) for call in members) < MIN_ELEMENTS:
            fused.append(todo.pop(0))
            continue
        inside = set(members)
        needed = {
            out
            for call in members
            for out in call.outs
            if out in outputs or any(reader not in inside for reader in readers.get(out, ()))
        }
        loop, copies = _fuse(members, needed, fresh)
        loops.append(loop.params["loop"])
        fused += [*before, loop, *copies]
        todo = rest + todo[LOOKAHEAD:]
    source = "\n".join(compiled.text.source(f"loop{i}") for i, compiled in enumerate(loops))
    if loops:
        functions = build.load(source)
        for i, compiled in enumerate(loops):
            compiled.connect(getattr(functions, f"loop{i}"))
    return fused, source


# -- what a loop can contain ---------------------------------------------------------------------------------------------------


def _first_loop(calls: Sequence[Call]) -> tuple[list[Call], list[Call], list[Call]]:
    """Returns the views before the longest loop that starts with the first call, its calls, and those behind it."""
    shape = _shape_of(calls[0])
    before: list[Call] = []
    members: list[Call] = []
    rest: list[Call] = []
    inside: set[Value] = set()
    later: set[Value] = set()
    for number, call in enumerate(calls):
        if call.primitive.effect or not call.outs:
            rest += calls[number:]
            break
        is_ready = not any(v in later or v.owner in later for v in call.inputs)
        if is_ready and _is_view(call) and not any(v.owner in inside for v in call.inputs):
            before.append(call)
        elif is_ready and (_shape_of(call) == shape or _is_sum(call, inside)):
            members.append(call)
            inside.update(call.outs)
            if call.primitive.reduction:  # complete only behind the loop
                later.update(call.outs)
        else:
            rest.append(call)
            later.update(call.outs)
    return before, members, rest


def _is_view(call: Call) -> bool:
    return all(out.owner is not out for out in call.outs)


def _size(call: Call) -> int:
    return int(max(v.array.size for v in (*call.inputs, *call.outs)))


def _shape_of(call: Call) -> tuple[int, ...] | None:
    """Returns the shape of an elementwise call that a loop can contain, or None."""
    primitive, arrays = call.primitive, [v.array for v in (*call.inputs, *call.outs)]
    if not (primitive.elementwise and primitive.scalar and len(call.outs) == 1 and call.outs[0].owner is call.outs[0]):
        return None
    out = arrays[-1]
    if out.size * LOOKAHEAD < MIN_ELEMENTS or not _have_one_type(call) or not _expression(call, ["x"] * len(call.inputs)):
        return None
    return tuple(out.shape)


def _is_sum(call: Call, inside: Collection[Value]) -> bool:
    """Returns whether a call sums a value of the loop over some axes."""
    return (
        bool(call.primitive.reduction)
        and call.inputs[0] in inside
        and call.outs[0].owner is call.outs[0]
        and call.outs[0].array.size < call.inputs[0].array.size
        and call.inputs[0].array.dtype.char != "?"
        and _have_one_type(call)
    )


def _have_one_type(call: Call) -> bool:
    """Returns whether all arrays are floats of one dtype that C has, or bools, with a layout that a loop can walk."""
    values = (*call.inputs, *call.outs)
    kinds = {v.array.dtype.char for v in values} - {"?"}
    return (
        len(kinds) <= 1
        and kinds <= TYPES.keys()
        and all(v.source != "gradient" and v.array.dtype.isnative for v in values)  # the layout of an old .grad may change
        and all(stride >= 0 and stride % v.array.itemsize == 0 for v in values for stride in v.array.strides)
    )


def _expression(call: Call, names: Sequence[str]) -> str:
    """Returns what a call computes, in C, or an empty string if that cannot be written."""
    kinds = [v.array.dtype.char for v in (*call.inputs, *call.outs) if v.array.dtype.char != "?"]
    try:
        return translate(call.primitive.scalar.format(*names, **call.params), kinds[0] if kinds else "?")
    except (NotInC, SyntaxError):
        return ""


# -- the call of a loop --------------------------------------------------------------------------------------------------------


def _fuse(members: Sequence[Call], needed: Collection[Value], fresh: Collection[Value]) -> tuple[Call, list[Call]]:
    """Returns a call for a loop, and copies of those results that must be new arrays in each replay."""
    shape = members[0].outs[0].array.shape
    results = [out for call in members for out in call.outs]
    inputs = list(dict.fromkeys(v for call in members for v in call.inputs if v not in results and not _is_literal(v)))
    sums = {call.outs[0]: call for call in members if call.primitive.reduction}
    stored = [v for v in results if v in needed and v not in sums]
    strides: dict[Value, Sequence[int]] = {v: _broadcast_strides(v, shape) for v in (*inputs, *stored)}
    strides |= {v: _sum_strides(v, shape, call.params["axis"]) for v, call in sums.items()}
    main = members[0].outs[0]
    strides.setdefault(main, _broadcast_strides(main, shape))
    lengths, merged = merge_axes(shape, strides, main)

    names = {v: f"v_x{i}" for i, v in enumerate(inputs)} | {v: f"v{i}" for i, v in enumerate(results)}
    lines = []
    for call in members:
        operands = [names.get(v) or repr(float(v.array)) for v in call.inputs]
        if call.outs[0] not in sums:
            lines.append((_type_of(call.outs[0]), names[call.outs[0]], _expression(call, operands), call.primitive.name))
    text = Loop(
        lengths,
        [Operand(f"x{i}", _type_of(v), merged[v]) for i, v in enumerate(inputs)],
        lines,
        [(Operand(f"y{i}", _type_of(v), merged[v]), names[v]) for i, v in enumerate(stored)],
        [
            Sum(f"r{i}", _type_of(v), merged[v], names[call.inputs[0]], _factor(call))
            for i, (v, call) in enumerate(sums.items())
        ],
    )
    start = 0
    for s in text.sums:
        s.start, start = start, start + 2 * text.size(s)
    outs = [v if v not in fresh else Value(v.array, "call") for v in (*stored, *sums)]
    loop = CompiledLoop(members, text, inputs, outs)
    copies = [
        Call(registry["copy"], (inner,), {}, (v,)) for inner, v in zip(outs, (*stored, *sums), strict=True) if inner is not v
    ]
    return Call(LOOP, tuple(inputs), {"loop": loop}, tuple(outs)), copies


def _type_of(value: Value) -> str:
    return TYPES[value.array.dtype.char][0]


def _is_literal(value: Value) -> bool:
    """Returns whether a value is a number that can stand in the C text."""
    return value.source == "constant" and value.array.ndim == 0 and bool(np.isfinite(value.array))


def _factor(call: Call) -> float:
    reduced = call.inputs[0].array.size // call.outs[0].array.size
    return 1 / reduced if call.primitive.reduction == "mean" else 1.0


def _broadcast_strides(value: Value, shape: tuple[int, ...]) -> list[int]:
    """Returns the strides of an array in elements, 0 where it is broadcast to `shape`."""
    return [s // value.array.itemsize for s in np.broadcast_to(value.array, shape).strides]


def _sum_strides(value: Value, shape: tuple[int, ...], axes: Iterable[int]) -> list[int]:
    """Returns the strides of a sum over `axes` for the axes of its operand, 0 for those that are summed."""
    reduced, own = set(axes), list(value.array.strides)
    keeps = value.array.ndim == len(shape)
    strides = []
    for k in range(len(shape)):
        stride = own.pop(0) if keeps or k not in reduced else 0
        strides.append(0 if k in reduced else stride // value.array.itemsize)
    return strides


class CompiledLoop:
    """A C function, its partial sums, and the calls that it replaces."""

    def __init__(self, calls: Sequence[Call], text: Loop, inputs: Sequence[Value], outs: Sequence[Value]):
        self.calls, self.text = tuple(calls), text
        self.flops = sum(
            call.primitive.count_flops([v.array for v in call.inputs], [v.array for v in call.outs], call.params)
            for call in calls
        )
        self._inputs = [_Layout(v.array) for v in inputs]
        self._outs = [_Layout(v.array) for v in outs]
        self._scratch = np.zeros(max(1, text.scratch))
        self._cost = sum(call.primitive.nanoseconds * _size(call) for call in calls) / 4
        self._function: Callable[..., None]

    def connect(self, function: Any) -> None:
        """Sets the C function."""
        function.restype = None
        function.argtypes = [ctypes.py_object] * (len(self._inputs) + len(self._outs) + 1) + [ctypes.c_int]
        self._function = function

    def run(self, arrays: Sequence[Any], outs: Sequence[Array] | None) -> Sequence[Array]:
        """Computes the results from the inputs, on two threads if that pays; the bits do not depend on it."""
        outs = [like.new() for like in self._outs] if outs is None else outs
        operands = [
            a if type(a) is np.ndarray and a.strides == like.strides and a.dtype == like.dtype else like.copy(a)
            for a, like in zip(arrays, self._inputs, strict=True)
        ]

        def run_parts(parts: slice) -> None:
            for part in range(parts.start, parts.stop):
                self._function(*operands, *outs, self._scratch, part)

        split_work(run_parts, 2, self._cost)
        if self.text.sums:
            run_parts(slice(2, 3))
        return outs


class _Layout:
    """Shape, strides and dtype of an array that a loop was written for."""

    def __init__(self, array: Array):
        self.shape, self.strides, self.dtype = array.shape, array.strides, array.dtype
        self._bytes = extent(array)

    def new(self) -> Array:
        """Returns a new array."""
        return np.ndarray(self.shape, self.dtype, np.empty(self._bytes, np.uint8), 0, self.strides)

    def copy(self, array: Any) -> Array:
        """Returns a number, or an array of another layout, as an array of this one."""
        copied = self.new()
        copied[...] = array
        return copied


def _run(*arrays: Any, loop: CompiledLoop, out: Any = None) -> Any:
    outs = [out] if isinstance(out, np.ndarray) else out
    results = loop.run(arrays, outs)
    return tuple(results) if len(results) > 1 else results[0]


LOOP: Final = Primitive(
    "loop", _run, formula="many elementwise operations in one pass", uniform=False,
    flops=lambda inputs, outputs, params: params["loop"].flops, constant=True,
)  # fmt: skip
