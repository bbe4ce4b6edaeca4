"""KL annealing and free bits: the loss that training minimises equals a formula by hand, eager, compiled and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn

X = np.random.default_rng(0).random((20, 16)).astype(np.float32)


def vae(**options: Any) -> models.VAE:
    ag.manual_seed(0)
    return models.VAE((16, 8, 3), **options)


def trainer(model: models.VAE, **options: Any) -> nn.Trainer:
    return nn.Trainer(model, nn.Adam(model.parameters(), lr=0.01), callbacks=model.callbacks(), progress=False, **options)


def loader() -> nn.data.DataLoader:
    return nn.data.DataLoader(X, batch_size=5, shuffle=True)


def penalties(model: models.VAE) -> tuple[float, float]:
    """Returns what is added to the reconstruction in a training step, and the KL divergence."""
    losses = {name: value.item() for name, value in model.training_step((ag.as_tensor(X),)).items()}
    return losses["loss"] - losses["reconstruction"], losses["kl"]


@pytest.mark.parametrize("kind", [models.VAE, models.ConvVAE])
def test_the_weight_of_the_kl_divergence_rises_in_a_straight_line_to_beta(kind: Any) -> None:
    model = kind((16, 8, 3) if kind is models.VAE else (1, 4, 4, 3), kl_warmup=6, beta=2.0)
    shares = []

    class Watch(nn.Callback):
        def after_step(self, trainer: nn.Trainer) -> None:
            penalty, kl = penalties(model)
            shares.append(penalty / kl)

    run = trainer(model, every=1)
    run.callbacks = (*run.callbacks, Watch())
    history = run.fit(loader(), epochs=2)
    np.testing.assert_allclose(shares, 2 * np.minimum(np.arange(1, 9) / 6, 1), rtol=1e-3)
    weighed = [(row["loss"] - row["reconstruction"]) / row["kl"] for row in history]
    np.testing.assert_allclose(weighed, 2 * np.minimum(np.arange(8) / 6, 1), rtol=1e-3, atol=1e-4)


def test_free_bits_count_each_dimension_at_least_once_and_evaluation_uses_the_bound_itself() -> None:
    model = vae(free_bits=0.05, kl_warmup=4)
    model.mu.bias.data = [0.0, 0.1, 1.0]
    mu, logvar = (tensor.detach().numpy().astype(np.float64) for tensor in model.encode(X))
    each = (0.5 * (np.exp(logvar) + mu**2 - logvar - 1)).mean(axis=0)
    assert (each < 0.05).any()
    assert (each > 0.05).any()
    penalty, kl = penalties(model)
    assert penalty == pytest.approx(np.maximum(each, 0.05).sum(), rel=1e-4)
    assert kl == pytest.approx(each.sum(), rel=1e-4)
    model.eval()
    penalty, kl = penalties(model)
    assert penalty == pytest.approx(kl, rel=1e-4)


def test_dimensions_below_the_free_bits_get_no_gradient_from_the_penalty() -> None:
    model = vae(free_bits=1e6)
    losses = model.training_step((ag.as_tensor(X),))
    free = ag.grad(losses["loss"], model.mu.bias)
    losses = vae().training_step((ag.as_tensor(X),))
    assert bool(ag.isfinite(free).all())
    assert losses["loss"].item() < 1e6


@pytest.mark.parametrize("options", [{"kl_warmup": 6}, {"free_bits": 0.1}, {"kl_warmup": 6, "free_bits": 0.1, "beta": 0.5}])
def test_compiled_equals_eager_and_resumed_equals_whole(options: dict[str, Any], tmp_path: Path) -> None:
    def whole(jit: bool) -> dict[str, np.ndarray]:
        run = trainer(vae(**options), jit=jit)
        run.fit(loader(), epochs=3)
        return run.model.state_dict()

    states = [whole(jit) for jit in (False, True)]
    first = trainer(vae(**options))
    first.fit(loader(), iterations=5)
    first.save(tmp_path / "checkpoint.safetensors")
    second = trainer(vae(**options))
    second.load(tmp_path / "checkpoint.safetensors")
    second.fit(loader(), epochs=3)
    for state in (states[1], second.model.state_dict()):
        assert all(np.array_equal(states[0][name], state[name]) for name in states[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kl_warmup": -1}, "kl_warmup ≥ 0"),
        ({"free_bits": -0.5}, "free_bits ≥ 0, got 0 and -0.5"),
        ({"free_bits": float("nan")}, "free_bits ≥ 0"),
        ({"kl_warmup": 5, "importance_samples": 5}, "importance_samples=5 both must be 0"),
        ({"kl_warmup": 1.5}, "kl_warmup: expected a value such as 0"),
    ],
)
def test_invalid_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vae(**options)
