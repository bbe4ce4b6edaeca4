"""A run loses nothing and never lies: a folder belongs to one run, and what it contains belongs to its last checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.__main__ import main
from autograd_mini.cli import run as run_module
from autograd_mini.cli.compare import history, seconds
from autograd_mini.cli.finished_run import open_run
from autograd_mini.cli.run import RESULTS, Run, stored_recipe
from autograd_mini.models.recipes import RECIPES
from autograd_mini.tools.atomic_files import atomic_write, remove_temporary_files
from autograd_mini.tools.locks import FolderClaim, FolderInUseError

ROOT = Path(__file__).parent.parent.parent
TINY = replace(RECIPES["mlp", "digits"], limit_per_class=5, batch_size=25, epochs=2)
TRAIN = ["train", "mlp", "--limit-per-class", "5", "--batch-size", "25"]


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autograd_mini", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def wait_for(condition: Callable[[], object]) -> None:
    """Waits until a condition holds; the test fails by its time limit otherwise."""
    ready = threading.Event()
    for _ in range(6000):
        if condition():
            return
        ready.wait(0.01)
    pytest.fail("waited for a minute")


def same_weights(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# -- a folder belongs to one run -------------------------------------------------------------------------------------------


def test_runs_that_start_at_once_get_different_folders(tmp_path: Path) -> None:
    """Each of them ends as if it were alone."""
    processes = [start(*TRAIN, "--epochs", "3", "--seed", "4", folder=tmp_path) for _ in range(4)]
    printed = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, printed
    names = ["mlp-digits", *(f"mlp-digits-{i}" for i in (2, 3, 4))]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(names)
    assert sorted(out.split("results in ")[1].strip() for out, _ in printed) == sorted(f"runs/{name}" for name in names)
    for file in ("checkpoint.safetensors", "model.safetensors", "metrics.csv", "config.json"):
        assert len({(tmp_path / "runs" / name / file).read_bytes() for name in names}) == 1
    assert not list(tmp_path.rglob(".*"))


def test_a_second_writer_is_refused_by_name_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The process that trains is named; evaluation only reads, so it is allowed. A killed run leaves no lock."""
    folder = tmp_path / "run"
    with start(*TRAIN, "--epochs", "100000", "--out", "run", folder=tmp_path) as process:
        wait_for((folder / "metrics.csv").exists)
        for arguments in ([*TRAIN, "--out", str(folder)], ["resume", str(folder), "--epochs", "1"]):
            assert main(arguments) == 2
            printed = capsys.readouterr().err
            assert f"{folder} is in use by process {process.pid} on " in printed
            assert printed.count("\n") == 1
        assert main(["evaluate", str(folder)]) == 0
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert (folder / ".lock").exists()
    epochs = len(history(folder)) + 2
    assert main(["resume", str(folder), "--epochs", str(epochs)]) == 0
    assert len(history(folder)) == epochs
    assert not list(folder.glob(".*"))


def test_a_claim_is_for_one_thread_and_ends_with_its_last_holder(tmp_path: Path) -> None:
    def claim_elsewhere() -> Exception | None:
        errors: list[Exception | None] = []

        def claim() -> None:
            try:
                FolderClaim(tmp_path).release()
                errors.append(None)
            except FolderInUseError as error:
                errors.append(error)

        thread = threading.Thread(target=claim)
        thread.start()
        thread.join()
        return errors[0]

    outer, inner = FolderClaim(tmp_path), FolderClaim(tmp_path)
    inner.release()
    inner.release()
    assert "another thread of this process" in str(claim_elsewhere())
    outer.release()
    assert claim_elsewhere() is None
    assert not list(tmp_path.iterdir())


def test_a_trainer_claims_its_folder_only_while_it_trains(tmp_path: Path) -> None:
    """A second process is refused during `fit`."""
    seen = []

    class Probe(nn.Callback):
        def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
            program = f"from autograd_mini.tools.locks import FolderClaim\nFolderClaim({str(tmp_path)!r})"
            seen.append(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False))

    model = TINY.build()
    trainer = nn.Trainer(model, model.updates(0.1), tmp_path, callbacks=[Probe()], progress=False)
    assert not list(tmp_path.iterdir())
    trainer.fit(nn.data.DataLoader(nn.data.digits().train.only(limit_per_class=5)), epochs=1)
    assert f"{tmp_path} is in use by process {os.getpid()}" in seen[0].stderr
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.safetensors", "metrics.csv", "timing.csv"}


# -- results belong to the last checkpoint ---------------------------------------------------------------------------------


@pytest.fixture
def no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = type("Picture", (), {"save": lambda self, path: Path(path).write_text("graph")})()
    monkeypatch.setattr(run_module, "training_graphs", lambda *_: {"": picture})


