"""One run on several ranks: who claims the folder, and who prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from autograd_mini import nn
from autograd_mini.nn.distributed.launcher import place
from autograd_mini.tools.locks import FolderClaim

T = TypeVar("T")

OFF = "--no-distributed"
Distributed = Annotated[
    bool,
    typer.Option(
        f"--distributed/{OFF}",
        help="Under mpiexec: train one model on all processes, or a model of its own in each process.",
    ),
]


@dataclass
class FolderOfMainRank:
    """The folder of a run on ranks that neither claim it nor write to it."""

    folder: Path
    created: bool = False

    def release(self) -> None:
        """Does nothing."""


def ranks(distributed: bool) -> nn.distributed.Communicator:
    """Returns the ranks of a run: all processes that `mpiexec` started, or this one alone."""
    return nn.distributed.world() if distributed else nn.distributed.Communicator()


def is_silent() -> bool:
    """Returns whether rank 0 speaks for this process, because all ranks have the same errors before training."""
    return place()[0] > 0 and OFF not in sys.argv and not nn.distributed.faults.has_failed()


def start_together(comm: nn.distributed.Communicator, claim: Callable[[], FolderClaim], create: Callable[[Any], T]) -> T:
    """Returns what `create` makes of the folder that rank 0 claims; an error on one rank is raised on all of them."""
    claimed = comm.together(lambda: claim() if comm.is_main else None)
    folder = comm.broadcast(claimed.folder if claimed is not None else None)
    return comm.together(lambda: create(claimed if claimed is not None or folder is None else FolderOfMainRank(folder)))
