"""How large the gradient is on its way back: log₁₀ of its root mean square for every edge, and a table of δ by layer."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, NamedTuple

from autograd_mini.tensor import Array

from .lecture import layers, numbered
from .record import Graph
from .summary import number, rms
from .tree import aligned

VANISHING, EXPLODING = 0.5, 2.0  # a factor from layer to layer: ten of them are a thousand
HEADS: Final = ("layer", "RMS of δ", "δ⁽ˡ⁾/δ⁽ˡ⁺¹⁾", "")


class LayerDelta(NamedTuple):
    """Layer l: the root mean square of δ⁽ˡ⁾, its ratio to that of the next layer (nan for the last), and what that means."""

    layer: int
    rms: float
    ratio: float
    verdict: str


def heated(graph: Graph) -> Graph:
    """The graph with a heat on each edge whose tensor, at either end, has a gradient."""
    sizes = [None if node.grad is None else log_rms(node.grad) for node in graph.nodes]
    return graph._replace(
        edges=[e._replace(heat=sizes[e.target if sizes[e.source] is None else e.source]) for e in graph.edges]
    )


def log_rms(gradient: Array) -> float:
    """log₁₀ of the root mean square; −inf for zeros.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.heat import log_rms
    >>> log_rms(np.array([0.01, -0.01]))
    -2.0
    """
    size = rms(gradient)
    return math.log10(size) if size > 0 else -math.inf


def by_layer(graph: Graph) -> tuple[LayerDelta, ...]:
    """The rows of the table, last layer first, as backprop meets them. Raises Unclear where layers cannot be told."""
    found = [(layer.number, graph.nodes[layer.u].grad) for layer in layers(graph)]
    sizes = [(layer, rms(grad)) for layer, grad in reversed(found) if grad is not None]
    rows = [LayerDelta(*sizes[0], math.nan, "")] if sizes else []
    for (_, above), (layer, size) in pairwise(sizes):
        ratio = size / above if above else math.nan
        rows.append(LayerDelta(layer, size, ratio, verdict(ratio)))
    return tuple(rows)


def verdict(ratio: float) -> str:
    """What a factor from one layer to the one before it does to the gradient of a deep net.

    >>> from autograd_mini.viz.graph.heat import verdict
    >>> verdict(0.2), verdict(1.0), verdict(3.0)
    ('vanishing', '', 'exploding')
    """
    return "vanishing" if ratio < VANISHING else "exploding" if ratio > EXPLODING else ""


def cells(rows: tuple[LayerDelta, ...]) -> list[tuple[str, ...]]:
    """The table as text, heads first and the whole way from the last layer to the second at its end."""
    body = [
        (numbered("δ", row.layer), f"{row.rms:.2e}", "" if math.isnan(row.ratio) else number(row.ratio, 2), row.verdict)
        for row in rows
    ]
    if len(rows) > 2 and rows[0].rms:
        whole = rows[-1].rms / rows[0].rms
        mean = whole ** (1 / (len(rows) - 1))
        name = f"{numbered('δ', rows[-1].layer)}/{numbered('δ', rows[0].layer)}"
        body.append((name, "", f"{whole:.1e}", verdict(mean) or "stable"))
    return [HEADS, *body]


def table(rows: tuple[LayerDelta, ...]) -> str:
    """The table in aligned columns."""
    return "\n".join(aligned(cells(rows)))