@pytest.mark.usefixtures("no_graph")
def test_results_of_an_earlier_stop_do_not_outlive_a_later_checkpoint(tmp_path: Path) -> None:
    """After the first later checkpoint, evaluation uses its weights, also if `model.safetensors` lies there again."""
    with Run(TINY, tmp_path, progress=False) as run:
        run.train()
        run.write()
    for name in ("diagnosis.txt", "evaluation.json", "graph.dot"):
        (tmp_path / name).write_text("old")
    old, before = (tmp_path / "model.safetensors").read_bytes(), set(RESULTS) & set(os.listdir(tmp_path))
    assert {"model.safetensors", "graph.svg", "summary.txt", "loss.png", "confusion.png"} <= before
    with Run(replace(TINY, epochs=3), tmp_path, resume=True, progress=False) as longer:
        assert before <= set(os.listdir(tmp_path)), "nothing is removed before there is a later checkpoint"
        longer.train()  # and is killed before it writes its results
    assert not set(RESULTS) & set(os.listdir(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(old)
    assert same_weights(open_run(tmp_path).model.state_dict(), longer.model.state_dict())
    assert not same_weights(longer.model.state_dict(), nn.load(tmp_path / "model.safetensors"))


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize(
    "changes",
    [{}, {"options": {"width": 4, "ema": 0.9}}, {"options": {"width": 4, "ema": 0.9}, "early_stop": "g_loss"}],
    ids=["last weights", "averages", "best averages"],
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_checkpoint_gives_the_weights_that_a_finished_run_saves(
    tmp_path: Path, changes: dict[str, Any], interrupted: bool
) -> None:
    """An interrupted run saves them too."""
    name = ("dcgan" if changes else "mlp", "digits")
    recipe = replace(RECIPES[name], **changes, epochs=None, iterations=9, every=2, frechet=False, limit_per_class=9)
    with Run(recipe, tmp_path, progress=False) as run:
        if interrupted:
            step, count = run.trainer._step, iter(range(99))
            run.trainer._step = lambda *batch: (next(count) == 6 and signal.raise_signal(signal.SIGINT), step(*batch))
        run.train()
        run.write()
    assert run.trainer.iteration == (7 if interrupted else 9)
    saved = nn.load(tmp_path / "model.safetensors")
    assert same_weights(open_run(tmp_path).model.state_dict(), saved)
    (tmp_path / "checkpoint.safetensors").unlink()
    assert same_weights(open_run(tmp_path).model.state_dict(), saved)


def test_the_graph_does_not_depend_on_gradients_that_training_left() -> None:
    """A run that was killed while it wrote its results has none when it is resumed."""
    model, images = TINY.build(), nn.data.digits().test[:4]
    before = run_module.training_graphs(model, *images)[""].source
    model.training_step(tuple(map(ag.as_tensor, images)))["loss"].backward()
    assert run_module.training_graphs(model, *images)[""].source == before


# -- no dead end -----------------------------------------------------------------------------------------------------------


def test_a_run_without_a_checkpoint_is_resumed_from_its_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It diverged or was killed before its first checkpoint."""
    assert main([*TRAIN, "--epochs", "2", "--lr", "1e38", "--out", str(tmp_path / "diverged")]) == 2
    assert main(["evaluate", str(tmp_path / "diverged")]) == 2
    assert "the run has no checkpoint yet; autograd-mini resume" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "diverged"), "--lr", "0.001"]) == 0
    Run(stored_recipe(tmp_path / "diverged"), tmp_path / "killed").close()
    assert main(["resume", str(tmp_path / "killed")]) == 0
    assert main([*TRAIN, "--epochs", "2", "--lr", "0.001", "--out", str(tmp_path / "whole")]) == 0
    for file in ("checkpoint.safetensors", "metrics.csv", "config.json"):
        whole = (tmp_path / "whole" / file).read_bytes()
        assert (tmp_path / "killed" / file).read_bytes() == whole
        assert (tmp_path / "diverged" / file).read_bytes() == whole


def test_a_learning_rate_that_diverges_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main([*TRAIN, "--epochs", "2", "--out", str(folder)]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["resume", str(folder), "--lr", "1e30", "--epochs", "4"]) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert main(["resume", str(folder), "--epochs", "4"]) == 0
    assert main([*TRAIN, "--epochs", "4", "--out", str(tmp_path / "whole")]) == 0
    for file in ("checkpoint.safetensors", "metrics.csv", "config.json"):
        assert (folder / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_a_learning_rate_is_kept_with_its_first_checkpoint(tmp_path: Path) -> None:
    """A run that is killed before that resumes with the rate of its checkpoint, and to the length that was requested."""
    folder = tmp_path / "run"
    assert main([*TRAIN, "--epochs", "2", "--out", str(folder)]) == 0
    recipe = stored_recipe(folder)
    Run(replace(recipe, lr=1e30, epochs=4), folder, resume=True, progress=False).close()  # killed before its first batch
    assert stored_recipe(folder) == replace(recipe, epochs=4)
    with Run(replace(recipe, lr=1e-4, epochs=3), folder, resume=True, progress=False) as run:
        run.train()
    assert stored_recipe(folder) == replace(recipe, lr=1e-4, epochs=3)


def test_fewer_batches_than_trained_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--iterations", "4", "--out", str(tmp_path)]) == 0
    config = (tmp_path / "config.json").read_bytes()
    assert main(["resume", str(tmp_path), "--iterations", "3"]) == 2
    assert "already trained for 4 iterations, more than the requested 3" in capsys.readouterr().err
    assert (tmp_path / "config.json").read_bytes() == config


# -- early stopping --------------------------------------------------------------------------------------------------------


def test_an_early_stop_is_lifted_by_a_larger_patience_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`resume --epochs` says why it does not train on, and how; with more patience the run ends as with that patience from
    the start."""
    flags = ["--lr", "0", "--early-stop", "val_loss", "--epochs", "8"]
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    assert main([*TRAIN, *flags, "--patience", "2", "--out", str(parts)]) == 0
    assert f"to continue: autograd-mini resume {parts} --patience N, with N above 2" in capsys.readouterr().out
    before = (parts / "config.json").read_bytes()
    for more in (["--epochs", "9"], ["--patience", "1"]):
        assert main(["resume", str(parts), *more]) == 2
        printed = " ".join(capsys.readouterr().err.split())
        assert "stopped early: val_loss was best 2 rows ago; to continue: autograd-mini resume" in printed
        assert (parts / "config.json").read_bytes() == before
    assert main(["resume", str(parts), "--patience", "4"]) == 0
    assert main([*TRAIN, *flags, "--patience", "4", "--out", str(whole)]) == 0
    assert len(history(whole)) == 5
    for file in ("checkpoint.safetensors", "metrics.csv", "config.json"):
        assert (parts / file).read_bytes() == (whole / file).read_bytes()


# -- damaged files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "good"
    with Run(TINY, folder, progress=False) as run:
        run.train()
        nn.save(folder / "model.safetensors", run.model)
    return folder


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def text(content: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    ("config.json", text("[" * 100_000)),
    ("config.json", text("[1, 2]")),
    ("config.json", text("null")),
    ("config.json", text(b"\xff\xfe")),
    ("config.json", text("")),
    ("config.json", text('{"model": ["mlp"]}')),
    ("config.json", text('{"model": {"a": 1}, "data": "digits"}')),
    ("config.json", lambda path: (path.unlink(), path.mkdir())),
    ("metrics.csv", text("loss,val_loss\n1,2\n")),
    ("metrics.csv", text("epoch,loss\n1,x\n")),
    ("metrics.csv", text("epoch,loss\n1,2,3\n")),
    ("metrics.csv", text("epoch,loss\n")),
    ("metrics.csv", text(b"epoch,loss\n1,\xff\n")),
    ("metrics.csv", lambda path: path.unlink()),
]
if hasattr(os, "mkfifo"):
    DAMAGES += [("config.json", fifo), ("metrics.csv", fifo)]


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_damaged_run_breaks_neither_list_nor_compare(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    name, damage = DAMAGES[number]
    for folder in ("bad", "good"):
        shutil.copytree(finished, tmp_path / folder)
    damage(tmp_path / "bad" / name)
    assert main(["list", "--runs", str(tmp_path)]) == 0
    assert f"| {tmp_path / 'good'} " in capsys.readouterr().out
    runs = [str(tmp_path / folder) for folder in ("bad", "good")]
    assert main(["compare", *runs, "--out", str(tmp_path / "comparison.svg")]) == 0
    printed = capsys.readouterr()
    assert [line.split("|")[1].strip() for line in printed.out.splitlines() if line.startswith("|")][2:] == ["good"]
    assert printed.err.startswith(f"autograd-mini: skipped: {tmp_path / 'bad' / name}: ")
    assert printed.err.count("\n") == 1
    commands = [["compare", runs[0]], *([["resume", runs[0]], ["evaluate", runs[0]]] if name == "config.json" else [])]
    for command in commands:
        assert main(command) == 2
        printed = capsys.readouterr()
        assert name in printed.err
        assert printed.err.count("\n") == 1


def test_a_byte_order_mark_and_a_torn_timing_are_no_damage(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Editors on Windows write the mark; a full disk or a kill cuts the last line of timing.csv."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    for name in ("config.json", "metrics.csv"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert history(folder) == history(finished)
    assert stored_recipe(folder) == TINY
    (folder / "timing.csv").write_text("iteration,seconds\n2,1.5\n4,0.")
    assert main(["resume", str(folder), "--epochs", "3"]) == 0
    lines = (folder / "timing.csv").read_text().splitlines()
    assert lines[:3] == ["iteration,seconds", "2,1.5", "4,0."]
    assert len(lines) == 4
    assert seconds(folder) == 1.5 + float(lines[3].split(",")[1])
    (folder / "timing.csv").unlink()
    assert seconds(folder) == 0


def test_any_flipped_bit_of_a_checkpoint_is_named_in_one_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a flip in the name of its digest: a checkpoint has no other metadata."""
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    name = whole.index(b"autograd_mini.sha256")
    bits = [*rng.integers(0, 8 * len(whole), 300), *rng.integers(0, 8 * 2000, 100), *range(8 * name, 8 * (name + 20))]
    for bit in map(int, bits):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"checkpoint\.safetensors: "):
            nn.training.checkpoint.load_checkpoint(path)
    for command in (["resume", str(tmp_path / "run"), "--epochs", "3"], ["evaluate", str(tmp_path / "run")]):
        assert main(command) == 2
        printed = capsys.readouterr().err
        assert "checkpoint.safetensors: " in printed
        assert printed.count("\n") == 1


def test_a_checkpoint_without_a_digest_loads_or_is_reported(finished: Path) -> None:
    """Such files are written by older versions. Any part of another type raises ValueError and changes nothing."""
    from safetensors.numpy import save_file

    path = finished.parent / "old.safetensors"
    arrays, metadata = nn.serialize.load_contents(finished / "checkpoint.safetensors")
    whole = json.loads(metadata["checkpoint"])

    def trainer() -> nn.Trainer:
        model = TINY.build()
        updates = model.updates(TINY.lr)
        return nn.Trainer(model, updates, callbacks=[nn.Schedule(nn.ExponentialLR(updates, 1.0))], progress=False)

    save_file(arrays, path, {"checkpoint": json.dumps(whole)})
    loaded, fresh = trainer(), trainer()
    loaded.load(path)
    assert same_weights(loaded.model.state_dict(), open_run(finished).model.state_dict())
    before = fresh.model.state_dict()
    parts = [(part,) for part in whole] + [
        ("optimizers", 0),
        ("callbacks", 0),
        ("history", "length"),
        ("history", "columns"),
        ("random", next(iter(whole["random"]))),
    ]
    for place in parts:
        for value in (None, 3, "text", [1], {"a": 1}, [[]], 1e400):
            state = json.loads(metadata["checkpoint"])
            target = state
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = value
            save_file(arrays, path, {"checkpoint": json.dumps(state)})
            try:
                fresh.load(path)
            except ValueError:
                assert same_weights(fresh.model.state_dict(), before)
                assert (fresh.iteration, fresh.history) == (0, [])
            else:
                fresh = trainer()
                before = fresh.model.state_dict()


# -- nothing left behind ---------------------------------------------------------------------------------------------------


def test_only_abandoned_temporary_files_are_removed(tmp_path: Path) -> None:
    """Not the file that somebody writes, no other names, no links, and nothing behind a link."""
    folder, other = tmp_path / "run", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    keep = {".notes.tmp", ".my.notes123.tmp", "a.0a1b2c3d.tmp", ".link.0a1b2c3d.tmp", "samples"}
    for path in (folder / ".a.png.0a1b2c3d.tmp", folder / ".b.0000ffff.tmp", other / ".c.0a1b2c3d.tmp", other / "precious"):
        path.write_text("x")
    for name in sorted(keep - {".link.0a1b2c3d.tmp", "samples"}):
        (folder / name).write_text("x")
    (folder / ".link.0a1b2c3d.tmp").symlink_to(other / "precious")
    (folder / "samples").symlink_to(other)
    with atomic_write(folder / "d") as temporary:
        temporary.write_text("new")
        remove_temporary_files(folder)
        remove_temporary_files(folder / "samples")
        assert {path.name for path in folder.iterdir()} == keep | {temporary.name}
    assert (folder / "d").read_text() == "new"
    assert {path.name for path in other.iterdir()} == {".c.0a1b2c3d.tmp", "precious"}


def test_a_run_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    """In its folder and among its samples; readers remove nothing."""
    recipe = replace(RECIPES["gan", "digits"], epochs=None, iterations=4, every=2, frechet=False, limit_per_class=5)
    with Run(recipe, tmp_path, progress=False) as run:
        run.train()
    leftovers = [tmp_path / ".checkpoint.safetensors.01234567.tmp", tmp_path / "samples" / ".iteration-000002.png.01234567.tmp"]
    for path in leftovers:
        path.write_text("half")
    open_run(tmp_path)
    nn.Trainer(run.model, run.model.updates(0.1), tmp_path)
    assert all(path.exists() for path in leftovers)
    with Run(replace(recipe, iterations=6), tmp_path, resume=True, progress=False) as rest:
        rest.train()
    assert not list(tmp_path.rglob(".*"))
