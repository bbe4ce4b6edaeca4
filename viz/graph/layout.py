"""Makes a picture readable: its smallest text has 12 pixels on a projector of 1280×720 and in a notebook's cell of 900 pixels.

A graph that would be larger is changed in steps, until an estimate of its size fits: long chains are wrapped into rows, unnamed
results are drawn inside of their operations, and, if the caller lets it, modules are folded from the deepest level up.
"""

from __future__ import annotations

import html
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from autograd_mini.tools.plain_text import display_width

from ..language import translate
from .calls import Path
from .dot import SHORT, Direction, Show, find_beside, label_rows
from .grid import grid_size
from .nodes import Edge, Graph, Node

# Points. The smallest text has 12 points or 16 pixels, so a picture may shrink to 75 %: 900 and 720 pixels hold this much.
WIDTH: Final = 860.0
HEIGHT: Final = 640.0  # without the legend and the notes
MAX_ROWS: Final = 6
MAX_NODES: Final = 300  # a graph with more nodes never fits, so no layout is tried
CUT_BOX: Final = 60.0  # a row may be this much longer or shorter for each box that its end then does not cut

_EM, _BOLD = 0.56, 0.62  # width of a letter, as a part of the height of its font
# How much wider and higher than its text a shape is, and its margin.
_SHAPES: Final[dict[str, tuple[float, float, float]]] = {
    "operation": (1.3, 1.35, 18), "parameter": (1.0, 1.35, 17), "frozen": (1.0, 1.35, 17), "collapsed": (1.0, 1.3, 26),
}  # fmt: skip
_LARGE, _SMALL = 13.0, 12.0
_RANK_GAP, _NODE_GAP, _BOX, _TITLE, _WRAP = 21.0, 14.0, 14.0, 20.0, 110.0


class Layout(NamedTuple):
    """The graph as it is drawn, its direction, and the row of each of its nodes."""

    graph: Graph
    rankdir: Direction
    rows: tuple[int, ...]


class _Size(NamedTuple):
    width: float
    height: float

    @property
    def excess(self) -> float:
        """By which factor the picture is too large; at most 1 if it fits."""
        return max(self.width / WIDTH, self.height / HEIGHT)


def fit(
    graph: Graph, show: Show, rankdir: Direction | None, fold: Callable[[Graph], Graph | None], boxes: bool = True
) -> tuple[Graph, Layout]:
    """Returns the graph, possibly folded, and its layout.

    Parameters
    ----------
    graph : node records
    show : what the picture shows
    rankdir : the direction; None takes LR, or TB if only that fits
    fold : folds one more level, or returns None if there is none
    boxes : whether modules need their boxes; otherwise leaving them out is tried before folding
    """
    preparations: list[Callable[[Graph], Graph]] = [lambda g: g, merge_results, join_operations]
    if not boxes:
        preparations.append(lambda g: _without_boxes(join_operations(g)))
    steps = preparations
    best: tuple[float, Graph, Layout] = math.inf, graph, Layout(graph, rankdir or "LR", ())
    while True:
        if len(graph.nodes) > MAX_NODES:
            steps = []
        for drawn in (step(graph) for step in steps):
            for direction in (rankdir,) if rankdir else ("LR", "TB"):
                for rows in _row_choices(drawn, show, direction):
                    size = _measure(drawn, show, direction, rows)
                    if size.excess < best[0]:
                        best = size.excess, graph, Layout(drawn, direction, rows)
                    if size.excess <= 1:
                        return best[1:]
        folded = fold(graph)
        if folded is None:
            return best[1:]
        graph, steps = folded, preparations


def _without_boxes(graph: Graph) -> Graph:
    return graph._replace(nodes=[node._replace(scope=()) for node in graph.nodes])


