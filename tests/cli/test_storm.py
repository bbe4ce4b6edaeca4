"""A storm: runs are killed, stopped, started twice and hit a full disk at random, and still end with the same bytes.

`pytest -m slow -n 2 tests/cli/test_storm.py` runs 200 rounds, or as many as the environment variable `AUTOGRAD_MINI_STORM` says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
ROUNDS = int(os.environ.get("AUTOGRAD_MINI_STORM", "200"))
TRAIN = ["train", "vae", "--limit-per-class", "30", "--every", "2", "--epochs", "30", "--seed", "3"]
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2); "
PROGRAM = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # Python prints a traceback if it comes while NumPy is imported
from autograd_mini.__main__ import main
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(main())
"""
NOT_COMPARED = {"timing.csv"}  # the seconds differ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals and resource limits"),
]


def start(*arguments: str, file_size: int | None = None) -> subprocess.Popen[str]:
    """Starts the command line; with `file_size`, no file may become larger, which acts like a full disk."""
    program = PROGRAM if file_size is None else LIMITED + PROGRAM
    return subprocess.Popen(
        [sys.executable, "-c", program, *([] if file_size is None else [str(file_size)]), *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def finish(process: subprocess.Popen[str], seconds: float | None = None, how: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal after some seconds; the process ends by itself, by the signal or with one line, never with a traceback."""
    try:
        _, printed = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
        _, printed = process.communicate(timeout=300)
    assert "Traceback" not in printed, printed


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_COMPARED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(start(*TRAIN, "--out", str(folder)))
    found = contents(folder)
    assert {"checkpoint.safetensors", "model.safetensors", "metrics.csv", "samples.png"} <= found.keys()
    assert {"graph.svg", "graph-g.svg"} & found.keys(), "the graphs of a GAN are those of its players"
    return found


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_run_in_a_storm_ends_with_the_same_files(tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    """All files are compared, pictures too, and nothing is left behind."""
    rng, folder = np.random.default_rng(seed), tmp_path / "run"
    for _ in range(3):
        command = ["resume", str(folder)] if (folder / "config.json").exists() else [*TRAIN, "--out", str(folder)]
        moment = float(rng.uniform(0.5, 6))
        match rng.choice(["kill", "interrupt", "full disk", "twice"]):
            case "kill":
                finish(start(*command), moment)
            case "interrupt":
                finish(start(*command), moment, signal.SIGINT)
            case "full disk":
                finish(start(*command, file_size=int(rng.integers(1, 200_000))))
            case "twice":
                both = [start(*command) for _ in range(2)]
                for process in both:
                    finish(process, moment)
    command = ["resume", str(folder)] if (folder / "config.json").exists() else [*TRAIN, "--out", str(folder)]
    finish(start(*command))
    found = contents(folder)
    assert found.keys() == whole.keys()
    assert [name for name in whole if found[name] != whole[name]] == []
