"""Converts node records to DOT, the language of Graphviz. Each kind has its own shape and colour (Okabe & Ito 2008)."""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from textwrap import fill
from typing import Final, Literal, NamedTuple, TypeAlias

from autograd_mini.tensor import Array
from autograd_mini.tools.plain_text import escape_unprintable

from ..language import get_language, translate
from .calls import Path
from .collapse import cluster_order, title
from .grid import GridStyle, format_grid
from .nodes import Edge, Graph, Kind, Node
from .summary import MISSING, format_values

Direction: TypeAlias = Literal["LR", "RL", "TB", "BT"]

FONTS: Final = {
    "en": "Helvetica,Arial,sans-serif",
    "ja": "Helvetica,Arial,Noto Sans CJK JP,Noto Sans JP,Hiragino Sans,Yu Gothic,Meiryo,IPAexGothic,IPAGothic,sans-serif",
}
"""Families for each language: the first one that has a character shows it, in Graphviz as in the browser that shows an SVG."""
QUIET, GRADIENT, ALARM, FRAME, INK = "#555555", "#0072B2", "#D55E00", "#9A9A9A", "#1A1A1A"
LEGEND_COLUMNS, MAX_NOTE = 6, 110
SMALL: Final = 12  # points of the smallest text
DIGITS: Final = 2  # significant digits of means and deviations: text in nodes must be short
CLUSTER: Final = f'style=rounded peripheries=1 color="{FRAME}" fontsize={SMALL} margin=7 fontcolor="{QUIET}"'
CONNECTOR: Final = f'shape=circle style=dashed color="{QUIET}" fontcolor="{QUIET}" fontsize={SMALL} width=0.3 margin=0'
SHORT: Final = 14  # letters; longer names of operations and gradients take several lines
LEAVES: Final = ("input", "parameter", "frozen", "detached")

# Five colours that also differ in greyscale, for log₁₀ RMS from COLDEST to HOTTEST; values outside use the end colours.
HEAT: Final = ("#F0C77A", "#E69F00", "#D55E00", "#9C3A00", "#5C1A00")
COLDEST, HOTTEST = -8.0, 0.0


class Style(NamedTuple):
    """How a kind of node is drawn, and its name in the legend."""

    meaning: str
    attributes: str


