"""Backpropagation: the delta recursion on any graph, from the outputs back to the leaves.

Read `sweep` first; the rest of the file prepares its input and distributes its results. `fast_sweep` is the same loop with the
common cases written inline. Gradients of intermediates are kept in a table of the call, never on the tensors. `observe` sees
every contribution as it is computed, so pictures and steppers show what really happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from .apply import ITEM, cast, item, recorded
from .memory.arena import read_only, take_ownership
from .primitive import Primitive, arrays
from .state import mode, modes, tick
from .tensor import _EMPTY, Array, Tensor, TensorLike, leaf, to_array
from .tools.arguments import check_backward_options
from .tools.calls import mark_outputs

_ndarray, _asarray, _add_into = np.ndarray, np.asarray, np.add

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
    retain_graph: bool | None = None,
    observe: Observer | None = None,
) -> None:
    """Adds the gradient of `output` to `.grad` of every leaf that requires one, and of tensors with `retain_grad`.

    Parameters
    ----------
    output : the tensor to differentiate, usually a scalar loss
    gradient : gradient of the loss with respect to `output`, of the same shape; optional if `output` has one element
    create_graph : record the backward pass, so that the gradients can be differentiated again. `.grad` then keeps the graph
        alive; `ag.grad` avoids that because it returns the gradients
    free : free the graph afterwards; a second pass through it raises RuntimeError
    retain_graph : PyTorch's name of the opposite: False frees the graph. By default it is kept
    observe : called as `observe(node, i, g, raw, d)` for each contribution: the rule of `node` computed `raw` from its
        gradient `g`, and `d` is `raw` in the shape of input i

    Raises
    ------
    RuntimeError
        if `output` requires no gradient, or has more than one element and `gradient` is None
    ValueError
        if the shapes of `gradient` and `output` differ

    Examples
    --------
    >>> from autograd_mini import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """
    if not output._requires_grad:
        raise RuntimeError(
            f"backward: nothing here requires a gradient, also not {output._describe()}; create the input with "
            "requires_grad=True, and compute outside of ag.no_grad()"
        )
    if create_graph is not False or free is not False or retain_graph is not None or observe is not None:
        check_backward_options(create_graph, free, retain_graph, observe)
    nodes = reachable([output])
    table = walk(nodes, [output], [gradient], create_graph=create_graph, observe=observe)
    owned_bases: set[int] = set()
    tracer = modes().tracer
    for seq, g in table.items():
        tensor = nodes[seq]
        held = tensor.grad
        if create_graph:
            g = cast(g, tensor._data.dtype)
            tensor.grad = g if held is None else held + g
        elif tracer is not None:
            tensor.grad = tracer.take_ownership(cast(g, tensor._data.dtype) if held is None else held + g)
        else:
            g = take_ownership(g, tensor._data.dtype, owned_bases)
            tensor._grad = leaf(g if held is None else _asarray(held._data + g))
    if free or (retain_graph is not None and not retain_graph):
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
    stop: Iterable[Tensor] = (),
) -> list[Any]:
    """Returns the gradients of `outputs` with respect to `inputs`; visits only the paths between them.

    Parameters
    ----------
    outputs : the tensors to differentiate
    inputs : the tensors to differentiate with respect to
    seeds : the gradient with respect to each output; None for an output with one element
    create_graph : record the pass, so that the result can be differentiated again
    allow_unused : return None for an input that no output depends on, instead of raising RuntimeError
    stop : tensors that the pass does not go through; they are leaves for it
    """
    seeds = [None] * len(outputs) if seeds is None else seeds
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: expected one gradient for each of {len(outputs)} outputs, got {len(seeds)} gradients")
    for x in (*outputs, *inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: outputs and inputs must be tensors, got {x!r} of type {type(x).__name__}")
    for x in inputs:
        if not x._requires_grad:
            raise RuntimeError(f"grad: {x._describe()} requires no gradient; create it with requires_grad=True")
    ends = {x._seq: x for x in stop}
    nodes = between(reachable([y for y in outputs if y._requires_grad], ends.keys()), inputs)
    for seq in ends.keys() & nodes.keys():
        nodes[seq] = leaf(ends[seq]._data)
        nodes[seq]._seq = seq
    live = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y._seq in nodes]
    table = walk(nodes, [y for y, _ in live], [s for _, s in live], create_graph=create_graph, keep={x._seq for x in inputs})
    results: list[Tensor | None] = []
    owned_bases: set[int] = set()
    recording = create_graph or modes().tracer is not None
    for i, x in enumerate(inputs):
        g = table.get(x._seq)
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {i}, {x._describe()}, is not used by the outputs; pass allow_unused=True to get None"
            )
        if g is not None:
            g = cast(g, x._data.dtype) if recording else leaf(take_ownership(g, x._data.dtype, owned_bases))
        results.append(g)
    return results


def reachable(outputs: Iterable[Tensor], stop: Collection[int] = ()) -> dict[int, Tensor]:
    """Returns all tensors that require a gradient and contribute to `outputs`, these included, by creation number.

    The search does not go through tensors whose number is in `stop`.
    """
    nodes = {t._seq: t for t in outputs}
    stack = [t for t in nodes.values() if t._seq not in stop] if stop else list(nodes.values())
    while stack:
        node = stack.pop()
        seq = node._seq
        for x in node._inputs:
            s = x._seq
            if s > seq:
                raise _stale(node, x)
            if x._requires_grad and s not in nodes:
                nodes[s] = x
                if x._primitive is not None and s not in stop:
                    stack.append(x)
        if node._primitive is FREED:
            raise RuntimeError("backward: this graph was freed by backward(free=True); run the forward pass again")
    if (tracer := modes().tracer) is not None:
        tracer.will_walk(nodes.values())
    return nodes


def between(nodes: dict[int, Tensor], inputs: Iterable[Tensor]) -> dict[int, Tensor]:
    """Returns the nodes that depend on one of `inputs`, and these inputs themselves."""
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
    """Runs the backward pass over `nodes` and returns the gradients that are kept, by creation number.

    Parameters
    ----------
    nodes : the tensors to visit, by creation number; see `reachable` and `between`
    outputs : where the pass starts
    seeds : the gradient with respect to each output; None for an output with one element
    create_graph : record the pass
    keep : creation numbers of tensors to keep, in addition to leaves and tensors with `retain_grad`
    observe : see `backward`
    """
    recording = create_graph or modes().tracer is not None  # jit records the pass too
    xp = recorded if recording else arrays
    keep = set(keep)
    table: dict[int, Any] = {}
    for output, s in zip(outputs, seeds, strict=True):
        table[output._seq] = _add(table, output._seq, seed(output, s, recording), set())
    first = tick()
    with mode("grad_enabled", create_graph), np.errstate(all="ignore"):
        profiler = modes().profiler
        if profiler is None:
            if recording or observe is not None or modes().anomaly is not None:
                kept = sweep(nodes, table, keep, xp, recording, observe)
                return mark_outputs(None, "backward", first, kept) if create_graph else kept
            return fast_sweep(nodes, table, keep, xp)
        with profiler.region("backward", "pass"):
            return sweep(nodes, table, keep, xp, recording, observe)


def sweep(
    nodes: dict[int, Tensor],
    table: dict[int, Any],
    keep: set[int],
    xp: SimpleNamespace,
    recording: bool,
    observe: Observer | None = None,
) -> dict[int, Any]:
    """Runs backpropagation: the rules of a node's primitive turn the node's δ into contributions to the δ of its inputs.

    Nodes are visited from the last created to the first. So when a node is visited, all nodes that use it have added their
    contribution, and its δ is complete.

    Parameters
    ----------
    nodes : the tensors to visit, by creation number
    table : by creation number, the sum of the contributions so far; at the start, the gradients of the outputs
    keep : creation numbers whose δ is returned too, besides those of leaves
    xp : the namespace that rules compute with
    recording : True if `xp` records, so that a δ is a tensor
    observe : see `backward`
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
        elif node._primitive is not None and node._primitive.accumulate and observe is None and modes().anomaly is None:
            _timed(partial(_add_part, table, owned), node, nodes, xp, delta, recording)
        elif node._primitive is not None:
            for i, raw in enumerate(_timed(run_vjp, node, nodes, xp, delta, recording)):
                if raw is not None:
                    x = node._inputs[i]
                    contribution = unbroadcast(xp, raw, x)
                    _notify(observe, node, i, delta, raw, contribution)
                    table[x._seq] = _add(table, x._seq, contribution, owned)
    return kept


