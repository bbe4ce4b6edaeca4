"""Builds the playground: a folder of static files that any web server can publish.

python -m playground.build FOLDER                # loads NumPy and Matplotlib for Pyodide from their pinned addresses
python -m playground.build --offline FOLDER      # contains everything, and works without a network
python -m playground.build --serve FOLDER        # builds, and serves it on this computer
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from .fetch import FetchError, closure, npm_archives, pins, python_package, read_member
from .serve import serve

PACKAGES: Final = ("numpy", "matplotlib")
"""The Python packages of a folder that works offline."""
MORE_PACKAGES: Final = ("pillow", "scikit-learn")
"""Those that the published page can also load."""
LIBRARY: Final = ("autograd_mini", "nn", "models", "viz", "playground", "cli", "examples")
"""The folders of the library that programs can use."""
LANGUAGES: Final = ("en", "ja")
PROGRAMS: Final = {
    "exercise_20": ("Exercise 20: a chain by hand", "課題 20: 手で計算する連鎖律"),
    "mlp": ("A network of two layers (MLP)", "2 層のネットワーク (MLP)"),
    "training": ("Training, with a live loss curve", "学習と損失の推移"),
    "vae_loss": ("The loss of a VAE", "VAE の損失"),
    "gan_steps": ("The two steps of a GAN", "GAN の 2 つのステップ"),
    "own": ("Your own program", "自分のプログラム"),
}
"""The examples and their titles in the languages of the page."""
_WHEN: Final = (1980, 1, 1, 0, 0, 0)  # of all files in an archive: equal sources give equal bytes
_SPECIFIER: Final = re.compile(r"""(\b(?:from|import)\s*)(["'])([^"'./][^"'\n]*)\2""")


def build(folder: Path, *, offline: bool = False, packages: Path | None = None) -> None:
    """Writes the page into a folder.

    Parameters
    ----------
    folder : created if it is missing; files of the same names are overwritten
    offline : whether it contains all packages, so that the page works without a network
    packages : a folder or zip file with Pyodide's packages, to take them from there; None: from the network

    Raises
    ------
    FetchError
        if a part cannot be fetched or has another checksum
    """
    archives = npm_archives()
    files = {**_web_files(offline), **_npm_files(archives), "autograd_mini.zip": library_archive()}
    files["programs.json"] = _json(_programs())
    files.update(_pyodide_packages(archives["pyodide"], offline, packages))
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _web_files(offline: bool) -> dict[str, bytes]:
    web = resources.files(__package__) / "web"
    files = {entry.name: entry.read_bytes() for entry in web.iterdir() if entry.is_file()}
    origin = "" if offline else " " + pins()["pyodide_packages"]
    files["index.html"] = files["index.html"].replace(b"{{packages}}", origin.encode())
    return files


def _npm_files(archives: dict[str, Path]) -> dict[str, bytes]:
    """Returns the files of the npm packages and their licences; modules import each other by the names of these files."""
    packages = pins()["npm"]
    modules = {name: Path(target).name for name, p in packages.items() for target in p["files"].values()}
    files: dict[str, bytes] = {}
    for name, package in packages.items():
        for member, target in package["files"].items():
            data = read_member(archives[name], member)
            if data is None:
                raise FetchError(f"{name} {package['version']} contains no {member}")
            files[target] = data if name == "pyodide" else link_modules(data.decode(), modules).encode()
        licence = read_member(archives[name], "package/LICENSE") or read_member(archives[name], "package/README.md") or b""
        files[f"licences/{name.removeprefix('@').replace('/', '-')}.txt"] = licence
    return files


def link_modules(source: str, files: dict[str, str]) -> str:
    """Replaces the names of packages in the imports of a module by the files that contain them.

    >>> from autograd_mini.playground.build import link_modules
    >>> link_modules("import { a } from '@x/y'; export { b } from './b.js';", {"@x/y": "x-y.js"})
    "import { a } from './x-y.js'; export { b } from './b.js';"
    """
    return _SPECIFIER.sub(lambda m: f"{m[1]}{m[2]}./{files[m[3]]}{m[2]}" if m[3] in files else m[0], source)


def _pyodide_packages(pyodide: Path, offline: bool, source: Path | None) -> dict[str, bytes]:
    """Returns a lock file with the packages of the page, and for a page that works offline their files."""
    lock: dict[str, Any] = json.loads(read_member(pyodide, "package/pyodide-lock.json") or b"")
    names = closure(lock, PACKAGES if offline else (*PACKAGES, *MORE_PACKAGES))
    entries = {name: lock["packages"][name] for name in names}
    files = {f"pyodide/{e['file_name']}": python_package(e, source) for e in entries.values()} if offline else {}
    if not offline:
        address = pins()["pyodide_packages"]
        entries = {name: {**entry, "file_name": address + entry["file_name"]} for name, entry in entries.items()}
    files["pyodide/packages.json"] = _json({"info": lock["info"], "packages": entries})
    return files


def library_archive() -> bytes:
    """Returns the library as a zip file, in the layout of an installed package."""
    root = resources.files(__package__.rpartition(".")[0] or "autograd_mini")
    engine = Path(str(root))
    beside = engine if (engine / "nn").is_dir() else engine.parent  # installed, or a checkout
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for layer in LIBRARY:
            source = engine if layer == "autograd_mini" else beside / layer
            inside = "" if layer == "autograd_mini" else f"{layer}/"
            for path in sorted(source.rglob("*.py")):
                name = path.relative_to(source).as_posix()
                if layer == "autograd_mini" and name.split("/")[0] in LIBRARY:
                    continue
                archive.writestr(
                    zipfile.ZipInfo(f"autograd_mini/{inside}{name}", _WHEN), path.read_bytes(), zipfile.ZIP_DEFLATED
                )
    return buffer.getvalue()


def _programs() -> list[dict[str, Any]]:
    """Returns the examples with their titles and texts in each language."""
    folder = resources.files(__package__) / "programs"
    return [
        {
            "id": name,
            "title": dict(zip(LANGUAGES, titles, strict=True)),
            "code": {
                language: (folder / f"{name}{'' if language == 'en' else '_' + language}.py").read_text(encoding="utf-8")
                for language in LANGUAGES
            },
        }
        for name, titles in PROGRAMS.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m playground.build", description="Builds the playground as static files.")
    parser.add_argument("folder", nargs="?", type=Path, help="where to write the page; playground-site by default")
    parser.add_argument("--offline", type=Path, metavar="DIR", help="write a page that works without a network to DIR")
    parser.add_argument("--packages", type=Path, metavar="PATH", help="a folder or zip file with Pyodide's packages")
    parser.add_argument("--serve", nargs="?", type=int, const=8000, metavar="PORT", help="then serve the page on this computer")
    options = parser.parse_args(arguments)
    if options.offline and options.folder:
        parser.error("give one folder: FOLDER for a page that loads packages, or --offline DIR")
    folder = options.offline or options.folder or Path("playground-site")
    try:
        build(folder, offline=options.offline is not None, packages=options.packages)
    except (FetchError, OSError) as error:
        print(f"playground: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"wrote {folder}, {size / 1e6:.1f} MB; a browser needs it from a web server: add --serve, or publish the folder")
    if options.serve is not None:
        serve(folder, options.serve)
    return 0


if __name__ == "__main__":
    sys.exit(main())
