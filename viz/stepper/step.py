"""`step`: backprop frame by frame, as one self-contained HTML page that asks nothing of the network."""

from __future__ import annotations

import html
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, get_args

from autograd_mini.tensor import Tensor

from ..files import suffix_of, write_atomically
from ..graph.dot import Show, write
from ..graph.lecture import Unclear, lecture
from ..graph.picture import Notation
from ..graph.record import Graph, Names, record
from ..graph.render import render
from ..graph.scopes import scoped
from .frames import Frame, Granularity, called, frames, observed
from .page import PAGE

HEIGHT: Final = 720  # pixels of the frame in a notebook


@dataclass(frozen=True)
class Page:
    """A web page: `html` is all of it, `frames` the steps that it plays. A notebook shows it in a sandboxed frame."""

    html: str
    frames: list[Frame]

    def __repr__(self) -> str:
        return f"<Page of {len(self.frames)} frames>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page, whole or not at all; ValueError unless the name ends in .html."""
        suffix_of(path, ("html",))
        write_atomically(path, self.html.encode())

    def _repr_html_(self) -> str:
        page = html.escape(self.html)
        style = f"width:100%;height:{HEIGHT}px;border:1px solid #999"
        return f'<iframe sandbox="allow-scripts" title="backprop, step by step" style="{style}" srcdoc="{page}"></iframe>'


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
    """Plays the backward pass from a scalar `loss`: ∂L/∂L = 1, then upstream × local derivative for each operation.

    The frames are what the engine's own walk did, with formulas, shapes and numbers; frames of their own show where gradients
    add up (old + new = total) and where broadcasting is undone. No `.grad` is touched. Keys: ← → Home End and the space bar;
    `#frame=7` opens a frame. `granularity="layer"` makes one frame of each layer (a module of `params`, or an affine operation
    with its activation), `quiz` hides each result until it is clicked. Names and `notation` are as in `draw`. The graph is laid
    out by Graphviz where there is one; else its nodes are a list.

    Raises ValueError for more than `max_nodes` nodes or a `loss` that is no scalar, TypeError for one that is no
    tensor, and what `backward` raises.

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
        raise ValueError("step: the loss requires no gradient, so there is nothing to play")
    graph = scoped(record(loss, params))
    if len(graph.nodes) > max_nodes:
        count = len(graph.nodes)
        raise ValueError(f"step: the graph has {count} nodes, more than max_nodes={max_nodes}; pass max_nodes={count} for all")
    if notation == "lecture":
        with suppress(Unclear):  # then the code's own names do
            graph = lecture(graph)
    made = frames(graph, *observed(loss, graph), granularity)
    data = {"frames": made, "quiz": quiz}
    return Page(PAGE.replace("@GRAPH@", _drawn(graph, timeout)).replace("@DATA@", embedded(data)), made)


def embedded(data: object) -> str:
    """JSON that may stand inside a script element: no string in it can end the element or open a comment.

    >>> from autograd_mini.viz.stepper.step import embedded
    >>> embedded("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()


def _drawn(graph: Graph, timeout: float) -> str:
    """The graph as SVG, or as a list where nothing can lay it out."""
    try:
        svg = render(write(graph, Show(legend=False)), "svg", timeout).decode()
    except (RuntimeError, TimeoutError):
        items = (f'<li id="n{node.number}">{html.escape(f"{node.kind} {called(node)}")}</li>' for node in graph.nodes)
        return f'<ol class="list" start="0">{"".join(items)}</ol>'
    return svg[svg.index("<svg") :]
