"""Updates of optimizers as loops in C: the kernel of an update is called on symbols, which note what it computes.

The kernel is the same Python code that NumPy runs, so the loop does the same arithmetic in the same order and gives the same
bits. It is called for each step, because it computes numbers such as Adam's bias correction from the step count; these become
parameters of the C function.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cache
from types import CodeType
from typing import Any, Final

import numpy as np

from ...memory.threads import split_work
from ...primitive import registry
from ...tensor import Array
from . import build
from .source import TYPES, NotInC, translate

MIN_ELEMENTS: Final = 1 << 17
"""Smaller arrays are updated by NumPy in less time than noting the update takes."""
_NANOSECONDS: Final = 0.5  # an element takes about this long, on one thread
_unknown: Final[set[CodeType]] = set()  # kernels that cannot be translated

use_loops: Final[ContextVar[bool]] = ContextVar("autograd_mini_update_loops", default=False)
"""Whether updates run as loops in this context: in replays with the backend "c"."""


def run_update(kernel: Callable[..., None], arrays: Sequence[Array], scratch: int) -> bool:
    """Runs an update on arrays of one shape as a loop, if that is possible, and returns whether it was.

    Parameters
    ----------
    kernel : the update, which changes its arrays in place, by ufuncs only
    arrays : the parameter, its gradient and its state
    scratch : the number of further arrays that the kernel gets as workspace
    """
    first = arrays[0]
    code = getattr(kernel, "__code__", None)
    if first.size < MIN_ELEMENTS or code is None or code in _unknown or first.dtype.char not in "fd":
        return False
    if not all(a.flags.c_contiguous and a.dtype is first.dtype and a.shape == first.shape for a in arrays):
        return False
    trace = _Trace(first.dtype.char)
    symbols = [_Symbol(trace, f"x{i}") for i in range(len(arrays))]
    try:
        kernel(*symbols, *(_Symbol(trace, "") for _ in range(scratch)))
        function = _compile(trace.source(symbols), len(arrays))
    except (NotInC, TypeError, AttributeError, build.CompilerError):
        _unknown.add(code)
        return False
    numbers = np.array(trace.numbers)
    split_work(lambda part: function(*arrays, numbers, part.start, part.stop), first.size, first.size * _NANOSECONDS)
    return True


class _Trace:
    """The lines of C text that a kernel has produced so far, and the numbers in them."""

    def __init__(self, kind: str):
        self.kind, self.lines, self.numbers = kind, list[str](), list[float]()

    def operand(self, x: Any) -> str:
        if isinstance(x, _Symbol):
            if not x.variable:
                raise NotInC("an array is read before it is written")
            return x.variable
        self.numbers.append(float(x))
        return f"c{len(self.numbers) - 1}"

    def add(self, expression: str) -> str:
        variable = f"v{len(self.lines)}"
        self.lines.append(f"const {TYPES[self.kind][0]} {variable} = {translate(expression, self.kind)};")
        return variable

    def source(self, symbols: Sequence[_Symbol]) -> str:
        kind = TYPES[self.kind][0]
        arrays = range(len(symbols))
        parameters = ", ".join(f"const char *x{i}_object" for i in arrays)
        changed = [i for i in arrays if symbols[i].variable != f"x{i}"]
        lines = [
            *(f"    {kind} *restrict x{i}_row = DATA(x{i}_object);" for i in arrays),
            *(f"    const {kind} c{i} = ({kind})((double *)DATA(numbers_object))[{i}];" for i in range(len(self.numbers))),
            "    for (long j = from; j < to; j++) {",
            *(f"        const {kind} x{i} = x{i}_row[j];" for i in arrays),
            *(f"        {line}" for line in self.lines),
            *(f"        x{i}_row[j] = {symbols[i].variable};" for i in changed),
            "    }",
        ]
        return "\n".join([f"void update({parameters}, const char *numbers_object, long from, long to) {{", *lines, "}", ""])


class _Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an array; `variable` is the C variable with its current value."""

    def __init__(self, trace: _Trace, variable: str):
        self.trace, self.variable = trace, variable

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (None,), **options: Any) -> _Symbol:
        if method != "__call__" or options or not _scalar_form(ufunc):
            raise NotInC(ufunc.__name__)
        (target,) = out
        result = _Symbol(self.trace, "") if target is None else target
        result.variable = self.trace.add(_scalar_form(ufunc).format(*map(self.trace.operand, inputs)))
        return result


@cache
def _scalar_form(ufunc: np.ufunc) -> str:
    return next((p.scalar for p in registry.values() if p.kernel is ufunc), "")


@cache
def _compile(source: str, arrays: int) -> Any:
    function = build.load(source).update
    function.restype = None
    function.argtypes = [ctypes.py_object] * (arrays + 1) + [ctypes.c_long, ctypes.c_long]
    return function
