"""`apply` runs a primitive on tensors and records the call; the other functions convert operands and explain errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Final

import numpy as np

from . import dtypes
from .aliases import link_view
from .primitive import Primitive, Rule, registry
from .state import active_modes, modes, start_operation, tick
from .tensor import _EMPTY, Array, Number, Tensor, TensorLike, _new, as_tensor, leaf

__all__ = ["primitive"]

KERNEL_ERRORS: Final = (ValueError, TypeError, IndexError, OverflowError, np.linalg.LinAlgError)

_ndarray = np.ndarray
_asarray = np.asarray


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
    vjp: Sequence[Rule | None] | Rule = (), *, name: str | None = None, **fields: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers an operation of your own: decorates its kernel on arrays and returns the function on tensors.

    Operands are positional and, unless `uniform` says otherwise, share one dtype; parameters are keywords. Defining the
    operation again under the same name replaces it, as notebooks need.

    Parameters
    ----------
    vjp
        One rule per operand, `rule(xp, g, out, *operands, **params)`, written with operators and functions of `xp`, so that it
        can itself be differentiated.
    name
        The name in pictures and messages; the kernel's own by default.
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
    """

    def register(kernel: Callable[..., Any]) -> Callable[..., Any]:
        key = name or kernel.__name__
        if key in registry and _same_function(registry[key].kernel, kernel):
            del registry[key]
        record = Primitive(key, kernel, vjp, **fields)

        @wraps(kernel)
        def function(*operands: TensorLike, **params: Any) -> Any:
            return apply(record, promote(record, operands), params)

        return function

    return register


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
    if modes().tracer is not None:
        modes().tracer.record_effect(primitive, inputs, params, writes)
    if active_modes:
        start_operation()
    primitive.kernel(*[x._data for x in inputs], **params)
    if modes().profiler is not None:
        modes().profiler.record_effect(primitive, inputs)


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
    tensors = [v if isinstance(v, Tensor) else Tensor(v) for v in values]
    dtype = tensors[0]._data.dtype
    for t in tensors:
        if t._data.dtype is not dtype:
            break
    else:
        return tuple(tensors)
    weak = all(type(v) is Number or not isinstance(v, Tensor) for v in values)  # then arguments of a compiled step decide
    target = dtypes.common(
        (t._data.dtype, 2 if t._data.ndim else 1 if isinstance(v, Tensor) and (weak or type(v) is not Number) else 0)
        for t, v in zip(tensors, values, strict=True)
    )
    # Python numbers are converted to the target directly: through float32, 0.1 would become 0.10000000149 in float64.
    return tuple(cast(v, target) if isinstance(v, Tensor) else Tensor(v, dtype=target) for v in values)


def as_floats(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts the operands of a function with floating results. If none is a float, each one is converted separately.

    Converted to a common integer dtype first, −2 combined with uint8 would be 254.
    """
    return as_operands(*values) if any(map(_is_float, values)) else tuple(as_float(v) for v in values)


def as_comparable(*values: TensorLike) -> tuple[Tensor, ...]:
    """Converts the operands of a comparison: integers keep their dtypes, because NumPy compares their values."""
    return as_operands(*values) if any(map(_is_float, values)) else tuple(as_tensor(v) for v in values)


def _is_float(value: TensorLike) -> bool:
    return (value._data if isinstance(value, Tensor) else np.asarray(value)).dtype.kind == "f"


def as_float(x: TensorLike) -> Tensor:
    """Converts `x` to a floating tensor: integers and bools get the default dtype."""
    if not isinstance(x, Tensor):
        x = Tensor(x)
    return x if x._data.dtype.kind == "f" else cast(x, dtypes.default_dtype())


def cast(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Converts `x` to another dtype and records it; returns `x` itself if it has this dtype."""
    if x._data.dtype == dtype:
        return x
    return apply(CAST if dtype.kind == "f" else TRUNCATE, (x,), {"dtype": dtype})


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


ITEM: Final = Primitive("item", _no_item, formula="yᵢ", derivative=("1",))


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
)
TRUNCATE: Final = Primitive(
    "truncate", lambda x, dtype: x.astype(dtype), formula="x as integers or bools", constant=True, flops=0
)  # fmt: skip
