"""Scalar fusion: long sequences of calls on single numbers become one Python function of floats.

On a single number, a NumPy call spends nearly all its time on checks of types and shapes. The fused function computes in double
precision and rounds only its results to their dtype, so they differ from eager results by rounding. If Python raises an error
where NumPy returns inf or nan (1/0, e¹⁰⁰⁰), the kernels compute the sequence instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from ..primitive import Primitive
from .common_calls import changed_values
from .trace import Call, Value

MIN_CALLS: Final = 32
"""The shortest sequence that is fused."""

_FUNCTIONS: Final = {name: f for name, f in vars(math).items() if not name.startswith("_")}
"""What the `scalar` form of a primitive may call."""


def fuse_scalars(calls: Sequence[Call], outputs: Sequence[Value]) -> list[Call]:
    """Replaces each long sequence of scalar calls by one call. Results that are changed in place need arrays: they end it."""
    fused: list[Call] = []
    changed = changed_values(calls)
    for is_scalar, group in groupby(calls, key=lambda call: _is_scalar(call) and not changed.intersection(call.outs)):
        sequence = list(group)
        fused += [_fuse(sequence, calls, outputs)] if is_scalar and len(sequence) >= MIN_CALLS else sequence
    return fused


def _is_scalar(call: Call) -> bool:
    arrays = [v.array for v in (*call.inputs, *call.outs)]
    return bool(call.primitive.scalar) and len(call.outs) == 1 and all(a.ndim == 0 and a.dtype.char in "fd" for a in arrays)


def _fuse(sequence: list[Call], calls: Sequence[Call], outputs: Sequence[Value]) -> Call:
    """Returns one call for a sequence; its results are the values that other calls or the caller need."""
    computed, members = {out for call in sequence for out in call.outs}, set(sequence)
    needed = {v for call in calls if call not in members for v in call.inputs} | set(outputs)
    outs = tuple(out for call in sequence for out in call.outs if out in needed)
    inputs = tuple(dict.fromkeys(v for call in sequence for v in call.inputs if v not in computed and v.source != "constant"))
    for out in outs:
        out.owner = out
    function = _generate(sequence, inputs, outs)

    def program(*arrays: Any) -> Any:
        try:
            return function(*arrays)
        except (ArithmeticError, ValueError):
            return _run_kernels(sequence, dict(zip(inputs, arrays, strict=True)), outs)

    return Call(PROGRAM, inputs, {"program": program, "count": len(sequence)}, outs)


def _generate(sequence: Sequence[Call], inputs: Sequence[Value], outs: Sequence[Value]) -> Callable[..., Any]:
    """Generates the Python function: one line per call, on local variables."""
    names = {value: f"x{i}" for i, value in enumerate(inputs)}
    lines = [f"{name} = {name}.item()" for name in names.values()]
    for number, call in enumerate(sequence):
        operands = [names.get(v) or repr(float(v.array)) for v in call.inputs]
        lines.append(f"v{number} = {call.primitive.scalar.format(*operands, **call.params)}")
        names[call.outs[0]] = f"v{number}"
    results = ", ".join(f"{out.array.dtype.name}({names[out]})" for out in outs)
    body = "".join(f"    {line}\n" for line in lines)
    scope: dict[str, Any] = {**_FUNCTIONS, "float32": np.float32, "float64": np.float64}
    source = f"def function({', '.join(f'x{i}' for i in range(len(inputs)))}):\n{body}    return {results}\n"
    exec(compile(source, "<program>", "exec"), scope)  # the source consists of `scalar` forms of primitives and of numbers
    return scope["function"]


def _run_kernels(sequence: Sequence[Call], values: dict[Value, Any], outs: Sequence[Value]) -> Any:
    for call in sequence:
        operands = [values.get(v, v.array) for v in call.inputs]
        values[call.outs[0]] = call.primitive.kernel(*operands, **call.params)
    results = tuple(values[out] for out in outs)
    return results if len(outs) > 1 else results[0]


PROGRAM: Final = Primitive(
    "program",
    lambda *xs, program, count: program(*xs),
    formula="many operations on single numbers",
    uniform=False,
    flops=lambda inputs, outputs, params: params["count"],
    constant=True,
)
