"""Converts node records to DOT, the language of Graphviz. Each kind has its own shape and colour (Okabe & Ito 2008)."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from autograd_mini.tools.plain_text import escape_unprintable

from ..language import get_language, translate
from .calls import Path
from .collapse import cluster_order, title
from .nodes import Edge, Graph, Kind, Node
from .summary import MISSING, format_values

Direction: TypeAlias = Literal["LR", "RL", "TB", "BT"]

FONTS: Final = {
    "en": "Helvetica,Arial,sans-serif",
    "ja": "Helvetica,Arial,Noto Sans CJK JP,Noto Sans JP,Hiragino Sans,Yu Gothic,Meiryo,IPAexGothic,IPAGothic,sans-serif",
}
"""Families for each language: the first one that has a character shows it, in Graphviz as in the browser that shows an SVG."""
QUIET, GRADIENT, ALARM, FRAME = "#555555", "#0072B2", "#D55E00", "#9A9A9A"

# Five colours that also differ in greyscale, for log₁₀ RMS from COLDEST to HOTTEST; values outside use the end colours.
HEAT: Final = ("#F0C77A", "#E69F00", "#D55E00", "#9C3A00", "#5C1A00")
COLDEST, HOTTEST = -8.0, 0.0


class Style(NamedTuple):
    """How a kind of node is drawn, and its name in the legend."""

    meaning: str
    attributes: str


STYLES: Final[dict[Kind, Style]] = {
    "input": Style("input or constant", 'shape=box style=filled fillcolor="#DDF0FB" color="#56B4E9"'),
    "parameter": Style("parameter", 'shape=cylinder style=filled fillcolor="#FBECC8" color="#E69F00" margin="0.12,0.11"'),
    "operation": Style("operation", 'shape=ellipse style=filled fillcolor="#0072B2" color="#0072B2" fontcolor=white'),
    "write": Style("write", 'shape=hexagon style=filled margin="0.02,0.06" fillcolor="#FFF6B3" color="#000000"'),
    "tensor": Style("tensor", 'shape=box style="rounded,filled" fillcolor="#D9F0E8" color="#009E73"'),
    "loss": Style("loss", 'shape=box style="rounded,filled" fillcolor="#FADFCC" color="#D55E00" peripheries=2'),
    "collapsed": Style("collapsed", 'shape=folder style="filled,dashed" margin="0.16,0.1" fillcolor="#F4E3EE" color="#CC79A7"'),
}
CHANGED: Final = Style("changed since it was used", f'style="filled,dashed" color="{ALARM}" penwidth=3')

# Results in the same buffer of a plan have the same fill colour. Colours repeat, so the label also shows the buffer number.
BUFFERS: Final = ("#BFE0F5", "#FFDFA6", "#BCE5D3", "#F8C9AE", "#E9CBDD", "#F5EE9E", "#C4D3EE", "#DADADA")

# If the order of two operands matters, they enter at these corners, the first from the top or from the left.
CORNERS: Final[dict[Direction, tuple[str, str]]] = {
    "LR": ("nw", "sw"), "RL": ("ne", "se"), "TB": ("nw", "ne"), "BT": ("sw", "se"),
}  # fmt: skip

# The first character of a gradient's symbol, and its meaning in the legend.
SYMBOLS: Final = {"∇": "∇ gradient", "δ": "δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾", "∂": "∂L/∂ gradient"}

# Types of arguments that a tooltip shows: their text is short and the same in every run.
TOOLTIP_TYPES: Final = (int, float, str, tuple, slice, type(None))


class Show(NamedTuple):
    """What a picture shows at each node, and its direction."""

    shapes: bool = True
    values: bool = False
    grad: bool = False
    formula: bool = False
    rankdir: Direction = "LR"
    legend: bool = True


def to_dot(graph: Graph, show: Show, notes: Sequence[str] = (), table: Sequence[Sequence[str]] = ()) -> str:
    """Returns the DOT text of a graph, with a `table` and `notes` below it.

    Node 3 is named n3. The same records give the same text.
    """
    return "\n".join(_lines(graph, show, notes, table)) + "\n"


def _lines(graph: Graph, show: Show, notes: Sequence[str], table: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "digraph autograd_mini {"
    font = FONTS[get_language()]
    # nslimit bounds the layout search, which takes minutes if one leaf is used along a whole chain.
    yield f'graph [rankdir={show.rankdir} bgcolor=white fontname="{font}" nodesep=0.25 ranksep=0.35 nslimit=2]'
    # The id makes nodes addressable in an SVG: element n3 is node n3.
    yield f'node [fontname="{font}" fontsize=14 penwidth=1.8 margin="0.12,0.06" height=0.35 width=0.35 id="\\N"]'
    # Edges with a large weight are straight. The path from input to loss has one; leaves are placed beside it.
    yield f'edge [fontname="{font}" color="{QUIET}" arrowsize=0.7 weight=8]'
    if notes or table:
        yield f'labelloc=b fontsize=11 fontcolor="{QUIET}" label=<{_caption(notes, table)}>'
    yield from _cluster_lines(graph, show)
    operands = Counter(edge.target for edge in graph.edges)
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        two = operands[edge.target] == 2 and edge.slot < 2 and _is_ordered(target, show)
        corner = CORNERS[show.rankdir][edge.slot] if two else ""
        yield f"n{source.number} -> n{target.number}{_edge(edge, source, corner)}"
    if show.legend:
        yield from _legend(graph, show)
    yield "}"


def _caption(notes: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """The text below the picture: the table, then one row per note."""
    cells = ("".join(f'<td align="left">{escape_label(cell)}</td>' for cell in row) for row in table)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    inner = f'<table border="1" color="{FRAME}" cellborder="0" cellspacing="0" cellpadding="4">{body}</table>'
    rows = [*([inner] if table else []), *map(escape_label, notes)]
    return f'<table border="0">{"".join(f"<tr><td>{row}</td></tr>" for row in rows)}</table>'


def _cluster_lines(graph: Graph, show: Show) -> Iterator[str]:
    """Yields the nodes inside the clusters of their modules; clusters are nested as modules are."""
    members: dict[Path, list[Node]] = {}
    for node in graph.nodes:
        members.setdefault(node.scope or (), []).append(node)
    opened: Path = ()
    clusters = cluster_order({inner[:k] for inner in members for k in range(len(inner) + 1)})
    for number, path in enumerate(clusters):
        while path[: len(opened)] != opened:
            opened = opened[:-1]
            yield "}"
        if path:
            opened = path
            yield f'subgraph cluster_{number} {{ style=rounded color="{FRAME}" fontsize=12 fontcolor="{QUIET}"'
            yield f"label=<{escape_label(title(graph, path))}> labeljust=l labelloc=t"
        for node in members.get(path, ()):
            label = _label(node, show)
            yield f'n{node.number} [{_attributes(node, show)} label=<{label}> tooltip="{escape_string(_tooltip(node))}"]'
    yield from "}" * len(opened)


def _is_ordered(node: Node, show: Show) -> bool:
    """Whether the order of the operands must be visible."""
    return node.primitive is not None and (node.primitive.ordered or show.formula)


def _edge(edge: Edge, source: Node, corner: str) -> str:
    """The attributes of an edge: label, or gradient size as colour, width and number, and the corner at its end."""
    parts = ["weight=1"] if source.kind in ("input", "parameter") else []
    if edge.heat is not None:
        size = "−∞" if math.isinf(edge.heat) else f"{edge.heat:.1f}"
        parts.append(f"{heat_style(edge.heat)} label=<&#160;{_small(size, QUIET)}>")  # clear of a wide edge
    elif edge.label:
        parts.append(f"label=<{_small(translate(edge.label), GRADIENT)}>")
    if corner:
        parts.append(f"headport={corner}")
    return f" [{' '.join(parts)}]" if parts else ""


def _attributes(node: Node, show: Show) -> str:
    style = STYLES[node.kind].attributes
    if node.changed:
        return f"{style} {CHANGED.attributes}"
    _, _, buffer = node.memory.partition("buffer ")
    if buffer:
        return f'{style} fillcolor="{BUFFERS[int(buffer) % len(BUFFERS)]}"'
    if _is_ordered(node, show):
        return f"{style} ordering=in"
    return style


def _legend(graph: Graph, show: Show) -> Iterator[str]:
    """Yields the legend: one sample for each kind that occurs."""
    kinds = {node.kind for node in graph.nodes}
    samples = {kind: style for kind, style in STYLES.items() if kind in kinds}
    entries = [(f"legend_{kind}", style.attributes, escape_label(translate(style.meaning))) for kind, style in samples.items()]
    if any(node.changed for node in graph.nodes):
        meaning = escape_label(translate(CHANGED.meaning))
        entries.append(("legend_changed", f"shape=box fillcolor=white {CHANGED.attributes}", meaning))
    if show.grad:
        symbols = {node.symbol[0] for node in graph.nodes if node.wants_grad}
        meaning = ", ".join(translate(meaning) for symbol, meaning in SYMBOLS.items() if symbol in symbols)
        meaning = translate("{meaning} ({missing} not computed)", meaning=meaning, missing=MISSING)
        entries.append(("legend_gradient", "shape=plain", _small(meaning, GRADIENT)))
    if any(edge.heat is not None for edge in graph.edges):
        entries.append(("legend_heat", "shape=plain", _heat_scale()))
    yield 'subgraph cluster_legend { label="" color="#BBBBBB" style=rounded margin=8 fontsize=11 node [fontsize=11]'
    for key, attributes, label in entries:
        yield f"{key} [{attributes} label=<{label}>]"
    for (key, *_), (following, *_) in pairwise(entries):
        yield f"{key} -> {following} [style=invis]"
    yield "}"


def heat_style(heat: float) -> str:
    """Returns colour and width for log₁₀ of a gradient's root mean square: thin and pale at 1e−8, wide and dark at 1."""
    level = round((min(max(heat, COLDEST), HOTTEST) - COLDEST) / (HOTTEST - COLDEST) * (len(HEAT) - 1))
    return f'color="{HEAT[level]}" penwidth={1 + level}'


