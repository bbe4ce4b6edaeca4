"""Whatever ends one rank ends all of them within seconds, with the first message, and never a hang."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from rank_helpers import needs_mpi, run, start

from autograd_mini.nn.training.checkpoint import load_checkpoint

PROGRAM = str(Path(__file__).with_name("program_faults.py"))
SECONDS = 5.0
pytestmark = needs_mpi


def processes(folder: Path, ranks: int) -> list[int]:
    """The process number of each rank, once all of them train."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        files = [folder / f"rank-{rank}" for rank in range(ranks)]
        if all(file.exists() and file.read_text() for file in files):
            return [int(file.read_text()) for file in files]
        time.sleep(0.02)
    raise AssertionError("the ranks did not start")


def end_of(program: subprocess.Popen[str]) -> tuple[str, float]:
    """What the program printed, and the seconds until it ended."""
    begin = time.monotonic()
    try:
        out, err = program.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        program.kill()
        raise AssertionError("the ranks hang") from None
    return out + err, time.monotonic() - begin


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


@pytest.mark.parametrize(
    ("fault", "rank", "message"),
    [
        ("exception", "1", "ValueError: the disk of rank is full"),
        ("nan", "1", "DivergedError: the loss became nan in epoch 1, at batch 1"),
        ("exit", "0", "rank 0 failed: SystemExit: 0"),
    ],
)
def test_an_error_on_one_rank_ends_all_with_its_message(tmp_path: Path, fault: str, rank: str, message: str) -> None:
    done = run(2, [PROGRAM, str(tmp_path), fault, rank])
    assert done.returncode != 0
    assert message in done.stderr
    assert done.stderr.count("Traceback (most recent call last)") == 1


def test_a_rank_that_waits_says_for_whom(tmp_path: Path) -> None:
    done = run(2, [PROGRAM, str(tmp_path), "late", "1"])
    assert "rank 0 waited 0.3" in done.stderr
    assert "for rank 1" in done.stderr
    assert "for rank 0" not in done.stderr
    assert done.stdout.count("interrupted: False") == 2
    assert done.returncode == 0


def kill_one(tmp_path: Path, ranks: int, rng: random.Random) -> None:
    program = start(ranks, [PROGRAM, str(tmp_path), "none", "0"])
    numbers = processes(tmp_path, ranks)
    time.sleep(rng.random() * 0.3)
    os.kill(rng.choice(numbers), signal.SIGKILL)
    _, seconds = end_of(program)
    assert program.returncode != 0
    assert seconds < SECONDS
    assert not any(map(is_running, numbers))


def test_a_killed_rank_ends_all(tmp_path: Path) -> None:
    kill_one(tmp_path, 3, random.Random(0))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_twenty_killed_ranks(tmp_path: Path, number: int) -> None:
    kill_one(tmp_path, 2 + number % 2, random.Random(number))


@pytest.mark.parametrize("who", ["rank 1", "mpiexec"])
def test_ctrl_c_stops_all_ranks_after_their_step_and_saves(tmp_path: Path, who: str) -> None:
    program = start(2, [PROGRAM, str(tmp_path), "none", "0"])
    numbers = processes(tmp_path, 2)
    os.kill(numbers[1] if who == "rank 1" else program.pid, signal.SIGINT)
    text, seconds = end_of(program)
    assert seconds < SECONDS
    assert text.count("interrupted: True") == 2
    assert text.count("interrupted after") == 1
    state: dict[str, Any] = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert state["iteration"] >= 3
    assert len(state["streams"]) == 2
