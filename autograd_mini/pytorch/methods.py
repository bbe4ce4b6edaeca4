"""PyTorch's methods of a tensor, as one table: its name, and the function that gets the tensor as its first argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..dtypes import supported
from ..ops import contraction, index, linalg, reduce, shape
from ..ops import elementwise as e
from ..ops import transcendental as t
from ..ops.numpy_names import calculus, joins, order, statistics
from ..tensor import Array, Tensor, leaf
from . import functions as f
from . import scatter
from .devices import check_device, device, is_cpu
from .dtype_names import SHADOWING, double, float16, float32, int16, int32, int64, uint8
from .in_place import IN_PLACE, set_item

Function = Callable[..., Any]


class Count(int):
    """The number of elements, as in NumPy; a call returns the shape, or the length of one axis, as in PyTorch.

    >>> import autograd_mini as ag
    >>> x = ag.zeros(2, 3)
    >>> x.size, x.size(), x.size(0)
    (6, (2, 3), 2)
    """

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[reduce.canonical_axis("size", dim, len(self.shape))]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        # As a plain int: NumPy would widen a float32 array for a number of a type that it does not know.
        return getattr(ufunc, method)(*[int(x) if type(x) is Count else x for x in inputs], **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return int, (int(self),)


def size(self: Tensor) -> Count:
    count = Count(self._data.size)
    count.shape = self._data.shape
    return count


def same_shape(function: Function) -> Function:
    """Returns a method such as `view_as`: `function` with the shape of another tensor."""
    return lambda self, other: function(self, other.shape)


def cast_to(dtype: np.dtype[Any]) -> Function:
    return lambda self: shape.astype(self, dtype)


def to(
    self: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False
) -> Tensor:
    """Converts to a dtype: `x.to(ag.float64)`, or `x.to(other)` for the dtype of another tensor. The CPU may be named too.

    >>> import autograd_mini as ag
    >>> ag.arange(2).to("cpu", ag.float32)
    Tensor([0., 1.])
    """
    for value in args:
        if isinstance(value, Tensor):
            dtype = value._data.dtype
        elif isinstance(value, bool):
            continue  # non_blocking
        elif is_cpu(value) or (isinstance(value, str) and value not in np.sctypeDict):
            check_device("to", value)
        else:
            dtype = value
    check_device("to", device)
    result = self if dtype is None else shape.astype(self, dtype)
    return shape.copy(self) if copy and result is self else result


def convert_type(self: Tensor, dtype: Any = None) -> Any:
    """Converts to a dtype; without one, returns the name of the tensor's own.

    >>> import autograd_mini as ag
    >>> ag.zeros(1).type(ag.int64), ag.zeros(1).type()
    (Tensor([0]), 'float32')
    """
    return str(self._data.dtype) if dtype is None else shape.astype(self, dtype)


def cuda(self: Tensor, device: Any = "cuda") -> Tensor:
    """Raises RuntimeError: tensors are always on the CPU."""
    check_device("cuda", "cuda" if device is None else device)
    return self


def set_requires_grad(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Sets `requires_grad` and returns the tensor.

    >>> import autograd_mini as ag
    >>> ag.zeros(2).requires_grad_()
    Tensor([0., 0.], requires_grad=True)
    """
    self.requires_grad = requires_grad
    return self


