"""What the page says about a node: its kind, module, shape, formula and source line, and its value and gradient as matrices."""

from __future__ import annotations

import linecache
import os
from typing import Final, TypedDict

import numpy as np

from autograd_mini.tensor import Array
from autograd_mini.tools.plain_text import escape_unprintable

from ..graph.collapse import title
from ..graph.dot import derivatives
from ..graph.nodes import CUT, NO_GRADIENT, Graph, Node
from ..graph.summary import format_number, format_values
from ..language import translate

MAX_CELLS: Final = 8  # rows and columns of a matrix; a larger array is cut


class Matrix(TypedDict):
    """A matrix: its title, a summary, the numbers as text, and their sizes from −1 to 1 as parts of the largest one."""

    title: str
    summary: str
    rows: list[list[str]]
    heat: list[list[float]]


class Detail(TypedDict):
    """A node: its name, what a screen reader says, pairs of label and text, and its matrices."""

    name: str
    label: str
    facts: list[tuple[str, str]]
    matrices: list[Matrix]


def describe(graph: Graph, node: Node, with_values: bool) -> Detail:
    """Returns what the page says about a node of the graph."""
    name = _clean(node.name) or f"#{node.number}"
    kind = translate("operation" if node.primitive is not None and not node.via else node.kind)
    if node.folds:
        kind = translate("module")
    facts = [("", kind)]
    if node.hidden:
        facts.append(("", translate("{count} nodes hidden", count=node.hidden)))
    if node.scope:
        facts.append((translate("module"), _clean(title(graph, node.scope))))
    if node.array is not None:
        facts.append((translate("shape"), str(node.shape) if node.shape else translate("scalar")))
    if node.primitive is not None:
        derivative = derivatives(node) if node.primitive.derivative else ""
        facts += [("", text) for text in (node.primitive.formula, derivative) if text]
    if node.where:
        facts.append((translate("source line"), _clean(source_line(node.where))))
    if node.changed:
        facts.append(("", translate("changed since it was used")))
    matrices: list[Matrix] = []
    if with_values and node.array is not None:
        matrices.append(format_matrix(translate("value"), node.array))
        if node.grad is not None:
            symbol = "" if node.symbol == "∇" else f" {node.symbol}"
            matrices.append(format_matrix(translate("gradient") + symbol, node.grad))
        elif node.wants_grad:
            facts.append((translate("gradient"), "—"))
    texts = [f"{label} {text}".strip() for label, text in facts] + [f"{m['title']} {m['summary']}" for m in matrices]
    return {"name": name, "label": ", ".join([name, *texts]), "facts": facts, "matrices": matrices}


def _clean(text: str) -> str:
    return escape_unprintable(text, keep="\u3000").replace("\n", " ")


def source_line(where: str) -> str:
    """Returns the name of the file, the line number and the line.

    >>> from autograd_mini.viz.folding.details import source_line
    >>> source_line("/home/ada/missing.py:7")
    'missing.py:7'
    """
    file, _, number = where.rpartition(":")
    line = linecache.getline(file, int(number)).strip()
    return f"{os.path.basename(file)}:{number}" + f"  {line}" * bool(line)


def format_matrix(heading: str, array: Array) -> Matrix:
    """Returns an array as an aligned matrix: the first rows and columns, of the first matrix if it has more than two axes.

    >>> import numpy as np
    >>> from autograd_mini.viz.folding.details import format_matrix
    >>> matrix = format_matrix("value", np.array([[1.0, -0.5], [0.0, 0.25]]))
    >>> matrix["rows"], matrix["heat"]
    ([['1', '-0.5'], ['0', '0.25']], [[1.0, -0.5], [0.0, 0.25]])
    """
    plane = np.atleast_2d(array[(0,) * max(array.ndim - 2, 0)]) if array.size else np.zeros((0, 0))
    cut = plane[:MAX_CELLS, :MAX_CELLS]
    texts = [f"{format_values(array)}"] if array.size > 4 or not array.size else []
    if cut.size < array.size:
        index = "".join(f"{i}, " for i in (0,) * (array.ndim - 2))
        first = f"[{index}:{cut.shape[0]}, :{cut.shape[1]}]" if array.ndim > 1 else f"[:{cut.shape[1]}]"
        texts.append(translate("shown: {part}", part=first))
    numbers = cut.astype(np.float64)
    finite = np.where(np.isfinite(numbers), numbers, 0)
    largest = float(np.abs(finite).max(initial=0)) or 1.0
    rows = [[format_number(float(value), 3) for value in row] for row in numbers]
    return {
        "title": heading,
        "summary": ", ".join(texts) or " ".join(rows[0] if len(rows) == 1 else (f"[{' '.join(row)}]" for row in rows)),
        "rows": rows,
        "heat": [[round(float(value), 3) for value in row / largest] for row in finite],
    }


def gradient_nodes(graph: Graph) -> list[str]:
    """Returns the ids of the nodes through which a gradient flows back from an output, for the path that lights up."""
    operands = graph.operands()
    cut = {(edge.source, edge.target) for edge in graph.edges if edge.label in (CUT, NO_GRADIENT)}
    stack = [i for i in graph.roots if graph.nodes[i].wants_grad]
    reached = set(stack)
    while stack:
        i = stack.pop()
        for j in operands[i]:
            if j not in reached and (j, i) not in cut and _passes(graph.nodes[j]):
                reached.add(j)
                stack.append(j)
    return [f"n{graph.nodes[i].number}" for i in sorted(reached)]


def _passes(node: Node) -> bool:
    return node.kind != "outside" and (node.wants_grad or node.array is None)
