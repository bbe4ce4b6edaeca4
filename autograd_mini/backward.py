"""The walk: from outputs back to leaves, one primitive's rule at a time.

This is the delta recursion on any graph. A node's gradient is complete when all its consumers, which were made later, have been
visited; so nodes are taken by falling creation number, and nothing recurses. Gradients of intermediates live in a table of
the call. `observe` sees every contribution as it is made: pictures and steppers show what really happened.
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


def _gone(*_: Any, **__: Any) -> Array:
    raise RuntimeError("freed")


FREED: Final = Primitive("freed", _gone, formula="a graph that backward(free=True) dropped")


def backward(
    output: Tensor,
    gradient: TensorLike | None = None,
    *,
    create_graph: bool = False,
    free: bool = False,
    observe: Observer | None = None,
) -> None:
    """Adds the gradient of `output` to `.grad` of every leaf that requires one (and of tensors that asked by `retain_grad`).

    `gradient` is the gradient of some loss by `output`, of its shape; it may be left out when `output` has one element. With
    `create_graph` the gradients can themselves be differentiated (`.grad` then keeps the graph, and with it the leaf, alive:
    `ag.grad` returns them instead). With `free` the graph is dropped afterwards, so a second pass raises RuntimeError.
    `observe(node, i, g, raw, d)` sees each contribution: the rule of `node` made `raw` from its gradient `g`, which became `d`
    in the shape of input i.

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
    given: set[int] = set()
    for seq, g in table.items():
        tensor = nodes[seq]
        held = tensor.grad
        if create_graph:
            g = cast(g, tensor._data.dtype)
            tensor.grad = g if held is None else held + g
        elif modes.tracer is not None:
            tensor.grad = modes.tracer.owned(cast(g, tensor._data.dtype) if held is None else held + g)
        else:
            g = own(g, tensor, given)
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
    """The gradients of `outputs` by `inputs`, walking only the paths between them; `ag.grad` is its public face."""
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
    given: set[int] = set()
    for i, x in enumerate(inputs):
        g = table.get(x._seq)
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {i}, {x._describe()}, is not used by the outputs; pass allow_unused=True to get None"
            )
        recording = create_graph or modes.tracer is not None
        found.append(g if g is None else cast(g, x._data.dtype) if recording else leaf(own(g, x, given)))
    return found


def reachable(outputs: Iterable[Tensor]) -> dict[int, Tensor]:
    """Every tensor that requires a gradient and that `outputs` were made from, themselves included, by creation number."""
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
            raise RuntimeError("backward: this graph was dropped by backward(free=True); run the forward pass again")
    if modes.tracer is not None:
        modes.tracer.walks(nodes.values())
    return nodes


def between(nodes: dict[int, Tensor], inputs: Iterable[Tensor]) -> dict[int, Tensor]:
    """Those of `nodes` that depend on one of `inputs`, or are one."""
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
    """Runs the rules of `nodes` and returns the gradients of leaves, of tensors that retain theirs and of those in `keep`."""
    recording = create_graph or modes.tracer is not None  # what is to be replayed must be seen, whether differentiable or not
    xp = recorded if recording else arrays
    keep = set(keep)
    table: dict[int, Any] = {}
    for output, s in zip(outputs, seeds, strict=True):
        _add(table, output._seq, seed(output, s, recording))
    with mode("grad_enabled", create_graph), np.errstate(all="ignore"):
        if modes.profiler is None:
            return _sweep(nodes, table, keep, xp, recording, observe)
        with modes.profiler.inside("backward", "pass"):
            return _sweep(nodes, table, keep, xp, recording, observe)


def _sweep(
    nodes: dict[int, Tensor],
    table: dict[int, Any],
    keep: set[int],
    xp: SimpleNamespace,
    recording: bool,
    observe: Observer | None,
) -> dict[int, Any]:
    kept: dict[int, Any] = {}
    owned: set[int] = set()  # sums made here: nobody else holds them, so they may be added to in place
    watching = observe is not None or modes.anomaly is not None
    profiler = modes.profiler
    began = 0 if profiler is None else profiler.clock()
    quick = not (recording or watching) and profiler is None
    pop = table.pop
    for seq in sorted(nodes, reverse=True):
        g = pop(seq, None)
        if g is None:
            continue
        node = nodes[seq]
        if node._watch is not None:
            g = _watched(node, keep, g, recording)
        primitive = node._primitive
        if primitive is None:
            kept[seq] = g
            continue
        if keep and seq in keep:
            kept[seq] = g
        inputs = node._inputs
        # What the rest of the loop does, spelt out for the calls that make up most graphs: the walk takes a third less.
        plain = primitive.plain if quick else 0
        if plain == 1 and (s := inputs[0]._seq) in nodes:
            a, y = inputs[0]._data, node._data
            if not y.ndim:  # NumPy's arithmetic is six times as fast on scalars as on 0-d arrays
                a, y = a[()], y[()]
                if type(g) is _ndarray:
                    g = g[()]
            d = primitive.vjp[0](xp, g, y, a)
            table[s] = _sum(table[s], d, owned, s) if s in table else d
            continue
        if plain == 2:
            left, right = inputs
            rule, other = primitive.vjp
            a, b, y = left._data, right._data, node._data
            if y.ndim:
                fits = a.shape == b.shape  # then no operand was broadcast
            else:
                fits = True
                a, b, y = a[()], b[()], y[()]
                if type(g) is _ndarray:
                    g = g[()]
            if (s := left._seq) in nodes:
                d = rule(xp, g, y, a, b)
                d = d if fits else fit(xp, d, left)
                table[s] = _sum(table[s], d, owned, s) if s in table else d
            if (s := right._seq) in nodes:
                d = other(xp, g, y, a, b)
                d = d if fits else fit(xp, d, right)
                table[s] = _sum(table[s], d, owned, s) if s in table else d
            continue
        if primitive is ITEM:
            _collect(table, inputs[0], node._params["index"], g if recording else _asarray(g))
            continue
        grads = pull(node, nodes, xp, g, recording)
        for i, raw in enumerate(grads):
            if raw is None:
                continue
            x = inputs[i]
            d = fit(xp, raw, x)
            if watching:
                _observed(observe, node, i, g, raw, d)
            s = x._seq
            table[s] = _sum(table[s], d, owned, s) if s in table else d
        if profiler is not None:
            began = profiler.pulled(node, g, grads, began)
    return kept


