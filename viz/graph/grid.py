"""Arrays inside of nodes: aligned matrices of numbers, or small heat maps, as tables of Graphviz's labels."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import numpy as np

from autograd_mini.tensor import Array

from .summary import format_number

GridStyle: TypeAlias = Literal["matrix", "heat"]

MAX_NUMBERS: Final = 4  # rows and columns of a matrix; … stands for the others
MAX_SQUARES: Final = 12  # rows and columns of a heat map; a larger array is sampled evenly
SQUARE: Final = 11  # points
FONT: Final = 12  # points, as the smallest text of a picture
LETTER: Final = 0.56 * FONT
ZERO, PLUS, MINUS = (255, 255, 255), (213, 94, 0), (0, 114, 178)  # colours of 0, the largest and the smallest number


def format_grid(array: Array, style: GridStyle, frame: str) -> str:
    """Returns an array as a table of a label, in a frame of this colour; of the first matrix if it has more than two axes.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.grid import format_grid
    >>> format_grid(np.array([[1.0, 0.25]]), "matrix", "black").count("<td")
    2
    """
    plane = np.atleast_2d(array[(0,) * max(array.ndim - 2, 0)])
    rows = _numbers(plane) if style == "matrix" else _squares(plane)
    space = 'cellspacing="0" cellpadding="2" sides="LR"' if style == "matrix" else 'cellspacing="0" cellpadding="0"'
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<table border="1" color="{frame}" bgcolor="white" cellborder="0" {space}>{body}</table>'


def _numbers(plane: Array) -> list[list[str]]:
    texts = [[format_number(float(x), 2) for x in row[:MAX_NUMBERS]] for row in plane[:MAX_NUMBERS]]
    if plane.shape[1] > MAX_NUMBERS:
        texts = [[*row, "…"] for row in texts]
    if plane.shape[0] > MAX_NUMBERS:
        texts.append(["⋮"] * len(texts[0]))
    return [
        [f'<td align="right"><font point-size="{FONT}" color="#1A1A1A">{text}</font></td>' for text in row] for row in texts
    ]


def _squares(plane: Array) -> list[list[str]]:
    chosen = [np.linspace(0, n - 1, min(n, MAX_SQUARES)).round().astype(int) for n in plane.shape]
    numbers = plane[np.ix_(*chosen)].astype(np.float64)
    finite = np.where(np.isfinite(numbers), numbers, 0)
    scale = np.abs(finite).max(initial=0) or 1.0
    fixed = f'width="{SQUARE}" height="{SQUARE}" fixedsize="true"'
    return [
        [
            f'<td {fixed} bgcolor="{colour(x / scale) if np.isfinite(n) else "#000000"}"></td>'
            for x, n in zip(*pair, strict=True)
        ]
        for pair in zip(finite, numbers, strict=True)
    ]


def colour(part: float) -> str:
    """Returns the colour of a number from −1 to 1: blue below zero, white at zero, orange above.

    >>> from autograd_mini.viz.graph.grid import colour
    >>> colour(0), colour(1), colour(-1)
    ('#ffffff', '#d55e00', '#0072b2')
    """
    end = PLUS if part > 0 else MINUS
    return "#" + "".join(f"{round(a + (b - a) * abs(part)):02x}" for a, b in zip(ZERO, end, strict=True))


def grid_size(table: str) -> tuple[float, float]:
    """Returns an estimate of the width and height of a table in points."""
    rows = [re.findall(r"<td([^>]*)>(?:<font[^>]*>)?([^<]*)", row) for row in table.split("<tr>")[1:]]
    if 'fixedsize="true"' in table:
        return SQUARE * len(rows[0]) + 2.0, SQUARE * len(rows) + 2.0
    widths = [max(len(row[i][1]) for row in rows) * LETTER + 5 for i in range(len(rows[0]))]
    return sum(widths) + 2, len(rows) * (1.2 * FONT + 4) + 2
