"""The trainer: what it records is what happened, and a run that stopped goes on as if it had not."""

from __future__ import annotations

import csv
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=7)


def loader() -> nn.data.DataLoader:
    return nn.data.DataLoader(FEW.images, batch_size=16, shuffle=True, seed=3)


def fresh(folder: Path | None = None, seed: int = 0) -> nn.Trainer:
    ag.manual_seed(seed)
    vae = models.VAE((64, 16, 2))
    return nn.Trainer(vae, nn.Adam(vae.parameters(), lr=1e-2), folder, progress=False)


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


class InterruptingLoader(nn.data.DataLoader):
    """Presses Ctrl-C while batch `at` of epoch `during` is being dealt."""

    during, at = 1, 2

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[ag.Tensor, ...]]:
        for i, batch in enumerate(super().epoch(number, start), start):
            if (number, i) == (self.during, self.at):
                signal.raise_signal(signal.SIGINT)
            yield batch


def test_a_run_interrupted_by_ctrl_c_goes_on_bit_for_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = fresh()
    whole.fit(loader(), epochs=4, validation=loader())

    stopped = fresh(tmp_path)
    stopped.fit(InterruptingLoader(FEW.images, batch_size=16, shuffle=True, seed=3), epochs=4, validation=loader())
    assert stopped.interrupted
    assert f"after 1 epochs and 3 batches; saved to {tmp_path / 'checkpoint.safetensors'}" in capsys.readouterr().err

    resumed = fresh(tmp_path, seed=99)
    resumed.load(tmp_path / "checkpoint.safetensors")
    resumed.fit(loader(), epochs=4, validation=loader())
    assert not resumed.interrupted
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])


def test_ctrl_c_works_as_ever_after_training_and_at_the_second_press() -> None:
    handler = signal.getsignal(signal.SIGINT)
    fresh().fit(loader(), epochs=1)
    assert signal.getsignal(signal.SIGINT) is handler

    class Impatient(InterruptingLoader):
        def epoch(self, number: int, start: int = 0) -> Iterator[tuple[ag.Tensor, ...]]:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return super().epoch(number, start)

    with pytest.raises(KeyboardInterrupt):
        fresh().fit(Impatient(FEW.images), epochs=1)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_table_on_disk_is_the_history(tmp_path: Path) -> None:
    trainer = fresh(tmp_path / "new" / "folder")
    trainer.fit(loader(), epochs=3, validation=loader())
    with open(tmp_path / "new" / "folder" / "metrics.csv", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == trainer.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"loss", "reconstruction", "kl", "val_loss", "val_kl", "seconds"} <= rows[0].keys()


def test_means_weigh_each_image_alike_however_batches_fall() -> None:
    """70 images in batches of 16 leave 6; an average over batches would count those almost thrice."""
    trainer = fresh()
    batches = (nn.data.DataLoader(FEW.images, batch_size=n) for n in (70, 16))
    kl = [trainer.evaluate(b)["kl"] for b in batches]
    assert kl[0] == pytest.approx(kl[1], rel=1e-5)


def test_evaluation_trains_nothing_and_leaves_the_mode_as_it_was() -> None:
    trainer = fresh()
    before = trainer.model.state_dict()
    seen = []
    step = trainer.model.training_step
    trainer.model.training_step = lambda batch: seen.append(trainer.model.training) or step(batch)
    trainer.evaluate(loader())
    assert seen == [False] * 5
    assert trainer.model.training
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(p.grad is None for p in trainer.model.parameters())


def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    fresh(tmp_path).fit(loader(), epochs=1)
    other = models.VAE((64, 8, 2))
    before = other.state_dict()
    with pytest.raises(ValueError, match=r"encoder\.0\.weight.*\(8, 64\).*\(16, 64\)"):
        nn.Trainer(other, nn.Adam(other.parameters())).load(tmp_path / "checkpoint.safetensors")
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_plain_weights_file_is_no_checkpoint(tmp_path: Path) -> None:
    trainer = fresh()
    nn.save(tmp_path / "model.safetensors", trainer.model)
    with pytest.raises(ValueError, match=r"model\.safetensors: is no checkpoint"):
        trainer.load(tmp_path / "model.safetensors")


def test_the_graph_of_a_step_is_dropped() -> None:
    """A loss kept by the model's user must not keep a whole epoch's graphs alive."""
    trainer = fresh()
    kept = []
    step = trainer.model.training_step
    trainer.model.training_step = lambda batch: kept.append(step(batch)) or kept[-1]
    trainer.fit(loader(), epochs=1)
    with pytest.raises(RuntimeError, match="dropped"):
        kept[0]["loss"].backward()
