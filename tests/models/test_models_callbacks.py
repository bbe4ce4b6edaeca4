"""Callbacks observe a training and do not change it: they may draw random numbers, evaluate, and switch modes."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn

FEW = nn.data.digits().train.only(limit_per_class=5)


class Drawing(nn.Callback):
    """Draws random numbers, and evaluates the model on its own, at each row."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def after_row(self, trainer: Any, row: dict[str, float]) -> None:
        self.seen.append(ag.randn(3).sum().item())
        trainer.evaluate(nn.data.DataLoader(FEW.images, batch_size=25))


def train(*callbacks: nn.Callback) -> dict[str, np.ndarray]:
    """Trains a variational autoencoder, which draws random numbers in each step; returns its weights."""
    ag.manual_seed(0)
    vae = models.VAE((64, 8, 2))
    trainer = nn.Trainer(vae, nn.Adam(vae.parameters()), callbacks=callbacks, progress=False)
    trainer.fit(nn.data.DataLoader(FEW.images, batch_size=25, shuffle=True, seed=1), epochs=3)
    return vae.state_dict()


def test_a_callback_that_draws_random_numbers_does_not_change_the_training() -> None:
    drawing = Drawing()
    plain, observed = train(), train(drawing)
    for name, array in plain.items():
        np.testing.assert_array_equal(observed[name], array)
    assert len(drawing.seen) == 3
    assert len(set(drawing.seen)) == 1, "its random numbers are the same at each row"
