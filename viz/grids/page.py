"""The page of `cells`: markup, style and script. It loads nothing, and it never inserts text as markup."""

from __future__ import annotations

import html
from typing import Final

from ..language import get_language, translate

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --quiet: #555; --ground: #fff; --panel: #f4f6f8; --line: #c8ccd0;
  --now: #D55E00; --plus: #56B4E9; --minus: #E69F00; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --quiet: #b5b5b5; --ground: #16181b; --panel: #23262a;
  --line: #444a50; --now: #FFA04D; --plus: #1c5f8a; --minus: #7a5300; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0.8rem; background: var(--ground); color: var(--ink); font: 16px/1.4 Helvetica, Arial, sans-serif;
  display: grid; gap: 0.7rem; grid-template-columns: minmax(0, 1fr); }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1rem; margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
#text { background: var(--panel); border-radius: 6px; padding: 0.6rem 1rem; min-height: 3.6rem; font-size: 1.15rem;
  overflow-wrap: anywhere; }
#grids { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
.grid { max-width: 100%; overflow-x: auto; }
.slices { display: flex; flex-wrap: wrap; gap: 0.6rem; }
figure { margin: 0; }
figcaption { color: var(--quiet); font-size: 0.85rem; }
table { border-collapse: collapse; }
td { padding: 0; border: 1px solid var(--line); }
td button { font: inherit; font-size: 0.85rem; color: inherit; border: 0; padding: 0.25rem 0.3rem; min-width: 3.2rem;
  width: 100%; cursor: pointer; font-variant-numeric: tabular-nums; text-align: right;
  background: color-mix(in srgb, var(--tone, var(--plus)) calc(var(--heat, 0) * 75%), var(--ground)); }
td.lit { outline: 3px solid var(--now); outline-offset: -2px; }
td.now { outline: 4px solid var(--ink); outline-offset: -2px; }
nav button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.35rem 0.8rem; cursor: pointer; }
[aria-pressed="true"] { background: var(--now); color: #fff; }
:focus-visible { outline: 3px solid var(--now); outline-offset: 1px; }
"""

SCRIPT: Final = """
"use strict";
const { grids, texts } = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const places = grids.map(() => []);
let grid = grids.length - 1, place = 0, gradients = false;

function make(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function table(g, [label, start, rows, columns]) {
  const figure = make("figure", ""), body = make("table", "");
  for (let r = 0; r < rows; r++) {
    const line = body.insertRow();
    for (let c = 0; c < columns; c++) {
      const i = start + r * columns + c;
      if (i >= grids[g].values.length) continue;
      const cell = line.insertCell(), button = make("button", "");
      button.onclick = () => select(g, i);
      cell.append(button);
      places[g][i] = cell;
    }
  }
  figure.append(make("figcaption", label), body);
  return figure;
}

function fill() {
  grids.forEach((one, g) => places[g].forEach((cell, i) => {
    const button = cell.firstChild;
    button.textContent = (gradients ? one.grads : one.values)[i];
    button.style.setProperty("--heat", gradients ? 0 : Math.abs(one.heat[i]));
    button.style.setProperty("--tone", one.heat[i] < 0 ? "var(--minus)" : "var(--plus)");
    button.setAttribute("aria-label", one.name + " " + i + ": " + button.textContent);
  }));
  grids.forEach((one, g) => { at("name" + g).textContent = gradients ? one.symbol : one.name; });
  at("toggle").setAttribute("aria-pressed", gradients);
}

function select(g, i) {
  grid = g;
  place = i;
  gradients = g !== grids.length - 1;
  fill();
  for (const old of document.querySelectorAll("td")) old.classList.remove("lit", "now");
  places[g][i].classList.add("now");
  const cell = grids[g].cells[i];
  for (const [other, k] of cell.lit) places[other][k]?.classList.add("lit");
  at("text").textContent = cell.text;
  at("direction").textContent = g === grids.length - 1 ? texts.forward : texts.backward;
  try { history.replaceState(null, "", "#cell=" + g + "." + i); } catch { /* a sandboxed frame has no address */ }
}

grids.forEach((one, g) => {
  const box = make("section", ""), name = make("h2", one.name), slices = make("div", "");
  box.className = "grid";
  slices.className = "slices";
  name.id = "name" + g;
  slices.append(...one.slices.map(part => table(g, part)));
  box.append(name, slices);
  at("grids").append(box);
});
const count = () => places[grid].length;
at("next").onclick = () => select(grid, (place + 1) % count());
at("previous").onclick = () => select(grid, (place + count() - 1) % count());
at("array").onclick = () => select((grid + 1) % grids.length, 0);
at("toggle").onclick = () => { gradients = !gradients; fill(); };
const keys = { ArrowRight: "next", ArrowLeft: "previous", g: "toggle", n: "array" };
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey || !keys[event.key]) return;
  event.preventDefault();
  at(keys[event.key]).click();
});
function fromHash() {
  const found = /^#cell=(\\d+)\\.(\\d+)$/.exec(location.hash);
  const [g, i] = found ? [Number(found[1]), Number(found[2])] : [grids.length - 1, 0];
  if (places[g]?.[i]) select(g, i);
  else select(grids.length - 1, 0);
}
addEventListener("hashchange", fromHash);
fromHash();
"""


def script_texts() -> dict[str, str]:
    """Returns the texts that the script shows."""
    return {
        "forward": translate("Forward: the output cell and the inputs that it was computed from"),
        "backward": translate("Backward: the gradient of an input cell, a sum over the outputs that it contributed to"),
    }


def build_page(data: str, operation: str) -> str:
    """Returns the page.

    >>> from autograd_mini.viz.grids.page import build_page
    >>> build_page("{}", "conv2d").count("<script")
    2
    """
    buttons = {"previous": "Previous", "next": "Next", "array": "Next array", "toggle": "Gradients"}
    marks = {"previous": "←", "next": "→", "array": "n", "toggle": "g"}
    row = "".join(
        f'<button id="{key}" title="{marks[key]}">{html.escape(translate(text))}</button>' for key, text in buttons.items()
    )
    head = html.escape(translate("{operation}, cell by cell", operation=operation))
    return f"""<!DOCTYPE html>
<html lang="{get_language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{head}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{head}</h1>
<nav>{row}<span id="direction"></span></nav>
<div id="text" aria-live="polite"></div>
<main id="grids"></main>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
