"""Tables for the terminal and for Markdown pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from autograd_mini.tools.plain_text import display_width, escape_unprintable
from autograd_mini.tools.text_table import pad_columns

Cell: TypeAlias = str | int | float
Rows: TypeAlias = Sequence[Mapping[str, Cell]]

# A backslash before one of these makes it literal in Markdown. A backslash is literal unless punctuation follows, and a bracket
# unless it begins a link.
MARKUP: Final = re.compile(r"[|<`*]|\[(?=.*\][(\[])|(?<!\w)_|_(?!\w)|~(?=~)|(?<=~)~|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])")


def markdown(rows: Rows) -> str:
    """Formats rows as an aligned Markdown table, with numbers to four digits and empty cells for missing columns.

    Names are literal: markup in them is escaped.

    >>> from autograd_mini.cli.tables import markdown
    >>> print(markdown([{"depth": 2, "norm": 0.123456}, {"depth": 3, "time": "2 s"}]))
    | depth | norm   | time |
    |-------|--------|------|
    | 2     | 0.1235 |      |
    | 3     |        | 2 s  |
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table: list[list[Cell]] = [[*columns], *([row.get(column, "") for column in columns] for row in rows)]
    lines = [[_format_cell(cell) for cell in line] for line in table]
    header, *body = ([f" {cell} " for cell in line] for line in pad_columns(lines, width=display_width))
    rule = ["-" * display_width(cell) for cell in header]
    return "\n".join(f"|{'|'.join(line)}|" for line in (header, rule, *body))


def _format_cell(value: Cell) -> str:
    if not isinstance(value, float):
        return MARKUP.sub(r"\\\g<0>", escape_unprintable(str(value)))
    return f"{value:.0f}" if value.is_integer() or abs(value) >= 1e4 else f"{value:.4g}"
