"""Operations on tensors that exchange values between ranks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from autograd_mini.apply import apply, as_float
from autograd_mini.batching import rules
from autograd_mini.primitive import Primitive
from autograd_mini.state import modes
from autograd_mini.tensor import Array, Tensor, TensorLike

from .communicator import Communicator, as_communicator


def _all_reduce(x: Array, comm: Communicator, weight: float) -> Array:
    total = np.array(x, order="C")
    if not is_dry():
        comm.all_reduce(total)
    return total


def _weighted(x: Array, comm: Communicator, weight: float) -> Array:
    total = _all_reduce(x * x.dtype.type(weight), comm, weight)
    return total / x.dtype.type(weight) if weight else np.zeros_like(total)


ALL_REDUCE: Final = Primitive(
    "all_reduce",
    _all_reduce,
    (lambda xp, g, y, x, comm, weight: xp.all_reduce_weighted(g, comm=comm, weight=weight),),
    formula="Σᵣ xᵣ",
    derivative=("Σᵣ wᵣ δᵣ / w",),
    effect=True,
    batch=rules.same,
)
WEIGHTED: Final = Primitive(
    "all_reduce_weighted",
    _weighted,
    (lambda xp, g, y, x, comm, weight: xp.all_reduce(g, comm=comm, weight=weight),),
    formula="Σᵣ wᵣ xᵣ / w",
    derivative=("Σᵣ δᵣ",),
    effect=True,
    batch=rules.same,
)


def all_reduce(x: TensorLike, comm: Any = None, weight: float = 1.0) -> Tensor:
    """Returns the sum of a tensor over all ranks, on each of them; all ranks must call it, in the same order.

    The loss of the whole batch is the mean of the ranks' losses with the weights `weight`, the rows of each rank. So the
    gradient of a rank's x, to be averaged with these weights later, is Σᵣ wᵣ δᵣ / w; 0 for a rank of weight 0.

    >>> from autograd_mini import nn
    >>> nn.distributed.all_reduce([1.0, 2.0])  # alone
    Tensor([1., 2.])
    """
    return apply(ALL_REDUCE, (as_float(x),), {"comm": as_communicator(comm), "weight": float(weight)})


def is_dry() -> bool:
    """Returns whether a compiled step is being traced in a run that is undone: ranks may trace at different times."""
    tracer = modes().tracer
    return tracer is not None and tracer.is_dry
