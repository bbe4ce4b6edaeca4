"""One backward pass as a list of frames, made from what the engine's backward pass reports to its observer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypedDict

import numpy as np

from autograd_mini.backward import reachable, walk
from autograd_mini.tensor import Array, Tensor

from ..graph import summary
from ..graph.collapse import title
from ..graph.lecture import UnclearLayers, find_layers, rename_operand
from ..graph.nodes import Graph, Node
from ..language import translate

Granularity: TypeAlias = Literal["op", "layer"]

MAX_ROWS, MAX_COLUMNS = 3, 4  # of a matrix inside a node
MAX_ELEMENTS: Final = 36  # larger arrays are summarised
DELTA: Final = re.compile("δ(?!ᵢⱼ)")  # the upstream gradient in the text of a rule, not Kronecker's delta
LETTER: Final = {x: re.compile(rf"(?<![a-z]){x}(?![a-z])") for x in "ab"}


Phase: TypeAlias = Literal["forward", "loss", "backward", "update"]


class Line(TypedDict):
    """One quantity of a frame: its label, its formula or shapes, and the rows of its matrix as text. A quiz hides `answer`.

    `heads` names the rows; it is empty if they have no names.
    """

    label: str
    detail: str
    rows: list[list[str]]
    answer: bool
    heads: list[str]


class Frame(TypedDict):
    """One step: its kind, title, caption and lines, and the nodes and edges of the picture that it highlights.

    phase, iteration  where the step belongs; `clear` starts a new pass
    values, grads     what nodes show from this step on
    math              the formula as MathML
    numeric           the numerical gradient of the step's tensor, and how far the result is from it
    """

    kind: str
    title: str
    caption: str
    lines: list[Line]
    nodes: list[str]
    edges: list[str]
    known: list[str]
    phase: Phase
    iteration: int
    clear: bool
    values: dict[str, list[str]]
    grads: dict[str, list[str]]
    math: str
    numeric: list[Line]


class Show(NamedTuple):
    """What frames of a backward pass show beside the numbers: the iteration, formulas, and numerical gradients."""

    iteration: int = 1
    mathml: Callable[[Sequence[Event]], str] = lambda events: ""
    numeric: Callable[[Node], Array | None] = lambda node: None


class Event(NamedTuple):
    """A contribution to the gradient of operand `slot`: `raw` by the rule, `unbroadcast` in the operand's shape.

    `upstream` is the δ of the operation, `previous` the sum of earlier contributions.
    """

    operation: Node
    slot: int
    operand: Node
    upstream: Array | None
    raw: Array
    unbroadcast: Array
    previous: Array | None
    operands: tuple[Node, ...]


def observe_backward(loss: Tensor, graph: Graph) -> tuple[list[Event], dict[int, Array]]:
    """Runs one backward pass; returns its contributions in order and the final gradients by creation number."""
    operations = {node.seq: node for node in graph.nodes if node.primitive is not None}
    tensors = {node.seq: node for node in graph.nodes if node.array is not None}
    events: list[Event] = []
    sums: dict[int, Array] = {}

    def observe(output: Tensor, slot: int, upstream: Any, raw: Any, contribution: Any) -> None:
        operand = output._inputs[slot]
        previous = sums.get(operand._seq)
        sums[operand._seq] = np.array(contribution if previous is None else previous + contribution)
        g = next((g for g in upstream if g is not None), None) if isinstance(upstream, list) else upstream
        operands = tuple(tensors[x._seq] for x in output._inputs)
        events.append(
            Event(
                operations[output._seq], slot, tensors[operand._seq], None if g is None else np.array(g),
                np.array(raw), np.array(contribution), previous, operands,
            )
        )  # fmt: skip

    nodes = reachable([loss])
    gradients = walk(nodes, [loss], [None], create_graph=False, keep=nodes.keys(), observe=observe)
    return events, {seq: g for seq, g in gradients.items() if not isinstance(g, list)}


def make_frames(
    graph: Graph, events: Sequence[Event], gradients: dict[int, Array], granularity: Granularity, show: Show | None = None
) -> list[Frame]:
    """Returns the frames of a pass: the seed, one or more per contribution or one per layer, and the final gradients."""
    show = show or Show()
    if granularity == "op":
        last = {event.operand.number: k for k, event in enumerate(events)}
        steps = [
            frame
            for k, event in enumerate(events)
            for frame in _contribution_frames(event, show, last[event.operand.number] == k)
        ]
    else:
        layer_of = layer_titles(graph)
        groups = groupby(events, lambda event: layer_of.get(event.operation.number, translate("outside the layers")))
        steps = [_layer_frame(name, list(group), show) for name, group in groups]
    frames = [_seed_frame(graph), *steps, _final_frame(graph, gradients, show)]
    for frame in frames:
        frame["iteration"] = show.iteration
    return frames


def _seed_frame(graph: Graph) -> Frame:
    root = graph.nodes[graph.roots[0]]
    first = line("∂L/∂L", translate("the loss with respect to itself"), np.ones(()))
    caption = translate("The backward pass starts at the loss: its derivative with respect to itself is 1.")
    frame = make_frame("seed", "∂L/∂L = 1", caption, [first], [root], known=[root])
    frame["grads"] = {f"n{root.number}": ["∂L/∂L = 1"]}
    return frame


def _contribution_frames(event: Event, show: Show, is_complete: bool) -> Iterator[Frame]:
    """Yields a contribution and, if they occur, the sum over broadcast copies and the sum with earlier contributions."""
    name, target = event.operation.name, gradient_symbol(event.operand)
    lines = [
        line(translate("upstream"), translate("δ of the operation's output"), event.upstream, heads=examples(event.upstream)),
        *_other_factor(event),
        line(translate("contribution"), describe_shapes(event), event.raw, answer=True, heads=heads(event.operand)),
    ]
    operand = node_name(event.operand)
    text = "{operation} contributes to the gradient of {name}: {rule}"
    caption = translate(text, operation=name, name=operand, rule=describe_rule(event))
    frame = make_frame("rule", f"{name} → {target}", caption, lines, [event.operation, event.operand], [event], [event.operand])
    frame["math"] = show.mathml([event])
    total = event.unbroadcast if event.previous is None else event.previous + event.unbroadcast
    frame["grads"] = {f"n{event.operand.number}": gradient_lines(event.operand, total)}
    frame["numeric"] = _check_lines(event.operand, total, show) if is_complete else []
    yield frame
    if event.raw.shape != event.unbroadcast.shape:
        lines = [
            line(translate("per copy"), str(event.raw.shape), event.raw),
            line(
                translate("sum over the copies"),
                f"{shape_text(event.unbroadcast.shape)} ← Σ {event.raw.shape}",
                event.unbroadcast,
                answer=True,
            ),
        ]
        caption = translate("{name} was broadcast, so its gradient is the sum over the copies", name=operand)
        heading = translate("undo broadcasting: {target}", target=target)
        yield make_frame("unbroadcast", heading, caption, lines, [event.operand], [event], [event.operand])
    if event.previous is not None:
        lines = [
            line(translate("old"), "", event.previous),
            line(translate("+ new"), "", event.unbroadcast),
            line(translate("= total"), "", event.previous + event.unbroadcast, answer=True),
        ]
        caption = translate("{name} was used more than once: its gradients add up, old + new = total", name=operand)
        yield make_frame(
            "accumulate",
            translate("add up: {target}", target=target),
            caption,
            lines,
            [event.operand],
            [event],
            [event.operand],
        )


def _layer_frame(name: str, events: list[Event], show: Show) -> Frame:
    first = events[0]
    lines = [line(translate("upstream"), translate("incoming δ"), first.upstream)]
    for event in events:
        total = event.unbroadcast if event.previous is None else event.previous + event.unbroadcast
        detail = f"{describe_rule(event)}   {describe_shapes(event)}"
        lines.append(line(gradient_symbol(event.operand), detail, total, answer=True))
    nodes = [node for event in events for node in (event.operation, event.operand)]
    pairs = [(event.operation.name, node_name(event.operand)) for event in events]
    steps = translate(", then ").join(translate("{operation} to {name}", operation=o, name=n) for o, n in pairs)
    caption = translate("{layer}: contributions from {contributions}", layer=name, contributions=steps)
    frame = make_frame("layer", name, caption, lines, nodes, events, [event.operand for event in events])
    frame["math"] = show.mathml(events)
    for event in events:
        total = event.unbroadcast if event.previous is None else event.previous + event.unbroadcast
        frame["grads"][f"n{event.operand.number}"] = gradient_lines(event.operand, total)
    return frame


def _final_frame(graph: Graph, gradients: dict[int, Array], show: Show) -> Frame:
    leaves = [node for node in graph.nodes if node.kind == "parameter" and node.seq in gradients]
    lines = [line(gradient_symbol(node), str(node.shape or ""), gradients[node.seq], heads=heads(node)) for node in leaves]
    caption = translate("Every parameter has its gradient: this is what backward adds to .grad.")
    frame = make_frame("end", translate("the gradients"), caption, lines, leaves, known=leaves)
    frame["numeric"] = [check for node in leaves for check in _check_lines(node, gradients[node.seq], show)]
    return frame


def make_frame(
    kind: str,
    title: str,
    caption: str,
    lines: list[Line],
    nodes: Sequence[Node],
    events: Sequence[Event] = (),
    known: Sequence[Node] = (),
) -> Frame:
    edges = [f"n{event.operand.number}->n{event.operation.number}" for event in events]
    return {
        "kind": kind, "title": title, "caption": caption, "lines": lines, "edges": edges,
        "nodes": [f"n{node.number}" for node in nodes], "known": [f"n{node.number}" for node in known],
        "phase": "backward", "iteration": 1, "clear": False, "values": {}, "grads": {}, "math": "", "numeric": [],
    }  # fmt: skip


def _check_lines(node: Node, computed: Array, show: Show) -> list[Line]:
    """Returns the numerical gradient of a tensor, and the largest difference from the computed one."""
    numeric = show.numeric(node)
    if numeric is None or not numeric.size:
        return []
    scale = max(float(np.abs(numeric).max()), 1e-12)
    difference = float(np.abs(numeric - computed).max()) / scale
    text = translate("central differences; relative difference {difference}", difference=f"{difference:.0e}")
    return [line(translate("numerical {symbol}", symbol=gradient_symbol(node)), text, numeric)]


def heads(node: Node) -> list[str]:
    """Returns the names of the rows of a matrix: units of a parameter, examples of a batch."""
    if node.kind != "parameter" or node.array is None:
        return examples(node.array)
    return [translate("unit {i}", i=i + 1) for i in range(len(examples(node.array)))]


def examples(array: Array | None) -> list[str]:
    """Returns the names of the rows of a matrix that belong to the examples of a batch."""
    if array is None or array.ndim != 2 or array.size > MAX_ELEMENTS:
        return []
    return [translate("example {i}", i=i + 1) for i in range(array.shape[0])]


def short_rows(array: Array) -> list[str]:
    """Returns what fits into a node: a number, a matrix of up to three rows, or mean and deviation.

    >>> import numpy as np
    >>> from autograd_mini.viz.stepper.frames import short_rows
    >>> short_rows(np.array(144.0)), short_rows(np.eye(2)), short_rows(np.zeros((9, 9)))
    (['144'], ['[1  0]', '[0  1]'], ['0 ± 0'])
    """
    if array.size == 1:
        return [summary.format_number(float(array.reshape(-1)[0])).replace("-", "−")]
    if array.size and array.ndim <= 2:
        rows = np.atleast_2d(array)
        if rows.shape[0] <= MAX_ROWS and rows.shape[1] <= MAX_COLUMNS:
            return ["[" + "  ".join(summary.format_number(float(v), 2) for v in row).replace("-", "−") + "]" for row in rows]
    return [summary.format_values(array).replace("-", "−")]


def gradient_lines(node: Node, gradient: Array) -> list[str]:
    """Returns what a node shows of its gradient: its symbol and the number, or the rows below it."""
    rows = short_rows(gradient)
    symbol = gradient_symbol(node)
    return [f"{symbol} = {rows[0]}"] if len(rows) == 1 else [symbol, *rows]


def line(label: str, detail: str, array: Array | None, answer: bool = False, heads: Sequence[str] = ()) -> Line:
    """Returns one quantity of a frame; `heads` are the names of its rows."""
    rows = [] if array is None else format_array(array)
    names = list(heads) if len(heads) == len(rows) else []
    return {"label": label, "detail": detail, "rows": rows, "answer": answer, "heads": names}


def format_array(array: Array) -> list[list[str]]:
    """Formats an array as rows of short numbers, or as one cell with a summary if it is large.

    >>> import numpy as np
    >>> from autograd_mini.viz.stepper.frames import format_array
    >>> format_array(np.array([[1.0, 0.25]])), format_array(np.zeros((9, 9)))
    ([['1', '0.25']], [['0 ± 0']])
    """
    if array.size > MAX_ELEMENTS or array.ndim > 2 or not array.size:
        return [[summary.format_values(array)]]
    return [[summary.format_number(float(value)) for value in row] for row in np.atleast_2d(array)]


def _other_factor(event: Event) -> Iterator[Line]:
    """Yields the other factor of the contribution: an operand, or the local derivative with its numbers if they are known."""
    text = _derivative(event)
    _, other = _product(event)
    if other is not None:
        factor = event.operands[other]
        yield line(translate("other factor: {name}", name=node_name(factor)), f"{factor.shape}", factor.array)
    if not text or DELTA.search(text):
        return
    upstream = event.upstream
    assert event.operation.primitive is not None
    comparable = event.operation.primitive.elementwise and upstream is not None and upstream.shape == event.raw.shape
    if comparable and upstream is not None and np.isfinite(upstream).all() and upstream.all():
        yield line(translate("× local derivative"), _explain_letters(event, text), event.raw / upstream)
    else:
        yield line(translate("× local derivative"), _explain_letters(event, text), None)


def _explain_letters(event: Event, text: str) -> str:
    """Adds to the text of a derivative which operands a and b are."""
    used = [f"{x} = {node_name(node)}" for x, node in zip("ab", event.operands, strict=False) if LETTER[x].search(text)]
    return f"{text}   ({', '.join(used)})" if used and len(event.operands) == 2 else text


def describe_rule(event: Event) -> str:
    """Returns the formula of the contribution: `δ W`, or upstream times the local derivative."""
    text = _derivative(event)
    if not text:
        return translate("δ through this operation's rule")
    if DELTA.search(text):
        return text
    return "δ" if text == "1" else f"δ · ({text})" if " " in text else f"δ · {text}"


def _derivative(event: Event) -> str:
    """Returns the local derivative from the operation's record, with u as its operand if that is a pre-activation."""
    primitive = event.operation.primitive
    assert primitive is not None
    if not primitive.derivative:
        return ""
    text = primitive.derivative[min(event.slot, len(primitive.derivative) - 1)]
    return rename_operand(text) if "u⁽" in event.operand.name else text


