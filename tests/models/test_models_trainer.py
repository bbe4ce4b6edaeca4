"""The trainer: its records match what happened, and a resumed run equals an uninterrupted one."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl

import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=7)


def loader() -> nn.data.DataLoader:
    return nn.data.DataLoader(FEW.images, batch_size=16, shuffle=True, seed=3)


def new_trainer(folder: Path | None = None, seed: int = 0) -> nn.Trainer:
    ag.manual_seed(seed)
    vae = models.VAE((64, 16, 2))
    return nn.Trainer(vae, nn.Adam(vae.parameters(), lr=1e-2), folder, progress=False)


class InterruptingLoader(nn.data.DataLoader):
    """Sends Ctrl-C while batch `at` of epoch `during` is loaded."""

    during, at = 1, 2

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[ag.Tensor, ...]]:
        for i, batch in enumerate(super().epoch(number, start), start):
            if (number, i) == (self.during, self.at):
                signal.raise_signal(signal.SIGINT)
            yield batch


def test_a_run_interrupted_by_ctrl_c_resumes_bit_for_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = new_trainer()
    whole.fit(loader(), epochs=4, validation=loader())

    stopped = new_trainer(tmp_path)
    stopped.fit(InterruptingLoader(FEW.images, batch_size=16, shuffle=True, seed=3), epochs=4, validation=loader())
    assert stopped.interrupted
    assert (
        f"after 8 batches; saved to {tmp_path / 'checkpoint.safetensors'}; resume with Trainer.load" in capsys.readouterr().err
    )

    resumed = new_trainer(tmp_path, seed=99)
    resumed.load(tmp_path / "checkpoint.safetensors")
    resumed.fit(loader(), epochs=4, validation=loader())
    assert not resumed.interrupted
    assert resumed.history == whole.history
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])


def test_ctrl_c_works_normally_after_training_and_at_the_second_press() -> None:
    handler = signal.getsignal(signal.SIGINT)
    new_trainer().fit(loader(), epochs=1)
    assert signal.getsignal(signal.SIGINT) is handler

    class Impatient(InterruptingLoader):
        def epoch(self, number: int, start: int = 0) -> Iterator[tuple[ag.Tensor, ...]]:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return super().epoch(number, start)

    with pytest.raises(KeyboardInterrupt):
        new_trainer().fit(Impatient(FEW.images), epochs=1)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_table_on_disk_is_the_history(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path / "new" / "folder")
    trainer.fit(loader(), epochs=3, validation=loader())
    with open(tmp_path / "new" / "folder" / "metrics.csv", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == trainer.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"loss", "reconstruction", "kl", "val_loss", "val_kl"} <= rows[0].keys()
    assert len((tmp_path / "new" / "folder" / "timing.csv").read_text().splitlines()) == 4


def test_any_name_of_a_loss_is_one_cell_of_the_table(tmp_path: Path) -> None:
    """Readers end a line at a carriage return, too, unless it is quoted."""
    names = ["a\rb", "c\r\nd", "e\nf", "g,h", 'i"j', "é", " k ", "=1+1"]
    model = nn.Linear(2, 1)
    losses = lambda batch: {"loss": (loss := ag.mean(ag.square(model(batch[0])))), **dict.fromkeys(names, loss)}
    trainer = nn.Trainer(model, {"x": nn.Update(losses, nn.SGD(model.parameters(), lr=0.1))}, tmp_path, progress=False)
    trainer.fit(nn.data.DataLoader(np.ones((4, 2), np.float32), np.ones(4, np.int64)), epochs=2)
    with open(tmp_path / "metrics.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["epoch", "iteration", "x_loss", *(f"x_{name}" for name in names)]
    assert [[float(cell) for cell in row] for row in rows] == [list(row.values()) for row in trainer.history]


def test_means_weigh_each_image_equally() -> None:
    """70 images in batches of 16 leave 6; an average over batches would weigh those almost three times as much."""
    trainer = new_trainer()
    batches = (nn.data.DataLoader(FEW.images, batch_size=n) for n in (70, 16))
    kl = [trainer.evaluate(b)["kl"] for b in batches]
    assert kl[0] == pytest.approx(kl[1], rel=1e-5)


def test_evaluation_changes_neither_weights_nor_mode() -> None:
    trainer = new_trainer()
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


def test_loading_a_checkpoint_of_another_model_raises_and_changes_nothing(tmp_path: Path) -> None:
    new_trainer(tmp_path).fit(loader(), epochs=1)
    other = models.VAE((64, 8, 2))
    before = other.state_dict()
    with pytest.raises(ValueError, match=r"encoder\.0\.weight.*\(8, 64\).*\(16, 64\)"):
        nn.Trainer(other, nn.Adam(other.parameters())).load(tmp_path / "checkpoint.safetensors")
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_a_weights_file_as_a_checkpoint_raises(tmp_path: Path) -> None:
    trainer = new_trainer()
    nn.save(tmp_path / "model.safetensors", trainer.model)
    with pytest.raises(ValueError, match=r"model\.safetensors: not a checkpoint"):
        trainer.load(tmp_path / "model.safetensors")


def test_the_graph_of_a_step_is_dropped() -> None:
    """A loss kept by the model's user must not keep a whole epoch's graphs alive."""
    trainer = new_trainer()
    kept = []
    step = trainer.model.training_step
    trainer.model.training_step = lambda batch: kept.append(step(batch)) or kept[-1]
    with pytest.warns(UserWarning, match="cannot be compiled: it changes kept in Python"):
        trainer.fit(loader(), epochs=1)
    with pytest.raises(RuntimeError, match="freed"):
        kept[0]["loss"].backward()


def test_validation_does_not_change_the_run() -> None:
    """A VAE draws noise in validation too; this must not change the random state of training."""
    with_validation = new_trainer()
    with_validation.fit(loader(), epochs=2, validation=loader())
    without = new_trainer()
    without.fit(loader(), epochs=2)
    for name, array in without.model.state_dict().items():
        np.testing.assert_array_equal(array, with_validation.model.state_dict()[name])


def test_iterations_can_end_within_an_epoch_and_resume_there() -> None:
    """5 batches per epoch: a row every 3 batches and after the last one."""
    ag.manual_seed(0)
    vae = models.VAE((64, 16, 2))
    trainer = nn.Trainer(vae, nn.Adam(vae.parameters(), lr=1e-2), every=3, progress=False)
    trainer.fit(loader(), iterations=8)
    assert [(row["epoch"], row["iteration"]) for row in trainer.history] == [(1, 3), (2, 6), (2, 8)]
    trainer.fit(loader(), iterations=10)
    whole = new_trainer()
    whole.fit(loader(), epochs=2)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, vae.state_dict()[name])


def test_resuming_with_data_in_another_order_raises() -> None:
    trainer = new_trainer()
    trainer.fit(loader(), epochs=1)
    with pytest.raises(ValueError, match="seed was 3, is 4"):
        trainer.fit(nn.data.DataLoader(FEW.images, batch_size=16, shuffle=True, seed=4), epochs=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "either epochs"), ({"epochs": 1, "iterations": 1}, "either epochs")],
)
def test_the_length_of_a_run_has_one_unit(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_trainer().fit(loader(), **arguments)
    with pytest.raises(ValueError, match="no batch"):
        new_trainer().fit(nn.data.DataLoader(FEW.images[:0]), iterations=1)


def test_a_model_without_a_loss_raises_with_the_names_it_returned() -> None:
    trainer = new_trainer()
    trainer.model.training_step = lambda batch: {"accuracy": ag.Tensor(1.0)}
    with pytest.raises(ValueError, match=r"named 'loss' .*got accuracy"):
        trainer.fit(loader(), epochs=1)


def test_blas_uses_one_thread_during_training_only() -> None:
    """Unless the limit is disabled; the previous value is restored afterwards."""

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    class Counting(nn.Callback):
        def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
            seen.append(threads())

    before, seen = threads(), []
    for wanted in (1, 2, None):
        model = models.MLP((64, 10))
        data = nn.data.DataLoader(FEW, batch_size=70)
        nn.Trainer(model, nn.SGD(model.parameters()), callbacks=[Counting()], progress=False, threads=wanted).fit(data, 1)
        assert threads() == before
    assert seen == [{1}, {1}, before]


def test_a_compiled_run_is_identical_and_falls_back_to_eager_mode() -> None:
    class Looking(models.VAE):
        def training_step(self, batch: tuple[ag.Tensor, ...]) -> dict[str, ag.Tensor]:
            losses = super().training_step(batch)
            assert losses["loss"].item() > 0
            return losses

    class Counting(models.VAE):
        steps = 0

        def training_step(self, batch: tuple[ag.Tensor, ...]) -> dict[str, ag.Tensor]:
            self.steps += 1
            return super().training_step(batch)

    class Popping(models.VAE):
        def __init__(self, sizes: tuple[int, ...]) -> None:
            super().__init__(sizes)
            self.left = list(range(100))

        def training_step(self, batch: tuple[ag.Tensor, ...]) -> dict[str, ag.Tensor]:
            self.left.pop()
            return super().training_step(batch)

    def run(kind: type[models.VAE], jit: bool) -> tuple[Any, dict[str, Any]]:
        ag.manual_seed(0)
        vae = kind((64, 16, 2))
        trainer = nn.Trainer(vae, nn.Adam(vae.parameters(), lr=1e-2), progress=False, jit=jit)
        history = trainer.fit(loader(), epochs=3, validation=loader())
        assert getattr(vae, "left", list(range(100))) == list(range(100 - (trainer.iteration * 2 if kind is Popping else 0)))
        return history, vae.state_dict()

    history, weights = run(models.VAE, jit=False)
    compiled = run(models.VAE, jit=True)
    with pytest.warns(UserWarning, match="cannot be compiled.* needs a concrete value"):
        looking = run(Looking, jit=True)
    with pytest.warns(UserWarning, match="cannot be compiled.* changes model.steps in Python"):
        counting = run(Counting, jit=True)
    with pytest.warns(UserWarning, match="cannot be compiled.* changes model.left.* in Python"):
        popping = run(Popping, jit=True)
    for other_history, other_weights in (compiled, looking, counting, popping):
        assert other_history == history
        assert all(np.array_equal(weights[name], other_weights[name]) for name in weights)


# -- several updates -------------------------------------------------------------------------------------------------------


class Duel(nn.Module):
    """A model of two networks that logs each update and which parameters require gradients."""

    def __init__(self) -> None:
        self.a, self.b = nn.Linear(64, 1), nn.Linear(64, 1)
        self.log: list[tuple[str, bool, bool]] = []

    def losses(self, network: str, batch: tuple[ag.Tensor, ...]) -> dict[str, ag.Tensor]:
        self.log.append((network, self.a.weight.requires_grad, self.b.weight.requires_grad))
        x = ag.flatten(batch[0], 1)
        difference = ag.mean(ag.square(self.a(x) - self.b(x)))
        return {"loss": difference if network == "a" else -difference}

    def updates(self, **ratio: int) -> dict[str, nn.Update]:
        return {
            name: nn.Update(
                lambda batch, name=name: self.losses(name, batch), nn.SGD(getattr(self, name).parameters(), lr=0.01), **options
            )
            for name, options in (("a", {}), ("b", ratio))
        }


@pytest.mark.parametrize(("ratio", "moves"), [({"times": 2}, "abbabbabb"), ({"every": 2}, "abaab"), ({"start": 2}, "aaab")])
def test_networks_are_updated_in_their_ratio_while_the_others_are_frozen(ratio: dict[str, int], moves: str) -> None:
    duel = Duel()
    trainer = nn.Trainer(duel, duel.updates(**ratio), progress=False, jit=False)  # a replay writes nothing down
    row = trainer.fit(nn.data.DataLoader(FEW.images, batch_size=10), iterations=3)[-1]
    assert "".join(network for network, _, _ in duel.log) == moves
    assert all((a, b) == (network == "a", network == "b") for network, a, b in duel.log)
    assert row.keys() == {"epoch", "iteration", "a_loss", "b_loss"}
    assert all(p.requires_grad for p in duel.parameters())


@pytest.mark.parametrize("ratio", [{"times": 2}, {"every": 3}, {"start": 5}])
def test_updates_resume_in_phase_after_an_interruption(tmp_path: Path, ratio: dict[str, int]) -> None:
    """Optimizer states and the update phase are restored: a run stopped after 4 of 9 batches ends like the full run."""

    def run(folder: Path) -> nn.Trainer:
        ag.manual_seed(0)
        duel = Duel()
        return nn.Trainer(duel, duel.updates(**ratio), folder, every=4, progress=False, jit=False)

    batches = lambda: nn.data.DataLoader(FEW.images, batch_size=10, shuffle=True)
    run(tmp_path / "whole").fit(batches(), iterations=9)
    run(tmp_path / "parts").fit(batches(), iterations=4)
    resumed = run(tmp_path / "parts")
    resumed.load(tmp_path / "parts" / "checkpoint.safetensors")
    resumed.fit(batches(), iterations=9)
    for name in ("checkpoint.safetensors", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_loading_a_checkpoint_of_other_updates_raises_and_changes_nothing(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path)
    trainer.fit(loader(), epochs=1)
    weights = trainer.model.state_dict()
    other = nn.Trainer(trainer.model, nn.SGD(trainer.model.parameters()), callbacks=[nn.LearningRateLog()])
    next(trainer.model.parameters()).data += 1
    changed = trainer.model.state_dict()
    with pytest.raises(ValueError, match="the run had 0 callbacks, this one has 1"):
        other.load(tmp_path / "checkpoint.safetensors")
    for name, array in changed.items():
        np.testing.assert_array_equal(array, trainer.model.state_dict()[name])
    assert any(np.any(array != changed[name]) for name, array in weights.items())


def test_a_parameter_frozen_by_the_user_stays_frozen() -> None:
    duel = Duel()
    duel.a.bias.requires_grad = False
    trainer = nn.Trainer(duel, duel.updates(), progress=False, jit=False)
    trainer.fit(nn.data.DataLoader(FEW.images, batch_size=10), iterations=2)
    assert not duel.a.bias.requires_grad


def test_sam_trains_and_logs_the_loss_at_the_weights_themselves() -> None:
    model = models.MLP((64, 10))
    data = nn.data.DataLoader(FEW, batch_size=70)
    before = nn.Trainer(model, nn.SGD(model.parameters())).evaluate(data)["loss"]
    trainer = nn.Trainer(model, nn.SAM(nn.SGD(model.parameters(), lr=0.5)), progress=False)
    history = trainer.fit(data, epochs=5)
    assert history[0]["loss"] == pytest.approx(before)
    assert history[-1]["loss"] < before


# -- what goes wrong -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_run_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path)
    trainer.fit(loader(), epochs=1)
    good, weights = (tmp_path / "checkpoint.safetensors").read_bytes(), trainer.model.state_dict()
    step = trainer.model.training_step
    trainer.model.training_step = lambda batch: {"loss": step(batch)["loss"] * float("nan")}
    with pytest.raises(nn.DivergedError, match=r"loss became nan in epoch 2, at batch 6 .*checkpoint\.safetensors"):
        trainer.fit(loader(), epochs=2)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good
    for name, array in weights.items():
        np.testing.assert_array_equal(array, trainer.model.state_dict()[name], "the step was applied nevertheless")


def test_parameters_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    """The last step before a checkpoint can make weights non-finite although its loss was finite."""
    trainer = new_trainer(tmp_path)
    trainer.fit(loader(), epochs=1)
    good = (tmp_path / "checkpoint.safetensors").read_bytes()

    class Spoiling(nn.Callback):
        def after_step(self, trainer: nn.Trainer) -> None:
            if trainer.iteration == 10:
                next(trainer.model.parameters()).data = np.full((16, 64), np.inf, np.float32)

    trainer.callbacks = (Spoiling(),)
    with pytest.raises(nn.DivergedError, match="a parameter became nan or infinite in epoch 2"):
        trainer.fit(loader(), epochs=2)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
def test_a_full_disk_raises_and_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    trainer = new_trainer(tmp_path)
    trainer.fit(loader(), epochs=1)
    good = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(call, full)
        with pytest.raises(OSError, match=r"checkpoint\.safetensors: .*No space left on device.*unchanged"):
            trainer.fit(loader(), epochs=2)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.safetensors", "metrics.csv", "timing.csv"}
    new_trainer(tmp_path).load(tmp_path / "checkpoint.safetensors")


def test_a_missing_folder_raises(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError, match=r"cannot be written \(No such file or directory\).*run"):
        trainer.fit(loader(), epochs=1)
