"""The text files of a run: the history as CSV, and lines that are added to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def append_line(path: Path, header: str, line: str) -> None:
    """Appends a line to a text file, which gets a header if it is new; a last line that was cut off stays a line of its own.

    >>> import pathlib, tempfile
    >>> from autograd_mini.nn.training.tables import append_line
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "timing.csv"
    >>> for line in ("1,0.5", "2,0.4"):
    ...     append_line(path, "iteration,seconds", line)
    >>> path.read_text().splitlines()
    ['iteration,seconds', '1,0.5', '2,0.4']
    """
    with open(path, "a+b") as file:
        size = file.tell()
        file.seek(max(0, size - 1))
        start = f"{header}\n" if not size else "" if file.read() == b"\n" else "\n"
        file.write(f"{start}{line}\n".encode())


def to_csv(history: Sequence[Mapping[str, float]]) -> str:
    """Returns the history as CSV; a name that only later rows have gets empty cells.

    >>> from autograd_mini.nn.training.tables import to_csv
    >>> to_csv([{"epoch": 1}, {"epoch": 2, "lr": 0.1}]).splitlines()
    ['epoch,lr', '1,', '2,0.1']
    """
    names = list(dict.fromkeys(name for row in history for name in row))
    rows: list[list[Any]] = [names, *([row.get(name, "") for name in names] for row in history)]
    return "".join(",".join(map(_to_cell, row)) + "\n" for row in rows)


def _to_cell(value: float | str) -> str:
    """Returns a name or number as a cell, in quotes if it contains a sign of the format."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
