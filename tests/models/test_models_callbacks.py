"""Callbacks observe a training and do not change it: they may draw random numbers, evaluate, and switch modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=5)
HOOKS = ("before_fit", "after_step", "after_row", "after_fit", "after_stop")


class Drawing(nn.Callback):
    """Draws random numbers whenever it is called, and evaluates the model on its own at each row."""

    def __init__(self) -> None:
        self.seen: dict[str, list[float]] = {hook: [] for hook in HOOKS}

    def draw(self, hook: str) -> None:
        self.seen[hook].append(ag.randn(3).sum().item())

    def before_fit(self, trainer: Any) -> None:
        self.draw("before_fit")

    def after_step(self, trainer: Any) -> None:
        self.draw("after_step")

    def after_row(self, trainer: Any, row: dict[str, float]) -> None:
        self.draw("after_row")
        trainer.evaluate(nn.data.DataLoader(FEW.images, batch_size=25))

    def after_fit(self, trainer: Any) -> None:
        self.draw("after_fit")

    def after_stop(self, trainer: Any) -> None:
        self.draw("after_stop")


def train(
    *callbacks: nn.Callback, seed: int = 0, parts: tuple[int, ...] = (3,), folder: Path | None = None
) -> dict[str, np.ndarray]:
    """Trains a variational autoencoder, which draws random numbers in each step; returns its weights.

    With several `parts`, the run stops after each of these numbers of epochs and is resumed from its folder.
    """
    for number, epochs in enumerate(parts):
        ag.manual_seed(seed)
        vae = models.VAE((64, 8, 2))
        trainer = nn.Trainer(vae, nn.Adam(vae.parameters()), folder, callbacks=callbacks, progress=False)
        if number and folder is not None:
            trainer.load(folder / "checkpoint.safetensors")
        trainer.fit(nn.data.DataLoader(FEW.images, batch_size=25, shuffle=True, seed=1), epochs=epochs)
    return vae.state_dict()


def test_a_callback_that_draws_random_numbers_does_not_change_the_training() -> None:
    drawing = Drawing()
    plain, observed = train(), train(drawing)
    for name, array in plain.items():
        np.testing.assert_array_equal(observed[name], array)
    assert {hook: len(numbers) for hook, numbers in drawing.seen.items()} == {
        "before_fit": 1, "after_step": 6, "after_row": 3, "after_fit": 1, "after_stop": 1,
    }  # fmt: skip
    assert len(set(drawing.seen["after_row"])) == 1, "its random numbers are the same at each row"


def test_the_numbers_that_a_callback_draws_after_a_step_belong_to_the_step_and_the_seed(tmp_path: Path) -> None:
    """So noise that it adds is other noise at each step and in each run, and the same in a run that was resumed."""
    whole, again, other, resumed = Drawing(), Drawing(), Drawing(), Drawing()
    weights = train(whole, folder=tmp_path / "whole")
    train(again)
    train(other, seed=1)
    train(resumed, parts=(1, 3), folder=tmp_path / "parts")
    steps = whole.seen["after_step"]
    assert len(set(steps)) == 6
    assert steps == again.seen["after_step"] == resumed.seen["after_step"]
    assert not set(steps) & set(other.seen["after_step"])
    for name in ("checkpoint.safetensors", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for name, array in train().items():
        np.testing.assert_array_equal(weights[name], array)


class Still(nn.Module):
    """A model without random numbers: the stream of the training does not move."""

    def __init__(self) -> None:
        self.w = nn.Parameter([1.0])

    def training_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        return {"loss": (self.w * batch[0]).square().mean()}


def test_numbers_after_a_step_differ_also_if_the_training_draws_none() -> None:
    drawing, model = Drawing(), Still()
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.01), progress=False)
    drawing.after_row = lambda trainer, row: None  # type: ignore[method-assign]
    trainer.callbacks = (drawing,)
    trainer.fit(nn.data.DataLoader(np.ones(8, np.float32), batch_size=1), epochs=1)
    assert len(set(drawing.seen["after_step"])) == 8
