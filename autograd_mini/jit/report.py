"""What a plan shows of itself: what each step works on, where its results lie, how much work it is and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median
from typing import Final, NamedTuple

from ..tensor import Shape
from ..tools.text_table import format_count, format_number, format_table, html_table
from .allocate import Pool
from .trace import Call

SHOWN: Final = 400  # steps of a plan that is printed


class Row(NamedTuple):
    """A step as people read it: a call, where each of its results lies, and the calls that are made together with it.

    `fused` are the other updates of a flat group; `block` the further calls that two threads do by halves.
    """

    call: Call
    places: tuple[str, ...] = ()
    fused: tuple[Call, ...] = ()
    block: tuple[Call, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All the calls that the step makes."""
        return self.call, *self.fused, *self.block

    @property
    def parts(self) -> tuple[Row, ...]:
        """The calls of a stretch as rows of their own."""
        places = iter(self.places)
        return tuple(Row(call, tuple(islice(places, len(call.outs)))) for call in self.calls) if self.block else ()

    @property
    def kernel(self) -> str:
        """What is called: one kernel, or the first and the last of a stretch."""
        return " … ".join(call.primitive.name for call in (self.call, *self.block[-1:]))

    @property
    def memory(self) -> str:
        """Where the results lie, as in `Entry`."""
        if self.fused:
            return f"write of {1 + len(self.fused)} parameters"
        if self.block:
            return f"{1 + len(self.block)} calls in halves"
        return ", ".join(self.places) or "write"

    @property
    def shapes(self) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        """Those of operands and of results. A flat group has one flat array."""
        if self.fused:
            return tuple((sum(v.array.size for v in place),) for place in zip(*(c.inputs for c in self.calls), strict=True)), ()
        return tuple(v.array.shape for v in self.call.inputs), tuple(v.array.shape for v in self.calls[-1].outs)

    @property
    def bytes(self) -> int:
        """What it reads and writes: its operands and results, each once; a view does neither."""
        calls = () if "view" in self.places else self.calls
        return sum(v.array.nbytes for call in calls for v in {*call.inputs, *call.outs})

    @property
    def made(self) -> int:
        """The bytes of results that are new in each replay."""
        return sum(v.array.nbytes for v, place in zip(self.call.outs, self.places, strict=False) if place == "new")

    @property
    def flops(self) -> int:
        """Floating-point operations, as the records of the primitives count them."""
        arrays = (([v.array for v in call.inputs], [v.array for v in call.outs]) for call in self.calls)
        return sum(call.primitive.count_flops(*both, call.params) for call, both in zip(self.calls, arrays, strict=True))


class Entry(NamedTuple):
    """A step of a plan as plain data: `bytes` it reads and writes, `flops` it computes, `milliseconds` in the median replay.

    `memory` is where the results lie: "buffer 3", "gradient" (of a parameter), "new" in each replay, a "view" of something; or
    that it is a "write" of what is there. Times are None without `ag.jit(profile=True)`. Calls that two threads do by halves
    are one step, which has them as its `parts`.
    """

    step: int
    kernel: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    memory: str
    bytes: int
    flops: int
    milliseconds: float | None = None
    parts: tuple[Entry, ...] = ()


def entries(rows: Sequence[Row], times: Sequence[Sequence[int]] | None) -> list[Entry]:
    """The rows of a plan, and what each of their replays took in nanoseconds, as plain data."""
    return [
        Entry(
            number, row.kernel, *row.shapes, row.memory, row.bytes, row.flops,
            median(times[number]) / 1e6 if times and times[number] else None,
            tuple(entries(row.parts, None)),
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip


HEAD: Final = ("step", "kernel", "shapes", "memory", "bytes", "FLOPs", "ms")
LEFT: Final = (1, 2, 3)


def cells(found: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The lines of the table; beyond `SHOWN` steps there is one for all others. The last is the sum of all."""
    shown = [line for e in found[:SHOWN] for line in (_line(str(e.step), e), *(_line("", part) for part in e.parts))]
    rest = [("", f"{len(found) - SHOWN:,} more", "", "", *_numbers(found[SHOWN:]))] if len(found) > SHOWN else []
    return [*shown, *rest, ("", "total", "", "", *_numbers(found))]


def written(found: Sequence[Entry], pool: Pool) -> str:
    """The table as text, and a line on memory below it."""
    return f"{format_table(HEAD, cells(found), LEFT)}\n{_held(pool)}"


def page(found: Sequence[Entry], pool: Pool) -> str:
    """The same as HTML."""
    return f"{html_table(HEAD, cells(found), LEFT)}<p>{_held(pool)}</p>"


def _held(pool: Pool) -> str:
    buffers = sum(b.nbytes for b in pool.buffers)
    return (
        f"{len(pool.buffers)} buffers of {buffers:,} bytes together; with gradients {pool.nbytes:,} bytes, "
        "which all plans of the function share"
    )


def _line(number: str, e: Entry) -> tuple[str, ...]:
    return number, e.kernel if number else f"· {e.kernel}", _arrow(e), e.memory, *_numbers([e])


def _numbers(found: Sequence[Entry]) -> tuple[str, str, str]:
    milliseconds = sum(e.milliseconds or 0 for e in found)
    return format_count(sum(e.bytes for e in found)), format_count(sum(e.flops for e in found)), format_number(milliseconds)


def _arrow(e: Entry) -> str:
    given, made = (", ".join(map(_times, shapes)) for shapes in (e.inputs, e.outputs))
    return f"{given} → {made}".strip() if made else given


def _times(shape: Shape) -> str:
    """A shape in few characters: 32×784."""
    return "×".join(map(str, shape)) or "()"
