"""Compiles C text to a shared library, and keeps it in the user's cache, named by a hash of all that it depends on."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

FLAGS: Final = (
    "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-shared", "-fPIC",
)  # fmt: skip
"""No option that reorders arithmetic: a loop of arithmetic gives NumPy's bits."""
_TIMEOUT: Final = 120  # seconds
_PREAMBLE: Final = "#define DATA(object) (*(void **)((object) + {offset}))  /* where a NumPy array keeps its address */\n\n"


class CompilerError(RuntimeError):
    """There is no C compiler, or it failed; the message has its output."""


@cache
def compiler() -> str | None:
    """Returns the path of the C compiler: $CC, cc, gcc or clang; None if there is none.

    >>> from autograd_mini.jit.c.build import compiler
    >>> compiler() is None or compiler().startswith("/")
    True
    """
    if not _finds_addresses():
        return None
    return next((path for name in (os.environ.get("CC"), "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)


def load(source: str) -> ctypes.CDLL:
    """Compiles C text, unless the cache has the result, and loads it. Raises CompilerError."""
    path = compiler()
    if path is None:
        raise CompilerError("no C compiler was found: install gcc or clang, or name one in the environment variable CC")
    text = (files(__package__) / "functions.h").read_text(encoding="utf-8") + _PREAMBLE.format(offset=_OFFSET) + source
    key = hashlib.sha256("\0".join((text, *FLAGS, _version(path), _processor())).encode()).hexdigest()
    folder = cache_folder()
    library = folder / f"{key}.so"
    if library.exists():
        try:
            return ctypes.CDLL(os.fspath(library))
        except OSError:  # damaged
            pass
    _compile(path, text, library)
    return ctypes.CDLL(os.fspath(library))


def cache_folder() -> Path:
    """Returns the folder of compiled loops, which belongs to the user alone; creates it if needed.

    It is `$XDG_CACHE_HOME/autograd_mini/loops`, or in `~/.cache`. If that cannot be written by the user, or can be written by
    others, a new temporary folder is used, for this process.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(root) / "autograd_mini" / "loops"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.getuid() and not status.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="autograd_mini-"))


def _compile(path: str, text: str, library: Path) -> None:
    """Writes the library under another name and renames it, so that no process ever loads half a file."""
    with tempfile.TemporaryDirectory(prefix="autograd_mini-") as folder:
        source = Path(folder) / "loops.c"
        source.write_text(text, encoding="utf-8")
        part = library.with_name(f".{library.name}.{os.getpid()}.tmp")
        try:
            _run([path, *FLAGS, *_wide_vectors(path), "-o", os.fspath(part), os.fspath(source), "-lm"])
            os.replace(part, library)
        finally:
            part.unlink(missing_ok=True)


def _run(command: list[str]) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"{command[0]} failed: {error}") from None
    if result.returncode:
        raise CompilerError(f"{command[0]} failed:\n{result.stderr[-2000:]}")
    return result.stdout


@cache
def _version(path: str) -> str:
    return _run([path, "--version"])


@cache
def _wide_vectors(path: str) -> tuple[str, ...]:
    """Returns the option that makes gcc use the widest vectors; it prefers half of them by itself."""
    return ("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()


@cache
def _processor() -> str:
    """Describes the processor: a library for one may use instructions that another one in a shared home folder lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "") + platform.machine()


_OFFSET: Final = object.__basicsize__
"""Where an ndarray object keeps the address of its elements: NumPy's ABI puts it behind the head of the object."""


def _finds_addresses() -> bool:
    """Returns whether the address of an array's elements is where loops look for it."""
    a = np.zeros(1)
    return ctypes.c_void_p.from_address(id(a) + _OFFSET).value == a.ctypes.data
