"""The page of the stepper: markup, style and script. It loads nothing, and it never inserts text as markup."""

from __future__ import annotations

import html
from typing import Final

from ..language import get_language, translate

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --quiet: #555; --ground: #fff; --panel: #f4f6f8; --line: #c8ccd0;
  --wire: #555; --now: #D55E00; --known: #0072B2; --on-known: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --quiet: #b5b5b5; --ground: #16181b; --panel: #23262a;
  --line: #444a50; --wire: #a9afb5; --now: #FFA04D; --known: #6CBBEA; --on-known: #111; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0.8rem; background: var(--ground); color: var(--ink); font: 16px/1.4 Helvetica, Arial, sans-serif;
  display: flex; flex-direction: column; gap: 0.7rem; min-height: 100vh; }
#graph { overflow: auto; border: 1px solid var(--line); border-radius: 6px; padding: 0.4rem; max-height: 55vh; }
#graph svg { display: block; min-width: 60rem; width: 100%; height: auto; max-height: 50vh; }
#graph svg .graph > polygon { fill: transparent; stroke: none; }
#graph svg .cluster > polygon, #graph svg .cluster > path { stroke: var(--line); fill: none; }
#graph svg .cluster text, #graph svg .edge text { fill: var(--quiet); }
#graph svg .edge path { stroke: var(--wire); fill: none; transition: stroke 0.2s, stroke-width 0.2s; }
#graph svg .edge polygon { stroke: var(--wire); fill: var(--wire); }
#graph svg .node > g :is(path, polygon, ellipse) { transition: stroke 0.2s, stroke-width 0.2s; }
#graph svg .known > g :is(path, polygon, ellipse) { stroke: var(--known); stroke-width: 4;
  vector-effect: non-scaling-stroke; }
#graph svg .now > g :is(path, polygon, ellipse) { stroke: var(--now); stroke-width: 6;
  vector-effect: non-scaling-stroke; }
#graph svg .edge.now path { stroke: var(--now); stroke-width: 5; }
#graph svg .edge.now polygon { stroke: var(--now); fill: var(--now); }
.list { columns: 16rem; margin: 0; }
.list .known { font-weight: bold; }
.list .now { outline: 3px solid var(--now); }
#step { background: var(--panel); border-radius: 6px; padding: 0.7rem 1rem; flex: 1; }
h1 { font-size: 1.25rem; margin: 0 0 0.2rem; }
#caption { margin: 0 0 0.7rem; color: var(--quiet); min-height: 1.4em; }
#lines { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
.line h2 { font-size: 1rem; margin: 0; }
.line p { margin: 0 0 0.3rem; color: var(--quiet); font-size: 0.9rem; white-space: pre-wrap; }
.line table { border-collapse: collapse; border-left: 2px solid var(--wire); border-right: 2px solid var(--wire); }
.line td { padding: 0.1rem 0.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.line.answer table { background: var(--known); color: var(--on-known); font-weight: bold; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.35rem 0.8rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--now); outline-offset: 2px; }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
nav input { flex: 1; min-width: 8rem; accent-color: var(--known); }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
"""

SCRIPT: Final = """
"use strict";
const { frames, quiz, texts } = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const edges = new Map();
for (const edge of document.querySelectorAll("g.edge")) {
  const [key] = edge.querySelector("title").textContent.split(":");  // after the colon comes the corner where the edge ends
  edges.set(key, [...(edges.get(key) || []), edge]);
}
const revealed = new Set();
let current = 0, timer = null;

function fill(text, values) {
  return text.replace(/{(\\w+)}/g, (all, name) => name in values ? values[name] : all);
}

