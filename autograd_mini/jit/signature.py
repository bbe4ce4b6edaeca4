"""The interface of a compiled function: its arguments as operands and a signature, and how its result is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..state import modes
from ..tensor import Array, Tensor, leaf
from ..trees import leaves, rebuild
from .number import FLOATS, TracedNumber, as_kind
from .trace import Trace, Value

_BY_VALUE: Final = frozenset({bool, int, str, bytes, type(None)})
_BY_TEXT: Final = (complex, range, np.generic, np.dtype)
"""Types of values whose text says all: 0.0 and -0.0 differ, and nan equals nan."""
_OPERAND: Final = object()


class Arguments:
    """The arguments of one call.

    operands    the tensors among them, in order; also arrays, and numbers that are not in `by_value`, as tensors
    kinds       for each operand the type of the number that it was, or None
    originals   the same operands as the caller passed them, with arrays as tensors
    leaves      the number of each operand among all arguments, nested ones included
    signature   everything else that a plan relies on, as a key: shapes, dtypes, values of ints and strings, grad mode
    kept_alive  objects that the signature identifies by `id`, so a plan must keep them alive
    """

    __slots__ = ("_by_value", "_leaves", "_numbers", "_tree", "kept_alive", "operands", "signature")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], by_value: Set[int] = frozenset()):
        self._tree: Any = (args, kwargs)
        self._leaves: list[Any] = []  # all arguments, nested ones included, with _OPERAND in the place of each operand
        self._numbers: dict[int, tuple[type, Any]] = {}  # kind and original of the operands that were numbers
        self._by_value = by_value
        self.operands: list[Tensor] = []
        self.kept_alive: list[Any] = []
        key: list[Any] = [modes().grad_enabled, dtypes.default_dtype()]
        for x in args:
            self._add(x, key)
        for name, x in kwargs.items():
            key.append(name)
            self._add(x, key)
        self.signature = tuple(key)

    @property
    def kinds(self) -> list[type | None]:
        return [self._numbers[i][0] if i in self._numbers else None for i in range(len(self.operands))]

    @property
    def originals(self) -> list[Any]:
        if not self._numbers:
            return self.operands
        return [self._numbers[i][1] if i in self._numbers else t for i, t in enumerate(self.operands)]

    @property
    def leaves(self) -> list[int]:
        return [i for i, x in enumerate(self._leaves) if x is _OPERAND]

    def _add(self, x: Any, key: list[Any]) -> None:
        kind = type(x)
        if kind is Tensor:  # first, because it is the most frequent case
            self._add_operand(x, kind, key)
        elif len(self._leaves) in self._by_value and (kind in FLOATS or (kind is np.ndarray and not x.ndim)):
            key.append((kind, repr(np.asarray(x).item())))
            self._leaves.append(x)
        elif kind in FLOATS or isinstance(x, (Tensor, np.ndarray)):
            t = x if isinstance(x, Tensor) else _to_tensor(x)
            if t is not x and not t._data.ndim:
                self._numbers[len(self.operands)] = kind, x
                self._add_operand(t, kind, key)
            else:
                self._add_operand(t, type(t), key)
        elif isinstance(x, (list, tuple)):
            key.append((kind, len(x)))
            for y in x:
                self._add(y, key)
        elif isinstance(x, dict):
            key.append((kind, *x))
            for y in x.values():
                self._add(y, key)
        elif kind in _BY_VALUE:
            key.append((kind, x))
            self._leaves.append(x)
        elif isinstance(x, _BY_TEXT):
            key.append((kind, repr(x)))
            self._leaves.append(x)
        else:
            key.append((kind, id(x)))
            self.kept_alive.append(x)
            self._leaves.append(x)

    def _add_operand(self, t: Tensor, kind: type, key: list[Any]) -> None:
        if t._requires_grad and t._primitive is not None and modes().grad_enabled:
            raise RuntimeError(f"jit: an argument, {t._describe()}, is part of a graph: jit the whole step, or detach it")
        a = t._data
        key.append((kind, a.shape, a.strides, a.dtype, id(t) if t._requires_grad else None))
        self.operands.append(t)
        self._leaves.append(_OPERAND)

    def rebuild(self, operands: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns positional and keyword arguments with other operands in the same places."""
        remaining = iter(operands)
        return rebuild(self._tree, [next(remaining) if x is _OPERAND else x for x in self._leaves])

    def numbers(self, needed: Set[int]) -> frozenset[int]:
        """Returns which leaves are numbers among the operands: those in `needed`, or all if none of these is a number."""
        leaves, numbers = self.leaves, self._numbers.keys()
        return frozenset(leaves[i] for i in numbers & needed or numbers)

    def tracing_tensors(self) -> list[Tensor]:
        """Returns the operands, each with its own array object, so that none looks like a tensor that the function knows."""
        return [t if t._requires_grad else leaf(t._data.view(), t.name) for t in self.operands]

    def tracing_operands(self, tensors: Sequence[Tensor]) -> list[Tensor | TracedNumber]:
        """Returns what a traced function gets for these tensors: numbers in the place of numbers."""
        return [t if kind is None else TracedNumber(kind, t) for t, kind in zip(tensors, self.kinds, strict=True)]