STYLES: Final[dict[Kind, Style]] = {
    "input": Style("input or constant", 'shape=box style=filled fillcolor="#DDF0FB" color="#56B4E9"'),
    "parameter": Style("parameter", 'shape=cylinder style=filled fillcolor="#FBECC8" color="#E69F00" margin="0.1,0.05"'),
    "frozen": Style("frozen parameter", 'shape=cylinder style="filled,dashed" fillcolor="#E6E6E6" color="#8C8C8C"'),
    "detached": Style("no gradient flows back", 'shape=note style="filled,dashed" fillcolor="#E6E6E6" color="#6E6E6E"'),
    "outside": Style("ran without gradient", 'shape=component style="filled,dashed" fillcolor="#EFEFEF" color="#A6A6A6"'),
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


Values: TypeAlias = bool | GridStyle


class Show(NamedTuple):
    """What a picture shows at each node, and its direction."""

    shapes: bool = True
    values: Values = False
    grad: bool = False
    formula: bool = False
    rankdir: Direction = "LR"
    legend: bool = True


def to_dot(
    graph: Graph, show: Show, notes: Sequence[str] = (), table: Sequence[Sequence[str]] = (), rows: Sequence[int] = ()
) -> str:
    """Returns the DOT text of a graph. Node 3 is named n3. The same records give the same text.

    Parameters
    ----------
    graph : node records
    show : what the picture shows
    notes, table : texts below the picture
    rows : the row of each node, if a long chain is wrapped into rows
    """
    return "\n".join(_lines(graph, show, notes, table, rows)) + "\n"


def _lines(
    graph: Graph, show: Show, notes: Sequence[str], table: Sequence[Sequence[str]], rows: Sequence[int]
) -> Iterator[str]:
    yield "digraph autograd_mini {"
    font = FONTS[get_language()]
    # nslimit bounds the layout search, which takes minutes if one leaf is used along a whole chain.
    yield f'graph [rankdir={show.rankdir} bgcolor=white fontname="{font}" nodesep=0.2 ranksep=0.28 nslimit=2]'
    # The id makes nodes addressable in an SVG: element n3 is node n3.
    yield f'node [fontname="{font}" fontsize=13 penwidth=1.8 margin="0.1,0.05" height=0.35 width=0.35 id="\\N"]'
    # Edges with a large weight are straight. The path from input to loss has one; leaves are placed beside it.
    yield f'edge [fontname="{font}" fontsize={SMALL} color="{QUIET}" arrowsize=0.7 weight=8]'
    samples = legend_entries(graph, show) if show.legend else []
    if samples and len(set(rows)) > 1:
        samples.append(f"<td>{_small(translate('① continues at the other ①'), QUIET)}</td>")
    if notes or table or samples:
        yield f'labelloc=b fontsize={SMALL} fontcolor="{QUIET}" label=<{_caption(notes, table, samples)}>'
    several = len(set(rows)) > 1
    if several:
        opened: set[Path] = set()
        connectors = find_connectors(graph, rows)
        for row in sorted(set(rows)):
            yield f'subgraph cluster_row{row} {{ label="" peripheries=0 margin=4'
            yield from _cluster_lines(graph, show, [row == other for other in rows], opened, row)
            for name, number in connectors.get(row, ()):
                hint = translate("goes on at the other circle {number}", number=number)
                yield f'{name} [{CONNECTOR} label="{number}" id="{name}" tooltip="{escape_string(hint)}"]'
            yield "}"
        yield from _row_order(graph, rows, connectors)
    else:
        yield from _cluster_lines(graph, show, [True] * len(graph.nodes), set())
    yield from _edge_lines(graph, show, rows)
    yield "}"


def _edge_lines(graph: Graph, show: Show, rows: Sequence[int]) -> Iterator[str]:
    """Yields the edges. One from a row to another is drawn in two parts, which end at circles with the same number."""
    operands = Counter(edge.target for edge in graph.edges)
    neighbours: dict[int, list[int]] = {}
    for leaf, user in find_beside(graph).items():
        neighbours.setdefault(user, []).append(leaf)
    second = {leaf for leaves in neighbours.values() for leaf in leaves[1::2]}
    connectors: dict[int, int] = {}
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        two = operands[edge.target] == 2 and edge.slot < 2 and _is_ordered(target, show)
        attributes = _edge(edge, source, CORNERS[show.rankdir][edge.slot] if two else "")
        if rows and rows[edge.source] != rows[edge.target]:
            if edge.source not in connectors:
                connectors[edge.source] = len(connectors) + 1
                yield f"n{source.number} -> out{connectors[edge.source]}"
            yield f"in{connectors[edge.source]}_{rows[edge.target]} -> n{target.number}{attributes}"
        elif edge.source in second:  # drawn backwards, so that the operation is between its first and its second neighbour
            yield f"n{target.number} -> n{source.number}{_edge(edge, source, 'back')}"
        else:
            yield f"n{source.number} -> n{target.number}{attributes}"


def find_connectors(graph: Graph, rows: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """Returns, for each row, the name and the number of the circles at which edges to and from other rows end."""
    number: dict[int, int] = {}
    found: dict[int, dict[str, str]] = {}
    for edge in graph.edges:
        if rows and rows[edge.source] != rows[edge.target]:
            k = number.setdefault(edge.source, len(number) + 1)
            found.setdefault(rows[edge.source], {})[f"out{k}"] = str(k)
            found.setdefault(rows[edge.target], {})[f"in{k}_{rows[edge.target]}"] = str(k)
    return {row: list(circles.items()) for row, circles in found.items()}


def _row_order(graph: Graph, rows: Sequence[int], connectors: Mapping[int, Sequence[tuple[str, str]]]) -> Iterator[str]:
    """Yields invisible edges that let all rows start at the same place, one below the other."""
    first = {row: next(f"n{node.number}" for node, at in zip(graph.nodes, rows, strict=True) if at == row) for row in set(rows)}
    for row, circles in connectors.items():
        first[row] = next((name for name, _ in circles if name.startswith("in")), first[row])
    yield 'start [shape=point style=invis width=0 height=0 label="" id="start" ordering=out]'
    for row in sorted(first):
        yield f"start -> {first[row]} [style=invis weight=0]"


def _caption(notes: Sequence[str], table: Sequence[Sequence[str]], samples: Sequence[str]) -> str:
    """The text below the picture: the table, the legend, then the notes."""
    cells = ("".join(f'<td align="left">{escape_label(cell)}</td>' for cell in row) for row in table)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    inner = f'<table border="1" color="{FRAME}" cellborder="0" cellspacing="0" cellpadding="4">{body}</table>'
    rows = [*([inner] if table else []), *_legend_rows(samples), *(escape_label(fill(note, MAX_NOTE)) for note in notes)]
    return f'<table border="0">{"".join(f"<tr><td>{row}</td></tr>" for row in rows)}</table>'


def _cluster_lines(graph: Graph, show: Show, chosen: Sequence[bool], opened_before: set[Path], row: int = 0) -> Iterator[str]:
    """Yields the chosen nodes inside the clusters of their modules; clusters are nested as modules are."""
    members: dict[Path, list[Node]] = {}
    for node in compress(graph.nodes, chosen):
        members.setdefault(node.scope or (), []).append(node)
    leaves: dict[int, list[str]] = {}
    for leaf, user in find_beside(graph).items():
        leaves.setdefault(graph.nodes[user].number, []).append(f"n{graph.nodes[leaf].number}")
    opened: Path = ()
    clusters = cluster_order({inner[:k] for inner in members for k in range(len(inner) + 1)})
    ids = cluster_ids(graph)
    for number, path in enumerate(clusters):
        while path[: len(opened)] != opened:
            opened = opened[:-1]
            yield "}"
        if path:
            opened = path
            name = f"{number}_{row}" if row else str(number)
            yield f"subgraph cluster_{name} {{ {CLUSTER}"
            heading = title(graph, path)
            address = f' id="{ids[path]}"'
            if path in opened_before:
                address = ""
                heading = translate("{module} (continued)", module=heading)
            opened_before.add(path)
            yield f"label=<{escape_label(heading)}> labeljust=l labelloc=t{address}"
        for node in members.get(path, ()):
            label = label_of(graph, node, show)
            yield f'n{node.number} [{_attributes(node, show)} label=<{label}> tooltip="{escape_string(_tooltip(node))}"]'
        for node in members.get(path, ()):
            if node.number in leaves:
                yield f"{{rank=same {' '.join(leaves[node.number])} n{node.number}}}"
    yield from "}" * len(opened)


def cluster_ids(graph: Graph) -> dict[Path, str]:
    """Maps the path of each module to the id of its box in an SVG, which is the same however much of the graph is folded."""
    paths = dict.fromkeys([*graph.titles, *(node.folds for node in graph.nodes)])
    paths |= dict.fromkeys(path[:k] for node in graph.nodes for path in (node.scope or (),) for k in range(1, len(path) + 1))
    return {path: f"module{i}" for i, path in enumerate(paths)}


def find_beside(graph: Graph) -> dict[int, int]:
    """Maps parameters and constants to the operation that alone uses them, if they are drawn beside it instead of before it.

    An operation whose operands have an order keeps all of them before it, and one without another operand has them there too.
    """
    operands, consumers = graph.operands(), graph.consumers()
    users: dict[int, int] = {}
    for leaf, node in enumerate(graph.nodes):
        if node.kind in ("input", "parameter", "frozen") and not operands[leaf] and len(consumers[leaf]) == 1:
            user = graph.nodes[consumers[leaf][0]]
            same_box = (user.scope or ()) == (node.scope or ())
            if same_box and user.primitive is not None and not user.primitive.ordered:
                users[leaf] = consumers[leaf][0]
    return {leaf: user for leaf, user in users.items() if any(j not in users for j in operands[user])}


def _is_ordered(node: Node, show: Show) -> bool:
    """Whether the order of the operands must be visible."""
    return node.primitive is not None and (node.primitive.ordered or show.formula)


def _edge(edge: Edge, source: Node, corner: str) -> str:
    """The attributes of an edge: label, or gradient size as colour, width and number, and the corner at its end."""
    parts = ["weight=1"] if source.kind in LEAVES else ["style=dashed"] if source.kind == "outside" else []
    if edge.heat is not None:
        size = "−∞" if math.isinf(edge.heat) else f"{edge.heat:.1f}"
        parts.append(f"{heat_style(edge.heat)} label=<&#160;{_small(size, QUIET)}>")  # clear of a wide edge
    elif edge.label:
        label = edge.label.replace(" = ", " =\n") if len(edge.label) > SHORT else translate(edge.label)
        parts.append(f"label=<{_small(label, GRADIENT)}>")
    if corner == "back":
        parts.append("dir=back")
    elif corner:
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


def legend_entries(graph: Graph, show: Show) -> list[str]:
    """Returns the samples of the legend: a cell of a table for each kind that occurs, and what else needs an explanation."""
    kinds = {node.kind for node in graph.nodes}
    entries = [_sample(style) for kind, style in STYLES.items() if kind in kinds]
    if any(node.changed for node in graph.nodes):
        entries.append(_sample(CHANGED))
    if show.grad:
        symbols = {node.symbol[0] for node in graph.nodes if node.wants_grad}
        meaning = ", ".join(translate(meaning) for symbol, meaning in SYMBOLS.items() if symbol in symbols)
        if meaning:
            missing = any(node.wants_grad and node.grad is None for node in graph.nodes)
            if missing:
                meaning = translate("{meaning} ({missing} not computed)", meaning=meaning, missing=MISSING)
            entries.append(f"<td>{_small(meaning, GRADIENT)}</td>")
    if any(edge.heat is not None for edge in graph.edges):
        entries.append(f"<td>{_heat_scale()}</td>")
    return entries


def _sample(style: Style) -> str:
    """A cell of the legend in the colours of a kind."""
    colours = dict(re.findall(r'(fillcolor|color)="(#\w+)"', style.attributes))
    ink = "#FFFFFF" if style is STYLES["operation"] else INK
    fill_colour, line = colours.get("fillcolor", "#FFFFFF"), colours["color"]
    return f'<td border="1" bgcolor="{fill_colour}" color="{line}">{_small(translate(style.meaning), ink)}</td>'


def _legend_rows(samples: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(samples), LEGEND_COLUMNS):
        row = "".join(samples[start : start + LEGEND_COLUMNS])
        yield f'<table border="0" cellborder="0" cellspacing="4" cellpadding="3"><tr>{row}</tr></table>'


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


def label_of(graph: Graph, node: Node, show: Show) -> str:
    """Returns the label of a node: lines, or a table if one of them is a matrix."""
    rows = label_rows(graph, node, show)
    if not any(row.startswith("<table") for row in rows):
        return "<br/>".join(rows) or "·"
    cells = "".join(f"<tr><td>{row}</td></tr>" for row in rows)
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{cells}</table>'


def label_rows(graph: Graph, node: Node, show: Show) -> list[str]:
    """Returns the rows of a label. Inside the box of its module, a parameter has its name without the path of the module."""
    inside = graph.titles.get(node.scope or (), "").split(" · ")[0]
    if inside and node.kind in ("parameter", "frozen"):
        node = node._replace(name=node.name.removeprefix(f"{inside}."))
    rows = {
        "operation": _operation_rows,
        "write": _operation_rows,
        "collapsed": _collapsed_rows,
        "outside": _collapsed_rows,
    }.get(node.kind, _tensor_rows)
    return list(rows(node, show))


def _collapsed_rows(node: Node, show: Show) -> Iterator[str]:
    yield f"<b>{escape_label(node.name)}</b>"
    if node.kind == "outside":
        return
    yield _small(translate("{count} nodes hidden", count=node.hidden), QUIET)


def break_name(name: str) -> list[str]:
    """Breaks the name of an operation into lines, behind underscores.

    >>> from autograd_mini.viz.graph.dot import break_name
    >>> break_name("softmax_cross_entropy")
    ['softmax_cross_', 'entropy']
    """
    lines = [""]
    for part in re.findall(r"[^_]*_|[^_]+", name):
        if lines[-1] and len(lines[-1] + part) > SHORT:
            lines.append("")
        lines[-1] += part
    return lines


def _operation_rows(node: Node, show: Show) -> Iterator[str]:
    ink = "white" if node.kind == "operation" else "black"
    if node.step is not None:
        yield _small(str(node.step), ink)
    yield from map(escape_label, break_name(node.primitive.symbol if node.primitive and node.primitive.symbol else node.name))
    if show.formula and node.primitive is not None:
        if node.primitive.formula:
            yield _small(node.primitive.formula, ink)
        if node.primitive.derivative:
            yield _small(derivatives(node), ink)
    if node.memory:
        yield _small(_memory(node), ink)
    if node.array is not None:  # the result is drawn inside of the operation
        if show.shapes and node.array.ndim:
            yield _small(str(node.shape), ink)
        if show.values:
            yield _values(node.array, show, ink)
        if show.grad and node.wants_grad:
            yield from _gradient_rows(node, show, ink)


def _tensor_rows(node: Node, show: Show) -> Iterator[str]:
    assert node.array is not None
    is_constant = not node.name and node.kind == "input" and node.array.size == 1
    yield from (_small(line, INK) for line in break_name(node.via) if line)
    beside = show.shapes and bool(node.name) and bool(node.shape) and len(f"{node.name} {node.shape}") <= SHORT
    if beside:
        yield f"<b>{escape_label(node.name)}</b> {_small(str(node.shape), QUIET)}"
    elif node.name:
        yield f"<b>{escape_label(node.name)}</b>"
    elif is_constant:
        yield escape_label(format_values(node.array, DIGITS))  # an unnamed constant is identified by its value
    if (
        show.shapes and not beside and (node.shape or not (node.name or is_constant))
    ):  # a scalar with a name or value needs no ()
        yield _small(str(node.shape) if node.shape else translate("scalar"), QUIET)
    if show.values and not is_constant:
        yield _values(node.array, show, "black")
    if show.grad and node.wants_grad:
        yield from _gradient_rows(node, show, GRADIENT)
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


def _values(array: Array, show: Show, ink: str) -> str:
    """An array as a matrix, a heat map or a short text."""
    if isinstance(show.values, bool) or array.size < 2:
        return _small(format_values(array, DIGITS), ink)
    return format_grid(array, show.values, FRAME)


def _gradient_rows(node: Node, show: Show, ink: str) -> list[str]:
    """Returns the symbol of the gradient and its values, in one line if that is short."""
    if node.grad is not None and node.grad.size > 1 and not isinstance(show.values, bool):
        return [_small(node.symbol, ink), format_grid(node.grad, show.values, GRADIENT)]
    values = MISSING if node.grad is None else format_values(node.grad, DIGITS)
    parts = [node.symbol, values]
    lines = [" ".join(parts)] if len(node.symbol) + len(values) <= SHORT else parts
    return [_small(line, ink) for line in lines]


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
    if node.primitive is None or node.via:
        return f"{translate(node.kind)} {node.name}".rstrip()
    params = ", ".join(f"{key}={value}" for key, value in node.params.items() if isinstance(value, TOOLTIP_TYPES))
    return f"{node.name}({params}): {node.primitive.formula}"


def _small(string: str, colour: str) -> str:
    return f'<font point-size="{SMALL}" color="{colour}">{escape_label(string)}</font>'


def escape_label(string: str) -> str:
    """Escapes a string for an HTML-like label: it cannot end the label, start a tag or be read as a DOT escape."""
    return html.escape(_printable(string)).replace("\\", "\\\\").replace("\n", "<br/>")


def escape_string(string: str) -> str:
    """Escapes a string for DOT's double quotes; `&` starts an entity there as in HTML."""
    return _printable(string).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _printable(string: str) -> str:
    """Escapes characters that XML or UTF-8 cannot represent; line breaks and wide spaces stay."""
    return escape_unprintable(string, keep="\n\u3000")
