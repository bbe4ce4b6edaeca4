"""Allocation: assigns a buffer to each result from the call that writes it to the last call that reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Array, Tensor
from .pool import Pool, extent, layout, raw_bytes, shape_bytes
from .trace import Call, Value


class Memory:
    """The arrays that calls write into.

    arrays  the array of each result that has one; other results are new in each run
    labels  where each of these arrays lies: "buffer 3" or "gradient"

    A result is new in each run if it leaves the plan, or if its kernel cannot write into an array. Within a group of calls, two
    threads may be at different calls, each on its own rows; there a buffer is reused only by a result of the same layout, whose
    rows then lie in the same place.

    Parameters
    ----------
    groups : the calls, in order; calls of one group run on two threads
    outputs : the values that leave the plan
    gradients : the values that tensors keep as `.grad`
    slots : arrays for those gradients that are part of a flat gradient
    pool : the memory to allocate from
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Call]],
        outputs: Iterable[Value],
        gradients: Iterable[tuple[Tensor, Value]],
        slots: Mapping[Value, Array],
        pool: Pool,
    ) -> None:
        calls = [call for group in groups for call in group]
        self.arrays: dict[Value, Array] = {}
        self.labels: dict[Value, str] = {}
        self._group: set[Value] | None = None  # the results of the group, if two threads work on it
        self._pool, self._free = pool, list(pool.buffers)
        self._group_free: defaultdict[Any, list[Array]] = defaultdict(list)  # buffers that this group has freed, by layout
        self._raw: dict[Value, Array] = {}  # the buffers in use
        self._last_read = {v.owner: i for i, call in enumerate(calls) for v in call.inputs}
        tensors = {value.owner: tensor for tensor, value in gradients}
        self._outputs = {v.owner for v in outputs} - tensors.keys()
        count = 0
        for group in groups:
            # A value from outside the group could still be read by the other thread.
            self._group = None if len(group) == 1 else {out for call in group for out in call.outs}
            for i, call in enumerate(group, count):
                if call.outs and accepts_out(call.primitive.kernel) and all(self._can_have_array(out) for out in call.outs):
                    for out in call.outs:
                        if out in tensors:
                            slot = slots.get(out)
                            self.arrays[out] = pool.gradient(tensors[out], out.array) if slot is None else slot
                            self.labels[out] = "gradient"
                        elif not self._overwrite_operand(i, call, out):
                            self._assign_buffer(out)
                if self._group is not None:
                    for value in self._dead([call], i) & self._group:
                        self._group_free[layout(value.array)].append(self._raw.pop(value))
            count += len(group)
            self._free += [self._raw.pop(value) for value in self._dead(group, count - 1)]
            self._free += [raw for buffers in self._group_free.values() for raw in buffers]
            self._group_free.clear()

    def _dead(self, calls: Iterable[Call], i: int) -> set[Value]:
        """Returns the values of some calls that have a buffer and are not read after call number `i`."""
        values = {v for call in calls for v in (*(v.owner for v in call.inputs), *call.outs)}
        return {v for v in values if v in self._raw and self._last_read.get(v, -1) <= i}

    def _can_have_array(self, out: Value) -> bool:
        return out.owner is out and out not in self._outputs and _fits_plain_memory(out.array)

    def _overwrite_operand(self, i: int, call: Call, out: Value) -> bool:
        """Gives a result the memory of an operand that may be overwritten and is not read afterwards, if there is one."""
        primitive = call.primitive
        if len(call.outs) > 1:
            return False
        for v in call.inputs if primitive.elementwise else call.inputs[: primitive.in_place]:
            free = v in self._raw and self._last_read[v] == i and (self._group is None or v in self._group)
            fits = free and layout(v.array) == layout(out.array)
            if fits and all(other is v or other.owner is not v for other in call.inputs):
                self.arrays[out] = self.arrays[v]
                self._raw[out] = self._raw.pop(v)
                self.labels[out] = self.labels[v]
                return True
        return False

    def _assign_buffer(self, out: Value) -> None:
        """Assigns the buffer last freed that is large enough and at most twice too large, or a new one."""
        need, same_layout = extent(out.array), self._group_free[layout(out.array)]
        fitting = (b for b in reversed(self._free) if need <= b.nbytes <= 2 * need)
        raw = same_layout.pop() if same_layout else next(fitting, None)
        if raw is None:
            raw = raw_bytes(need)
            self._pool.buffers.append(raw)
        else:
            self._free = [b for b in self._free if b is not raw]
        self._raw[out] = raw
        self.arrays[out] = shape_bytes(raw, out.array)
        self.labels[out] = f"buffer {next(k for k, b in enumerate(self._pool.buffers) if b is raw)}"


def accepts_out(kernel: Callable[..., Any]) -> bool:
    """Returns whether a kernel can write its result into an array: a ufunc, or a function with a parameter named `out`.

    If the operation is elementwise, that array may be an operand, as with NumPy's own functions.
    """
    code = getattr(kernel, "__code__", None)
    return isinstance(kernel, np.ufunc) or (
        code is not None and "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    )


def _fits_plain_memory(array: Array) -> bool:
    """Returns whether an array of this layout can start at the first byte of plain memory."""
    return array.size > 0 and all(stride > 0 for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)
