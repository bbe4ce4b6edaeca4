"""`apply` runs a primitive on tensors and records the call; the other functions convert operands and explain errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Final, TypeGuard

import numpy as np

from . import dtypes
from .aliases import link_view, mark_modified
from .batching import rules
from .primitive import Primitive, Rule, registry
from .state import active_modes, is_grad_enabled, modes, start_operation, tick
from .tensor import _EMPTY, Array, Number, Tensor, TensorLike, _new, as_tensor, leaf, read_values

__all__ = ["primitive"]

KERNEL_ERRORS: Final = (ValueError, TypeError, IndexError, OverflowError, np.linalg.LinAlgError)

_ndarray = np.ndarray
_asarray = np.asarray
_PYTHON_NUMBERS: Final = {float: np.dtype(np.float64), int: np.dtype(np.int64), bool: np.dtype(np.bool_)}


class _Recorded:
    """Every primitive by name, as a function on tensors that records its call: the `xp` of gradients of gradients."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in registry:
            raise AttributeError(f"no primitive is named {name!r}")

        def call(*inputs: TensorLike, **params: Any) -> Any:
            primitive = registry[name]
            return apply(primitive, promote(primitive, inputs), params)

        setattr(self, name, call)
        return call


recorded: Final[Any] = _Recorded()


