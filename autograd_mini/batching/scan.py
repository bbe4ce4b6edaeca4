"""`scan`: a loop whose body is recorded once, and which is one node of the graph.

The body becomes a list of calls (`Body`). The forward pass runs it once for each step and keeps only the state before each
step. The backward pass is another scan, from the last step to the first: its body runs a step again and differentiates it.
So the gradient can itself be differentiated, and memory is that of a checkpoint at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import chain
from reprlib import repr as short
from typing import Any, Final

import numpy as np

from ..apply import apply, as_tensor_beside, widest_float
from ..jit.trace import Value
from ..primitive import Primitive
from ..state import enable_grad, mode
from ..tensor import Tensor, leaf
from ..tools.arguments import flag, one_int
from ..transform import vjp
from ..trees import Tree, leaves, numbers_to_tensors, rebuild
from .trace import ExampleTrace

__all__ = ["scan"]

ONCE: Final = "but the function is recorded once for all steps"


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]], init: Tree, xs: Tree = None, length: int | None = None, *, reverse: bool = False
) -> tuple[Tree, Tree]:
    """Repeats (state, yₜ) = f(state, xₜ) for all steps and returns the last state and all yₜ, stacked along axis 0.

    It equals a loop in Python, but f is run once to record it, the loop is one operation in the graph and in a plan of
    `ag.jit`, and only the state before each step is kept: the backward pass runs each step again. Tensors that f uses besides
    its arguments, such as weights, get their gradients too. f cannot branch on values, draw random numbers or write in place.

    Parameters
    ----------
    f : a function of the state and of one element of `xs` that returns the new state and a result, each of them a tensor, or
        nested lists, tuples and dicts of tensors; a result of None stays None
    init : the first state; each state must have its structure, shapes and dtypes
    xs : the inputs, with the steps along axis 0; with None, each xₜ is None
    length : the number of steps; needed only without `xs`
    reverse : run from the last step to the first; yₜ stays at position t

    Raises
    ------
    ValueError
        if the lengths of `xs` differ, there are no steps, or a state has another shape or dtype than `init`
    RuntimeError
        if f needs a value in Python, draws random numbers or writes in place

    Examples
    --------
    >>> import autograd_mini as ag
    >>> w = ag.Tensor(0.5, requires_grad=True)
    >>> h, hs = ag.scan(lambda h, x: (w * h + x, h), 0.0, ag.Tensor([1.0, 2.0, 3.0]))
    >>> h, hs
    (Tensor(4.25, op=scan3), Tensor([0. , 1. , 2.5], op=scan3))
    >>> h.backward()
    >>> w.grad  # of w² + 2w + 3
    Tensor(3.0)
    """
    if not callable(f):
        raise TypeError(f"scan: expected a function, got {f!r}")
    backwards = flag("scan", "reverse", reverse)
    dtype = widest_float(leaves([init, xs]))
    states, inputs = _tensors(init, dtype), _tensors(xs, dtype)
    steps = _count_steps(_leaves(inputs), length)
    body, structure = _record(f, states, inputs)
    operands = (*body.captured, *_leaves(states), *_leaves(inputs))
    results = _repeat(body, operands, steps, backwards)
    return _rebuild(states, results[: body.state]), _rebuild(structure, results[body.state : len(body.outputs)])


def _tensors(tree: Tree, dtype: np.dtype[Any]) -> Tree:
    """Returns a tree of tensors; None is a tree without any."""
    if tree is None:
        return None
    tree = numbers_to_tensors(tree, dtype)
    try:
        return rebuild(tree, [as_tensor_beside(x, dtype) for x in leaves(tree)])
    except (TypeError, ValueError):
        raise TypeError(f"scan: expected tensors, in lists, tuples and dicts, got {short(tree)}") from None


def _leaves(tree: Tree) -> list[Any]:
    return [] if tree is None else leaves(tree)


def _rebuild(tree: Tree, values: Sequence[Any]) -> Tree:
    return None if tree is None else rebuild(tree, values)


def _count_steps(inputs: Sequence[Tensor], length: int | None) -> int:
    if any(not x.ndim for x in inputs):
        raise ValueError("scan: xs must have the steps along axis 0, got a tensor of shape ()")
    lengths = {len(x) for x in inputs} | (set() if length is None else {one_int("scan", "length", length, least=1)})
    if not lengths:
        raise ValueError("scan: expected xs or a length")
    if len(lengths) > 1:
        what = "the parts of xs" if length is None else "xs and length"
        raise ValueError(f"scan: {what} have different numbers of steps: {', '.join(map(str, sorted(lengths)))}")
    if not (steps := lengths.pop()):
        raise ValueError("scan: expected at least one step, got none")
    return steps


# -- the body ------------------------------------------------------------------------------------------------------------------


class Body:
    """A recorded function of flat lists of tensors: those that all steps share, the state, and the inputs of one step.

    captured  the tensors that the function used besides its arguments, which are the first operands
    shared    how many operands all steps share, captured ones included
    state     how many tensors the state has, which are the first results
    outputs   the results in the recorded run
    """

    def __init__(self, trace: ExampleTrace, outputs: Sequence[Tensor], state: int, shared: int = 0):
        self._trace, self.outputs, self.state = trace, list(outputs), state
        self._values = [trace.value_of(y) for y in outputs]
        self._connected = [trace.is_connected(y) for y in outputs]
        mine = {id(value.tensor) for value in trace.arguments}
        used = [x for operands in (*trace.operands, outputs) for x in operands if trace.is_outside(x) and id(x) not in mine]
        self.captured = list({id(x): x for x in used}.values())
        self.shared = shared + len(self.captured)
        self._positions = {id(x): i for i, x in enumerate(self.captured)}

    @property
    def operands(self) -> list[Tensor]:
        """The operands in the recorded run."""
        return [*self.captured, *[value.tensor for value in self._trace.arguments if value.tensor is not None]]

    @property
    def flops(self) -> int:
        """Floating-point operations of one step."""
        return sum(
            call.primitive.count_flops([v.array for v in call.inputs], [v.array for v in call.outs], call.params)
            for call in self._trace.calls
        )

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Computes the results of one step from arrays."""
        known: dict[Value, Any] = dict(zip(self._trace.arguments, arrays[len(self.captured) :], strict=True))

        def read(value: Value, x: Tensor) -> Any:
            if value in known:
                return known[value]
            return arrays[self._positions[id(x)]] if id(x) in self._positions else value.array

        for call, tensors in zip(self._trace.calls, self._trace.operands, strict=True):
            result = call.primitive.kernel(*map(read, call.inputs, tensors), **call.params)
            results = result if isinstance(result, tuple) else (result,)
            known.update(zip(call.outs, map(np.asarray, results), strict=True))
        return list(map(read, self._values, self.outputs))

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Computes the results of one step from tensors; `detach` and `no_grad` in the function end gradients here too."""
        known: dict[Value, Tensor] = dict(zip(self._trace.arguments, tensors[len(self.captured) :], strict=True))

        def read(value: Value, x: Tensor, connected: bool) -> Tensor:
            tensor = known.get(value)
            if tensor is None:
                tensor = tensors[self._positions[id(x)]] if id(x) in self._positions else leaf(value.array)
            return tensor.detach() if tensor._requires_grad and not connected else tensor

        for call, inputs, connected in zip(self._trace.calls, self._trace.operands, self._trace.connected, strict=True):
            result = apply(call.primitive, tuple(map(read, call.inputs, inputs, connected)), call.params)
            known.update(zip(call.outs, result if isinstance(result, tuple) else (result,), strict=True))
        return list(map(read, self._values, self.outputs, self._connected))

    @cached_property
    def backward(self) -> Body:
        """The body of the backward pass: it runs a step again and differentiates it. Only floating tensors have gradients.

        It shares the same operands. Its state is the gradients of the state and of the shared operands. The inputs of a step
        are the inputs and the state that the step had, the gradients of its results, and those of the state as it was kept.
        Its results are the gradients of the inputs.
        """
        shared, state, inputs = split(self.operands, self.shared, self.state)
        parts = [shared, floats(state), floats(shared), inputs, state, floats(self.outputs[self.state :]), floats(state)]
        arguments = [[_variable(x) for x in part] for part in parts]
        trace = ExampleTrace(list(chain(*arguments)), "scan", ONCE)
        with mode("tracer", trace), enable_grad():
            return Body(trace, _differentiate(self, *arguments), len(floats(state)) + len(floats(shared)), len(shared))


def _differentiate(
    body: Body,
    shared: list[Tensor],
    d_state: list[Tensor],
    d_shared: list[Tensor],
    inputs: list[Tensor],
    state: list[Tensor],
    d_results: list[Tensor],
    d_kept: list[Tensor],
) -> list[Tensor]:
    """Returns the new gradients of the state and of the shared operands, and the gradients of the inputs, of one step."""
    operands = [*shared, *state, *inputs]

    def step(*variables: Tensor) -> tuple[Tensor, ...]:
        remaining = iter(variables)
        return tuple(floats(body(*[next(remaining) if is_float(x) else x for x in operands])))

    _, pullback = vjp(step, *floats(operands))
    by_shared, by_state, by_inputs = split(pullback((*d_state, *d_results)), len(d_shared), len(d_state))
    return [
        *[a + b for a, b in zip(by_state, d_kept, strict=True)],
        *[a + b for a, b in zip(d_shared, by_shared, strict=True)],
        *by_inputs,
    ]


def split(values: Sequence[Any], shared: int, state: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Returns the shared operands, the state and the inputs of a step as three lists."""
    return list(values[:shared]), list(values[shared : shared + state]), list(values[shared + state :])


