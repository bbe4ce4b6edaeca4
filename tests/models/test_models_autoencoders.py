"""Denoising and convolutional autoencoders, and the JSON round trip of their recipes."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.autoencoders.conv_coder import conv_decoder, conv_encoder, reduced_shape
from autograd_mini.models.autoencoders.denoising import CORRUPTIONS
from autograd_mini.models.recipes import PRESETS, RECIPES


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def train(model: nn.Module, split: nn.data.Split, epochs: int) -> nn.Trainer:
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=3e-3), progress=False)
    trainer.fit(nn.data.DataLoader(split, batch_size=32, shuffle=True), epochs)
    return trainer


# -- corruption ------------------------------------------------------------------------------------------------------------


def test_each_corruption_matches_its_name() -> None:
    ag.manual_seed(0)
    images = ag.full((400, 500), 0.25)
    noisy, masked, peppered = (CORRUPTIONS[name](images, 0.3).numpy() for name in ("gaussian", "masking", "salt-and-pepper"))
    assert (noisy.mean(), noisy.std()) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.3, rel=0.01))
    assert set(np.unique(masked)) == {0.0, 0.25}
    assert np.mean(masked == 0) == pytest.approx(0.3, abs=0.01)
    assert set(np.unique(peppered)) == {0.0, 0.25, 1.0}
    assert [np.mean(peppered == value) for value in (0, 1)] == pytest.approx([0.15, 0.15], abs=0.01)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_amount_0_leaves_images_unchanged(corruption: str, digits: nn.data.Dataset) -> None:
    images = ag.as_tensor(digits.test.images[:5])
    dae = models.DenoisingAutoencoder((64, 8, 4), corruption=corruption, amount=0.0)
    np.testing.assert_array_equal(dae.corrupt(images).numpy(), images.numpy())


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_denoising_autoencoder_restores_better_than_one_trained_on_clean_images(
    corruption: str, digits: nn.data.Dataset
) -> None:
    errors = []
    for amount in (0.4, 0.0):
        ag.manual_seed(0)
        dae = models.DenoisingAutoencoder((64, 128, 32), corruption=corruption, amount=amount)
        train(dae, digits.train, epochs=10)
        dae.amount = 0.4
        corrupted = dae.corrupt(ag.as_tensor(digits.test.images))
        errors.append(np.mean((dae.reconstruct(corrupted).numpy() - digits.test.images) ** 2))
    assert errors[0] < 0.75 * errors[1]


def test_validation_measures_restoring_with_the_same_corruption_each_time(digits: nn.data.Dataset) -> None:
    dae = models.DenoisingAutoencoder((64, 16, 4), amount=0.5)
    trainer = nn.Trainer(dae, nn.Adam(dae.parameters()), progress=False)
    loader = nn.data.DataLoader(digits.test, batch_size=100)
    noisy = trainer.evaluate(loader)["loss"]
    assert noisy == trainer.evaluate(loader)["loss"]
    dae.amount = 0.0
    assert noisy != trainer.evaluate(loader)["loss"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruption": "rain"}, "unknown corruption 'rain'; expected one of: gaussian, masking"),
        ({"amount": -0.1}, "gaussian: expected an amount of 0 or more"),
        ({"amount": math.nan}, "got nan"),
        ({"corruption": "masking", "amount": 1.1}, "masking: .* at most 1"),
    ],
)
def test_an_invalid_corruption_raises(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.DenoisingAutoencoder((64, 8, 4), **options)


# -- convolution -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (2, 12, 20), (3, 30, 50), (2, 9, 17), (1, 127, 64)])
def test_encoder_layers_halve_the_image_and_decoder_layers_double_it(shape: tuple[int, int, int]) -> None:
    height, width = shape[1:]
    maps = []
    for network, inputs in (
        (conv_encoder(shape, (4, 6)), ag.rand(2, math.prod(shape))),
        (conv_decoder(5, shape, (4, 6)), ag.rand(2, 5)),
    ):
        x = inputs
        for layer in network:
            x = layer(x)
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                maps.append(x.shape[1:])
    first, second = ((channels, -(-height // by), -(-width // by)) for channels, by in ((4, 2), (6, 4)))  # rounded up
    assert maps == [first, second, first, shape]
    assert reduced_shape(shape, (4, 6)) == second


def test_a_convolutional_autoencoder_learns_to_restore_unseen_digits(digits: nn.data.Dataset) -> None:
    ag.manual_seed(0)
    ae = models.ConvAutoencoder((1, 8, 8, 8), (8, 16))
    train(ae, digits.train, epochs=10)
    error = np.mean((ae.reconstruct(digits.test.images).numpy() - digits.test.images) ** 2)
    assert error < 0.4 * np.mean((digits.train.images.mean(axis=0) - digits.test.images) ** 2)


def test_a_gaussian_autoencoder_minimises_the_squared_error(digits: nn.data.Dataset) -> None:
    """−log p is Σ (x − x̂)²/2σ² plus a constant, so its gradients are those of the squared error."""
    ae = models.Autoencoder((64, 16, 2), likelihood="gaussian-fixed")
    images = ag.as_tensor(digits.test.images[:6])
    ae.training_step((images,))["loss"].backward()
    gradients = [p.grad.numpy().copy() for p in ae.parameters()]
    ae.zero_grad()
    (nn.mse_loss(ae(images), images, reduction="batchmean") / (2 * 0.1**2)).backward()
    for p, gradient in zip(ae.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_decoder_starts_from_the_mean_image_and_a_convolutional_one_from_the_mean_colour(likelihood: str) -> None:
    """The weights of the last layer are zero, so the latent point has no effect."""
    images = np.random.default_rng(0).uniform(0.2, 0.6, (50, 3, 8, 8)).astype(np.float32)
    images[:, 1] /= 2
    ae = models.Autoencoder((192, 16, 2), likelihood=likelihood)
    conv = models.ConvVAE((3, 8, 8, 2), (4,), likelihood=likelihood)
    for model, last, mean in ((ae, -1, images.mean(axis=0)), (conv, -2, images.mean(axis=(0, 2, 3))[:, None, None])):
        model.init_from_data(images)
        nn.init.zeros_(model.decoder[last].weight)
        expected = np.broadcast_to(mean, (3, 8, 8)).ravel()
        np.testing.assert_allclose(model.decode(np.zeros((1, 2), np.float32)).data[0], expected, rtol=1e-5)


def test_pixels_that_are_always_black_start_from_a_finite_logit() -> None:
    ae = models.Autoencoder((4, 8, 2))
    ae.init_from_data(np.array([[0.0, 1.0, 0.5, 0.2]], np.float32))
    np.testing.assert_allclose(ae.decoder[-1].bias.data, [-6.9068, 6.9068, 0, -1.3863], rtol=1e-4)


# -- recipes ---------------------------------------------------------------------------------------------------------------


def test_recipe_and_preset_options_survive_a_json_round_trip() -> None:
    """A run is resumed only if its stored recipe equals the requested one."""
    everywhere = [recipe.options for recipe in RECIPES.values()] + [change.get("options", {}) for change in PRESETS.values()]
    for options in everywhere:
        assert json.loads(json.dumps(options)) == options


def test_a_leading_minus_one_becomes_the_number_of_pixels() -> None:
    for data, pixels in (("mnist", 784), ("digits", 64), ("some/folder", 784)):
        assert dataclasses.replace(RECIPES["vae", "mnist"], data=data, sizes=(-1, 20, 3)).sizes == (pixels, 20, 3)
