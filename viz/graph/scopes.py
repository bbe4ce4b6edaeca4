"""Assigns each node to the call of a module or a loss in which it was recorded.

A tensor belongs to the operation that computed it. A parameter belongs to its consumers: to one call, or outside of all calls
that share it. An input is inside if it was created there, such as a mask or random noise; what a module converts before it does
anything else is its argument and therefore outside.

A graph without recorded calls may still have parameters with paths, such as `encoder.weight`: an operation then belongs to the
deepest path of all parameters that it uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from .calls import Path, scopes_at
from .nodes import Graph, Node


def common_prefix(paths: Iterable[Path | None]) -> Path | None:
    """Returns the longest common prefix of the paths that are not None; None if there are none."""
    known = [path for path in paths if path is not None]
    if not known:
        return None
    return tuple(a[0] for a in takewhile(lambda parts: len(set(parts)) == 1, zip(*known, strict=False)))


def assign_scopes(graph: Graph) -> Graph:
    """Returns the graph with a scope for every node, () outside all modules."""
    if not graph.boxes and not any(node.scope for node in graph.nodes):
        return graph
    operands, consumers = graph.operands(), graph.consumers()
    scopes = _recorded(graph) if graph.boxes else _by_names(graph, operands)
    for i, node in enumerate(graph.nodes):
        if node.primitive is None and operands[i]:
            scopes[i] = scopes[operands[i][0]]  # a tensor belongs to the operation that computed it
    for i, node in enumerate(graph.nodes):
        is_constant = not graph.boxes and not node.name and node.kind == "input"
        if not operands[i] and (node.kind == "parameter" or is_constant):
            scopes[i] = common_prefix(scopes[j] for j in consumers[i]) or ()
        elif graph.boxes and not operands[i]:
            scopes[i] = _outside_if_argument(graph, i, scopes[i], consumers[i])
    titles = dict(graph.titles) | {box.path: box.title for box in graph.boxes if box.path}
    nodes = [node._replace(scope=scope) for node, scope in zip(graph.nodes, scopes, strict=True)]
    return graph._replace(nodes=nodes, titles=titles)


def _recorded(graph: Graph) -> list[Path]:
    at = scopes_at(list(graph.boxes), {node.seq for node in graph.nodes})
    return [at[node.seq] for node in graph.nodes]


def _outside_if_argument(graph: Graph, leaf: int, scope: Path, consumers: list[int]) -> Path:
    """Returns the scope of an input: outside the calls that created it as the very first, to use it as a first operand."""
    node = graph.nodes[leaf]
    is_first = any(edge.slot == 0 for edge in graph.edges if edge.source == leaf and edge.target in consumers[:1])
    if not scope or not is_first:
        return scope
    starts = {box.first: box.path for box in graph.boxes}
    number = node.seq - 1
    while number in starts:
        scope = starts[number][:-1]
        number -= 1
    return scope


def _by_names(graph: Graph, operands: list[list[int]]) -> list[Path]:
    """Returns the scopes that the paths of parameters imply, also if they are transposed, cast or normalised first."""
    scopes: list[Path] = []
    owners: list[Path | None] = []  # of what is computed from parameters and numbers alone
    for node, sources in zip(graph.nodes, operands, strict=True):
        scope = common_prefix(owners[j] for j in sources) if sources else node.scope
        scopes.append(scope or ())
        known = all(owners[j] is not None or _is_number(graph.nodes[j]) for j in sources)
        owners.append(scope if known else None)
    return scopes


def _is_number(node: Node) -> bool:
    return node.kind == "input" and node.array is not None and node.array.size == 1
