"""`Tensor`: an array that remembers the operation that made it. No mathematics lives here.

A tensor is its own node of the graph. `_primitive`, `_inputs` and `_params` say how it was made (a leaf has none), and `_seq`,
the number of its creation, orders the graph: whoever is made later has the larger number. Operators and methods are bound
from one table in `methods.py`; operations themselves are in `ops/`, and `apply.py` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import dtypes
from .memory.arena import allocate
from .state import modes, tick, watched

if TYPE_CHECKING:
    from .primitive import Primitive

Array: TypeAlias = NDArray[Any]
TensorLike: TypeAlias = "Tensor | ArrayLike"
Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = "int | tuple[int, ...] | None"

_new = object.__new__
_EMPTY: dict[str, Any] = {}
_NUMBERS = (int, np.integer, list, tuple)


class Watch:
    """What a user asked to see of a tensor's gradient: its hooks, and whether an intermediate keeps `.grad`."""

    __slots__ = ("hooks", "retain")

    def __init__(self) -> None:
        self.hooks: tuple[Callable[[Tensor], Tensor | None], ...] = ()
        self.retain = False


class Tensor:
    """An n-dimensional array with a gradient.

    `data` is anything NumPy understands; it is copied. Python floats and lists of them become the default dtype (float32),
    an ndarray keeps its own dtype. `requires_grad=True` marks a leaf whose gradient `backward` leaves in `.grad`; only
    floating tensors may ask for it (TypeError otherwise). `name` is used in pictures and messages.

    >>> from autograd_mini import Tensor
    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> loss = (w * w).sum()
    >>> loss
    Tensor(5.0, op=sum)
    >>> loss.backward()
    >>> w.grad
    Tensor([2., 4.])
    """

    __slots__ = (
        "__weakref__", "_data", "_grad", "_inputs", "_params", "_primitive", "_requires_grad", "_seq", "_watch", "_where",
        "name",
    )  # fmt: skip

    _data: Array
    _requires_grad: bool
    _primitive: Primitive | None
    _inputs: tuple[Tensor, ...]
    _params: dict[str, Any]
    _seq: int
    _watch: Watch | None
    _where: str | None
    _grad: Tensor | None
    name: str | None

    def __init__(
        self, data: TensorLike, *, dtype: DTypeLike | None = None, requires_grad: bool = False, name: str | None = None
    ):
        _set_leaf(self, np.array(to_array(data, dtype), order="K"), name)
        if requires_grad:
            self.requires_grad = True
            if self._data.flags.c_contiguous:
                self._data = allocate(self._data)

    # -- what it holds ---------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array itself, not a copy. Assigning to a leaf copies values into its storage, which never moves.

        >>> from autograd_mini import Tensor
        >>> w = Tensor([1.0, 2.0])
        >>> w.data = [3, 4]
        >>> w.data
        array([3., 4.], dtype=float32)
        """
        return self._handed(".data")

    @data.setter
    def data(self, value: TensorLike) -> None:
        if self._primitive is not None:
            raise RuntimeError(
                f"data: only a leaf can be assigned to, and {self._describe()} was made by {self._primitive.name}"
            )
        given = value if isinstance(value, Tensor) else leaf(to_array(value))
        if given._data.shape != self._data.shape:
            raise ValueError(f"data: expected shape {self._data.shape}, got {given._data.shape}")
        if modes.tracer is not None:
            modes.tracer.record_assignment(self, given)
        self._data[...] = given._data
        self._seq = tick()

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have left here, added up; None before the first. May be assigned to."""
        if modes.tracer is not None:
            modes.tracer.will_read_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if modes.tracer is not None:
            modes.tracer.will_write_grad(self)
        self._grad = value

    shape: property = property(lambda self: self._data.shape, doc="Length of each axis, as in NumPy.")
    dtype: property = property(lambda self: self._data.dtype, doc="NumPy dtype of the elements.")
    ndim: property = property(lambda self: self._data.ndim, doc="Number of axes.")
    size: property = property(lambda self: self._data.size, doc="Number of elements.")

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor.

        >>> from autograd_mini import Tensor
        >>> Tensor(1.0).is_leaf
        True
        """
        return self._primitive is None

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted for this tensor. Can be set on a leaf with a floating dtype."""
        if modes.tracer is not None:
            modes.tracer.guard(self, "_requires_grad")
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self._primitive is not None:
            raise RuntimeError(f"requires_grad: only a leaf can change it; use .detach() on {self._describe()}")
        if wanted and self._data.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating tensors have gradients, and this one holds {self._data.dtype}")
        if modes.tracer is not None:
            modes.tracer.guard(self, "_requires_grad")
        self._requires_grad = bool(wanted)
        watched.flag_changed()

    # -- leaving the graph -------------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """A leaf on the same array that needs no gradient.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(2.0, requires_grad=True)
        >>> (x * x).detach()
        Tensor(4.0)
        """
        if modes.tracer is not None:
            modes.tracer.value_of(self)  # otherwise the new leaf would look like a constant
        return leaf(self._data, self.name)

    def numpy(self) -> Array:
        """The array itself, for a tensor that requires no gradient (RuntimeError otherwise: use `.detach().numpy()`)."""
        if self._requires_grad:
            raise RuntimeError("numpy: this tensor requires a gradient, which NumPy would lose; use .detach().numpy()")
        return self._handed(".numpy()")

    def item(self) -> Any:
        """The only element, as a Python number (ValueError unless there is exactly one).

        >>> from autograd_mini import Tensor
        >>> Tensor([[1.5]]).item()
        1.5
        """
        if self._data.size != 1:
            raise ValueError(f"item: needs a tensor with one element, this one has shape {self._data.shape}")
        return self._handed(".item()").item()

    def tolist(self) -> Any:
        """Nested Python lists of the elements."""
        return self._handed(".tolist()").tolist()

    def _handed(self, how: str) -> Array:
        """The array, on its way to Python: `ag.jit` refuses that while recording, naming `how` it was asked for."""
        if modes.tracer is not None:
            modes.tracer.reject_value(how)
        return self._data

    # -- watching the gradient -----------------------------------------------------------------------------------------------

    def retain_grad(self) -> Tensor:
        """Asks `backward` to leave this intermediate's gradient in `.grad` too; returns the tensor itself.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(3.0, requires_grad=True)
        >>> u = (x * x).retain_grad()
        >>> (u * u).backward()
        >>> u.grad
        Tensor(18.0)
        """
        self._need_grad("retain_grad")
        self._watched().retain = True
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Calls `hook(gradient)` when this tensor's gradient is complete; a returned tensor replaces it. Returns an un-hook
        function.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(3.0, requires_grad=True)
        >>> remove = x.register_hook(lambda g: g * 10)
        >>> (x * x).backward()
        >>> x.grad
        Tensor(60.0)
        >>> remove()
        """
        self._need_grad("register_hook")
        watch, entry = self._watched(), lambda gradient: hook(gradient)  # itself and no other, should a hook be given twice
        watch.hooks = (*watch.hooks, entry)
        watched.flag_changed()

        def remove() -> None:
            watch.hooks = tuple(other for other in watch.hooks if other is not entry)
            watched.flag_changed()

        return remove

    def _watched(self) -> Watch:
        if self._watch is None:
            self._watch = Watch()
        return self._watch

    def _need_grad(self, asked: str) -> None:
        if not self._requires_grad:
            raise RuntimeError(f"{asked}: {self._describe()} requires no gradient")

    # -- as Python sees it ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        prefix = "Tensor("
        # Values round the rest: shape and dtype are shown where the numbers alone do not tell them.
        if self._data.ndim == 0:
            text = str(self._data[()])
        else:
            text = np.array2string(self._data, separator=", ", prefix=prefix, threshold=200)
        notes = []
        if self._data.ndim >= 2 or self._data.size > 8 or self._data.size == 0:
            notes.append(f"shape={self._data.shape}")
        if self._data.dtype not in (dtypes.default_dtype(), np.dtype(np.int64), np.dtype(bool)):
            notes.append(f"dtype={self._data.dtype}")
        if self.name:
            notes.append(f"name={self.name!r}")
        if self._primitive is not None:
            notes.append(f"op={operation_name(self)}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return prefix + ", ".join([text, *notes]) + ")"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self._data.shape[0]))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self._data.shape} is ambiguous; use .any() or .all()")
        return bool(self._handed("bool(), as in `if tensor:`,").item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(
                f"only a one-element integer tensor can be an index, this one is {self._data.dtype} {self._data.shape}"
            )
        return int(self._handed("an index").item())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"cannot view a {array.dtype} tensor as {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __setitem__(self, index: object, value: object) -> None:
        raise TypeError("tensors are immutable once made; use ag.index_put(x, index, value) or ag.where(condition, value, x)")

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        if self._primitive is not None:
            raise RuntimeError(f"only leaves can be copied or pickled; use .detach() on {self._describe()}")
        if modes.tracer is not None:
            modes.tracer.reject_action("copy, deepcopy or pickle", "do it outside, or use tensor.copy(), which is recorded")
        return _rebuild, (type(self), self._data, self._requires_grad, self.name)

    def __copy__(self) -> Tensor:
        rebuild, arguments = self.__reduce__()
        return rebuild(*arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = self.__copy__()
        memo[id(self)] = copied
        copied.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        return copied

    def _describe(self) -> str:
        """Names this tensor in a message: its name or kind, its shape, and where it was made when that is known."""
        kind = "a leaf" if self._primitive is None else f"the result of {operation_name(self)}"
        made = f", made at {self._where}" if self._where else ""
        return f"{self.name!r}" * bool(self.name) + f"{kind}" * (not self.name) + f" of shape {self._data.shape}{made}"

    if TYPE_CHECKING:  # bound in methods.py; declared here for type checkers and readers
        __array_ufunc__: Any
        __array_function__: Any

        def __add__(self, other: TensorLike) -> Tensor: ...
        def __radd__(self, other: TensorLike) -> Tensor: ...
        def __sub__(self, other: TensorLike) -> Tensor: ...
        def __rsub__(self, other: TensorLike) -> Tensor: ...
        def __mul__(self, other: TensorLike) -> Tensor: ...
        def __rmul__(self, other: TensorLike) -> Tensor: ...
        def __truediv__(self, other: TensorLike) -> Tensor: ...
        def __rtruediv__(self, other: TensorLike) -> Tensor: ...
        def __pow__(self, other: TensorLike) -> Tensor: ...
        def __rpow__(self, other: TensorLike) -> Tensor: ...
        def __matmul__(self, other: TensorLike) -> Tensor: ...
        def __rmatmul__(self, other: TensorLike) -> Tensor: ...
        def __floordiv__(self, other: TensorLike) -> Tensor: ...
        def __rfloordiv__(self, other: TensorLike) -> Tensor: ...
        def __mod__(self, other: TensorLike) -> Tensor: ...
        def __rmod__(self, other: TensorLike) -> Tensor: ...
        def __round__(self, decimals: int = 0) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: TensorLike) -> Tensor: ...
        def __rand__(self, other: TensorLike) -> Tensor: ...
        def __or__(self, other: TensorLike) -> Tensor: ...
        def __ror__(self, other: TensorLike) -> Tensor: ...
        def __xor__(self, other: TensorLike) -> Tensor: ...
        def __rxor__(self, other: TensorLike) -> Tensor: ...
        def __lt__(self, other: TensorLike) -> Tensor: ...
        def __le__(self, other: TensorLike) -> Tensor: ...
        def __gt__(self, other: TensorLike) -> Tensor: ...
        def __ge__(self, other: TensorLike) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __contains__(self, value: TensorLike) -> bool: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def backward(self, gradient: TensorLike | None = None, *, create_graph: bool = False, free: bool = False) -> None: ...
        @property
        def T(self) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def sign(self) -> Tensor: ...
        def round(self, decimals: int = 0) -> Tensor: ...
        def sin(self) -> Tensor: ...
        def cos(self) -> Tensor: ...
        def erf(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def softmax(self, axis: Axis = -1) -> Tensor: ...
        def log_softmax(self, axis: Axis = -1) -> Tensor: ...
        def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def clip(self, lo: TensorLike | None = None, hi: TensorLike | None = None) -> Tensor: ...
        def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor: ...
        def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor: ...
        def norm(self, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def cumsum(self, axis: int | None = None) -> Tensor: ...
        def cumprod(self, axis: int | None = None) -> Tensor: ...
        def sort(self, axis: int | None = -1, descending: bool = False) -> Tensor: ...
        def argsort(self, axis: int | None = -1, descending: bool = False) -> Tensor: ...
        def topk(self, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]: ...
        def median(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor: ...
        def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor: ...
        def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor: ...
        def ravel(self) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def squeeze(self, axis: Axis = None) -> Tensor: ...
        def astype(self, dtype: DTypeLike) -> Tensor: ...
        def copy(self) -> Tensor: ...
        def repeat(self, repeats: Any, axis: int | None = None) -> Tensor: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def tril(self, k: int = 0) -> Tensor: ...
        def triu(self, k: int = 0) -> Tensor: ...
        def flip(self, axis: Axis = None) -> Tensor: ...
        def roll(self, shift: int | tuple[int, ...], axis: Axis = None) -> Tensor: ...
        def split(self, sections: Any, axis: int = 0) -> list[Tensor]: ...
        def take(self, indices: TensorLike, axis: int | None = None) -> Tensor: ...
        def gather(self, axis: int, indices: TensorLike) -> Tensor: ...
        def nonzero(self) -> tuple[Tensor, ...]: ...
        def dot(self, other: TensorLike) -> Tensor: ...


def operation_name(tensor: Tensor) -> str:
    """The name of the operation that made `tensor`; one output of several is named after the call they came from."""
    primitive = tensor._primitive
    assert primitive is not None
    return tensor._inputs[0]._primitive.name if primitive.name == "item" else primitive.name  # type: ignore[union-attr]


def _set_leaf(tensor: Tensor, array: Array, name: str | None) -> None:
    tensor._data = array
    tensor._requires_grad = False
    tensor._primitive = None
    tensor._inputs = ()
    tensor._params = _EMPTY
    tensor._seq = tick()
    tensor._watch = None
    tensor._where = None
    tensor._grad = None
    tensor.name = name


def leaf(array: Array, name: str | None = None) -> Tensor:
    """A leaf that aliases `array`, unchecked: for arrays that the engine made itself."""
    tensor = _new(Tensor)
    _set_leaf(tensor, array, name)
    return tensor


class Number(Tensor):
    """A Python number on its way through a compiled step: beside a tensor, it leaves the choice of the dtype to that."""

    __slots__ = ()


def number(array: Array) -> Number:
    """The number that a 0-d array holds, aliased."""
    tensor = _new(Number)
    _set_leaf(tensor, array, None)
    return tensor


def _rebuild(kind: type[Tensor], array: Array, requires_grad: bool, name: str | None) -> Tensor:
    tensor = _new(kind)
    _set_leaf(tensor, array.copy(), name)
    tensor._requires_grad = requires_grad
    return tensor


def to_array(value: Any, dtype: DTypeLike | None = None) -> Array:
    """`value` as an array of a dtype that tensors may hold; Python floats take the default one. Copies only if it must.

    OverflowError for whole numbers that the dtype does not hold; an array of another dtype is cast as NumPy casts it.
    """
    if isinstance(value, Tensor):
        array = value.data
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        raise TypeError("a list of tensors is not a tensor: ag.stack(list) joins them and keeps their gradients")
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"cannot make a tensor: {error}") from None
        own = isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__")  # it brings a dtype of its own
        if array.dtype.kind == "f" and dtype is None and not own:
            array = array.astype(dtypes.default_dtype())
    found = array.astype(dtypes.supported(array.dtype if dtype is None else np.dtype(dtype)), copy=False)
    whole = isinstance(value, _NUMBERS) and found.dtype.kind in "iu" and array.dtype.kind in "iu"
    if whole and found is not array and (found != array).any():
        raise OverflowError(f"{found.dtype} does not hold {array[found != array][0]}")
    return found


def from_numpy(array: Array, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A leaf on the very same memory as `array`, so writes to one are seen in the other.

    A write between forward and backward makes the gradient wrong; `ag.detect_anomaly()` finds it.

    >>> import numpy as np, autograd_mini as ag
    >>> a = np.zeros(2)
    >>> t = ag.from_numpy(a)
    >>> a[0] = 5
    >>> t
    Tensor([5., 0.], dtype=float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an ndarray, got {type(array).__name__}")
    if dtypes.supported(array.dtype) != array.dtype:
        raise TypeError(f"from_numpy: expected native byte order, got {array.dtype}; Tensor(array) copies and converts")
    tensor = leaf(array, name)
    if modes.tracer is not None:
        modes.tracer.capture(tensor)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def as_tensor(value: TensorLike) -> Tensor:
    """`value` itself when it is a Tensor, else a constant leaf made from it.

    >>> import autograd_mini as ag
    >>> ag.as_tensor([1, 2])
    Tensor([1, 2])
    """
    return value if isinstance(value, Tensor) else Tensor(value)


def stamp(tensor: Tensor) -> None:
    """Tells the graph that a leaf's storage has just been written: a backward pass through an older use of it will raise."""
    tensor._seq = tick()
