"""The link between Python and the page: runs a program and reports what it prints and shows as events, which are dicts.

Nothing here needs a browser: the worker calls `connection.open` with a function that posts an event to the page, and then
`run_program`; a test passes the `append` of a list.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .display import as_event

Event: TypeAlias = dict[str, Any]
PROGRAM: Final = "program.py"
"""The name of the program in messages."""
FIRST_POINTS: Final = 200
SECONDS_BETWEEN_GROUPS: Final = 0.05
MOST_CHARACTERS: Final = 200_000
"""What one run may print; a page with more becomes slow."""


class Curves:
    """Points on their way to the page: the first ones at once, later ones in groups, because a fast loop makes thousands."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts: dict[str, int] = {}
        self._waiting: dict[str, list[tuple[float, float | None]]] = {}
        self._posted = 0.0

    def add(self, name: str, x: float | None, y: float | None) -> None:
        """Adds a point; without `x`, it follows the one before."""
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        self._waiting.setdefault(name, []).append((float(count if x is None else x), y))
        if sum(self._counts.values()) <= FIRST_POINTS or time.monotonic() - self._posted > SECONDS_BETWEEN_GROUPS:
            self.flush()

    def flush(self) -> None:
        """Reports the points that are waiting."""
        for name, points in self._waiting.items():
            self._connection.post({"kind": "curve", "name": name, "points": points})
        self._waiting.clear()
        self._posted = time.monotonic()


class Connection:
    """The page that shows the events; without a page they are dropped."""

    def __init__(self) -> None:
        self._post: Callable[[Event], object] | None = None
        self.values: Mapping[str, float] = {}  # of the sliders that the reader has moved
        self.curves = Curves(self)

    def begin(self, values: Mapping[str, float]) -> None:
        """Starts a new run with the numbers of the sliders."""
        self.values, self.curves = dict(values), Curves(self)

    @property
    def is_open(self) -> bool:
        return self._post is not None

    def open(self, post: Callable[[Event], object]) -> None:
        """Reports all later events to `post`."""
        self._post = post

    def close(self) -> None:
        """Drops all later events, and forgets the numbers of the sliders."""
        self._post, self.values = None, {}

    def post(self, event: Event) -> None:
        if self._post is not None:
            self._post(event)


connection: Final = Connection()


def show_item(value: Any) -> None:
    """Reports a value as a picture, a page, or text."""
    connection.post(as_event(value))


def run_program(code: str, values: Mapping[str, float] | None = None) -> bool:
    """Runs a program with the numbers of the sliders; returns whether it ended without an error.

    The value of a last line that is an expression is shown, as in a notebook, and so are figures of pyplot. An error is an
    event with its traceback and its line.

    >>> from autograd_mini.playground.page import connection, run_program
    >>> events = []
    >>> connection.open(events.append)
    >>> run_program("print('one')\\n1 + 1"), run_program("1 / 0")
    (True, False)
    >>> connection.close()
    >>> [event["kind"] for event in events], events[-1]["line"]
    (['text', 'text', 'error'], 1)
    """
    connection.begin(values or {})
    linecache.cache[PROGRAM] = (len(code), None, code.splitlines(keepends=True), PROGRAM)
    output = _Lines()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            _execute(code)
            _show_figures()
        except SystemExit:
            pass
        except BaseException as error:
            output.end_line()
            connection.post(_error_event(error))
            return False
        finally:
            output.end_line()
            connection.curves.flush()
    return True


def _execute(code: str) -> None:
    tree = ast.parse(code, PROGRAM)
    last = tree.body.pop().value if tree.body and isinstance(tree.body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    names: dict[str, Any] = {"__name__": "__main__", "__file__": PROGRAM, "input": _refuse_input}
    exec(compile(tree, PROGRAM, "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last), PROGRAM, "eval"), names)
        if value is not None:
            sys.stdout.flush()
            show_item(value)


def _refuse_input(prompt: object = "") -> str:
    raise RuntimeError("input() cannot ask for text in the playground; use playground.slider, or a value in the program")


def _show_figures() -> None:
    """Shows the figures that the program made with pyplot, and closes them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        for number in pyplot.get_fignums():
            show_item(pyplot.figure(number))
        pyplot.close("all")


def _error_event(error: BaseException) -> Event:
    """Returns the traceback without the frames of this file, and the last line of the program in it."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:  # also of the errors that led to it
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if frame.filename != __file__])
        part = part.__cause__ or part.__context__
    lines = [frame.lineno for frame in report.stack if frame.filename == PROGRAM]
    if isinstance(error, SyntaxError) and error.filename == PROGRAM:
        report.stack.clear()
        lines = [error.lineno]
    return {"kind": "error", "text": "".join(report.format()), "line": lines[-1] if lines else None}


class _Lines(io.TextIOBase):
    """A text stream that reports each line when it is complete, or when the stream is flushed."""

    encoding = "utf-8"  # so pictures as text keep their lines and letters

    def __init__(self) -> None:
        self._open = ""
        self._left = MOST_CHARACTERS

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, end, rest = (self._open + text).rpartition("\n")
        self._open = rest
        if end:
            self._report(whole + end)
        return len(text)

    def flush(self) -> None:
        text, self._open = self._open, ""
        self._report(text)

    def end_line(self) -> None:
        if self._open:
            self.write("\n")

    def _report(self, text: str) -> None:
        if text and self._left > 0:
            shown, self._left = text[: self._left], self._left - len(text)
            connection.post({"kind": "text", "text": shown})
            if self._left <= 0:
                connection.post({"kind": "text", "text": f"\n… (the rest after {MOST_CHARACTERS:,} characters is left out)\n"})
