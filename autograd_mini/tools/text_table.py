"""Tables: rows of short texts as columns in plain text, or in HTML."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

Cells = Sequence[str]


def count(value: int) -> str:
    """A whole number with commas; nothing for zero.

    >>> from autograd_mini.tools.text_table import count
    >>> count(1234567), count(0)
    ('1,234,567', '')
    """
    return f"{value:,}" if value else ""


def fixed(value: float) -> str:
    """A number with three decimals; nothing for zero.

    >>> from autograd_mini.tools.text_table import fixed
    >>> fixed(1234.5), fixed(0.0)
    ('1,234.500', '')
    """
    return f"{value:,.3f}" if value else ""


def aligned(head: Cells, body: Iterable[Cells], left: Collection[int] = (0, 1)) -> str:
    """Columns of text under a ruled head: those whose numbers are in `left` begin together, the others end together.

    >>> from autograd_mini.tools.text_table import aligned
    >>> print(aligned(("name", "ms"), [("add", "0.1"), ("matmul", "12.0")], left=(0,)))
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


def page(head: Cells, body: Iterable[Cells], left: Collection[int] = (0, 1)) -> str:
    """The same as an HTML table.

    >>> from autograd_mini.tools.text_table import page
    >>> page(("name",), [("<b>",)])
    '<table><tr><th align="left">name</th></tr><tr><td align="left">&lt;b&gt;</td></tr></table>'
    """

    def line(kind: str, cells: Cells) -> str:
        sides = ("left" if i in left else "right" for i in range(len(cells)))
        inner = (f'<{kind} align="{side}">{html.escape(cell)}</{kind}>' for side, cell in zip(sides, cells, strict=True))
        return f"<tr>{''.join(inner)}</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', cells) for cells in body)}</table>"