def _heat_scale() -> str:
    """The legend of `heat`: a row of colours with their values."""
    steps = [COLDEST + i * (HOTTEST - COLDEST) / (len(HEAT) - 1) for i in range(len(HEAT))]
    cells = "".join(
        f'<td bgcolor="{colour}"><font color="{"white" if i > 2 else "black"}">{step:g}</font></td>'
        for i, (step, colour) in enumerate(zip(steps, HEAT, strict=True))
    )
    title = escape_label(translate("edges: log₁₀ RMS of the gradient"))
    head = f'<tr><td colspan="5"><font color="{QUIET}">{title}</font></td></tr>'
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="3">{head}<tr>{cells}</tr></table>'


def _label(node: Node, show: Show) -> str:
    rows = {"operation": _operation_rows, "write": _operation_rows, "collapsed": _collapsed_rows}.get(node.kind, _tensor_rows)
    return "<br/>".join(rows(node, show)) or "·"


def _collapsed_rows(node: Node, show: Show) -> Iterator[str]:
    yield f"<b>{escape_label(node.name)}</b>"
    yield _small(translate("{count} nodes hidden", count=node.hidden), QUIET)


def _operation_rows(node: Node, show: Show) -> Iterator[str]:
    ink = "white" if node.kind == "operation" else "black"
    if node.step is not None:
        yield _small(str(node.step), ink)
    yield escape_label(node.primitive.symbol if node.primitive and node.primitive.symbol else node.name)
    if show.formula and node.primitive is not None:
        if node.primitive.formula:
            yield _small(node.primitive.formula, ink)
        if node.primitive.derivative:
            yield _small(derivatives(node), ink)
    if node.memory:
        yield _small(_memory(node), ink)


