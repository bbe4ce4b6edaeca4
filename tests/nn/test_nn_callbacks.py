"""The callbacks of the trainer: what they log and keep, and that best weights are for use only."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=7)


def loader() -> nn.data.DataLoader:
    return nn.data.DataLoader(FEW.images, batch_size=16, shuffle=True, seed=3)


def new_trainer(folder: Path | None = None) -> nn.Trainer:
    ag.manual_seed(0)
    vae = models.VAE((64, 16, 2))
    return nn.Trainer(vae, nn.Adam(vae.parameters(), lr=1e-2), folder, progress=False)


class Scripted(nn.Callback):
    """Adds scripted scores to rows, and stores the weights at each row."""

    def __init__(self, scores: list[float]) -> None:
        self.scores, self.weights = scores, []

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        row["score"] = self.scores[len(trainer.history)]
        self.weights.append(trainer.model.state_dict())


@pytest.mark.parametrize(
    ("scores", "options", "rows", "best"),
    [
        ([3.0, 1.0, 2.0, 2.0, 0.0], {"patience": 2}, 4, 1),
        ([1.0, 3.0, 2.0, 2.0, 9.0], {"patience": 2, "mode": "max"}, 4, 1),
        ([3.0, 2.9, 2.8, 2.7, 2.6], {"patience": 2, "min_delta": 0.5}, 3, 0),
        ([5.0, 4.0, 3.0, 4.0, 5.0], {"patience": 9}, 5, 2),
    ],
)
def test_early_stopping_ends_with_the_best_weights(
    scores: list[float], options: dict[str, object], rows: int, best: int
) -> None:
    script, stopping = Scripted(scores), nn.EarlyStopping("score", **options)
    trainer = new_trainer()
    trainer.callbacks = (script, stopping)
    assert len(trainer.fit(loader(), epochs=5)) == rows
    assert stopping.best_row == best
    for name, array in script.weights[best].items():
        np.testing.assert_array_equal(array, trainer.model.state_dict()[name])


def test_ctrl_c_at_the_last_batch_still_ends_with_the_best_weights() -> None:
    script, stopping = Scripted([1.0, 2.0]), nn.EarlyStopping("score")
    trainer = new_trainer()
    trainer.callbacks = (script, stopping)

    class CtrlC(nn.Callback):
        def after_step(self, trainer: nn.Trainer) -> None:
            if trainer.iteration == 10:
                signal.raise_signal(signal.SIGINT)

    trainer.callbacks = (*trainer.callbacks, CtrlC())
    trainer.fit(loader(), epochs=2)
    assert trainer.interrupted
    for name, array in script.weights[0].items():
        np.testing.assert_array_equal(array, trainer.model.state_dict()[name])


@pytest.mark.parametrize("through_file", [False, True])
def test_best_weights_are_for_use_and_training_continues_from_the_last_ones(tmp_path: Path, through_file: bool) -> None:
    """8 and then 14 epochs equal 14, also if the best weights of the first 8 lay in the model between them."""
    scores = [5.0, 1.0, *range(3, 15)]

    def run(folder: Path) -> nn.Trainer:
        trainer = new_trainer(folder)
        trainer.callbacks = (Scripted(scores), nn.EarlyStopping("score", patience=99))
        return trainer

    run(tmp_path / "whole").fit(loader(), epochs=14)
    parts = run(tmp_path / "parts")  # which seeds the random stream
    parts.fit(loader(), epochs=8)
    best = parts.callbacks[0].weights[1]
    assert all(np.array_equal(array, best[name]) for name, array in parts.model.state_dict().items())
    if through_file:
        parts = run(tmp_path / "parts")
        parts.load(tmp_path / "parts" / "checkpoint.safetensors")
    parts.fit(loader(), epochs=14)
    for name in ("checkpoint.safetensors", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_weights_that_the_user_changes_after_training_are_not_replaced() -> None:
    """Fine-tuning starts from them, not from those that training ended with."""
    trainer = new_trainer()
    trainer.callbacks = (Scripted([1.0, 2.0]), nn.EarlyStopping("score"))
    trainer.fit(loader(), epochs=2)
    weight = next(trainer.model.parameters())
    weight.data = np.full(weight.shape, 0.5, np.float32)
    starts: list[np.ndarray] = []

    class Start(nn.Callback):
        def before_fit(self, trainer: nn.Trainer) -> None:
            starts.append(next(trainer.model.parameters()).detach().numpy().copy())

    trainer.callbacks = (Start(),)
    trainer.fit(loader(), epochs=3)
    np.testing.assert_array_equal(starts[0], np.full_like(starts[0], 0.5))


def test_a_larger_patience_trains_on_and_a_stopped_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends like a run that had this patience from the start."""

    def run(folder: Path, patience: int) -> nn.Trainer:
        trainer = new_trainer(folder)
        trainer.callbacks = (Scripted([1.0, 2.0, 2.0, 0.5, 2.0, 2.0]), nn.EarlyStopping("score", patience=patience))
        return trainer

    parts = run(tmp_path / "parts", 1)
    assert len(parts.fit(loader(), epochs=6)) == 2
    assert capsys.readouterr().err == ""
    assert len(parts.fit(loader(), epochs=6)) == 2
    assert (
        "stopped early after 10 batches: score was best 1 rows ago; a larger patience continues the training"
        in capsys.readouterr().err
    )
    whole = run(tmp_path / "whole", 3)
    assert len(whole.fit(loader(), epochs=6)) == 6
    parts = run(tmp_path / "parts", 3)
    parts.load(tmp_path / "parts" / "checkpoint.safetensors")
    assert parts.fit(loader(), epochs=6) == whole.history
    assert (tmp_path / "parts" / "checkpoint.safetensors").read_bytes() == (
        tmp_path / "whole" / "checkpoint.safetensors"
    ).read_bytes()


