"""Tables: formats rows of short texts as aligned columns of plain text, or as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterable, Sequence

Cells = Sequence[str]


def format_count(value: int) -> str:
    """Formats an integer with commas; returns an empty text for zero.

    >>> from autograd_mini.tools.text_table import format_count
    >>> format_count(1234567), format_count(0)
    ('1,234,567', '')
    """
    return f"{value:,}" if value else ""


def format_number(value: float) -> str:
    """Formats a number with three decimals; returns an empty text for zero.

    >>> from autograd_mini.tools.text_table import format_number
    >>> format_number(1234.5), format_number(0.0)
    ('1,234.500', '')
    """
    return f"{value:,.3f}" if value else ""


def pad_columns(
    lines: Sequence[Cells], left: Collection[int] | None = None, width: Callable[[str], int] = len
) -> list[list[str]]:
    """Pads the cells of each column to one width: on the right in the columns `left` (default: all), on the left in others.

    >>> from autograd_mini.tools.text_table import pad_columns
    >>> pad_columns([("add", "1"), ("matmul", "12")], left=(0,))
    [['add   ', ' 1'], ['matmul', '12']]
    """
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    blanks = [[" " * (most - width(cell)) for most, cell in zip(widths, line, strict=True)] for line in lines]
    return [
        [cell + blank if left is None or i in left else blank + cell for i, (cell, blank) in enumerate(zip(*row, strict=True))]
        for row in zip(lines, blanks, strict=True)
    ]


def format_table(head: Cells, body: Iterable[Cells], left: Collection[int] = (0, 1), total: Cells | None = None) -> str:
    """Returns a table as text with a ruled head.

    Parameters
    ----------
    head : the titles of the columns
    body : the rows
    left : the numbers of the columns that are aligned left
    total : a last row, after a rule

    Examples
    --------
    >>> from autograd_mini.tools.text_table import format_table
    >>> print(format_table(("name", "ms"), [("add", "0.1"), ("matmul", "12.0")], left=(0,)))
    name      ms
    ------  ----
    add      0.1
    matmul  12.0
    """
    lines = pad_columns([head, *body, *([] if total is None else [total])], left)
    rule = ["-" * len(cell) for cell in lines[0]]
    lines.insert(1, rule)
    if total is not None:
        lines.insert(-1, rule)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def html_table(head: Cells, body: Iterable[Cells], left: Collection[int] = (0, 1)) -> str:
    """Returns the table as HTML.

    >>> from autograd_mini.tools.text_table import html_table
    >>> html_table(("name",), [("<b>",)])
    '<table><tr><th align="left">name</th></tr><tr><td align="left">&lt;b&gt;</td></tr></table>'
    """

    def line(kind: str, cells: Cells) -> str:
        sides = ("left" if i in left else "right" for i in range(len(cells)))
        inner = (f'<{kind} align="{side}">{html.escape(cell)}</{kind}>' for side, cell in zip(sides, cells, strict=True))
        return f"<tr>{''.join(inner)}</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', cells) for cells in body)}</table>"
