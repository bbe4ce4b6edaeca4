// Runs tests of the engine in Pyodide: node engine_in_pyodide.mjs SETTINGS, a JSON file. The exit code is pytest's.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const { loadPyodide } = await import(pathToFileURL(`${settings.pyodide}/pyodide.mjs`).href);
const python = await loadPyodide({
  indexURL: `${settings.pyodide}/`,
  lockFileURL: `${settings.pyodide}/packages.json`,
  packages: ["numpy"],
  env: { HOME: "/home/pyodide", HYPOTHESIS_PROFILE: "few", PRIMITIVE_EXAMPLES: "1", PYTHONDONTWRITEBYTECODE: "1" },
});
for (const [place, folder] of Object.entries(settings.folders)) python.mountNodeFS(place, folder);
python.globals.set("arguments", python.toPy(settings.arguments));
process.exit(python.runPython(`
import os, sys, glob, zipfile
for wheel in glob.glob("/wheels/*.whl"):
    zipfile.ZipFile(wheel).extractall("/site")
sys.path[:0] = ["/repository", "/site"]
os.chdir("/repository")
import pytest
# Files of temporary output cannot be used after they are unlinked there, so only Python's own output is captured.
int(pytest.main(["--capture=sys", "-p", "no:cacheprovider", "-q", *arguments]))
`));
