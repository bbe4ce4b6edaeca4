"""Functions that create tensors: constants of a given shape, and ranges. Floats have the default dtype unless one is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .apply import as_number, as_operands, cast
from .dtypes import check_unmasked, default_dtype, supported
from .ops.shape import broadcast_to, copy, lengths_of, reshape, stack
from .pytorch.devices import check_device
from .state import modes
from .tensor import Array, Shape, Tensor, TensorLike, leaf, to_array
from .tools.arguments import flag, one_int, text

__all__ = [
    "arange", "array", "empty", "eye", "from_dlpack", "from_numpy", "full", "linspace", "ones", "tensor", "zeros",
]  # fmt: skip


def _as_leaf(array: Array, requires_grad: bool = False) -> Tensor:
    tensor = leaf(array)
    if requires_grad is not False:
        tensor.requires_grad = requires_grad
    return tensor


def _dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    return default_dtype() if dtype is None else supported(dtype)


def _constant(
    name: str, make: Callable[..., Array], shape: tuple[Any, ...], dtype: DTypeLike | None, requires_grad: bool, device: Any
) -> Tensor:
    """Returns `make(lengths, dtype)` as a leaf, for `f(2, 3)`, `f((2, 3))`, and `f((2, 3), dtype)` as in NumPy."""
    check_device(name, device)
    last: Any = shape[-1] if len(shape) == 2 else 0
    if isinstance(last, type) or not hasattr(last, "__index__"):  # a type of NumPy has the attribute too
        shape, dtype = shape[:1], last
    return _as_leaf(make(lengths_of(name, shape), _dtype(dtype)), requires_grad)


def array(values: Any, dtype: DTypeLike | None = None) -> Tensor:
    """Returns a tensor made of a nested list of numbers, arrays and tensors, and keeps the graph of the tensors.

    All elements get one dtype, by the rules for operands. Raises ValueError if the list or the shapes are ragged.

    >>> import autograd_mini as ag
    >>> a = ag.Tensor(2.0, requires_grad=True)
    >>> ag.array([[a, 0.0], [0.0, a * a]]).sum().backward()
    >>> a.grad
    Tensor(5.0)
    """
    shape, elements = _flatten(values)
    if not any(isinstance(x, Tensor) for x in elements):
        return Tensor(values, dtype=dtype)
    operands = as_operands(*elements)
    shapes = {x.shape for x in operands}
    if len(shapes) > 1:
        raise ValueError(f"array: elements of different shapes, {' and '.join(map(str, sorted(shapes)))}")
    result = reshape(stack(operands), (*shape, *shapes.pop()))
    return result if dtype is None else cast(result, supported(dtype))


def tensor(data: TensorLike, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Returns `Tensor(data, dtype=dtype, requires_grad=requires_grad)`, under PyTorch's name; `device` may be "cpu".

    >>> import autograd_mini as ag
    >>> ag.tensor([1.0, 2.0], requires_grad=True)
    Tensor([1., 2.], requires_grad=True)
    """
    check_device("tensor", device)
    return Tensor(data, dtype=dtype, requires_grad=requires_grad)


def _flatten(values: Any) -> tuple[Shape, list[Any]]:
    """The shape of a nested list, and its elements in order."""
    if not isinstance(values, (list, tuple)):
        return (), [values]
    parts = [_flatten(v) for v in values]
    shapes = {shape for shape, _ in parts}
    if len(shapes) > 1:
        raise ValueError(f"array: a ragged list, with parts of shapes {' and '.join(map(str, sorted(shapes)))}")
    return (len(parts), *(shapes.pop() if shapes else ())), [x for _, elements in parts for x in elements]


