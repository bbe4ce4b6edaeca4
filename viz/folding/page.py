"""The page of a graph whose modules fold and unfold by a click. It loads nothing, and it never inserts text as markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from ..graph.calls import Path
from ..graph.collapse import title as module_title
from ..graph.dot import cluster_ids
from ..graph.nodes import Graph
from ..graph.render import render
from ..graph.svg import Theme, style_svg, title
from ..language import get_language, translate
from ..show import embed_json
from .details import Detail, describe, gradient_nodes
from .views import View, Whole, clicks, foldable_modules, make_views

STYLE: Final = """
:root { color-scheme: light; --ink: #1a1a1a; --quiet: #555; --ground: #fff; --panel: #f4f6f8; --line: #c8ccd0;
  --now: #D55E00; --plus: 230, 159, 0; --minus: 86, 180, 233; }
@dark { :root { color-scheme: dark; --ink: #eee; --quiet: #b5b5b5; --ground: #16181b; --panel: #23262a; --line: #444a50;
  --now: #FFA04D; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0.6rem 0.8rem; background: var(--ground); color: var(--ink);
  font: 16px/1.4 Helvetica, Arial, sans-serif; display: grid; gap: 0.5rem; min-height: 100vh;
  grid-template-columns: minmax(0, 1fr); grid-template-rows: auto minmax(0, auto) 1fr; }
@media (min-width: 1000px) { body { height: 100vh; grid-template-columns: minmax(0, 1fr) 23rem;
  grid-template-rows: auto minmax(0, 1fr); } header { grid-column: 1 / -1; } }
@media (max-width: 999px) { #graph { max-height: 62vh; } }
header { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
header p { margin: 0; color: var(--quiet); }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.35rem 0.8rem; cursor: pointer; }
button:disabled { color: var(--quiet); cursor: default; }
#graph { overflow: auto; border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem; }
#graph svg { display: block; margin: 0 auto; }
#graph [aria-expanded], #graph .node { cursor: pointer; }
#graph .cluster[aria-expanded] > text { text-decoration: underline; }
#graph .node, #graph .edge { transition: opacity 0.15s; }
#graph .tracing :is(.node, .edge):not(.lit) { opacity: 0.3; }
#graph .lit > g :is(path, polygon, ellipse) { stroke: var(--now); stroke-width: 3.5; }
#graph .edge.lit path { stroke: var(--now); stroke-width: 3; }
#graph .edge.lit polygon { stroke: var(--now); fill: var(--now); }
:focus-visible { outline: 3px solid var(--now); outline-offset: 2px; }
#detail { background: var(--panel); border-radius: 6px; padding: 0.6rem 1rem; overflow: auto; }
h1 { font-size: 1.2rem; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0.6rem 0 0.1rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.1rem 0.8rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
dd.alone { grid-column: 1 / -1; }
#detail p { margin: 0 0 0.2rem; color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border: 2px solid var(--quiet); border-width: 0 2px; }
td { padding: 0.1rem 0.4rem; text-align: right; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
"""
COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)  # names in an SVG have no "<"
MEDIA: Final[dict[Theme, str]] = {
    "auto": "@media (prefers-color-scheme: dark)", "dark": "@media all", "light": "@media not all",
}  # fmt: skip

SCRIPT: Final = """
"use strict";
const { views, details, modules, texts } = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const box = at("graph"), hint = at("detail").cloneNode(true);
let current = 0, pinned = null;

function picture(index) {  // an SVG is parsed as a document of its own, so the ids of views do not meet
  const view = views[index];
  view.element ||= document.importNode(new DOMParser().parseFromString(view.svg, "image/svg+xml").documentElement, true);
  return view.element;
}
views[0].element = box.querySelector("svg");

const moduleOf = element => element.classList.contains("cluster")
  ? (/^module(\\d+)$/.exec(element.id) || [])[1] : views[current].folds[element.id];

function prepare() {
  const view = views[current];
  for (const element of box.querySelectorAll("g.node, g.cluster")) {
    const number = moduleOf(element), detail = details[view.nodes[element.id]], isBox = element.classList.contains("cluster");
    const folds = number !== undefined && number in view.clicks;
    if (!folds && !detail) continue;
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    if (folds) element.setAttribute("aria-expanded", isBox);
    const label = isBox ? modules[number] : detail.label;
    element.setAttribute("aria-label", folds ? (isBox ? texts.fold : texts.unfold).replace("{module}", label) : label);
    element.onclick = event => { event.stopPropagation(); folds ? click(number) : pin(element); };
    if (!detail) continue;
    element.onmouseenter = element.onfocus = () => show(element);
    element.onmouseleave = element.onblur = () => show(pinned);
  }
  at("fold").disabled = current === view.folded;
  at("unfold").disabled = current === view.unfolded;
  fit();
}

function go(index, number) {
  current = index;
  pinned = null;
  box.replaceChildren(picture(index));
  prepare();
  show(null);
  at("status").textContent = "";
  if (number === undefined) return;
  const folded = Object.keys(views[index].folds).find(id => views[index].folds[id] == number);
  const target = at(folded ?? "module" + number);
  target?.focus({ preventScroll: true });
  target?.scrollIntoView({ block: "nearest", inline: "nearest" });
  at("status").textContent = (folded ? texts.isFolded : texts.isUnfolded).replace("{module}", modules[number]);
}
const click = number => go(views[current].clicks[number], number);

function pin(element) {
  const old = pinned;
  pinned = old === element ? null : element;
  old?.removeAttribute("aria-pressed");
  pinned?.setAttribute("aria-pressed", "true");
  show(pinned || element);
}

function path(id) {  // all nodes through which the gradient comes from the output to this one
  const view = views[current], flows = new Set(view.flows), found = new Set();
  const stack = flows.has(id) ? [id] : [];
  while (stack.length) {
    const node = stack.pop();
    if (found.has(node)) continue;
    found.add(node);
    for (const [from, to] of view.edges) if (from === node && flows.has(to)) stack.push(to);
  }
  return found;
}

function trace(id) {
  const svg = box.querySelector("svg"), lit = id ? path(id) : new Set(), origin = {};
  const wires = [...svg.querySelectorAll("g.edge")].map(edge =>
    [edge, ...edge.querySelector("title").textContent.split("->").map(end => end.split(":")[0])]);
  for (const [, from, to] of wires) if (/^out/.test(to)) origin[to.slice(3)] = from;  // numbered circles between rows
  const node = end => { const circle = /^(?:out|in)(\\d+)/.exec(end); return circle ? origin[circle[1]] : end; };
  for (const [edge, from, to] of wires) {
    const target = /^out/.test(to) ? from : to;
    edge.classList.toggle("lit", lit.has(node(from)) && lit.has(target));
  }
  for (const element of svg.querySelectorAll("g.node")) element.classList.toggle("lit", lit.has(node(element.id)));
  svg.classList.toggle("tracing", lit.size > 1);
}

function make(kind, text, name) {
  const element = document.createElement(kind);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function table({ title, summary, rows, heat }) {
  const grid = make("table", ""), scroll = make("div", "", "scroll");
  grid.setAttribute("aria-label", title);
  rows.forEach((row, i) => {
    const line = grid.insertRow();
    row.forEach((text, j) => {
      const cell = line.insertCell(), size = heat[i][j];
      cell.textContent = text;
      cell.style.background = `rgba(var(--${size < 0 ? "minus" : "plus"}), ${Math.abs(size) * 0.6})`;
    });
  });
  scroll.append(grid);
  const parts = [make("h2", title)];
  if (rows.length > 1 || (rows[0] || []).length > 4 || !rows.length) parts.push(make("p", summary));
  return [...parts, scroll];
}

function show(element) {
  trace(element?.id);
  const detail = element && details[views[current].nodes[element.id]];
  if (!detail) { at("detail").replaceChildren(...hint.cloneNode(true).childNodes); return; }
  const list = make("dl", "");
  for (const [label, text] of detail.facts)
    list.append(...(label ? [make("dt", label), make("dd", text)] : [make("dd", text, "alone")]));
  at("detail").replaceChildren(make("h1", detail.name), list, ...detail.matrices.flatMap(table));
}

function fit() {  // no text below 12 px: the smallest one has 12 points, 16 px
  const svg = box.querySelector("svg");
  if (!svg || !svg.viewBox.baseVal.width) return;
  const natural = svg.viewBox.baseVal.width * 96 / 72, room = box.clientWidth - 10;
  svg.style.maxWidth = "none";
  svg.style.width = Math.round(natural * Math.min(Math.max(room / natural, 0.75), 1.25)) + "px";
  svg.removeAttribute("height");
}

function move(step) {
  const id = document.activeElement?.id;
  const edge = views[current].edges.find(ends => ends[step > 0 ? 0 : 1] === id);
  if (edge) at(edge[step > 0 ? 1 : 0])?.focus();
  return Boolean(edge);
}

addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const active = document.activeElement, inside = box.contains(active) && active !== box;
  if (inside && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); active.onclick?.(event); }
  else if (inside && event.key === "ArrowRight") { if (move(1)) event.preventDefault(); }
  else if (inside && event.key === "ArrowLeft") { if (move(-1)) event.preventDefault(); }
  else if (event.key === "Escape" && pinned) pin(pinned);
});
at("fold").onclick = () => go(views[current].folded);
at("unfold").onclick = () => go(views[current].unfolded);
addEventListener("resize", fit);
if (views[0].element) prepare();
"""


def make_page(drawn: Graph, source: str, whole: Whole | None, theme: Theme, timeout: float) -> str:
    """Returns the page of a picture. Views that Graphviz cannot lay out are left out, except the first one.

    Parameters
    ----------
    drawn, source : the nodes and the DOT text of the picture, for a graph that has no other view
    whole : the graph before folding, or None if it cannot be folded
    theme : the colours of the page
    timeout : seconds that each layout may take
    """
    modules: list[Path] = foldable_modules(whole.graph) if whole else []
    views, pictures = _render(list(make_views(whole, drawn)) if whole else [], timeout)
    if not views:
        views, pictures = [View(frozenset(modules), drawn, source)], [render(source, "svg", timeout)]
        modules = []
    states = [view.state for view in views]
    ids = cluster_ids(whole.graph if whole else drawn)
    numbers = {i: int(ids[path].removeprefix("module")) for i, path in enumerate(modules)}  # as in the ids of boxes
    details: dict[str, int] = {}
    found: list[Detail] = []
    data: list[dict[str, Any]] = []
    for view, targets in zip(views, clicks(states, modules), strict=True):
        nodes: dict[str, int] = {}
        for node in view.graph.nodes:
            detail = describe(view.graph, node, whole is not None)
            key = embed_json(detail)
            if key not in details:
                details[key] = len(found)
                found.append(detail)
            nodes[f"n{node.number}"] = details[key]
        number = [f"n{node.number}" for node in view.graph.nodes]
        folds = {number[i]: int(ids[n.folds][6:]) for i, n in enumerate(view.graph.nodes) if n.folds in modules}
        data.append(
            {
                "nodes": nodes,
                "folds": folds,
                "clicks": {numbers[i]: target for i, target in targets.items()},
                "edges": [(number[edge.source], number[edge.target]) for edge in view.graph.edges],
                "flows": gradient_nodes(view.graph),
                "folded": min(range(len(states)), key=lambda i: len(states[i])),
                "unfolded": max(range(len(states)), key=lambda i: len(states[i])),
            }
        )
    svgs = [_inner(style_svg(svg, view.graph, theme, "group")) for svg, view in zip(pictures, views, strict=True)]
    for view_data, svg in zip(data[1:], svgs[1:], strict=True):
        view_data["svg"] = svg
    names = {numbers[i]: module_title(whole.graph if whole else drawn, path) for i, path in enumerate(modules)}
    content = {"views": data, "details": found, "modules": names, "texts": script_texts()}
    return build_page(title(drawn), svgs[0], embed_json(content), bool(modules), theme)


def _render(views: Iterable[View], timeout: float) -> tuple[list[View], list[bytes]]:
    """Returns the views that could be drawn and their SVGs; the first one must be drawn."""
    drawn: list[View] = []
    pictures: list[bytes] = []
    for view in views:
        with suppress(*([RuntimeError, TimeoutError] if drawn else [])):
            pictures.append(render(view.source, "svg", timeout))
            drawn.append(view)
    return drawn, pictures


def _inner(svg: bytes) -> str:
    """Returns an SVG without the XML declaration, which has no place inside a page, and without comments."""
    text = svg.decode()
    return COMMENT.sub("", text[text.index("<svg") :])


def script_texts() -> dict[str, str]:
    """Returns the texts that the script shows, by the names that it uses; {…} stand for values."""
    texts = {
        "fold": "fold {module}",
        "unfold": "unfold {module}",
        "isFolded": "{module} is folded",
        "isUnfolded": "{module} is unfolded",
    }
    return {name: translate(text) for name, text in texts.items()}


def _text(text: str) -> str:
    return html.escape(translate(text))


def build_page(heading: str, graph: str, data: str, has_modules: bool, theme: Theme) -> str:
    """Returns the page. All parts are inserted at once, so no part is searched for the place of another one.

    >>> from autograd_mini.viz.folding.page import build_page
    >>> build_page("</title>", "<svg></svg>", "{}", True, "light").count("</title>")
    1

    Parameters
    ----------
    heading : the title of the page
    graph : markup of the first view, in which names are escaped
    data : JSON that is safe inside a script element
    has_modules : whether there is anything to fold
    theme : the colours
    """
    hidden = "" if has_modules else " hidden"
    help_texts: Sequence[str] = [_text("Point at a node to see its values and the path of its gradient; a click keeps them.")]
    if has_modules:
        help_texts = [*help_texts, _text("A click on a folded module or on the title of a box unfolds or folds it.")]
    help_texts = [*help_texts, _text("Keys: Tab and ← → move, Enter is a click.")]
    return f"""<!DOCTYPE html>
<html lang="{get_language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(heading)}</title>
<style>{STYLE.replace("@dark", MEDIA[theme])}</style>
</head>
<body>
<header><button id="fold"{hidden}>{_text("Fold all")}</button><button id="unfold"{hidden}>{_text("Unfold all")}</button>
<p id="status" role="status"></p></header>
<div id="graph">{graph}</div>
<main id="detail"><h1>{html.escape(heading)}</h1>{"".join(f"<p>{text}</p>" for text in help_texts)}</main>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
