"""Adds a title and a description for screen readers, and dark colours, to an SVG."""

from __future__ import annotations

import html
from collections import Counter
from typing import Final, Literal, TypeAlias

from autograd_mini.tools.plain_text import escape_unprintable

from ..language import translate
from .dot import GRADIENT, QUIET
from .nodes import Graph

Theme: TypeAlias = Literal["auto", "light", "dark"]

# Selectors start with the class of this SVG, so they do not change the rest of a page or notebook.
DARK: Final = f"""
.autograd-mini .graph > polygon:first-of-type {{ fill: #16181b; }}
.autograd-mini .cluster > path, .autograd-mini .cluster > polygon {{ fill: none; }}
.autograd-mini .edge path[stroke="{QUIET}"], .autograd-mini .edge polygon[stroke="{QUIET}"] {{ stroke: #a9afb5; }}
.autograd-mini .edge polygon[fill="{QUIET}"] {{ fill: #a9afb5; }}
.autograd-mini .graph > text[fill="{QUIET}"], .autograd-mini .cluster > text {{ fill: #c4c9ce; }}
.autograd-mini .graph > text[fill="{GRADIENT.lower()}"] {{ fill: #6cbbea; }}
.autograd-mini .edge text[fill="{QUIET}"] {{ fill: #c4c9ce; }}
.autograd-mini .edge text[fill="{GRADIENT.lower()}"] {{ fill: #6cbbea; }}
"""
FIT: Final = "max-width:100%;height:auto"  # a wide picture is scaled to the page or the cell that shows it
STYLES: Final[dict[Theme, str]] = {
    "light": "",
    "dark": f"<style>{DARK}</style>",
    "auto": f"<style>@media (prefers-color-scheme: dark) {{{DARK}}}</style>",
}


def style_svg(svg: bytes, graph: Graph, theme: Theme, role: str = "img") -> bytes:
    """Returns Graphviz's SVG with a role, a title, a description and the colours of the theme."""
    head, mark, rest = svg.decode().partition("<svg")
    attributes, end, body = rest.partition(">")
    texts = f"<title>{html.escape(title(graph))}</title><desc>{html.escape(description(graph))}</desc>"
    return (
        f'{head}{mark} class="autograd-mini" role="{role}" style="{FIT}"{attributes}{end}{texts}{STYLES[theme]}{body}'.encode()
    )


def title(graph: Graph) -> str:
    """Returns a title with the names of the outputs that have one."""
    names = [escape_unprintable(graph.nodes[i].name) for i in graph.roots]
    return translate("The graph of {names}", names=", ".join(filter(None, names)) or translate("a computation"))


def description(graph: Graph) -> str:
    """Returns the number of nodes of each kind and the first 20 operations."""
    counts = ", ".join(f"{translate(kind)}: {count}" for kind, count in Counter(node.kind for node in graph.nodes).items())
    operations = [escape_unprintable(node.name) for node in graph.nodes if node.primitive is not None]
    text = "{count} nodes ({kinds}). Operations: {operations}."
    first = ", ".join(operations[:20]) + ", …" * (len(operations) > 20)
    return translate(text, count=len(graph.nodes), kinds=counts, operations=first)
