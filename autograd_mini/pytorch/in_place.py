"""PyTorch's methods that write into a tensor: each computes a value by an operation and copies it into the memory of a leaf.

They obey the rules of all writes: the result of a recorded operation is never changed, a leaf that requires a gradient only
under `no_grad`, and a write is counted, so a backward pass through an earlier use of the memory raises an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..aliases import mark_modified
from ..leaving import depends_on_variable
from ..ops import elementwise as e
from ..ops import transcendental as t
from ..ops.index import _explain_index_put, _fill_template, _prepare_write, index_put
from ..ops.neural import activation
from ..ops.random import bernoulli, rand, randn
from ..ops.shape import broadcast_to
from ..state import modes, watched
from ..tensor import _EMPTY, Tensor, TensorLike, as_tensor
from . import functions as f

Function = Callable[..., Any]


def write(name: str, x: Tensor, compute: Callable[[], Tensor]) -> Tensor:
    """Copies the result of `compute` into the memory of `x` and returns `x`. Raises RuntimeError if the graph would be wrong.

    >>> import autograd_mini as ag
    >>> ag.zeros(2).add_(1)
    Tensor([1., 1.])
    """
    _check_writable(name, x)
    value = compute()
    if value._requires_grad and modes().grad_enabled:
        raise RuntimeError(
            f"{name}: the new value requires a gradient, which a write into a leaf would lose; write "
            f"x = x.{name[:-1]}(...), or use .detach() for the operand"
        )
    if value._data.shape != x._data.shape:
        raise ValueError(f"{name}: the result of shape {value.shape} does not fit into a tensor of shape {x.shape}")
    if not np.can_cast(value._data.dtype, x._data.dtype, "same_kind"):
        raise TypeError(f"{name}: a result of {value.dtype} cannot be stored in a tensor of {x.dtype}")
    x.data = value
    return x


def set_item(x: Tensor, index: Any, value: TensorLike) -> None:
    """`x[index] = value`: writes into the memory of a leaf, or raises, under the same rules as the methods.

    >>> import autograd_mini as ag
    >>> x = ag.zeros(2, 3)
    >>> x[:, 1] = ag.tensor([1.0, 2.0])
    >>> x
    Tensor([[0., 1., 0.],
            [0., 2., 0.]], shape=(2, 3))
    """
    name = "x[index] = value"
    _check_writable(name, x, "write x = ag.index_put(x, index, value), which makes a new tensor")
    given = as_tensor(value)
    if given._requires_grad and modes().grad_enabled:
        raise RuntimeError(
            f"{name}: the value requires a gradient, which a write into a leaf would lose; write "
            "x = ag.index_put(x, index, value)"
        )
    with np.errstate(invalid="ignore"):  # nan as an integer, which the next lines refuse
        exact = given.astype(x._data.dtype)
    if not (np.can_cast(given._data.dtype, x._data.dtype, "same_kind") or np.array_equal(exact._data, given._data)):
        raise TypeError(f"{name}: a value of {given.dtype} cannot be stored in a tensor of {x.dtype} without rounding")
    if modes().tracer is not None:
        x.data = index_put(x, index, exact)
        return
    _, new, template, arrays, target = _prepare_write(name, x, index, exact)
    if not _fits(new._data.shape, target):
        raise ValueError(f"{name}: {_explain_index_put(x._data, new._data, *(a._data for a in arrays), index=template)}")
    x._data[_fill_template(template, tuple(a._data for a in arrays))] = new._data
    mark_modified(x)


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Returns whether an array of `shape` broadcasts to `target`."""
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(target), strict=False))


def _check_writable(name: str, x: Tensor, instead: str = "") -> None:
    now = modes()
    instead = instead or f"write x = x.{name[:-1]}(...), which makes a new tensor"
    if x._primitive is not None or depends_on_variable(x):
        raise RuntimeError(f"{name}: {x._describe()} is part of a graph, so it cannot be changed in place; {instead}")
    if not x._data.flags.writeable:
        raise RuntimeError(f"{name}: the memory of {x._describe()} is read-only; write x = x.clone() before")
    if x._requires_grad and now.grad_enabled:
        raise RuntimeError(
            f"{name}: {x._describe()} requires a gradient, so it cannot be changed while operations are recorded; write "
            f"`with ag.no_grad():` around an update, or {instead}"
        )
    if now.tracer is not None and not now.tracer.existed_before(x):
        now.tracer.reject_action(f"{name} on a tensor that the function itself creates", instead)


def _in_place(name: str, function: Function) -> Function:
    """Returns the method that writes what `function` computes."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return write(name, self, lambda: function(self, *args, **options))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}`, written into this tensor, which must be a leaf and is returned."
    return method


def _fill(x: Tensor, value: TensorLike) -> Tensor:
    return broadcast_to(as_tensor(value).astype(x._data.dtype), x._data.shape)


def _normal(x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    return randn(x._data.shape, dtype=x._data.dtype) * std + mean


def _uniform(x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    return rand(x._data.shape, dtype=x._data.dtype) * (high - low) + low


def detach_in_place(self: Tensor) -> Tensor:
    """Turns the tensor into a leaf that requires no gradient, and returns it; a backward pass through an earlier use raises.

    >>> from autograd_mini import Tensor
    >>> h = Tensor(2.0, requires_grad=True) * 3
    >>> h.detach_()
    Tensor(6.0)
    """
    if modes().tracer is not None:
        modes().tracer.reject_action("detach_", "write h = h.detach()")  # type: ignore[union-attr]
    if self._primitive is not None:
        if self._primitive.view:
            raise RuntimeError(f"detach_: {self._describe()} is a view, which shares memory; write x = x.detach()")
        self._primitive, self._inputs, self._params, self._requires_grad = None, (), _EMPTY, False
        mark_modified(self)
    elif self._requires_grad:
        self.requires_grad = False
    watched.flag_changed()
    return self


_FUNCTIONS: Final[dict[str, Function]] = {
    "add_": f.add_scaled, "sub_": f.sub, "mul_": e.multiply, "div_": f.div, "pow_": e.power, "neg_": e.negative,
    "addcmul_": f.addcmul, "addcdiv_": f.addcdiv, "lerp_": f.lerp, "clamp_": f.clamp, "clip_": e.clip, "abs_": e.abs,
    "exp_": t.exp, "log_": t.log, "sqrt_": e.sqrt, "rsqrt_": f.rsqrt, "square_": e.square, "reciprocal_": e.reciprocal,
    "floor_": e.floor, "ceil_": e.ceil, "round_": e.round, "sin_": t.sin, "cos_": t.cos, "tanh_": t.tanh,
    "sigmoid_": activation.sigmoid, "relu_": activation.relu, "masked_fill_": f.masked_fill, "scatter_": f.scatter,
    "copy_": _fill, "fill_": _fill, "zero_": lambda x: e.zeros_like(x), "normal_": _normal, "uniform_": _uniform,
    "bernoulli_": lambda x, p=0.5: bernoulli(as_tensor(p).astype(x._data.dtype), x._data.shape),
}  # fmt: skip

IN_PLACE: Final[dict[str, Function]] = {
    **{name: _in_place(name, function) for name, function in _FUNCTIONS.items()},
    "detach_": detach_in_place,
}
