"""The page of the stepper: markup, style and script. It loads nothing, and it never inserts text as markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from ..language import get_language, translate

WIDE: Final = ' class="wide"'  # a formula with matrices
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --quiet: #555; --ground: #fff; --panel: #f4f6f8; --line: #c8ccd0;
  --wire: #555; --now: #D55E00; --known: #0072B2; --on-known: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --quiet: #b5b5b5; --ground: #16181b; --panel: #23262a;
  --line: #444a50; --wire: #a9afb5; --now: #FFA04D; --known: #6CBBEA; --on-known: #111; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0.6rem 0.8rem; background: var(--ground); color: var(--ink);
  font: 16px/1.4 Helvetica, Arial, sans-serif; display: grid; gap: 0.5rem; min-height: 100vh;
  grid-template-rows: auto auto auto minmax(12rem, 1fr); grid-template-columns: minmax(0, 1fr); }
@media (min-height: 640px) and (min-width: 700px) { body { height: 100vh; overflow: hidden; } #step { overflow: auto; } }
#phases { display: flex; flex-wrap: wrap; gap: 0.3rem; margin: 0; padding: 0; list-style: none; }
#phases button { padding: 0.1rem 0.6rem; font-size: 0.9rem; }
#phases [aria-current] { background: var(--known); color: var(--on-known); }
#graph { overflow: auto; border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem; max-height: 48vh; }
#graph svg { display: block; margin: 0 auto; height: auto; }
#graph svg text.value { fill: #111; }
#graph svg text.grad { fill: #00548A; font-weight: bold; }
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
#step { background: var(--panel); border-radius: 6px; padding: 0.6rem 1rem; display: grid; align-content: start;
  grid-auto-rows: max-content;
  gap: 0.2rem 2rem; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1000px) { #step.formula { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  #step.formula :is(h1, #caption) { grid-column: 1 / -1; } }
h1 { font-size: 1.35rem; margin: 0; }
#caption { margin: 0 0 0.4rem; color: var(--quiet); min-height: 1.4em; }
#math { overflow-x: auto; font-size: clamp(1.05rem, 1.9vw, 1.9rem); }
#math > div { width: fit-content; }
#math > .wide { font-size: 1rem; }
#math > .past { color: var(--quiet); font-size: 0.8em; }
math mtd { padding: 0.25em 0.15em; }
#lines { display: flex; flex-wrap: wrap; gap: 0.6rem 1.8rem; align-items: flex-start; }
.line h2 { font-size: 1rem; margin: 0; }
.line p { margin: 0 0 0.3rem; color: var(--quiet); font-size: 0.9rem; white-space: pre-wrap; }
.line table { border-collapse: collapse; }
.line td { padding: 0.1rem 0.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.line th { padding: 0.1rem 0.6rem 0.1rem 0; font-weight: normal; color: var(--quiet); font-size: 0.85rem; text-align: right; }
.line tr > td:first-of-type { border-left: 2px solid var(--wire); }
.line tr > td:last-of-type { border-right: 2px solid var(--wire); }
.line.answer td { background: var(--known); color: var(--on-known); font-weight: bold; }
.line.numeric td { background: var(--ground); }
[aria-pressed="true"] { background: var(--known); color: var(--on-known); }
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
let current = 0, timer = null, checking = false;

const slots = new Map();
for (const text of document.querySelectorAll("[data-node]")) {
  const box = text.closest("g.node").querySelector("g").getBBox();
  text.setAttribute("x", box.x + box.width / 2);
  text.setAttribute("text-anchor", "middle");
  const key = text.dataset.node + "." + text.dataset.kind;
  slots.set(key, [...(slots.get(key) || []), text]);
}

function state(index) {
  const values = {}, grads = {};
  for (const frame of frames.slice(0, index + 1)) {
    if (frame.clear) for (const old of [values, grads]) for (const id of Object.keys(old)) delete old[id];
    Object.assign(values, frame.values);
    Object.assign(grads, frame.grads);
  }
  return { values, grads };
}

function fillNodes(index) {
  const { values, grads } = state(index);
  const frame = frames[index], hide = quiz && !revealed.has(index);
  for (const [key, texts] of slots) {
    const [node, kind] = key.split(".");
    const fresh = node in (kind === "value" ? frame.values : frame.grads);
    const lines = (kind === "value" ? values : grads)[node] || [];
    const asked = hide && fresh && frame.lines.some(part => part.answer);
    texts.forEach((text, i) => { text.textContent = asked ? (i ? "" : "?") : lines[i] || ""; });
  }
}

function isOnBoard(part, i) {  // the formula of this step, and short ones of the same phase before it
  const frame = frames[current], other = frames[i];
  const together = other.phase === frame.phase && other.iteration === frame.iteration && frame.kind !== "end";
  return i === current || (i < current && together && !part.classList.contains("wide"));
}

function fit() {
  const box = at("graph"), svg = box.querySelector("svg");
  if (!svg || !svg.viewBox.baseVal.width) return;
  const natural = svg.viewBox.baseVal.width * 96 / 72, room = box.clientWidth - 10;
  svg.setAttribute("width", Math.round(natural * Math.min(Math.max(room / natural, smallest), 1.25)));
  svg.removeAttribute("height");
}
const smallest = 12 / (11 * 96 / 72);  // no text below 12 px: the smallest one has 11 points

const phases = [];
frames.forEach((frame, i) => {
  const last = phases[phases.length - 1];
  if (!last || last.phase !== frame.phase || last.iteration !== frame.iteration)
    phases.push({ phase: frame.phase, iteration: frame.iteration, start: i });
});

function markPhase(index) {
  const here = phases.filter(part => part.start <= index).pop();
  [...at("phases").children].forEach((item, i) => {
    if (phases[i] === here) item.firstChild.setAttribute("aria-current", "step");
    else item.firstChild.removeAttribute("aria-current");
  });
}

function fill(text, values) {
  return text.replace(/{(\\w+)}/g, (all, name) => name in values ? values[name] : all);
}

function make(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function matrix(rows, heads) {
  const table = make("table", "");
  for (const [i, row] of rows.entries()) {
    const line = table.insertRow();
    if (heads.length) {
      const head = make("th", heads[i]);
      head.scope = "row";
      line.append(head);
    }
    for (const cell of row) line.insertCell().textContent = cell;
  }
  return table;
}

function line(part, hidden, kind) {
  const box = make("div", "");
  box.className = "line" + (part.answer ? " answer" : "") + (kind ? " " + kind : "");
  box.append(make("h2", part.label), make("p", part.detail));
  if (hidden) {
    const button = make("button", "?");
    button.className = "reveal";
    button.setAttribute("aria-label", fill(texts.reveal, { label: part.label }));
    button.onclick = () => { revealed.add(current); show(current); };
    box.append(button);
  } else if (part.rows.length) {
    box.append(matrix(part.rows, part.heads));
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
  const hide = quiz && !revealed.has(current);
  const checks = checking && !hide ? frame.numeric.map(part => line(part, false, "numeric")) : [];
  at("lines").replaceChildren(...frame.lines.map(part => line(part, hide && part.answer)), ...checks);
  for (const part of at("math").children) {
    const i = Number(part.dataset.frame);
    part.hidden = !isOnBoard(part, i) || (quiz && !revealed.has(i) && frames[i].lines.some(one => one.answer));
    part.classList.toggle("past", i < current);
    if (i === current && !part.hidden) part.scrollIntoView({ block: "nearest" });
  }
  at("step").classList.toggle("formula", [...at("math").children].some(part => !part.hidden));
  at("check").disabled = frame.numeric.length === 0;
  at("check").setAttribute("aria-pressed", checking);
  fillNodes(current);
  markPhase(current);
  at("slider").value = current;
  at("count").textContent = (current + 1) + " / " + frames.length;
  at("first").disabled = at("previous").disabled = current === 0;
  at("next").disabled = at("last").disabled = current === frames.length - 1;
  const target = at(frame.nodes[0]);
  if (target) {
    const box = at("graph"), from = box.getBoundingClientRect(), to = target.getBoundingClientRect();
    box.scrollBy({ left: to.left + to.width / 2 - from.left - from.width / 2,
      top: to.top + to.height / 2 - from.top - from.height / 2, behavior: still.matches ? "auto" : "smooth" });
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
at("check").onclick = () => { checking = !checking; show(current); };
for (const part of phases) {
  const item = make("li", ""), button = make("button", fill(texts[part.phase], { k: part.iteration }));
  button.onclick = () => { play(false); show(part.start); };
  item.append(button);
  at("phases").append(item);
}
at("slider").max = frames.length - 1;
at("slider").oninput = event => { play(false); show(Number(event.target.value)); };
const keys = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last" };
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]) { event.preventDefault(); at(keys[event.key]).click(); }
  else if (event.key === "c") at("check").click();
  else if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); at("play").click(); }
});
addEventListener("hashchange", () => show(fromHash()));
addEventListener("resize", fit);
fit();
show(fromHash());
"""


