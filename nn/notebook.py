"""Progress in a notebook: one HTML output that is updated in place. It needs neither tqdm nor widgets."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, TypeAlias

from autograd_mini.tools.text_table import html_table

INTERVAL: Final = 0.2  # seconds between two updates of the output
SHOWN_ROWS: Final = 10
Rows: TypeAlias = Sequence[Mapping[str, Any]]


def in_notebook() -> bool:
    """Returns whether this is a cell of a notebook.

    >>> from autograd_mini.nn.notebook import in_notebook
    >>> in_notebook() in (True, False)
    True
    """
    return "ipykernel" in sys.modules and "IPython" in sys.modules


class Output:
    """One output of a cell; each `show` replaces what it shows."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, page: str, text: str) -> None:
        """Shows a page of HTML, or the text where a front end has no HTML."""
        bundle = {"text/html": page, "text/plain": text}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class NotebookBar(contextlib.AbstractContextManager["NotebookBar"]):
    """A progress bar with the methods of tqdm that the library calls.

    Parameters
    ----------
    desc : the text before the bar
    total : the number of steps; None: there is no bar, only the number
    initial : the number of steps that are done already
    output : the output to use; None: one of its own
    rows : rows of a table below the bar, of which the last ones are shown
    """

    def __init__(
        self,
        desc: str = "",
        total: int | None = None,
        initial: int = 0,
        output: Output | None = None,
        rows: Rows = (),
        **_: Any,
    ) -> None:
        self._desc, self._total, self._done, self._rows = desc, total, initial, rows
        self._output = output or Output()
        self._values: Mapping[str, object] = {}
        self._start = time.perf_counter()
        self._shown = float("-inf")

    def update(self, n: int = 1) -> None:
        """Adds n steps, and shows them unless the output has just been updated."""
        self._done += n
        if time.perf_counter() - self._shown > INTERVAL:
            self._show()

    def set_postfix(self, values: Mapping[str, object], refresh: bool = True) -> None:
        """Sets the values that the next update shows after the bar."""
        self._values = values

    def __exit__(self, *exc: object) -> None:
        self._show()

    def _show(self) -> None:
        self._shown = time.perf_counter()
        of = "" if self._total is None else f"/{self._total:,}"
        values = [f"{name} {value}" for name, value in self._values.items()]
        text = ", ".join([f"{self._done:,}{of}", *values, f"{self._shown - self._start:.0f} s"])
        bar = "" if self._total is None else f'<progress value="{self._done}" max="{max(self._total, 1)}"></progress> '
        page = f'<div class="autograd-mini-progress">{bar}{html.escape(f"{self._desc}: {text}")}</div>{rows_table(self._rows)}'
        self._output.show(page, f"{self._desc}: {text}")


def rows_table(rows: Rows, most: int = SHOWN_ROWS) -> str:
    """Returns the last rows as an HTML table; an empty text without rows.

    >>> from autograd_mini.nn.notebook import rows_table
    >>> rows_table([{"loss": 0.123456}])
    '<table><tr><th align="right">loss</th></tr><tr><td align="right">0.1235</td></tr></table>'
    """
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows[-most:] for name in row))
    body = [[format_value(row.get(name, "")) for name in names] for row in rows[-most:]]
    if len(rows) > most:
        body.insert(0, ["…"] * len(names))
    return html_table(names, body, left=())


def format_value(value: object) -> str:
    """Returns a float with four digits, anything else as text.

    >>> from autograd_mini.nn.notebook import format_value
    >>> format_value(0.123456), format_value(3)
    ('0.1235', '3')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
