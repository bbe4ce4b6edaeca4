"""`draw` and the `Picture` that it returns: a graph as DOT text, to be saved, converted to bytes or shown in a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from autograd_mini.jit.plan import Plan
from autograd_mini.tools.plain_text import for_stdout

from ..files import suffix_of, write_atomically
from ..folding.page import make_page
from ..folding.views import Whole, with_all_titles
from ..language import translate
from ..show import image_page, show_in_browser, show_in_notebook
from .collapse import Collapse, collapse_graph, collapse_note, fold_level
from .dot import Direction, Show, Values, to_dot
from .gradients import compute_gradients, replace_gradients
from .heat import LayerDelta, add_heat, format_table, layer_deltas, table_cells
from .layout import Layout, fit, fold_casts
from .lecture import UnclearLayers, show_fused_loss, use_lecture_notation
from .nodes import Graph, Names, Outputs, build_graph
from .plan import plan_graph
from .render import FORMATS, render
from .scopes import assign_scopes, name_outputs
from .svg import Theme, style_svg, title
from .tree import format_tree

HEIGHT: Final = 560  # pixels of the frame in a notebook

Notation: TypeAlias = Literal["code", "lecture"]
_Annotated: TypeAlias = tuple[Graph, tuple[LayerDelta, ...], list[str]]


@dataclass(frozen=True)
class Picture:
    """A drawn graph: `source` is its DOT text, `graph` its node records, `notes` the text below the picture.

    `layers` holds the rows of the table that `heat="grad"` adds, and `table` is its text. `plan` is the text of a drawn plan.
    The layout may take `timeout` seconds. If it `is_interactive`, notebooks and `show` present the page `html`.

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
    is_interactive: bool = False
    whole: Whole | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Picture of {len(self.graph.nodes)} nodes>"

    def __str__(self) -> str:
        return for_stdout("\n".join([self.plan or str(format_tree(self.graph)), *self.notes]))

    @property
    def table(self) -> str:
        """δ by layer as text; empty unless drawn with `heat="grad"`."""
        return format_table(self.layers) if self.layers else ""

    def pipe(self, format: str = "svg") -> bytes:
        """Returns the picture as the bytes of an svg, png, pdf or dot file.

        Raises ValueError for another format, RendererMissing if Graphviz is not installed (never for dot), TimeoutError if
        the layout takes longer than `timeout` seconds, RuntimeError if it fails.

        >>> import autograd_mini as ag
        >>> from autograd_mini import viz
        >>> viz.draw(ag.Tensor(1.0)).pipe("dot")[:7]
        b'digraph'
        """
        rendered = render(self.source, format, self.timeout)
        return style_svg(rendered, self.graph, self.theme) if format == "svg" else rendered

    @property
    def html(self) -> str:
        """The picture as a web page in one file: modules fold and unfold by a click, and nodes show their values.

        A node that the mouse or the keyboard reaches shows value, gradient, shape, formula, and the source line if the graph
        was recorded inside of `ag.detect_anomaly()`; the path of its gradient lights up. Raises the errors of `pipe`.
        """
        return make_page(self.graph, self.source, self.whole, self.theme, self.timeout)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture to a file atomically, in the format of the suffix: .svg, .png, .pdf, .dot, or .html for `html`.

        Raises ValueError for another suffix, and the errors of `pipe`.
        """
        suffix = suffix_of(path, (*FORMATS, "html"))
        write_atomically(path, self.html.encode() if suffix == "html" else self.pipe(suffix))

    def show(self) -> None:
        """Shows the picture in the notebook, or else in a web browser."""
        if show_in_notebook(self):
            return
        if self.is_interactive:
            show_in_browser(self.html)
        else:
            show_in_browser(image_page(self.pipe("svg"), "image/svg+xml", repr(self)[1:-1]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Returns what a notebook shows: the picture, or the graph as text and the reason why it cannot be drawn."""
        try:
            shown = {"image/svg+xml": self.pipe("svg").decode(), "text/plain": repr(self)}
            return shown | ({"text/html": self._frame()} if self.is_interactive else {})
        except Exception as error:  # a notebook cell must show something even if rendering fails
            return {"text/plain": f"{self}\n{translate('(not drawn: {reason})', reason=error)}"}

    def _frame(self) -> str:
        style = f"width:100%;height:{HEIGHT}px;border:1px solid #999"
        page, name = html.escape(self.html), html.escape(title(self.graph))
        return f'<iframe sandbox="allow-scripts" title="{name}" style="{style}" srcdoc="{page}"></iframe>'


