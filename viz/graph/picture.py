"""`draw` and the `Picture` that it returns: a graph as DOT text, which can be saved, piped, and shown in a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from autograd_mini.jit.plan import Plan

from ..files import suffix_of, write_atomically
from .deltas import deltas, with_deltas
from .dot import Direction, Show, write
from .fold import Collapse, folded, note
from .heat import LayerDelta, by_layer, cells, heated, table
from .lecture import Unclear, lecture
from .plan import planned
from .record import Graph, Names, Outputs, record
from .render import FORMATS, render
from .scopes import scoped
from .svg import Theme, dressed
from .tree import tree

Notation: TypeAlias = Literal["code", "lecture"]
_Told: TypeAlias = tuple[Graph, tuple[LayerDelta, ...], list[str]]


@dataclass(frozen=True)
class Picture:
    """A drawn graph: `source` is its DOT text, `graph` the records behind it, `notes` what it says below itself.

    `layers` are the rows of the table that `heat="grad"` adds, `table` that as text; `plan` is a drawn plan as text. A layout
    may take `timeout` seconds.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> viz.draw(x * x).source.splitlines()[0]
    'digraph autograd_mini {'
    >>> viz.draw(x * x)
    <Picture of 3 nodes>
    """

    source: str
    graph: Graph
    notes: tuple[str, ...] = ()
    layers: tuple[LayerDelta, ...] = ()
    theme: Theme = "auto"
    timeout: float = 10
    plan: str = ""

    def __repr__(self) -> str:
        return f"<Picture of {len(self.graph.nodes)} nodes>"

    def __str__(self) -> str:
        return "\n".join([self.plan or str(tree(self.graph)), *self.notes])

    @property
    def table(self) -> str:
        """δ by layer as text, empty unless drawn with `heat="grad"`."""
        return table(self.layers) if self.layers else ""

    def pipe(self, format: str = "svg") -> bytes:
        """The picture as the bytes of an svg, png, pdf or dot file.

        Raises ValueError for another format, RendererMissing where no Graphviz is found (never for dot), TimeoutError when
        the layout takes longer than `timeout` seconds, RuntimeError when it fails.

        >>> import autograd_mini as ag
        >>> from autograd_mini import viz
        >>> viz.draw(ag.Tensor(1.0)).pipe("dot")[:7]
        b'digraph'
        """
        made = render(self.source, format, self.timeout)
        return dressed(made, self.graph, self.theme) if format == "svg" else made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, whole or not at all; the format follows the suffix: .svg, .png, .pdf or .dot (ValueError otherwise).

        Raises what `pipe` raises.
        """
        write_atomically(path, self.pipe(suffix_of(path, FORMATS)))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """What a notebook shows: the picture, or, where it cannot be drawn, the reason and the graph as text."""
        try:
            return {"image/svg+xml": self.pipe("svg").decode(), "text/plain": repr(self)}
        except Exception as error:  # a cell's output must appear whatever is wrong with the machine
            return {"text/plain": f"{self}\n(not drawn: {error})"}


