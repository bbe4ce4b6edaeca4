"""Binds the operators and methods that `signatures.py` declares: each is a function of `ops`, set on the class `Tensor`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction
from typing import Any, Final

import numpy as np

from .backward import backward
from .leaving import depends_on_variable
from .ops import contraction, index, linalg, moments, order, rearrange, reduce, scan, shape
from .ops import elementwise as e
from .ops import transcendental as t
from .ops._make import is_foreign
from .ops.neural import activation, softmax
from .pytorch.methods import METHODS
from .pytorch.signatures import Casts, PyTorchMethods
from .signatures import Methods
from .state import modes
from .tensor import Tensor, TensorLike, as_tensor
from .tools.numpy_protocol import array_function, array_ufunc

Function = Callable[..., Any]


def _operator(function: Function) -> Function:
    """Returns a function of two operands as an operator: it leaves operands of foreign types to their own methods."""
    declining: Function | None = getattr(function, "operator", None)
    if declining is not None:
        return declining
    return lambda self, other: NotImplemented if is_foreign(other) else function(self, other)


def _reflected(function: Function) -> Function:
    return lambda self, other: NotImplemented if is_foreign(other) else function(other, self)


def _divmod(a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    return e.floor_divide(a, b), e.remainder(a, b)


def _contains(self: Tensor, value: TensorLike) -> bool:
    return bool(e.equal(self, value).data.any())


def _augmented(name: str, function: Function) -> Function:
    """Returns an operator such as `+=`: under `no_grad` it writes into the memory of a leaf, else makes a new tensor."""

    def assign(self: Tensor, other: TensorLike) -> Tensor:
        if is_foreign(other):
            return NotImplemented
        now = modes()
        if self._primitive is not None or depends_on_variable(self):
            return function(self, other)
        if now.grad_enabled and self._requires_grad:
            raise RuntimeError(
                f"{name}: {self._describe()} requires a gradient, so it cannot be changed while operations are recorded; write "
                "`with ag.no_grad():` around an update, or give the result a name of its own"
            )
        result = function(self, other)
        if now.grad_enabled or (now.tracer is not None and not now.tracer.existed_before(self)):
            return result
        if result._data.shape != self._data.shape:
            raise ValueError(f"{name}: the result of shape {result.shape} does not fit into a tensor of shape {self.shape}")
        if not np.can_cast(result._data.dtype, self._data.dtype, "same_kind"):
            raise TypeError(f"{name}: a result of {result.dtype} cannot be stored in a tensor of {self.dtype}")
        self.data = result
        return self

    return assign


OPERATORS: dict[str, Function] = {
    "__add__": e.add,
    "__sub__": e.subtract,
    "__mul__": e.multiply,
    "__truediv__": e.divide,
    "__floordiv__": e.floor_divide,
    "__mod__": e.remainder,
    "__pow__": e.power,
    "__matmul__": linalg.matmul,
    "__and__": e.bitwise_and,
    "__or__": e.bitwise_or,
    "__xor__": e.bitwise_xor,
    "__lshift__": e.left_shift,
    "__rshift__": e.right_shift,
}
_MODULES = (e, t, activation, softmax, reduce, moments, scan, order, shape, rearrange, index, contraction)
_FUNCTIONS = {name: getattr(module, name) for module in _MODULES for name in module.__all__}
_SPECIAL: dict[str, Any] = {
    **{name: _operator(function) for name, function in OPERATORS.items()},
    **{"__r" + name[2:]: _reflected(function) for name, function in OPERATORS.items()},
    **{"__i" + name[2:]: _augmented(f"{function.__name__} in place", function) for name, function in OPERATORS.items()},
    "__divmod__": _operator(_divmod),
    "__rdivmod__": _reflected(_divmod),
    "__neg__": e.negative,
    "__pos__": as_tensor,
    "__abs__": e.abs,
    "__round__": e.round,
    "__invert__": e.invert,
    "__lt__": _operator(e.less),
    "__le__": _operator(e.less_equal),
    "__gt__": _operator(e.greater),
    "__ge__": _operator(e.greater_equal),
    "__eq__": _operator(e.equal),
    "__ne__": _operator(e.not_equal),
    "__contains__": _contains,
    "__getitem__": index.getitem,
    "T": property(shape.transpose, doc="The tensor with its axes reversed."),
    "mT": property(linalg.matrix_transpose, doc="The tensor with its last two axes swapped: the transpose of each matrix."),
    "backward": backward,
}
_DECLARED = [
    name
    for declarations in (Methods, PyTorchMethods, Casts)
    for name, value in vars(declarations).items()
    if isfunction(value) or isinstance(value, property)
]
_BY_NAME = {**_FUNCTIONS, **METHODS, **_SPECIAL}
TABLE: Final[dict[str, Any]] = {name: _BY_NAME[name] for name in _DECLARED}
"""By name, what `Tensor` gets: the function in `ops` of the same name, unless a table has another one."""


def bind() -> None:
    """Sets the functions of the table on the class `Tensor`."""
    for name, function in TABLE.items():
        setattr(Tensor, name, function)
    Tensor.__array_ufunc__ = array_ufunc
    Tensor.__array_function__ = array_function


bind()