def from_numpy(array: Array, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Returns a leaf that shares the memory of `array`, so a write to one of them changes the other.

    A write between forward and backward pass makes the gradient wrong; `ag.detect_anomaly()` finds it.

    >>> import numpy as np, autograd_mini as ag
    >>> a = np.zeros(2)
    >>> t = ag.from_numpy(a)
    >>> a[0] = 5
    >>> t
    Tensor([5., 0.], dtype=float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an ndarray, got {type(array).__name__}")
    check_unmasked("from_numpy", array)
    if supported(array.dtype) != array.dtype:
        raise TypeError(f"from_numpy: expected native byte order, got {array.dtype}; use Tensor(array), which converts it")
    tensor = leaf(array, name if name is None else text("from_numpy", "name", name))
    if (tracer := modes().tracer) is not None:
        tracer.capture(tensor)
    if requires_grad is not False:
        tensor.requires_grad = requires_grad
    return tensor


def from_dlpack(array: Any) -> Tensor:
    """Returns a leaf that shares the memory of an array of another library, such as PyTorch, JAX or CuPy, on the CPU.

    Raises BufferError if `array` requires a gradient, because the result would not be connected to it.

    >>> import numpy as np, autograd_mini as ag
    >>> ag.from_dlpack(np.ones(2))
    Tensor([1., 1.], dtype=float64)
    """
    if not hasattr(array, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: expected an array with the method __dlpack__, got {type(array).__name__}; use ag.Tensor for numbers "
            "and lists"
        )
    return from_numpy(np.from_dlpack(array))


def zeros(*shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Returns a tensor of zeros, of `shape` (ints, or one tuple). A dtype may follow a tuple, as in NumPy.

    >>> import autograd_mini as ag
    >>> ag.zeros(3), ag.zeros(2, 3).shape, ag.zeros((2, 3), "int64").dtype
    (Tensor([0., 0., 0.]), (2, 3), dtype('int64'))
    """
    return _constant("zeros", np.zeros, shape, dtype, requires_grad, device)


def ones(*shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Returns a tensor of ones; arguments as in `zeros`.

    >>> import autograd_mini as ag
    >>> ag.ones((1, 2)).shape
    (1, 2)
    """
    return _constant("ones", np.ones, shape, dtype, requires_grad, device)


def empty(*shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Returns a tensor to be filled; it starts with zeros. Arguments as in `zeros`.

    >>> import autograd_mini as ag
    >>> ag.empty(2, 3).uniform_(-1, 1).shape
    (2, 3)
    """
    return _constant("empty", np.zeros, shape, dtype, requires_grad, device)


def full(
    shape: int | Shape,
    value: TensorLike | None = None,
    dtype: DTypeLike | None = None,
    *,
    fill_value: TensorLike | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Returns a tensor that repeats one value.

    Parameters
    ----------
    shape : its shape
    value : the value of all elements, a number or a tensor that broadcasts to `shape`
    dtype : its dtype; the default dtype if None
    fill_value : NumPy's and PyTorch's name of `value`
    requires_grad : whether `backward` computes its gradient
    device : "cpu" or None

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.full(2, 0.5)
    Tensor([0.5, 0.5])
    """
    check_device("full", device)
    value = fill_value if value is None else value
    if value is None:
        raise TypeError("full: expected a value, got None")
    lengths = lengths_of("full", (shape,))
    if isinstance(value, Tensor):  # recorded, so that it gets its gradient
        return copy(broadcast_to(cast(value, _dtype(dtype)), lengths))
    fill = to_array(value, _dtype(dtype))
    try:
        return _as_leaf(np.array(np.broadcast_to(fill, lengths)), requires_grad)
    except ValueError:
        raise ValueError(f"full: a value of shape {fill.shape} does not broadcast to shape {lengths}") from None


def arange(*bounds: float, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Returns evenly spaced values: `arange(stop)`, `arange(start, stop)` or `arange(start, stop, step)`; ints stay ints.

    >>> import autograd_mini as ag
    >>> ag.arange(3), ag.arange(0.0, 1.0, 0.5)
    (Tensor([0, 1, 2]), Tensor([0. , 0.5]))
    """
    check_device("arange", device)
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"arange: expected 1 to 3 numbers (start, stop, step), got {len(bounds)}")
    for bound in bounds:
        as_number("arange: a bound", bound, "write start + step * ag.arange(n)")
    try:
        values: Array = np.arange(*[bound.item() if isinstance(bound, Tensor) else bound for bound in bounds])
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"arange: no such range: {', '.join(map(repr, bounds))} ({error})") from None
    if dtype is None:  # Python's ints have 64 bits, also where NumPy's have 32
        dtype = np.int64 if values.dtype == int else None if values.dtype.kind == "f" else values.dtype
    return _as_leaf(values.astype(_dtype(dtype), copy=False), requires_grad)


def linspace(
    start: float,
    stop: Any = None,
    count: int = 50,
    dtype: DTypeLike | None = None,
    *,
    end: float | None = None,
    steps: int | None = None,
    num: int | None = None,
    endpoint: bool = True,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Returns evenly spaced values.

    Parameters
    ----------
    start, stop : the first and the last value
    count : how many values
    dtype : their dtype; the default dtype if None
    end, steps : PyTorch's names of `stop` and `count`
    num : NumPy's name of `count`
    endpoint : False to leave out `stop`
    requires_grad : whether `backward` computes its gradient
    device : "cpu" or None

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    check_device("linspace", device)
    name, stop, count = "stop" if end is None else "end", stop if end is None else end, count if steps is None else steps
    count = count if num is None else num
    instead = "write start + (stop - start) * ag.linspace(0, 1, count)"
    first, last = (as_number(f"linspace: {key}", value, instead) for key, value in (("start", start), (name, stop)))
    n, closed = one_int("linspace", "count", count, least=0), flag("linspace", "endpoint", endpoint)
    return _as_leaf(np.linspace(first, last, n, closed, dtype=_dtype(dtype)), requires_grad)


def eye(
    rows: int,
    columns: int | None = None,
    dtype: DTypeLike | None = None,
    *,
    k: int = 0,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Returns a matrix with ones on the diagonal, or on the one that is `k` places above it, and zeros elsewhere.

    >>> import autograd_mini as ag
    >>> ag.eye(2)
    Tensor([[1., 0.],
            [0., 1.]], shape=(2, 2))
    """
    check_device("eye", device)
    n, m = one_int("eye", "rows", rows, 0), None if columns is None else one_int("eye", "columns", columns, 0)
    return _as_leaf(np.eye(n, m, one_int("eye", "k", k), dtype=_dtype(dtype)), requires_grad)
