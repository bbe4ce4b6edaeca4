"""`checkpoint` trades time for memory: a segment is one node of the graph, and the backward pass runs it once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .apply import as_tensors, record
from .backward import gradients
from .ops.random import generator
from .ops.shape import copy
from .primitive import Primitive
from .state import enable_grad, modes, no_grad, tick
from .tensor import Tensor, TensorLike, leaf

__all__ = ["checkpoint"]


def checkpoint(f: Callable[..., Tensor], *inputs: TensorLike) -> Tensor:
    """Returns `f(*inputs)`, one tensor, and keeps none of its intermediates: the backward pass runs `f` once more.

    Other tensors that `f` uses, such as a module's parameters, get their gradients too, and random numbers are repeated.

    >>> import autograd_mini as ag
    >>> w = ag.Tensor(2.0, requires_grad=True)
    >>> ag.checkpoint(lambda x: ag.tanh(x * w) * w, 0.5).backward()
    >>> round(w.grad.item(), 4)
    1.1816
    """
    if not callable(f):
        raise TypeError(f"checkpoint: expected a function, got {f!r}")
    tensors = as_tensors(*inputs)
    if modes().tracer is not None:  # a plan frees intermediates as soon as possible anyway
        return f(*tensors)
    state = generator().bit_generator.state
    # `f` gets new tensors, so that an input which it also uses in another way counts as captured there.
    aliases = [leaf(x._data) for x in tensors]
    for alias, x in zip(aliases, tensors, strict=True):
        alias._requires_grad = x._requires_grad
    start = tick()
    output = f(*aliases)
    if not isinstance(output, Tensor):
        raise TypeError(f"checkpoint: the function must return one tensor, got {output!r} ({type(output).__name__})")
    for alias, x in zip(aliases, tensors, strict=True):
        if output is alias:
            return x
    if not output.requires_grad or output._seq < start:
        return output
    captured = tuple(x for x in _sources(output, start) if not any(x is alias for alias in aliases))
    params = {"function": f, "count": len(tensors), "captured": captured, "state": state}
    return record(_CHECKPOINT, (*tensors, *captured), params, output._data)


def _sources(output: Tensor, start: int) -> list[Tensor]:
    """Returns the tensors older than `start` that require a gradient and that `output` was computed from."""
    nodes: dict[int, Tensor] = {output._seq: output}
    stack = [output]
    while stack:
        for x in stack.pop()._inputs:
            if x._requires_grad and x._seq not in nodes:
                nodes[x._seq] = x
                if x._seq > start:
                    stack.append(x)
    return [x for x in nodes.values() if x._seq < start]


def _forward(*arrays: Any, function: Callable[..., Tensor], count: int, **_: Any) -> Any:
    with no_grad():
        return function(*[leaf(a) for a in arrays[:count]])._data


def _backward(
    xp: Any,
    needs: list[bool],
    g: Any,
    out: Any,
    *operands: Any,
    function: Callable[..., Tensor],
    count: int,
    captured: tuple[Tensor, ...],
    state: Any,
) -> list[Any]:
    """Runs the function again with the same random numbers, this time recorded, and differentiates the segment.

    The pass stops at the inputs and captured tensors of the segment; the outer pass continues from there. Otherwise a captured
    tensor from which an input was computed would get that part of its gradient twice.
    """
    stream = generator().bit_generator
    now, stream.state = stream.state, state
    recording = isinstance(g, Tensor)
    try:
        with enable_grad():
            inputs = [copy(x) if recording and x.requires_grad else leaf(x._data if recording else x) for x in operands[:count]]
            for x in inputs:
                if x.is_leaf:
                    x.requires_grad = x.dtype.kind == "f"
            output = function(*inputs)
    finally:
        stream.state = now
    sources = [*inputs, *captured]
    wanted = [x for x, need in zip(sources, needs, strict=True) if need]
    results = iter(gradients([output], wanted, [g], create_graph=recording, allow_unused=True, stop=sources))
    grads = [next(results) if need else None for need in needs]
    return [d if d is None or recording else d._data for d in grads]


_CHECKPOINT: Final = Primitive(
    "checkpoint", _forward, vjp=_backward, formula="f(x), run again in the backward pass", derivative=("f′(x)",), uniform=False
)