def describe_change(old: Sequence[Any], new: Sequence[Any]) -> str:
    """Describes the first difference between two signatures.

    >>> from autograd_mini.jit.signature import Arguments, describe_change
    >>> describe_change(*[Arguments((1.0, k), {}).signature for k in (3, 4)])
    'int 3, then int 4'
    """
    a, b = next(((a, b) for a, b in zip(old, new, strict=False) if a != b), (None, None))
    return f"{_describe_entry(a)}, then {_describe_entry(b)}" if a and b else "other arguments"


def _describe_entry(entry: Any) -> str:
    if not isinstance(entry, tuple) or not isinstance(entry[0], type):
        return repr(entry)
    kind, *details = entry
    if len(details) > 1 and not issubclass(kind, (float, np.generic)):
        return f"a tensor of {details[2]} and shape {details[0]}"
    if kind in _BY_VALUE or issubclass(kind, (float, np.generic)):
        return f"{kind.__name__} {details[0]}"
    return f"another {kind.__name__}"


def _to_tensor(x: Any) -> Tensor:
    """Returns an array as a tensor on the same memory, and a number as a tensor of its own dtype."""
    same_memory = isinstance(x, np.ndarray) and dtypes.supported(x.dtype) == x.dtype
    return leaf(x if same_memory else np.array(x, dtypes.supported(np.asarray(x).dtype)))


class OutputSpec:
    """How a replay builds the function's result: its structure, and the source of each leaf.

    `values` are the traced values that the result needs; `result` was returned by the traced run, `operands` are its arguments.
    """

    def __init__(self, result: Any, trace: Trace, operands: Sequence[Tensor | TracedNumber]):
        self.values: list[Value] = []
        self._sources: list[tuple[str, Any]] = []
        numbers = {id(t): i for i, t in enumerate(operands)}
        for x in leaves(result):
            if id(x) in numbers:
                self._sources.append(("argument", numbers[id(x)]))
            elif isinstance(x, TracedNumber):
                self._sources.append(("number", (len(self.values), x.kind)))
                self.values.append(trace.value_of(x.tensor))
            elif not isinstance(x, Tensor) or trace.value_of(x).tensor is x:
                self._sources.append(("same object", x))
            else:
                self._sources.append(("new", len(self.values)))
                self.values.append(trace.value_of(x))
        self._structure = rebuild(result, [None] * len(self._sources))
        self._single = isinstance(result, Tensor) and len(self.values) == 1

    def build(self, arrays: Sequence[Array], operands: Sequence[Any]) -> Any:
        """Returns the result of a replay; `operands` are the arguments as the caller passed them."""
        if self._single:
            return leaf(arrays[0])
        return rebuild(
            self._structure,
            [_BUILD[source](x, arrays, operands) if source in _BUILD else x for source, x in self._sources],
        )

    def of_traced_run(self, result: Any, operands: Sequence[Any]) -> Any:
        """Returns the result of the traced run itself, with the caller's own arguments in it, and copies of constants."""
        values, built = iter(self.values), []
        for x, (source, i) in zip(leaves(result), self._sources, strict=True):
            if source == "new" and next(values).owner.source == "constant":  # the plan keeps the constant itself
                x = leaf(x._data.copy())
            elif source == "number":
                next(values)
                x = as_kind(x.tensor._data, x.kind)
            built.append(operands[i] if source == "argument" else x)
        return rebuild(result, built)


_BUILD: Final[dict[str, Callable[[Any, Sequence[Array], Sequence[Any]], Any]]] = {
    "new": lambda i, arrays, operands: leaf(arrays[i]),
    "number": lambda x, arrays, operands: as_kind(arrays[x[0]], x[1]),
    "argument": lambda i, arrays, operands: operands[i],
}
"""How a replay builds a leaf of the result, by its source; any other leaf is the same object each time."""
