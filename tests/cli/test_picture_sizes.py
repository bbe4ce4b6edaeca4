"""Every model trains on pictures of any size and number of channels, by command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_helpers import CLASSES, make_pictures
from PIL import Image

import autograd_mini as ag
from autograd_mini.__main__ import main
from autograd_mini.cli import datasets
from autograd_mini.cli.options import choose
from autograd_mini.cli.run import Run
from autograd_mini.models.recipes import MODELS, PRESETS, RECIPES

SIZES = [(30, 50), (9, 17), (127, 64), (128, 8)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "three")


@pytest.mark.parametrize("model", MODELS)
def test_a_model_keeps_the_size_and_the_colours_of_a_folder(pictures: Path, model: str) -> None:
    """The model generates, reconstructs or classifies images of exactly the shape of the data."""
    recipe = choose(model, str(pictures))
    data = datasets.load(recipe)
    assert (data.image_shape, recipe.image_shape, data.classes) == ((3, 30, 50), (3, 30, 50), tuple(CLASSES))
    network = recipe.build()
    losses = network.training_step(tuple(map(ag.as_tensor, data.train[:4])) if model != "ssgan" else data.train[:4])
    losses["loss"].backward()
    assert all(np.isfinite(loss.item()) for loss in losses.values())
    if hasattr(network, "reconstruct"):
        assert network.reconstruct(data.test.images).shape == data.test.images.shape
    if hasattr(network, "sample"):
        assert network.sample(3).reshape(3, -1).shape == (3, 4500)
    if recipe.model in ("mlp", "cnn"):
        assert network(data.test.images).shape == (len(data.test), 3)


@pytest.mark.parametrize("model", [model for model, kind in MODELS.items() if kind.image_part.stop > 1 and model != "ssgan"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 4])
def test_convolutional_models_take_any_size(model: str, size: tuple[int, int], channels: int) -> None:
    """Losses are finite, and outputs have the size of the images: also for odd sides, and for long and narrow images."""
    options = {"width": 4} if model in ("gan", "dcgan", "cgan", "wgan-gp") else {}
    recipe = RECIPES[model, "mnist"].with_image_shape((channels, *size))
    network = MODELS[model](recipe.sizes, **{**recipe.options, **options})
    images = ag.rand(3, channels, *size)
    losses = network.training_step((images, ag.as_tensor(np.array([0, 1, 2]))))
    assert np.isfinite(losses["loss"].item())
    if hasattr(network, "reconstruct"):
        assert network.reconstruct(images).shape == images.shape
    if hasattr(network, "generate"):
        assert network.sample(2).shape == (2, channels, *size)


@pytest.mark.parametrize(
    ("flags", "shape"),
    [
        (["--size", "28", "--channels", "1"], (28, 28)),
        (["--size", "9X17", "--channels", "2"], (2, 9, 17)),
    ],
)
def test_size_and_channels_of_the_command_line(
    pictures: Path, tmp_path: Path, flags: list[str], shape: tuple[int, ...]
) -> None:
    assert main(["train", "vae", "--data", str(pictures), "--epochs", "1", "--out", str(tmp_path / "run"), *flags]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["image_shape"] == list(shape if len(shape) == 3 else (1, *shape))
    assert config["sizes"][0] == np.prod(shape)
    assert main(["evaluate", str(tmp_path / "run"), "--k", "2"]) == 0
    assert main(["sample", str(tmp_path / "run"), "--n", "4"]) == 0
    assert main(["interpolate", str(tmp_path / "run")]) == 0


def test_the_first_images_of_a_folder_are_of_all_classes(pictures: Path) -> None:
    """Plots, metrics and initial weights use the first images; files are sorted by class, the data set is not."""
    data = datasets.load(choose("mlp", str(pictures)))
    assert set(data.train.labels[:8]) == set(data.test.labels) == {0, 1, 2}
    assert np.any(np.diff(data.train.labels) < 0)
    colours = data.train.images.mean(axis=(2, 3)).argmax(axis=1)
    np.testing.assert_array_equal(colours, data.train.labels)  # images and labels keep together
    np.testing.assert_array_equal(datasets.load(choose("mlp", str(pictures))).train.images, data.train.images)


def test_built_in_data_is_converted_too() -> None:
    assert datasets.load(choose("cnn", "digits", size=(16, 12), channels=3)).image_shape == (3, 16, 12)
    assert datasets.load(choose("vae", "digits", size=(16, 12))).image_shape == (16, 12)
    assert choose("vae", "digits") == RECIPES["vae", "digits"]


@pytest.mark.parametrize(("model", "preset"), PRESETS)
def test_every_preset_takes_the_size_of_the_data(pictures: Path, model: str, preset: str) -> None:
    """The network that is built fits the images that are loaded."""
    recipe = choose(model, str(pictures), preset, size=(30, 50))
    shape = datasets.image_shape(recipe)
    assert shape == (3, 30, 50)
    batch = (ag.rand(3, *shape), ag.as_tensor(np.array([0, 1, 2])))
    assert np.isfinite(recipe.build().training_step(batch)["loss"].item())


def test_a_size_replaces_the_square_of_a_preset(pictures: Path) -> None:
    assert datasets.image_shape(choose("dcgan", str(pictures), "dcgan-64")) == (3, 64, 64)
    recipe = choose("dcgan", str(pictures), "dcgan-64", size=(30, 50))
    assert datasets.image_shape(recipe) == recipe.build().image_shape == (3, 30, 50)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "thirty"], "--size thirty: expected HEIGHTxWIDTH in pixels, such as 30x50"),
        (["--size", "1x2x3"], "expected HEIGHTxWIDTH"),
        (["--size", "-28"], "expected HEIGHTxWIDTH"),
        (["--size", "28x7"], "sides of at least 8 pixels"),
        (["--channels", "5"], "--channels"),
    ],
)
def test_invalid_sizes_are_reported(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main(["train", "ae", "--data", str(pictures), "--out", str(tmp_path / "run"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.json").exists()


def test_images_of_several_sizes_are_scaled_and_the_user_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So are images of one size that is too large; a size on the command line needs no message."""
    mixed = make_pictures(tmp_path / "mixed", 30, 50, "L")
    Image.new("L", (640, 480)).save(mixed / "ants" / "large.png")
    large = make_pictures(tmp_path / "large", 60, 129)
    for folder, channels, words in ((mixed, 1, "images of 30x50 to 480x640 pixels"), (large, 3, "images of 60x129 pixels")):
        assert choose("cnn", str(folder)).image_shape == (channels, 32, 32)
        assert capsys.readouterr().err.startswith(
            f"{words} (height x width) are cropped at the centre and scaled to 32x32; --size"
        )
        assert choose("cnn", str(folder), size=(60, 129)).image_shape == (channels, 60, 129)
        assert capsys.readouterr().err == ""