def _tensor_rows(node: Node, show: Show) -> Iterator[str]:
    assert node.array is not None
    is_constant = not node.name and node.kind == "input" and node.array.size == 1
    if node.name:
        yield f"<b>{escape_label(node.name)}</b>"
    elif is_constant:
        yield escape_label(format_values(node.array))  # an unnamed constant is identified by its value
    if show.shapes and (node.shape or not (node.name or is_constant)):  # a scalar with a name or value needs no ()
        yield _small(str(node.shape), QUIET)
    if show.values and not is_constant:
        yield _small(format_values(node.array), "black")
    if show.grad and node.wants_grad:
        yield _small(f"{node.symbol} {MISSING if node.grad is None else format_values(node.grad)}", GRADIENT)
    if node.memory:
        yield _small(_memory(node), "black")
    if node.badge:
        yield f"<b>{_small(node.badge, ALARM if node.badge.startswith('✗') else GRADIENT)}</b>"
    if node.changed:
        yield _small(translate("changed since"), ALARM)


def _memory(node: Node) -> str:
    """The memory of a result in a plan."""
    _, _, number = node.memory.partition("buffer ")
    return translate("buffer {number}", number=number) if number else translate(node.memory)


def derivatives(node: Node) -> str:
    """Returns the local derivatives from the operation's record: `∂ = 2x`, or `∂₁ = b, ∂₂ = a`."""
    assert node.primitive is not None
    rows = node.primitive.derivative
    return ", ".join(f"∂{_subscript(i + 1) if len(rows) > 1 else ''} = {d}" for i, d in enumerate(rows))


def _subscript(i: int) -> str:
    return "".join(chr(0x2080 + int(digit)) for digit in str(i))


def _tooltip(node: Node) -> str:
    if node.kind == "collapsed":
        text = "{name}: {count} nodes are hidden; depth=None, collapse=() shows them"
        return translate(text, name=node.name, count=node.hidden)
    if node.primitive is None:
        return f"{translate(node.kind)} {node.name}".rstrip()
    params = ", ".join(f"{key}={value}" for key, value in node.params.items() if isinstance(value, TOOLTIP_TYPES))
    return f"{node.name}({params}): {node.primitive.formula}"


def _small(string: str, colour: str) -> str:
    return f'<font point-size="11" color="{colour}">{escape_label(string)}</font>'


def escape_label(string: str) -> str:
    """Escapes a string for an HTML-like label: it cannot end the label, start a tag or be read as a DOT escape."""
    return html.escape(_printable(string)).replace("\\", "\\\\").replace("\n", "<br/>")


def escape_string(string: str) -> str:
    """Escapes a string for DOT's double quotes; `&` starts an entity there as in HTML."""
    return _printable(string).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _printable(string: str) -> str:
    """Escapes characters that XML or UTF-8 cannot represent; line breaks and wide spaces stay."""
    return escape_unprintable(string, keep="\n\u3000")
