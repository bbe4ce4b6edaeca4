"""`vmap`: from a function of one example to a function of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from operator import index
from reprlib import repr as short
from typing import Any, TypeAlias

import numpy as np

from ..apply import apply, as_tensor_beside, promote, recorded, widest_float
from ..jit.trace import Call, Value
from ..ops.shape import broadcast_to, concatenate, moveaxis
from ..primitive import Primitive
from ..state import mode, modes, no_grad
from ..tensor import Tensor, as_tensor, leaf
from ..tools.arguments import one_int
from ..trees import Tree, leaves, numbers_to_tensors, rebuild
from .rules import BatchedCall, aligned, loop
from .trace import ExampleTrace

__all__ = ["vmap"]

Axes: TypeAlias = Any
Batched: TypeAlias = "tuple[Tensor, bool]"


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0, *, chunk_size: int | None = None) -> Callable[..., Any]:
    """Returns a function that applies f to each example of a batch, in one call of each operation for all examples.

    f is run once, on the first example, so it cannot branch on values, draw random numbers or write in place. `vmap` can be
    nested and combined with `grad`, `jvp`, `jit` and the other transforms in any order.

    Parameters
    ----------
    f : a function of tensors, in nested lists, tuples and dicts; other positional and all keyword arguments are passed on
    in_axes : the axis of the examples in each positional argument: an int, or None for an argument that is the same for all
        examples; for several arguments a tuple or list with one entry each, which may be a tree like the argument
    out_axes : the axis of the examples in the result; a tuple or list for a function with several results
    chunk_size : how many examples are computed at once, to limit the memory; all of them by default

    Raises
    ------
    ValueError
        if no argument has a batch axis, if their lengths differ, or if there are no examples
    RuntimeError
        if f needs a value in Python, draws random numbers or writes in place

    Examples
    --------
    >>> import autograd_mini as ag
    >>> a, b = ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), ag.Tensor([10.0, 1.0])
    >>> ag.vmap(ag.dot, in_axes=(0, None))(a, b)
    Tensor([12., 34.])

    The gradient of each example's loss with respect to the weight that all examples share:

    >>> loss = lambda w, x: (w * x) ** 2
    >>> ag.vmap(ag.grad(loss), in_axes=(None, 0))(3.0, ag.Tensor([1.0, 2.0]))
    Tensor([ 6., 24.])
    """
    if not callable(f):
        raise TypeError(f"vmap: expected a function, got {f!r}")
    size = None if chunk_size is None else one_int("vmap", "chunk_size", chunk_size, least=1)

    @wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        dtype = widest_float(leaves(list(args)))
        trees = [numbers_to_tensors(x, dtype) for x in args]
        flat = leaves(trees)
        axes = _flatten_axes("in_axes", in_axes, trees)
        operands = [x if axis is None else _examples_first(x, axis, dtype) for x, axis in zip(flat, axes, strict=True)]
        n = _count_examples(operands, axes)
        step = n if size is None else min(size, n)
        results: list[Tree] = []
        for start in range(0, n, step):
            part = [x if axis is None or step == n else x[start : start + step] for x, axis in zip(operands, axes, strict=True)]
            results.append(_run(f, trees, part, axes, kwargs))
        return _join(results, out_axes)

    return batched


# -- arguments and results -----------------------------------------------------------------------------------------------------


def _flatten_axes(name: str, axes: Axes, trees: Tree) -> list[int | None]:
    """Returns one axis for each leaf of the trees; an axis for a whole tree is that of all its leaves."""
    if isinstance(axes, (list, tuple)) and isinstance(trees, (list, tuple)) and len(axes) == len(trees):
        return [a for axis, tree in zip(axes, trees, strict=True) for a in _flatten_axes(name, axis, tree)]
    if isinstance(axes, dict) and isinstance(trees, dict) and axes.keys() == trees.keys():
        return [a for key, tree in trees.items() for a in _flatten_axes(name, axes[key], tree)]
    if isinstance(axes, (list, tuple, dict)):
        raise ValueError(f"vmap: {name}={short(axes)} does not fit {short(trees)}: write one axis for each entry")
    if axes is None:
        return [None for _ in leaves(trees)]
    if isinstance(axes, bool) or not hasattr(axes, "__index__"):
        raise TypeError(f"vmap: {name} must be ints or None, got {axes!r}")
    return [index(axes) for _ in leaves(trees)]


def _examples_first(x: Any, axis: int, dtype: np.dtype[Any]) -> Tensor:
    try:
        tensor = as_tensor_beside(x, dtype)
    except (TypeError, ValueError):
        raise TypeError(
            f"vmap: expected a tensor with examples along axis {axis}, got {short(x)} of type {type(x).__name__}; an argument "
            "that is the same for all examples needs None in in_axes"
        ) from None
    if not -tensor.ndim <= axis < tensor.ndim:
        raise ValueError(f"vmap: in_axes={axis} is out of range for an argument of shape {tensor.shape}")
    return tensor if axis in (0, -tensor.ndim) else moveaxis(tensor, axis, 0)


def _count_examples(operands: Sequence[Any], axes: Sequence[int | None]) -> int:
    lengths = [len(x) for x, axis in zip(operands, axes, strict=True) if axis is not None]
    if not lengths:
        raise ValueError("vmap: expected at least one argument with a batch axis, got in_axes=None for all of them")
    if len(set(lengths)) > 1:
        raise ValueError(f"vmap: the arguments have different numbers of examples: {', '.join(map(str, lengths))}")
    if not lengths[0]:
        raise ValueError("vmap: expected at least one example, got none")
    return lengths[0]


def _join(chunks: Sequence[Tree], out_axes: Axes) -> Tree:
    """Returns the results of all chunks as one, with the examples along `out_axes`."""
    parts = zip(*[leaves(chunk) for chunk in chunks], strict=True)
    joined = [part[0] if len(part) == 1 else concatenate(list(part), 0) for part in parts]
    axes = _flatten_axes("out_axes", out_axes, chunks[0])
    if any(axis is None for axis in axes):
        raise ValueError("vmap: out_axes must be ints, because each result has the examples along some axis; got None")
    moved = [moveaxis(y, 0, axis) if axis else y for y, axis in zip(joined, axes, strict=True)]
    return rebuild(chunks[0], moved)


# -- the run -------------------------------------------------------------------------------------------------------------------


def _run(
    f: Callable[..., Any], trees: Tree, operands: Sequence[Any], axes: Sequence[int | None], kwargs: dict[str, Any]
) -> Tree:
    """Runs f on the first example and repeats its calls with all of them.

    Parameters
    ----------
    f : the function of one example
    trees : its positional arguments
    operands : their leaves, with the examples along axis 0
    axes : None for the leaves that have no examples
    kwargs : its keyword arguments
    """
    batches = [x for x, axis in zip(operands, axes, strict=True) if axis is not None]
    examples = [_first_example(x) for x in batches]
    remaining = iter(examples)
    trace = ExampleTrace(examples, "vmap", "but the function runs once for all examples")
    with mode("tracer", trace):
        arguments = [x if axis is None else next(remaining) for x, axis in zip(operands, axes, strict=True)]
        result = f(*rebuild(trees, arguments), **kwargs)
        outputs = [_check_output(y) for y in leaves(result)]
        values = [trace.value_of(y) for y in outputs]
        connected = [trace.is_connected(y) for y in outputs]
    with nullcontext() if any(connected) else no_grad():
        known: dict[Value, Batched] = {v: (x, True) for v, x in zip(trace.arguments, batches, strict=True)}
        for call, tensors, flags in zip(trace.calls, trace.operands, trace.connected, strict=True):
            _repeat(trace, call, tensors, flags, known, len(batches[0]))
        batched = [_operand(trace, v, y, c, known) for v, y, c in zip(values, outputs, connected, strict=True)]
        return rebuild(result, [y if b else broadcast_to(y, (len(batches[0]), *y.shape)) for y, b in batched])


def _first_example(x: Tensor) -> Tensor:
    example = leaf(np.array(x._data[0]))
    if x._requires_grad and modes().grad_enabled:
        example.requires_grad = True
    return example


def _check_output(y: Any) -> Tensor:
    if isinstance(y, (int, float, np.number)):
        return as_tensor(y)
    if not isinstance(y, Tensor):
        raise TypeError(
            f"vmap: the function must return tensors, got {short(y)} of type {type(y).__name__}"
            + ("; is a `return` missing?" if y is None else "")
        )
    return y


def _operand(trace: ExampleTrace, value: Value, x: Tensor, connected: bool, known: dict[Value, Batched]) -> Batched:
    """Returns what stands for a tensor of the first example's run, and whether it has the examples along axis 0."""
    if value in known:
        tensor, batched = known[value]
    else:
        tensor, batched = x if trace.is_outside(x) or value.tensor is None else value.tensor, False
    return (tensor.detach() if tensor._requires_grad and not connected else tensor), batched