def merge_results(graph: Graph) -> Graph:
    """Returns the graph with unnamed results inside of the operations that computed them."""
    operands, consumers = graph.operands(), graph.consumers()
    into: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        plain = node.kind == "tensor" and not (node.name or node.badge or node.memory)
        if plain and consumers[i] and i not in graph.roots and len(operands[i]) == 1:
            maker = operands[i][0]
            if graph.nodes[maker].kind == "operation" and len(consumers[maker]) == 1:
                into[i] = maker
    if not into:
        return graph
    nodes = list(graph.nodes)
    for result, maker in into.items():
        r = nodes[result]
        nodes[maker] = nodes[maker]._replace(array=r.array, grad=r.grad, wants_grad=r.wants_grad, symbol=r.symbol)
    kept = [i for i in range(len(nodes)) if i not in into]
    at = {i: k for k, i in enumerate(kept)}
    edges = [
        edge._replace(source=at[into.get(edge.source, edge.source)], target=at[edge.target])
        for edge in graph.edges
        if edge.target not in into
    ]
    return graph._replace(nodes=[nodes[i] for i in kept], edges=edges, roots=[at[i] for i in graph.roots])


def join_operations(graph: Graph) -> Graph:
    """Returns the graph with operations inside of the named results that they compute, in addition to `merge_results`."""
    graph = merge_results(graph)
    operands, consumers = graph.operands(), graph.consumers()
    into: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.kind in ("tensor", "loss") and len(operands[i]) == 1 and node.array is not None:
            maker = operands[i][0]
            if graph.nodes[maker].kind == "operation" and len(consumers[maker]) == 1:
                into[maker] = i
    nodes = list(graph.nodes)
    for maker, result in into.items():
        call = nodes[maker]
        name = call.primitive.symbol if call.primitive and call.primitive.symbol else call.name
        nodes[result] = nodes[result]._replace(via=name, primitive=call.primitive, params=call.params, where=call.where)
    kept = [i for i in range(len(nodes)) if i not in into]
    at = {i: k for k, i in enumerate(kept)}
    edges = [
        edge._replace(source=at[edge.source], target=at[into.get(edge.target, edge.target)])
        for edge in graph.edges
        if edge.source not in into
    ]
    return graph._replace(nodes=[nodes[i] for i in kept], edges=edges, roots=[at[i] for i in graph.roots])


def fold_casts(graph: Graph) -> Graph:
    """Returns the graph without casts: the edge to the consumer says the dtype instead."""
    operands, consumers = graph.operands(), graph.consumers()
    cut: dict[int, int] = {}  # the result of a cast -> what was cast
    for i, node in enumerate(graph.nodes):
        if node.kind == "operation" and node.name == "cast" and len(consumers[i]) == 1:
            result = consumers[i][0]
            if graph.nodes[result].kind == "tensor" and not graph.nodes[result].name and consumers[result]:
                cut[result] = cut.get(operands[i][0], operands[i][0])
                cut[i] = -1
    if not cut:
        return graph
    kept = [i for i in range(len(graph.nodes)) if i not in cut]
    at = {i: k for k, i in enumerate(kept)}
    edges: list[Edge] = []
    for edge in graph.edges:
        if edge.target in cut:
            continue
        if edge.source in cut:
            dtype = graph.nodes[edge.source].array
            label = edge.label or (translate("as {dtype}", dtype=str(dtype.dtype)) if dtype is not None else "")
            edge = edge._replace(source=cut[edge.source], label=label)
        edges.append(edge._replace(source=at[edge.source], target=at[edge.target]))
    return graph._replace(nodes=[graph.nodes[i] for i in kept], edges=edges, roots=[at[i] for i in graph.roots])


# -- rows ------------------------------------------------------------------------------------------------------------------


def _is_leaf(node: Node, operands: Sequence[int]) -> bool:
    return not operands and node.kind in ("input", "parameter", "frozen")


