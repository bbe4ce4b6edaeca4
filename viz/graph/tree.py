"""The graph as an indented text for a terminal: a row per tensor, outputs first, each under the operation that used it."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from . import summary
from .record import Graph, Kind, Names, Outputs, record

MAX_LINES: Final = 200
DEEPEST: Final = 40  # columns of indentation; beyond them a branch starts again at the margin, marked with its depth
COLOURS: Final[dict[Kind, str]] = {"input": "36", "parameter": "33", "loss": "31"}
ASCII: Final = str.maketrans(
    {"│": "|", "├": "|", "└": "`", "─": "-", "↑": "^", "—": "-", "…": "...", "±": "+-", "δ": "g", "⋯": ">"}
)
FANCY: Final = "│├└─↑—…±δ⋯"


class TextTree(str):
    """The tree as a plain string. At a prompt it shows itself, in colour where the terminal has it and NO_COLOR is not set."""

    __slots__ = ("_kinds",)
    _kinds: list[Kind | None]

    def __new__(cls, lines: list[str], kinds: list[Kind | None]) -> TextTree:
        made = super().__new__(cls, "\n".join(lines))
        made._kinds = kinds
        return made

    def __repr__(self) -> str:
        if "NO_COLOR" in os.environ or not getattr(sys.stdout, "isatty", bool)():
            return str(self)
        return "\n".join(map(_coloured, self.split("\n"), self._kinds))


def _coloured(line: str, kind: Kind | None) -> str:
    return f"\x1b[{COLOURS[kind]}m{line}\x1b[0m" if kind in COLOURS else line


def text(
    outputs: Outputs, *, params: Names = None, values: bool = True, max_lines: int | None = MAX_LINES, ascii: bool | None = None
) -> TextTree:
    """The graph that made `outputs` as an indented tree: operation, name, shape, value and |δ| of each tensor in columns.

    |δ| is the root mean square of the gradient, `—` where none has been computed. A tensor with several uses is written once,
    with the number of its node in `draw`, and then referred to: `↑ #3`. `max_lines=None` writes the whole graph,
    `values=False` leaves values and gradients out. `ascii` forces plain ASCII; None chooses it where the standard output can
    do no better. Names come from `params` and `outputs` as in `draw`.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
    >>> loss = ag.square(w * 2)
    >>> loss.backward()
    >>> viz.text(loss, ascii=True)
    operation          name  shape  value  |g|
    square                   ()     36     -
    `-- multiply             ()     6      -
        |-- parameter  w     ()     3      24
        `-- input            ()     2
    """
    return tree(record(outputs, params), show_values=values, max_lines=max_lines, ascii=ascii)


def tree(graph: Graph, *, show_values: bool = True, max_lines: int | None = MAX_LINES, ascii: bool | None = None) -> TextTree:
    """The same from records that are there already."""
    plain = not _encodable(FANCY) if ascii is None else ascii
    walk = _rows(graph)
    shown = list(islice(walk, max_lines))
    left = sum(1 for _ in walk)
    heads = ("operation", "name", "shape", "value", "|δ|")
    rows = [heads if show_values else heads[:3], *(_cells(graph, row, show_values) for row in shown)]
    kinds: list[Kind | None] = [None, *(graph.nodes[row.node].kind for row in shown)]
    lines = aligned([tuple(map(_plain, row)) for row in rows] if plain else rows)
    if left:
        more = f"… {left} more lines; max_lines=None writes them all"
        lines.append(_plain(more) if plain else more)
        kinds.append(None)
    return TextTree(lines, kinds)


class Row(NamedTuple):
    """One line: the node it shows, its branch and operation, and whether this is where the node is written out."""

    node: int
    label: str
    first: bool


def _rows(graph: Graph) -> Iterator[Row]:
    """Depth first from the outputs, operands in the order of the call. The stack is our own, so depth does not matter."""
    operands = graph.operands()
    uses = Counter(edge.source for edge in graph.edges if graph.nodes[edge.source].kind != "operation")
    uses.update(graph.roots)
    written: set[int] = set()
    # tensor, prefix of its own line, prefix of the lines below it, depth
    stack = [(root, "", "", 0) for root in reversed(graph.roots)]
    while stack:
        index, own, below, depth = stack.pop()
        if index in written:
            yield Row(index, f"{own}↑ #{graph.nodes[index].number}", False)
            continue
        written.add(index)
        label, children = _made(graph, index, operands)
        number = f"#{graph.nodes[index].number} " if uses[index] > 1 else ""
        yield Row(index, own + number + label, True)
        if len(below) > DEEPEST:
            below = f"⋯{depth + 1} "
        branches = [(child, f"{below}├── ", f"{below}│   ", depth + 1) for child in children[:-1]]
        branches += [(child, f"{below}└── ", f"{below}    ", depth + 1) for child in children[-1:]]
        stack += reversed(branches)


def _made(graph: Graph, index: int, operands: list[list[int]]) -> tuple[str, list[int]]:
    """What a row shows as the making of its node, and what that was made of. Folded nodes may stand in a tensor's place."""
    node = graph.nodes[index]
    if node.array is not None and not operands[index]:
        return node.kind, []
    maker = index if node.array is None else operands[index][0]
    made = graph.nodes[maker]
    return made.name + f" ({made.hidden} nodes hidden)" * (made.hidden > 0), operands[maker]


def _cells(graph: Graph, row: Row, show_values: bool) -> tuple[str, ...]:
    node = graph.nodes[row.node]
    if not row.first or node.array is None:
        return (row.label,)
    name = node.name if node.name.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in node.name)
    cells = (row.label, name + " (changed since)" * node.changed, str(node.shape))
    if not show_values:
        return cells
    delta = summary.MISSING if node.grad is None else summary.magnitude(node.grad)
    return (*cells, summary.values(node.array), delta * node.wants_grad)


def _plain(string: str) -> str:
    """In ASCII: signs by the table, letters by their base (`ŷ` becomes y), the rest as Python would escape it."""
    if string.isascii():
        return string
    letters = unicodedata.normalize("NFKD", string.translate(ASCII))
    return "".join(c for c in letters if not unicodedata.combining(c)).encode("ascii", "backslashreplace").decode()


def _encodable(string: str) -> bool:
    try:
        string.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell. A row of one cell, a reference, sets no width."""
    full = [row for row in rows if len(row) > 1]
    widths = [max(map(_width, column)) for column in zip(*full, strict=True)]
    return ["  ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=False)).rstrip() for row in rows]


def _width(string: str) -> int:
    """Columns in a terminal: East Asian wide characters take two, combining marks none."""
    if string.isascii():
        return len(string)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in string)
