"""Runs: updates of parameters that lie one after the other in memory, made as a single update of one flat array.

A call can be joined with others where its primitive's parameter `move` knows how: `move.key` tells who belongs together, and
`move.joined(moves, places)` gives the function that moves them all, on flat arrays in which each has its place (or None where
that cannot be done).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ..home import flattened
from ..tensor import Array, Tensor
from .trace import Call, Value

_GAP: Final = 64  # bytes between neighbours, at most


class Run(NamedTuple):
    """Neighbouring updates; `places` are where each parameter lies in the flat `storage`."""

    calls: list[Call]
    places: list[slice]
    storage: Array


def find(calls: Sequence[Call], gradients: Mapping[Value, Tensor]) -> list[Run]:
    """The runs among the calls whose second operand is the gradient that the first one keeps, and nothing else."""
    found = []
    for _, together in groupby(calls, key=lambda call: getattr(call.params.get("move"), "key", call)):
        for neighbours in _neighbours([call for call in together if _joinable(call, gradients)]):
            run = _laid_out(neighbours) if len(neighbours) > 1 else None
            if run is not None:
                found.append(run)
    return found


def _joinable(call: Call, gradients: Mapping[Value, Tensor]) -> bool:
    if not hasattr(call.params.get("move"), "key") or len(call.inputs) != 2:
        return False
    p, g = call.inputs
    arrays = p.array, g.array, g.owner.array  # of which the last two are one, in two shapes at most
    alike = all(a.size == p.array.size and a.dtype == p.array.dtype and a.flags.c_contiguous for a in arrays)
    return alike and g.owner.source == "call" and gradients.get(g) is p.tensor


def _neighbours(calls: Sequence[Call]) -> Iterator[list[Call]]:
    run: list[Call] = []
    for call in calls:
        array = call.inputs[0].array
        if run:
            last = run[-1].inputs[0].array
            gap = array.ctypes.data - (last.ctypes.data + last.nbytes)
            if not (0 <= gap < _GAP and array.dtype == last.dtype and not gap % array.itemsize):
                yield run
                run = []
        run.append(call)
    if run:
        yield run


def _laid_out(calls: list[Call]) -> Run | None:
    arrays = [call.inputs[0].array for call in calls]
    starts = [(a.ctypes.data - arrays[0].ctypes.data) // arrays[0].itemsize for a in arrays]
    places = [slice(start, start + a.size) for start, a in zip(starts, arrays, strict=True)]
    storage = flattened(arrays, places)
    return None if storage is None else Run(calls, places, storage)
