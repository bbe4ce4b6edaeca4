"""Runs programs on several ranks; without mpi4py and mpiexec, the tests are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or shutil.which("mpiexec") is None, reason="needs mpi4py and mpiexec: pip install mpi4py mpich"
)


def start(ranks: int, arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    """Starts `python ARGUMENTS` on some ranks, with one BLAS thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["mpiexec", "-n", str(ranks), sys.executable, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, stdin=subprocess.DEVNULL, **{**pipes, **options})


def run(ranks: int, arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    process = start(ranks, arguments, **options)
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def results(ranks: int, program: Path, *arguments: str) -> Any:
    """Returns what rank 0 of a program prints, as JSON."""
    done = run(ranks, [str(program), *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
