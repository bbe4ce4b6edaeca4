"""`step`: backpropagation frame by frame, as one self-contained HTML page that needs no network."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, get_args

from autograd_mini import nn
from autograd_mini.tensor import Tensor
from autograd_mini.tools.plain_text import escape_unprintable

from ..chain_rule.program import Program
from ..files import suffix_of, write_atomically
from ..graph.dot import Show, to_dot
from ..graph.lecture import UnclearLayers, use_lecture_notation
from ..graph.nodes import Graph, Names, build_graph
from ..graph.picture import Notation
from ..graph.render import render
from ..graph.scopes import assign_scopes
from ..language import translate
from ..show import embed_json, show_in_browser, show_in_notebook
from .frames import Frame, Granularity, node_name
from .lesson import make_lesson
from .page import build_page, script_texts

HEIGHT: Final = 720  # pixels of the frame in a notebook


@dataclass(frozen=True)
class Page:
    """A web page: `html` is its text, `frames` the steps that it plays. A notebook shows it in a sandboxed frame."""

    html: str
    frames: list[Frame]

    def __repr__(self) -> str:
        return f"<Page of {len(self.frames)} frames>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file atomically. Raises ValueError if the name does not end in .html."""
        suffix_of(path, ("html",))
        write_atomically(path, self.html.encode())

    def show(self) -> None:
        """Shows the page in the notebook, or else in a web browser."""
        if not show_in_notebook(self):
            show_in_browser(self.html)

    def _repr_html_(self) -> str:
        page, title = html.escape(self.html), html.escape(translate("backprop, step by step"))
        style = f"width:100%;height:{HEIGHT}px;border:1px solid #999"
        return f'<iframe sandbox="allow-scripts" title="{title}" style="{style}" srcdoc="{page}"></iframe>'


def step(
    loss: Tensor,
    *,
    params: Names = None,
    granularity: Granularity = "op",
    notation: Notation = "code",
    quiz: bool = False,
    forward: bool = True,
    update: nn.Optimizer | None = None,
    iterations: int = 1,
    max_nodes: int = 500,
    timeout: float = 10,
) -> Page:
    """Returns a page that plays a step of learning: forward, loss, backward, and with an optimizer the update.

    First u and h of each layer appear as they are computed, then the loss, then the gradients from the loss backwards; with
    `update`, w ← w − η ∂L/∂w follows, and the next iteration with the new loss. Values and gradients appear inside the nodes,
    and the panel shows the formula with its numbers. The numbers are those of the engine's own passes; the button Check shows
    the numerical gradient beside them. Separate frames show where gradients add up and where broadcasting is undone.

    Nothing of the program changes: neither `.grad`, nor the parameters, nor the optimizer. Keys: ← → Home End, the space bar
    and c; `#frame=7` opens a frame. Graphviz lays out the graph; without it the page lists the nodes. Raises ValueError if
    `loss` is not a scalar or requires no gradient, or the graph has more than `max_nodes` nodes, and TypeError if `loss` is not
    a Tensor.

    Parameters
    ----------
    loss : a scalar Tensor
    params : names of the parameters, as in `draw`
    granularity : "op" for each operation, "layer" for each layer (a module, or an affine operation with its activation)
    notation : "code" or "lecture", as in `draw`
    quiz : hide each result until it is clicked
    forward : play the forward pass too; False starts at the loss
    update : the optimizer whose step is played after each backward pass
    iterations : the number of passes, each with the parameters of the update before
    max_nodes : the largest number of nodes to draw
    timeout : seconds that the layout may take

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
    >>> page = viz.step(ag.square(w * 2), forward=False)
    >>> [frame["title"] for frame in page.frames]
    ['∂L/∂L = 1', 'square → ∂L/∂v₁', 'multiply → ∂L/∂w', 'the gradients']
    >>> page.frames[-1]["lines"][0]["rows"]
    [['24']]
    """
    if granularity not in get_args(Granularity):
        raise ValueError(f"step: granularity must be one of {', '.join(get_args(Granularity))}, got {granularity!r}")
    if not isinstance(loss, Tensor):
        raise TypeError(f"step: expected a scalar Tensor, got {type(loss).__name__}")
    if loss._data.size != 1:
        raise ValueError(f"step: expected a scalar loss, got shape {loss.shape}")
    if not loss._requires_grad:
        raise ValueError("step: the loss requires no gradient; create its parameters with requires_grad=True")
    _check_passes(update, iterations, params)
    graph = assign_scopes(build_graph(loss, params))
    if len(graph.nodes) > max_nodes:
        count = len(graph.nodes)
        raise ValueError(f"step: the graph has {count} nodes, more than max_nodes={max_nodes}; pass max_nodes={count} for all")
    if notation == "lecture":
        with suppress(UnclearLayers):  # then the page uses code notation
            graph = use_lecture_notation(graph)
    graph = _with_names(graph, loss)
    played = make_lesson(loss, graph, granularity, forward, update, iterations)
    hidden = {"math"}
    data = {
        "frames": [{key: value for key, value in frame.items() if key not in hidden} for frame in played],
        "quiz": quiz,
        "texts": script_texts(),
    }
    page = build_page(_render_graph(graph, played, timeout), embed_json(data), [frame["math"] for frame in played])
    return Page(page, played)


