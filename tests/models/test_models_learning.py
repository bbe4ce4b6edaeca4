"""The models learn real images, accept them in either shape, and match their formulas."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def train(model: nn.Module, split: nn.data.Split, epochs: int, **options: object) -> nn.Trainer:
    loader = nn.data.DataLoader(split.images, split.labels, batch_size=32, shuffle=True)
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=2e-3), progress=False)
    trainer.fit(loader, epochs)
    return trainer


def test_an_mlp_classifies_at_least_95_percent_of_test_digits(digits: nn.data.Dataset) -> None:
    ag.manual_seed(0)
    mlp = models.MLP(sizes=(64, 64, 10))
    train(mlp, digits.train, epochs=15)
    assert np.mean(mlp.predict(digits.test.images).numpy() == digits.test.labels) >= 0.95


def test_a_vae_raises_the_bound_on_unseen_digits_and_uses_its_latent_space(digits: nn.data.Dataset) -> None:
    ag.manual_seed(0)
    vae = models.VAE(sizes=(64, 128, 4))
    with ag.no_grad():
        before = {name: part.item() for name, part in vae.loss(digits.test.images).items()}
    train(vae, digits.train, epochs=20)
    with ag.no_grad():
        after = {name: part.item() for name, part in vae.loss(digits.test.images).items()}
    # One pixel costs log 2 at first; the best that ignores the image is its pixels' mean, about 29.4 nats.
    assert before["loss"] == pytest.approx(64 * math.log(2), rel=0.05)
    assert after["loss"] < 27
    assert after["kl"] > 1


def test_an_autoencoder_separates_the_classes_in_its_bottleneck(digits: nn.data.Dataset) -> None:
    """Leave-one-out accuracy of the five nearest neighbours, as in exercise 29."""
    ag.manual_seed(0)
    few = digits.train.only(classes=(0, 1, 2), limit_per_class=100)
    ae = models.Autoencoder(sizes=(64, 64, 32, 2))
    train(ae, few, epochs=100)
    with ag.no_grad():
        points = ae.encode(few.images)
    assert models.metrics.knn_accuracy(points, few.labels, k=5) >= 0.9


@pytest.mark.parametrize("model", [models.MLP((64, 16, 10)), models.Autoencoder((64, 16, 2)), models.VAE((64, 16, 2))])
def test_models_accept_flat_and_shaped_images(model: nn.Module, digits: nn.data.Dataset) -> None:
    images, labels = digits.test.images[:7], digits.test.labels[:7]
    losses = []
    for shaped in (images, images.reshape(7, 64)):
        ag.manual_seed(1)
        losses.append(model.training_step((ag.as_tensor(shaped), ag.as_tensor(labels)))["loss"].item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize("model", [models.Autoencoder((64, 16, 2)), models.VAE((64, 16, 2))])
def test_reconstructions_have_the_shape_of_the_images_and_are_probabilities(model: nn.Module, digits: nn.data.Dataset) -> None:
    images = digits.test.images[:7]
    restored = model.reconstruct(images)
    assert restored.shape == images.shape
    assert not restored.requires_grad
    assert 0 < restored.data.min() < restored.data.max() < 1
    np.testing.assert_array_equal(model.reconstruct(images.reshape(7, 64)).numpy(), restored.numpy().reshape(7, 64))


def test_the_elbo_matches_its_formula(digits: nn.data.Dataset) -> None:
    """−ELBO = −Σ log p(x|z) + ½ Σ (σ² + μ² − log σ² − 1) for z = μ + σ ε, written out in float64 (C.14, C.16–17)."""
    images = digits.test.images[:7]
    ag.manual_seed(0)
    vae = models.VAE(sizes=(64, 16, 3))
    mu, logvar = (t.detach().numpy().astype(float) for t in vae.encode(images))
    ag.manual_seed(5)
    parts = vae.loss(images)
    ag.manual_seed(5)
    z = mu + np.exp(logvar / 2) * ag.randn(7, 3).numpy()
    p = vae.decode(z.astype(np.float32)).detach().numpy().astype(float)
    x = images.reshape(7, 64)
    reconstruction = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum() / 7
    kl = 0.5 * (np.exp(logvar) + mu**2 - logvar - 1).sum() / 7
    assert parts["reconstruction"].item() == pytest.approx(reconstruction, rel=1e-5)
    assert parts["kl"].item() == pytest.approx(kl, rel=1e-5)
    assert parts["loss"].item() == pytest.approx(reconstruction + kl, rel=1e-5)


def test_every_parameter_of_each_model_gets_a_gradient(digits: nn.data.Dataset) -> None:
    batch = ag.as_tensor(digits.test.images[:7]), ag.as_tensor(digits.test.labels[:7])
    for model in (
        models.MLP((64, 16, 10)),
        models.CNN((1, 8, 8, 10)),
        models.Autoencoder((64, 16, 2)),
        models.VAE((64, 16, 2)),
    ):
        model.training_step(batch)["loss"].backward()
        assert all(p.grad is not None and np.any(p.grad.data) for p in model.parameters())


def test_interpolation_starts_and_ends_at_the_reconstructions(digits: nn.data.Dataset) -> None:
    vae = models.VAE((64, 16, 2))
    a, b = digits.test.images[:2]
    line = vae.interpolate(a, b, steps=5).numpy()
    assert line.shape == (5, 64)
    np.testing.assert_allclose(line[[0, -1]], vae.reconstruct(np.stack([a, b])).numpy().reshape(2, 64), rtol=1e-5)


def test_samples_follow_the_seed() -> None:
    vae = models.VAE((64, 16, 2))
    draws = []
    for seed in (0, 0, 1):
        ag.manual_seed(seed)
        draws.append(vae.sample(3).numpy())
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.any(draws[0] != draws[2])


@pytest.mark.parametrize("sizes", [(), (64,), (64, 0, 10)])
def test_invalid_layer_sizes_raise(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="layer sizes"):
        models.MLP(sizes)


def test_each_hidden_layer_can_have_its_own_activation() -> None:
    """h⁽ˡ⁾ = f⁽ˡ⁾(u⁽ˡ⁾), with f⁽ˡ⁾ set by name or by class."""
    mlp = models.MLP((4, 5, 3, 2), ("tanh", nn.Sigmoid))
    first, _, second, _, last = mlp.layers
    x = ag.randn(6, 4)
    assert np.array_equal(mlp(x).tolist(), last(ag.sigmoid(second(ag.tanh(first(x))))).tolist())


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (("tanh",), "one for each of the 2 hidden layers, got 1"),
        (("tanh", "relu", "relu"), "one for each of the 2 hidden layers, got 3"),
        (("tanh", "sine"), "unknown activation 'sine'"),
    ],
)
def test_a_wrong_number_of_activations_raises(activation: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.MLP((4, 5, 3, 2), activation)


def test_images_of_the_wrong_size_raise_with_both_sizes(digits: nn.data.Dataset) -> None:
    with pytest.raises(ValueError, match=r"784.*64"):
        models.VAE().reconstruct(digits.test.images)


def test_the_example_in_plain_loops_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(Path(__file__).parent.parent.parent / "examples" / "vae_digits.py"))
    example["main"](epochs=2, picture=str(tmp_path / "samples.png"))
    assert float(capsys.readouterr().out.split()[-2]) < 32
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
