"""Collapsing: many nodes become one. Modules collapse by name or depth; repeated blocks of large graphs automatically."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from ..language import translate
from .calls import FUNCTION, USE, Path
from .nodes import Edge, Graph, Node
from .scopes import common_prefix

Collapse: TypeAlias = Literal["auto"] | str | Sequence[str]

MAX_READABLE: Final = 150  # with more nodes, "auto" collapses repeated blocks
MIN_REPEATS: Final = 4  # shorter runs of equal blocks are not collapsed; the first and the last block are always shown
MAX_BLOCK: Final = 64  # operations in a block


class Group(NamedTuple):
    """Operations that become one node, the title of that node, the module that contains it, and the path of the module itself.

    A group of repeated blocks has no path.
    """

    title: str
    scope: Path
    operations: list[int]
    path: Path = ()


def collapse_graph(graph: Graph, depth: int | None, collapse: Collapse, max_nodes: int) -> Graph:
    """Returns the graph as `draw` shows it.

    Raises ValueError if more than `max_nodes` nodes remain or a pattern in `collapse` matches no module.
    """
    whole, groups = len(graph.nodes), list(_module_groups(graph, depth, () if collapse == "auto" else collapse))
    if groups:
        graph = collapse_groups(graph, groups)
    if collapse == "auto":
        if len(graph.nodes) > MAX_READABLE:
            graph = collapse_groups(graph, repeated_blocks(graph))
        deepest = max((len(node.scope or ()) for node in graph.nodes), default=0)
        for level in range(deepest, 0, -1):
            if len(graph.nodes) <= max_nodes:
                break
            graph = collapse_groups(graph, list(_module_groups(graph, level, ())))
    if len(graph.nodes) > max_nodes:
        after = "" if whole == len(graph.nodes) else f" after collapsing {whole}"
        raise ValueError(
            f"draw: the graph has {len(graph.nodes)} nodes{after}, more than max_nodes={max_nodes}; "
            f"pass max_nodes={len(graph.nodes)} to draw them all, or use viz.text(outputs)"
        )
    return graph


def fold_level(graph: Graph) -> Graph | None:
    """Returns the graph with the deepest modules folded, then repeated blocks, then functions; None if nothing is left."""
    deepest = max((len(node.scope or ()) for node in graph.nodes if node.kind in ("operation", "collapsed")), default=0)
    for level in range(deepest, 0, -1):
        if groups := list(_module_groups(graph, level, ())):
            return merge_shared_parameters(collapse_groups(graph, groups))
    functions = {node.scope[:1] for node in graph.nodes if node.scope and node.scope[0].endswith(FUNCTION)}
    groups = repeated_blocks(graph) or [group for path in functions for group in groups_at(graph, {path})]
    return merge_shared_parameters(collapse_groups(graph, groups)) if groups else None


def collapse_note(graph: Graph) -> str:
    """Returns the note below a collapsed graph: how many nodes are hidden, and how to show them; empty if none is hidden."""
    hidden = sum(node.hidden for node in graph.nodes)
    if not hidden:
        return ""
    return translate(
        "{count} nodes are hidden in collapsed nodes; draw(…, depth=None, collapse=()) shows all of them", count=hidden
    )


def _module_groups(graph: Graph, depth: int | None, collapse: str | Sequence[str]) -> Iterator[Group]:
    """Yields a group for each module at level `depth` or with a path that matches a pattern (`layers.*`)."""
    patterns = [collapse] if isinstance(collapse, str) else collapse
    levels: set[Path] = {path[:i] for node in graph.nodes for path in (node.scope or (),) for i in range(1, len(path) + 1)}
    names = {path: _name_without_uses(path) for path in levels}
    chosen = {path for path in levels if len(path) == depth and not path[-1].endswith(FUNCTION)}
    chosen |= {()} if depth == 0 else set()
    for pattern in patterns:
        matches = {path for path, name in names.items() if fnmatchcase(name, pattern)}
        if not matches:
            known = (
                f"the modules are {', '.join(sorted(set(names.values())))}"
                if names
                else "no module is known: pass params=module"
            )
            raise ValueError(f"draw: collapse={pattern!r} matches no module; {known}")
        chosen |= matches
    yield from groups_at(graph, chosen)


def groups_at(graph: Graph, chosen: set[Path]) -> Iterator[Group]:
    """Yields a group for each of the chosen paths that has operations and is not inside another one."""
    members: dict[Path, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        scope = node.scope or ()
        if node.kind in ("operation", "collapsed"):
            outermost = next((scope[:k] for k in range(len(scope) + 1) if scope[:k] in chosen), None)
            if outermost is not None:
                members.setdefault(outermost, []).append(i)
    for path, operations in members.items():
        if len(operations) > 1 or graph.nodes[operations[0]].kind == "operation":
            yield Group(title(graph, path), path[:-1], operations, path)


def _name_without_uses(path: Path) -> str:
    """Returns the path of a module with dots, the same for each of its uses."""
    return ".".join(part.removesuffix(FUNCTION).split(USE)[0] for part in path)


def title(graph: Graph, path: Path) -> str:
    """Returns what the box of a module shows: its path and, if known, its class: `layers.0 · Linear`."""
    return graph.titles.get(path) or ".".join(path) or translate("module")


def repeated_blocks(graph: Graph) -> list[Group]:
    """Finds runs of equal consecutive blocks: the same operations on the same shapes, connected in the same way.

    The first and the last block of each run stay visible; the blocks between them form one group.
    """
    operations = [i for i, node in enumerate(graph.nodes) if node.primitive is not None]
    signatures = _signatures(graph, operations)
    runs: list[tuple[int, int, int]] = []  # number of hidden operations, the first of them, operations in a block
    for period in range(1, min(MAX_BLOCK, len(signatures) // MIN_REPEATS) + 1):
        same = signatures[:-period] == signatures[period:]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
        for start, end in edges.reshape(-1, 2).tolist():
            shift = _module_offset(graph, operations, start, period)
            blocks = (end - start + period - shift) // period
            if blocks >= MIN_REPEATS:
                runs.append(((blocks - 2) * period, start + shift + period, period))
    covered: set[int] = set()
    groups: list[Group] = []
    for hidden, first, period in sorted(runs, key=lambda run: (-run[0], run[2], run[1])):
        places = range(first, first + hidden)
        if covered.isdisjoint(places):
            covered.update(range(first - period, first + hidden + period))
            block = [graph.nodes[operations[k]].name for k in places[:period]]
            inside = [operations[k] for k in places]
            name = f"⋯ {hidden // period} × ({', '.join(block[:4])}{', …' * (period > 4)})"
            groups.append(Group(name, common_prefix(graph.nodes[i].scope for i in inside) or (), inside))
    return groups


def _signatures(graph: Graph, operations: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns a number for each operation; equal numbers mean equal names, operand shapes and distances to their makers."""
    operands, position = graph.operands(), {i: k for k, i in enumerate(operations)}
    seen: dict[object, int] = {}

    def signature(k: int, i: int) -> int:
        sources = []
        for j in operands[i]:
            maker = operands[j]
            sources.append(
                (graph.nodes[j].shape, k - position[maker[0]] if maker and maker[0] in position else graph.nodes[j].kind)
            )
        return seen.setdefault((graph.nodes[i].name, tuple(sources)), len(seen))

    return np.array([signature(k, i) for k, i in enumerate(operations)], np.int64)


