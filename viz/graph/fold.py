"""Folding: many nodes become one that says how many it hides. Modules fold by name or depth, repeated blocks by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from .record import Edge, Graph, Node, Path
from .scopes import common

Collapse: TypeAlias = Literal["auto"] | str | Sequence[str]

READABLE: Final = 150  # nodes that a reader can take in; beyond it "auto" folds repeated blocks
REPEATS: Final = 4  # blocks alike in a row that are worth folding: the first and the last are shown
LONGEST: Final = 64  # operations in a block


class Group(NamedTuple):
    """Operations to be folded into one node, what it is called, and the module that it stands in."""

    title: str
    scope: Path
    operations: list[int]


def folded(graph: Graph, depth: int | None, collapse: Collapse, max_nodes: int) -> Graph:
    """The graph as `draw` shows it. ValueError where it still has more than `max_nodes` nodes, or a name fits no module."""
    whole, groups = len(graph.nodes), list(_modules(graph, depth, () if collapse == "auto" else collapse))
    if groups:
        graph = fold(graph, groups)
    if collapse == "auto":
        if len(graph.nodes) > READABLE:
            graph = fold(graph, repeats(graph))
        deepest = max((len(node.scope or ()) for node in graph.nodes), default=0)
        for level in range(deepest, 0, -1):
            if len(graph.nodes) <= max_nodes:
                break
            graph = fold(graph, list(_modules(graph, level, ())))
    if len(graph.nodes) > max_nodes:
        raise ValueError(
            f"draw: the graph has {len(graph.nodes)} nodes{_of(whole, len(graph.nodes))}, more than max_nodes={max_nodes}; "
            f"pass max_nodes={len(graph.nodes)} to draw them all, or use viz.text(outputs)"
        )
    return graph


def _of(whole: int, left: int) -> str:
    return f" after folding {whole}" * (whole != left)


def note(graph: Graph) -> str:
    """What a picture of a folded graph must say: how many nodes are hidden, and how to see them."""
    hidden = sum(node.hidden for node in graph.nodes)
    return f"{hidden} nodes are hidden in folded ones; draw(…, depth=None, collapse=()) shows them all" * (hidden > 0)


def _modules(graph: Graph, depth: int | None, collapse: str | Sequence[str]) -> Iterator[Group]:
    """A group for each module that is `depth` levels down, or whose path a pattern fits (`layers.*`)."""
    patterns = [collapse] if isinstance(collapse, str) else collapse
    levels: set[Path] = {path[:i] for node in graph.nodes for path in (node.scope or (),) for i in range(1, len(path) + 1)}
    names = {".".join(path): path for path in levels}
    chosen = {path for path in levels if len(path) == depth} | ({()} if depth == 0 else set())
    for pattern in patterns:
        fitting = {path for name, path in names.items() if fnmatchcase(name, pattern)}
        if not fitting:
            known = ", ".join(sorted(names)) or "none: pass params=module"
            raise ValueError(f"draw: collapse={pattern!r} fits no module; there are {known}")
        chosen |= fitting
    members: dict[Path, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        scope = node.scope or ()
        if node.kind in ("operation", "folded"):
            outermost = next((scope[:k] for k in range(len(scope) + 1) if scope[:k] in chosen), None)
            if outermost is not None:
                members.setdefault(outermost, []).append(i)
    for path, operations in members.items():
        yield Group(title(graph, path), path[:-1], operations)


def title(graph: Graph, path: Path) -> str:
    """A module's path, and its class where that is known: `layers.0 · Linear`."""
    return " · ".join(filter(None, (".".join(path), graph.titles.get(path, "")))) or "module"


