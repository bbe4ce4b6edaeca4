"""`Communicator`: exchanges between the ranks of a run that end with a message if a rank fails, and never hang silently.

An exchange starts without blocking. While it waits, the rank reads short notes that the others send: "I failed, and why", "I
ended", "I am waiting too". So each rank knows whom it waits for, and stops with the first message if another one has failed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

from autograd_mini.tensor import Array

from ..extras import extra, say
from . import faults
from .faults import RankError
from .launcher import place

T = TypeVar("T")

_let_others_run: Final = getattr(os, "sched_yield", lambda: None)  # if there are more ranks than cores

_SPIN: Final = 0.02  # seconds for which a rank waits without sleeping
_NOTES_AFTER: Final = 0.1  # seconds between looks at the notes of others
_ANNOUNCE_AFTER: Final = 1.0  # seconds after which a rank tells the others that it waits


class Communicator:
    """A group of ranks, numbered from 0. Rank 0 writes files and prints; alone, every exchange returns at once.

    `comm` is a communicator of mpi4py, or None for one rank. `patience` is the number of seconds after which a rank that waits
    says for whom; it says so again each time that the wait has doubled.

    >>> from autograd_mini import nn
    >>> alone = nn.distributed.Communicator()
    >>> alone.rank, alone.size, alone.all_gather("x")
    (0, 1, ['x'])
    """

    def __init__(self, comm: Any = None, patience: float = 60.0) -> None:
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.patience = patience
        self.stop_requested = False  # by Ctrl-C on this rank
        self.stop_agreed = False  # a rank had requested it in the last update
        self.has_failed = False  # this rank or another one
        self.has_rows = True  # in the present batch; a rank without rows computes on a row of another one, with weight 0
        self.local_size = 1  # ranks on this computer
        self.exchanges = 0
        self._progress = [0] * self.size  # the exchange that each rank is known to have reached
        self._pending: list[Any] = []  # notes on their way
        if self.size > 1:
            self._mpi = extra("mpi4py.MPI", "training on several ranks", "mpi")
            self._data, self._notes = comm.Dup(), comm.Dup()
            self.local_size = comm.Split_type(self._mpi.COMM_TYPE_SHARED).Get_size()
            faults.watch(self)

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    # -- exchanges, which all ranks must call in the same order ------------------------------------------------------------

    def all_reduce(self, array: Array) -> None:
        """Replaces a contiguous array by the sum of the arrays of all ranks, which is the same bits on each of them."""
        if self.size > 1:
            self._wait(self._data.Iallreduce(self._mpi.IN_PLACE, array, op=self._mpi.SUM))

    def barrier(self) -> None:
        """Waits until all ranks have called it."""
        if self.size > 1:
            self._wait(self._data.Ibarrier())

    def all_gather(self, value: T) -> list[T]:
        """Returns the values of all ranks, in their order; any values that can be pickled."""
        if self.size == 1:
            return [value]
        self.barrier()  # from here on nobody is late, so a call that blocks returns
        return list(self._data.allgather(value))

    def broadcast(self, value: T) -> T:
        """Returns the value of rank 0."""
        if self.size == 1:
            return value
        self.barrier()
        received: T = self._data.bcast(value if self.is_main else None)
        return received

    def check_equal(self, what: str, value: object) -> None:
        """Raises RankError on all ranks if they have different values."""
        values = self.all_gather(value)
        if any(other != values[0] for other in values):
            listed = ", ".join(f"rank {rank} has {other}" for rank, other in enumerate(values))
            raise RankError(f"the ranks have different {what}: {listed}", everywhere=True)

    def together(self, function: Callable[[], T]) -> T:
        """Returns `function()`. If it raises an error on some ranks, all of them raise the first one's."""
        result, error = None, None
        try:
            result = function()
        except Exception as problem:
            error = problem
        errors = self.all_gather(None if error is None else (type(error).__name__, str(error)))
        if error is not None:
            raise error
        for rank, problem_there in enumerate(errors):
            if problem_there is not None:
                raise RankError(f"rank {rank}: {': '.join(problem_there)}", everywhere=True)
        return result  # type: ignore[return-value]

    # -- faults --------------------------------------------------------------------------------------------------------------

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """Tells the other ranks about an error inside the block, so that they stop too."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def fail(self, error: BaseException) -> None:
        """Tells the other ranks that this one has failed: they raise RankError with the message instead of waiting."""
        if self.size > 1 and not self.has_failed and not isinstance(error, RankError):
            self._tell("failed", f"{type(error).__name__}: {error}")
        self.has_failed = self.size > 1

    def leave(self) -> None:
        """Tells the other ranks that this one takes part in no further exchange."""
        self._tell("ended", self.exchanges)

    def abort(self, code: int = 1) -> None:
        """Ends all ranks at once; `mpiexec` returns the exit code."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        self._data.Abort(code)

    # -- waiting -------------------------------------------------------------------------------------------------------------

    def _wait(self, request: Any) -> None:
        """Waits for an exchange. Raises RankError if a rank that it needs has failed or ended."""
        self.exchanges += 1
        polls, start, next_look, next_report = 0, time.monotonic(), _NOTES_AFTER, self.patience
        announced = False
        while not request.Test():
            polls += 1
            if polls % 64:
                continue
            waited = time.monotonic() - start
            if waited > _SPIN:
                time.sleep(1e-4)
            else:
                _let_others_run()
            if waited > next_look:
                next_look = waited + _NOTES_AFTER
                self._read_notes()
            if waited > _ANNOUNCE_AFTER and not announced:
                announced = True
                self._tell("waiting", self.exchanges)
            if waited > next_report:
                next_report *= 2
                self._report(waited)

    def _report(self, waited: float) -> None:
        """Says for whom this rank waits; the first of several waiting ranks speaks for all."""
        late = [r for r in range(self.size) if r != self.rank and self._progress[r] < self.exchanges]
        waiting = [r for r in range(self.size) if r not in late]
        if waiting[0] == self.rank:
            say(f"{_ranks(waiting)} waited {waited:.3g} s at exchange {self.exchanges} for {_ranks(late)}")

    def _tell(self, kind: str, content: Any) -> None:
        self._pending = [request for request in self._pending if not request.Test()]
        for other in range(self.size):
            if other != self.rank:
                self._pending.append(self._notes.isend((kind, content), other))

    def _read_notes(self) -> None:
        status = self._mpi.Status()
        while self._notes.Iprobe(status=status):
            sender = status.Get_source()
            kind, content = self._notes.recv(source=sender)
            if kind == "failed":
                self.has_failed = True
                raise RankError(f"rank {sender} failed: {content}")
            self._progress[sender] = max(self._progress[sender], content)
            if kind == "ended" and content < self.exchanges:
                self.has_failed = True
                raise RankError(
                    f"rank {sender} ended after {content} exchanges, and rank {self.rank} waits at exchange {self.exchanges}; "
                    "all ranks must have the same number of batches"
                )

    # -- copies ----------------------------------------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> Any:
        return (world, ()) if self.size > 1 else (Communicator, ())

    def __repr__(self) -> str:
        return f"<Communicator: rank {self.rank} of {self.size}>"


