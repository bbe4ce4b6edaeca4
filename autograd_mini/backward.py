"""Backpropagation: the delta recursion on any graph, from the outputs back to the leaves.

Read `sweep` first; the rest of the file prepares its input and hands out its results. `fast_sweep` is the same loop with the
common cases written out. Gradients of intermediates live in a table of the call, never on the tensors. `observe` sees every
contribution as it is computed, so pictures and steppers show what really happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from .apply import ITEM, as_operands, cast, item, recorded
from .primitive import Primitive, arrays
from .state import mode, modes
from .tensor import _EMPTY, Array, Tensor, TensorLike, leaf, to_array

_ndarray = np.ndarray
_asarray = np.asarray
_add_into = np.add

Observer = Callable[[Tensor, int, Any, Any, Any], None]


def _raise_freed(*_: Any, **__: Any) -> Array:
    raise RuntimeError("freed")


FREED: Final = Primitive("freed", _raise_freed, formula="freed by backward(free=True)")


def backward(
    output: Tensor,
    gradient: TensorLike | None = None,
    *,
    create_graph: bool = False,
    free: bool = False,
    observe: Observer | None = None,
) -> None:
    """Adds the gradient of `output` to `.grad` of every leaf that requires one, and of tensors with `retain_grad`.

    Parameters
    ----------
    output : the tensor to differentiate, usually a scalar loss
    gradient : gradient of the loss with respect to `output`, of its shape; optional if `output` has one element
    create_graph : record the backward pass, so that the gradients can be differentiated again; `.grad` then keeps the graph
        alive, which `ag.grad` avoids by returning the gradients
    free : drop the graph afterwards; a second pass through it raises RuntimeError
    observe : called as `observe(node, i, g, raw, d)` for each contribution: the rule of `node` computed `raw` from its
        gradient `g`, and `d` is `raw` in the shape of input i

    Raises
    ------
    RuntimeError
        if `output` requires no gradient, or has more than one element and no `gradient`
    ValueError
        if `gradient` has another shape than `output`

    Examples
    --------

    >>> from autograd_mini import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """
    if not output._requires_grad:
        raise RuntimeError(f"backward: {output._describe()} requires no gradient")
    nodes = reachable([output])
    table = walk(nodes, [output], [gradient], create_graph=create_graph, observe=observe)
    owned_bases: set[int] = set()
    for seq, g in table.items():
        tensor = nodes[seq]
        held = tensor.grad
        if create_graph:
            g = cast(g, tensor._data.dtype)
            tensor.grad = g if held is None else held + g
        elif modes.tracer is not None:
            tensor.grad = modes.tracer.take_ownership(cast(g, tensor._data.dtype) if held is None else held + g)
        else:
            g = take_ownership(g, tensor, owned_bases)
            tensor.grad = leaf(g if held is None else _asarray(held._data + g))
    if free:
        for tensor in nodes.values():
            if tensor._primitive is not None:
                tensor._primitive, tensor._inputs, tensor._params = FREED, (), _EMPTY


def gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    seeds: Sequence[TensorLike | None] | None = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Any]:
    """Returns the gradients of `outputs` with respect to `inputs`, following only the paths between them. See `ag.grad`."""
    seeds = [None] * len(outputs) if seeds is None else seeds
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs need as many gradients, got {len(seeds)}")
    for x in (*outputs, *inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: outputs and inputs must be tensors, got {type(x).__name__}")
    for x in inputs:
        if not x._requires_grad:
            raise RuntimeError(f"grad: {x._describe()} requires no gradient")
    nodes = between(reachable([y for y in outputs if y._requires_grad]), inputs)
    live = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y._seq in nodes]
    table = walk(nodes, [y for y, _ in live], [s for _, s in live], create_graph=create_graph, keep={x._seq for x in inputs})
    found: list[Tensor | None] = []
    owned_bases: set[int] = set()
    for i, x in enumerate(inputs):
        g = table.get(x._seq)
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {i}, {x._describe()}, is not used by the outputs; pass allow_unused=True to get None"
            )
        recording = create_graph or modes.tracer is not None
        found.append(g if g is None else cast(g, x._data.dtype) if recording else leaf(take_ownership(g, x, owned_bases)))
    return found


def reachable(outputs: Iterable[Tensor]) -> dict[int, Tensor]:
    """Returns every tensor that requires a gradient and leads to `outputs`, themselves included, by creation number."""
    nodes = {t._seq: t for t in outputs}
    stack = list(nodes.values())
    while stack:
        node = stack.pop()
        seq = node._seq
        for x in node._inputs:
            s = x._seq
            if s > seq:
                raise _stale(node, x)
            if x._requires_grad and s not in nodes:
                nodes[s] = x
                if x._primitive is not None:
                    stack.append(x)
        if node._primitive is FREED:
            raise RuntimeError("backward: this graph was freed by backward(free=True); run the forward pass again")
    if modes.tracer is not None:
        modes.tracer.will_walk(nodes.values())
    return nodes


def between(nodes: dict[int, Tensor], inputs: Iterable[Tensor]) -> dict[int, Tensor]:
    """Returns those of `nodes` that depend on one of `inputs`, or are one."""
    kept = {x._seq for x in inputs} & nodes.keys()
    for seq in sorted(nodes):
        if any(x._seq in kept for x in nodes[seq]._inputs):
            kept.add(seq)
    return {seq: nodes[seq] for seq in kept}


def walk(
    nodes: dict[int, Tensor],
    outputs: Sequence[Tensor],
    seeds: Sequence[TensorLike | None],
    *,
    create_graph: bool,
    keep: Iterable[int] = (),
    observe: Observer | None = None,
) -> dict[int, Any]:
    """Runs the backward pass over `nodes`; returns the gradients of leaves, tensors with `retain_grad` and those in `keep`."""
    recording = create_graph or modes.tracer is not None  # jit records it too
    xp = recorded if recording else arrays
    keep = set(keep)
    table: dict[int, Any] = {}
    for output, s in zip(outputs, seeds, strict=True):
        _accumulate(table, output._seq, seed(output, s, recording))
    with mode("grad_enabled", create_graph), np.errstate(all="ignore"):
        if modes.profiler is None:
            if recording or observe is not None or modes.anomaly is not None:
                return sweep(nodes, table, keep, xp, recording, observe)
            return fast_sweep(nodes, table, keep, xp)
        with modes.profiler.inside("backward", "pass"):
            return sweep(nodes, table, keep, xp, recording, observe)


def sweep(
    nodes: dict[int, Tensor],
    table: dict[int, Any],
    keep: set[int],
    xp: SimpleNamespace,
    recording: bool,
    observe: Observer | None = None,
) -> dict[int, Any]:
    """Runs backpropagation: every δ is passed on to the inputs of its node by the rules of the node's primitive.

    `table` holds the δ that have arrived so far, by node. Nodes are visited from the last created to the first, so all
    consumers of a node have passed on their share before the node itself is visited, and its δ is complete.
    """
    kept: dict[int, Any] = {}
    owned: set[int] = set()
    for seq in sorted(nodes, reverse=True):
        if (delta := table.pop(seq, None)) is None:
            continue
        node = nodes[seq]
        if node._watch is not None:
            delta = _run_watch(node, keep, delta, recording)
        if node._primitive is None or seq in keep:
            kept[seq] = delta
        if node._primitive is ITEM:
            _accumulate_output(table, node._inputs[0], node._params["index"], delta if recording else _asarray(delta))
        elif node._primitive is not None:
            for i, raw in enumerate(_observed_vjp(node, nodes, xp, delta, recording)):
                if raw is not None:
                    x = node._inputs[i]
                    contribution = unbroadcast(xp, raw, x)
                    _notify(observe, node, i, delta, raw, contribution)
                    _add_gradient(table, x._seq, contribution, owned)
    return kept


def fast_sweep(nodes: dict[int, Tensor], table: dict[int, Any], keep: set[int], xp: SimpleNamespace) -> dict[int, Any]:
    """Does what `sweep` does, with the same bits, when nothing is recorded, observed or profiled.

    Calls with one or two operands and no parameters, most of a graph, are written out inside the loop: a walk through a chain
    of 10,000 scalar operations takes a third less time.
    """
    kept: dict[int, Any] = {}
    owned: set[int] = set()
    pop = table.pop
    for seq in sorted(nodes, reverse=True):
        g = pop(seq, None)
        if g is None:
            continue
        node = nodes[seq]
        if node._watch is not None:
            g = _run_watch(node, keep, g, False)
        primitive = node._primitive
        if primitive is None:
            kept[seq] = g
            continue
        if keep and seq in keep:
            kept[seq] = g
        inputs = node._inputs
        arity = primitive.fast_arity
        if arity == 1 and (s := inputs[0]._seq) in nodes:
            a, y = inputs[0]._data, node._data
            if not y.ndim:  # NumPy's arithmetic is six times as fast on scalars as on 0-d arrays
                a, y = a[()], y[()]
                if type(g) is _ndarray:
                    g = g[()]
            d = primitive.vjp[0](xp, g, y, a)
            table[s] = _sum(table[s], d, owned, s) if s in table else d
            continue
        if arity == 2:
            left, right = inputs
            left_rule, right_rule = primitive.vjp
            a, b, y = left._data, right._data, node._data
            if y.ndim:
                same_shape = a.shape == b.shape  # then no operand was broadcast
            else:
                same_shape = True
                a, b, y = a[()], b[()], y[()]
                if type(g) is _ndarray:
                    g = g[()]
            if (s := left._seq) in nodes:
                d = left_rule(xp, g, y, a, b)
                d = d if same_shape else unbroadcast(xp, d, left)
                table[s] = _sum(table[s], d, owned, s) if s in table else d
            if (s := right._seq) in nodes:
                d = right_rule(xp, g, y, a, b)
                d = d if same_shape else unbroadcast(xp, d, right)
                table[s] = _sum(table[s], d, owned, s) if s in table else d
            continue
        if primitive is ITEM:
            _accumulate_output(table, inputs[0], node._params["index"], _asarray(g))
            continue
        for x, raw in zip(inputs, run_vjp(node, nodes, xp, g, False), strict=False):
            if raw is not None:
                d, s = unbroadcast(xp, raw, x), x._seq
                table[s] = _sum(table[s], d, owned, s) if s in table else d
    return kept


def _observed_vjp(node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool) -> Sequence[Any]:
    """`run_vjp`, timed if a profiler is on."""
    profiler = modes.profiler
    if profiler is None:
        return run_vjp(node, nodes, xp, g, recording)
    start = profiler.clock()
    grads = run_vjp(node, nodes, xp, g, recording)
    profiler.pulled(node, g, grads, start)
    return grads


def _add_gradient(table: dict[int, Any], seq: int, g: Any, owned: set[int]) -> None:
    """Adds a contribution to the δ of node `seq`."""
    table[seq] = _sum(table[seq], g, owned, seq) if seq in table else g


def _sum(held: Any, g: Any, owned: set[int], key: int) -> Any:
    """Returns `held + g`, in place if `held` is a sum that this pass allocated (its key is in `owned`)."""
    if key in owned:
        return _add_into(held, g, held)
    total = held + g
    if type(total) is _ndarray:
        owned.add(key)
    return total


def _run_watch(node: Tensor, keep: set[int], g: Any, recording: bool) -> Any:
    """Runs the hooks of a tensor whose gradient is complete, and keeps the gradient if the tensor has `retain_grad`."""
    assert node._watch is not None
    if node._watch.hooks:
        g = _run_hooks(node, g, recording)
    if node._watch.retain:
        keep.add(node._seq)
    return g


def run_vjp(node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool) -> Sequence[Any]:
    """Returns the gradient of each input of `node`, from its own gradient `g`; None for inputs outside `nodes`."""
    primitive, inputs, params = node._primitive, node._inputs, node._params
    assert primitive is not None
    if not primitive.differentiable:
        raise RuntimeError(f"backward: {primitive.name} has no gradient rule; use .detach() on its result if you want none")
    out: Any = node if recording else node._data
    if recording and primitive.outputs > 1:
        out = tuple(item(node, i) for i in range(primitive.outputs))
    operands = inputs if recording else [x._data for x in inputs]
    if not recording and primitive.outputs == 1:
        g = _asarray(g)
    if primitive.joint is not None:
        return primitive.joint(xp, [x._seq in nodes for x in inputs], g, out, *operands, **params)
    return [
        None if rule is None or x._seq not in nodes else rule(xp, g, out, *operands, **params)
        for x, rule in zip(inputs, primitive.vjp, strict=False)
    ]


def _accumulate(table: dict[int, Any], key: int, g: Any) -> None:
    table[key] = table[key] + g if key in table else g


def _accumulate_output(table: dict[int, Any], call: Tensor, index: int, g: Any) -> None:
    """Stores the gradient of one output of a call that has several."""
    slots = table.setdefault(call._seq, [None] * len(call._data))
    slots[index] = g if slots[index] is None else slots[index] + g


def unbroadcast(xp: SimpleNamespace, g: Any, x: Tensor) -> Any:
    """Returns `g` in the shape and dtype of `x`: the gradient of an element that was broadcast is the sum over its copies."""
    shape = x._data.shape
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    if lead > 0 and g.shape[lead:] == shape:  # a bias beside rows
        one = g.size == x._data.size
        g = xp.reshape(g, shape=shape) if one else xp.sum(g, axis=tuple(range(lead)), keepdims=False)
    elif g.size == x._data.size and [n for n in g.shape if n != 1] == [n for n in shape if n != 1]:
        g = xp.reshape(g, shape=shape)
    if g.shape != shape:
        if lead > 0:
            g = xp.sum(g, axis=tuple(range(lead)), keepdims=False)
        axes = tuple(i for i, (have, want) in enumerate(zip(g.shape, shape, strict=False)) if have != want)
        if g.ndim < len(shape) or any(shape[i] != 1 for i in axes):
            raise RuntimeError(f"a gradient rule returned shape {g.shape} for an input of shape {shape}")
        if axes:
            g = xp.sum(g, axis=axes, keepdims=True)
    if g.dtype != x._data.dtype:
        g = xp.cast(g, dtype=x._data.dtype)
    return g


def seed(output: Tensor, gradient: TensorLike | None, recording: bool) -> Any:
    """Returns the gradient that the pass starts from: 1 for a scalar, else `gradient`, after checking its shape."""
    shape, dtype = output._data.shape, output._data.dtype
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(f"backward: a non-scalar output of shape {shape} needs an explicit `gradient` of that shape")
        ones = np.ones(shape, dtype)
        return leaf(ones) if recording else ones
    if (found_shape := np.shape(gradient._data if isinstance(gradient, Tensor) else gradient)) != shape:
        raise ValueError(f"backward: the gradient has shape {found_shape}, the output {shape}")
    if recording:
        return cast(gradient if isinstance(gradient, Tensor) else Tensor(gradient), dtype)
    return np.array(to_array(gradient, dtype))


def take_ownership(g: Any, like: Tensor, owned_bases: set[int]) -> Array:
    """Returns `g` in the dtype of `like`, in memory that no other tensor shares; copies it if needed."""
    g = _asarray(g, like._data.dtype)
    base = g
    while isinstance(base.base, _ndarray):
        base = base.base
    if id(base) in owned_bases or not base.flags.owndata or not g.flags.writeable or (g.base is not None and 0 in g.strides):
        return np.array(g)
    owned_bases.add(id(base))
    return g


def _run_hooks(node: Tensor, g: Any, recording: bool) -> Any:
    assert node._watch is not None
    for hook in node._watch.hooks:
        replaced = hook(g if recording else leaf(_asarray(g)))
        if replaced is not None:
            if np.shape(replaced) != node._data.shape:
                raise ValueError(f"hook: expected a gradient of shape {node._data.shape}, got {np.shape(replaced)}")
            replaced = cast(as_operands(replaced)[0], node._data.dtype)
            g = replaced if recording else replaced._data
    return g


def _notify(observe: Observer | None, node: Tensor, index: int, g: Any, raw: Any, d: Any) -> None:
    if modes.anomaly is not None:
        modes.anomaly.contributed(node, index, g, d)
    if observe is not None:
        observe(node, index, g, raw, d)


def _stale(node: Tensor, x: Tensor) -> RuntimeError:
    assert node._primitive is not None
    return RuntimeError(
        f"backward: {x._describe()} was modified in place after {node._primitive.name} used it, so the gradient would be "
        "wrong; run the forward pass again, or call backward before the update"
    )
