"""`Tensor`: an array that remembers the operation that computed it. No mathematics is defined here.

A tensor is its own node of the graph. `_primitive`, `_inputs` and `_params` record the operation that computed it (a leaf has
none). `_seq` is its creation number: an output always has a larger number than its inputs, so the numbers are a topological
order. `signatures.py` lists the operators and methods, `methods.py` binds them, `ops/` defines the operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import dtypes, leaving
from .aliases import link, link_view, mark_modified
from .memory.arena import allocate
from .state import active_modes, modes, tick, watched
from .tools.arguments import flag, text
from .tools.calls import mark_detached
from .tools.plain_text import for_stdout
from .tools.removable_handle import RemovableHandle

__all__ = ["Tensor", "as_tensor"]

if TYPE_CHECKING:
    from .primitive import Primitive
    from .signatures import Methods
    from .tools.calls import Mark
else:
    Methods = object

Array: TypeAlias = NDArray[Any]
TensorLike: TypeAlias = "Tensor | ArrayLike"
Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = "int | tuple[int, ...] | None"

_new = object.__new__
_EMPTY: dict[str, Any] = {}
_INTEGERS = (int, np.integer, list, tuple)


class Watch:
    """What a user wants to see of a tensor's gradient: the hooks, and whether an intermediate tensor keeps `.grad`."""

    __slots__ = ("hooks", "retain")

    def __init__(self) -> None:
        self.hooks: tuple[Callable[[Tensor], Tensor | None], ...] = ()
        self.retain = False