def test_a_run_that_stopped_early_stays_stopped_when_resumed(tmp_path: Path) -> None:
    def run() -> nn.Trainer:
        trainer = new_trainer(tmp_path)
        trainer.callbacks = (Scripted([1.0, 2.0, 2.0, 2.0]), nn.EarlyStopping("score", patience=1))
        return trainer

    first = run()
    first.fit(loader(), epochs=4)
    again = run()
    again.load(tmp_path / "checkpoint.safetensors")
    assert again.stopped == "score was best 1 rows ago"
    assert again.fit(loader(), epochs=4) == first.history
    for name, array in first.model.state_dict().items():
        np.testing.assert_array_equal(array, again.model.state_dict()[name])


def test_a_plateau_lowers_the_rate_and_the_log_shows_the_rates_used() -> None:
    """Scores do not improve from the second row on, so the rate is halved after each further row."""
    trainer = new_trainer()
    schedule = nn.ReduceLROnPlateau(trainer.updates[""].optimizer, factor=0.5, patience=0)
    trainer.callbacks = (Scripted([2.0, 1.0, 1.0, 1.0]), nn.LearningRateLog(), nn.Schedule(schedule, monitor="score"))
    assert [row["lr"] for row in trainer.fit(loader(), epochs=4)] == [0.01, 0.01, 0.01, 0.005]


def test_a_schedule_or_average_of_something_else_is_refused() -> None:
    """It would change nothing of this training, silently; an optimizer that another one wraps, or uses later, is one of it."""
    other, trainer = nn.Linear(2, 1), new_trainer()
    optimizer = nn.SGD(other.parameters(), lr=0.1)
    for callback, message in (
        (nn.Schedule(nn.ExponentialLR(optimizer, 0.5)), r"ExponentialLR changes the rates of an optimizer \(SGD\) that this"),
        (nn.Schedule(nn.ReduceLROnPlateau(optimizer), monitor="loss"), "ReduceLROnPlateau changes the rates"),
        (nn.Averaging(nn.EMA(other.parameters())), "EMA averages 2 parameters, none of which belongs to the trainer's VAE"),
    ):
        trainer.callbacks = (callback,)
        with pytest.raises(ValueError, match=message):
            trainer.fit(loader(), epochs=1)
        assert not trainer.iteration
    vae = models.VAE((64, 16, 2))
    adam, later = nn.Adam(vae.parameters(), lr=1e-3), nn.SGD(vae.parameters(), lr=1e-3)
    for optimizer in (nn.SAM(adam), nn.SAM(nn.SwitchOptimizer(later, adam, at=100))):
        wrapped = nn.Trainer(vae, optimizer, callbacks=[nn.Schedule(nn.StepLR(adam, 1))], progress=False)
        assert len(wrapped.fit(loader(), epochs=1)) == 1


def test_an_unknown_monitor_raises_with_its_name() -> None:
    trainer = new_trainer()
    trainer.callbacks = (nn.EarlyStopping("val_accuracy"),)
    with pytest.raises(ValueError, match=r"EarlyStopping: unknown metric 'val_accuracy'; expected one of: epoch, .*kl"):
        trainer.fit(loader(), epochs=1)


def test_fixed_noise_gives_identical_samples_and_changes_no_state(tmp_path: Path) -> None:
    def samples(trainer: nn.Trainer) -> nn.FixedNoise:
        save = lambda images, path: np.save(path, images.numpy())
        return nn.FixedNoise(trainer.model.decode, 4, 2, tmp_path / "samples", save, suffix=".npy")

    plain = new_trainer()
    plain.fit(loader(), epochs=2)
    drawing = new_trainer()
    drawing.callbacks = (samples(drawing),)
    drawing.fit(loader(), epochs=2)
    for name, array in plain.model.state_dict().items():
        np.testing.assert_array_equal(array, drawing.model.state_dict()[name])
    last = np.load(tmp_path / "samples" / "iteration-000010.npy")
    np.testing.assert_array_equal(last, plain.model.decode(samples(plain).noise).detach().numpy())
