"""Accumulated gradients equal those of one larger batch, and clipped ones those of a loop by hand; eager, compiled, resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn

RNG = np.random.default_rng(0)
X = RNG.standard_normal((22, 4)).astype(np.float32)
Y = RNG.integers(3, size=22)
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: nn.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: nn.Adam(p, lr=0.01),
    "sam": lambda p: nn.SAM(nn.SGD(p, lr=0.1)),
    "switch": lambda p: nn.SwitchOptimizer(nn.Adam(params := list(p), lr=0.01), nn.SGD(params, lr=0.1), at=3),
}


def train(
    optimizer: str = "sgd", *, batch_size: int, epochs: int = 3, **options: Any
) -> tuple[nn.Trainer, dict[str, np.ndarray]]:
    ag.manual_seed(1)
    model = models.MLP((4, 5, 3))
    trainer = nn.Trainer(model, OPTIMIZERS[optimizer](model.parameters()), progress=False, **options)
    trainer.fit(nn.data.DataLoader(X, Y, batch_size=batch_size, shuffle=True, seed=2), epochs)
    return trainer, model.state_dict()


def assert_close(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_small_batches_together_equal_one_large_batch(optimizer: str, jit: bool) -> None:
    """The steps have 12 = 4 + 4 + 4 and 10 = 4 + 4 + 2 rows, so the rows count, not the batches."""
    trainer, weights = train(optimizer, batch_size=4, accumulate=3, jit=jit)
    larger, expected = train(optimizer, batch_size=12, jit=jit)
    assert_close(weights, expected)
    assert [row["iteration"] for row in trainer.history] == [6, 12, 18]
    for row, other in zip(trainer.history, larger.history, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"accumulate": 3}, {"clip_grad_norm": 0.1}, {"clip_grad_value": 0.02}, {"accumulate": 2, "clip_grad_norm": 0.1}]
)
def test_compiled_equals_eager_bit_for_bit(options: dict[str, Any]) -> None:
    for optimizer in OPTIMIZERS:
        (_, a), (_, b) = (train(optimizer, batch_size=4, jit=jit, **options) for jit in (False, True))
        assert all(np.array_equal(a[name], b[name]) for name in a), optimizer


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("option", "limit"), [("clip_grad_norm", 0.1), ("clip_grad_value", 0.02)])
def test_clipped_steps_equal_a_loop_by_hand(option: str, limit: float, jit: bool) -> None:
    _, weights = train(batch_size=4, jit=jit, **{option: limit})
    _, free = train(batch_size=4)
    ag.manual_seed(1)
    model = models.MLP((4, 5, 3))
    velocity = dict.fromkeys(model.state_dict(), 0.0)
    for epoch in range(3):
        for batch in nn.data.DataLoader(X, Y, batch_size=4, shuffle=True, seed=2).epoch(epoch):
            model.zero_grad()
            model.training_step(batch)["loss"].backward()
            grads = {name: p.grad.numpy() for name, p in model.named_parameters()}
            norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in grads.values()))
            for name, p in model.named_parameters():
                g = grads[name] * min(1, limit / norm) if option == "clip_grad_norm" else np.clip(grads[name], -limit, limit)
                velocity[name] = 0.9 * velocity[name] + g
                p.data = p.detach().numpy() - 0.1 * velocity[name]
    assert_close(weights, model.state_dict())
    assert any(np.abs(free[name] - weights[name]).max() > 1e-2 for name in free), "the limit had no effect"


@pytest.mark.parametrize("jit", [False, True])
def test_updates_in_a_table_step_as_often_as_with_the_larger_batch(jit: bool) -> None:
    """`times`, `every` and `start` count steps, also where the rest of an epoch makes a smaller one."""

    def run(batch_size: int, accumulate: int) -> dict[str, np.ndarray]:
        ag.manual_seed(3)
        model = nn.ModuleDict({"a": nn.Linear(4, 1), "b": nn.Linear(4, 1)})
        loss = lambda batch: ag.mean(ag.square(model["a"](batch[0]) - model["b"](batch[0]) - 1))
        updates = {
            "a": nn.Update(lambda batch: {"loss": loss(batch)}, nn.SGD(model["a"].parameters(), lr=0.1), times=2),
            "b": nn.Update(
                lambda batch: {"loss": loss(batch)}, nn.Adam(model["b"].parameters()), every=2, start=1, clip_grad_norm=0.5
            ),
        }
        trainer = nn.Trainer(model, updates, progress=False, jit=jit, accumulate=accumulate)
        trainer.fit(nn.data.DataLoader(X, batch_size=batch_size), epochs=5)
        return model.state_dict()

    assert_close(run(4, 3), run(12, 1))


def test_rows_fall_at_steps_and_the_last_batches_of_a_run_are_used() -> None:
    trainer, _ = train(batch_size=4, epochs=1, accumulate=4, every=1)
    assert [row["iteration"] for row in trainer.history] == [4, 6]
    ag.manual_seed(1)
    model = models.MLP((4, 5, 3))
    run = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), progress=False, accumulate=4, every=3)
    loader = nn.data.DataLoader(X, Y, batch_size=2)
    assert [row["iteration"] for row in run.fit(loader, iterations=10)] == [4, 8, 10]
    assert [row["iteration"] for row in run.fit(loader, iterations=16)[3:]] == [15, 16]


class Killed(Exception):
    """Stands for the end of the process."""


class Kill(nn.Callback):
    def __init__(self, at: int) -> None:
        self.at = at

    def after_step(self, trainer: nn.Trainer) -> None:
        if trainer.iteration >= self.at:
            raise Killed


def create(folder: Path, kill_at: int = 10**9, **options: Any) -> nn.Trainer:
    ag.manual_seed(1)
    model = models.VAE((4, 6, 2), likelihood="gaussian")
    optimizer = nn.Adam(model.parameters(), lr=0.01)
    schedule = nn.Schedule(
        nn.SequentialLR(optimizer, [nn.LinearLR(optimizer, total_iters=2), nn.ExponentialLR(optimizer, 0.9)], [3])
    )
    return nn.Trainer(
        model, optimizer, folder, callbacks=[nn.LearningRateLog(), schedule, Kill(kill_at)], progress=False, **options
    )


OPTIONS: dict[str, Any] = {
    "accumulate": 2, "clip_grad_norm": 0.5, "clip_grad_value": 0.2, "every": 5, "keep_best": ("loss", "min"), "keep_every": 2,
}  # fmt: skip


@pytest.mark.parametrize("jit", [False, True])
def test_a_killed_run_resumes_to_the_same_bytes_of_all_files(tmp_path: Path, jit: bool) -> None:
    def fit(trainer: nn.Trainer) -> None:
        trainer.fit(
            nn.data.DataLoader(X, batch_size=3, shuffle=True), epochs=4, validation=nn.data.DataLoader(X, batch_size=22)
        )

    whole = tmp_path / "whole"
    fit(create(whole, jit=jit, **OPTIONS))
    files = {path.name: path.read_bytes() for path in whole.iterdir() if path.name not in ("timing.csv", ".lock")}
    assert {"checkpoint-best.safetensors", "checkpoint-000010.safetensors"} <= files.keys()
    for stops in ([7], [13, 14, 29]):
        folder = tmp_path / "-".join(map(str, stops))
        for stop in [*stops, 10**9]:
            trainer = create(folder, stop, jit=jit, **OPTIONS)
            if (folder / "checkpoint.safetensors").exists():
                trainer.load(folder / "checkpoint.safetensors")
            try:
                fit(trainer)
            except Killed:
                (folder / "checkpoint-best.safetensors").unlink(missing_ok=True)  # as if killed before it was written
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in files} == files


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "accumulate must be at least 1 batch, got 0"),
        ({"clip_grad_norm": -1.0}, "clip_grad_norm must be at least 0, .*got -1.0"),
        ({"clip_grad_value": float("nan")}, "clip_grad_value must be at least 0"),
        ({"keep_every": 0}, "keep_every must be at least 1 row, got 0"),
        ({"keep_best": ("loss", "least")}, "keep_best must be a metric, or"),
    ],
)
def test_invalid_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(batch_size=4, **options)


class Overflowing(nn.Module):
    """Its loss is always 0, but the sum of two gradients of 3 · 10³⁸ is inf."""

    def __init__(self) -> None:
        self.w = nn.Parameter([0.0])

    def training_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        return {"loss": (self.w * batch[0] + self.w * batch[0]).sum()}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("options", [{"clip_grad_norm": 1.0}, {"clip_grad_norm": 1.0, "clip_grad_value": np.inf}])
def test_a_norm_of_the_gradients_that_is_not_finite_is_a_divergence(jit: bool, options: dict[str, Any], tmp_path: Path) -> None:
    """As a loss or a parameter that is not finite; the weights are still those before the step."""
    model = Overflowing()
    inputs = np.array([0, 0, 0, 3e38, 0], np.float32)
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.01), progress=False, jit=jit, **options)
    with pytest.raises(nn.DivergedError, match=r"^the norm of the gradients became inf in epoch 1, at batch 4 of the run; "):
        trainer.fit(nn.data.DataLoader(inputs, batch_size=1), epochs=1)
    assert model.w.item() == 0
    assert trainer.iteration == 3
