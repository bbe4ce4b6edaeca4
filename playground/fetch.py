"""Fetches what the page consists of besides this repository: pinned npm packages, and Pyodide's Python packages.

`pins.json` names each npm package with its version and checksum; npm fetches it, from wherever npm is set up to look. Pyodide's
lock file, which is in one of them, names its Python packages with their checksums; so they may come from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final

TIMEOUT: Final = 120  # seconds


class FetchError(RuntimeError):
    """A part of the page cannot be fetched, or is not what was expected; the message says which."""


def pins() -> dict[str, Any]:
    """Returns the pinned packages: for each npm package its version, checksum and files.

    >>> from autograd_mini.playground.fetch import pins
    >>> pins()["npm"]["pyodide"]["version"]
    '0.27.7'
    """
    found: dict[str, Any] = json.loads((resources.files(__package__) / "pins.json").read_text(encoding="utf-8"))
    return found


def cache_folder() -> Path:
    """Returns the folder of downloads, `~/.cache/autograd_mini/playground` or in `$XDG_CACHE_HOME`; creates it if needed."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(root) / "autograd_mini" / "playground"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def npm_archives() -> dict[str, Path]:
    """Returns the archive of each pinned npm package; npm downloads those that are not in the cache. Raises FetchError."""
    packages = pins()["npm"]
    archives = {name: cache_folder() / f"{_plain(name)}-{package['version']}.tgz" for name, package in packages.items()}
    missing = [name for name, path in archives.items() if not _is_intact(path, packages[name]["integrity"])]
    if missing:
        _npm_pack({name: packages[name] for name in missing}, {name: archives[name] for name in missing})
    return archives


def _plain(name: str) -> str:
    """Returns a package's name as npm writes it in names of files.

    >>> from autograd_mini.playground.fetch import _plain
    >>> _plain("@codemirror/view")
    'codemirror-view'
    """
    return name.removeprefix("@").replace("/", "-")


def _npm_pack(packages: dict[str, Any], targets: dict[str, Path]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("npm was not found, which fetches the editor, Python and Graphviz for browsers: install Node.js")
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        wanted = [f"{name}@{package['version']}" for name, package in packages.items()]
        command = [npm, "pack", "--silent", "--ignore-scripts", *wanted]
        try:
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise FetchError(f"npm did not answer in {TIMEOUT} s") from None
        if result.returncode:
            raise FetchError(f"npm pack failed: {result.stderr.strip()[-500:] or result.stdout.strip()[-500:]}")
        for name, package in packages.items():
            got = Path(folder) / targets[name].name
            if not _is_intact(got, package["integrity"]):
                raise FetchError(f"{name} {package['version']}: the checksum differs from pins.json, so it is not used")
            os.replace(got, targets[name])


def _is_intact(path: Path, integrity: str) -> bool:
    """Whether a file exists and has this checksum, in npm's form: sha512-BASE64."""
    if not path.is_file():
        return False
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode() == integrity


def read_member(archive: Path, name: str) -> bytes | None:
    """Returns a file of an npm package, or None if it has no such file."""
    with tarfile.open(archive) as tar:
        try:
            file = tar.extractfile(name)
        except KeyError:
            return None
        return None if file is None else file.read()


def closure(lock: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Returns these packages of a lock file, and those that they need, in order of their names.

    >>> from autograd_mini.playground.fetch import closure
    >>> closure({"packages": {"a": {"depends": ["b"]}, "b": {"depends": []}, "c": {"depends": []}}}, ["a"])
    ['a', 'b']
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += lock["packages"][name]["depends"]
    return sorted(found)


def python_package(entry: dict[str, Any], source: Path | None) -> bytes:
    """Returns the file of a Python package of Pyodide, from `source` (a folder or a zip file) or the network.

    Raises FetchError if it is not there, or its checksum differs from the lock file.
    """
    name = entry["file_name"]
    data = _from_network(name) if source is None else _from_archive(name, source)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise FetchError(f"{name}: the checksum differs from Pyodide's lock file, so it is not used")
    return data


def _from_archive(name: str, source: Path) -> bytes:
    if source.is_dir():
        path = next(source.rglob(name), None)
        if path is not None:
            return path.read_bytes()
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            member = next((m for m in archive.namelist() if m.rpartition("/")[2] == name), None)
            if member is not None:
                return archive.read(member)
    raise FetchError(f"{source}: expected a folder or zip file that contains {name}")


def _from_network(name: str) -> bytes:
    cached = cache_folder() / name
    if cached.is_file():
        return cached.read_bytes()
    address = pins()["pyodide_packages"] + name
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
            data: bytes = response.read()
    except OSError as error:
        raise FetchError(
            f"{address} cannot be read: {error}; --packages names a folder or zip file with Pyodide's packages"
        ) from None
    cached.write_bytes(data)
    return data
