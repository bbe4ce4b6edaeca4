"""What a Tensor can do, as one table: operators and methods are the very functions of `ops`, bound here to the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backward import backward
from .ops import elementwise as e
from .ops import index, linalg, reduce, shape
from .ops._make import numpy_functions
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
    "__pow__": e.power,
    "__matmul__": linalg.matmul,
    "__and__": e.bitwise_and,
    "__or__": e.bitwise_or,
}
TABLE: dict[str, Any] = {
    **OPERATORS,
    **{"__r" + name[2:]: _reflected(function) for name, function in OPERATORS.items()},
    "__neg__": e.negative,
    "__pos__": as_tensor,
    "__abs__": e.abs,
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
            e.abs, e.exp, e.log, e.sqrt, e.square, e.sign, e.tanh, e.sigmoid, e.relu, e.clip,
            reduce.sum, reduce.mean, reduce.max, reduce.min, reduce.var, reduce.std, reduce.any, reduce.all, reduce.argmax,
            reduce.argmin, reduce.softmax, reduce.log_softmax, reduce.logsumexp,
            shape.reshape, shape.flatten, shape.transpose, shape.swapaxes, shape.squeeze, shape.astype, shape.copy,
        )
    },
}  # fmt: skip


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    ours = numpy_functions.get(ufunc)
    if method == "reduce" and ufunc in _REDUCTIONS:
        return _REDUCTIONS[ufunc](*inputs, **{k: v for k, v in options.items() if k in ("axis", "keepdims")})
    if options.get("out") is not None or method == "at":
        raise TypeError(
            f"np.{ufunc.__name__} would write into an array, which no gradient can follow; assign its result instead"
        )
    if "where" in options:
        raise TypeError(f"np.{ufunc.__name__}(where=…) leaves elements undefined; use ag.where(condition, a, b)")
    if ours is None or method != "__call__":
        called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise TypeError(
            f"np.{called} has no gradient here; ag.{ufunc.__name__} does not exist. Use .detach().numpy() for plain NumPy"
        )
    if options:
        raise TypeError(f"np.{ufunc.__name__} on a Tensor takes no {', '.join(options)}; use ag.{ours.__name__}")
    return ours(*inputs)


def _array_function(self: Tensor, function: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    ours = numpy_functions.get(function)
    if ours is None:
        raise TypeError(
            f"np.{function.__name__} has no gradient here and no form of its own in ag; use .detach().numpy() for plain NumPy"
        )
    return ours(*args, **kwargs)


_REDUCTIONS: dict[Any, Function] = {np.add: reduce.sum, np.maximum: reduce.max, np.minimum: reduce.min}


def bind() -> None:
    """Puts the table onto the class."""
    for name, function in TABLE.items():
        setattr(Tensor, name, function)
    Tensor.__array_ufunc__ = _array_ufunc
    Tensor.__array_function__ = _array_function


bind()
