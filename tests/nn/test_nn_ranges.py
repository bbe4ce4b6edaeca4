"""Data outside the range of a loss or a model raise in the first epoch of a fit, eager and compiled, and name the range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.model import Model

GOOD = np.random.default_rng(0).random((24, 4, 4)).astype(np.float32)


def scaled(row: int, value: float) -> np.ndarray:
    images = GOOD.copy()
    images[row, 1, 2] = value
    return images


def trainer(kind: str, **options: Any) -> nn.Trainer:
    ag.manual_seed(0)
    model: Any = {
        "vae": lambda: models.VAE((16, 8, 2)),
        "ae": lambda: models.Autoencoder((16, 8, 2)),
        "gaussian": lambda: models.VAE((16, 8, 2), likelihood="gaussian"),
        "gan": lambda: models.GAN((4, 1, 4, 4), width=4),
        "dcgan": lambda: models.DCGAN((4, 1, 8, 8), width=4),
        "points": lambda: models.GAN((4, 16), width=4, output="linear"),
        "own": Own,
    }[kind]()
    updates = model.updates(1e-3) if isinstance(model, Model) else nn.Adam(model.parameters())
    return nn.Trainer(model, updates, progress=False, **options)


class Own(nn.Module):
    """A model of a user, whose targets are an input of the batch."""

    def __init__(self) -> None:
        self.layer = nn.Linear(16, 16)

    def training_step(self, batch: Any) -> dict[str, ag.Tensor]:
        x = ag.flatten(batch[0], 1)
        return {"loss": nn.binary_cross_entropy(ag.sigmoid(self.layer(x)), x)}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", ["vae", "ae", "own", "gan", "dcgan"])
@pytest.mark.parametrize(
    ("row", "value", "found"), [(0, 255.0, r"\[.*, 255\]"), (13, -1.0, r"\[-1, .*\]"), (22, 1.5, r"\[.*, 1\.5\]")]
)
def test_values_outside_the_range_raise_in_the_batch_where_they_are(
    kind: str, row: int, value: float, found: str, jit: bool
) -> None:
    """This includes batches that a compiled step replays; the message says what was found, where, and what to do."""
    run = trainer(kind, jit=jit)
    message = rf"batch {row // 4 + 1} of the run, input 0, has values in {found}, but .* in \[0, 1\]; scale them"
    with pytest.raises(ValueError, match=message):
        run.fit(nn.data.DataLoader(scaled(row, value), batch_size=4), epochs=1)


def test_validation_data_are_checked_too() -> None:
    run = trainer("vae")
    with pytest.raises(ValueError, match=r"batch 2 of the evaluation, input 0, has values in .*, 7\]"):
        run.fit(nn.data.DataLoader(GOOD, batch_size=4), 1, nn.data.DataLoader(scaled(9, 7.0), batch_size=8))


@pytest.mark.parametrize("kind", ["gaussian", "points"])
def test_models_of_any_numbers_are_not_restricted(kind: str) -> None:
    images = scaled(3, 255.0) if kind == "gaussian" else scaled(3, 255.0).reshape(24, 16)
    assert len(trainer(kind).fit(nn.data.DataLoader(images, batch_size=4), epochs=1)) == 1


def test_values_at_the_ends_of_the_range_and_rounding_are_accepted() -> None:
    for value in (0.0, 1.0, 1 + 1e-6, -1e-6):
        assert len(trainer("vae").fit(nn.data.DataLoader(scaled(3, value), batch_size=4), epochs=1)) == 1


def test_outside_of_a_fit_the_losses_take_any_targets_as_in_pytorch() -> None:
    assert nn.binary_cross_entropy_with_logits([0.0], [2.0]).item() == pytest.approx(np.log(2))
