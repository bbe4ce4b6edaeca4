"""Halves: stretches of calls that work row by row, the first half of the rows on one thread and the second on another.

Calls on the same rows need not wait for each other between them, so a whole forward pass costs one meeting of the threads
instead of one for each operation; and rows can be done in pieces, all calls on one before the next, while it is in the cache.
What does not go by rows (a weight's gradient needs all of them) is moved behind the stretch; nothing is moved across a write
or a draw, and a stretch that is not worth a meeting stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..memory.threads import MIN_SPLIT_NS
from ..ops.linalg import SPEED
from .trace import Call, Value

_AHEAD: Final = 200  # calls that are looked at to make one stretch
_TILE_ELEMENTS: Final = 1 << 18  # elements of a result that are still in the cache when the next call reads them (measured)


class RowBlock(NamedTuple):
    """Calls that go by rows, each with which of its operands do, and views on the way (None), which cost nothing."""

    members: list[tuple[Call, list[bool] | None]]
    cost: float

    @property
    def calls(self) -> list[tuple[Call, list[bool]]]:
        """Those that go by rows."""
        return [(call, rows) for call, rows in self.members if rows is not None]


def tiles(block: RowBlock) -> int:
    """In how many pieces each half does its rows, one after the other; products are the faster the more rows they have."""
    if any(_is_product(call) for call, _ in block.calls):
        return 1
    return max(1, round(max(out.array.size for call, _ in block.calls for out in call.outs) / (2 * _TILE_ELEMENTS)))


def tile_rows(call: Call, k: int, number: int) -> slice:
    """The rows of a call that are the k-th of a number of pieces."""
    count = len(call.outs[0].array)
    return slice(count * k // number, count * (k + 1) // number)


def arranged(calls: Sequence[Call], exact: bool) -> list[Call | RowBlock]:
    """The calls in an order with the same results, where what is worth it is in stretches.

    A product of other shapes may be rounded otherwise; with `exact` only those go by halves that eager code cuts as well.
    """
    todo, made = list(calls), list[Call | RowBlock]()
    if sum(map(_cost, todo)) < MIN_SPLIT_NS:
        return list(todo)
    while todo:
        block, rest = _longest(todo[:_AHEAD], exact)
        if block.cost < MIN_SPLIT_NS:
            made.append(todo.pop(0))
        else:
            made.append(block)
            todo = rest + todo[_AHEAD:]
    return made


def _longest(calls: Sequence[Call], exact: bool) -> tuple[RowBlock, list[Call]]:
    """A stretch that begins with the first call, and the calls that come after it."""
    block, rest = RowBlock([], 0.0), list[Call]()
    inside: set[Value] = set()
    later: set[Value] = set()
    for number, call in enumerate(calls):
        if call.primitive.effect or not call.outs:
            rest += calls[number:]
            break
        view = all(out.owner is not out for out in call.outs)
        whole = view or (exact and _is_product(call) and not _is_split(call))
        rows = None if whole else _by_rows(call, inside)
        if any(v in later or v.owner in later for v in call.inputs) or (not view and rows is None):
            rest.append(call)
            later.update(call.outs)
        else:
            block.members.append((call, rows))
            if rows is not None:
                block = block._replace(cost=block.cost + _cost(call))
                inside.update(call.outs)
        if not inside:
            return block, list(calls)
    return block, rest


def _is_product(call: Call) -> bool:
    """Whether each row of the result needs some operand as a whole."""
    return isinstance(call.primitive.rowwise, tuple)


def _is_split(call: Call) -> bool:
    """Whether the kernel itself divides the rows among two threads, so that eager code rounds the same way."""
    splits = call.primitive.splits
    return splits is not None and splits(*[v.array for v in call.inputs])


def _by_rows(call: Call, inside: set[Value]) -> list[bool] | None:
    """Which operands are needed by rows only; None where the call does not go by rows, or needs all rows of a neighbour."""
    primitive, outs = call.primitive, call.outs
    if not all(out.array.ndim and out.owner is out for out in outs):
        return None
    count = len(outs[0].array)
    if count < 2 or any(len(out.array) != count for out in outs):
        return None
    if isinstance(primitive.rowwise, tuple):
        rows = list(primitive.rowwise[: len(call.inputs)])
        if call.inputs[0].array.ndim != 2 or call.inputs[1].array.ndim != 2:
            return None
    elif primitive.elementwise:
        rank = max(v.array.ndim for v in call.inputs)
        rows = [v.array.ndim == rank and len(v.array) == count for v in call.inputs]
    elif primitive.rowwise and 0 not in _axes(call):
        rows = [bool(v.array.ndim) for v in call.inputs]
    else:
        return None
    aligned = all(_aligned(v) if by_row else False for v, by_row in zip(call.inputs, rows, strict=True) if v.owner in inside)
    fits = all(len(v.array) == count for v, by_row in zip(call.inputs, rows, strict=True) if by_row)
    return rows if aligned and fits else None


def _axes(call: Call) -> tuple[int, ...]:
    axis = call.params.get("axis", ())
    return axis if isinstance(axis, tuple) else (axis,)


def _aligned(v: Value) -> bool:
    """Whether a view's rows lie in the same rows of its owner."""
    own, other = v.array, v.owner.array
    return own is other or (other.ndim > 0 and len(own) == len(other) and own.strides[0] == other.strides[0])


def _cost(call: Call) -> float:
    """Nanoseconds on one thread, about."""
    primitive, outs = call.primitive, [out.array for out in call.outs]
    if _is_product(call):
        return primitive.count_flops([v.array for v in call.inputs], outs, call.params) / SPEED
    if primitive.elementwise or primitive.rowwise:
        return primitive.nanoseconds * max((out.size for out in outs), default=0)
    return 0.0
