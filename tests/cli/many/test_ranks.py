"""`mpiexec -n N autograd-mini`: one run on several ranks, with the numbers of one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_mini.cli.main import main
from autograd_mini.nn.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.skipif(
    find_spec("mpi4py") is None or shutil.which("mpiexec") is None, reason="needs mpi4py and mpiexec: pip install mpi4py mpich"
)


def on_ranks(ranks: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["mpiexec", "-n", str(ranks), sys.executable, "-m", "autograd_mini", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=150, stdin=subprocess.DEVNULL)


def metrics(folder: Path) -> Any:
    return np.genfromtxt(folder / "metrics.csv", delimiter=",", names=True)


def test_a_run_resumes_on_another_number_of_ranks_with_the_metrics_of_one_process(tmp_path: Path) -> None:
    """2, then 1, then 3 ranks. The last batch of each epoch has 2 rows, so one of 3 ranks has none."""
    ours, whole = tmp_path / "ours", tmp_path / "whole"
    options = ["--limit-per-class", "5", "--batch-size", "16"]
    first = on_ranks(2, "train", "mlp", *options, "--epochs", "1", "--out", str(ours))
    assert (first.returncode, first.stdout.count("results in")) == (0, 1), first.stderr
    assert len(load_checkpoint(ours / "checkpoint.safetensors")["streams"]) == 2
    assert main(["resume", str(ours), "--epochs", "2"]) == 0
    last = on_ranks(3, "resume", str(ours), "--epochs", "4")
    assert last.returncode == 0, last.stderr
    assert main(["train", "mlp", *options, "--epochs", "4", "--out", str(whole)]) == 0
    a, b = metrics(ours), metrics(whole)
    assert a.dtype.names == b.dtype.names
    for name in b.dtype.names:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6, err_msg=name)
    assert not [path.name for path in tmp_path.iterdir() if path not in (ours, whole)]


def test_an_error_before_training_is_printed_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = on_ranks(2, "train", "mlp", "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("already contains a run") == 1
    assert len(done.stderr.splitlines()) == 1