def draw(
    outputs: Outputs | Plan,
    *,
    params: Names = None,
    show_shapes: bool = True,
    show_values: bool = False,
    show_grad: bool | None = None,
    show_formula: bool = False,
    notation: Notation = "code",
    rankdir: Direction = "LR",
    depth: int | None = None,
    collapse: Collapse = "auto",
    heat: Literal["grad"] | None = None,
    badges: Mapping[str, str] | None = None,
    theme: Theme = "auto",
    legend: bool = True,
    max_nodes: int = 2000,
    timeout: float = 10,
) -> Picture:
    """Draws the graph that made `outputs` (a Tensor, or a list or dict of them), exactly as it was recorded.

    Inputs, parameters, operations, tensors and losses (scalar outputs) differ in shape and in colour. Names come from `params`
    (a module, or a dict of name to Tensor or module), from the keys of `outputs`, or from each tensor's `name`. Where they are
    paths, `encoder.0.weight`, operations stand in clusters, one for each module and one inside the other.

    show_shapes   each tensor's shape
    show_values   its numbers up to four of them, otherwise mean ± standard deviation, or the range of integers
    show_grad     its gradient, `—` where none has been computed; None shows gradients when there are any
    show_formula  what each operation computes, and its local derivatives ∂ by its operands
    notation      "lecture" calls pre-activations u⁽ˡ⁾ and shows δ⁽ˡ⁾ at them alone, activations h⁽ˡ⁾, parameters W⁽ˡ⁾ and b⁽ˡ⁾
                  with ∂L/∂W⁽ˡ⁾, the input being layer 1; local derivatives stand on the edges. Gradients are then those of
                  the scalar outputs, from a walk of draw's own that leaves every `.grad` alone. Where no layers can be
                  told apart, a note says why, and "code" is used
    rankdir       the direction of the forward pass: LR, RL, TB or BT
    depth         modules that many levels down are folded, each into one node
    collapse      names of modules to be folded, or patterns like "layers.*"; "auto" folds blocks that repeat where the graph
                  has more than 150 nodes, and modules where it has more than `max_nodes`; () folds nothing
    heat          "grad" colours and widens each edge by log₁₀ of the root mean square of the gradient that flows back along it,
                  which stands beside it, and adds a table of δ by layer that says where it is vanishing or exploding
    theme         of an SVG: "light", "dark", or "auto", which follows the reader's setting; other formats are light
    badges        a short text to be shown at each tensor of that name, as `check` does

    A folded node says how many nodes it hides, and the picture how to see them.

    A plan, `draw(step.plan)` of a function compiled by `ag.jit`, is drawn in the same way: its numbered steps, each result with
    the buffer that it lies in, where a step works in place, and writes. It has shapes alone.

    A leaf that was written after an operation had used it, as by an optimizer's step, is marked "changed since". The first
    operand of −, ÷, @ and power enters from the top (LR) or the left (TB). Only `Picture.pipe` and `save` need Graphviz.

    Raises ValueError for more than `max_nodes` nodes after folding, a name in `collapse` that fits no module, or another word
    for an option, or one that a plan has nothing to show for; TypeError where an output is no Tensor.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w, h = ag.Tensor(2.0, requires_grad=True, name="w"), ag.Tensor(3.0, name="h")
    >>> picture = viz.draw(w * h, show_values=True)
    >>> "<b>w</b>" in picture.source
    True
    """
    for name, given, known in (("rankdir", rankdir, Direction), ("notation", notation, Notation), ("theme", theme, Theme)):
        if given not in get_args(known):
            raise ValueError(f"draw: {name} must be one of {', '.join(get_args(known))}, got {given!r}")
    if heat not in ("grad", None):
        raise ValueError(f"draw: heat must be 'grad' or None, got {heat!r}")
    if isinstance(outputs, Plan):
        if heat or show_values or show_grad or notation == "lecture":
            raise ValueError(
                "draw: a plan holds no values: show_values, show_grad, heat and the lecture's δ have nothing to show"
            )
        told: _Told = planned(outputs, params), (), []
    else:
        told = _told(scoped(record(outputs, params)), outputs, notation, heat)
    graph, rows, notes = told
    if badges:
        graph = graph._replace(nodes=[node._replace(badge=badges.get(node.name, "")) for node in graph.nodes])
    graph = folded(graph, depth, collapse, max_nodes)
    if show_grad is None:
        show_grad = not heat and any(node.grad is not None for node in graph.nodes)
    show = Show(show_shapes, show_values, show_grad, show_formula, rankdir, legend)
    said = tuple(filter(None, [*notes, note(graph)]))
    drawn = write(graph, show, said, cells(rows) if rows else ())
    return Picture(drawn, graph, said, rows, theme, timeout, repr(outputs) if isinstance(outputs, Plan) else "")


def _told(graph: Graph, outputs: Outputs, notation: Notation, heat: Literal["grad"] | None) -> _Told:
    """The graph with the gradients, heat and names that were asked for, the table of layers, and what the picture must say."""
    rows: tuple[LayerDelta, ...] = ()
    notes: list[str] = []
    if notation == "code" and not heat:
        return graph, rows, notes
    try:
        graph = with_deltas(graph, deltas(outputs))
    except RuntimeError as error:
        notes.append(f"gradients are not shown: {error}")
    try:
        if heat:
            graph = heated(graph)
            rows = by_layer(graph)
        if notation == "lecture":
            graph = lecture(graph)
    except Unclear as error:
        missing = ["drawn in the notation of the code"] * (notation == "lecture") + ["without a table of layers"] * bool(heat)
        notes.append(f"{', '.join(missing)}: {error}")
    return graph, rows, notes
