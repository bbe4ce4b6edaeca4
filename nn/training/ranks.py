"""`Ranks`: what a trainer does together with the other ranks of an MPI run. Alone, each method returns at once."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from ..data import DataLoader
from ..data.examples import batch_length
from ..distributed.communicator import as_communicator
from ..distributed.faults import RankError
from ..distributed.gradients import GradientReducer
from ..distributed.optimizer import Optimizer
from ..distributed.sync_batch_norm import SyncBatchNorm
from ..layers.normalization import BatchNorm, BatchNorm1d
from ..module import Module
from .update import RunningMeans, Update

if TYPE_CHECKING:
    from .interrupt import Interrupt
    from .trainer import Trainer


class Ranks:
    """The ranks of a training run, each of which trains the same model on its rows of every batch.

    comm     the communicator; of one rank if there is no other
    several  whether there are other ranks
    is_main  whether this is rank 0, which writes and prints
    streams  the random stream of each rank, as a checkpoint contains them; None without other ranks
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = as_communicator(comm)
        self.several, self.is_main = self.comm.size > 1, self.comm.is_main
        self.streams: list[dict[str, Any]] | None = None
        self._has_own_stream = False

    # -- before training -----------------------------------------------------------------------------------------------------

    def with_reducers(self, updates: Mapping[str, Update], model: Any) -> dict[str, Update]:
        """Returns the updates with the exchange of gradients, which also averages running statistics."""
        for update in updates.values():
            if isinstance(update.optimizer, Optimizer):
                raise TypeError(
                    "Trainer: expected a plain optimizer, got nn.distributed.Optimizer; write Trainer(…, comm=comm)"
                )
        if not self.several:
            return dict(updates)
        buffers = list(_local_statistics(model))
        return {
            name: replace(update, reducer=GradientReducer(update.optimizer, self.comm, buffers))
            for name, update in updates.items()
        }

    def share_state(self, get: Callable[[], Any], restore: Callable[[Any], None]) -> None:
        """Gives all ranks the state of rank 0, and each one a random stream."""
        if not self.several:
            return
        state = self.comm.broadcast(get() if self.is_main else None)
        own = ag.get_rng_state()
        if not self.is_main:
            restore(state)
            if self._has_own_stream:
                ag.set_rng_state(own)
        self._split_stream()

    def forget_streams(self, streams: list[dict[str, Any]] | None) -> None:
        """Lets training continue with the streams of a checkpoint; if it has none for this number of ranks, with new ones."""
        self.streams, self._has_own_stream = streams, False

    def _split_stream(self) -> None:
        """Gives this rank a stream that follows from rank 0's; rank 0 keeps its own."""
        if self._has_own_stream:
            return
        streams, start = self.comm.broadcast((self.streams, ag.get_rng_state()))
        if streams and len(streams) == self.comm.size:
            ag.set_rng_state(streams[self.comm.rank])
        elif not self.is_main:
            digest = hashlib.sha256(json.dumps(start, sort_keys=True).encode()).digest()
            seed = [*np.frombuffer(digest, np.uint32).tolist(), self.comm.rank]
            ag.set_rng_state(dict(np.random.default_rng(seed).bit_generator.state))
        self._has_own_stream = True

    def rows_needed(self, model: Any) -> int:
        """Returns how many rows a rank needs for a step, if it gets any."""
        return 2 if isinstance(model, Module) and any(isinstance(part, BatchNorm1d) for part in model.modules()) else 1

    def threads(self, requested: int | None) -> int | None:
        """Returns the number of threads of this rank: one, unless the ranks leave it two cores."""
        if not self.several:
            return requested
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return 1 if requested is None or cores < 2 * self.comm.local_size else requested

    # -- during training -----------------------------------------------------------------------------------------------------

    def rows(self, loader: DataLoader, first: int, batches: Sequence[Any]) -> list[int]:
        """Returns the rows of this rank in some batches, from number `first` on."""
        return [0 if loader.shard_is_empty(i) else batch_length(batch) for i, batch in enumerate(batches, first)]

    def request_stop(self, interrupt: Interrupt) -> None:
        """Lets the next update tell the other ranks about a Ctrl-C."""
        self.comm.stop_requested = interrupt.requested

    def stops(self, interrupt: Interrupt) -> bool:
        """Returns whether training stops because of a Ctrl-C, on which all ranks agree."""
        return self.comm.stop_agreed if self.several else interrupt.requested

    def merge(self, means: RunningMeans) -> RunningMeans:
        """Returns the running means over the rows of all ranks."""
        if not self.several:
            return means
        merged: dict[str, tuple[float, int]] = {}
        for sums in self.comm.all_gather(means.sums):
            for name, (total, weight) in sums.items():
                before = merged.get(name, (0.0, 0))
                merged[name] = before[0] + total, before[1] + weight
        return RunningMeans(merged)

    def share_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Gives all ranks what a callback on rank 0 has added to a row, and whether it stopped training."""
        if self.several:
            new, trainer.stopped = self.comm.broadcast((row, trainer.stopped))
            row.clear()
            row.update(new)

    # -- checkpoints -----------------------------------------------------------------------------------------------------------

    def gather_streams(self) -> None:
        """Collects the random streams of all ranks for a checkpoint."""
        if self.several:
            self.streams = self.comm.all_gather(ag.get_rng_state())

    def check_same(self, trainer: Trainer) -> None:
        """Raises RankError on all ranks if parameters or states of optimizers differ between them."""
        if not self.several:
            return
        states = {str(i): update.optimizer.state_dict() for i, update in enumerate(trainer.updates.values())}
        sums = list(_checksums({"model": trainer.model.state_dict(), "optimizers": states}))
        others = self.comm.all_gather(sums)
        different = [rank for rank, other in enumerate(others) if other != others[0]]
        if different:
            name = next((a[0] for a, b in zip(others[0], others[different[0]], strict=False) if a != b), "their number")
            raise RankError(
                f"after {trainer.iteration} batches, ranks {different} differ from rank 0, first in {name}; does a callback "
                "change weights on some ranks only?",
                everywhere=True,
            )


def _local_statistics(model: Any) -> Iterator[Tensor]:
    """Yields the running statistics that each rank computes from its own rows."""
    for part in model.modules() if isinstance(model, Module) else ():
        if isinstance(part, BatchNorm) and not isinstance(part, SyncBatchNorm):
            yield from (s for s in (part.running_mean, part.running_var) if s is not None)


def _checksums(tree: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Yields the path of each value of nested dicts and lists, and a checksum of it."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _checksums(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from _checksums(value, f"{path}.{i}")
    else:
        data = np.ascontiguousarray(tree).tobytes() if isinstance(tree, np.ndarray) else repr(tree).encode()
        yield path, zlib.crc32(data)