def draw(
    outputs: Outputs | Plan,
    *,
    params: Names = None,
    show_shapes: bool = True,
    show_values: Values = False,
    show_grad: bool | None = None,
    show_formula: bool = False,
    notation: Notation = "code",
    rankdir: Direction | None = None,
    depth: int | None = None,
    collapse: Collapse = "auto",
    heat: Literal["grad"] | None = None,
    badges: Mapping[str, str] | None = None,
    theme: Theme = "auto",
    legend: bool = True,
    interactive: bool = False,
    max_nodes: int = 2000,
    timeout: float = 10,
) -> Picture:
    """Draws the graph that computed `outputs`, exactly as it was recorded.

    Inputs, parameters, operations, tensors and losses (scalar outputs) differ in shape and in colour. A collapsed node shows
    how many nodes it hides. A leaf modified after its use, for example by an optimizer, is marked "changed since". The first
    operand of −, ÷, @ and power enters from the top (LR) or the left (TB). Only `Picture.pipe` and `save` need Graphviz.

    A plan, `draw(step.plan)` of a function compiled by `ag.jit`, is drawn in the same way: its numbered steps, the buffer of
    each result, and which steps work in place or write. It shows shapes but no values.

    Parameters
    ----------
    outputs : a Tensor, a list or dict of Tensors, or a plan
    params : names of the parameters: a module, or a dict of name to Tensor or module; other names are the keys of `outputs` and
        each tensor's `name`. Paths like `encoder.0.weight` create nested clusters
    show_shapes : show each tensor's shape
    show_values : show up to four numbers, otherwise mean ± standard deviation, or the range of integers; "matrix" shows values
        and gradients as aligned matrices of up to 4 × 4 numbers, "heat" as small heat maps: orange above zero, blue below
    show_grad : show gradients, `—` if not computed; None shows them if there are any
    show_formula : show what each operation computes, and its local derivatives ∂ with respect to its operands
    notation : "lecture" calls pre-activations u⁽ˡ⁾, activations h⁽ˡ⁾, parameters W⁽ˡ⁾ and b⁽ˡ⁾, with the input as layer 1,
        shows δ⁽ˡ⁾ at pre-activations and ∂L/∂W⁽ˡ⁾ at parameters, and local derivatives at the edges. draw then computes the
        gradients of the scalar outputs itself and does not change `.grad`. If no layers can be identified, a note says why, and
        "code" is used
    rankdir : direction of the forward pass: LR, RL, TB or BT; None takes LR, or TB if the picture is then easier to read
    depth : collapse each module at this level into one node
    collapse : names of modules to collapse, or patterns like "layers.*"; "auto" collapses repeated blocks if the graph has more
        than 150 nodes, and modules if it has more than `max_nodes`; () collapses nothing
    heat : "grad" colours, widens and labels each edge by log₁₀ of the root mean square of its gradient, and adds a table of δ
        by layer that marks vanishing and exploding gradients
    badges : a short text for each tensor of that name, as `check` shows
    theme : colours of an SVG: "light", "dark", or "auto", which follows the reader's setting; other formats are light
    legend : add a legend of the kinds of nodes
    interactive : notebooks show a page whose modules fold and unfold by a click, with values and gradients at each node;
        `save("graph.html")` writes it. draw computes the gradients of the scalar outputs for it and does not change `.grad`
    max_nodes : the largest number of nodes to draw, after collapsing
    timeout : seconds that the layout may take

    Raises
    ------
    ValueError
        for more than `max_nodes` nodes, a pattern in `collapse` that matches no module, an unknown option, or an option that
        needs values, which a plan does not have
    TypeError
        if an output is not a Tensor

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w, h = ag.Tensor(2.0, requires_grad=True, name="w"), ag.Tensor(3.0, name="h")
    >>> picture = viz.draw(w * h, show_values=True)
    >>> "<b>w</b>" in picture.source
    True
    """
    for name, value, known in (
        ("rankdir", rankdir or "LR", Direction),
        ("notation", notation, Notation),
        ("theme", theme, Theme),
    ):
        if value not in get_args(known):
            raise ValueError(f"draw: {name} must be one of {', '.join(get_args(known))}, got {value!r}")
    if show_values not in (False, True, "matrix", "heat"):
        raise ValueError(f"draw: show_values must be a bool, 'matrix' or 'heat', got {show_values!r}")
    if heat not in ("grad", None):
        raise ValueError(f"draw: heat must be 'grad' or None, got {heat!r}")
    if isinstance(outputs, Plan):
        if heat or show_values or show_grad or notation == "lecture":
            raise ValueError(
                "draw: a plan has no values, so show_values, show_grad, heat and notation='lecture' are not available; "
                "draw the outputs of an eager run instead"
            )
        annotated: _Annotated = plan_graph(outputs, params), (), []
    else:
        annotated = _annotate(name_outputs(assign_scopes(build_graph(outputs, params))), outputs, notation, heat)
    graph, rows, notes = annotated
    if show_grad is None:
        show_grad = not heat and any(node.grad is not None for node in graph.nodes)
    if not isinstance(outputs, Plan):
        graph = fold_casts(_with_gradients(graph, outputs, notes) if interactive else graph)
    if badges:
        graph = graph._replace(nodes=[node._replace(badge=badges.get(node.name, "")) for node in graph.nodes])
    unfolded = with_all_titles(graph)
    graph = collapse_graph(graph, depth, collapse, max_nodes)
    show = Show(show_shapes, show_values, show_grad, show_formula, rankdir or "LR", legend)
    layout = Layout(graph, show.rankdir, ())
    if not isinstance(outputs, Plan):
        fold = fold_level if collapse == "auto" else lambda graph: None
        graph, layout = fit(graph, show, rankdir, fold, boxes=notation == "code")
        show = show._replace(rankdir=layout.rankdir)
    captions = tuple(filter(None, [*notes, collapse_note(graph)]))
    source = to_dot(layout.graph, show, captions, table_cells(rows) if rows else (), layout.rows)
    if isinstance(outputs, Plan):
        return Picture(source, graph, captions, rows, theme, timeout, repr(outputs), interactive)
    table = table_cells(rows) if rows else ()
    whole = Whole(unfolded, show, rankdir, tuple(notes), table)
    return Picture(source, graph, captions, rows, theme, timeout, "", interactive, whole)


