// The page: connects editor, examples, buttons, sliders and output with the worker in which Python runs.
import { Curves, format } from "./chart.js";
import { createEditor } from "./editor.js";
import { appendItem, forgetFrames, forgetSteps, isItem } from "./items.js";
import { Python } from "./python.js";
import { decodeProgram, encodeProgram } from "./share.js";
import { currentLanguage, preferredLanguage, rememberLanguage, setLanguage, word } from "./words.js";

const at = id => document.getElementById(id);
const curves = new Curves(at("curves"));
let examples = [];
let untouched = true; // the editor still has the text of the example
let values = {}; // of the sliders that the reader has moved
let moved = false; // a slider has moved since the run began
let draft = null; // the items of a run that a slider began: they replace the old ones at its end
let sliders = new Map();
let status = ["loading", "Python"];

const editor = createEditor(at("editor"), { run: () => run(), change: () => { untouched = false; editor.mark(null); } });
const python = new Python(receive);

function tell(key, ...about) {
  status = [key, ...about];
  at("status").textContent = word(key, ...about);
  at("status").classList.toggle("busy", ["loading", "waiting", "running", "stopped", "died"].includes(key));
}

function receive(message) {
  if (message.type === "progress") {
    if (message.what) tell(python.busy && !python.ready ? "waiting" : "loading", message.what);
    else tell("running");
  }
  else if (message.type === "ready") tell(python.busy ? "running" : "ready");
  else if (message.type === "event") show(message.event);
  else if (message.type === "done") finish(message);
  else if (message.type === "died") { python.stop(); setBusy(false); tell("died", message.reason); }
  else if (message.type === "broken") { setBusy(false); tell("broken", message.reason); }
}

// -- a run -----------------------------------------------------------------------------------------------------------

// Starts a run. `again` is one that a slider began: the output stays until the new one is complete.
function run(again = false) {
  if (python.busy) return;
  if (!again) { values = {}; forgetSteps(); at("sliders").replaceChildren(); sliders = new Map(); at("link").hidden = true; }
  moved = false;
  for (const slider of sliders.values()) slider.used = false;
  forgetFrames();
  draft = document.createElement("div");
  if (!again) { at("items").replaceChildren(); curves.clear(); draft = null; }
  at("notice").hidden = true;
  editor.mark(null);
  python.run(editor.text, values, currentLanguage());
  setBusy(true);
  tell(python.ready ? "running" : "waiting");
}

function show(event) {
  if (event.kind === "slider") showSlider(event);
  else if (event.kind === "curve") { if (draft) { curves.clear(); replaceItems(); } curves.add(event); }
  else if (isItem(event)) {
    if (event.kind === "error") editor.mark(event.line);
    appendItem(draft ?? at("items"), event);
  }
}

function replaceItems() {
  if (draft) at("items").replaceChildren(...draft.childNodes);
  draft = null;
}

function finish({ passed, seconds }) {
  replaceItems();
  for (const [name, slider] of sliders) if (!slider.used) { slider.label.remove(); sliders.delete(name); }
  setBusy(false);
  const wrong = at("items").querySelector("pre.error");
  if (passed || !wrong) tell("done", seconds.toFixed(seconds < 10 ? 2 : 1));
  else tell("failed", /program\.py", line (\d+)/.exec(wrong.textContent)?.[1]);
  if (moved) run(true);
}

function stop() {
  python.stop();
  moved = false;
  replaceItems();
  setBusy(false);
  tell("stopped");
}

function setBusy(busy) {
  python.busy = busy;
  at("run").disabled = busy;
  at("stop").disabled = !busy;
}

// -- sliders ---------------------------------------------------------------------------------------------------------

function showSlider({ name, value, low, high, step }) {
  let slider = sliders.get(name);
  if (!slider) {
    slider = { label: document.createElement("label"), input: document.createElement("input"), output: document.createElement("output") };
    slider.input.type = "range";
    slider.label.append(Object.assign(document.createElement("span"), { textContent: name }), slider.input, slider.output);
    slider.input.addEventListener("input", () => {
      values[name] = Number(slider.input.value);
      slider.output.textContent = format(values[name]);
      if (python.busy) moved = true;
      else run(true);
    });
    at("sliders").append(slider.label);
    sliders.set(name, slider);
  }
  slider.used = true;
  Object.assign(slider.input, { min: low, max: high, step });
  if (document.activeElement !== slider.input || values[name] === undefined) {
    slider.input.value = value;
    slider.output.textContent = format(value);
  }
}

// -- programs --------------------------------------------------------------------------------------------------------

function showExamples() {
  const select = at("example"), chosen = select.value;
  select.replaceChildren(...examples.map(({ id, title }) => new Option(title[currentLanguage()], id)));
  if (chosen) select.value = chosen;
}

function loadExample() {
  const found = examples.find(({ id }) => id === at("example").value);
  if (!found) return;
  editor.text = found.code[currentLanguage()];
  untouched = true;
  at("notice").hidden = true;
}

async function loadFromAddress() {
  let program = null, failed = false;
  try { program = await decodeProgram(location.hash); } catch { failed = true; }
  if (program === null && !failed) return false;
  at("notice").textContent = word(failed ? "badLink" : "fromLink");
  at("notice").dataset.word = failed ? "badLink" : "fromLink";
  at("notice").hidden = false;
  if (failed) return false;
  if (python.busy) stop();
  at("items").replaceChildren();
  curves.clear();
  editor.text = program;
  untouched = false;
  return true;
}

async function share() {
  const address = new URL(await encodeProgram(editor.text), location.href).href;
  history.replaceState(null, "", address);
  at("address").value = address;
  at("link").hidden = false;
  try {
    await navigator.clipboard.writeText(address);
    tell("copied");
  } catch {
    at("address").focus();
    at("address").select();
    tell("shared");
  }
}

function changeLanguage(name) {
  const fresh = untouched;
  setLanguage(name);
  at("language").textContent = word("other");
  at("language").lang = name === "en" ? "ja" : "en";
  showExamples();
  if (fresh) loadExample();
  editor.relabel();
  tell(...status);
}

at("run").onclick = () => run();
at("stop").onclick = stop;
at("share").onclick = share;
at("example").onchange = loadExample;
at("language").onclick = () => { changeLanguage(currentLanguage() === "en" ? "ja" : "en"); rememberLanguage(); };
at("sliders").onsubmit = event => event.preventDefault();
addEventListener("hashchange", loadFromAddress);
addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) run();
});

examples = await (await fetch("programs.json")).json();
changeLanguage(preferredLanguage());
const given = await loadFromAddress();
if (!given) loadExample();
at("items").append(Object.assign(document.createElement("p"), { className: "hint", textContent: word("empty") }));
document.documentElement.dataset.loaded = "true";