def test_a_run_on_a_folder_from_before_image_shapes_keeps_its_size(pictures: Path) -> None:
    """Configurations of earlier versions have no image shape: the size and the channels were those of the model's recipe."""
    from dataclasses import replace

    recipe = replace(choose("vae", str(pictures)), image_shape=None, sizes=(784, 400, 20))
    assert datasets.load(recipe).image_shape == (28, 28)


def test_a_folder_with_one_test_picture_has_all_plots(tmp_path: Path) -> None:
    """Its points of latent space are one point, and its pairs for interpolation are of test and training pictures."""
    for i in range(4):
        (tmp_path / "pets" / "dogs").mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 9), 60 * i).save(tmp_path / "pets" / "dogs" / f"{i}.png")
    run = tmp_path / "run"
    assert main(["train", "ae", "--data", str(tmp_path / "pets"), "--iterations", "1", "--out", str(run)]) == 0
    assert (run / "plane.png").exists()
    assert (run / "interpolation.png").exists()
    assert main(["interpolate", str(run), "--out", str(tmp_path / "lines.png")]) == 0
    assert (tmp_path / "lines.png").exists()


def test_a_gan_interpolates_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts from noise: the picture is the same with and without the folder."""
    monkeypatch.setattr(Run, "write", lambda run: None)
    root, run = make_pictures(tmp_path / "pets", 8, 9), tmp_path / "run"
    assert main(["train", "cgan", "--data", str(root), "--iterations", "1", "--out", str(run)]) == 0
    assert main(["interpolate", str(run), "--out", str(tmp_path / "with.png")]) == 0
    shutil.rmtree(root)
    assert main(["interpolate", str(run), "--out", str(tmp_path / "without.png")]) == 0
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()