def _ranks(graph: Graph, operands: list[list[int]], consumers: list[list[int]]) -> list[int]:
    """Returns the distance of each node from the start; a leaf is beside its only consumer, or before the first one."""
    ranks, beside = [0] * len(graph.nodes), find_beside(graph)
    for i in _topological(operands, consumers):
        steps = [ranks[j] + 1 for j in operands[i] if j not in beside]
        ranks[i] = max(steps, default=0)
    for i, node in enumerate(graph.nodes):
        if _is_leaf(node, operands[i]) and consumers[i]:
            ranks[i] = min(ranks[j] for j in consumers[i]) - (i not in beside)
    lowest = min(ranks, default=0)
    return [rank - lowest for rank in ranks]


def _topological(operands: list[list[int]], consumers: list[list[int]]) -> list[int]:
    """Folding may put a node behind its consumers, so the order of nodes is not enough."""
    missing = [len(sources) for sources in operands]
    ready = [i for i, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        i = ready.pop()
        order.append(i)
        for j in consumers[i]:
            missing[j] -= 1
            if not missing[j]:
                ready.append(j)
    return order


def _row_choices(graph: Graph, show: Show, direction: Direction) -> Iterator[tuple[int, ...]]:
    """Yields the row of each node for one row, then for more and more rows. A row ends only where few edges cross its end."""
    yield (0,) * len(graph.nodes)
    operands, consumers = graph.operands(), graph.consumers()
    ranks = _ranks(graph, operands, consumers)
    is_leaf = [_is_leaf(node, sources) for node, sources in zip(graph.nodes, operands, strict=True)]
    allowed = _clean_cuts(graph, ranks, is_leaf)
    lengths = _lengths(graph, show, direction, ranks)
    for count in range(2, min(MAX_ROWS, len(allowed) + 1) + 1):
        starts = _starts(lengths, allowed, count)
        rows = [bisect_right(starts, rank) for rank in ranks]
        for i, leaf in enumerate(is_leaf):
            if leaf and consumers[i]:
                rows[i] = min(rows[j] for j in consumers[i])
        yield tuple(rows)


def _starts(lengths: Mapping[int, float], allowed: Mapping[int, float], count: int) -> list[int]:
    """Returns the ranks at which further rows start, so that the rows are about equally long."""
    place, before = {}, 0.0
    for rank in sorted(lengths):
        place[rank] = before
        before += lengths[rank]
    ends = [before * k / count for k in range(1, count)]
    return sorted({min(allowed, key=lambda rank: abs(place[rank] - end) + allowed[rank]) for end in ends})


def _clean_cuts(graph: Graph, ranks: list[int], is_leaf: list[bool]) -> dict[int, float]:
    """Maps the ranks before which a row may end to how bad that is: few results are used after it, and a box may be cut."""
    crossing: dict[int, set[int]] = {}
    cut: dict[int, int] = {}
    for edge in graph.edges:
        if not is_leaf[edge.source]:
            for rank in range(ranks[edge.source] + 1, ranks[edge.target] + 1):
                crossing.setdefault(rank, set()).add(edge.source)
                source, target = graph.nodes[edge.source].scope or (), graph.nodes[edge.target].scope or ()
                shared = sum(1 for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(source, target, strict=False)))
                cut[rank] = max(cut.get(rank, 0), shared)
    return {rank: CUT_BOX * (cut[rank] + len(sources) - 1) for rank, sources in crossing.items() if len(sources) < 3}


