"""Every model, trained on small colour pictures of three classes: killed twice and resumed, it leaves the same files.

`pytest -m slow tests/cli/test_pictures_killed.py` runs all models; without `-m slow`, one of each kind is run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picture_helpers import make_pictures

from autograd_mini.models.recipes import MODELS

ROOT = Path(__file__).parent.parent.parent
NOT_COMPARED = {"timing.csv"}  # the seconds differ
QUICK = ("conv-ae", "cgan")
FLAGS = ["--epochs", "2", "--batch-size", "4", "--every", "2"]
OPTIONS = {"dcgan": ["width=4"], "cgan": ["width=4"], "wgan-gp": ["width=4"], "gan": ["width=16"]}

# Runs the command line in forks of one process that has already imported everything. A fork counts the calls and returns of
# Python and C functions, and kills itself at a given count, which can lie between any two steps, files or lines of a file.
PROGRAM = """
import json, os, signal, sys, warnings
import numpy as np
from autograd_mini.__main__ import main

def run(arguments, limit):
    count = 0
    def profile(frame, event, argument):
        nonlocal count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(profile)
    code = main(arguments)
    sys.setprofile(None)
    return code, count

def fork(arguments, limit=-1):
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            code, count = run(arguments, limit)
            os.write(writer, str(count).encode())
            os._exit(code)
        finally:
            os._exit(1)
    os.close(writer)
    printed = os.read(reader, 100)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    return (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), int(printed or 0)

place, seed, *command = sys.argv[1:]
rng, whole, killed = np.random.default_rng(int(seed)), place + "/whole", place + "/killed"
main([*command, "--out", place + "/first"])  # imports all modules that are imported late
ended, total = fork([*command, "--out", whole])
assert ended == 0, ended
found = []
for low, high in ((0.1, 0.9), (0.02, 0.5), (None, None)):
    started = os.path.exists(killed + "/config.json")
    limit = -1 if low is None else int(rng.uniform(low, high) * total)
    ended, _ = fork(["resume", killed] if started else [*command, "--out", killed], limit)
    found.append((ended, os.path.exists(killed + "/checkpoint.safetensors"), limit / total))
print("\\n" + json.dumps(found))
"""


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_COMPARED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
@pytest.mark.parametrize("model", [m if m in QUICK else pytest.param(m, marks=pytest.mark.slow) for m in MODELS])
def test_a_model_killed_twice_leaves_the_same_files(tmp_path: Path, model: str) -> None:
    """Weights, metrics and all pictures have the same bytes, and no file is left behind."""
    pictures = make_pictures(tmp_path / "pictures")
    options = [flag for option in OPTIONS.get(model, []) for flag in ("--option", option)]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(sum(map(ord, model))), "train", model, "--data", str(pictures), *FLAGS, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    endings = [ended for ended, _, _ in json.loads(result.stdout.splitlines()[-1])]
    assert endings[0] == -9, "the first kill came before the end"
    assert endings[-1] == 0
    whole, killed = (contents(tmp_path / name) for name in ("whole", "killed"))
    assert {"checkpoint.safetensors", "model.safetensors", "metrics.csv", "config.json"} <= whole.keys()
    assert {"graph.svg", "graph-g.svg"} & whole.keys(), "the graphs of a GAN are those of its players"
    assert killed.keys() == whole.keys()
    assert [name for name in whole if killed[name] != whole[name]] == []
