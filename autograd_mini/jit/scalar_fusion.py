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

LINES: Final = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}", "negative": "-{0}",
    "square": "{0} * {0}", "abs": "abs({0})", "sqrt": "sqrt({0})", "exp": "exp({0})", "log": "log({0})", "log1p": "log1p({0})",
    "sin": "sin({0})", "cos": "cos({0})", "tanh": "tanh({0})", "sigmoid": "(tanh({0} * 0.5) + 1.0) * 0.5",
    "relu": "max({0}, 0.0)", "gate": "{0} * (1.0 if {1} > 0.0 else {slope})",
    "sum": "{0}", "mean": "{0}", "reshape": "{0}", "broadcast_to": "{0}", "copy": "{0}",
}  # fmt: skip
"""What a primitive does to floats, by its name."""

_FUNCTIONS: Final = {name: getattr(math, name) for name in ("sqrt", "exp", "log", "log1p", "sin", "cos", "tanh")}


def compiled(calls: Sequence[Call], wanted: Sequence[Value]) -> list[Call]:
    """The calls, with a single one in place of each long run on single numbers."""
    made: list[Call] = []
    for single, together in groupby(calls, key=_is_scalar):
        run = list(together)
        made += [_program(run, calls, wanted)] if single and len(run) >= SHORTEST else run
    return made


def _is_scalar(call: Call) -> bool:
    arrays = [v.array for v in (*call.inputs, *call.outs)]
    return call.primitive.name in LINES and len(call.outs) == 1 and all(a.ndim == 0 and a.dtype.char in "fd" for a in arrays)


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
        lines.append(f"v{number} = {LINES[call.primitive.name].format(*operands, **call.params)}")
        names[call.outs[0]] = f"v{number}"
    results = ", ".join(f"{out.array.dtype.name}({names[out]})" for out in outs)
    body = "".join(f"    {line}\n" for line in lines)
    scope: dict[str, Any] = {**_FUNCTIONS, "float32": np.float32, "float64": np.float64, "inf": math.inf, "nan": math.nan}
    source = f"def function({', '.join(f'x{i}' for i in range(len(inputs)))}):\n{body}    return {results}\n"
    exec(compile(source, "<program>", "exec"), scope)  # made from the table above and from numbers
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
    constant=True,
)
