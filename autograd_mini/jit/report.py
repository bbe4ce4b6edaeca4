"""The report of a plan: for each step its kernel, its shapes, where its results lie, and how much work and time it takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median
from typing import Final, NamedTuple

from ..tensor import Shape
from ..tools.text_table import format_count, format_number, format_table, html_table
from .pool import Pool
from .trace import Call

MAX_STEPS: Final = 400  # of a plan that is printed


class Row(NamedTuple):
    """A step as people read it.

    call    the call, or the first of several
    labels  where each result lies
    fused   the other updates of a flat group
    block   the other calls of a row block, whose rows two threads share
    loop    the calls that a C loop replaces
    """

    call: Call
    labels: tuple[str, ...] = ()
    fused: tuple[Call, ...] = ()
    block: tuple[Call, ...] = ()
    loop: tuple[Call, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls of the step."""
        return self.call, *self.fused, *self.block

    @property
    def parts(self) -> tuple[Row, ...]:
        """The calls of a row block or of a loop as separate rows."""
        if self.loop:
            return tuple(Row(call, ("register",) * len(call.outs)) for call in self.loop)
        labels = iter(self.labels)
        return tuple(Row(call, tuple(islice(labels, len(call.outs)))) for call in self.calls) if self.block else ()

    @property
    def kernel(self) -> str:
        """The name of the kernel, or of the first and the last of a row block."""
        return " … ".join(call.primitive.name for call in (self.call, *self.block[-1:]))

    @property
    def memory(self) -> str:
        """Where the results lie, as in `Entry`."""
        if self.fused:
            return f"write of {1 + len(self.fused)} parameters"
        if self.block:
            return f"{1 + len(self.block)} calls, split by rows"
        return ", ".join(self.labels) or "write"

    @property
    def shapes(self) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        """The shapes of operands and of results; the operands of a flat group are flat."""
        if self.fused:
            operands = zip(*(call.inputs for call in self.calls), strict=True)
            return tuple((sum(v.array.size for v in values),) for values in operands), ()
        return tuple(v.array.shape for v in self.call.inputs), tuple(v.array.shape for v in self.calls[-1].outs)

    @property
    def bytes(self) -> int:
        """The bytes of operands and results, each counted once; a view reads and writes nothing."""
        calls = () if "view" in self.labels else self.calls
        return sum(v.array.nbytes for call in calls for v in {*call.inputs, *call.outs})

    @property
    def new_bytes(self) -> int:
        """The bytes of results that are new in each replay."""
        return sum(v.array.nbytes for v, label in zip(self.call.outs, self.labels, strict=False) if label == "new")

    @property
    def flops(self) -> int:
        """Floating-point operations, as the records of the primitives count them."""
        return sum(
            call.primitive.count_flops([v.array for v in call.inputs], [v.array for v in call.outs], call.params)
            for call in self.calls
        )


class Entry(NamedTuple):
    """A step of a plan as plain data.

    memory        where the results lie: "buffer 3"; "gradient" of a parameter; "new" in each replay; a "view" of other memory;
                  or "write", if the step changes existing memory
    bytes         read and written
    flops         floating-point operations
    milliseconds  in the median replay; None without `ag.jit(profile=True)`
    parts         the calls of a step that two threads share
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
    """Returns the rows of a plan as plain data; `times` has the nanoseconds of each replay for each row."""
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


def table_lines(steps: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Returns the lines of the table. One line stands for all steps after `MAX_STEPS`; the last line is the total."""
    shown = [line for e in steps[:MAX_STEPS] for line in (_line(str(e.step), e), *(_line("", part) for part in e.parts))]
    hidden = steps[MAX_STEPS:]
    rest = [("", f"{len(hidden):,} more", "", "", *_sums(hidden))] if hidden else []
    return [*shown, *rest, ("", "total", "", "", *_sums(steps))]


def to_text(steps: Sequence[Entry], pool: Pool) -> str:
    """Returns the table as text, with a line about memory below it."""
    return f"{format_table(HEAD, table_lines(steps), LEFT)}\n{_describe_memory(pool)}"


def to_html(steps: Sequence[Entry], pool: Pool) -> str:
    """Returns the table as HTML."""
    return f"{html_table(HEAD, table_lines(steps), LEFT)}<p>{_describe_memory(pool)}</p>"


def _describe_memory(pool: Pool) -> str:
    buffers = sum(b.nbytes for b in pool.buffers)
    return (
        f"{len(pool.buffers)} buffers of {buffers:,} bytes together; with gradients {pool.nbytes:,} bytes, "
        "which all plans of the function share"
    )


def _line(number: str, e: Entry) -> tuple[str, ...]:
    return number, e.kernel if number else f"· {e.kernel}", _shapes(e), e.memory, *_sums([e])


def _sums(steps: Sequence[Entry]) -> tuple[str, str, str]:
    milliseconds = sum(e.milliseconds or 0 for e in steps)
    return format_count(sum(e.bytes for e in steps)), format_count(sum(e.flops for e in steps)), format_number(milliseconds)


def _shapes(e: Entry) -> str:
    inputs, outputs = (", ".join("×".join(map(str, shape)) or "()" for shape in shapes) for shapes in (e.inputs, e.outputs))
    return f"{inputs} → {outputs}".strip() if outputs else inputs
