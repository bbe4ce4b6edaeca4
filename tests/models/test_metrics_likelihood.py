"""Bounds on log p(x): exact for a known posterior, in the order of theory, with bounded memory."""

from __future__ import annotations

import math
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models import metrics
from autograd_mini.models.autoencoders.likelihood import Gaussian
from autograd_mini.models.autoencoders.variational import Variational
from autograd_mini.tensor import Array, Tensor

PIXELS, LATENT, SIGMA = 6, 2, 0.5


@pytest.fixture
def float64() -> Iterator[None]:
    before = ag.default_dtype()
    ag.set_default_dtype(np.float64)
    yield
    ag.set_default_dtype(before)


class LinearGaussian(Variational):
    """z ~ N(0, I), x ~ N(W z + b, σ² I) with orthogonal columns in W: x ~ N(b, W Wᵀ + σ² I), and the posterior
    N((WᵀW + σ² I)⁻¹ Wᵀ (x − b), σ² (WᵀW + σ² I)⁻¹) factorises. q is that posterior, its deviation times `width`."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__(likelihood=Gaussian(SIGMA, learned=False))
        rng = np.random.default_rng(0)
        w = np.linalg.qr(rng.normal(size=(PIXELS, LATENT)))[0] * (2.0, 0.7)
        b = rng.normal(size=PIXELS)
        precision = (w**2).sum(axis=0) + SIGMA**2
        self.encoder = nn.Sequential(nn.Identity())
        self.mu, self.logvar, self.decoder = nn.Linear(PIXELS, LATENT), nn.Linear(PIXELS, LATENT), nn.Sequential()
        self.mu.weight.data, self.mu.bias.data = w.T / precision[:, None], -(w.T @ b) / precision
        self.logvar.weight.data = np.zeros((LATENT, PIXELS))
        self.logvar.bias.data = np.log(SIGMA**2 / precision) + 2 * math.log(width)
        layer = nn.Linear(LATENT, PIXELS)
        layer.weight.data, layer.bias.data = w, b
        self.decoder.append(layer)
        self.mean, self.covariance = b, w @ w.T + SIGMA**2 * np.eye(PIXELS)

    def log_p(self, images: Array) -> Array:
        """The exact log p(x), (N,)."""
        d = images - self.mean
        determinant = np.linalg.slogdet(2 * np.pi * self.covariance)[1]
        return -0.5 * (np.einsum("ni,ij,nj->n", d, np.linalg.inv(self.covariance), d) + determinant)


@pytest.mark.usefixtures("float64")
def test_at_the_exact_posterior_every_bound_is_log_p() -> None:
    model = LinearGaussian()
    images = model.sample(40, pixels=True).numpy()
    for bound in (
        metrics.elbo(model, images),
        metrics.elbo(model, images, 3),
        metrics.importance_weighted_bound(model, images, 7),
    ):
        np.testing.assert_allclose(bound, model.log_p(images), atol=1e-9)
    assert metrics.negative_log_likelihood(model, images, 2) == pytest.approx(-model.log_p(images).mean(), abs=1e-9)


@pytest.mark.usefixtures("float64")
def test_the_gap_of_the_elbo_is_the_divergence_from_the_posterior() -> None:
    """log p(x) − ELBO = KL(q ‖ p(z|x)) = L (w² − 1 − log w²)/2, where q is w times as wide as the posterior."""
    ag.manual_seed(0)
    width = 1.5
    model = LinearGaussian(width)
    images = model.sample(100, pixels=True).numpy()
    gap = (model.log_p(images) - metrics.elbo(model, images, 2000)).mean()
    assert gap == pytest.approx(LATENT * (width**2 - 1 - math.log(width**2)) / 2, rel=0.02)
    losses = [model.loss(np.repeat(images, 500, axis=0))["loss"].item()]
    assert -np.mean(losses) == pytest.approx(metrics.elbo(model, images, 2000).mean(), abs=0.02)


@pytest.mark.usefixtures("float64")
def test_bounds_rise_with_the_number_of_draws_towards_log_p() -> None:
    ag.manual_seed(0)
    model = LinearGaussian(width=2.0)
    images = model.sample(2000, pixels=True).numpy()
    bounds = [metrics.elbo(model, images), *(metrics.importance_weighted_bound(model, images, k) for k in (5, 50, 500))]
    means = [bound.mean() for bound in bounds]
    assert means == sorted(means)
    assert means[0] < means[1] - 0.1
    assert means[3] == pytest.approx(model.log_p(images).mean(), abs=0.01)


class Scripted:
    """A model with known log weights: draw d for an image x has log w = x · (d + 1)."""

    training = True

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.drawn: dict[float, int] = {}

    def train(self, mode: bool = True) -> None:
        self.training = mode

    def log_weights(self, images: Array, draws: int) -> Tensor:
        assert not self.training
        self.seen.append((len(images), draws))
        columns = []
        for x in images:
            start = self.drawn.get(float(x), 0)
            self.drawn[float(x)] = start + draws
            columns.append(x * (np.arange(start, start + draws) + 1))
        return Tensor(np.stack(columns, axis=1))


@given(st.lists(st.floats(-2000, 2000), min_size=1, max_size=9, unique=True), st.integers(1, 40), st.integers(1, 50))
def test_chunks_cover_all_draws_and_respect_the_row_limit(values: list[float], draws: int, rows: int) -> None:
    images = np.array(values)
    weights = images[:, None] * (np.arange(draws) + 1)
    top = weights.max(axis=1)
    expected = top + np.log(np.exp(weights - top[:, None]).mean(axis=1))
    model = Scripted()
    np.testing.assert_allclose(
        metrics.importance_weighted_bound(model, images, draws, rows=rows), expected, rtol=1e-9, atol=1e-9
    )
    assert max(n * k for n, k in model.seen) <= rows
    assert sum(n * k for n, k in model.seen) == len(images) * draws
    np.testing.assert_allclose(metrics.elbo(Scripted(), images, draws, rows=rows), weights.mean(axis=1), rtol=1e-9, atol=1e-9)
    assert model.training


def test_memory_does_not_grow_with_the_number_of_draws() -> None:
    vae = models.VAE((784, 50, 5))
    images = np.zeros((4, 784), np.float32)

    def peak(k: int) -> int:
        tracemalloc.start()
        metrics.importance_weighted_bound(vae, images, k, rows=100)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(100)  # allocates what is allocated only once
    assert peak(2000) < 1.2 * peak(100)


class Fixed(Scripted):
    """A model whose posterior means are the images."""

    def latent(self, images: Array) -> Tensor:
        return Tensor(images)


def test_a_unit_is_active_if_the_variance_of_its_mean_exceeds_0_01() -> None:
    """Points at ±s have variance s²: 0.0081, 0.0121 and 4. The last dimension is constant and far from 0."""
    signs = np.where(np.arange(1000) % 2, 1.0, -1.0)
    means = np.stack([0.09 * signs, 0.11 * signs, 2 * signs, np.full(1000, 7.0)], axis=1)
    assert metrics.active_units(Fixed(), means, rows=300) == 2
    assert metrics.active_units(Fixed(), means, threshold=0.005) == 3
    assert metrics.active_units(Fixed(), means, threshold=4.0) == 0, "a unit at the threshold is not active"


@pytest.mark.parametrize("changes", [{"k": 0}, {"k": 5, "rows": 0}])
def test_fewer_than_one_draw_or_row_raises(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one draw and one row"):
        metrics.importance_weighted_bound(models.VAE((64, 8, 2)), np.zeros((1, 64), np.float32), **changes)


def test_an_empty_set_of_images_raises() -> None:
    with pytest.raises(ValueError, match="expected at least one image"):
        metrics.elbo(models.VAE((64, 8, 2)), np.zeros((0, 64), np.float32))


@pytest.mark.skipif("AUTOGRAD_MINI_DATA" not in os.environ, reason="AUTOGRAD_MINI_DATA is not set: no MNIST")
def test_on_mnist_the_bounds_of_a_trained_vae_are_in_order() -> None:
    """ELBO ≤ L_5 ≤ L_50 ≤ L_500, after a short training on some of the images."""
    if not (Path(os.environ["AUTOGRAD_MINI_DATA"]) / "mnist").is_dir():
        pytest.skip("needs MNIST in $AUTOGRAD_MINI_DATA/mnist")
    data = nn.data.mnist()
    ag.manual_seed(0)
    vae = models.VAE((784, 100, 10), binarize=True)
    trainer = nn.Trainer(vae, nn.Adam(vae.parameters(), lr=3e-3), progress=False)
    trainer.fit(nn.data.DataLoader(data.train.only(limit_per_class=600), batch_size=50, shuffle=True), epochs=3)
    images = ag.bernoulli(data.test.images[:200]).numpy()
    bounds = [metrics.elbo(vae, images, 5), *(metrics.importance_weighted_bound(vae, images, k) for k in (5, 50, 500))]
    means = [bound.mean() for bound in bounds]
    assert means == sorted(means)
    assert -200 < means[0] < means[-1] < -90
