"""The C text of a loop: one function, whose body computes all calls for one element before the next.

A δ that flows through ten elementwise operations is then read once and written once, and stays in registers in between. The
text of each operation is the `scalar` form of its record, translated from Python.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

TYPES: Final = {"f": ("float", "f"), "d": ("double", "d"), "?": ("bool_t", "d")}
"""By dtype character: the C type, and the ending of its functions."""
BLOCK: Final = 1024
"""Elements that are added in their own precision before the sum is added to a double."""
_FUNCTIONS: Final = frozenset({"exp", "log", "expm1", "log1p", "tanh", "sqrt", "abs", "max"})
_OPERATORS: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
    ast.Eq: "==", ast.NotEq: "!=", ast.And: "&&", ast.Or: "||",
}  # fmt: skip


class NotInC(ValueError):
    """A scalar form has no translation."""


@lru_cache(maxsize=4096)
def translate(expression: str, kind: str) -> str:
    """Returns a Python expression of floats in C, for operands and results of the dtype with this character.

    >>> from autograd_mini.jit.c.source import translate
    >>> translate("x if x > 0.0 else exp(-x) / 2", "f")
    '((x > (float)0.0) ? x : (exp_f((-x)) / (float)2))'
    """
    return _translate(ast.parse(expression, mode="eval").body, *TYPES[kind])


def _translate(node: ast.AST, kind: str, ending: str) -> str:
    def c(part: ast.AST) -> str:
        return _translate(part, kind, ending)

    match node:
        case ast.Name():
            return node.id
        case ast.Constant(value=int() | float() as number):
            return f"({kind}){number!r}"
        case ast.UnaryOp(op=ast.USub()):
            return f"(-{c(node.operand)})"
        case ast.UnaryOp(op=ast.Not()):
            return f"(!{c(node.operand)})"
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return f"({c(node.left)} {_OPERATORS[type(node.op)]} {c(node.right)})"
        case ast.BoolOp():
            return f"({f' {_OPERATORS[type(node.op)]} '.join(map(c, node.values))})"
        case ast.Compare(ops=[op]) if type(op) in _OPERATORS:
            return f"({c(node.left)} {_OPERATORS[type(op)]} {c(node.comparators[0])})"
        case ast.IfExp():
            return f"({c(node.test)} ? {c(node.body)} : {c(node.orelse)})"
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            return f"{name}_{ending}({', '.join(map(c, node.args))})"
    raise NotInC(ast.unparse(node))


@dataclass
class Operand:
    """An array of a loop.

    name     its pointer in C
    type     its C type
    strides  in elements, for each axis of the loop; 0 where it is broadcast, or summed over
    """

    name: str
    type: str
    strides: list[int]


@dataclass
class Sum(Operand):
    """A result that adds the C variable `term` over the axes with stride 0, times `factor`, as for a mean.

    Its partial sums lie in the scratch array from `start` on, in doubles: first all elements of one half, then of the other.
    """

    term: str = ""
    factor: float = 1.0
    start: int = 0


@dataclass
class Loop:
    """What a C function computes. Both halves have their own partial sums, so that the bits do not depend on threads.

    lengths   of the axes of the loop; the last one is innermost, the first one is split into two halves
    inputs    arrays that are read
    lines     (C type, variable, expression, name of the operation) of each call, in order
    outputs   (array, variable) of each result that is stored
    sums      results that are sums
    """

    lengths: list[int]
    inputs: list[Operand]
    lines: list[tuple[str, str, str, str]]
    outputs: list[tuple[Operand, str]]
    sums: list[Sum]

    def size(self, s: Sum) -> int:
        """Returns the number of elements of a sum."""
        return math.prod(n for n, stride in zip(self.lengths, s.strides, strict=True) if stride)

    @property
    def scratch(self) -> int:
        """The number of doubles for partial sums."""
        return sum(2 * self.size(s) for s in self.sums)

    def source(self, name: str) -> str:
        """Returns the text of the function. It takes the arrays as Python objects, the scratch array, and a part: 0 and 1
        compute the halves, 2 adds their sums.
        """
        last = len(self.lengths) - 1
        stored = [o for o, _ in self.outputs]
        arrays = [(o, "const ") for o in self.inputs] + [(o, "") for o in (*stored, *self.sums)]
        parameters = [f"const char *{o.name}_object" for o, _ in arrays]
        rows = [(o, const, o.strides) for o, const in arrays[: len(self.inputs) + len(stored)]]
        rows += [(s, "", self._partial_strides(s)) for s in self._columns()]
        loops = [f"for (long i{k} = {self._low(k)}; i{k} < {self._high(k)}; i{k}++) {{" for k in range(last)]
        pointers = [
            f"{const}{o.type} *restrict {o.name}_row = {self._base(o)}{_index(strides, range(last))};"
            for o, const, strides in rows
        ]
        body = [
            *(f"{const}{o.type} *restrict {o.name} = DATA({o.name}_object);" for o, const in arrays),
            *(["double *scratch = DATA(scratch_object);"] if self.sums else []),
            *self._finish_sums(),
            f"const long from = {self.lengths[0]}L * part / 2, to = {self.lengths[0]}L * (part + 1) / 2;",
            *(line for s in self.sums for line in self._start_sum(s)),
            *_nest(loops, [*pointers, *self._inner_loop(last)]),
        ]
        head = f"void {name}({', '.join([*parameters, 'const char *scratch_object', 'int part'])}) {{"
        return "\n".join([head, *_indent(body), "}", ""])

    # -- parts of the text -----------------------------------------------------------------------------------------------

    def _low(self, k: int) -> str:
        return "0" if k else "from"

    def _high(self, k: int) -> str:
        return str(self.lengths[k]) if k else "to"

    def _base(self, o: Operand) -> str:
        return f"{o.name}_sum" if isinstance(o, Sum) else o.name

    def _inner_loop(self, k: int) -> list[str]:
        """The innermost loop. Sums over it are added up in blocks of `BLOCK`, as one term of a double."""
        rows = [s for s in self.sums if not s.strides[k]]
        element = [
            *(f"const {o.type} v_{o.name} = {o.name}_row[{_times('j', o.strides[k])}];" for o in self.inputs),
            *(f"const {kind} {name} = {text};  /* {what} */" for kind, name, text, what in self.lines),
            *(f"{o.name}_row[{_times('j', o.strides[k])}] = {name};" for o, name in self.outputs),
            *(f"{s.name}_row[{_times('j', self._partial_strides(s)[k])}] += {s.term};" for s in self._columns()),
            *(f"{s.name}_block += {s.term};" for s in rows),
        ]
        if not rows:
            return _nest([f"for (long j = {self._low(k)}; j < {self._high(k)}; j++) {{"], element)
        reductions = "".join(f" reduction(+:{s.name}_block)" for s in rows)
        block = [
            f"const long end = start + {BLOCK} < {self._high(k)} ? start + {BLOCK} : {self._high(k)};",
            *(f"{s.type} {s.name}_block = 0;" for s in rows),
            f"#pragma omp simd{reductions}",
            *_nest(["for (long j = start; j < end; j++) {"], element),
            *(f"{s.name}_sum[{_place(self._partial_strides(s), range(k))}] += {s.name}_block;" for s in rows),
        ]
        return _nest([f"for (long start = {self._low(k)}; start < {self._high(k)}; start += {BLOCK}) {{"], block)

    def _columns(self) -> list[Sum]:
        """Returns the sums with an element for each index of the innermost axis; they have the type of their terms."""
        return [s for s in self.sums if s.strides[-1]]

    def _partial(self, s: Sum, part: str) -> str:
        """Returns a pointer to the partial sums of a half."""
        kind = s.type if s.strides[-1] else "double"
        half = f" + {_times(part, self.size(s))}" if part != "0" else ""
        return f"({kind} *)(scratch{f' + {s.start}' if s.start else ''}{half})"

    def _partial_strides(self, s: Sum) -> list[int]:
        """Returns the strides of a sum's elements in the scratch array, where they are contiguous."""
        strides, size = [0] * len(self.lengths), 1
        for k in reversed(range(len(self.lengths))):
            if s.strides[k]:
                strides[k], size = size, size * self.lengths[k]
        return strides

    def _start_sum(self, s: Sum) -> list[str]:
        kind = s.type if s.strides[-1] else "double"
        return [
            f"{kind} *restrict {s.name}_sum = {self._partial(s, 'part')};",
            f"for (long k = 0; k < {self.size(s)}; k++) {s.name}_sum[k] = 0;",
        ]

    def _finish_sums(self) -> list[str]:
        lines = []
        for s in self.sums:
            kept = [k for k, stride in enumerate(s.strides) if stride]
            loops = [f"for (long i{k} = 0; i{k} < {self.lengths[k]}; i{k}++) {{" for k in kept]
            index = _place(self._partial_strides(s), kept)
            first, second = (f"({self._partial(s, part)})[{index}]" for part in "01")
            factor = "" if s.factor == 1 else f" * {s.factor!r}"
            lines += _nest(loops, [f"{s.name}[{_place(s.strides, kept)}] = ({first} + {second}){factor};"])
        return ["if (part == 2) {", *_indent([*lines, "return;"]), "}"] if lines else []


