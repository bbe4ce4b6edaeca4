"""The gradients of everything in a graph, by the engine's own walk. No `.grad` is touched (a user's hooks do run)."""

from __future__ import annotations

from autograd_mini.backward import reachable, walk
from autograd_mini.tensor import Array

from .record import Graph, Outputs, named


def deltas(outputs: Outputs) -> dict[int, Array]:
    """The gradient of the scalar `outputs`, summed, by each tensor behind them, under its creation number.

    RuntimeError, in the engine's words, where the graph was freed or a leaf was written since; empty without a scalar output
    that requires a gradient.
    """
    roots = [t for _, t in named(outputs) if t._requires_grad and t._data.size == 1]
    nodes = reachable(roots)
    found = walk(nodes, roots, [None] * len(roots), create_graph=False, keep=nodes.keys())
    return {seq: g for seq, g in found.items() if not isinstance(g, list)}  # a call with several outputs has a list


def with_deltas(graph: Graph, found: dict[int, Array]) -> Graph:
    """The graph with these gradients in place of those that `.grad` had."""
    nodes = [node if node.array is None else node._replace(grad=found.get(node.seq)) for node in graph.nodes]
    return graph._replace(nodes=nodes)