def script_texts() -> dict[str, str]:
    """Returns the texts that the script shows, by the names that it uses; {…} stand for values."""
    texts = {
        "play": "Play",
        "pause": "Pause",
        "place": "Frame {frame} of {count}. {caption}",
        "reveal": "show the number: {label}",
        "forward": "{k} · forward",
        "loss": "{k} · loss",
        "backward": "{k} · backward",
        "update": "{k} · update",
    }
    return {name: translate(text) for name, text in texts.items()}


def _text(text: str) -> str:
    return html.escape(translate(text))


def build_page(graph: str, data: str, math: Sequence[str] = ()) -> str:
    """Returns the page. All parts are inserted at once, so no part is searched for the place of another one.

    >>> from autograd_mini.viz.stepper.page import build_page
    >>> build_page("<svg></svg>", "{}").count("<script")
    2

    Parameters
    ----------
    graph : markup of the graph, in which names are escaped
    data : JSON that is safe inside a script element
    math : the MathML of each frame, in which names are escaped
    """
    formulas = "".join(
        f'<div data-frame="{i}"{WIDE * (formula.count("<mtable>") > 1)} hidden>{formula}</div>'
        for i, formula in enumerate(math)
        if formula
    )
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
<ol id="phases" aria-label="{_text("phases")}"></ol>
<div id="graph" role="img" aria-label="{_text("the graph; the caption below describes the current step")}">{graph}</div>
<nav aria-label="{_text("steps")}">
<button id="first">{_text("First")}</button><button id="previous">{_text("Previous")}</button>
<button id="play">{_text("Play")}</button>
<button id="next">{_text("Next")}</button><button id="last">{_text("Last")}</button>
<button id="check" title="c">{_text("Check")}</button>
<input id="slider" type="range" min="0" value="0" aria-label="{_text("frame")}"><output id="count"></output>
</nav>
<main id="step">
<h1 id="title"></h1>
<p id="caption" aria-live="polite"></p>
<div id="math">{formulas}</div>
<div id="lines"></div>
</main>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
