"""What an SVG has besides its shapes: a title and a description for those who hear it, and colours for reading in the dark."""

from __future__ import annotations

import html
from collections import Counter
from typing import Final, Literal, TypeAlias

from .dot import GRADIENT, QUIET
from .record import Graph

Theme: TypeAlias = Literal["auto", "light", "dark"]

# Selectors begin with the class of our own element, so that nothing else on a page, or in a notebook, is restyled.
DARK: Final = f"""
.autograd-mini .graph > polygon {{ fill: #16181b; }}
.autograd-mini .cluster > path, .autograd-mini .cluster > polygon {{ fill: none; }}
.autograd-mini .edge path[stroke="{QUIET}"], .autograd-mini .edge polygon[stroke="{QUIET}"] {{ stroke: #a9afb5; }}
.autograd-mini .edge polygon[fill="{QUIET}"] {{ fill: #a9afb5; }}
.autograd-mini .graph > text, .autograd-mini .cluster > text {{ fill: #c4c9ce; }}
.autograd-mini .edge text[fill="{QUIET}"], .autograd-mini [id="legend_heat"] text[fill="{QUIET}"] {{ fill: #c4c9ce; }}
.autograd-mini .edge text[fill="{GRADIENT.lower()}"], .autograd-mini [id="legend_gradient"] text {{ fill: #6cbbea; }}
"""
STYLES: Final[dict[Theme, str]] = {
    "light": "",
    "dark": f"<style>{DARK}</style>",
    "auto": f"<style>@media (prefers-color-scheme: dark) {{{DARK}}}</style>",
}


def dressed(svg: bytes, graph: Graph, theme: Theme) -> bytes:
    """Graphviz's SVG with a role, a title, a description and the theme's colours."""
    head, mark, rest = svg.decode().partition("<svg")
    attributes, end, body = rest.partition(">")
    said = f"<title>{html.escape(title(graph))}</title><desc>{html.escape(description(graph))}</desc>"
    return f'{head}{mark} class="autograd-mini" role="img"{attributes}{end}{said}{STYLES[theme]}{body}'.encode()


def title(graph: Graph) -> str:
    """What was drawn: the graph of its outputs, by name where they have one."""
    names = [graph.nodes[i].name for i in graph.roots if graph.nodes[i].name.isprintable()]
    return f"The graph of {', '.join(filter(None, names)) or 'a computation'}"


def description(graph: Graph) -> str:
    """How many nodes of each kind there are, and the operations in order, as far as a listener can bear."""
    counts = ", ".join(f"{kind}: {count}" for kind, count in Counter(node.kind for node in graph.nodes).items())
    operations = [node.name for node in graph.nodes if node.primitive is not None]
    return f"{len(graph.nodes)} nodes ({counts}). Operations: {', '.join(operations[:20])}{', …' * (len(operations) > 20)}."
