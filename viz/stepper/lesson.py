"""The frames of a lesson: the forward pass, the loss, the backward pass, the update, and the next iteration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from autograd_mini.tensor import Array, Tensor

from ..chain_rule.derive import Equation, equations_mathml, gradient_equations, with_numbers
from ..chain_rule.markup import to_text
from ..chain_rule.program import Link, Program
from ..chain_rule.term import Term, add, multiply, negate, number, symbol
from ..graph.nodes import Graph, Node
from ..graph.summary import format_number
from ..language import translate
from .frames import (
    Event,
    Frame,
    Granularity,
    Phase,
    Show,
    gradient_symbol,
    heads,
    layer_titles,
    line,
    make_frame,
    make_frames,
    node_name,
    observe_backward,
    short_rows,
)  # fmt: skip
from .rerun import numerical_gradient, rerun

if TYPE_CHECKING:
    from autograd_mini import nn

DESCENT: Final = "The update by {rule}: a step of size η = {rate} against the gradient."
OWN_RULE: Final = "The update by {rule}: the change Δ follows its own rule, with the step size {rate}."
MAX_DERIVED: Final = 6  # parameters whose derivation the last frame shows


class Iteration(NamedTuple):
    """One pass of the program: its loss, and the graph with the values of this pass."""

    number: int
    loss: Tensor
    graph: Graph


def make_lesson(
    loss: Tensor, graph: Graph, granularity: Granularity, forward: bool, update: nn.Optimizer | None, iterations: int
) -> list[Frame]:
    """Returns the frames of all iterations. The optimizer is copied, so the program's parameters do not change."""
    frames: list[Frame] = []
    optimizer = copy.deepcopy(update)
    leaves = {} if optimizer is None or update is None else dict(_copies(update, optimizer))
    parameters = {node.number: leaves[node.seq] for node in graph.nodes if node.seq in leaves}
    now = Iteration(1, loss, graph)
    losses = [loss._data.item()]
    for k in range(1, iterations + 1):
        frames += _iteration_frames(now, granularity, forward)
        if optimizer is None:
            break
        frames += _update_frames(now, optimizer, parameters)
        following = _next(loss, graph, leaves, k + 1)
        losses.append(following.loss._data.item())
        if k == iterations:
            frames.append(_losses_frame(following, losses))
        now = following
    return frames


def _copies(original: nn.Optimizer, copied: nn.Optimizer) -> Iterator[tuple[int, Tensor]]:
    """Yields the creation number of each parameter with the parameter of the copied optimizer."""
    for old, new in zip(original.param_groups, copied.param_groups, strict=True):
        for a, b in zip(old["params"], new["params"], strict=True):
            b.grad = None
            yield a._seq, b


def _next(loss: Tensor, graph: Graph, leaves: dict[int, Tensor], k: int) -> Iteration:
    """Runs the program with the new values of its parameters."""
    new = rerun(loss, leaves)
    nodes = []
    for node in graph.nodes:
        t = new[node.seq]
        array = None if node.array is None else np.array(t._data)
        nodes.append(node._replace(array=array, seq=t._seq, grad=None))
    return Iteration(k, new[loss._seq], graph._replace(nodes=nodes))


def _iteration_frames(now: Iteration, granularity: Granularity, forward: bool) -> list[Frame]:
    events, gradients = observe_backward(now.loss, now.graph)
    program = Program(now.graph, now.loss, now.graph.roots[0], "δ" in {n.symbol[0] for n in now.graph.nodes}, gradients)
    show = Show(now.number, partial(_event_mathml, program), partial(_numeric, now.loss, {}))
    frames = list(_forward_frames(now, program, granularity)) if forward else []
    backward = make_frames(now.graph, events, gradients, granularity, show)
    backward[-1]["math"] = _derivations(now, gradients)
    if not forward:
        backward[0]["values"] = {f"n{n.number}": value_lines(n.array) for n in now.graph.nodes if n.array is not None}
    return [*frames, *backward]


# -- forward ----------------------------------------------------------------------------------------------------------------


