"""What the environment says about the program that started this process, without importing MPI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_VARIABLES: Final = (
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, srun --mpi=pmi2
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH
)


def place(environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Returns the rank of this process and the number of processes that `mpiexec` started; (0, 1) without it.

    >>> from autograd_mini.nn.distributed.launcher import place
    >>> place({"PMI_RANK": "2", "PMI_SIZE": "4"}), place({})
    ((2, 4), (0, 1))
    """
    variables = os.environ if environment is None else environment
    for rank, size in _VARIABLES:
        if rank in variables and size in variables:
            return int(variables[rank]), int(variables[size])
    return 0, 1
