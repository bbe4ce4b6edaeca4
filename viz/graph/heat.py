"""The size of the gradient during backpropagation: log₁₀ of its root mean square at every edge, and a table of δ by layer."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, NamedTuple

from autograd_mini.tensor import Array

from ..language import translate
from .lecture import find_layers, layer_symbol
from .nodes import Graph
from .summary import format_number, rms
from .tree import align_columns

VANISHING, EXPLODING = 0.5, 2.0  # ratios between adjacent layers; over ten layers 2 becomes 1000
HEADS: Final = ("layer", "RMS of δ", "δ⁽ˡ⁾/δ⁽ˡ⁺¹⁾", "")


class LayerDelta(NamedTuple):
    """Layer l: the root mean square of δ⁽ˡ⁾, its ratio to that of layer l+1 (nan for the last layer), and the verdict."""

    layer: int
    rms: float
    ratio: float
    verdict: str


def add_heat(graph: Graph) -> Graph:
    """Returns the graph with `heat` set on each edge if the tensor at one of its ends has a gradient."""
    sizes = [None if node.grad is None else log_rms(node.grad) for node in graph.nodes]
    return graph._replace(
        edges=[e._replace(heat=sizes[e.target if sizes[e.source] is None else e.source]) for e in graph.edges]
    )


def log_rms(gradient: Array) -> float:
    """Returns log₁₀ of the root mean square; −inf for zeros.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.heat import log_rms
    >>> log_rms(np.array([0.01, -0.01]))
    -2.0
    """
    size = rms(gradient)
    return math.log10(size) if size > 0 else -math.inf


def layer_deltas(graph: Graph) -> tuple[LayerDelta, ...]:
    """Returns the rows of the table from the last layer to the first. Raises UnclearLayers if no layers can be numbered."""
    deltas = [(layer.number, graph.nodes[layer.u].grad) for layer in find_layers(graph)]
    sizes = [(layer, rms(grad)) for layer, grad in reversed(deltas) if grad is not None]
    rows = [LayerDelta(*sizes[0], math.nan, "")] if sizes else []
    for (_, above), (layer, size) in pairwise(sizes):
        ratio = size / above if above else math.nan
        rows.append(LayerDelta(layer, size, ratio, verdict(ratio)))
    return tuple(rows)


def verdict(ratio: float) -> str:
    """Returns what this ratio between adjacent layers means for the gradient of a deep network.

    >>> from autograd_mini.viz.graph.heat import verdict
    >>> verdict(0.2), verdict(1.0), verdict(3.0)
    ('vanishing', '', 'exploding')
    """
    return "vanishing" if ratio < VANISHING else "exploding" if ratio > EXPLODING else ""


def table_cells(rows: tuple[LayerDelta, ...]) -> list[tuple[str, ...]]:
    """Returns the table as text: the header, one row per layer, and the overall ratio from the last layer to the first."""
    body = [
        (
            layer_symbol("δ", row.layer),
            f"{row.rms:.2e}",
            "" if math.isnan(row.ratio) else format_number(row.ratio, 2),
            translate(row.verdict),
        )
        for row in rows
    ]
    if len(rows) > 2 and rows[0].rms:
        whole = rows[-1].rms / rows[0].rms
        mean = whole ** (1 / (len(rows) - 1))
        name = f"{layer_symbol('δ', rows[-1].layer)}/{layer_symbol('δ', rows[0].layer)}"
        body.append((name, "", f"{whole:.1e}", translate(verdict(mean) or "stable")))
    return [tuple(map(translate, HEADS)), *body]


def format_table(rows: tuple[LayerDelta, ...]) -> str:
    """Returns the table in aligned columns."""
    return "\n".join(align_columns(table_cells(rows)))
