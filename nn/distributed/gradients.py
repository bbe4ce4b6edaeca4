"""`GradientReducer`: the one exchange of an update. All gradients travel in one flat array, weighted by rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from autograd_mini.aliases import mark_modified
from autograd_mini.apply import apply_effect
from autograd_mini.primitive import Primitive
from autograd_mini.state import modes
from autograd_mini.tensor import Array, Shape, Tensor

from .communicator import as_communicator
from .faults import RankError
from .operations import is_dry

_NUMBERS: Final = 1000  # updates are compared by their last digits, which float32 represents exactly


def _reduce(*arrays: Array, reducer: GradientReducer, rows: int, shapes: Sequence[Shape], present: Sequence[bool]) -> None:
    if not is_dry():
        reducer.exchange(arrays, rows, shapes, present)


REDUCE: Final = Primitive("reduce_gradients", _reduce, formula="g ← Σᵣ nᵣ gᵣ / Σᵣ nᵣ", effect=True, uniform=False)


class GradientReducer:
    """Replaces the gradients of parameters by their mean over the ranks, weighted by the rows that each rank has used.

    If losses are means over rows, these are the gradients of the whole batch, also for shards of 21, 21 and 22 rows. `buffers`
    are averaged in the same exchange: running statistics of batch normalisation, which differ between ranks. The array ends
    with the numbers that must agree: a rank with another number of updates, or with gradients of other parameters, raises.

    Parameters
    ----------
    optimizer  the optimizer of the parameters, in the same order on all ranks
    comm       a communicator of mpi4py, a `Communicator`, or None for one rank
    buffers    floating tensors that are averaged too

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> (w * 3).backward([1.0])
    >>> nn.distributed.GradientReducer(nn.SGD([w])).reduce(rows=5)
    >>> w.grad
    Tensor([3.])
    """

    def __init__(self, optimizer: Any, comm: Any = None, buffers: Iterable[Tensor] = ()) -> None:
        self.optimizer, self.buffers = optimizer, list(buffers)
        self.comm = as_communicator(comm)
        self.updates = 0
        self._key: Any = None
        self._flat: Array = np.empty(0)
        self._parts: list[Array] = []

    def parameters(self) -> list[Tensor]:
        """Returns the parameters of the optimizer, each one once."""
        groups = getattr(self.optimizer, "all_param_groups", self.optimizer.param_groups)
        return list({id(p): p for group in groups for p in group["params"]}.values())

    def reduce(self, rows: int) -> None:
        """Replaces all gradients, and the buffers; `rows` may be 0 if other ranks have some. All ranks must call it."""
        if self.comm.size == 1:
            return
        tracing = modes().tracer is not None
        trained = [p for p in self.parameters() if p.requires_grad]
        gradients = [p.grad if tracing else p._grad for p in trained]
        operands = (*(g for g in gradients if g is not None), *self.buffers)
        params = {
            "reducer": self,
            "rows": rows,
            "shapes": tuple(p.shape for p in trained),
            "present": tuple(g is not None for g in gradients),
        }
        apply_effect(REDUCE, operands, params, (*(x._data for x in operands), self))

    def exchange(self, arrays: Sequence[Array], rows: int, shapes: Sequence[Shape], present: Sequence[bool]) -> None:
        """Averages arrays in place: gradients of the parameters that are `present`, then the buffers."""
        numbers = self._lay_out(arrays, shapes)
        available = iter(arrays)
        owners = [next(available) if there else None for there in present] + list(available)
        for array, part in zip(owners, self._parts, strict=True):
            if array is None or rows == 0:
                part.fill(0)
            else:
                np.multiply(array, rows, out=part, dtype=part.dtype, casting="same_kind")
        numbers[:] = [rows, self.updates % _NUMBERS, self.comm.stop_requested, *present]
        self.comm.all_reduce(self._flat)
        total = self._check(numbers, present)
        for array, part in zip(owners, self._parts, strict=True):
            if array is not None:
                np.divide(part, total, out=array, dtype=part.dtype, casting="same_kind")
        mark_modified(*self.buffers)
        self.updates += 1

    def _lay_out(self, arrays: Sequence[Array], shapes: Sequence[Shape]) -> Array:
        """Provides the flat array and its parts; returns its end, for numbers."""
        dtypes = [a.dtype for a in arrays]
        shapes = [*shapes, *(b.shape for b in self.buffers)]
        count = 3 + len(shapes) - len(self.buffers)
        if self._key != (shapes, dtypes):
            sizes = [int(np.prod(shape)) for shape in shapes]
            self._flat = np.zeros(sum(sizes) + count, np.result_type(np.float32, *dtypes))
            ends = np.cumsum([0, *sizes])
            self._parts = [self._flat[a:b].reshape(shape) for a, b, shape in zip(ends[:-1], ends[1:], shapes, strict=True)]
            self._key = shapes, dtypes
        return self._flat[len(self._flat) - count :]

    def _check(self, numbers: Array, present: Sequence[bool]) -> float:
        """Returns the rows of all ranks. Raises RankError if the ranks do not fit together."""
        rows, update, stop, *counts = numbers.tolist()
        self.comm.stop_agreed = stop > 0
        if update != self.comm.size * (self.updates % _NUMBERS):
            raise RankError(
                f"rank {self.comm.rank} is at update {self.updates}, another rank is not; all need the same batches"
            )
        if any(count not in (0, self.comm.size) for count in counts):
            number = next(i for i, count in enumerate(counts) if count not in (0, self.comm.size))
            ranks = [rank for rank, there in enumerate(self.comm.all_gather(tuple(present))) if not there[number]]
            raise RankError(
                f"parameter {number} has a gradient on some ranks, but not on ranks {ranks}; every rank must use the same "
                "parameters: add the missing output times 0 to the loss",
                everywhere=True,
            )
        if not rows:
            raise RankError("no rank has rows in this batch", everywhere=True)
        return float(rows)
