"""Binds the operators and methods that `signatures.py` declares: each is a function of `ops`, set on the class `Tensor`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import isfunction, signature
from typing import Any, Final

import numpy as np

from .backward import backward
from .leaving import depends_on_variable
from .ops import contraction, index, linalg, moments, order, rearrange, reduce, scan, shape
from .ops import elementwise as e
from .ops import transcendental as t
from .ops._make import numpy_functions
from .ops.neural import activation, softmax
from .signatures import Methods
from .state import modes
from .tensor import Tensor, TensorLike, as_tensor

Function = Callable[..., Any]


def _reflected(function: Function) -> Function:
    return lambda self, other: function(other, self)


def _comparison(function: Function) -> Function:
    """Returns == or != that falls back to identity for objects that are not operands, as usual in Python."""

    def compare(self: Tensor, other: object) -> Any:
        return (
            function(self, other)
            if isinstance(other, (Tensor, np.ndarray, np.generic, int, float, list, tuple))
            else NotImplemented
        )

    return compare


def _contains(self: Tensor, value: TensorLike) -> bool:
    return bool(e.equal(self, value).data.any())


def _augmented(name: str, function: Function) -> Function:
    """Returns an operator such as `+=`: under `no_grad` it writes into the memory of a leaf, else makes a new tensor."""

    def assign(self: Tensor, other: TensorLike) -> Tensor:
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
}
_MODULES = (e, t, activation, softmax, reduce, moments, scan, order, shape, rearrange, index, contraction)
_FUNCTIONS = {name: getattr(module, name) for module in _MODULES for name in module.__all__}
_SPECIAL: dict[str, Any] = {
    **OPERATORS,
    **{"__r" + name[2:]: _reflected(function) for name, function in OPERATORS.items()},
    **{"__i" + name[2:]: _augmented(f"{function.__name__} in place", function) for name, function in OPERATORS.items()},
    "__neg__": e.negative,
    "__pos__": as_tensor,
    "__abs__": e.abs,
    "__round__": e.round,
    "__invert__": e.invert,
    "__lt__": e.less,
    "__le__": e.less_equal,
    "__gt__": e.greater,
    "__ge__": e.greater_equal,
    "__eq__": _comparison(e.equal),
    "__ne__": _comparison(e.not_equal),
    "__contains__": _contains,
    "__getitem__": index.getitem,
    "T": property(shape.transpose, doc="The tensor with its axes reversed."),
    "backward": backward,
}
_DECLARED = [name for name, value in vars(Methods).items() if isfunction(value) or isinstance(value, property)]
TABLE: Final[dict[str, Any]] = {name: _SPECIAL[name] if name in _SPECIAL else _FUNCTIONS[name] for name in _DECLARED}
"""By name, what `Tensor` gets: the function in `ops` of the same name, unless `_SPECIAL` has another one."""


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    targets = options.get("out") or (inputs[:1] if method == "at" else ())
    if targets and all(type(x) is np.ndarray for x in targets):  # as in `w.data -= 0.1 * w.grad`
        return getattr(ufunc, method)(*[_as_plain(ufunc.__name__, x) for x in inputs], **options)
    if targets:
        raise TypeError(
            f"np.{ufunc.__name__} would write into an array, which gradients cannot follow; use the value it returns instead"
        )
    if "where" in options:
        raise TypeError(f"np.{ufunc.__name__}(where=…) leaves elements undefined; use ag.where(condition, a, b)")
    options.pop("out", None)
    if method in ("reduce", "accumulate"):  # here NumPy's default is the first axis
        options.setdefault("axis", 0)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    ours = numpy_functions.get(ufunc) if method == "__call__" else _UFUNC_METHODS.get((ufunc, method))
    if ours is None:
        raise TypeError(f"np.{name} is not supported on tensors; use .detach().numpy() for plain NumPy")
    return _call(name, ours, inputs, options)


def _as_plain(name: str, x: Any) -> Any:
    """Returns the array of an operand that NumPy writes into a plain array. Raises TypeError if that loses a gradient."""
    if not isinstance(x, Tensor):
        return x
    if x._requires_grad:
        raise TypeError(f"np.{name}: a plain array cannot hold the gradient of {x._describe()}; use .detach()")
    return x._expose(f"np.{name} into an array")


def _array_function(self: Tensor, function: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    ours = numpy_functions.get(function)
    if ours is None:
        raise TypeError(f"np.{function.__name__} is not supported on tensors; use .detach().numpy() for plain NumPy")
    return _call(function.__name__, ours, args, kwargs)


_signature = cache(signature)


def _call(name: str, ours: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls our function in place of NumPy's. Raises TypeError if it does not take these arguments."""
    parameters = _signature(ours)
    try:
        parameters.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"np.{name} on a Tensor takes ({', '.join(parameters.parameters)}): {error}") from None
    return ours(*args, **kwargs)


_UFUNC_METHODS: dict[Any, Function] = {
    (np.add, "reduce"): reduce.sum,
    (np.multiply, "reduce"): reduce.prod,
    (np.maximum, "reduce"): reduce.max,
    (np.minimum, "reduce"): reduce.min,
    (np.logical_and, "reduce"): reduce.all,
    (np.logical_or, "reduce"): reduce.any,
    (np.add, "accumulate"): scan.cumsum,
    (np.multiply, "accumulate"): scan.cumprod,
}


def _on_values(function: Function) -> Function:
    return lambda *args, **options: function(*(a.data if isinstance(a, Tensor) else a for a in args), **options)


# Functions that read the shape of an array, or compare values, need no gradient.
numpy_functions.update(
    {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x: x.size, np.positive: as_tensor}
)
numpy_functions.update({function: _on_values(function) for function in (np.allclose, np.array_equal)})


def bind() -> None:
    """Sets the functions of the table on the class `Tensor`."""
    for name, function in TABLE.items():
        setattr(Tensor, name, function)
    Tensor.__array_ufunc__ = _array_ufunc
    Tensor.__array_function__ = _array_function


bind()
