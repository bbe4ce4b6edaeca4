"""Runs: updates of parameters that lie one after the other in memory, made as a single update of one flat array.

A call can be joined with others where its primitive's parameter `move` knows how: `move.key` tells who belongs together (None:
nobody), and `move.joined(moves, places)` gives the function that moves them all, on flat arrays in which each has its place
(or None where that cannot be done).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..memory.arena import contiguous_runs
from ..tensor import Array, Tensor
from .trace import Call, Value


class Run(NamedTuple):
    """Neighbouring updates; `places` are where each parameter lies in the flat `storage`."""

    calls: list[Call]
    places: list[slice]
    storage: Array


def find(calls: Sequence[Call], gradients: Mapping[Value, Tensor]) -> list[Run]:
    """The runs among the calls whose second operand is the gradient that the first one keeps, and nothing else."""
    found = []
    for _, together in groupby(calls, key=_key):
        fit = [call for call in together if _joinable(call, gradients)]
        for numbers, places, storage in contiguous_runs([call.inputs[0].array for call in fit]):
            found.append(Run([fit[i] for i in numbers], places, storage))
    return found


def _key(call: Call) -> Any:
    key = getattr(call.params.get("move"), "key", None)
    return call if key is None else key


def _joinable(call: Call, gradients: Mapping[Value, Tensor]) -> bool:
    if _key(call) is call or len(call.inputs) != 2:
        return False
    p, g = call.inputs
    arrays = p.array, g.array, g.owner.array  # of which the last two are one, in two shapes at most
    alike = all(a.size == p.array.size and a.dtype == p.array.dtype and a.flags.c_contiguous for a in arrays)
    return alike and g.owner.source == "call" and gradients.get(g) is p.tensor