def _with_gradients(graph: Graph, outputs: Outputs, notes: list[str]) -> Graph:
    """Returns the graph with the gradients of its outputs, or adds a note if they cannot be computed."""
    try:
        return replace_gradients(graph, compute_gradients(outputs))
    except RuntimeError as error:
        if (note := translate("gradients are not shown: {reason}", reason=error)) not in notes:
            notes.append(note)
        return graph


def _annotate(graph: Graph, outputs: Outputs, notation: Notation, heat: Literal["grad"] | None) -> _Annotated:
    """Adds the requested gradients, heat and names; returns the graph, the table of layers and the notes of the picture."""
    rows: tuple[LayerDelta, ...] = ()
    notes: list[str] = []
    if notation == "code" and not heat:
        return graph, rows, notes
    try:
        graph = replace_gradients(graph, compute_gradients(outputs))
    except RuntimeError as error:
        notes.append(translate("gradients are not shown: {reason}", reason=error))
    try:
        if heat:
            graph = add_heat(graph)
            rows = layer_deltas(graph)
        if notation == "lecture":
            graph = show_fused_loss(use_lecture_notation(graph))
    except UnclearLayers as error:
        changes = {"drawn in code notation": notation == "lecture", "without a table of layers": bool(heat)}
        missing = [translate(change) for change, is_made in changes.items() if is_made]
        notes.append(translate("{changes}: {reason}", changes=", ".join(missing), reason=error))
    return graph, rows, notes