def _repeat(
    trace: ExampleTrace,
    call: Call,
    tensors: Sequence[Tensor],
    connected: Sequence[bool],
    known: dict[Value, Batched],
    n: int,
) -> None:
    """Repeats a recorded call with all examples and adds its results to `known`."""
    pairs = [_operand(trace, v, x, c, known) for v, x, c in zip(call.inputs, tensors, connected, strict=True)]
    inputs, batched = tuple(x for x, _ in pairs), tuple(b for _, b in pairs)
    if any(batched):
        _check_shape(call.primitive, inputs, batched)
        rule = call.primitive.batch or (aligned if call.primitive.elementwise else loop)
        results = rule(BatchedCall(_runner(call.primitive), recorded, n, inputs, batched, call.params))
    else:
        results = apply(call.primitive, inputs, call.params)
    results = results if isinstance(results, tuple) else (results,)
    known.update((value, (y, any(batched))) for value, y in zip(call.outs, results, strict=True))


def _check_shape(primitive: Primitive, inputs: Sequence[Tensor], batched: Sequence[bool]) -> None:
    """Raises ValueError if the shape of a result depends on values that differ between examples: of a mask, in an index."""
    fixed = primitive.has_fixed_shape(*[x._data for x in inputs])
    masks = [b for x, b in zip(inputs, batched, strict=True) if b and x._data.dtype.kind == "b"]
    if not fixed and (masks or primitive.value_dependent_shape is True):
        raise ValueError(
            f"vmap: the shape of the result of {primitive.name} depends on values, so it may differ between examples; "
            "ag.where(mask, x, 0) keeps the shape"
        )


def _runner(primitive: Primitive) -> Callable[[Sequence[Any], dict[str, Any]], Any]:
    return lambda inputs, params: apply(primitive, promote(primitive, inputs), params)