def repeats(graph: Graph) -> list[Group]:
    """Blocks of operations that follow each other and are alike: the same operations on the same shapes, wired the same way.

    Of each such row the first and the last block stay, and those between are one group.
    """
    operations = [i for i, node in enumerate(graph.nodes) if node.primitive is not None]
    looks = _looks(graph, operations)
    rows: list[tuple[int, int, int]] = []  # hidden operations, first of them, operations in a block
    for period in range(1, min(LONGEST, len(looks) // REPEATS) + 1):
        same = looks[:-period] == looks[period:]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
        for start, end in edges.reshape(-1, 2).tolist():
            shift = _boundary(graph, operations, start, period)
            blocks = (end - start + period - shift) // period
            if blocks >= REPEATS:
                rows.append(((blocks - 2) * period, start + shift + period, period))
    taken: set[int] = set()
    groups: list[Group] = []
    for hidden, first, period in sorted(rows, key=lambda row: (-row[0], row[2], row[1])):
        places = range(first, first + hidden)
        if taken.isdisjoint(places):
            taken.update(range(first - period, first + hidden + period))
            block = [graph.nodes[operations[k]].name for k in places[:period]]
            inside = [operations[k] for k in places]
            name = f"⋯ {hidden // period} × ({', '.join(block[:4])}{', …' * (period > 4)})"
            groups.append(Group(name, common(graph.nodes[i].scope for i in inside) or (), inside))
    return groups


def _looks(graph: Graph, operations: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A number for each operation, equal where two look alike: name, operands' shapes, and how far back each was made."""
    operands, place = graph.operands(), {i: k for k, i in enumerate(operations)}
    seen: dict[object, int] = {}

    def look(k: int, i: int) -> int:
        made = []
        for j in operands[i]:
            maker = operands[j]
            made.append((graph.nodes[j].shape, k - place[maker[0]] if maker and maker[0] in place else graph.nodes[j].kind))
        return seen.setdefault((graph.nodes[i].name, tuple(made)), len(seen))

    return np.array([look(k, i) for k, i in enumerate(operations)], np.int64)


def _boundary(graph: Graph, operations: list[int], start: int, period: int) -> int:
    """How far into the first block a module begins, so that blocks are whole modules; 0 where none does."""
    scopes = [graph.nodes[i].scope for i in operations[max(start - 1, 0) : start + period]]
    if start == 0:
        return 0
    return next((k for k in range(period) if scopes[k] != scopes[k + 1]), 0)


def fold(graph: Graph, groups: Sequence[Group]) -> Graph:
    """Each group as one node. With its operations go the tensors that nothing else uses; outputs of the graph stay."""
    into = {i: k for k, group in enumerate(groups) for i in group.operations}
    if not into:
        return graph
    roots = set(graph.roots)
    for i, users in enumerate(graph.consumers()):
        if users and i not in roots and i not in into and graph.nodes[i].array is not None:
            gone = {into.get(j) for j in users}
            if len(gone) == 1 and None not in gone:
                into[i] = into[users[0]]
    nodes, at = _rebuilt(_released(graph, groups, into), groups, into)
    edges: dict[tuple[int, int, int], Edge] = {}
    for edge in graph.edges:
        source, target = at[edge.source], at[edge.target]
        if source != target:
            slot = 0 if edge.source in into or edge.target in into else edge.slot  # an operation may use a tensor twice
            edges.setdefault((source, target, slot), edge._replace(source=source, target=target))
    return graph._replace(nodes=nodes, edges=list(edges.values()), roots=[at[i] for i in graph.roots])


def _released(graph: Graph, groups: Sequence[Group], into: dict[int, int]) -> Graph:
    """What a group gives to others stands beside it, not in a module of which all else is hidden."""
    nodes = list(graph.nodes)
    for source, target, *_ in graph.edges:
        if source in into and target not in into:
            nodes[target] = nodes[target]._replace(scope=groups[into[source]].scope)
    return graph._replace(nodes=nodes)


def _rebuilt(graph: Graph, groups: Sequence[Group], into: dict[int, int]) -> tuple[list[Node], dict[int, int]]:
    """The nodes that are left, a folded one where the last of its own was, and where each old index went."""
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
            nodes.append(Node("folded", group.title, number=first.number, seq=first.seq, scope=group.scope, hidden=hidden))
    return nodes, at


def nested(paths: Iterable[Path]) -> list[Path]:
    """Different paths, each after all that it begins with and beside its kin: the order in which clusters open and close."""
    natural = {path: [(len(part), part) if part.isdecimal() else (0, part) for part in path] for path in paths}
    return [path for path, _ in groupby(sorted(natural, key=natural.__getitem__))]
