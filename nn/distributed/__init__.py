"""Data-parallel training over MPI: each rank (process) computes the gradients of its share of a batch.

Start reading at `gradients.py`, the one exchange of an update, and `communicator.py`, what ranks say to each other.
`optimizer.py` is for hand-written loops; `nn.Trainer(comm=…)` does the same. Without mpi4py, or with one rank, the same code
runs alone. The optional packages are those of `pip install "autograd-mini[mpi]"`.
"""

from __future__ import annotations

from .communicator import Communicator, as_communicator, world
from .faults import RankError
from .gradients import GradientReducer
from .operations import all_reduce
from .optimizer import Optimizer
from .sync_batch_norm import SyncBatchNorm

__all__ = [
    "Communicator",
    "GradientReducer",
    "Optimizer",
    "RankError",
    "SyncBatchNorm",
    "all_reduce",
    "as_communicator",
    "world",
]