def fast_sweep(nodes: dict[int, Tensor], table: dict[int, Any], keep: set[int], xp: SimpleNamespace) -> dict[int, Any]:
    """Computes the same bits as `sweep`, whose parameters it shares, for passes that are not recorded, observed or profiled.

    Operations with one or two operands and no parameters, most of a graph, are handled inside the loop: a pass through a chain
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
            table[s] = _add(table, s, d, owned) if s in table else d
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
                table[s] = _add(table, s, d, owned) if s in table else d
            if (s := right._seq) in nodes:
                d = right_rule(xp, g, y, a, b)
                d = d if same_shape else unbroadcast(xp, d, right)
                table[s] = _add(table, s, d, owned) if s in table else d
            continue
        if primitive is ITEM:
            _accumulate_output(table, inputs[0], node._params["index"], _asarray(g))
            continue
        if primitive.accumulate:
            _add_part(table, owned, node, nodes, xp, _asarray(g), False)
            continue
        for x, raw in zip(inputs, run_vjp(node, nodes, xp, g, False), strict=False):
            if raw is not None:
                d, s = unbroadcast(xp, raw, x), x._seq
                table[s] = _add(table, s, d, owned) if s in table else d
    return kept


def _timed(
    compute: Callable[..., Sequence[Any]], node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool
) -> Sequence[Any]:
    """Calls `run_vjp` or a function with its arguments, and measures it if a profiler is active."""
    profiler = modes().profiler
    if profiler is None:
        return compute(node, nodes, xp, g, recording)
    start = profiler.clock()
    grads = compute(node, nodes, xp, g, recording)
    profiler.record_rule(node, g, grads, start)
    return grads


def _add_part(
    table: dict[int, Any], owned: set[int], node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool
) -> Sequence[Any]:
    """Adds the contribution of an operation that reads a part of its first input, such as a slice, to the δ of that input.

    The first part allocates an array for the whole, and the next ones write only their own elements. Returns the contributions
    that are new arrays. Parameters as in `run_vjp`, `table` and `owned` as in `_add`.
    """
    primitive: Any = node._primitive
    x, *rest = node._inputs
    seq = x._seq
    if seq not in nodes:
        return ()
    if seq not in table:
        grads = run_vjp(node, nodes, xp, g, recording)
        table[seq] = grads[0]
    else:
        operands = rest if recording else [operand._data for operand in rest]
        place = {"out": table[seq]} if seq in owned else {}
        table[seq] = getattr(xp, primitive.accumulate)(table[seq], g, *operands, **node._params, **place)
        grads = () if place else (table[seq],)
    if not recording:
        owned.add(seq)
    return grads


def _add(table: dict[int, Any], seq: int, g: Any, owned: set[int]) -> Any:
    """Returns the δ of node `seq` with the contribution `g` added.

    The first contribution may belong to a rule or a user, so the second one allocates the sum. Its number is noted in `owned`,
    and later contributions are added in place.
    """
    if seq not in table:
        return g
    if seq in owned:
        return _add_into(table[seq], g, table[seq])
    total = table[seq] + g
    if type(total) is _ndarray:
        owned.add(seq)
    return total


def _run_watch(node: Tensor, keep: set[int], g: Any, recording: bool) -> Any:
    """Calls the hooks of a node with its complete gradient, and adds the node to `keep` if it has `retain_grad`."""
    assert node._watch is not None
    if node._watch.hooks:
        g = _run_hooks(node, g, recording)
    if node._watch.retain:
        keep.add(node._seq)
    return g


def run_vjp(node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool) -> Sequence[Any]:
    """Computes the gradient of each input of `node` from the node's gradient `g`; None for inputs that are not in `nodes`.

    Parameters
    ----------
    node : the result of an operation
    nodes : the nodes of this pass
    xp : the namespace that rules compute with: raw kernels, or recorded operations
    g : the gradient of `node`, an array or a tensor like the results of `xp`
    recording : True if `xp` records, so that rules get tensors instead of arrays
    """
    primitive, inputs, params = node._primitive, node._inputs, node._params
    assert primitive is not None
    if not primitive.differentiable:
        raise RuntimeError(f"backward: {primitive.name} has no gradient rule; use .detach() on its result")
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


def _accumulate_output(table: dict[int, Any], call: Tensor, index: int, g: Any) -> None:
    """Adds the gradient of one output of a call with several outputs."""
    slots = table.setdefault(call._seq, [None] * len(call._data))
    slots[index] = g if slots[index] is None else slots[index] + g


def unbroadcast(xp: SimpleNamespace, g: Any, x: Tensor) -> Any:
    """Returns `g` in the shape and dtype of `x`: the gradient of a broadcast element is the sum over its copies."""
    shape = x._data.shape
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    if lead > 0 and g.shape[lead:] == shape:  # a bias that was added to rows
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
    """Returns the gradient at the start of the pass: 1 for a scalar output, otherwise `gradient` after a check of its shape."""
    shape, dtype = output._data.shape, output._data.dtype
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(f"backward: a non-scalar output of shape {shape} needs an explicit `gradient` of that shape")
        ones = np.ones(shape, dtype)
        return leaf(ones) if recording else ones
    if (actual := np.shape(gradient._data if isinstance(gradient, Tensor) else gradient)) != shape:
        raise ValueError(f"backward: expected a gradient of shape {shape}, like the output, got {actual}")
    if recording:
        return cast(gradient, dtype)
    return np.array(to_array(gradient, dtype))


def _run_hooks(node: Tensor, g: Any, recording: bool) -> Any:
    assert node._watch is not None
    for hook in node._watch.hooks:
        replaced = hook(g if recording else leaf(_asarray(g)))
        if replaced is not None:
            if np.shape(replaced) != node._data.shape:
                raise ValueError(f"hook: expected a gradient of shape {node._data.shape}, got {np.shape(replaced)}")
            replaced = cast(replaced, node._data.dtype)
            g = replaced if recording else read_only(replaced._data)  # the hook may keep its tensor
    return g


def _notify(observe: Observer | None, node: Tensor, index: int, g: Any, raw: Any, d: Any) -> None:
    if (anomaly := modes().anomaly) is not None:
        anomaly.check_gradient(node, index, g, d)
    if observe is not None:
        observe(node, index, g, raw, d)


def _stale(node: Tensor, x: Tensor) -> RuntimeError:
    assert node._primitive is not None
    return RuntimeError(
        f"backward: {x._describe()} was modified in place after {node._primitive.name} used it, so the gradient would be "
        "wrong; run the forward pass again, or call backward before the update"
    )
