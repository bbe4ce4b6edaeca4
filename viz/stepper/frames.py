"""One backward pass as a list of frames: what the engine's walk really did, told by its observer and never derived again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypedDict

import numpy as np

from autograd_mini.backward import reachable, walk
from autograd_mini.tensor import Array, Tensor

from ..graph import summary
from ..graph.fold import title
from ..graph.lecture import Unclear, in_u, layers
from ..graph.record import Graph, Node

Granularity: TypeAlias = Literal["op", "layer"]

LARGEST: Final = 36  # elements of an array that is written out whole
DELTA: Final = re.compile("δ(?!ᵢⱼ)")  # the upstream gradient in the text of a rule, not Kronecker's delta
LETTER: Final = {x: re.compile(rf"(?<![a-z]){x}(?![a-z])") for x in "ab"}


class Line(TypedDict):
    """One number of a frame: a label, its formula or shapes, and the rows of a matrix as text. A quiz hides the `answer`."""

    label: str
    detail: str
    rows: list[list[str]]
    answer: bool


class Frame(TypedDict):
    """One step: its kind, a title and caption, its lines, and the nodes and edges of the picture that it lights up."""

    kind: str
    title: str
    caption: str
    lines: list[Line]
    nodes: list[str]
    edges: list[str]
    known: list[str]


class Event(NamedTuple):
    """A contribution: operand `slot` of an operation gets `raw`, in its own shape `fitted`; `upstream` is the operation's δ."""

    operation: Node
    slot: int
    operand: Node
    upstream: Array | None
    raw: Array
    fitted: Array
    held: Array | None
    operands: tuple[Node, ...]


def observed(loss: Tensor, graph: Graph) -> tuple[list[Event], dict[int, Array]]:
    """Every contribution of one backward pass from `loss`, in its order, and the gradients it ended with by creation number."""
    operations = {node.seq: node for node in graph.nodes if node.primitive is not None}
    tensors = {node.seq: node for node in graph.nodes if node.array is not None}
    events: list[Event] = []
    sums: dict[int, Array] = {}

    def observe(made: Tensor, slot: int, upstream: Any, raw: Any, fitted: Any) -> None:
        operand = made._inputs[slot]
        held = sums.get(operand._seq)
        sums[operand._seq] = np.array(fitted if held is None else held + fitted)
        g = next((g for g in upstream if g is not None), None) if isinstance(upstream, list) else upstream
        operands = tuple(tensors[x._seq] for x in made._inputs)
        events.append(
            Event(
                operations[made._seq], slot, tensors[operand._seq], None if g is None else np.array(g),
                np.array(raw), np.array(fitted), held, operands,
            )
        )  # fmt: skip

    nodes = reachable([loss])
    found = walk(nodes, [loss], [None], create_graph=False, keep=nodes.keys(), observe=observe)
    return events, {seq: g for seq, g in found.items() if not isinstance(g, list)}


def frames(graph: Graph, events: Iterable[Event], found: dict[int, Array], granularity: Granularity) -> list[Frame]:
    """The frames of a pass: its seed, a step for each contribution or for each layer, and what the leaves ended with."""
    if granularity == "op":
        steps = [frame for event in events for frame in _steps(event)]
    else:
        layer_of = _layers(graph)
        groups = groupby(events, lambda event: layer_of.get(event.operation.number, "around the layers"))
        steps = [_layer(name, list(group)) for name, group in groups]
    return [_seed(graph), *steps, _end(graph, found)]


def _seed(graph: Graph) -> Frame:
    root = graph.nodes[graph.roots[0]]
    line = _line("∂L/∂L", "the loss by itself", np.ones(()))
    return _frame(
        "seed", "∂L/∂L = 1", "The walk starts at the loss: its derivative by itself is 1.", [line], [root], known=[root]
    )


def _steps(event: Event) -> Iterator[Frame]:
    """A contribution, then the undoing of broadcasting and the sum with earlier contributions where they happened."""
    name, target = event.operation.name, symbol(event.operand)
    lines = [
        _line("upstream", "δ of the operation's output", event.upstream),
        *_local(event),
        _line("contribution", shapes(event), event.raw, answer=True),
    ]
    caption = f"{name}, to {called(event.operand)}: {rule(event)}"
    yield _frame("rule", f"{name} → {target}", caption, lines, [event.operation, event.operand], [event], [event.operand])
    if event.raw.shape != event.fitted.shape:
        lines = [
            _line("per copy", str(event.raw.shape), event.raw),
            _line("sum over the copies", f"{event.fitted.shape} ← Σ {event.raw.shape}", event.fitted, answer=True),
        ]
        caption = f"{called(event.operand)} was broadcast, so its gradient is the sum over the copies"
        yield _frame("unbroadcast", f"broadcasting undone: {target}", caption, lines, [event.operand], [event], [event.operand])
    if event.held is not None:
        lines = [
            _line("old", "", event.held),
            _line("+ new", "", event.fitted),
            _line("= total", "", event.held + event.fitted, answer=True),
        ]
        caption = f"{called(event.operand)} was used more than once: its gradients add up, old + new = total"
        yield _frame("accumulate", f"added up: {target}", caption, lines, [event.operand], [event], [event.operand])


