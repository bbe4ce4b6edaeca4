"""A run that is killed at random times and resumed produces the same bytes as an uninterrupted run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RESULTS = ("metrics.csv", "checkpoint.safetensors")

# Trains in forks of one process that has already imported everything. Each fork counts the calls and returns of Python and C
# functions and kills itself at a given count, which can lie between any two steps, files or lines of a file. Every second fork
# counts calls of os.replace instead, and kills itself before one of them. The last fork runs to the end.
# Every second run is not compiled, and must end with the same bytes.
PROGRAM = """
import json, os, signal, sys, warnings
from pathlib import Path
import numpy as np
import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=6)

def dropping(batch, rng):
    images, labels = batch
    return images * (rng.random(images.shape) < 0.9).astype(images.dtype), labels

def train(folder):
    ag.manual_seed(1)
    vae = models.VAE((64, 12, 2))
    optimizer = nn.Adam(vae.parameters(), lr=0.02)
    schedule = nn.Schedule(nn.CosineAnnealingLR(optimizer, T_max=16), per="iteration")
    averaging = nn.Averaging(nn.EMA(vae.parameters(), decay=0.9))
    callbacks = [nn.LearningRateLog(), schedule, averaging, nn.EarlyStopping("val_loss", patience=50)]
    compiled = not folder.name.isdigit() or int(folder.name) % 2 == 0
    trainer = nn.Trainer(vae, optimizer, folder, callbacks=callbacks, every=3, progress=False, jit=compiled)
    if (folder / "checkpoint.safetensors").exists():
        trainer.load(folder / "checkpoint.safetensors")
    batches = nn.data.DataLoader(FEW, batch_size=16, shuffle=True, seed=5, transform=dropping)
    trainer.fit(batches, epochs=4, validation=nn.data.DataLoader(FEW, batch_size=60))

def run_and_count(limit, only=None):
    count = 0
    def profile(frame, event, argument):
        nonlocal count
        count += only is None or argument is only and event == "c_call"
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(profile)
    train(folder)
    sys.setprofile(None)
    return count

def fork(work):
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.write(writer, str(work()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    printed = os.read(reader, 100)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), printed

place = Path(sys.argv[1])
folder = place / "first"
train(folder)  # imports all modules that are imported late, so that no fork is killed while importing
folder = place / "whole"
ended, total = fork(lambda: run_and_count(-1))
assert ended == 0
found = {"kills": 0, "with a checkpoint": 0, "while writing": 0}
for seed in range(int(sys.argv[2])):
    folder, rng = place / str(seed), np.random.default_rng(seed)
    for kill in range(7):
        if kill % 2:
            ended, _ = fork(lambda: run_and_count(int(rng.integers(1, 4)), os.replace))
        else:
            ended, _ = fork(lambda: run_and_count(int(rng.integers(1, int(total) // 2))))
        assert ended in (0, signal.SIGKILL), ended
        if ended:
            found["kills"] += 1
            found["with a checkpoint"] += (folder / "checkpoint.safetensors").exists()
            found["while writing"] += any(folder.glob(".*.tmp"))
    ended, _ = fork(lambda: run_and_count(-1))  # runs to the end
    assert ended == 0
print(json.dumps(found))
"""
SEEDS = 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    if not hasattr(os, "fork"):
        pytest.skip("needs a system that forks processes")
    place = tmp_path_factory.mktemp("runs")
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place), str(SEEDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    return place, json.loads(result.stdout)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_killed_at_random_points_ends_with_the_same_bytes(runs: tuple[Path, dict[str, int]], seed: int) -> None:
    """Weights, optimizer, schedule, random stream, best weights and history lie in the checkpoint; metrics in the table."""
    place, _ = runs
    for name in RESULTS:
        assert (place / str(seed) / name).read_bytes() == (place / "whole" / name).read_bytes()
    assert not list((place / str(seed)).glob(".*")), "a half-written file was left behind"


def test_the_runs_were_killed_where_it_matters(runs: tuple[Path, dict[str, int]]) -> None:
    """The comparison is only meaningful if kills occur after a checkpoint and while a file is written."""
    _, found = runs
    assert found["kills"] >= 3 * SEEDS
    assert found["with a checkpoint"] >= 2 * SEEDS
    assert found["while writing"] >= SEEDS