function make(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function matrix(rows) {
  const table = make("table", "");
  for (const row of rows) {
    const line = table.insertRow();
    for (const cell of row) line.insertCell().textContent = cell;
  }
  return table;
}

function line(part, hidden) {
  const box = make("div", "");
  box.className = part.answer ? "line answer" : "line";
  box.append(make("h2", part.label), make("p", part.detail));
  if (hidden) {
    const button = make("button", "?");
    button.className = "reveal";
    button.setAttribute("aria-label", fill(texts.reveal, { label: part.label }));
    button.onclick = () => { revealed.add(current); show(current); };
    box.append(button);
  } else if (part.rows.length) {
    box.append(matrix(part.rows));
  }
  return box;
}

function mark(name, ids, wires) {
  for (const old of document.querySelectorAll("." + name)) old.classList.remove(name);
  for (const id of ids) at(id)?.classList.add(name);
  for (const key of wires) for (const edge of edges.get(key) || []) edge.classList.add(name);
}

function show(index) {
  current = Math.min(Math.max(index, 0), frames.length - 1);
  const frame = frames[current];
  mark("known", frames.slice(0, current + 1).flatMap(f => f.known), []);
  mark("now", frame.nodes, frame.edges);
  at("title").textContent = frame.title;
  at("caption").textContent = fill(texts.place, { frame: current + 1, count: frames.length, caption: frame.caption });
  at("lines").replaceChildren(...frame.lines.map(part => line(part, quiz && part.answer && !revealed.has(current))));
  at("slider").value = current;
  at("count").textContent = (current + 1) + " / " + frames.length;
  at("first").disabled = at("previous").disabled = current === 0;
  at("next").disabled = at("last").disabled = current === frames.length - 1;
  const target = at(frame.nodes[0]);
  if (target) {
    const box = at("graph"), from = box.getBoundingClientRect(), to = target.getBoundingClientRect();
    box.scrollBy({ left: to.left + to.width / 2 - from.left - from.width / 2, behavior: still.matches ? "auto" : "smooth" });
  }
  try { history.replaceState(null, "", "#frame=" + (current + 1)); } catch { /* a sandboxed frame has no address */ }
}

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => current < frames.length - 1 ? show(current + 1) : play(false), 1500) : null;
  at("play").textContent = on ? texts.pause : texts.play;
}

function fromHash() {
  const found = /^#frame=(\\d+)$/.exec(location.hash);
  return found ? Number(found[1]) - 1 : 0;
}

const moves = {
  first: () => 0, previous: () => current - 1, next: () => current + 1, last: () => frames.length - 1,
};
for (const [id, move] of Object.entries(moves)) at(id).onclick = () => { play(false); show(move()); };
at("play").onclick = () => play(!timer);
at("slider").max = frames.length - 1;
at("slider").oninput = event => { play(false); show(Number(event.target.value)); };
const keys = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last" };
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]) { event.preventDefault(); at(keys[event.key]).click(); }
  else if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); at("play").click(); }
});
addEventListener("hashchange", () => show(fromHash()));
show(fromHash());
"""


def script_texts() -> dict[str, str]:
    """Returns the texts that the script shows, by the names that it uses; {…} stand for values."""
    texts = {
        "play": "Play",
        "pause": "Pause",
        "place": "Frame {frame} of {count}. {caption}",
        "reveal": "show the number: {label}",
    }
    return {name: translate(text) for name, text in texts.items()}


def _text(text: str) -> str:
    return html.escape(translate(text))


def build_page(graph: str, data: str) -> str:
    """Returns the page. All parts are inserted at once, so no part is searched for the place of another one.

    >>> from autograd_mini.viz.stepper.page import build_page
    >>> build_page("<svg></svg>", "{}").count("<script")
    2

    Parameters
    ----------
    graph : markup of the graph, in which names are escaped
    data : JSON that is safe inside a script element
    """
    return f"""<!DOCTYPE html>
<html lang="{get_language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text("Backprop, step by step")}</title>
<style>{STYLE}</style>
</head>
<body>
<div id="graph" role="img" aria-label="{_text("the graph; the caption below describes the current step")}">{graph}</div>
<nav aria-label="{_text("steps")}">
<button id="first">{_text("First")}</button><button id="previous">{_text("Previous")}</button>
<button id="play">{_text("Play")}</button>
<button id="next">{_text("Next")}</button><button id="last">{_text("Last")}</button>
<input id="slider" type="range" min="0" value="0" aria-label="{_text("frame")}"><output id="count"></output>
</nav>
<main id="step">
<h1 id="title"></h1>
<p id="caption" aria-live="polite"></p>
<div id="lines"></div>
</main>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
