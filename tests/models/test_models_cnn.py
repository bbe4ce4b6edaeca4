"""Convolutional classifiers: each architecture matches its name, accepts every data set, and learns."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.classifiers.cnn import VARIANTS
from autograd_mini.models.recipes import IMAGE_SHAPES, PRESETS, RECIPES

# Counted by hand for MNIST: a convolution has out · (in · 9 + 1) parameters, without bias and with a norm's γ and β one more.
PARAMETERS = {
    "stride": 16 * 10 + 32 * (16 * 9 + 1) + (32 * 7 * 7 + 1) * 128 + 129 * 10,
    "keras": 32 * 10 + 64 * (32 * 9 + 1) + (64 * 14 * 14 + 1) * 128 + 129 * 10,
    "cifar": 32 * 10 + 64 * (32 * 9 + 1) + (64 * 7 * 7 + 1) * 128 + 129 * 10,
    "contest-7": 32 * 9 + 2 * 32 + (32 * 4 * 4 + 1) * 10,
    "contest-4": 32 * 9 + 2 * 32 + (32 * 7 * 7 + 1) * 10,
    "contest-2": 32 * 9 + 2 * 32 + (32 * 14 * 14 + 1) * 10,
}


def test_each_architecture_has_the_parameters_counted_by_hand() -> None:
    assert {name: sum(p.size for p in models.CNN(variant=name).parameters()) for name in VARIANTS} == PARAMETERS


def test_the_contest_net_matches_its_source() -> None:
    layers = models.CNN(variant="contest-7").layers
    expected = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Dropout", "Flatten", "Linear"]
    assert [type(layer).__name__ for layer in layers] == expected


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (3, 32, 32), (2, 9, 13)])
def test_every_variant_takes_images_of_any_shape(variant: str, shape: tuple[int, ...]) -> None:
    cnn = models.CNN((*shape, 7), variant)
    assert cnn.training
    images = np.random.default_rng(0).random((3, *shape), np.float32)
    assert cnn(images).shape == (3, 7)
    labels = cnn.predict(images)
    assert (labels.shape, labels.dtype) == ((3,), np.int64)


def test_the_channel_axis_is_optional_for_one_channel() -> None:
    cnn = models.CNN((1, 8, 8, 10))
    images = np.random.default_rng(0).random((5, 8, 8), np.float32)
    np.testing.assert_array_equal(cnn(images).data, cnn(images[:, None]).data)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_digits(variant: str) -> None:
    """Training on 300 images gives a test accuracy far above chance, even if pooling leaves a single pixel."""
    digits = nn.data.digits()
    ag.manual_seed(0)
    cnn = models.CNN((1, 8, 8, 10), variant)
    trainer = nn.Trainer(cnn, nn.Adam(cnn.parameters(), lr=1e-2), progress=False)
    few = digits.train.only(limit_per_class=30)
    trainer.fit(nn.data.DataLoader(few, batch_size=20, shuffle=True), epochs=4)
    assert np.mean(cnn.predict(digits.test.images).numpy() == digits.test.labels) > 0.3


@pytest.mark.parametrize(("model", "sizes"), [(models.CNN, (1, 8, 8, 10)), (models.MLP, (64, 16, 10))])
def test_centred_networks_see_pixels_between_minus_one_and_one(model: type, sizes: tuple[int, ...]) -> None:
    plain, centred = model(sizes), model(sizes, centred=True)
    centred.load_state_dict(plain.state_dict())
    images = np.random.default_rng(0).random((3, 8, 8), np.float32)
    np.testing.assert_array_equal(centred(images).data, plain(2 * images - 1).data)


def test_predictions_ignore_dropout_and_change_no_state() -> None:
    """Also in training mode: the mode, the running statistics and the random state do not change."""
    cnn = models.CNN((1, 8, 8, 10), "contest-2")
    images = np.random.default_rng(0).random((50, 8, 8), np.float32)
    before, stream = cnn.state_dict(), ag.get_rng_state()
    first = cnn.predict(images)
    np.testing.assert_array_equal(first.numpy(), cnn.predict(images).numpy())
    assert all(module.training for module in cnn.modules())
    assert ag.get_rng_state() == stream
    for name, array in cnn.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_array_equal(first.numpy(), cnn.eval()(images).detach().numpy().argmax(axis=1))


@pytest.mark.parametrize(
    ("variant", "shape", "layer"),
    [
        ("stride", (5, 8, 8), r"\(5, 128\)\nin the layer Linear\(in_features=1568"),
        ("stride", (5, 3, 28, 28), r"Conv2d\(1, 16.*3"),
        ("stride", (5, 784), r"Conv2d"),
        ("contest-7", (5, 6, 6), "MaxPool2d"),
    ],
)
def test_images_of_the_wrong_size_raise_and_name_the_layer(variant: str, shape: tuple[int, ...], layer: str) -> None:
    with pytest.raises(ValueError, match=layer):
        models.CNN(variant=variant)(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("sizes", "variant", "message"),
    [
        ((1, 28, 28), "stride", r"expected sizes \(channels, height, width, classes\).*\(1, 28, 28\)"),
        ((1, 28, 0, 10), "stride", "each 1 or more"),
        ((1, 28, 28, 10), "lenet", "unknown variant 'lenet'; expected one of: stride"),
        ((1, 6, 6, 10), "contest-7", r"MaxPool2d\(kernel_size=7"),
    ],
)
def test_invalid_sizes_or_variants_raise(sizes: tuple[int, ...], variant: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.CNN(sizes, variant)


def test_every_recipe_and_preset_takes_its_data() -> None:
    """Models are built for the image shape of the data set, classifiers for its ten classes."""
    for (name, data), recipe in RECIPES.items():
        images = np.zeros((2, *IMAGE_SHAPES[data]), np.float32)
        batch = ag.as_tensor(images), ag.as_tensor(np.array([0, 9]))
        for changes in ({}, *(change for (model, _), change in PRESETS.items() if model == name)):
            model = replace(recipe, **changes).build()
            with ag.no_grad():
                assert np.isfinite(model.training_step(batch)["loss"].item()), (name, data, changes)


@pytest.mark.skipif("AUTOGRAD_MINI_DATA" not in os.environ, reason="AUTOGRAD_MINI_DATA is not set: no MNIST, no CIFAR-10")
@pytest.mark.parametrize("data", ["mnist", "cifar10"])
def test_image_shapes_match_the_data(data: str) -> None:
    if not (Path(os.environ["AUTOGRAD_MINI_DATA"]) / data).is_dir():
        pytest.skip(f"no {data} in AUTOGRAD_MINI_DATA")
    image = nn.data.DATASETS[data]().test.images[0]
    assert image.size == np.prod(IMAGE_SHAPES[data])
    assert image.shape == IMAGE_SHAPES[data][-image.ndim :]
