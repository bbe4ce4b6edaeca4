"""The graph as indented text for a terminal: one line per tensor, outputs first, operands below their consumer."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from typing import Final, NamedTuple

from autograd_mini.tools.plain_text import display_width, escape_unprintable, to_ascii
from autograd_mini.tools.text_table import pad_columns

from ..language import in_language, translate
from . import summary
from .nodes import Graph, Kind, Names, Outputs, build_graph

MAX_LINES: Final = 200
MAX_INDENT: Final = 40  # columns; a deeper branch starts again at the margin, marked with its depth
COLOURS: Final[dict[Kind, str]] = {"input": "36", "parameter": "33", "loss": "31"}
FANCY: Final = "│├└─↑—…±δ⋯"


class TextTree(str):
    """The tree as a plain string. The Python prompt shows it in colour if stdout is a terminal and NO_COLOR is not set."""

    __slots__ = ("_kinds",)
    _kinds: list[Kind | None]

    def __new__(cls, lines: list[str], kinds: list[Kind | None]) -> TextTree:
        tree = super().__new__(cls, "\n".join(lines))
        tree._kinds = kinds
        return tree

    def __repr__(self) -> str:
        if "NO_COLOR" in os.environ or not getattr(sys.stdout, "isatty", bool)():
            return str(self)
        return "\n".join(map(_colour, self.split("\n"), self._kinds))


def _colour(line: str, kind: Kind | None) -> str:
    return f"\x1b[{COLOURS[kind]}m{line}\x1b[0m" if kind in COLOURS else line


def text(
    outputs: Outputs, *, params: Names = None, values: bool = True, max_lines: int | None = MAX_LINES, ascii: bool | None = None
) -> TextTree:
    """Returns the graph that computed `outputs` as an indented tree: name, shape, value and RMS of δ of each tensor.

    δ is the gradient and RMS its root mean square, `—` if not computed. A tensor that is used several times is printed once,
    with the number of its node in `draw`; later lines refer to it as `↑ #3`.

    Parameters
    ----------
    outputs, params : the outputs and the names of the parameters, as in `draw`
    values : show values and gradients
    max_lines : the number of lines to print; None prints the whole graph
    ascii : use ASCII only, and English; None does so if the standard output cannot encode more

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
    >>> loss = ag.square(w * 2)
    >>> loss.backward()
    >>> viz.text(loss, ascii=True)
    operation          name  shape  value  RMS of g
    square                   ()     36     -
    `-- multiply             ()     6      -
        |-- parameter  w     ()     3      24
        `-- input            ()     2
    """
    return format_tree(build_graph(outputs, params), show_values=values, max_lines=max_lines, ascii=ascii)


def format_tree(
    graph: Graph, *, show_values: bool = True, max_lines: int | None = MAX_LINES, ascii: bool | None = None
) -> TextTree:
    """Returns the tree of a graph of node records."""
    use_ascii = not _encodable(FANCY) if ascii is None else ascii
    with in_language("en") if use_ascii else nullcontext():
        return _format_tree(graph, show_values, max_lines, use_ascii)


def _format_tree(graph: Graph, show_values: bool, max_lines: int | None, use_ascii: bool) -> TextTree:
    lines_of_tree = _tree_lines(graph)
    shown = list(islice(lines_of_tree, max_lines))
    omitted = sum(1 for _ in lines_of_tree)
    heads = (
        *map(translate, ("operation", "name", "shape", "value")),
        translate("RMS of δ").replace("δ", "g" if use_ascii else "δ"),
    )
    rows = [heads if show_values else heads[:3], *(_cells(graph, row, show_values) for row in shown)]
    kinds: list[Kind | None] = [None, *(graph.nodes[row.node].kind for row in shown)]
    lines = align_columns([tuple(map(to_ascii, row)) for row in rows] if use_ascii else rows)
    if omitted:
        more = translate("… {count} more lines; max_lines=None prints all of them", count=omitted)
        lines.append(to_ascii(more) if use_ascii else more)
        kinds.append(None)
    return TextTree(lines, kinds)


class TreeLine(NamedTuple):
    """One line: its node, the text of its first column, and whether the node appears here for the first time."""

    node: int
    label: str
    first: bool


def _tree_lines(graph: Graph) -> Iterator[TreeLine]:
    """Yields lines depth first from the outputs, with an explicit stack so that graphs may be arbitrarily deep."""
    operands = graph.operands()
    uses = Counter(edge.source for edge in graph.edges if graph.nodes[edge.source].kind != "operation")
    uses.update(graph.roots)
    printed: set[int] = set()
    # node, prefix of its line, prefix of the lines below it, depth
    stack = [(root, "", "", 0) for root in reversed(graph.roots)]
    while stack:
        index, prefix, below, depth = stack.pop()
        if index in printed:
            yield TreeLine(index, f"{prefix}↑ #{graph.nodes[index].number}", False)
            continue
        printed.add(index)
        label, children = _label_and_operands(graph, index, operands)
        number = f"#{graph.nodes[index].number} " if uses[index] > 1 else ""
        yield TreeLine(index, prefix + number + label, True)
        if len(below) > MAX_INDENT:
            below = f"⋯{depth + 1} "
        branches = [(child, f"{below}├── ", f"{below}│   ", depth + 1) for child in children[:-1]]
        branches += [(child, f"{below}└── ", f"{below}    ", depth + 1) for child in children[-1:]]
        stack += reversed(branches)


def _label_and_operands(graph: Graph, index: int, operands: list[list[int]]) -> tuple[str, list[int]]:
    """Returns the label of a node (its operation, or its kind for a leaf) and the operands. The node may be a collapsed one."""
    node = graph.nodes[index]
    if node.array is not None and not operands[index]:
        return translate(node.kind), []
    maker = index if node.array is None else operands[index][0]
    operation = graph.nodes[maker]
    if not operation.hidden:
        return operation.name, operands[maker]
    text = "{operation} ({count} nodes hidden)"
    return translate(text, operation=operation.name, count=operation.hidden), operands[maker]


def _cells(graph: Graph, row: TreeLine, show_values: bool) -> tuple[str, ...]:
    node = graph.nodes[row.node]
    if not row.first or node.array is None:
        return (row.label,)
    name = escape_unprintable(node.name)
    name = translate("{name} (changed since)", name=name) if node.changed else name
    cells = (row.label, name, str(node.shape))
    if not show_values:
        return cells
    delta = summary.MISSING if node.grad is None else summary.format_rms(node.grad)
    return (*cells, summary.format_values(node.array), delta * node.wants_grad)


def _encodable(string: str) -> bool:
    try:
        string.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def align_columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Returns rows as lines with aligned columns. A row with a single cell, a reference, does not set a width."""
    padded = iter(pad_columns([row for row in rows if len(row) > 1], width=display_width))
    return ["  ".join(next(padded) if len(row) > 1 else row).rstrip() for row in rows]
