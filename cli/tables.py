"""Tables for the terminal and for Markdown pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from autograd_mini.tools.text_table import pad_columns

Cell: TypeAlias = str | int | float
Rows: TypeAlias = Sequence[Mapping[str, Cell]]


def markdown(rows: Rows) -> str:
    """Formats rows as an aligned Markdown table, with numbers to four digits and empty cells for missing columns.

    >>> from autograd_mini.cli.tables import markdown
    >>> print(markdown([{"depth": 2, "norm": 0.123456}, {"depth": 3, "time": "2 s"}]))
    | depth | norm   | time |
    |-------|--------|------|
    | 2     | 0.1235 |      |
    | 3     |        | 2 s  |
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([_format_cell(row.get(column, "")) for column in columns] for row in rows)]
    header, *body = ([f" {cell} " for cell in line] for line in pad_columns(lines))
    rule = ["-" * len(cell) for cell in header]
    return "\n".join(f"|{'|'.join(line)}|" for line in (header, rule, *body))


def _format_cell(value: Cell) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() or abs(value) >= 1e4 else f"{value:.4g}"