def _lengths(graph: Graph, show: Show, direction: Direction, ranks: list[int]) -> dict[int, float]:
    """Returns the extent of each rank along the direction: its largest node, the labels of its edges, boxes, and a gap."""
    along = 0 if direction in ("LR", "RL") else 1
    lengths: dict[int, float] = {}
    boxes: dict[int, set[Path]] = {}
    labels: dict[int, float] = {}
    for node, rank in zip(graph.nodes, ranks, strict=True):
        lengths[rank] = max(lengths.get(rank, 0.0), node_size(graph, node, show)[along])
        boxes.setdefault(rank, set()).update(_boxes_around(node))
    for edge in graph.edges:
        if edge.label or edge.heat is not None:
            parts = edge.label.split(" = ") if len(edge.label) > SHORT else [edge.label or "−0.0"]
            extent = _EM * _SMALL * max(map(display_width, parts)) if along == 0 else _SMALL * len(parts)
            labels[ranks[edge.target]] = max(labels.get(ranks[edge.target], 0.0), extent + 22)
    for rank in lengths:
        opened = boxes[rank] - boxes.get(rank - 1, set())
        lengths[rank] += max(_RANK_GAP, labels.get(rank, 0.0)) + (_BOX if along == 0 else _TITLE + _BOX) * bool(opened)
    return lengths


def _breadth(graph: Graph, show: Show, direction: Direction, ranks: list[int], rows: Sequence[int]) -> float:
    """Returns the extent of the picture across its direction: of all rows, on both sides of the axis of each row."""
    across = 1 if direction in ("LR", "RL") else 0
    beside, seen = find_beside(graph), Counter[int]()
    sides: dict[tuple[int, int], list[float]] = {}
    boxes: dict[tuple[int, int], set[Path]] = {}
    for i, (node, rank, row) in enumerate(zip(graph.nodes, ranks, rows, strict=True)):
        extent = node_size(graph, node, show)[across] + _NODE_GAP
        side = sides.setdefault((row, rank), [0.0, 0.0])
        if i in beside:
            side[seen[beside[i]] % 2] += extent
            seen[beside[i]] += 1
        else:
            side[0] += extent / 2
            side[1] += extent / 2
        boxes.setdefault((row, rank), set()).update(_boxes_around(node))
    total = 0.0
    for row in set(rows):
        here = [key for key in sides if key[0] == row]
        deepest = max(len(path) for key in here for path in boxes[key] | {()})
        abreast = max(sum(len(path) == 1 for path in boxes[key]) for key in here)
        total += sum(max(sides[key][k] for key in here) for k in (0, 1)) + _BOX * max(abreast - 1, 0)
        total += deepest * (_TITLE + _BOX if across else _BOX) + 2 * _NODE_GAP
    return total


def _boxes_around(node: Node) -> set[Path]:
    scope = node.scope or ()
    return {scope[:k] for k in range(1, len(scope) + 1)}


def _measure(graph: Graph, show: Show, direction: Direction, rows: Sequence[int]) -> _Size:
    """Returns an estimate of the size of the picture. Rows start at the same place, so their ranks form columns."""
    ranks = _ranks(graph, graph.operands(), graph.consumers())
    first: dict[int, int] = {}
    for rank, row in zip(ranks, rows, strict=True):
        first[row] = min(rank, first.get(row, rank))
    columns = [rank - first[row] for rank, row in zip(ranks, rows, strict=True)]
    along = sum(_lengths(graph, show, direction, columns).values()) + _WRAP * (len(first) > 1)
    breadth = _breadth(graph, show, direction, ranks, rows)
    return _Size(along, breadth) if direction in ("LR", "RL") else _Size(breadth, along)


def node_size(graph: Graph, node: Node, show: Show) -> _Size:
    """Returns an estimate of a node's width and height in points, from the text of its label."""
    width, height = 0.0, 9.0
    for row in (line for part in label_rows(graph, node, show) for line in part.split("<br/>")):
        if row.startswith("<table"):
            across, down = grid_size(row)
            width, height = max(width, across), height + down + 4
            continue
        font = _SMALL if row.startswith("<font point-size") else _LARGE
        text = html.unescape(re.sub(r"<[^>]*>", "", row))
        letter = _BOLD if "<b>" in row else _EM
        width = max(width, letter * font * display_width(text))
        height += 1.2 * font
    stretch, grow, margin = _SHAPES.get(node.kind, (1.0, 1.0, 17.0))
    return _Size(max(stretch * width + margin, 26), max(height * grow, 26))