def _with_names(graph: Graph, loss: Tensor) -> Graph:
    """Returns the graph with the names that formulas use: v₁, v₂, … for results without a name, L for the loss."""
    names = Program(graph, loss, graph.roots[0], is_lecture=False, gradients={}).names
    operands = graph.operands()
    nodes = [
        node._replace(name=names[i]) if not node.name and node.primitive is None and operands[i] else node
        for i, node in enumerate(graph.nodes)
    ]
    return graph._replace(nodes=nodes)


def _check_passes(update: object, iterations: int, params: Names) -> None:
    """Raises TypeError or ValueError unless the passes can be played."""
    if update is not None and not isinstance(update, nn.Optimizer):
        raise TypeError(f"step: update must be an optimizer such as nn.SGD(model.parameters(), lr=0.1), got {update!r}")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
        raise ValueError(f"step: iterations must be a positive integer, got {iterations!r}")
    if iterations > 1 and update is None:
        raise ValueError(f"step: iterations={iterations} needs update=, an optimizer; without it every pass is the same")


def _render_graph(graph: Graph, played: Sequence[Frame], timeout: float) -> str:
    """Returns the graph as SVG with places for values and gradients, or as a list of nodes if there is no renderer."""
    texts = _longest_texts(played)
    nodes = [node._replace(badge="\n".join(_places(f"n{node.number}", texts))) for node in graph.nodes]
    edges = [edge._replace(label="") for edge in graph.edges]  # the panel shows the local derivatives
    try:
        svg = render(
            to_dot(graph._replace(nodes=nodes, edges=edges), Show(legend=False, shapes=False)), "svg", timeout
        ).decode()
    except (RuntimeError, TimeoutError):
        items = (
            f'<li id="n{node.number}">{html.escape(escape_unprintable(f"{translate(node.kind)} {node_name(node)}"))}</li>'
            for node in graph.nodes
        )
        return f'<ol class="list" start="0">{"".join(items)}</ol>'
    return PLACE.sub(_make_place, svg[svg.index("<svg") :])


def _longest_texts(played: Sequence[Frame]) -> dict[tuple[str, str], list[int]]:
    """Returns the length of the longest text of each line, by node and kind."""
    longest: dict[tuple[str, str], list[int]] = {}
    for frame in played:
        for kind, texts in (("value", frame["values"]), ("grad", frame["grads"])):
            for node, lines in texts.items():
                lengths = longest.setdefault((node, kind), [])
                lengths += [0] * (len(lines) - len(lengths))
                lengths[: len(lines)] = [max(n, len(text)) for n, text in zip(lengths, lines, strict=False)]
    return longest


def _places(node: str, texts: Mapping[tuple[str, str], list[int]]) -> Iterator[str]:
    """Yields the text that keeps the place of each line of a node: its address, as wide as the longest text."""
    for kind in ("value", "grad"):
        for length in texts.get((node, kind), []):
            yield f"@{node}{kind[0]}".ljust(max(length, 4), "_")


PLACE: Final = re.compile(r"(<text [^>]*?)(?: font-weight=\"bold\")?([^>]*)>@(n\d+)([vg])_*</text>")


def _make_place(match: re.Match[str]) -> str:
    kind = {"v": "value", "g": "grad"}[match[4]]
    start = re.sub(r' fill="[^"]*"', "", f"{match[1]}{match[2]}")
    return f'{start} class="{kind}" data-node="{match[3]}" data-kind="{kind}"></text>'