def primitive(
    vjp: Sequence[Rule | None] | Rule = (),
    *,
    name: str | None = None,
    writes: Sequence[int | str] = (),
    **fields: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers an operation of your own: decorates its kernel on arrays and returns the function on tensors.

    Operands are positional and, unless `uniform` says otherwise, share one dtype; parameters are keywords. Defining the
    operation again under the same name replaces it, as notebooks need.

    With `effect=True`, the kernel has an effect besides its result: it draws random numbers, sends a message, writes. A
    compiled step repeats it at every replay, in its place. A kernel that changes what it gets declares that by `writes` and
    returns nothing.

    Parameters
    ----------
    vjp
        One rule per operand, `rule(xp, g, out, *operands, **params)`, written with operators and functions of `xp`, so that it
        can itself be differentiated.
    name
        The name in pictures and messages; the kernel's own by default.
    writes
        What the kernel changes in place, only with `effect=True`: numbers of operands, which must be tensors, and names of
        parameters that are arrays, dicts or objects with attributes.
    **fields
        Any other field of `autograd_mini.primitive.Primitive`: `formula`, `symbol`, `flops`, `rowwise`, `scalar`, ...

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import primitive_check
    >>> @ag.primitive((lambda xp, g, y, x, by: g * by * xp.power(x, by - 1),), formula="xᵏ", derivative=("k xᵏ⁻¹",))
    ... def raised(x, by):
    ...     return x**by
    >>> ag.grad(lambda x: raised(x, by=3.0))(2.0)
    Tensor(12.0)
    >>> bool(primitive_check(lambda x: raised(x, by=3.0), [1.0, 2.0]))
    True
    >>> @ag.primitive(effect=True, writes=(0,), formula="m ← m + (x − m) s")
    ... def move_mean(m, x, share):
    ...     m += (x - m) * share
    >>> mean = ag.zeros(2)
    >>> step = ag.jit(lambda x: move_mean(mean, x, share=0.5))
    >>> for _ in range(3):
    ...     step(ag.ones(2))
    >>> mean
    Tensor([0.875, 0.875])
    """
    if writes and not fields.get("effect"):
        raise ValueError(f"primitive: writes={writes!r} needs effect=True, so that a compiled step keeps the call in its place")

    def register(kernel: Callable[..., Any]) -> Callable[..., Any]:
        key = name or kernel.__name__
        if key in registry and _same_function(registry[key].kernel, kernel):
            del registry[key]
        if writes:
            return _writing_function(Primitive(key, _marking(kernel), vjp, **{"uniform": False, **fields}), kernel, writes)
        record = Primitive(key, kernel, vjp, **fields)

        @wraps(kernel)
        def function(*operands: TensorLike, **params: Any) -> Any:
            return apply(record, promote(record, operands), params)

        return function

    return register


def _marking(kernel: Callable[..., Any]) -> Callable[..., None]:
    """Returns a kernel that also reports its writes to the tensors `targets`, in every replay too."""

    @wraps(kernel)
    def run(*arrays: Array, targets: Sequence[Tensor], **params: Any) -> None:
        if kernel(*arrays, **params) is not None:
            raise TypeError(f"{kernel.__name__}: a kernel that writes in place must return None")
        mark_modified(*targets)

    return run


def _writing_function(record: Primitive, kernel: Callable[..., Any], writes: Sequence[int | str]) -> Callable[..., None]:
    """Returns the function on tensors of a kernel that changes some of its operands and parameters."""

    @wraps(kernel)
    def function(*operands: TensorLike, **params: Any) -> None:
        targets = [_target(record, operands, i) for i in writes if isinstance(i, int)]
        changed = *(x._data for x in targets), *(params[name] for name in writes if isinstance(name, str))
        tracer = modes().tracer
        marked = [x for x in targets if tracer is None or tracer.existed_before(x)]
        apply_effect(record, promote(record, operands), {**params, "targets": marked}, changed)

    return function


def _target(record: Primitive, operands: Sequence[TensorLike], number: int) -> Tensor:
    """Returns an operand that a kernel may change. Raises TypeError or RuntimeError if it may not."""
    if not -len(operands) <= number < len(operands):
        raise TypeError(f"{record.name}: writes operand {number}, got {len(operands)} operands")
    target = operands[number]
    if not isinstance(target, Tensor):
        raise TypeError(f"{record.name}: operand {number} is changed in place, so it must be a Tensor, got {target!r:.80}")
    if target._requires_grad and is_grad_enabled():
        raise RuntimeError(
            f"{record.name}: operand {number} is changed in place but requires a gradient: {target._describe()}; call "
            f"{record.name} inside `with ag.no_grad():`, or on .detach()"
        )
    return target


def promote(primitive: Primitive, operands: Sequence[TensorLike]) -> tuple[Tensor, ...]:
    """Converts the operands of a primitive to tensors; those that its record calls `uniform` get one dtype."""
    if primitive.uniform is False or not operands:
        return tuple(as_tensor(x) for x in operands)
    if primitive.uniform is True:
        return as_operands(*operands)
    tensors = [as_tensor(x) for x in operands]
    tensors[primitive.uniform] = as_operands(*operands[primitive.uniform])
    return tuple(tensors)


def _same_function(a: Callable[..., Any], b: Callable[..., Any]) -> bool:
    """Whether `b` is a new definition of `a`: the same name at the same place."""
    return (getattr(a, "__module__", None), getattr(a, "__qualname__", 0)) == (b.__module__, b.__qualname__)


def apply(primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any] = _EMPTY) -> Any:
    """Runs a primitive and returns a Tensor or a tuple of them; records the call if an input requires a gradient."""
    if active_modes:
        start_operation()
    try:
        data = primitive.kernel(*[x._data for x in inputs], **params)
    except KERNEL_ERRORS as error:
        raise explain_error(primitive, inputs, params, error) from None
    if primitive.outputs > 1:
        return _record_outputs(primitive, inputs, params, data)
    return record(primitive, inputs, params, data)


def record(primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], data: Any) -> Tensor:
    """Returns a kernel's result as a tensor, which records the call if an input requires a gradient.

    Parameters
    ----------
    primitive : the operation
    inputs : its operands
    params : its parameters
    data : the result of its kernel
    """
    if type(data) is not _ndarray:
        data = _asarray(data)
    out = _new(Tensor)
    out._data = data
    out._seq = tick()
    out._watch = out._where = out._grad = out.name = None
    for x in inputs:
        if x._requires_grad:
            out._requires_grad = True
            out._primitive = primitive
            out._inputs = inputs
            out._params = params
            break
    else:
        out._requires_grad = False
        out._primitive = None
        out._inputs = ()
        out._params = _EMPTY
        if primitive.view:
            link_view(out, inputs[0])
    if primitive.constant or (active_modes and not modes().all_default):
        return _record_with_modes(primitive, inputs, params, out)
    return out


def apply_effect(
    primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], writes: tuple[Any, ...] = ()
) -> None:
    """Runs a primitive that has an effect and no result.

    Parameters
    ----------
    primitive : the operation
    inputs : its operands
    params : its parameters
    writes : the arrays, dicts and objects that it changes
    """
    if (tracer := modes().tracer) is not None:
        tracer.record_effect(primitive, inputs, params, writes)
    if active_modes:
        start_operation()
    primitive.kernel(*[x._data for x in inputs], **params)
    if (profiler := modes().profiler) is not None:
        profiler.record_effect(primitive, inputs)


def _record_with_modes(primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor) -> Tensor:
    """Completes `record` in the rare cases: results without a gradient, and modes that differ from their defaults."""
    now = modes()
    if now.profiler is not None:
        now.profiler.record_operation(primitive, inputs, params, out)
    if primitive.constant or not now.grad_enabled:
        if primitive.view:
            link_view(out, inputs[0])
        out._requires_grad = False
        out._primitive = None
        out._inputs = ()
        out._params = _EMPTY
    if now.anomaly is not None:
        now.anomaly.check_result(primitive, inputs, out)
    if now.tracer is not None:
        now.tracer.record(primitive, inputs, params, out)
    return out


def _record_outputs(
    primitive: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any], data: tuple[Any, ...]
) -> tuple[Tensor, ...]:
    """Returns the outputs of one call, as items of a hidden node whose data is the tuple of arrays."""
    node = leaf(tuple(_asarray(d) for d in data))  # type: ignore[arg-type]
    if any(x._requires_grad for x in inputs) and modes().grad_enabled:
        node._requires_grad, node._primitive, node._inputs, node._params = True, primitive, inputs, params
    if not modes().all_default:
        _record_with_modes(primitive, inputs, params, node)
    return tuple(item(node, i) for i in range(primitive.outputs))


def item(node: Tensor, index: int) -> Tensor:
    """Returns output `index` of a call with several outputs."""
    out = leaf(node._data[index])
    if node._requires_grad and out._data.dtype.kind == "f":
        out._requires_grad, out._primitive, out._inputs, out._params = True, ITEM, (node,), {"index": index}
    out._where = node._where
    return out


def as_operands(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts operands to tensors of one dtype, by the rules in `dtypes`. The casts are recorded."""
    dtype = None
    for v in values:
        if not isinstance(v, Tensor) or (dtype is not None and v._data.dtype is not dtype):
            break
        dtype = v._data.dtype
    else:
        return values  # type: ignore[return-value]
    target = common_dtype(*values)
    return tuple([cast(v, target) for v in values])


def common_dtype(*values: TensorLike) -> np.dtype[Any]:
    """Returns the dtype in which an operation combines these operands, by the rules in `dtypes`; converts nothing.

    Each operand is then converted once: through float32, 0.1 beside a float64 tensor would become 0.10000000149.
    """
    return dtypes.common(*map(_dtype_and_rank, values))


def _dtype_and_rank(value: TensorLike) -> tuple[np.dtype[Any], int]:
    if isinstance(value, Tensor):
        return value._data.dtype, 2 if value._data.ndim else 1
    if (dtype := _PYTHON_NUMBERS.get(type(value))) is not None:
        return dtype, 0
    array, dtype = read_values(value.sample if isinstance(value, Number) else value)
    return dtypes.supported(dtype), 2 if array.ndim else 0


def as_floats(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts the operands of a function with floating results. If none is a float, each one is converted separately.

    Converted to a common integer dtype first, −2 combined with uint8 would be 254.
    """
    return as_operands(*values) if "f" in map(kind_of, values) else tuple(as_float(v) for v in values)


def as_floats_or_none(x: TensorLike, *rest: TensorLike | None) -> tuple[Tensor, *tuple[Tensor | None, ...]]:
    """Converts operands like `as_floats`; those of `rest` that are None stay None."""
    first, *others = as_floats(x, *[v for v in rest if v is not None])
    converted = iter(others)
    return first, *(None if v is None else next(converted) for v in rest)


def as_comparable(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts the operands of a comparison: integers keep their dtypes, because NumPy compares their values."""
    return as_operands(*values) if "f" in map(kind_of, values) else tuple(as_tensor(v) for v in values)


def as_tensors(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts each value to a tensor of its own dtype; Python floats get the default dtype, or a wider one of the others.

    So a function that gets 0.1 as a tensor beside a float64 tensor computes with the same 0.1 as one that gets the number.
    """
    dtype = widest_float(values)
    return tuple(as_tensor_beside(v, dtype) for v in values)


def widest_float(values: Iterable[Any]) -> np.dtype[Any]:
    """Returns the default dtype, or the dtype of a wider floating tensor or array among `values`."""
    found = [v.dtype for v in values if isinstance(v, (Tensor, np.ndarray, np.generic)) and v.dtype in dtypes.FLOATS]
    return np.result_type(dtypes.default_dtype(), *found)


def as_tensor_beside(value: TensorLike, dtype: np.dtype[Any]) -> Tensor:
    """Returns `value` as a tensor, with `dtype` if it consists of Python floats."""
    if isinstance(value, (Tensor, np.ndarray, np.generic)) or read_values(value)[1] != dtypes.default_dtype():
        return as_tensor(value)
    return cast(value, dtype)


def kind_of(value: TensorLike) -> str:
    """Returns NumPy's letter for the kind of a value: "f" for floats, "i" and "u" for integers, "b" for bools."""
    return (value._data.dtype if isinstance(value, Tensor) else _dtype_and_rank(value)[0]).kind


def as_float(x: TensorLike) -> Tensor:
    """Converts `x` to a floating tensor: integers and bools get the default dtype."""
    if not isinstance(x, Tensor):
        x = as_tensor(x)
    return x if x._data.dtype.kind == "f" else cast(x, dtypes.default_dtype())


def cast(x: TensorLike, dtype: np.dtype[Any]) -> Tensor:
    """Converts `x` to a dtype: a tensor by a recorded operation, anything else directly. Returns `x` itself if it has it."""
    if not isinstance(x, Tensor):
        own = _PYTHON_NUMBERS.get(type(x))
        if own is not None and (dtype.kind == "f" or dtype is own):  # the shortest way, for numbers beside tensors
            try:
                return leaf(np.array(x, dtype))
            except OverflowError:
                raise OverflowError(f"{dtype} cannot represent {x}") from None
        return x.to(dtype) if isinstance(x, Number) else Tensor(x, dtype=dtype)
    if x._data.dtype == dtype:
        return x
    converted: Tensor = apply(CAST if dtype.kind == "f" else TRUNCATE, (x,), {"dtype": dtype})
    if converted._primitive is None:
        converted.name = x.name  # nothing else connects it with its operand
    return converted


def is_number(value: Any) -> TypeGuard[float]:
    """Returns whether `value` is a Python or NumPy number, not a tensor, an array or a list."""
    return isinstance(value, (int, float, np.number))


def as_number(name: str, value: Any, instead: str) -> float:
    """Returns a setting of an operation as a float. Raises TypeError for anything else, and as `reject_gradient` does.

    Parameters
    ----------
    name : the function and the argument, such as "dropout: p"
    value : the setting
    instead : what to write to get a gradient
    """
    if type(value) is float:
        return value
    reject_gradient(name, value, instead)
    try:
        if not isinstance(value, (str, bytes, bytearray)):  # float("1.5") is a number
            return float(value)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name} must be a number, got {value!r}")


def reject_gradient(name: str, value: Any, instead: str) -> None:
    """Raises TypeError for a tensor that requires a gradient and that no gradient would reach; arguments as in `as_number`."""
    if isinstance(value, Tensor) and value._requires_grad:
        raise TypeError(f"{name} must be a number, because no gradient reaches it, got {value!r}; {instead}")


def explain_error(primitive: Primitive, inputs: Iterable[Tensor], params: dict[str, Any], error: Exception) -> Exception:
    """Returns an error that names the operation, the reason, the shapes and, if known, where the operands were created.

    Parameters
    ----------
    primitive : the operation that failed
    inputs : its operands
    params : its parameters
    error : the error of the kernel
    """
    inputs = tuple(inputs)
    reason = primitive.explain(*[x._data for x in inputs], **params) if primitive.explain else ""
    shapes = ", ".join(str(x.shape) for x in inputs)
    places = "".join(f"; operand {i} was created at {x._where}" for i, x in enumerate(inputs) if x._where)
    kind = type(error) if type(error) in KERNEL_ERRORS else ValueError
    return kind(f"{primitive.name}: {reason or f'{error} (operand shapes: {shapes})'}{places}")


def _no_item(*_: Any, **__: Any) -> Array:
    raise RuntimeError("item: only `apply` creates items")


ITEM: Final = Primitive("item", _no_item, selects_output=True, formula="yᵢ", derivative=("1",))


def _cast(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    if out is None:
        return x.astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


CAST: Final = Primitive(
    "cast",
    _cast,
    (lambda xp, g, out, x, dtype: xp.cast(g, dtype=x.dtype),),
    formula="x in another dtype",
    derivative=("1",),
    relayout=True,
    flops=0,
    batch=rules.same,
)
TRUNCATE: Final = Primitive(
    "truncate", lambda x, dtype: x.astype(dtype), formula="x as integers or bools", constant=True, flops=0, batch=rules.same
)  # fmt: skip
