"""The interface of a compiled function: its arguments as operands and a signature, and how its result is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..state import modes
from ..tensor import Array, Number, Tensor, leaf, number
from ..trees import leaves, rebuild
from .trace import Trace, Value

_BY_VALUE: Final = frozenset({bool, int, str, bytes, type(None)})


class Arguments:
    """The arguments of one call.

    operands    the tensors among them, in order
    signature   everything else that a plan relies on, as a key: shapes, dtypes, values of ints and strings, grad mode
    kept_alive  objects that the signature identifies by `id`, so a plan must keep them alive
    """

    __slots__ = ("_leaves", "_tree", "kept_alive", "operands", "signature")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self._tree: Any = (args, kwargs)
        self._leaves: list[Any] = []
        self.operands: list[Tensor] = []
        self.kept_alive: list[Any] = []
        key: list[Any] = [modes().grad_enabled, dtypes.default_dtype()]
        for x in args:
            self._add(x, key)
        for name, x in kwargs.items():
            key.append(name)
            self._add(x, key)
        self.signature = tuple(key)

    def _add(self, x: Any, key: list[Any]) -> None:
        kind = type(x)
        if isinstance(x, Tensor) or kind is float or isinstance(x, (np.ndarray, np.floating)):
            t = x if isinstance(x, Tensor) else _to_tensor(x)
            if t._requires_grad and t._primitive is not None and modes().grad_enabled:
                raise RuntimeError(f"jit: an argument, {t._describe()}, is part of a graph: jit the whole step, or detach it")
            a = t._data
            key.append((type(t), a.shape, a.strides, a.dtype, id(t) if t._requires_grad else None))
            self.operands.append(t)
            self._leaves.append(t)
        elif isinstance(x, (list, tuple)):
            key.append((kind, len(x)))
            for y in x:
                self._add(y, key)
        elif isinstance(x, dict):
            key.append((kind, *x))
            for y in x.values():
                self._add(y, key)
        elif kind in _BY_VALUE or isinstance(x, np.generic):
            key.append((kind, x))
            self._leaves.append(x)
        else:
            key.append((kind, id(x)))
            self.kept_alive.append(x)
            self._leaves.append(x)

    def rebuild(self, operands: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns positional and keyword arguments with other tensors in the same places."""
        tensors = iter(operands)
        return rebuild(self._tree, [next(tensors) if isinstance(x, Tensor) else x for x in self._leaves])

    def tracing_operands(self) -> list[Tensor]:
        """Returns the operands, each with its own array object, so that none looks like a tensor that the function knows."""
        return [t if t._requires_grad else _with_own_array(t) for t in self.operands]


def _with_own_array(t: Tensor) -> Tensor:
    view = t._data.view()
    return number(view) if type(t) is Number else leaf(view, t.name)


def _to_tensor(x: Any) -> Tensor:
    """Returns an array as a tensor on the same memory, and a number as a tensor that does not decide the dtype of a result."""
    same_memory = isinstance(x, np.ndarray) and dtypes.supported(x.dtype) == x.dtype
    array = x if same_memory else np.array(x, dtypes.supported(np.asarray(x).dtype))
    return leaf(array) if array.ndim else number(array)


class OutputSpec:
    """How a replay builds the function's result: its structure, and the source of each leaf.

    `values` are the traced values that the result needs; `result` was returned by the traced run, `operands` are its arguments.
    """

    def __init__(self, result: Any, trace: Trace, operands: Sequence[Tensor]):
        self.values: list[Value] = []
        self._sources: list[tuple[str, Any]] = []
        numbers = {id(t): i for i, t in enumerate(operands)}
        for x in leaves(result):
            if not isinstance(x, Tensor):
                self._sources.append(("same object", x))
            elif id(x) in numbers:
                self._sources.append(("argument", numbers[id(x)]))
            elif trace.value_of(x).tensor is x:
                self._sources.append(("same object", x))
            else:
                self._sources.append(("new", len(self.values)))
                self.values.append(trace.value_of(x))
        self._structure = rebuild(result, [None] * len(self._sources))
        self._single = isinstance(result, Tensor) and len(self.values) == 1

    def build(self, arrays: Sequence[Array], operands: Sequence[Tensor]) -> Any:
        """Returns the result of a replay."""
        if self._single:
            return leaf(arrays[0])
        return rebuild(
            self._structure,
            [leaf(arrays[x]) if source == "new" else operands[x] if source == "argument" else x for source, x in self._sources],
        )

    def of_traced_run(self, result: Any, operands: Sequence[Tensor]) -> Any:
        """Returns the result of the traced run itself, with the caller's own tensors in it."""
        pairs = zip(leaves(result), self._sources, strict=True)
        return rebuild(result, [operands[i] if source == "argument" else x for x, (source, i) in pairs])
