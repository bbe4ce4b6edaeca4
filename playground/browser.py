"""What the worker of the page calls: connects Python to the page, and runs programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import autograd_mini
from autograd_mini import viz

from .page import connection, run_program


def connect(post: Callable[[str], object], layout: Callable[[str], str]) -> None:
    """Reports events to `post`, as JSON, and lets `layout` turn DOT text into SVG.

    >>> from autograd_mini import viz
    >>> from autograd_mini.playground import browser
    >>> from autograd_mini.playground.page import connection
    >>> events = []
    >>> browser.connect(events.append, lambda source: "<svg/>")
    >>> browser.run("print('hello')", "{}", "en"), events
    (True, ['{"kind": "text", "text": "hello\\\\n"}'])
    >>> connection.close()
    >>> _ = viz.set_renderer(None)
    """
    connection.open(lambda event: post(json.dumps(event, default=float)))
    viz.set_renderer(_renderer(layout))
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # its first use takes a few seconds, and says so
    sys.modules.setdefault("playground", sys.modules[__package__])  # `import playground` works too


def _renderer(layout: Callable[[str], str]) -> Callable[[str, str], str]:
    def render(source: str, format: str) -> str:
        if format != "svg":
            raise RuntimeError(f"the playground draws graphs as svg, not as {format}; use playground.show(picture)")
        try:
            return layout(source)
        except Exception as error:  # of JavaScript
            raise RuntimeError(f"Graphviz failed: {error}") from None

    return render


def run(code: str, values: str, language: str) -> bool:
    """Runs a program with the numbers of the sliders, as JSON, and pictures in the reader's language."""
    set_language: Any = getattr(viz, "set_language", None)
    if set_language is not None:
        set_language(language)
    autograd_mini.manual_seed(0)  # the same program shows the same numbers
    return run_program(code, json.loads(values))
