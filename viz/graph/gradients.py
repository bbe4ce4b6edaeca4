"""Gradients of all tensors in a graph, computed by the engine's backward pass without changing `.grad` (hooks do run)."""

from __future__ import annotations

from autograd_mini.backward import reachable, walk
from autograd_mini.tensor import Array

from .nodes import Graph, Outputs, named_outputs


def compute_gradients(outputs: Outputs) -> dict[int, Array]:
    """Returns the gradient of the sum of the scalar `outputs` with respect to each tensor, by creation number.

    The dict is empty if no scalar output requires a gradient. Raises the engine's RuntimeError if the graph was freed or a
    leaf was modified in place.
    """
    roots = [t for _, t in named_outputs(outputs) if t._requires_grad and t._data.size == 1]
    nodes = reachable(roots)
    gradients = walk(nodes, roots, [None] * len(roots), create_graph=False, keep=nodes.keys())
    return {seq: g for seq, g in gradients.items() if not isinstance(g, list)}  # a call with several outputs has a list


def replace_gradients(graph: Graph, gradients: dict[int, Array]) -> Graph:
    """Returns the graph with these gradients instead of those in `.grad`."""
    nodes = [node if node.array is None else node._replace(grad=gradients.get(node.seq)) for node in graph.nodes]
    return graph._replace(nodes=nodes)