def _sum(held: Any, g: Any, owned: set[int], key: int) -> Any:
    """A further contribution added to what is held: in place where that is a sum made here."""
    if key in owned:
        return _add_into(held, g, held)
    total = held + g
    if type(total) is _ndarray:
        owned.add(key)
    return total


def _watched(node: Tensor, keep: set[int], g: Any, recording: bool) -> Any:
    """Runs the hooks of a tensor whose gradient is complete, and keeps the gradient where the tensor asked for it."""
    assert node._watch is not None
    if node._watch.hooks:
        g = _hooked(node, g, recording)
    if node._watch.retain:
        keep.add(node._seq)
    return g


def pull(node: Tensor, nodes: dict[int, Tensor], xp: SimpleNamespace, g: Any, recording: bool) -> Sequence[Any]:
    """The gradients by a node's inputs from its own, by the rules of its primitive; None for inputs outside `nodes`."""
    primitive, inputs, params = node._primitive, node._inputs, node._params
    assert primitive is not None
    if not primitive.differentiable:
        raise RuntimeError(f"backward: {primitive.name} has no gradient rule; .detach() its result if none is wanted")
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


def _add(table: dict[int, Any], key: int, g: Any) -> None:
    table[key] = table[key] + g if key in table else g


def _collect(table: dict[int, Any], call: Tensor, index: int, g: Any) -> None:
    """Puts the gradient of one output beside those of the call's other outputs."""
    slots = table.setdefault(call._seq, [None] * len(call._data))
    slots[index] = g if slots[index] is None else slots[index] + g


def fit(xp: SimpleNamespace, g: Any, x: Tensor) -> Any:
    """`g` in the shape and dtype of `x`. Here alone is broadcasting undone: a repeated element collects its copies' sum."""
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
    """The gradient that the walk starts from: 1 for a scalar, else what the caller gave, checked."""
    shape, dtype = output._data.shape, output._data.dtype
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(
                f"backward: an output of shape {shape} needs a gradient of that shape; only a scalar starts from 1"
            )
        ones = np.ones(shape, dtype)
        return leaf(ones) if recording else ones
    if (given := np.shape(gradient._data if isinstance(gradient, Tensor) else gradient)) != shape:
        raise ValueError(f"backward: the gradient has shape {given}, the output {shape}")
    if recording:
        return cast(gradient if isinstance(gradient, Tensor) else Tensor(gradient), dtype)
    return np.array(to_array(gradient, dtype))


def own(g: Any, like: Tensor, given: set[int]) -> Array:
    """`g` in the dtype of `like`, as an array that nobody else holds: at most one gradient may keep the memory of one base."""
    g = _asarray(g, like._data.dtype)
    base = g
    while isinstance(base.base, _ndarray):
        base = base.base
    if id(base) in given or not base.flags.owndata or not g.flags.writeable or (g.base is not None and 0 in g.strides):
        return np.array(g)
    given.add(id(base))
    return g


def _hooked(node: Tensor, g: Any, recording: bool) -> Any:
    assert node._watch is not None
    for hook in node._watch.hooks:
        replaced = hook(g if recording else leaf(_asarray(g)))
        if replaced is not None:
            if np.shape(replaced) != node._data.shape:
                raise ValueError(f"hook: expected a gradient of shape {node._data.shape}, got {np.shape(replaced)}")
            replaced = cast(as_operands(replaced)[0], node._data.dtype)
            g = replaced if recording else replaced._data
    return g


def _observed(observe: Observer | None, node: Tensor, index: int, g: Any, raw: Any, d: Any) -> None:
    if modes.anomaly is not None:
        modes.anomaly.contributed(node, index, g, d)
    if observe is not None:
        observe(node, index, g, raw, d)


def _stale(node: Tensor, x: Tensor) -> RuntimeError:
    assert node._primitive is not None
    return RuntimeError(
        f"backward: {x._describe()} was written after {node._primitive.name} used it, so the gradient would be wrong; "
        "run the forward pass again, or call backward before the update"
    )
