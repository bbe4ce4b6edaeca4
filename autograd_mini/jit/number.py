"""`TracedNumber`: what a traced function gets in the place of a Python or NumPy number among its arguments.

Its operators run Python's own, and each replay runs them again on the new numbers. An operation on tensors converts it to a
tensor, as it converts a number. Whatever else Python asks of a number, such as a comparison, its text or its hash, needs the
value while tracing, so the number becomes part of the signature: one plan for each value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np

from .. import dtypes
from ..apply import apply, cast
from ..primitive import Primitive, registry
from ..state import modes
from ..tensor import Array, Number, Tensor

FLOATS: Final = frozenset({float, np.float16, np.float32, np.float64})
"""The types of numbers that may change from call to call without another plan; 0-d arrays may, too."""


class TracedNumber(Number):
    """A number during a trace.

    kind    its type, which `isinstance` sees: a type in `FLOATS`, or `np.ndarray` for a 0-d array
    tensor  its value as a traced tensor
    """

    __slots__ = ("kind", "tensor")
    __class__ = property(lambda self: self.kind)

    def __init__(self, kind: type, tensor: Tensor):
        self.kind, self.tensor = kind, tensor

    # -- operations on tensors ---------------------------------------------------------------------------------------------

    @property
    def sample(self) -> Any:
        """A number of the same type, from which the dtype of a result is decided."""
        return self.kind(1) if self.kind in FLOATS else np.ones((), self.tensor.dtype)

    def to(self, dtype: np.dtype[Any] | None = None) -> Tensor:
        """Returns the number as a tensor, by default of the dtype that a tensor of this number has."""
        if dtype is None:
            dtype = dtypes.default_dtype() if self.kind is float else self.tensor.dtype
        tensor = cast(self.tensor, dtype)
        return apply(registry["copy"], (tensor,)) if tensor is self.tensor else tensor

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        return self._leave_to_tensor(operands, f"np.{ufunc.__name__}")

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        self.reject(f"np.{function.__name__}")

    def _leave_to_tensor(self, operands: Any, use: str) -> Any:
        return NotImplemented if any(isinstance(x, Tensor) for x in operands) else self.reject(use)

    # -- what needs the value ----------------------------------------------------------------------------------------------

    def reject(self, use: str) -> NoReturn:
        """Raises TraceError: Python needs the value."""
        tracer = modes().tracer
        if tracer is None:
            raise RuntimeError(f"jit: {use} of a number that belongs to a traced run, which has ended")
        tracer.reject_value(use, self.tensor)

    def __getattr__(self, name: str) -> Any:
        if hasattr(self.kind, name):
            self.reject(f".{name} of a number")
        raise AttributeError(f"{self.kind.__name__!r} object has no attribute {name!r}")

    def __copy__(self) -> TracedNumber:
        return self

    def __deepcopy__(self, memo: Any) -> TracedNumber:
        return self


def as_kind(array: Array, kind: type) -> Any:
    """Returns the number in a 0-d array as a number of type `kind`.

    >>> import numpy as np
    >>> from autograd_mini.jit.number import as_kind
    >>> [type(as_kind(np.array(0.5), kind)).__name__ for kind in (float, np.float64, np.ndarray)]
    ['float', 'float64', 'ndarray']
    """
    return array.item() if kind is float else array[()] if kind in FLOATS else array


@dataclass(frozen=True)
class Computation:
    """An operator of Python on numbers; a call gets the arrays of those that are not constant.

    operands  for each operand its type and, if it is a constant, its value
    result    the type of the result
    """

    function: Callable[..., Any]
    operands: tuple[tuple[type, Any], ...]
    result: type

    def __call__(self, *arrays: Array) -> Array:
        remaining = iter(arrays)
        numbers = [as_kind(next(remaining), kind) if x is None else x for kind, x in self.operands]
        result = self.function(*numbers)
        if type(result) is not self.result:  # (-1.0) ** 0.5 is complex
            raise TypeError(f"{self.function.__name__} gave {result!r}; a compiled step needs {self.result.__name__} each time")
        return np.asarray(result)


COMPUTE: Final = Primitive(
    "python", lambda *arrays, computation: computation(*arrays), formula="Python numbers", uniform=False, constant=True
)


def _compute(function: Callable[..., Any], *operands: Any) -> Any:
    """Runs an operator of Python on numbers and records it."""
    numbers = [x for x in operands if type(x) is TracedNumber]
    kinds = tuple((x.kind, None) if type(x) is TracedNumber else (type(x), x) for x in operands)
    remaining = iter(numbers)
    result = type(
        function(*[as_kind(next(remaining).tensor._data, kind) if x is None else x for kind, x in kinds])
    )  # raises what Python raises
    if result not in FLOATS:  # complex numbers, pairs
        numbers[0].reject(function.__name__)
    tensors = tuple(x.tensor for x in numbers)
    return TracedNumber(result, apply(COMPUTE, tensors, {"computation": Computation(function, kinds, result)}))


# -- operators -----------------------------------------------------------------------------------------------------------------


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns an operator of two numbers; tensors have operators for a number beside them."""

    def operate(self: TracedNumber, other: Any) -> Any:
        if type(other) is TracedNumber or isinstance(other, (int, float, np.number)):
            return _compute(function, self, other)
        return self._leave_to_tensor((other,), function.__name__)

    return operate


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def operate(self: TracedNumber, other: Any) -> Any:
        if isinstance(other, (int, float, np.number)):
            return _compute(function, other, self)
        return self._leave_to_tensor((other,), function.__name__)

    return operate


def _augmented(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns an operator such as `+=`, which changes a 0-d array and gives a number another value."""

    def operate(self: TracedNumber, other: Any) -> Any:
        return NotImplemented if self.kind in FLOATS else self.reject(f"{function.__name__} in place")

    return operate


def _compare(function: Callable[..., Any]) -> Callable[..., Any]:
    def operate(self: TracedNumber, other: Any) -> Any:
        if isinstance(other, (int, float, complex, np.number, np.ndarray)):
            self.reject(f"a comparison ({function.__name__})")
        return NotImplemented

    return operate


def _needs_value(use: str) -> Callable[..., Any]:
    return lambda self, *_, **__: self.reject(use)


_BINARY: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
_UNARY: Final = ("neg", "pos", "abs")
_COMPARISONS: Final = ("lt", "le", "gt", "ge", "eq", "ne")
_USES: Final = {
    "bool": "bool(), as in `if number:`,", "float": "float()", "int": "int()", "complex": "complex()", "index": "an index",
    "round": "round()", "floor": "floor()", "ceil": "ceil()", "trunc": "trunc()", "divmod": "divmod()", "rdivmod": "divmod()",
    "hash": "hash()", "str": "str()", "repr": "repr()", "format": "a formatted string", "array": "np.asarray",
    "reduce_ex": "pickle", "len": "len()", "iter": "iteration", "getitem": "indexing",
}  # fmt: skip

_METHODS: Final = {
    **{f"__{name}__": _binary(getattr(operator, name)) for name in _BINARY},
    **{f"__r{name}__": _reflected(getattr(operator, name)) for name in _BINARY},
    **{f"__i{name}__": _augmented(getattr(operator, name)) for name in _BINARY},
    **{f"__{name}__": (lambda self, f=getattr(operator, name): _compute(f, self)) for name in _UNARY},
    **{f"__{name}__": _compare(getattr(operator, name)) for name in _COMPARISONS},
    **{f"__{name}__": _needs_value(use) for name, use in _USES.items()},
}
for _name, _method in _METHODS.items():
    setattr(TracedNumber, _name, _method)
