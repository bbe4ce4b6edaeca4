// Python in a worker, so that the page always answers. It loads Python, the library and Graphviz, and then runs programs.
import { Graphviz } from "./modules/wasm-graphviz.js";
import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = name => new URL(name, import.meta.url).href;
const progress = what => postMessage({ type: "progress", what });

// Packages that only some programs need, and the words that show it.
const NEEDS = [
  [/\bmatplotlib\b|\bpyplot\b|\bplot_\w+|\bsave_animation\b/, "matplotlib"],
  [/\bPIL\b/, "pillow"],
  [/\bsklearn\b|\bdigits\(/, "scikit-learn"],
];

async function start() {
  progress("Python");
  const [python, graphviz, library] = await Promise.all([
    loadPyodide({ indexURL: here("pyodide/"), lockFileURL: here("pyodide/packages.json"), packages: ["numpy"],
      env: { HOME: "/home/pyodide", MPLBACKEND: "agg" } }),
    Graphviz.load(),
    fetch(here("autograd_mini.zip")).then(answer => {
      if (!answer.ok) throw new Error(`autograd_mini.zip: ${answer.status}`);
      return answer.arrayBuffer();
    }),
  ]);
  progress("autograd_mini");
  python.unpackArchive(library, "zip", { extractDir: "/lib/library" });
  const available = new Set(Object.keys((await (await fetch(here("pyodide/packages.json"))).json()).packages));
  python.runPython("import sys; sys.path.insert(0, '/lib/library'); from autograd_mini.playground import browser");
  const browser = python.pyimport("autograd_mini.playground.browser");
  let run = 0;
  browser.connect(
    text => postMessage({ type: "event", run, event: JSON.parse(text) }),
    source => graphviz.layout(source, "svg", "dot"),
  );
  postMessage({ type: "ready" });
  return async message => {
    run = message.run;
    const needed = NEEDS.filter(([words, name]) => words.test(message.code) && available.has(name)).map(([, name]) => name);
    const missing = needed.filter(name => !(name in python.loadedPackages));
    if (missing.length) {
      postMessage({ type: "progress", run, what: missing.join(", ") });
      await python.loadPackage(missing, { messageCallback: () => {} });
      postMessage({ type: "progress", run, what: null });
    }
    const begin = performance.now();
    const passed = browser.run(message.code, JSON.stringify(message.values), message.language);
    postMessage({ type: "done", run, passed, seconds: (performance.now() - begin) / 1000 });
  };
}

const started = start();
started.catch(error => postMessage({ type: "broken", reason: String(error.message ?? error) }));
let queue = started;
onmessage = ({ data }) => {
  queue = queue.then(async run => { await run(data); return run; }).catch(error => {
    postMessage({ type: "broken", run: data.run, reason: String(error.message ?? error) });
    return started;
  });
};
