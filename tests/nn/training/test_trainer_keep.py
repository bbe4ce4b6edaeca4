"""What a trainer keeps besides the last checkpoint, and the event files for TensorBoard."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_mini import models, nn
from autograd_mini.nn.training.keep import Keep

X = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


class Scores(nn.Callback):
    """Adds a metric with known values."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        row["score"] = self.values[len(trainer.history)]


def trainer(folder: Path, *callbacks: nn.Callback, **options: Any) -> nn.Trainer:
    model = models.MLP((4, 3))
    return nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), folder, callbacks=callbacks, progress=False, **options)


def fit(run: nn.Trainer, epochs: int) -> nn.Trainer:
    run.fit(nn.data.DataLoader(X, Y, batch_size=4), epochs)
    return run


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", [3, 1, 2, 1, 5], 2),
        ("max", [3, 1, 4, 4, 0], 3),
        ("min", [float("nan"), 2, float("nan"), 3, 4], 2),
        ("max", [1, 2, 3, 4, 5], 5),
    ],
)
def test_the_best_checkpoint_is_that_of_the_first_best_row_and_nan_is_never_best(
    tmp_path: Path, mode: str, values: list[float], best: int
) -> None:
    fit(trainer(tmp_path, Scores(values), keep_best=("score", mode)), 5)
    restored = trainer(tmp_path / "other", Scores(values))
    restored.load(tmp_path / "checkpoint-best.safetensors")
    assert len(restored.history) == best
    alone = fit(trainer(tmp_path / "alone", Scores(values)), 0)
    assert restored.iteration == 3 * best
    assert alone.history == []


def test_every_nth_checkpoint_is_kept_and_resumes(tmp_path: Path) -> None:
    fit(trainer(tmp_path, keep_every=2), 5)
    kept = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert kept == ["checkpoint-000006.safetensors", "checkpoint-000012.safetensors"]
    again = trainer(tmp_path / "again")
    again.load(tmp_path / "checkpoint-000006.safetensors")
    fit(again, 5)
    assert (tmp_path / "again/checkpoint.safetensors").read_bytes() == (tmp_path / "checkpoint.safetensors").read_bytes()


def test_an_unknown_metric_is_named_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"keep_best='val_loss' is not logged; expected one of: epoch, iteration, loss, accuracy"
    ):
        fit(trainer(tmp_path, keep_best="val_loss"), 1)


def test_accuracies_are_maximised_without_a_mode() -> None:
    rows = [{"iteration": 1, "val_accuracy": 0.5, "loss": 0.5}, {"iteration": 2, "val_accuracy": 0.6, "loss": 0.6}]
    assert Keep(best="val_accuracy").names(rows) == ["checkpoint-best.safetensors"]
    assert Keep(best="loss").names(rows) == []


# -- TensorBoard -------------------------------------------------------------------------------------------------------------


def events(folder: Path) -> list[tuple[str, int, float]]:
    """Returns (name, step, value) of all scalars; reads the record format of TensorFlow: length, checksum, data, checksum."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found, purged = [], 0
    for path in sorted(folder.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = proto.Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            if event.HasField("session_log"):
                purged = event.step
                found = [entry for entry in found if entry[1] < purged]
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
    return found


def test_event_files_have_the_history_once_also_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")

    class Stop(nn.Callback):
        def after_step(self, trainer: nn.Trainer) -> None:
            if trainer.iteration == 8:
                raise RuntimeError

    def create(*more: nn.Callback) -> nn.Trainer:
        np.random.default_rng(0)
        run = trainer(tmp_path, nn.LearningRateLog(), nn.TensorBoard(tmp_path / "events"), *more)
        if (tmp_path / "checkpoint.safetensors").exists():
            run.load(tmp_path / "checkpoint.safetensors")
        return run

    loader, validation = nn.data.DataLoader(X, Y, batch_size=4), nn.data.DataLoader(X, Y, batch_size=12)
    with pytest.raises(RuntimeError):
        create(Stop()).fit(loader, 4, validation)
    history = create(nn.Callback()).fit(nn.data.DataLoader(X, Y, batch_size=4), 4, validation)
    names = {
        "loss": "loss/train",
        "val_loss": "loss/val",
        "accuracy": "accuracy/train",
        "val_accuracy": "accuracy/val",
        "lr": "lr",
    }
    expected = {(names[key], row["iteration"]): value for row in history for key, value in row.items() if key in names}
    found = events(tmp_path / "events")
    assert len(found) == len(expected)
    for name, step, value in found:
        assert value == pytest.approx(expected[name, step], rel=1e-6)


def test_a_missing_library_is_named_with_its_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r'needs tensorboardX.*pip install "autograd-mini\[tensorboard\]"'):
        fit(trainer(tmp_path, nn.TensorBoard(tmp_path)), 1)


def test_callbacks_are_told_of_each_end_of_training(tmp_path: Path) -> None:
    class Ends(nn.Callback):
        count = 0

        def after_stop(self, trainer: nn.Trainer) -> None:
            self.count += 1

    ends, broken = Ends(), Scores([])
    fit(trainer(tmp_path / "a", ends), 1)
    with pytest.raises(IndexError):
        fit(trainer(tmp_path / "b", broken, ends), 1)
    assert ends.count == 2
