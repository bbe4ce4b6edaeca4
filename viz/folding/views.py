"""The views of a graph: the same computation with other modules folded, each with its own layout, and the clicks between.

A state is the set of modules that are unfolded. A page cannot lay out a graph, so a limited number of states is drawn
beforehand: those that unfold one module inside of its parents, and for small models all combinations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from ..graph.calls import Path
from ..graph.collapse import collapse_groups, groups_at, merge_shared_parameters, title
from ..graph.dot import Direction, Show, to_dot
from ..graph.layout import Layout, fit
from ..graph.nodes import Graph

State: TypeAlias = frozenset[Path]

MIN_HIDDEN: Final = 3  # a module with fewer nodes, such as an activation, is not worth folding
MAX_COMBINATIONS: Final = 16  # all combinations of four modules
MAX_VIEWS: Final = 32
MAX_SHOWN: Final = 300  # nodes of a view; larger ones cannot be read


class Whole(NamedTuple):
    """The graph before anything was folded, and how it is drawn. Modules keep their boxes, because a click folds them."""

    graph: Graph
    show: Show
    rankdir: Direction | None
    notes: tuple[str, ...] = ()
    table: Sequence[Sequence[str]] = ()


class View(NamedTuple):
    """One state of the page: its unfolded modules, the nodes as they are drawn, and the DOT text."""

    state: State
    graph: Graph
    source: str


def with_all_titles(graph: Graph) -> Graph:
    """Returns the graph with a title for each module, so that all of its views number the modules alike."""
    paths = (path[:k] for node in graph.nodes for path in (node.scope or (),) for k in range(1, len(path) + 1))
    return graph._replace(titles={path: title(graph, path) for path in paths} | dict(graph.titles))


def foldable_modules(graph: Graph) -> list[Path]:
    """Returns the paths of the modules that contain operations and enough nodes, parents before children."""
    sizes: Counter[Path] = Counter()
    working: set[Path] = set()
    for node in graph.nodes:
        scope = node.scope or ()
        outer = [scope[:k] for k in range(1, len(scope) + 1)]
        sizes.update(outer)
        working.update(outer if node.primitive is not None else ())
    return sorted((path for path in sizes if sizes[path] >= MIN_HIDDEN and path in working), key=len)


def make_views(whole: Whole, drawn: Graph) -> Iterator[View]:
    """Yields the views of a page. The first one has the modules unfolded that `drawn` shows unfolded, if it is small enough."""
    modules = foldable_modules(whole.graph)
    folded = {node.folds for node in drawn.nodes if node.folds}
    first = frozenset(path for path in modules if not any(path[: len(other)] == other for other in folded))
    for state in choose_states(modules, first):
        graph = fold_modules(whole.graph, {path for path in modules if path not in state})
        if len(graph.nodes) <= MAX_SHOWN:
            _, layout = fit(graph, whole.show, whole.rankdir, lambda graph: None)
            yield View(state, layout.graph, _source(whole, layout))


def fold_modules(graph: Graph, closed: set[Path]) -> Graph:
    """Returns the graph with these modules folded."""
    groups = list(groups_at(graph, closed))
    return merge_shared_parameters(collapse_groups(graph, groups)) if groups else graph


def _source(whole: Whole, layout: Layout) -> str:
    show = whole.show._replace(rankdir=layout.rankdir)
    return to_dot(layout.graph, show, whole.notes, whole.table, layout.rows)


def parents(path: Path, modules: Sequence[Path]) -> set[Path]:
    """Returns the foldable modules around a module."""
    return {other for other in modules if len(other) < len(path) and path[: len(other)] == other}


def toggle(state: State, path: Path, modules: Sequence[Path]) -> State:
    """Returns the state after a click on a module: unfolded inside of its parents, or folded with all that it contains.

    >>> from autograd_mini.viz.folding.views import toggle
    >>> modules = [("net",), ("net", "0")]
    >>> sorted(toggle(frozenset(), ("net",), modules)), sorted(toggle(frozenset(modules), ("net",), modules))
    ([('net',)], [])
    """
    if path in state:
        return frozenset(other for other in state if other[: len(path)] != path)
    return state | {path} | parents(path, modules)


def choose_states(modules: Sequence[Path], first: State) -> list[State]:
    """Returns the states that are drawn: `first`, everything folded and unfolded, each module alone, then combinations."""
    single = (toggle(frozenset(), path, modules) for path in modules)
    distinct = dict.fromkeys((first, frozenset(), frozenset(modules), *single))
    states = dict.fromkeys(islice(distinct, MAX_VIEWS))
    waiting = list(states)
    for state in waiting:  # grows inside of the loop
        for path in modules:
            if len(states) >= MAX_COMBINATIONS:
                return list(states)
            after = toggle(state, path, modules)
            if after not in states and not parents(path, modules) - state:
                states[after] = None
                waiting.append(after)
    return list(states)


def clicks(states: Sequence[State], modules: Sequence[Path]) -> list[dict[int, int]]:
    """Returns, for each state, the number of the state that a click on each visible module leads to.

    If the exact state is not drawn, it is the most similar one in which this module has changed.
    """
    found: list[dict[int, int]] = []
    visible = [{path for path in modules if parents(path, modules) <= state} for state in states]
    for state, shown in zip(states, visible, strict=True):
        targets: dict[int, int] = {}
        for number, path in enumerate(modules):
            wanted = toggle(state, path, modules)
            able = [i for i, other in enumerate(states) if path in visible[i] and (path in other) == (path in wanted)]
            if path in shown and able:
                targets[number] = min(able, key=lambda i: len(states[i] ^ wanted))
        found.append(targets)
    return found