def is_float(x: Any) -> bool:
    return bool(x.dtype.kind == "f")


def floats(values: Sequence[Any]) -> list[Any]:
    return [x for x in values if is_float(x)]


def _variable(x: Tensor) -> Tensor:
    """Returns a new leaf with the values of a tensor, through which gradients can pass."""
    variable = leaf(np.array(x._data))
    variable.requires_grad = is_float(variable)
    return variable


def _record(f: Callable[[Any, Any], Any], states: Tree, inputs: Tree) -> tuple[Body, Tree]:
    """Runs f on the first step; returns its body, and the structure of its result besides the state."""
    flat = [*map(_variable, _leaves(states)), *[_variable(leaf(x._data[0])) for x in _leaves(inputs)]]
    count = len(_leaves(states))
    trace = ExampleTrace(flat, "scan", ONCE)
    with mode("tracer", trace), enable_grad():
        result = f(_rebuild(states, flat[:count]), _rebuild(inputs, flat[count:]))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"scan: the function must return a pair (state, result), got {short(result)}")
        structure = _tensors(result[1], np.dtype(float))
        return Body(trace, [*_check_state(result[0], states), *_leaves(structure)], count), structure


def _check_state(new: Tree, states: Tree) -> list[Tensor]:
    """Returns the tensors of a new state. Raises ValueError unless they are like those of the first state."""
    old, found = _leaves(states), _leaves(new)
    if len(old) != len(found):
        raise ValueError(f"scan: each state must have the structure of init, {short(states)}, got {short(new)}")
    tensors = [as_tensor_beside(y, x.dtype) for x, y in zip(old, found, strict=True)]
    for x, y in zip(old, tensors, strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            raise ValueError(
                f"scan: each state must have the shape and dtype of init, {x.shape} and {x.dtype}, got {y.shape} and {y.dtype}"
                "; convert init, or the new state, with .astype"
            )
    return tensors


# -- the loop ------------------------------------------------------------------------------------------------------------------


def _repeat(body: Body, operands: Sequence[Any], steps: int, reverse: bool) -> Sequence[Any]:
    """Returns the last state, the stacked results, and the stacked states before each step; of tensors or of arrays."""
    params = {"body": body, "steps": steps, "reverse": reverse}
    primitive = _primitive(len(body.outputs) + body.state)
    recorded = any(isinstance(x, Tensor) for x in operands)
    results = apply(primitive, tuple(operands), params) if recorded else primitive.kernel(*operands, **params)
    return results if isinstance(results, tuple) else (results,)


def _loop(*arrays: Any, body: Body, steps: int, reverse: bool) -> Any:
    shared, state, inputs = split(arrays, body.shared, body.state)
    kept = [np.empty((steps, *x.shape), x.dtype) for x in state]
    stacks = [np.empty((steps, *y.shape), y.dtype) for y in body.outputs[body.state :]]
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        for stack, x in zip(kept, state, strict=True):
            stack[t] = x
        results = body.run([*shared, *state, *[x[t] for x in inputs]])
        state = results[: body.state]
        for stack, y in zip(stacks, results[body.state :], strict=True):
            stack[t] = y
    everything = (*map(np.array, state), *stacks, *kept)
    return everything if len(everything) > 1 else everything[0]


def _loop_rule(
    xp: Any, needs: list[bool], g: Any, out: Any, *operands: Any, body: Body, steps: int, reverse: bool
) -> list[Any]:
    """Runs the backward pass as a loop in the other direction."""
    several = isinstance(out, tuple)
    outputs = out if several else (out,)
    recorded = isinstance(operands[0], Tensor)

    def zeros(x: Any) -> Any:
        array = np.zeros(x.shape, x.dtype)
        return leaf(array) if recorded else array

    gradients = [zeros(y) if d is None else d for y, d in zip(outputs, g if several else (g,), strict=True)]
    shared, _, inputs = split(operands, body.shared, body.state)
    kept = outputs[len(body.outputs) :]
    d_state, d_results, d_kept = (
        [d for d, y in zip(ds, ys, strict=True) if is_float(y)]
        for ds, ys in ((part, whole) for part, whole in zip(_by_role(gradients, body), _by_role(outputs, body), strict=True))
    )
    start = [*d_state, *map(zeros, floats(shared))]
    results = _repeat(body.backward, [*shared, *start, *inputs, *kept, *d_results, *d_kept], steps, not reverse)
    by_state, by_shared = results[: len(d_state)], results[len(d_state) : len(start)]
    found = iter([*by_shared, *by_state, *results[len(start) : len(start) + len(floats(inputs))]])
    return [next(found) if is_float(x) else None for x in operands]


def _by_role(values: Sequence[Any], body: Body) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Returns what belongs to the last state, to the results and to the states that were kept."""
    return values[: body.state], values[body.state : len(body.outputs)], values[len(body.outputs) :]


@cache
def _primitive(outputs: int) -> Primitive:
    """The loop as a primitive with this number of outputs."""
    return Primitive(
        f"scan{outputs}", _loop, _loop_rule, formula="(state, yₜ) = f(state, xₜ)",
        derivative=("f′, from the last step to the first",), outputs=outputs, uniform=False,
        flops=lambda inputs, outputs, params: params["steps"] * params["body"].flops,
    )  # fmt: skip
