"""What the programs print: in any encoding, without stdout or stderr, and without a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_mini.__main__ import main

TRAIN = ["train", "mlp", "--epochs", "3", "--limit-per-class", "20"]
CHECK = """
import sys
import autograd_mini as ag
from autograd_mini import viz
w = ag.Tensor([1.0, 2.0], requires_grad=True, name="重み")
result = viz.check(lambda: ag.square(w).sum(), {"w": w})
step = ag.jit(lambda x: ag.tanh(x) * 2)
for _ in range(3):
    step(w.detach())
with ag.profile() as p:
    step(w.detach())
print(result, result.draw(), ag.square(w)._primitive, step.plan, p, w, viz.text(w), sep="\\n")
"""


def run(arguments: list[str], encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, env=environment, timeout=120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "vae"
    assert main(["train", "vae", "--epochs", "1", "--limit-per-class", "20", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("encoding", ["cp932", "cp1252", "latin-1", "ascii"])
def test_every_command_prints_in_any_encoding(encoding: str, trained: Path, tmp_path: Path) -> None:
    """Each result has signs such as − or δ that these encodings lack; what can be shown is shown."""
    (trained / "evaluation.json").unlink(missing_ok=True)
    commands = {
        "help": (["-m", "autograd_mini", "--help"], "exercise"),
        "list": (["-m", "autograd_mini", "list", "--runs", str(trained.parent)], "conv-vae"),
        "evaluate": (["-m", "autograd_mini", "evaluate", str(trained), "--k", "2"], "active units"),
        "exercise": (["-m", "autograd_mini", "exercise", "20", "--quick", "--out", str(tmp_path / "ex")], "82944"),
        "check": (["-c", CHECK], "square"),
    }
    for arguments, word in commands.values():
        result = run(arguments, encoding)
        assert result.returncode == 0, result.stderr
        assert word in result.stdout.decode(encoding)
        assert b"Traceback" not in result.stderr
    assert json.loads((trained / "evaluation.json").read_text(encoding="utf-8"))["k"] == 2
    assert "δ" in (tmp_path / "ex" / "result.md").read_text(encoding="utf-8"), "files are UTF-8 with all signs"


def test_programs_run_without_stdout_and_stderr(tmp_path: Path) -> None:
    """As in pythonw, where both are None."""
    folder = tmp_path / "run"
    script = "import sys; sys.stdout = sys.stderr = None; from autograd_mini.__main__ import main; codes = [{}]; sys.exit(max(codes))"
    commands = ([*TRAIN, "--out", str(folder)], ["evaluate", str(folder)], ["list"], ["--help"])
    result = run(["-c", script.format(", ".join(f"main({command!r})" for command in commands))])
    assert result.returncode == 0
    assert (folder / "evaluation.json").exists()
    assert (folder / "loss.png").exists()


def test_without_a_terminal_each_epoch_is_one_line(tmp_path: Path) -> None:
    result = run(["-m", "autograd_mini", *TRAIN, "--out", str(tmp_path / "run")])
    lines = [line for line in result.stderr.decode().splitlines() if line.startswith("epoch")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert b"\r" not in result.stderr
    assert b"%|" not in result.stderr


def test_rows_within_an_epoch_print_one_line_per_epoch(tmp_path: Path) -> None:
    result = run(["-m", "autograd_mini", *TRAIN, "--every", "2", "--out", str(tmp_path / "run")])
    lines = [line for line in result.stderr.decode().splitlines() if line.startswith("epoch")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) > 4


def test_evaluate_says_if_there_is_nothing_to_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One test image is too few for a distance between distributions."""
    import numpy as np
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for i in range(5):
        noise = np.random.default_rng(i).integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(noise).save(tmp_path / "pictures" / f"{i}.png")
    folder = str(tmp_path / "run")
    flags = ["--iterations", "2", "--every", "2", "--batch-size", "4", "--out", folder]
    assert main(["train", "gan", "--data", str(tmp_path / "pictures"), *flags]) == 0
    capsys.readouterr()
    assert main(["evaluate", folder]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("nothing to measure: GAN is evaluated by generated images, which are compared with two or more")
    assert str(tmp_path / "pictures") in printed