def _new(make: Callable[..., Array]) -> Function:
    """Returns `new_zeros` and similar methods: a new leaf with the dtype of the tensor, unless another one is given."""

    def new(self: Tensor, *sizes: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        check_device("new tensor", device)
        created = leaf(make(self._data.dtype if dtype is None else supported(dtype), *sizes))
        if requires_grad is not False:
            created.requires_grad = requires_grad
        return created

    return new


def _lengths(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    return shape.ints("new tensor", sizes)


def _is_contiguous(self: Tensor) -> bool:
    return bool(self._data.flags.c_contiguous)


METHODS: Final[dict[str, Any]] = {
    # shapes
    "size": property(size, doc="The number of elements, as in NumPy; called, the shape: `x.size(0)`."),
    "dim": lambda self: self._data.ndim,
    "ndimension": lambda self: self._data.ndim,
    "numel": f.numel,
    "nelement": f.numel,
    "view": shape.reshape,
    "view_as": same_shape(shape.reshape),
    "reshape_as": same_shape(shape.reshape),
    "expand": f.expand,
    "expand_as": same_shape(f.expand),
    "permute": f.permute,
    "unsqueeze": f.unsqueeze,
    "unflatten": f.unflatten,
    "t": f.t,
    "swapdims": shape.swapaxes,
    "movedim": shape.moveaxis,
    "moveaxis": shape.moveaxis,
    "tile": f.tile_dims,
    "repeat_interleave": f.repeat_interleave,
    # parts
    "chunk": f.chunk,
    "narrow": f.narrow,
    "unbind": f.unbind,
    "index_select": f.index_select,
    "masked_select": f.masked_select,
    "masked_fill": f.masked_fill,
    "where": f.where_method,
    "scatter": f.scatter,
    "scatter_add": index.scatter_add,
    "scatter_reduce": scatter.scatter_reduce,
    "index_reduce": scatter.index_reduce,
    "hsplit": joins.hsplit,
    "vsplit": joins.vsplit,
    "dsplit": joins.dsplit,
    # statistics and running sums
    "cov": statistics.cov,
    "corrcoef": statistics.corrcoef,
    "nansum": statistics.nansum,
    "nanmean": statistics.nanmean,
    "quantile": order.quantile,
    "cummax": order.cummax,
    "cummin": order.cummin,
    "logcumsumexp": order.logcumsumexp,
    "sinc": calculus.sinc,
    # products and arithmetic
    "matmul": linalg.matmul,
    "mm": linalg.matmul,
    "bmm": linalg.matmul,
    "mv": linalg.matmul,
    "outer": contraction.outer,
    "add": f.add_scaled,
    "sub": f.sub,
    "mul": e.multiply,
    "div": f.div,
    "pow": e.power,
    "neg": e.negative,
    "addcmul": f.addcmul,
    "addcdiv": f.addcdiv,
    "lerp": f.lerp,
    "clamp": f.clamp,
    "rsqrt": f.rsqrt,
    **{name: getattr(e, name) for name in (
        "reciprocal", "floor", "ceil", "trunc", "fmod", "remainder", "maximum", "minimum", "isnan", "isinf", "isfinite",
        "logical_and", "logical_or", "logical_xor", "logical_not", "nan_to_num",
    )},
    **{name: getattr(t, name) for name in (
        "log1p", "log2", "log10", "expm1", "tan", "sinh", "cosh", "arcsin", "arccos", "arctan", "arctan2",
    )},
    "asin": t.arcsin,
    "acos": t.arccos,
    "atan": t.arctan,
    "atan2": t.arctan2,
    # comparisons
    "eq": e.equal,
    "ne": e.not_equal,
    "lt": e.less,
    "le": e.less_equal,
    "gt": e.greater,
    "ge": e.greater_equal,
    "amax": reduce.amax,
    "amin": reduce.amin,
    "count_nonzero": reduce.count_nonzero,
    # dtypes, devices and copies
    "to": to,
    "type": convert_type,
    "type_as": lambda self, other: shape.astype(self, other.dtype),
    "float": cast_to(float32),
    "double": cast_to(double),
    "half": cast_to(float16),
    "long": cast_to(int64),
    "int": cast_to(int32),
    "short": cast_to(int16),
    "byte": cast_to(uint8),
    "bool": cast_to(SHADOWING["bool"]),
    "is_floating_point": f.is_floating_point,
    "cpu": lambda self: self,
    "cuda": cuda,
    "device": property(lambda self: device(), doc="The CPU."),
    "is_cuda": property(lambda self: False, doc="False: tensors are always on the CPU."),
    "clone": shape.copy,
    "contiguous": lambda self: self if _is_contiguous(self) else shape.copy(self),
    "is_contiguous": _is_contiguous,
    "requires_grad_": set_requires_grad,
    # new tensors of the same dtype
    "new_tensor": _new(lambda dtype, data: np.array(data, dtype)),
    "new_zeros": _new(lambda dtype, *sizes: np.zeros(_lengths(sizes), dtype)),
    "new_empty": _new(lambda dtype, *sizes: np.zeros(_lengths(sizes), dtype)),
    "new_ones": _new(lambda dtype, *sizes: np.ones(_lengths(sizes), dtype)),
    "new_full": _new(lambda dtype, sizes, value: np.full(_lengths((sizes,)), value, dtype)),
    **IN_PLACE,
    "__setitem__": set_item,
}  # fmt: skip
"""By name, what `Tensor` gets in addition to NumPy's methods."""