class Tensor(Methods):
    """An n-dimensional array with a gradient.

    Parameters
    ----------
    data : anything that NumPy converts to an array; it is copied. Python floats get the default dtype (float32), arrays and
        NumPy scalars keep their dtype, also in lists
    dtype : the dtype to convert to
    requires_grad : True if `backward` is to store the gradient in `.grad`; TypeError unless the dtype is floating
    name : shown in pictures and messages

    Examples
    --------
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
        "__weakref__", "_calls", "_data", "_grad", "_inputs", "_params", "_primitive", "_requires_grad", "_seq", "_watch",
        "_where", "name",
    )  # fmt: skip

    _calls: Mark | None
    """The recorded calls of modules that returned this tensor; the slot stays empty for all other tensors."""
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
        _set_leaf(self, np.array(to_array(data, dtype), order="K"), name if name is None else text("Tensor", "name", name))
        if requires_grad is not False:
            self.requires_grad = requires_grad
            if self._data.flags.c_contiguous:
                self._data = allocate(self._data)

    # -- contents ---------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array itself, not a copy. An assignment copies the values into the memory of a leaf, which never moves.

        >>> from autograd_mini import Tensor
        >>> w = Tensor([1.0, 2.0])
        >>> w.data = [3, 4]
        >>> w.data
        array([3., 4.], dtype=float32)
        """
        return self._expose(".data")

    @data.setter
    def data(self, value: TensorLike) -> None:
        if self._primitive is not None:
            raise RuntimeError(
                f"data: only a leaf can be assigned to, not {self._describe()}; use ag.where or ag.index_put for a changed copy"
            )
        new = value if isinstance(value, Tensor) else leaf(to_array(value, self._data.dtype))
        if new._data.shape != self._data.shape:
            raise ValueError(f"data: expected shape {self._data.shape}, got {new._data.shape}")
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.record_assignment(self, new)
        self._data[...] = new._data
        mark_modified(self)

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients of all backward passes so far; None before the first one. Can be assigned to."""
        grad = self._grad
        if type(grad) is Transient:
            self._grad = leaf(grad._data.copy())
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.will_read_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not (
            isinstance(value, Tensor) and value._data.shape == self._data.shape and value._data.dtype == self._data.dtype
        ):
            raise _not_a_gradient(self, value)
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.will_write_grad(self)
        self._grad = value

    shape: property = property(lambda self: self._data.shape, doc="Length of each axis, as in NumPy.")
    dtype: property = property(lambda self: self._data.dtype, doc="NumPy dtype of the elements.")
    ndim: property = property(lambda self: self._data.ndim, doc="Number of axes.")

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor is not the result of a recorded operation.

        >>> from autograd_mini import Tensor
        >>> Tensor(1.0).is_leaf
        True
        """
        return self._primitive is None

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient for this tensor. Can be set on a leaf with a floating dtype."""
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.guard(self, "_requires_grad")
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        wanted = flag("requires_grad", "the value", wanted)
        if self._primitive is not None:
            raise RuntimeError(f"requires_grad: only a leaf can change it, not {self._describe()}; use .detach() first")
        if wanted and self._data.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating tensors have gradients, got dtype {self._data.dtype}")
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.guard(self, "_requires_grad")
        self._requires_grad = wanted
        watched.flag_changed()

    # -- leaving the graph -------------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """Returns a leaf on the same array that requires no gradient.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(2.0, requires_grad=True)
        >>> (x * x).detach()
        Tensor(4.0)
        """
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.value_of(self)  # otherwise the new leaf would look like a constant
        detached = leaf(self._data, self.name)
        mark_detached(self, detached)
        link(self, detached)
        view: Tensor = self
        while view._primitive is not None and view._primitive.view:
            link_view(view, view._inputs[0])
            view = view._inputs[0]
        return detached

    def numpy(self) -> Array:
        """Returns the array itself. Raises RuntimeError if the tensor requires a gradient: use `.detach().numpy()` then."""
        if self._requires_grad:
            raise RuntimeError("numpy: this tensor requires a gradient, which NumPy cannot track; use .detach().numpy()")
        return self._expose(".numpy()")

    def item(self) -> Any:
        """Returns the only element as a Python number. Raises ValueError if there is not exactly one.

        >>> from autograd_mini import Tensor
        >>> Tensor([[1.5]]).item()
        1.5
        """
        if self._data.size != 1:
            raise ValueError(
                f"item: expected a tensor with one element, got shape {self._data.shape}; use .tolist() or index it first"
            )
        leaving.check_constant(self, "item")
        return self._expose(".item()").item()

    def tolist(self) -> Any:
        """Returns the elements as nested Python lists."""
        leaving.check_constant(self, "tolist")
        return self._expose(".tolist()").tolist()

    def _expose(self, use: str) -> Array:
        """Returns the array to Python code. `ag.jit` raises an error here while tracing, which names the `use`."""
        if active_modes and (tracer := modes().tracer) is not None:
            tracer.reject_value(use, self)
        return self._data

    # -- watching the gradient -----------------------------------------------------------------------------------------------

    def retain_grad(self) -> Tensor:
        """Makes `backward` store the gradient of this intermediate tensor in `.grad` too; returns the tensor itself.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(3.0, requires_grad=True)
        >>> u = (x * x).retain_grad()
        >>> (u * u).backward()
        >>> u.grad
        Tensor(18.0)
        """
        self._check_requires_grad("retain_grad")
        self._get_watch().retain = True
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook(gradient)` when this tensor's gradient is complete; a tensor that it returns replaces the gradient.

        Returns a handle: `handle()` or `handle.remove()` removes the hook.

        >>> from autograd_mini import Tensor
        >>> x = Tensor(3.0, requires_grad=True)
        >>> remove = x.register_hook(lambda g: g * 10)
        >>> (x * x).backward()
        >>> x.grad
        Tensor(60.0)
        >>> remove()
        """
        self._check_requires_grad("register_hook")
        if not callable(hook):
            raise TypeError(f"register_hook: expected a function, got {hook!r}")
        # A new function, so that a hook which is registered twice can be removed once.
        watch, entry = self._get_watch(), lambda gradient: hook(gradient)
        watch.hooks = (*watch.hooks, entry)
        watched.flag_changed()

        def remove() -> None:
            watch.hooks = tuple(other for other in watch.hooks if other is not entry)
            watched.flag_changed()

        return RemovableHandle(remove)

    def _get_watch(self) -> Watch:
        if self._watch is None:
            self._watch = Watch()
        return self._watch

    def _check_requires_grad(self, caller: str) -> None:
        if not self._requires_grad:
            raise RuntimeError(f"{caller}: {self._describe()} requires no gradient; create leaves with requires_grad=True")

    # -- Python's protocols ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        prefix = "Tensor("
        # Shape and dtype are shown only if the printed numbers do not make them clear.
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
        return for_stdout(prefix + ", ".join([text, *notes]) + ")")

    def __format__(self, spec: str) -> str:
        return format(self.detach().item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len() of a 0-d tensor, which has no axes")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("cannot iterate over a 0-d tensor; use .item() for its value")
        return (self[i] for i in range(self._data.shape[0]))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"the truth value of a tensor of shape {self._data.shape} is ambiguous; use .any() or .all()")
        return bool(self._expose("bool(), as in `if tensor:`,").item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(
                f"an index must be an integer tensor with one element, got {self._data.dtype} of shape {self._data.shape}"
            )
        return int(self._expose("an index").item())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"cannot view a {array.dtype} tensor as {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    @property
    def _mask(self) -> Any:
        """What `numpy.ma` reads beside `_data`: nothing is masked. Raises TypeError if its result would lose a gradient."""
        if self._requires_grad:
            raise TypeError(
                f"a masked array cannot hold the gradient of {self._describe()}; use .filled(value) of the masked array, or "
                "ag.where(mask, value, tensor)"
            )
        self._expose("an operation with a masked array")
        return np.ma.nomask

    def __dlpack__(self, **options: Any) -> Any:
        """Exports the memory for `from_dlpack` of another library. Raises BufferError if a gradient would be lost."""
        if self._requires_grad:
            raise BufferError(
                f"__dlpack__: {self._describe()} requires a gradient, which another library cannot follow; use .detach()"
            )
        return self._expose("__dlpack__()").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Returns the functions of this library under the names of the Python array API standard."""
        from .tools import array_api

        return array_api

    __hash__ = object.__hash__

    __reduce__ = leaving.reduce
    __setstate__ = leaving.set_attributes
    __copy__ = leaving.copy
    __deepcopy__ = leaving.deep_copy

    def _describe(self) -> str:
        """Describes this tensor in a message: its name or kind, its shape, and where it was created if that is known."""
        kind = "a leaf" if self._primitive is None else f"the result of {operation_name(self)}"
        place = f", created at {self._where}" if self._where else ""
        return f"{repr(self.name) if self.name else kind} of shape {self._data.shape}{place}"


def operation_name(tensor: Tensor) -> str:
    """Returns the name of the operation that computed `tensor`; for one of several outputs, that of the whole call."""
    primitive = tensor._primitive
    assert primitive is not None
    call = tensor._inputs[0]._primitive if primitive.selects_output else None
    return (call or primitive).name


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
    """Returns a leaf on the memory of `array`, without checks: for arrays that the engine allocated itself."""
    tensor = _new(Tensor)
    _set_leaf(tensor, array, name)
    return tensor


class Number:
    """What stands for a number among the arguments of a function while `jit` traces it: see `jit/number.py`."""

    __slots__ = ()
    sample: Any

    def to(self, dtype: np.dtype[Any] | None = None) -> Tensor:
        raise NotImplementedError


class Transient(Tensor):
    """A gradient in memory that the next replay of a compiled step overwrites. Who reads `.grad` gets a copy of it."""

    __slots__ = ()


def rebuild(kind: type[Tensor], array: Array, requires_grad: bool, name: str | None) -> Tensor:
    tensor = _new(kind)
    _set_leaf(tensor, array.copy(), name)
    tensor._requires_grad = requires_grad
    return tensor


def _not_a_gradient(tensor: Tensor, value: Any) -> Exception:
    """The error for `tensor.grad = value`."""
    expected = f"grad: expected None or a Tensor of shape {tensor._data.shape} and dtype {tensor._data.dtype}"
    if isinstance(value, Tensor):
        return ValueError(f"{expected}, got shape {value._data.shape} and dtype {value._data.dtype}")
    return TypeError(f"{expected}, got {value!r} of type {type(value).__name__}; write ag.Tensor(...), or None to clear it")


def to_array(value: Any, dtype: DTypeLike | None = None) -> Array:
    """Returns `value` as an array of a dtype that tensors support; Python floats get the default dtype. Copies only if needed.

    Raises OverflowError if the dtype cannot represent a Python integer. An array of another dtype is cast as NumPy does it.
    """
    array, own = read_values(value)
    converted = array.astype(dtypes.supported(own if dtype is None else dtype), copy=False)
    integers = isinstance(value, _INTEGERS) and converted.dtype.kind in "iu" and array.dtype.kind in "iu"
    if integers and converted is not array and (converted != array).any():
        raise OverflowError(f"{converted.dtype} cannot represent {array[converted != array][0]}; use a larger dtype")
    return converted


def read_values(value: Any) -> tuple[Array, np.dtype[Any]]:
    """Returns `value` as NumPy reads it, and the dtype that it has as a tensor. Python floats are not rounded to it yet."""
    if isinstance(value, Tensor):
        leaving.check_constant(value, "Tensor")
        return value.data, value._data.dtype
    if _contains_tensor(value):
        raise TypeError(
            "Tensor: cannot hold a list of tensors; ag.array(list) builds one array from them and keeps their gradients"
        )
    return dtypes.read_numbers(value)


def _contains_tensor(values: Any) -> bool:
    """Whether a nested list or an array of objects has a tensor anywhere."""
    if isinstance(values, np.ndarray):
        return values.dtype.kind == "O" and _contains_tensor(values.ravel().tolist())
    return isinstance(values, (list, tuple)) and any(isinstance(v, Tensor) or _contains_tensor(v) for v in values)


def as_tensor(value: TensorLike) -> Tensor:
    """Returns `value` itself if it is a Tensor, otherwise a new leaf with a copy of it.

    >>> import autograd_mini as ag
    >>> ag.as_tensor([1, 2])
    Tensor([1, 2])
    """
    if isinstance(value, Tensor):
        return value
    return value.to() if isinstance(value, Number) else Tensor(value)