def _module_offset(graph: Graph, operations: list[int], start: int, period: int) -> int:
    """Returns the offset at which blocks begin in a run: where the outermost module begins, preferably one with parameters."""
    if start == 0:
        return 0
    operands, nodes = graph.operands(), graph.nodes
    borders: list[tuple[int, bool, int]] = []
    for k in range(period):
        before, after = (nodes[operations[start + k - i]].scope or () for i in (1, 0))
        if before != after:
            shared = len(common_prefix((before, after)) or ())
            has_parameter = any(nodes[j].kind == "parameter" for j in operands[operations[start + k]])
            borders.append((shared, not has_parameter, k))
    return min(borders, default=(0, False, 0))[2]


def collapse_groups(graph: Graph, groups: Sequence[Group]) -> Graph:
    """Replaces each group by one node, including the tensors that only the group uses; outputs of the graph stay."""
    into = {i: k for k, group in enumerate(groups) for i in group.operations}
    if not into:
        return graph
    roots = set(graph.roots)
    for i, users in enumerate(graph.consumers()):
        if users and i not in roots and i not in into and graph.nodes[i].array is not None:
            targets = {into.get(j) for j in users}
            if len(targets) == 1 and None not in targets and not _is_argument(graph.nodes[i], groups[into[users[0]]]):
                into[i] = into[users[0]]
    nodes, at = _rebuild_nodes(_move_outputs(graph, groups, into), groups, into)
    edges: dict[tuple[int, int, int], Edge] = {}
    for edge in graph.edges:
        source, target = at[edge.source], at[edge.target]
        if source != target:
            slot = 0 if edge.source in into or edge.target in into else edge.slot  # an operation may use a tensor twice
            edges.setdefault((source, target, slot), edge._replace(source=source, target=target))
    return graph._replace(nodes=nodes, edges=list(edges.values()), roots=[at[i] for i in graph.roots])


