"""Programs: long runs of calls on single numbers, made into one Python function of floats.

On a single number a NumPy call spends nearly all its time on finding out that it is one. A run of such calls becomes lines of
Python, in double precision, and only what leaves the run is rounded to its dtype: results differ from eager ones by rounding.
Where Python raises (1/0, e¹⁰⁰⁰) and NumPy would give inf or nan, the run is done by its kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from ..primitive import Primitive
from .trace import Call, Value

SHORTEST: Final = 32
"""Calls in a run from which it is made a program."""

_FUNCTIONS: Final = {name: f for name, f in vars(math).items() if not name.startswith("_")}
"""What the `scalar` form of a primitive may call."""


def compiled(calls: Sequence[Call], wanted: Sequence[Value]) -> list[Call]:
    """The calls, with a single one in place of each long run on single numbers."""
    made: list[Call] = []
    for single, together in groupby(calls, key=_is_scalar):
        run = list(together)
        made += [_program(run, calls, wanted)] if single and len(run) >= SHORTEST else run
    return made


def _is_scalar(call: Call) -> bool:
    arrays = [v.array for v in (*call.inputs, *call.outs)]
    return bool(call.primitive.scalar) and len(call.outs) == 1 and all(a.ndim == 0 and a.dtype.char in "fd" for a in arrays)


def _program(run: list[Call], calls: Sequence[Call], wanted: Sequence[Value]) -> Call:
    made = {out for call in run for out in call.outs}
    here = set(run)
    elsewhere = {v for call in calls if call not in here for v in call.inputs} | set(wanted)
    outs = tuple(out for call in run for out in call.outs if out in elsewhere)
    inputs = tuple(dict.fromkeys(v for call in run for v in call.inputs if v not in made and v.source != "constant"))
    for out in outs:
        out.owner = out
    function = _function(run, inputs, outs)

    def program(*arrays: Any) -> Any:
        try:
            return function(*arrays)
        except (ArithmeticError, ValueError):
            return _by_kernels(run, dict(zip(inputs, arrays, strict=True)), outs)

    return Call(PROGRAM, inputs, {"program": program, "count": len(run)}, outs)


def _function(run: Sequence[Call], inputs: Sequence[Value], outs: Sequence[Value]) -> Callable[..., Any]:
    names = {value: f"x{i}" for i, value in enumerate(inputs)}
    lines = [f"{name} = {name}.item()" for name in names.values()]
    for number, call in enumerate(run):
        operands = [names.get(v) or repr(float(v.array)) for v in call.inputs]
        lines.append(f"v{number} = {call.primitive.scalar.format(*operands, **call.params)}")
        names[call.outs[0]] = f"v{number}"
    results = ", ".join(f"{out.array.dtype.name}({names[out]})" for out in outs)
    body = "".join(f"    {line}\n" for line in lines)
    scope: dict[str, Any] = {
        **_FUNCTIONS,
        "float32": np.float32,
        "float64": np.float64,
    }
    source = f"def function({', '.join(f'x{i}' for i in range(len(inputs)))}):\n{body}    return {results}\n"
    exec(compile(source, "<program>", "exec"), scope)  # made from `scalar` forms of primitives and from numbers
    return scope["function"]


def _by_kernels(run: Sequence[Call], values: dict[Value, Any], outs: Sequence[Value]) -> Any:
    for call in run:
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
