"""Run by mpiexec: trains until something ends it. Arguments: a folder, the fault, and the rank that has it.

Each rank writes its process number to the folder at its third batch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from autograd_mini import nn

FOLDER, FAULT, RANK = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
COMM = MPI.COMM_WORLD


class Fault(nn.Callback):
    """Does what the arguments say at the third batch."""

    def after_step(self, trainer: nn.Trainer) -> None:
        if trainer.iteration != 3:
            return
        (FOLDER / f"rank-{COMM.Get_rank()}").write_text(str(os.getpid()))
        if COMM.Get_rank() == RANK:
            if FAULT == "exception":
                raise ValueError("the disk of rank is full")
            if FAULT == "late":
                time.sleep(1.5)
            if FAULT == "exit":
                sys.exit(0)


class Model(nn.Module):
    """A layer and its mean square."""

    def __init__(self) -> None:
        self.layer = nn.Linear(4, 2)

    def training_step(self, batch):  # type: ignore[no-untyped-def]
        return {"loss": self.layer(batch[0]).square().mean()}


comm = nn.distributed.as_communicator(COMM)
if FAULT == "late":
    comm.patience = 0.3
model = Model()
data = np.ones((6, 4), np.float32)
if FAULT == "nan" and COMM.Get_rank() == RANK:
    data[:] = np.nan
trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=1e-3), FOLDER / "run", progress=False, comm=comm, callbacks=[Fault()])
iterations = 4 if FAULT == "late" else 10**7
history = trainer.fit(nn.data.DataLoader(data, batch_size=6), iterations=iterations)
print(f"rank {COMM.Get_rank()} interrupted: {trainer.interrupted}", flush=True)
