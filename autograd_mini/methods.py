"""What a Tensor can do, as one table: operators and methods are the very functions of `ops`, bound here to the class."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from .backward import backward
from .ops import contraction, index, linalg, moments, order, rearrange, reduce, scan, shape
from .ops import elementwise as e
from .ops import transcendental as t
from .ops._make import numpy_functions
from .ops.neural import activation
from .ops.neural import softmax as softmax_family
from .tensor import Tensor, TensorLike, as_tensor

Function = Callable[..., Any]


def _reflected(function: Function) -> Function:
    return lambda self, other: function(other, self)


def _comparison(function: Function) -> Function:
    """== and != with something that is no operand at all fall back to identity, as everywhere in Python."""

    def compare(self: Tensor, other: object) -> Any:
        return (
            function(self, other)
            if isinstance(other, (Tensor, np.ndarray, np.generic, int, float, list, tuple))
            else NotImplemented
        )

    return compare


def _contains(self: Tensor, value: TensorLike) -> bool:
    return bool(np.any(self.data == as_tensor(value).data))


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
TABLE: dict[str, Any] = {
    **OPERATORS,
    **{"__r" + name[2:]: _reflected(function) for name, function in OPERATORS.items()},
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
    **{
        function.__name__: function
        for function in (
            e.abs, e.sqrt, e.square, e.sign, e.round, e.clip, t.exp, t.log, t.sin, t.cos, t.tanh, t.erf,
            activation.sigmoid, activation.relu,
            reduce.sum, reduce.mean, reduce.prod, reduce.max, reduce.min, reduce.any, reduce.all, reduce.argmax, reduce.argmin,
            moments.var, moments.std, moments.norm, scan.cumsum, scan.cumprod,
            order.sort, order.argsort, order.topk, order.median,
            softmax_family.softmax, softmax_family.log_softmax, softmax_family.logsumexp,
            shape.reshape, shape.flatten, shape.ravel, shape.transpose, shape.swapaxes, shape.squeeze, shape.astype, shape.copy,
            rearrange.repeat, rearrange.diagonal, rearrange.trace, rearrange.tril, rearrange.triu, rearrange.flip,
            rearrange.roll, rearrange.split, index.take, index.gather, index.nonzero, contraction.dot,
        )
    },
}  # fmt: skip


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    if options.get("out") is not None or method == "at":
        raise TypeError(
            f"np.{ufunc.__name__} would write into an array, which no gradient can follow; assign its result instead"
        )
    if "where" in options:
        raise TypeError(f"np.{ufunc.__name__}(where=…) leaves elements undefined; use ag.where(condition, a, b)")
    options.pop("out", None)
    if method in ("reduce", "accumulate"):  # NumPy's default is the first axis here
        options.setdefault("axis", 0)
    called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    ours = numpy_functions.get(ufunc) if method == "__call__" else _FOLDS.get((ufunc, method))
    if ours is None:
        raise TypeError(f"np.{called} has no gradient here and no form of its own in ag; use .detach().numpy() for plain NumPy")
    return _called(called, ours, inputs, options)


def _array_function(self: Tensor, function: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    ours = numpy_functions.get(function)
    if ours is None:
        raise TypeError(
            f"np.{function.__name__} has no gradient here and no form of its own in ag; use .detach().numpy() for plain NumPy"
        )
    return _called(function.__name__, ours, args, kwargs)


_signature = cache(signature)


def _called(name: str, ours: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Our function in the place of NumPy's, where the arguments are such as ours takes."""
    parameters = _signature(ours)
    try:
        parameters.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"np.{name} on a Tensor takes ({', '.join(parameters.parameters)}): {error}") from None
    return ours(*args, **kwargs)


_FOLDS: dict[Any, Function] = {
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


# What asks only for the form of an array, or compares values, needs no gradient.
numpy_functions.update(
    {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x: x.size, np.positive: as_tensor}
)
numpy_functions.update({function: _on_values(function) for function in (np.allclose, np.array_equal)})


def bind() -> None:
    """Puts the table onto the class."""
    for name, function in TABLE.items():
        setattr(Tensor, name, function)
    Tensor.__array_ufunc__ = _array_ufunc
    Tensor.__array_function__ = _array_function


bind()
