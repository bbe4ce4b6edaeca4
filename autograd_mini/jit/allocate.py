"""Where the results of a plan lie: buffers by liveness, few and reused, each with the layout that the recorded result had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..memory.arena import base_of
from ..memory.flat_group import FlatGroup
from ..tensor import Array, Tensor, leaf
from .trace import Call, Value

_ALIGNED: Final = 64  # bytes: a cache line, and a vector register


class Pool:
    """Memory that the plans of one function share, since only one of them runs at a time.

    `buffers` are raw bytes that any plan may use for anything while it runs. `gradients` stay as the last run left them.
    """

    def __init__(self) -> None:
        self.buffers: list[Array] = []
        self.gradients: dict[Any, Array] = {}
        self._left: dict[Any, KeptGradient] = {}

    def gradient(self, tensor: Tensor, like: Array) -> Array:
        """The array in which plans leave the gradient of a tensor, unless it is part of a flat gradient."""
        key = id(tensor), _layout(like)
        if key not in self.gradients:
            self.gradients[key] = _laid_out(_raw(_extent(like)), like)
        return self.gradients[key]

    def flat_gradient(self, group: FlatGroup) -> Array:
        """Returns the array in which plans leave the gradients of a flat group."""
        slices = tuple((part.start, part.stop) for part in group.slices)
        key = tuple(map(id, group.parameters)), slices, group.storage.dtype
        if key not in self.gradients:
            self.gradients[key] = group.new_gradient()
        return self.gradients[key]

    def left(self, array: Array) -> KeptGradient:
        """How `array` is left behind as a gradient: plans that leave the same memory share what they know of its holders."""
        return self._left.setdefault((array.ctypes.data, *_layout(array)), KeptGradient(array))

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return sum({id(base): base.nbytes for base in map(base_of, (*self.buffers, *self.gradients.values()))}.values())


class KeptGradient:
    """A gradient that plans leave behind in an array of theirs, as the tensor that users see.

    >>> import autograd_mini as ag
    >>> w, kept = ag.Tensor(1.0, requires_grad=True), []
    >>> @ag.jit
    ... def step(x):
    ...     w.grad = None
    ...     (w * x).backward()
    >>> for x in (1.0, 2.0, 3.0, 4.0):
    ...     step(ag.Tensor(x))
    ...     kept.append(w.grad)
    >>> kept
    [Tensor(1.0), Tensor(2.0), Tensor(3.0), Tensor(4.0)]
    """

    __slots__ = ("array", "tensor")

    def __init__(self, array: Array):
        self.array, self.tensor = array, leaf(array)

    def release(self) -> None:
        """Before the array is written again: whoever holds the tensor keeps the values that it has."""
        self.tensor._data = self.array.copy()
        self.tensor = leaf(self.array)


class Memory:
    """The arrays that calls write into: `places` has one for each result that got one, `labels` says where it lies.

    Calls come in groups. In a group two threads may be at different calls, each on rows of its own, so there a buffer serves
    again only for a result of the same layout: its rows lie where the former's lay. A kernel that cannot write into given
    memory, and results that leave the plan, get none: they are new in each run. `gradients` are the values that tensors keep as
    `.grad`; `homes` has the places of those that are part of a flat gradient.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Call]],
        leaving: Iterable[Value],
        gradients: Iterable[tuple[Tensor, Value]],
        homes: Mapping[Value, Array],
        pool: Pool,
    ) -> None:
        calls = [call for group in groups for call in group]
        self.places: dict[Value, Array] = {}
        self.labels: dict[Value, str] = {}
        self._ours: set[Value] | None = None
        self._pool, self._free = pool, list(pool.buffers)
        self._spare: defaultdict[Any, list[Array]] = defaultdict(list)  # of this group, by layout
        self._raw: dict[Value, Array] = {}
        self._last = {v.owner: i for i, call in enumerate(calls) for v in call.inputs}
        kept = {value.owner: tensor for tensor, value in gradients}
        self._leaving = {v.owner for v in leaving} - kept.keys()
        count = 0
        for group in groups:
            # What comes from outside a group could still be read by the other thread.
            self._ours = None if len(group) == 1 else {out for call in group for out in call.outs}
            for i, call in enumerate(group, count):
                if call.outs and takes_out(call.primitive.kernel) and all(self._placeable(out) for out in call.outs):
                    for out in call.outs:
                        if out in kept:
                            home = homes.get(out)
                            self.places[out] = pool.gradient(kept[out], out.array) if home is None else home
                            self.labels[out] = "gradient"
                        elif not self._in_place(i, call, out):
                            self._take(out)
                if self._ours is not None:
                    for value in self._done([call], i) & self._ours:
                        self._spare[_layout(value.array)].append(self._raw.pop(value))
            count += len(group)
            self._free += [self._raw.pop(value) for value in self._done(group, count - 1)]
            self._free += [raw for spare in self._spare.values() for raw in spare]
            self._spare.clear()

    def _done(self, calls: Iterable[Call], i: int) -> set[Value]:
        """The values of some calls that have a buffer and are not needed after call number `i`."""
        values = {v for call in calls for v in (*(v.owner for v in call.inputs), *call.outs)}
        return {v for v in values if v in self._raw and self._last.get(v, -1) <= i}

    def _placeable(self, out: Value) -> bool:
        return out.owner is out and out not in self._leaving and _fits(out.array)

    def _in_place(self, i: int, call: Call, out: Value) -> bool:
        """Gives an elementwise result the memory of an operand that nobody reads afterwards."""
        if not call.primitive.elementwise or len(call.outs) > 1:
            return False
        for v in call.inputs:
            free = v in self._raw and self._last[v] == i and (self._ours is None or v in self._ours)
            dies = free and _layout(v.array) == _layout(out.array)
            if dies and all(other is v or other.owner is not v for other in call.inputs):
                self.places[out] = self.places[v]
                self._raw[out] = self._raw.pop(v)
                self.labels[out] = self.labels[v]
                return True
        return False

    def _take(self, out: Value) -> None:
        """The buffer last freed that is large enough, and not much too large; else a new one."""
        need, spare = _extent(out.array), self._spare[_layout(out.array)]
        raw = spare.pop() if spare else next((b for b in reversed(self._free) if need <= b.nbytes <= 2 * need), None)
        if raw is None:
            raw = _raw(need)
            self._pool.buffers.append(raw)
        else:
            self._free = [b for b in self._free if b is not raw]
        self._raw[out] = raw
        self.places[out] = _laid_out(raw, out.array)
        self.labels[out] = f"buffer {next(k for k, b in enumerate(self._pool.buffers) if b is raw)}"


def takes_out(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel can write its result into given memory: a ufunc, or a function with a parameter named `out`.

    Where the operation is elementwise, that memory may be an operand's, as with NumPy's own functions.
    """
    code = getattr(kernel, "__code__", None)
    return isinstance(kernel, np.ufunc) or (
        code is not None and "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    )


def _layout(array: Array) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype


def _fits(array: Array) -> bool:
    """Whether an array of this layout can be laid into plain memory from its first byte on."""
    return array.size > 0 and all(stride > 0 for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)


def _extent(like: Array) -> int:
    return like.itemsize + sum((n - 1) * stride for n, stride in zip(like.shape, like.strides, strict=True))


def _raw(nbytes: int) -> Array:
    """Bytes that begin at a cache line."""
    memory = np.empty(nbytes + _ALIGNED, np.uint8)
    start = -memory.ctypes.data % _ALIGNED
    return memory[start : start + nbytes]


def _laid_out(raw: Array, like: Array) -> Array:
    return np.ndarray(like.shape, like.dtype, raw, 0, like.strides)