def _forward_frames(now: Iteration, program: Program, granularity: Granularity) -> Iterator[Frame]:
    """Yields the frame of the inputs and parameters, one for each operation or layer, and the last one for the loss."""
    graph, operands = now.graph, now.graph.operands()
    leaves = [node for i, node in enumerate(graph.nodes) if node.array is not None and not operands[i]]
    shown = [node for node in leaves if node.name]
    caption = translate("Before the forward pass: the input, and the parameters with their current values.")
    start = make_frame(
        "start", translate("iteration {k}: inputs and parameters", k=now.number), caption,
        [line(node_name(node), "", node.array, heads=heads(node)) for node in shown], leaves,
    )  # fmt: skip
    yield _finish(start, "forward", now.number, values=leaves, clear=True)
    titles = layer_titles(graph) if granularity == "layer" else {}
    operations = [i for i, node in enumerate(graph.nodes) if node.primitive is not None]

    def key(i: int) -> str:
        return titles.get(graph.nodes[i].number, "") if titles else str(i)

    for title, group in groupby(operations, key):
        yield _forward_frame(now, program, list(group), title if titles else "")


def _forward_frame(now: Iteration, program: Program, operations: Sequence[int], title: str) -> Frame:
    graph = now.graph
    outputs = [e.target for e in graph.edges if e.source in set(operations)]
    sources = [e.source for e in graph.edges if e.target in set(operations)]
    equations = [equation for i in outputs if (equation := _equation(program, i)) is not None]
    is_loss = graph.roots[0] in outputs
    names = ", ".join(graph.nodes[i].name for i in operations)
    heading = title or (_heading(equations) if equations else f"{names} → {program.names[outputs[0]] if outputs else ''}")
    lines = [
        line(program.names[i], translate("{operation} of {operands}", operation=names, operands=_names(program, sources)),
             graph.nodes[i].array, answer=True, heads=heads(graph.nodes[i]))
        for i in outputs
    ]  # fmt: skip
    text = "The loss: one number that the backward pass starts from." if is_loss else "Forward: {names} is computed."
    caption = translate(text, names=_names(program, outputs))
    nodes = [graph.nodes[i] for i in (*operations, *outputs)]
    frame = make_frame("loss" if is_loss else "forward", heading, caption, lines, nodes)
    inside = [e for e in graph.edges if e.target in set(operations)]
    frame["edges"] = [f"n{graph.nodes[e.source].number}->n{graph.nodes[e.target].number}" for e in inside]
    frame["math"] = equations_mathml(equations) if equations else ""
    return _finish(frame, "loss" if is_loss else "forward", now.number, values=[graph.nodes[i] for i in outputs])


def _equation(program: Program, i: int) -> Equation | None:
    """Returns how a tensor was computed, with the numbers put in; None if the record has no formula."""
    term, value = program.definition(i), program.graph.nodes[i].array
    if term is None or value is None:
        return None
    return with_numbers(symbol(program.names[i], value), [term], value)


def _heading(equations: Sequence[Equation]) -> str:
    first = equations[0]
    return f"{to_text(first.left)} = {to_text(first.sides[0])}"


def _names(program: Program, indices: Iterable[int]) -> str:
    return ", ".join(dict.fromkeys(program.names[i] for i in indices))


def _finish(frame: Frame, phase: Phase, k: int, values: Iterable[Node] = (), clear: bool = False) -> Frame:
    frame["phase"], frame["iteration"], frame["clear"] = phase, k, clear
    frame["values"] = {f"n{node.number}": value_lines(node.array) for node in values if node.array is not None}
    return frame


# -- backward ---------------------------------------------------------------------------------------------------------------


def _event_mathml(program: Program, events: Sequence[Event]) -> str:
    """Returns the formulas of contributions, with the numbers put in."""
    equations = []
    at = {node.number: i for i, node in enumerate(program.graph.nodes)}
    for event in events:
        operation, operand = at[event.operation.number], at[event.operand.number]
        outputs = [e for e in program.graph.edges if e.source == operation]
        if len(outputs) != 1 or event.upstream is None:
            continue
        link = Link(operation, event.slot, operand, outputs[0].target, outputs[0].slot)
        delta = symbol(program.gradient_name(link.output), event.upstream)
        is_seed = link.output == program.graph.roots[0]
        start: Term = number("1") if is_seed else delta
        forms = [program.apply(link, start, event.upstream, general) for general in (True, False)]
        left = symbol(program.gradient_name(operand), event.unbroadcast)
        if event.previous is not None:
            forms = [add([symbol("…", event.previous), form]) for form in forms]
        total = event.unbroadcast if event.previous is None else event.previous + event.unbroadcast
        equations.append(with_numbers(left, forms, total))
    return equations_mathml(equations) if equations else ""


