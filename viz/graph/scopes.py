"""Which module each node belongs to, found from the parameters' paths alone: ordinary calls pay nothing for it.

An operation belongs to the deepest module that owns the parameters it uses, as they are or transposed, cast, normalised. One
that uses none and keeps the shape of its only operand, as activations do, joins the operation before it if nothing else uses
that operand. What lies between operations of one module is inside that module.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from .record import Graph, Node, Path


def common(paths: Iterable[Path | None]) -> Path | None:
    """The longest path that all of them start with; None ones do not count, and None where there are no others."""
    known = [path for path in paths if path is not None]
    if not known:
        return None
    return tuple(a[0] for a in takewhile(lambda parts: len(set(parts)) == 1, zip(*known, strict=False)))


def scoped(graph: Graph) -> Graph:
    """The same graph with a scope for every node, () outside all modules. Needs the scopes of the parameters."""
    if not any(node.scope for node in graph.nodes):
        return graph
    nodes, operands, consumers = graph.nodes, graph.operands(), graph.consumers()
    owned = _owned(graph, operands, consumers)
    before: list[Path | None] = []
    for path, sources in zip(owned, operands, strict=True):
        before.append(common(before[i] for i in sources) if path is None else path)
    after: list[Path | None] = [None] * len(nodes)
    for i in reversed(range(len(nodes))):
        after[i] = common(after[j] for j in consumers[i]) if owned[i] is None else owned[i]
    scopes: list[Path] = []
    for i, node in enumerate(nodes):
        if owned[i] is not None or before[i] is None or after[i] is None:
            scope = owned[i]
        else:
            scope = common((before[i], after[i]))
        if node.kind not in ("operation", "input", "parameter"):
            scope = scopes[operands[i][0]]  # a tensor stands beside the operation that made it
        scopes.append(scope or ())
    for i, node in enumerate(nodes):
        if not operands[i] and node.scope is None and not node.name:
            scopes[i] = common(scopes[j] for j in consumers[i]) or ()  # a constant stands where it is used
    return graph._replace(nodes=[node._replace(scope=scope) for node, scope in zip(nodes, scopes, strict=True)])


def _owned(graph: Graph, operands: list[list[int]], consumers: list[list[int]]) -> list[Path | None]:
    """The scopes that parameters decide, and with them activations."""
    owned: list[Path | None] = []
    weights: list[Path | None] = []  # the owner of what is made of parameters alone
    for i, (node, sources) in enumerate(zip(graph.nodes, operands, strict=True)):
        path = common(weights[j] for j in sources) if sources else node.scope
        pure = all(weights[j] is not None or _is_number(graph.nodes[j]) for j in sources)
        weights.append(path if pure else None)
        if path is None and sources and (node.kind != "operation" or _joins(graph, i, sources, consumers)):
            path = owned[sources[0]]
        owned.append(path)
    return owned


def _is_number(node: Node) -> bool:
    return node.kind == "input" and node.array is not None and node.array.size == 1


def _joins(graph: Graph, operation: int, sources: list[int], consumers: list[list[int]]) -> bool:
    """Whether an operation is an activation: its only operand is not used elsewhere, and its output has the same shape."""
    alone = len(sources) == len(consumers[sources[0]]) == 1
    return alone and graph.nodes[operation + 1].shape == graph.nodes[sources[0]].shape
