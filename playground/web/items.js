// Turns an event of the program into what the reader sees. Text is never inserted as markup: pictures are images, and pages are
// frames that reach nothing around them.
import { word } from "./words.js";

let chosenSteps = []; // of each stepper, so that it stays at its step when a slider moves
let frames = [];

export function forgetSteps() { chosenSteps = []; }
export function forgetFrames() { frames = []; }

addEventListener("message", ({ data, source }) => {
  const found = frames.find(({ frame }) => frame.contentWindow === source);
  if (!found || typeof data !== "object" || data === null) return;
  if (data.ready && found.html !== null) {
    source.postMessage(found.html, "*");
    found.html = null;
  }
  if (Number.isInteger(data.step)) chosenSteps[found.number] = data.step;
});

function node(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function picture(address, event, kind) {
  const image = node("img", { src: address, alt: event.alt.length <= 200 ? event.alt : word("picture") });
  const figure = node("figure", { className: kind }, node("div", { className: "scroll", tabIndex: 0 }, image));
  figure.firstChild.setAttribute("role", "group");
  figure.firstChild.setAttribute("aria-label", word("picture"));
  image.addEventListener("load", () => figure.classList.toggle("wide", image.naturalWidth > 1.5 * image.naturalHeight), { once: true });
  const size = node("button", { type: "button", textContent: word("large"), onclick() {
    size.textContent = word(figure.classList.toggle("natural") ? "fit" : "large");
  } });
  const tools = node("div", { className: "tools" }, size);
  if (kind === "svg") tools.append(node("details", {}, node("summary", { textContent: word("asText") }),
    node("pre", { className: "wide", textContent: event.alt })));
  figure.append(tools);
  return figure;
}

const MAKERS = {
  text: event => node("pre", { textContent: event.text }),
  error: event => {
    const text = node("pre", { className: "error", textContent: event.text });
    text.setAttribute("role", "alert");
    return text;
  },
  svg: event => picture(`data:image/svg+xml;charset=utf-8,${encodeURIComponent(event.svg)}`, event, "svg"),
  png: event => picture(`data:image/png;base64,${event.png}`, event, "png"),
  page: event => {
    const number = frames.length;
    const frame = node("iframe", { title: word("stepper") });
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = chosenSteps[number] === undefined ? "frame.html" : `frame.html#frame=${chosenSteps[number] + 1}`;
    frames.push({ frame, html: event.html, number });
    return frame;
  },
};

export const isItem = event => event.kind in MAKERS;

// Appends an event to `place`; lines of text that follow each other become one block.
export function appendItem(place, event) {
  const last = place.lastChild;
  if (event.kind === "text" && last instanceof Element && last.matches("pre:not(.error)")) last.append(event.text);
  else place.append(MAKERS[event.kind](event));
}