def _numeric(loss: Tensor, done: dict[int, Array | None], node: Node) -> Array | None:
    """Returns the numerical gradient of a tensor, computed once."""
    if node.seq not in done:
        done[node.seq] = numerical_gradient(loss, node.seq)
    return done[node.seq]


def _derivations(now: Iteration, gradients: dict[int, Array]) -> str:
    """Returns the equations of the gradients of the parameters, shared factors once."""
    targets = [i for i, n in enumerate(now.graph.nodes) if n.kind == "parameter" and n.seq in gradients]
    equations: dict[str, Equation] = {}
    for i in targets[:MAX_DERIVED]:
        equations |= {to_text(e.left): e for e in gradient_equations(now.graph, now.loss, i, gradients)}
    return equations_mathml(equations.values()) if equations else ""


# -- update -----------------------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """What an optimizer did to a parameter: its values before and after, the gradient, the step size, the optimizer's name."""

    old: Array
    slope: Array
    new: Array
    rate: Any
    rule: str


def _update_frames(now: Iteration, optimizer: nn.Optimizer, parameters: dict[int, Tensor]) -> Iterator[Frame]:
    """Runs one step of the copied optimizer and yields a frame for each parameter."""
    _, gradients = observe_backward(now.loss, now.graph)
    pairs = [(node, parameters[node.number]) for node in now.graph.nodes if node.number in parameters and node.seq in gradients]
    for node, parameter in pairs:
        parameter.grad = Tensor(gradients[node.seq])
    before = [np.array(parameter._data) for _, parameter in pairs]
    rates = {id(p): group.get("lr") for group in optimizer.param_groups for p in group["params"]}
    optimizer.step()
    for (node, parameter), old in zip(pairs, before, strict=True):
        change = Change(old, gradients[node.seq], np.array(parameter._data), rates[id(parameter)], type(optimizer).__name__)
        yield _update_frame(now, node, change)


def _update_frame(now: Iteration, node: Node, change: Change) -> Frame:
    """Returns the frame of one parameter: w ← w − η ∂L/∂w where that is what the optimizer did, else w ← w + Δw."""
    name, target = node_name(node), gradient_symbol(node)
    old, slope, new, rate, rule = change
    is_descent = isinstance(rate, float) and np.allclose(new, old - rate * slope, rtol=1e-5, atol=1e-8)
    title = f"{name} ← {name} − η {target}" if is_descent else f"{name} ← {name} + Δ{name}"
    step = multiply([symbol("η", np.array(rate)), symbol(target, slope)]) if is_descent else symbol(f"Δ{name}", new - old)
    form = add([symbol(name, old), negate(step) if is_descent else step])
    lines = [
        line(name, translate("before the update"), old, heads=heads(node)),
        line(target, "", slope, heads=heads(node)),
        line(name, translate("after the update"), new, answer=True, heads=heads(node)),
    ]
    caption = translate(
        DESCENT if is_descent else OWN_RULE, rule=rule, rate=format_number(float(rate)) if rate is not None else "—"
    )
    frame = make_frame("update", title, caption, lines, [node])
    frame["math"] = equations_mathml([with_numbers(symbol(name), [form], new)], sign="←")
    return _finish(frame, "update", now.number, values=[node._replace(array=new)])


def _losses_frame(now: Iteration, losses: Sequence[float]) -> Frame:
    """Returns the last frame: the loss of each iteration."""
    values = " → ".join(format_number(v) for v in losses)
    caption = translate("The loss after each update: {values}", values=values)
    rows = np.array(losses)[:, None]
    names = [str(k) for k in range(1, len(losses) + 1)]
    frame = make_frame("losses", f"L: {values}", caption, [line("L", translate("by iteration"), rows, heads=names)], [])
    return _finish(frame, "update", now.number - 1)


# -- what nodes and rows show ---------------------------------------------------------------------------------------------


def value_lines(array: Array | None) -> list[str]:
    """Returns the lines that a node shows for its value: a number, a small matrix row by row, or mean ± deviation."""
    return [] if array is None else short_rows(array)
