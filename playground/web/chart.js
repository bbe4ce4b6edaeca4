// Curves that grow while a program runs: one plot for all, drawn at most once per frame of the screen.
import { word } from "./words.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 260, LEFT = 62, RIGHT = 14, TOP = 26, BOTTOM = 26;
const MOST_POINTS = 4000; // of a curve; beyond that every second one is dropped

function element(name, attributes, text) {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export const format = value => {
  if (value === null) return "nan";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
};

export class Curves {
  constructor(place) {
    this.place = place;
    this.clear();
  }

  clear() {
    this.curves = new Map();
    this.waiting = false;
    this.place.replaceChildren();
  }

  add({ name, points }) {
    if (!this.curves.has(name)) this.curves.set(name, { points: [], count: 0, last: null });
    const curve = this.curves.get(name);
    curve.points.push(...points);
    curve.count += points.length;
    curve.last = points.at(-1)[1];
    while (curve.points.length > MOST_POINTS) curve.points = curve.points.filter((_, i) => i % 2 === 0);
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { if (this.waiting) this.draw(); });
  }

  draw() {
    this.waiting = false;
    const curves = [...this.curves];
    const known = curves.flatMap(([, curve]) => curve.points.filter(([, y]) => y !== null));
    const bounds = axis => known.reduce(([low, high], point) => [Math.min(low, point[axis]), Math.max(high, point[axis])],
      [Infinity, -Infinity]);
    let [[left, right], [low, high]] = [bounds(0), bounds(1)];
    if (!known.length) [left, right, low, high] = [0, 1, 0, 1];
    if (left === right) right = left + 1;
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const atX = x => LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT);
    const atY = y => HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    const summary = curves.map(([name, curve]) => word("point", name, curve.count, format(curve.last))).join("; ");
    const plot = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve-plot", role: "img", "aria-label": summary });
    for (let i = 0; i <= 4; i++) {
      const y = low + (high - low) * i / 4;
      plot.append(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: atY(y), y2: atY(y) }),
        element("text", { x: LEFT - 6, y: atY(y) + 4, "text-anchor": "end", class: "tick" }, format(y)));
    }
    plot.append(element("text", { x: LEFT, y: HEIGHT - 6, class: "tick" }, format(left)),
      element("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end", class: "tick" }, format(right)));
    let at = LEFT;
    curves.forEach(([name, curve], number) => {
      const colour = `c${number % 4}`;
      for (const part of unbroken(curve.points)) {
        if (part.length === 1) plot.append(element("circle", { cx: atX(part[0][0]), cy: atY(part[0][1]), r: 3, class: colour }));
        else plot.append(element("polyline", { class: colour, points: part.map(([x, y]) => `${atX(x)},${atY(y)}`).join(" ") }));
      }
      const label = `${name} ${format(curve.last)}`;
      plot.append(element("text", { x: at, y: 17, class: colour }, label));
      at += 24 + 7.5 * label.length;
    });
    this.place.replaceChildren(plot);
  }
}

// Splits a curve where it has no value.
function unbroken(points) {
  const parts = [[]];
  for (const point of points) {
    if (point[1] === null) parts.push([]);
    else parts.at(-1).push(point);
  }
  return parts.filter(part => part.length);
}
