"""The history of a training run: `History`, a list of rows; and its rows as columns, for checkpoints.

Columns are arrays, because the header of a checkpoint would be too large for half a million rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from autograd_mini.tensor import Array

from ..notebook import format_value, rows_table

Row: TypeAlias = dict[str, Any]


class History(list[Row]):
    """A list with a row, a dict of numbers, for each epoch; it is shown as its last row, and in a notebook as a table.

    >>> from autograd_mini.nn.training.history import History
    >>> History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    <History of 2 rows; the last: epoch 2, loss 0.25>
    """

    def __repr__(self) -> str:
        if not self:
            return "<History without rows>"
        last = ", ".join(f"{name} {format_value(value)}" for name, value in self[-1].items())
        return f"<History of {len(self)} row{'s' * (len(self) > 1)}; the last: {last}>"

    def _repr_html_(self) -> str:
        return rows_table(self, most=20)


def pack_history(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the rows as columns. Numbers of one type become an array; a column of anything else stays a list.

    >>> from autograd_mini.nn.training.history import pack_history, unpack_history
    >>> rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "lr": 0.1}]
    >>> pack_history(rows)["columns"][2]
    {'name': 'lr', 'values': array([0.1]), 'rows': array([1])}
    >>> unpack_history(pack_history(rows)) == rows
    True
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {"length": len(rows), "columns": [_pack_column(name, rows) for name in names]}


def unpack_history(packed: Any) -> list[Row]:
    """Returns the rows of a packed history; a list of rows, as in older checkpoints, is returned unchanged."""
    if isinstance(packed, list):
        return packed
    rows: list[Row] = [{} for _ in range(packed["length"])]
    for column in packed["columns"]:
        values, places = column["values"], column["rows"]
        numbers = values.tolist() if isinstance(values, np.ndarray) else values
        for i, value in zip(range(len(rows)) if places is None else places.tolist(), numbers, strict=True):
            rows[i][column["name"]] = value
    return rows


def _pack_column(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    present = [i for i, row in enumerate(rows) if name in row]
    values = [_plain(rows[i][name]) for i in present]
    return {"name": name, "values": _as_array(values), "rows": None if len(present) == len(rows) else np.array(present)}


def _as_array(values: list[Any]) -> Array | list[Any]:
    kinds = {type(value) for value in values}
    small = kinds == {int} and max(map(abs, values)) < 2**63
    return np.array(values, np.int64 if small else np.float64) if small or kinds == {float} else values


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