def _times(index: str, stride: int) -> str:
    return "0" if not stride else index if stride == 1 else f"{index} * {stride}"


def _index(strides: Sequence[int], axes: Iterable[int]) -> str:
    """Returns the offset of an element as terms ` + …`, or an empty string if it is 0."""
    return "".join(f" + {_times(f'i{k}', strides[k])}" for k in axes if strides[k])


def _place(strides: Sequence[int], axes: Iterable[int]) -> str:
    return _index(strides, axes).removeprefix(" + ") or "0"


def _nest(heads: Sequence[str], body: Sequence[str]) -> list[str]:
    """Returns C blocks that contain each other, with `body` innermost."""
    if not heads:
        return list(body)
    return [heads[0], *_indent(_nest(heads[1:], body)), "}"]


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def merge_axes(shape: Sequence[int], strides: Mapping[Any, Sequence[int]], main: Any) -> tuple[list[int], dict[Any, list[int]]]:
    """Sorts axes by the strides of the operand `main`, drops those of length 1, and merges neighbours where all operands can.

    Returns the lengths of the remaining axes, at least one, and the strides of each operand for them.

    >>> from autograd_mini.jit.c.source import merge_axes
    >>> merge_axes((2, 1, 3, 4), {"a": (12, 12, 4, 1), "b": (4, 0, 0, 1)}, "a")
    ([2, 3, 4], {'a': [12, 4, 1], 'b': [4, 0, 1]})
    >>> merge_axes((2, 3), {"a": (3, 1), "b": (0, 0)}, "a")
    ([6], {'a': [1], 'b': [0]})
    """
    order = sorted((k for k, n in enumerate(shape) if n > 1), key=lambda k: -abs(strides[main][k]))
    lengths: list[int] = []
    merged: dict[Any, list[int]] = {key: [] for key in strides}
    for k in order:
        n = shape[k]
        if lengths and all(merged[key][-1] == strides[key][k] * n for key in strides):
            lengths[-1] *= n
            for key in strides:
                merged[key][-1] = strides[key][k]
        else:
            lengths.append(n)
            for key in strides:
                merged[key].append(strides[key][k])
    if not lengths:
        lengths = [1]
        merged = {key: [0] for key in strides}
    return lengths, merged
