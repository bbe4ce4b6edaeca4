"""`step`: backpropagation frame by frame, as one self-contained HTML page that needs no network."""

from __future__ import annotations

import html
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, get_args

from autograd_mini.tensor import Tensor
from autograd_mini.tools.plain_text import escape_unprintable

from ..files import suffix_of, write_atomically
from ..graph.dot import Show, to_dot
from ..graph.lecture import UnclearLayers, use_lecture_notation
from ..graph.nodes import Graph, Names, build_graph
from ..graph.picture import Notation
from ..graph.render import render
from ..graph.scopes import assign_scopes
from ..language import translate
from ..show import show_in_browser, show_in_notebook
from .frames import Frame, Granularity, make_frames, node_name, observe_backward
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
    max_nodes: int = 500,
    timeout: float = 10,
) -> Page:
    """Returns a page that plays the backward pass from `loss`: ∂L/∂L = 1, then upstream × local derivative per operation.

    The frames show what the engine's backward pass computed, with formulas, shapes and numbers. Separate frames show where
    gradients add up (old + new = total) and where broadcasting is undone. `.grad` does not change. Keys: ← → Home End and the
    space bar; `#frame=7` opens a frame. Graphviz lays out the graph; without it the page lists the nodes. Raises ValueError if
    `loss` is not a scalar or requires no gradient, or the graph has more than `max_nodes` nodes, and TypeError if `loss` is not
    a Tensor.

    Parameters
    ----------
    loss : a scalar Tensor
    params : names of the parameters, as in `draw`
    granularity : "op" for each operation, "layer" for each layer (a module, or an affine operation with its activation)
    notation : "code" or "lecture", as in `draw`
    quiz : hide each result until it is clicked
    max_nodes : the largest number of nodes to draw
    timeout : seconds that the layout may take

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor(3.0, requires_grad=True, name="w")
    >>> page = viz.step(ag.square(w * 2))
    >>> [frame["title"] for frame in page.frames]
    ['∂L/∂L = 1', 'square → ∂L/∂#3', 'multiply → ∂L/∂w', 'the gradients']
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
    graph = assign_scopes(build_graph(loss, params))
    if len(graph.nodes) > max_nodes:
        count = len(graph.nodes)
        raise ValueError(f"step: the graph has {count} nodes, more than max_nodes={max_nodes}; pass max_nodes={count} for all")
    if notation == "lecture":
        with suppress(UnclearLayers):  # then the page uses code notation
            graph = use_lecture_notation(graph)
    played = make_frames(graph, *observe_backward(loss, graph), granularity)
    data = {"frames": played, "quiz": quiz, "texts": script_texts()}
    return Page(build_page(_render_graph(graph, timeout), embed_json(data)), played)


def embed_json(data: object) -> str:
    """Returns JSON that is safe inside a script element: no string in it can end the element or open a comment.

    >>> from autograd_mini.viz.stepper.step import embed_json
    >>> embed_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()


def _render_graph(graph: Graph, timeout: float) -> str:
    """Returns the graph as SVG, or as a list of nodes if there is no renderer."""
    try:
        svg = render(to_dot(graph, Show(legend=False)), "svg", timeout).decode()
    except (RuntimeError, TimeoutError):
        items = (
            f'<li id="n{node.number}">{html.escape(escape_unprintable(f"{translate(node.kind)} {node_name(node)}"))}</li>'
            for node in graph.nodes
        )
        return f'<ol class="list" start="0">{"".join(items)}</ol>'
    return svg[svg.index("<svg") :]
