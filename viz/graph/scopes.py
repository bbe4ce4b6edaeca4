"""Assigns each node to the call of a module or a loss in which it was recorded.

A tensor belongs to the operation that computed it. A parameter belongs to its consumers: to one call, or outside of all calls
that share it. An input is inside if it was created there, such as a mask or random noise; what a module converts before it does
anything else is its argument and therefore outside.

A graph without recorded calls may still have parameters with paths, such as `encoder.weight`: an operation then belongs to the
deepest path of all parameters that it uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Final

from .calls import USE, Path, scopes_at
from .nodes import Graph, Node

ON_LOGITS: Final = ("softplus", "binary_cross_entropy_with_logits", "log_sigmoid")


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
    starts = {box.first: box.path for box in graph.boxes}
    firsts = {edge.source for edge in graph.edges if edge.slot == 0 and edge.target == consumers[edge.source][0]}
    for i, node in enumerate(graph.nodes):
        is_constant = not graph.boxes and not node.name and node.kind == "input"
        if not operands[i] and (node.kind in ("parameter", "frozen") or is_constant):
            scopes[i] = common_prefix(scopes[j] for j in consumers[i]) or ()
        elif graph.boxes and not operands[i] and i in firsts:
            scopes[i] = _outside_if_argument(starts, node, scopes[i])
    titles = dict(graph.titles) | {box.path: box.title for box in graph.boxes if box.path}
    nodes = [node._replace(scope=scope) for node, scope in zip(graph.nodes, scopes, strict=True)]
    return graph._replace(nodes=nodes, titles=titles)


def name_outputs(graph: Graph) -> Graph:
    """Names the results of networks that have a letter as their name: G(z), D(x), D(G(z)).

    What a loss turns into probabilities by a sigmoid is called the logit of D(x), because D(x) is the probability.
    """
    operands, consumers, nodes = graph.operands(), graph.consumers(), list(graph.nodes)
    for i, node in enumerate(graph.nodes):
        outer = (node.scope or ("",))[0].split(USE)[0] if operands[i] else ""
        if node.kind == "detached" and operands[i]:
            outer = nodes[operands[i][0]].name.split(" · ")[0]
        is_result = all((nodes[j].scope or ())[:1] != (node.scope or ())[:1] for j in consumers[i]) or node.kind == "detached"
        if node.array is None or node.name or len(outer) != 1 or not outer.isalpha() or not is_result:
            continue
        box = (node.scope or ())[:1]
        inside = [j for j, other in enumerate(nodes) if other.primitive is not None and (other.scope or ())[:1] == box]
        arguments = {nodes[k].name for j in inside for k in operands[j] if _is_argument(nodes[k], box)}
        argument = "z" if node.kind == "detached" else arguments.pop() if len(arguments) == 1 else "·"
        logit = "logit " * any(nodes[j].primitive is not None and nodes[j].name in ON_LOGITS for j in _soon(i, consumers))
        nodes[i] = node._replace(name=f"{logit}{outer}({argument or '·'})")
    return graph._replace(nodes=nodes)


def _is_argument(node: Node, outer: Path) -> bool:
    return node.kind in ("input", "tensor", "detached") and (node.scope or ())[:1] != outer


def _soon(i: int, consumers: list[list[int]]) -> list[int]:
    """The operations that use a result, and those that use the results of these."""
    first = consumers[i]
    return [*first, *(k for j in first for result in consumers[j] for k in consumers[result])]


def _recorded(graph: Graph) -> list[Path]:
    at = scopes_at(list(graph.boxes), {node.seq for node in graph.nodes})
    return [at[node.seq] for node in graph.nodes]


def _outside_if_argument(starts: Mapping[int, Path], node: Node, scope: Path) -> Path:
    """Returns the scope of the first operand of an operation: outside of the calls that created it before anything else."""
    number = node.seq - 1
    while scope and number in starts:
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
