"""The page that plays a film: markup, style and script. It loads nothing, and it never inserts text as markup."""

from __future__ import annotations

import html
from typing import Final

from ..language import get_language, translate

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --quiet: #555; --ground: #fff; --panel: #f4f6f8; --line: #c8ccd0;
  --now: #D55E00; --known: #0072B2; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --quiet: #b5b5b5; --ground: #16181b; --panel: #23262a;
  --line: #444a50; --now: #FFA04D; --known: #6CBBEA; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0.6rem; height: 100vh; background: var(--ground); color: var(--ink);
  font: 16px/1.4 Helvetica, Arial, sans-serif; display: flex; flex-direction: column; gap: 0.5rem; }
#screen { flex: 1; min-height: 0; background: #fff; border-radius: 4px; }
#screen img { display: block; width: 100%; height: 100%; object-fit: contain; }
#caption { margin: 0; text-align: center; font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
nav input { flex: 1; min-width: 8rem; accent-color: var(--known); }
output { font-variant-numeric: tabular-nums; color: var(--quiet); }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.3rem 0.8rem; min-width: 5rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--now); outline-offset: 2px; }
"""

SCRIPT: Final = """
"use strict";
const { frames, milliseconds, texts } = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const last = frames.length - 1;
let current = 0, timer = null;

function show(index) {
  current = Math.min(Math.max(index, 0), last);
  const frame = frames[current];
  at("picture").src = "data:image/png;base64," + frame.image;
  const values = { frame: current + 1, count: frames.length, caption: frame.caption };
  at("picture").alt = texts.place.replace(/{(\\w+)}/g, (_, name) => values[name]);
  at("caption").textContent = frame.caption;
  at("slider").value = current;
  at("slider").setAttribute("aria-valuetext", at("picture").alt);
  at("count").textContent = (current + 1) + " / " + frames.length;
  try { history.replaceState(null, "", "#frame=" + (current + 1)); } catch { /* a sandboxed frame has no address */ }
}

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => current < last ? show(current + 1) : play(false), milliseconds) : null;
  at("play").textContent = on ? texts.pause : texts.play;
}

function fromHash() {
  const found = /^#frame=(\\d+)$/.exec(location.hash);
  return found ? Number(found[1]) - 1 : null;
}

function jump(index) { play(false); show(index); }

at("play").onclick = () => { if (!timer && current === last) show(0); play(!timer); };
at("slider").max = last;
at("slider").oninput = event => jump(Number(event.target.value));
const keys = {
  ArrowLeft: () => current - 1, ArrowRight: () => current + 1, Home: () => 0, End: () => last,
};
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]) { event.preventDefault(); jump(keys[event.key]()); }
  else if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); at("play").click(); }
});
addEventListener("hashchange", () => jump(fromHash() ?? 0));
const start = fromHash();
show(start ?? 0);
if (start === null && !matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
"""


def script_texts() -> dict[str, str]:
    """Returns the texts that the script shows, by the names that it uses; {…} stand for values."""
    texts = {"play": "Play", "pause": "Pause", "place": "Frame {frame} of {count}. {caption}"}
    return {name: translate(text) for name, text in texts.items()}


def _text(text: str) -> str:
    return html.escape(translate(text))


def build_player(data: str) -> str:
    """Returns the page.

    >>> from autograd_mini.viz.plots.player import build_player
    >>> build_player("{}").count("<script")
    2

    Parameters
    ----------
    data : JSON that is safe inside a script element
    """
    return f"""<!DOCTYPE html>
<html lang="{get_language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text("Film of a training")}</title>
<style>{STYLE}</style>
</head>
<body>
<div id="screen"><img id="picture" alt=""></div>
<p id="caption"></p>
<nav aria-label="{_text("frames")}">
<button id="play">{_text("Play")}</button>
<input id="slider" type="range" min="0" value="0" aria-label="{_text("frame")}"><output id="count"></output>
</nav>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
