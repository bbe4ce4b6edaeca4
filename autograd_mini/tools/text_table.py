"""Tables: formats rows of short texts as aligned columns of plain text, or as HTML."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

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


def align_columns(head: Cells, body: Iterable[Cells], left: Collection[int] = (0, 1)) -> str:
    """Returns the table as text: columns whose numbers are in `left` are aligned to the left, the others to the right.

    >>> from autograd_mini.tools.text_table import align_columns
    >>> print(align_columns(("name", "ms"), [("add", "0.1"), ("matmul", "12.0")], left=(0,)))
    name      ms
    ------  ----
    add      0.1
    matmul  12.0
    """
    lines = [head, *body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            f"{cell:{'<' if i in left else '>'}{width}}" for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


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