def describe_shapes(event: Event) -> str:
    """Returns how the shape of the contribution results: `(4, 5) ← (4, 2) @ (2, 5)`."""
    upstream = () if event.upstream is None else event.upstream.shape
    product, _ = _product(event)
    if product and len(upstream) == 2 and all(len(x.shape) == 2 for x in event.operands[:2]):
        parts = {"out": event.raw.shape, "g": upstream, "gT": upstream[::-1]}
        parts |= {str(i): x.shape for i, x in enumerate(event.operands)}
        parts |= {f"{i}T": x.shape[::-1] for i, x in enumerate(event.operands)}
        return re.sub(r"\{(\w+)\}", lambda match: str(parts[match[1]]), product)
    assert event.operation.primitive is not None
    if not upstream and not event.raw.shape:
        return shape_text(())
    if event.operation.primitive.elementwise and upstream:
        return f"{event.raw.shape} ← {upstream} ⊙ {upstream}"
    return f"{shape_text(event.raw.shape)} ← {shape_text(upstream)}"


def shape_text(shape: tuple[int, ...]) -> str:
    """Returns a shape as text; the shape of one number is "scalar"."""
    return str(shape) if shape else translate("scalar")


def _product(event: Event) -> tuple[str, int | None]:
    """How the shapes of a product combine, and the operand that is the other factor; ("", None) for any other rule."""
    products = event.operation.primitive.products if event.operation.primitive else ()
    return products[event.slot] if event.slot < len(products) else ("", None)


def node_name(node: Node) -> str:
    """Returns a tensor's name, or the number of its node in the picture."""
    return node.name or f"#{node.number}"


def gradient_symbol(node: Node) -> str:
    """Returns the symbol of a tensor's gradient: δ⁽²⁾, ∂L/∂w."""
    return node.symbol if node.symbol.startswith("δ") else f"∂L/∂{node_name(node).split(' = ')[0]}"


def layer_titles(graph: Graph) -> dict[int, str]:
    """Maps the number of each operation to the name of its module or, without modules, of its layer."""
    if any(node.scope for node in graph.nodes):
        return {n.number: title(graph, n.scope) for n in graph.nodes if n.kind == "operation" and n.scope}
    try:
        layers = find_layers(graph)
    except UnclearLayers:
        return {}
    titles: dict[int, str] = {}
    for layer in layers:
        inside = {layer.operation, layer.u - 1} | ({layer.activation} if layer.activation is not None else set())
        titles |= dict.fromkeys((graph.nodes[i].number for i in inside), translate("layer {number}", number=layer.number))
    return titles