def _layer(name: str, events: list[Event]) -> Frame:
    first = events[0]
    lines = [_line("upstream", "δ that arrives", first.upstream)]
    for event in events:
        total = event.fitted if event.held is None else event.held + event.fitted
        lines.append(_line(symbol(event.operand), f"{rule(event)}   {shapes(event)}", total, answer=True))
    nodes = [node for event in events for node in (event.operation, event.operand)]
    caption = f"{name}: " + ", then ".join(f"{event.operation.name} to {called(event.operand)}" for event in events)
    return _frame("layer", name, caption, lines, nodes, events, [event.operand for event in events])


def _end(graph: Graph, found: dict[int, Array]) -> Frame:
    leaves = [node for node in graph.nodes if node.kind == "parameter" and node.seq in found]
    lines = [_line(symbol(node), str(node.shape), found[node.seq]) for node in leaves]
    caption = "Every parameter has its gradient: this is what backward adds to .grad."
    return _frame("end", "the gradients", caption, lines, leaves, known=leaves)


def _frame(
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
    }  # fmt: skip


def _line(label: str, detail: str, array: Array | None, answer: bool = False) -> Line:
    return {"label": label, "detail": detail, "rows": [] if array is None else written(array), "answer": answer}


def written(array: Array) -> list[list[str]]:
    """An array as rows of short numbers, or as one cell that sums it up where it is large.

    >>> import numpy as np
    >>> from autograd_mini.viz.stepper.frames import written
    >>> written(np.array([[1.0, 0.25]])), written(np.zeros((9, 9)))
    ([['1', '0.25']], [['0 ± 0']])
    """
    if array.size > LARGEST or array.ndim > 2 or not array.size:
        return [[summary.values(array)]]
    return [[summary.number(float(value)) for value in row] for row in np.atleast_2d(array)]


def _local(event: Event) -> Iterator[Line]:
    """The other factor: the local derivative with the numbers that the contribution shows it to have, or an operand."""
    text = _derivative(event)
    _, other = _product(event)
    if other is not None:
        factor = event.operands[other]
        yield _line(f"and {called(factor)}", f"{factor.shape}", factor.array)
    if not text or DELTA.search(text):
        return
    upstream = event.upstream
    assert event.operation.primitive is not None
    comparable = event.operation.primitive.elementwise and upstream is not None and upstream.shape == event.raw.shape
    if comparable and upstream is not None and np.isfinite(upstream).all() and upstream.all():
        yield _line("× local derivative", _explained(event, text), event.raw / upstream)
    else:
        yield _line("× local derivative", _explained(event, text), None)


def _explained(event: Event, text: str) -> str:
    """The text of a derivative, and which operands its letters a and b are."""
    used = [f"{x} = {called(node)}" for x, node in zip("ab", event.operands, strict=False) if LETTER[x].search(text)]
    return f"{text}   ({', '.join(used)})" if used and len(event.operands) == 2 else text


def rule(event: Event) -> str:
    """What the contribution is: `δ W`, or upstream times the local derivative."""
    text = _derivative(event)
    if not text:
        return "δ through this operation's rule"
    if DELTA.search(text):
        return text
    return "δ" if text == "1" else f"δ · ({text})" if " " in text else f"δ · {text}"


def _derivative(event: Event) -> str:
    """The local derivative as the operation's record has it; an operand of a lecture's layer is called u there."""
    primitive = event.operation.primitive
    assert primitive is not None
    if not primitive.derivative:
        return ""
    text = primitive.derivative[min(event.slot, len(primitive.derivative) - 1)]
    return in_u(text) if "u⁽" in event.operand.name else text


def shapes(event: Event) -> str:
    """How the contribution's shape comes about: `(4, 5) ← (4, 2) @ (2, 5)`."""
    upstream = () if event.upstream is None else event.upstream.shape
    product, _ = _product(event)
    if product and len(upstream) == 2 and all(len(x.shape) == 2 for x in event.operands[:2]):
        parts = {"out": event.raw.shape, "g": upstream, "gT": upstream[::-1]}
        parts |= {str(i): x.shape for i, x in enumerate(event.operands)}
        parts |= {f"{i}T": x.shape[::-1] for i, x in enumerate(event.operands)}
        return re.sub(r"\{(\w+)\}", lambda match: str(parts[match[1]]), product)
    assert event.operation.primitive is not None
    if event.operation.primitive.elementwise and upstream:
        return f"{event.raw.shape} ← {upstream} ⊙ {upstream}"
    return f"{event.raw.shape} ← {upstream}"


def _product(event: Event) -> tuple[str, int | None]:
    """How the shapes of a product combine, and the operand that is the other factor; ("", None) for any other rule."""
    products = event.operation.primitive.products if event.operation.primitive else ()
    return products[event.slot] if event.slot < len(products) else ("", None)


def called(node: Node) -> str:
    """A tensor's name, or the number of its node in the picture."""
    return node.name or f"#{node.number}"


def symbol(node: Node) -> str:
    """What a tensor's gradient is called: δ⁽²⁾, ∂L/∂w."""
    return f"∂L/∂{called(node)}" if node.symbol == "∇" else node.symbol


def _layers(graph: Graph) -> dict[int, str]:
    """The layer of each operation by its number: modules where they are known, else layers in the lecture's sense."""
    if any(node.scope for node in graph.nodes):
        return {n.number: title(graph, n.scope) for n in graph.nodes if n.kind == "operation" and n.scope}
    try:
        found = layers(graph)
    except Unclear:
        return {}
    titles: dict[int, str] = {}
    for layer in found:
        inside = {layer.operation, layer.u - 1} | ({layer.activation} if layer.activation is not None else set())
        titles |= dict.fromkeys((graph.nodes[i].number for i in inside), f"layer {layer.number}")
    return titles
