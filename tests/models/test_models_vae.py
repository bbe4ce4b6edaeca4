"""Variational autoencoders, dense and convolutional: likelihoods, losses and options."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.autoencoders.likelihood import LIKELIHOODS, Bernoulli, Gaussian, Likelihood, likelihood_of
from autograd_mini.models.autoencoders.variational import Variational
from autograd_mini.models.recipes import PRESETS, RECIPES


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def train(model: Variational, split: nn.data.Split, epochs: int, lr: float = 2e-3) -> Variational:
    loader = nn.data.DataLoader(split, batch_size=32, shuffle=True)
    nn.Trainer(model, nn.Adam(model.parameters(), lr=lr), progress=False).fit(loader, epochs)
    return model


def seeded_loss(model: Variational, images: np.ndarray, seed: int = 5) -> dict[str, float]:
    ag.manual_seed(seed)
    return {name: part.item() for name, part in model.loss(images).items()}


# -- likelihoods -----------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).random((4, 6))
OUTPUTS = np.random.default_rng(1).normal(size=(3, 4, 6))


def test_log_probabilities_match_their_formulas() -> None:
    """For images (N, D) and outputs (draws, N, D), summed over pixels."""
    p = 1 / (1 + np.exp(-OUTPUTS))
    expected = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=-1)
    np.testing.assert_allclose(Bernoulli().log_prob(ag.Tensor(X), ag.Tensor(OUTPUTS)).data, expected, rtol=1e-10)
    density = np.exp(-((X - OUTPUTS) ** 2) / (2 * 0.3**2)) / (0.3 * math.sqrt(2 * math.pi))
    result = Gaussian(0.3).log_prob(ag.Tensor(X), ag.Tensor(OUTPUTS)).data
    np.testing.assert_allclose(result, np.log(density).sum(axis=-1), rtol=1e-5)  # log σ² is a float32


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_loss_is_minus_the_log_probability_and_samples_have_its_mean(name: str) -> None:
    likelihood = likelihood_of(name)
    x, outputs = ag.Tensor(X), ag.Tensor(OUTPUTS[0])
    assert likelihood.loss(outputs, x).item() == pytest.approx(-likelihood.log_prob(x, outputs).mean().item(), rel=1e-6)
    draws = likelihood.sample(ag.Tensor(np.repeat(OUTPUTS[:1], 20000, axis=0))).data
    np.testing.assert_allclose(draws.mean(axis=0), likelihood.mean(outputs).data, atol=0.02)


def test_the_learned_sigma_converges_to_the_root_mean_square_error() -> None:
    """The gradient with respect to log σ² is zero if σ² is the mean squared error (Rybkin et al. 2021)."""
    likelihood = Gaussian(float(np.sqrt(np.mean((X - OUTPUTS[0]) ** 2))))
    likelihood.loss(ag.Tensor(OUTPUTS[0]), ag.Tensor(X), reduction="mean").backward()
    assert likelihood.scaled_logvar.grad.item() == pytest.approx(0, abs=1e-6)


def test_a_fixed_sigma_is_a_buffer_and_not_a_parameter() -> None:
    learned, fixed = (models.VAE((64, 16, 2), likelihood=name) for name in ("gaussian", "gaussian-fixed"))
    assert len(list(learned.parameters())) == len(list(fixed.parameters())) + 1
    assert "likelihood.scaled_logvar" in fixed.state_dict()


# -- losses ----------------------------------------------------------------------------------------------------------------


def test_beta_scales_only_the_kl_term(digits: nn.data.Dataset) -> None:
    plain = models.VAE((64, 16, 2))
    heavy = models.VAE((64, 16, 2), beta=4.0)
    heavy.load_state_dict(plain.state_dict())
    one, four = (seeded_loss(model, digits.test.images[:9]) for model in (plain, heavy))
    assert (one["kl"], one["reconstruction"]) == (four["kl"], four["reconstruction"])
    assert four["loss"] == pytest.approx(one["reconstruction"] + 4 * one["kl"], rel=1e-6)


def test_the_importance_weighted_loss_is_the_log_of_the_mean_weight(digits: nn.data.Dataset) -> None:
    images = digits.test.images[:9]
    vae = models.VAE((64, 16, 2), importance_samples=5)
    ag.manual_seed(5)
    weights = vae.log_weights(images, 5).detach().numpy().astype(float)
    assert weights.shape == (5, 9)
    assert seeded_loss(vae, images)["loss"] == pytest.approx(-np.log(np.exp(weights).mean(axis=0)).mean(), rel=1e-5)


def test_one_weight_is_the_integrand_of_the_elbo(digits: nn.data.Dataset) -> None:
    """log w = log p(x|z) + log N(z; 0, I) − log N(z; μ, σ²) at z = μ + σ ε, written out."""
    images = digits.test.images[:9]
    vae = models.VAE((64, 16, 3))
    ag.manual_seed(5)
    weight = vae.log_weights(images, 1).detach().numpy()[0]
    ag.manual_seed(5)
    mu, logvar = (t.detach().numpy().astype(float) for t in vae.encode(images))
    z = mu + np.exp(logvar / 2) * ag.randn(1, 9, 3).numpy()[0]
    x, p = images.reshape(9, 64), vae.decode(z.astype(np.float32)).detach().numpy().astype(float)
    log_q = -0.5 * ((z - mu) ** 2 / np.exp(logvar) + logvar + math.log(2 * math.pi)).sum(axis=1)
    log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(axis=1)
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1) + log_prior - log_q
    np.testing.assert_allclose(weight, expected, rtol=1e-5)


def test_training_with_the_importance_weighted_bound_raises_the_bound(digits: nn.data.Dataset) -> None:
    """The bound rises from −64 log 2, about −44, above the best model with independent pixels, about −29.4."""
    ag.manual_seed(0)
    vae = train(models.VAE((64, 64, 4), importance_samples=5), digits.train, epochs=15)
    assert models.metrics.importance_weighted_bound(vae, digits.test.images, 5).mean() > -27


@pytest.mark.parametrize("jit", [False, True])
def test_a_new_config_takes_effect_also_in_a_compiled_step(digits: nn.data.Dataset, jit: bool) -> None:
    """β can be annealed: a config is frozen, and a step is recorded again when the model gets another one."""
    model = models.VAE((64, 16, 2))
    trainer = nn.Trainer(model, model.updates(lr=0.0), progress=False, jit=jit)
    batches = nn.data.DataLoader(digits.test, batch_size=100)
    rows = []
    for epochs, beta in ((2, 1.0), (4, 0.0)):
        model.config = replace(model.config, beta=beta)
        rows.append(trainer.fit(batches, epochs)[-1])
    assert rows[0]["loss"] == pytest.approx(rows[0]["reconstruction"] + rows[0]["kl"], rel=1e-5)
    assert rows[1]["loss"] == pytest.approx(rows[1]["reconstruction"], rel=1e-5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.config.beta = 2.0


# -- binary pixels ---------------------------------------------------------------------------------------------------------


def test_binarized_training_draws_new_binary_pixels_with_grey_levels_as_probabilities(digits: nn.data.Dataset) -> None:
    seen: list[np.ndarray] = []

    class Spy(models.VAE):
        def loss(self, images: ag.Tensor) -> dict[str, ag.Tensor]:
            seen.append(images.numpy())
            return super().loss(images)

    grey = ag.as_tensor(digits.test.images[:2])
    spy = Spy((64, 8, 2), binarize=True)
    for _ in range(2000):
        spy.training_step((grey, grey))
    assert all(set(np.unique(images)) == {0.0, 1.0} for images in seen)
    assert np.any(seen[0] != seen[1])
    np.testing.assert_allclose(np.mean(seen, axis=0), grey.numpy(), atol=0.06)


def test_binarized_training_follows_the_seed(digits: nn.data.Dataset) -> None:
    weights = []
    for seed in (0, 0, 1):
        ag.manual_seed(seed)
        vae = train(models.VAE((64, 8, 2), binarize=True), digits.train.only(limit_per_class=10), epochs=2)
        weights.append(vae.decoder[0].weight.data)
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.any(weights[0] != weights[2])


def test_samples_can_be_means_or_pixels() -> None:
    vae = models.VAE((64, 8, 2))
    assert set(np.unique(vae.sample(5, pixels=True).numpy())) == {0.0, 1.0}
    ag.manual_seed(0)
    means = vae.sample(3).numpy()
    assert np.all((means > 0) & (means < 1))


# -- convolutional ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize(
    ("shape", "channels"),
    [((1, 8, 8), (4,)), ((3, 32, 32), (4, 8, 8)), ((3, 8, 16), (4, 8)), ((2, 9, 17), (4, 8, 8)), ((4, 30, 50), (4, 8))],
)
def test_a_convolutional_vae_takes_images_of_any_size(
    likelihood: str, shape: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    vae = models.ConvVAE((*shape, 5), channels, likelihood=likelihood)
    images = np.random.default_rng(0).random((3, *shape), np.float32)
    assert [t.shape for t in vae.encode(images)] == [(3, 5), (3, 5)]
    assert vae.reconstruct(images).shape == images.shape
    assert vae.sample(2).shape == (2, math.prod(shape))
    assert vae.interpolate(images[0], images[1], steps=4).shape == (4, math.prod(shape))
    assert vae.log_weights(images, 6).shape == (6, 3)
    vae.loss(images)["loss"].backward()
    assert all(p.grad is not None and np.any(p.grad.data) for p in vae.parameters())


def test_images_can_be_flat_or_have_a_channel_axis(digits: nn.data.Dataset) -> None:
    images = digits.test.images[:5]
    vae = models.ConvVAE((1, 8, 8, 3), (4,))
    for shaped in (images.reshape(5, 64), images[:, None]):
        np.testing.assert_array_equal(vae.latent(shaped).data, vae.latent(images).data)
        assert vae.reconstruct(shaped).shape == shaped.shape


def test_a_convolutional_vae_with_gaussian_pixels_raises_its_bound_and_learns_their_deviation(digits: nn.data.Dataset) -> None:
    ag.manual_seed(0)
    vae = models.ConvVAE((1, 8, 8, 4), (8, 16), likelihood="gaussian")
    before = models.metrics.elbo(vae, digits.test.images).mean()
    train(vae, digits.train, epochs=40)
    assert models.metrics.elbo(vae, digits.test.images).mean() > before + 10
    with ag.no_grad():
        drawn = vae.decode(vae.draw(*vae.encode(digits.train.images))).numpy()
    error = np.sqrt(np.mean((drawn - digits.train.images.reshape(drawn.shape)) ** 2))
    assert vae.likelihood.sigma == pytest.approx(error, rel=0.05)


# -- invalid options and recipes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "poisson"}, "unknown likelihood 'poisson'; expected one of: bernoulli, gaussian"),
        ({"activation": "sine"}, "unknown activation 'sine'; expected one of: relu"),
        ({"beta": -1.0}, "beta ≥ 0"),
        ({"beta": math.nan}, "beta ≥ 0"),
        ({"importance_samples": 0}, "importance_samples ≥ 1"),
        ({"importance_samples": 5, "beta": 2.0}, "it must be 1"),
        ({"beta": "much"}, "beta: expected a value such as 1.0, got 'much'"),
        ({"colour": 1}, "VAE: unknown option colour; expected one of: activation, likelihood, beta"),
    ],
)
def test_invalid_options_raise(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.VAE((64, 8, 2), **options)


def test_sigma_must_be_positive() -> None:
    with pytest.raises(ValueError, match="sigma must be positive"):
        Gaussian(0.0)


def test_invalid_sizes_of_a_convolutional_vae_raise() -> None:
    with pytest.raises(ValueError, match=r"expected images \(channels, height, width\), each 1 or more, got \(8, 8\)"):
        models.ConvVAE((8, 8, 2))
    with pytest.raises(ValueError, match="channels: expected at least one entry"):
        models.ConvVAE((1, 8, 8, 2), ())


def test_a_vae_needs_a_hidden_layer() -> None:
    with pytest.raises(ValueError, match=r"one or more hidden layers, latent dimensions\), got \(64, 2\)"):
        models.VAE((64, 2))


def test_the_preset_has_the_architecture_of_the_paper() -> None:
    """784-200-200 tanh to 50 means and 50 deviations, 50-200-200-784 back (Burda et al. 2016, section 5.1)."""
    vae = replace(RECIPES["vae", "mnist"], **PRESETS["vae", "iwae-paper"]).build()
    encoder = 785 * 200 + 201 * 200 + 2 * 201 * 50
    decoder = 51 * 200 + 201 * 200 + 201 * 784
    assert sum(p.size for p in vae.parameters()) == encoder + decoder
    assert [type(layer) for layer in vae.decoder] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert vae.config.binarize
    assert isinstance(vae.likelihood, Likelihood)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("learned", [True, False])
def test_gaussian_pixels_are_drawn_with_their_mean_and_standard_deviation(sigma: float, learned: bool) -> None:
    ag.manual_seed(0)
    likelihood = Gaussian(sigma=sigma, learned=learned)
    means = np.array([[-1.0], [2.0]], np.float32)
    pixels = likelihood.sample(ag.Tensor(np.repeat(means, 40_000, axis=1))).data
    np.testing.assert_allclose(pixels.std(axis=1), sigma, rtol=0.02)
    np.testing.assert_allclose(pixels.mean(axis=1), means[:, 0], atol=0.03 * sigma)