def _is_argument(node: Node, group: Group) -> bool:
    """Whether a node is an input or a named result from outside of the group's module; it stays visible."""
    is_shown = node.kind in ("input", "detached") or (node.kind == "tensor" and bool(node.name))
    return is_shown and bool(group.path) and (node.scope or ())[: len(group.path)] != group.path


def merge_shared_parameters(graph: Graph) -> Graph:
    """Merges parameters that the same collapsed nodes share, such as those of a cell that runs at each time, into one node."""
    consumers = graph.consumers()
    shared: dict[tuple[int, ...], list[int]] = {}
    for i, node in enumerate(graph.nodes):
        users = tuple(sorted(set(consumers[i])))
        if node.kind in ("parameter", "frozen") and len(users) > 1 and all(graph.nodes[j].kind == "collapsed" for j in users):
            shared.setdefault(users, []).append(i)
    merged = {i: members[0] for members in shared.values() if len(members) > 1 for i in members}
    if not merged:
        return graph
    nodes = list(graph.nodes)
    for members in shared.values():
        if len(members) > 1:
            first = nodes[members[0]]
            prefix = common_prefix(tuple(nodes[i].name.split(".")[:-1]) for i in members) or ()
            name = translate("{module} · {count} parameters", module=".".join(prefix), count=len(members)).removeprefix(" · ")
            nodes[members[0]] = Node(
                "collapsed", name, number=first.number, seq=first.seq, scope=first.scope, hidden=len(members)
            )
    kept = [i for i in range(len(nodes)) if merged.get(i, i) == i]
    at = {i: k for k, i in enumerate(kept)}
    edges: dict[tuple[int, int, int], Edge] = {}
    for edge in graph.edges:
        source, target = at[merged.get(edge.source, edge.source)], at[edge.target]
        slot = 0 if edge.source in merged else edge.slot
        edges.setdefault((source, target, slot), edge._replace(source=source, target=target))
    return graph._replace(nodes=[nodes[i] for i in kept], edges=list(edges.values()), roots=[at[i] for i in graph.roots])


def _move_outputs(graph: Graph, groups: Sequence[Group], into: dict[int, int]) -> Graph:
    """Moves the results of a group to the module that contains its node, since their own module is hidden."""
    nodes = list(graph.nodes)
    for source, target, *_ in graph.edges:
        if source in into and target not in into:
            nodes[target] = nodes[target]._replace(scope=groups[into[source]].scope)
    return graph._replace(nodes=nodes)


def _rebuild_nodes(graph: Graph, groups: Sequence[Group], into: dict[int, int]) -> tuple[list[Node], dict[int, int]]:
    """Returns the remaining nodes, with collapsed ones at the positions of their last members, and each node's new index."""
    members: dict[int, list[int]] = {}
    for i in sorted(into):
        members.setdefault(into[i], []).append(i)
    last = {inside[-1]: k for k, inside in members.items()}
    nodes: list[Node] = []
    at: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if i not in into:
            at[i] = len(nodes)
            nodes.append(node)
        elif i in last:
            group, inside = groups[last[i]], members[last[i]]
            at |= dict.fromkeys(inside, len(nodes))
            hidden = sum(graph.nodes[j].hidden or 1 for j in inside)
            first = graph.nodes[inside[0]]
            nodes.append(
                Node(
                    "collapsed", group.title, number=first.number, seq=first.seq, scope=group.scope, hidden=hidden,
                    folds=group.path,
                )
            )  # fmt: skip
    return nodes, at


def cluster_order(paths: Iterable[Path]) -> list[Path]:
    """Returns distinct paths so that each follows its parent and siblings are adjacent: the order of nested clusters."""
    natural = {path: [(len(part), part) if part.isdecimal() else (0, part) for part in path] for path in paths}
    return [path for path, _ in groupby(sorted(natural, key=natural.__getitem__))]