def _ranks(numbers: list[int]) -> str:
    return f"rank{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def as_communicator(comm: Any = None) -> Communicator:
    """Returns a Communicator for one of mpi4py, always the same one; for None, one of a single rank.

    >>> from autograd_mini import nn
    >>> nn.distributed.as_communicator(None)
    <Communicator: rank 0 of 1>
    """
    if isinstance(comm, Communicator):
        return comm
    if comm is None:
        return Communicator()
    if not (hasattr(comm, "Get_rank") and hasattr(comm, "Iallreduce")):
        raise TypeError(f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, or None, got {comm!r:.80}")
    known = next((entry for other, entry in _known if other == comm), None)
    if known is None:
        known = Communicator(comm)
        _known.append((comm, known))
    return known


_known: Final[list[tuple[Any, Communicator]]] = []


def world() -> Communicator:
    """Returns the Communicator of all ranks that `mpiexec` started; without it, one of a single rank.

    Raises ModuleNotFoundError if `mpiexec` started several processes and mpi4py is not installed.

    >>> from autograd_mini import nn
    >>> nn.distributed.world().is_main
    True
    """
    if place()[1] == 1:
        return Communicator()
    return as_communicator(extra("mpi4py.MPI", f"mpiexec has started {place()[1]} processes: training", "mpi").COMM_WORLD)
