"""Assigns each node to a module, using only the parameters' paths: recording a graph costs nothing extra.

An operation belongs to the deepest module that owns all parameters it uses, directly or transposed, cast or normalised. An
activation (no parameters, one operand, same shape) belongs to the module of the operation before it if nothing else uses its
operand. Nodes between operations of one module belong to that module.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from .nodes import Graph, Node, Path


def common_prefix(paths: Iterable[Path | None]) -> Path | None:
    """Returns the longest common prefix of the paths that are not None; None if there are none."""
    known = [path for path in paths if path is not None]
    if not known:
        return None
    return tuple(a[0] for a in takewhile(lambda parts: len(set(parts)) == 1, zip(*known, strict=False)))


def assign_scopes(graph: Graph) -> Graph:
    """Returns the graph with a scope for every node, () outside all modules. The parameters must have scopes."""
    if not any(node.scope for node in graph.nodes):
        return graph
    nodes, operands, consumers = graph.nodes, graph.operands(), graph.consumers()
    owned = _owner_scopes(graph, operands, consumers)
    before: list[Path | None] = []
    for path, sources in zip(owned, operands, strict=True):
        before.append(common_prefix(before[i] for i in sources) if path is None else path)
    after: list[Path | None] = [None] * len(nodes)
    for i in reversed(range(len(nodes))):
        after[i] = common_prefix(after[j] for j in consumers[i]) if owned[i] is None else owned[i]
    scopes: list[Path] = []
    for i, node in enumerate(nodes):
        if owned[i] is not None or before[i] is None or after[i] is None:
            scope = owned[i]
        else:
            scope = common_prefix((before[i], after[i]))
        if node.kind not in ("operation", "input", "parameter"):
            scope = scopes[operands[i][0]]  # a tensor belongs to the operation that computed it
        scopes.append(scope or ())
    for i, node in enumerate(nodes):
        if not operands[i] and node.scope is None and not node.name:
            scopes[i] = common_prefix(scopes[j] for j in consumers[i]) or ()  # a constant belongs to its consumers
    return graph._replace(nodes=[node._replace(scope=scope) for node, scope in zip(nodes, scopes, strict=True)])


def _owner_scopes(graph: Graph, operands: list[list[int]], consumers: list[list[int]]) -> list[Path | None]:
    """Returns the scopes of operations that use parameters, and of activations."""
    owned: list[Path | None] = []
    weights: list[Path | None] = []  # the owner of tensors computed from parameters alone
    for i, (node, sources) in enumerate(zip(graph.nodes, operands, strict=True)):
        path = common_prefix(weights[j] for j in sources) if sources else node.scope
        pure = all(weights[j] is not None or _is_number(graph.nodes[j]) for j in sources)
        weights.append(path if pure else None)
        if path is None and sources and (node.kind != "operation" or _is_activation(graph, i, sources, consumers)):
            path = owned[sources[0]]
        owned.append(path)
    return owned


def _is_number(node: Node) -> bool:
    return node.kind == "input" and node.array is not None and node.array.size == 1


def _is_activation(graph: Graph, operation: int, sources: list[int], consumers: list[list[int]]) -> bool:
    """Whether an operation is an activation: its only operand is not used elsewhere, and its output has the same shape."""
    sole_use = len(sources) == len(consumers[sources[0]]) == 1
    return sole_use and graph.nodes[operation + 1].shape == graph.nodes[sources[0]].shape
