"""Tiling: consecutive row-wise calls become a row block, of which two threads compute half of the rows each.

Within a block, a thread does not wait for the other one between two calls. So a whole forward pass synchronises the threads
once, instead of once per operation. Each half can be computed in tiles: all calls on one tile of rows before the next tile, so
that the tile stays in the cache. Calls that need all rows (the gradient of a weight) move behind the block. No call
crosses a write or a random draw, and a block that is too cheap to be worth two threads is not formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..memory.threads import MIN_SPLIT_NS
from ..ops.linalg import SPEED
from .trace import Call, Value

_LOOKAHEAD: Final = 200  # calls that are searched for one block
_TILE_ELEMENTS: Final = 1 << 18  # elements of a result that are still in the cache when the next call reads them (measured)


class RowBlock(NamedTuple):
    """Row-wise calls and the views between them.

    members  (call, which of its operands are split by rows), or (view, None), which costs nothing
    cost     estimated nanoseconds on one thread
    """

    members: list[tuple[Call, list[bool] | None]]
    cost: float

    @property
    def calls(self) -> list[tuple[Call, list[bool]]]:
        """The row-wise calls."""
        return [(call, rows) for call, rows in self.members if rows is not None]


def tiles(block: RowBlock) -> int:
    """Returns the number of tiles of each half: one if there is a matrix product, which is faster on more rows."""
    if any(_is_product(call) for call, _ in block.calls):
        return 1
    return max(1, round(max(out.array.size for call, _ in block.calls for out in call.outs) / (2 * _TILE_ELEMENTS)))


def tile_rows(call: Call, k: int, count: int) -> slice:
    """Returns the rows of the k-th of `count` tiles of a call."""
    rows = len(call.outs[0].array)
    return slice(rows * k // count, rows * (k + 1) // count)


def block_rows(calls: Sequence[Call], exact: bool) -> list[Call | RowBlock]:
    """Groups calls into row blocks where that pays; the new order of the calls gives the same results.

    A matrix product with fewer rows may round differently, so with `exact`, only those products are split that eager code
    splits too.
    """
    todo, blocks = list(calls), list[Call | RowBlock]()
    if sum(map(_cost, todo)) < MIN_SPLIT_NS:
        return list(todo)
    while todo:
        block, rest = _first_block(todo[:_LOOKAHEAD], exact)
        if block.cost < MIN_SPLIT_NS:
            blocks.append(todo.pop(0))
        else:
            blocks.append(block)
            todo = rest + todo[_LOOKAHEAD:]
    return blocks


def _first_block(calls: Sequence[Call], exact: bool) -> tuple[RowBlock, list[Call]]:
    """Returns the longest block that starts with the first call, and the calls that come after it."""
    block, rest = RowBlock([], 0.0), list[Call]()
    inside: set[Value] = set()
    later: set[Value] = set()
    for number, call in enumerate(calls):
        if call.primitive.effect or not call.outs:
            rest += calls[number:]
            break
        view = all(out.owner is not out for out in call.outs)
        keep_whole = view or (exact and _is_product(call) and not _is_split(call))
        rows = None if keep_whole else _split_operands(call, inside)
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
    """Returns whether each row of the result needs some operand as a whole."""
    return isinstance(call.primitive.rowwise, tuple)


def _is_split(call: Call) -> bool:
    """Returns whether the kernel itself divides the rows among two threads, so that eager code rounds in the same way."""
    splits = call.primitive.splits
    return splits is not None and splits(*[v.array for v in call.inputs])


def _split_operands(call: Call, inside: set[Value]) -> list[bool] | None:
    """Returns which operands can be split by rows; None if it is not row-wise, or needs all rows of a value in `inside`."""
    primitive, outs = call.primitive, call.outs
    if not all(out.array.ndim and out.owner is out for out in outs):
        return None
    count = len(outs[0].array)
    if count < 2 or any(len(out.array) != count for out in outs):
        return None
    if isinstance(primitive.rowwise, tuple):
        rows = list(primitive.rowwise[: len(call.inputs)])
        if call.inputs[0].array.ndim < 2 or call.inputs[1].array.ndim != 2:
            return None
    elif primitive.elementwise:
        rank = max(v.array.ndim for v in call.inputs)
        rows = [v.array.ndim == rank and len(v.array) == count for v in call.inputs]
    elif primitive.rowwise and 0 not in _axes(call):
        rows = [bool(v.array.ndim) for v in call.inputs]
    else:
        return None
    aligned = all(by_row and _is_aligned(v) for v, by_row in zip(call.inputs, rows, strict=True) if v.owner in inside)
    fits = all(len(v.array) == count for v, by_row in zip(call.inputs, rows, strict=True) if by_row)
    return rows if aligned and fits else None


def _axes(call: Call) -> tuple[int, ...]:
    axis = call.params.get("axis", ())
    return axis if isinstance(axis, tuple) else (axis,)


def _is_aligned(v: Value) -> bool:
    """Returns whether each row of a view lies in the same row of its owner."""
    view, owner = v.array, v.owner.array
    return view is owner or (owner.ndim > 0 and len(view) == len(owner) and view.strides[0] == owner.strides[0])


def _cost(call: Call) -> float:
    """Returns the estimated nanoseconds on one thread."""
    primitive, outs = call.primitive, [out.array for out in call.outs]
    if _is_product(call):
        return primitive.count_flops([v.array for v in call.inputs], outs, call.params) / SPEED
    if primitive.elementwise or primitive.rowwise:
        return primitive.nanoseconds * max((out.size for out in outs), default=0)
    return 0.0
