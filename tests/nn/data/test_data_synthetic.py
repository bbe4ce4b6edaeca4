"""Synthetic points satisfy their formulas, and a user's own images are loaded unchanged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autograd_mini import nn

data = nn.data


def test_a_gaussian_ring_has_equal_modes_on_a_circle() -> None:
    points, modes = data.gaussian_ring(8000, modes=8, radius=2.0, std=0.02)
    for k in range(8):
        mode = points[modes == k]
        np.testing.assert_allclose(mode.mean(0), [2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)], atol=0.005)
        np.testing.assert_allclose(mode.std(0), 0.02, rtol=0.1)
        assert 850 < len(mode) < 1150


def test_a_swiss_roll_satisfies_its_formula() -> None:
    points, t = data.swiss_roll(500)
    np.testing.assert_allclose(np.hypot(points[:, 0], points[:, 2]), t, rtol=1e-5)
    np.testing.assert_allclose(np.arctan2(points[:, 2], points[:, 0]) % (2 * np.pi), t % (2 * np.pi), atol=1e-4)
    assert 0 <= points[:, 1].min() < 1 < 20 < points[:, 1].max() <= 21
    assert 1.5 * math.pi <= t.min() < t.max() <= 4.5 * math.pi


def test_moons_are_two_half_circles() -> None:
    points, labels = data.moons(500)
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[labels]
    np.testing.assert_allclose(np.linalg.norm(points - centres, axis=1), 1, rtol=1e-5)
    assert (points[labels == 0, 1] >= 0).all()
    assert (points[labels == 1, 1] <= 0.5).all()


def test_the_funnel_satisfies_its_formula() -> None:
    """f(0, 0) = 10 − 10 − e."""
    assert data.funnel((0.0, 0.0)) == pytest.approx(-math.e)
    assert data.funnel((1.0, 2.0)) == pytest.approx(10 - 10 * math.exp(-1.0) - math.exp((math.cos(1) + math.cos(2)) / 2))
    x, y = data.funnel_samples(20_000, noise=0.1)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((20_000, 2), (20_000, 1), np.float32, np.float32)
    assert -5 <= x.min() < -4.99 < 4.99 < x.max() <= 5
    residual = y[:, 0] - data.funnel(x)
    assert (residual.mean(), residual.std()) == pytest.approx((0, 0.1), abs=0.003)


@pytest.mark.parametrize("make", [data.gaussian_ring, data.swiss_roll, data.moons, data.funnel_samples])
def test_the_seed_determines_the_points(make: object) -> None:
    first, again, other = (make(10, seed=seed)[0] for seed in (1, 1, 2))  # type: ignore[operator]
    np.testing.assert_array_equal(first, again)
    assert np.all(first != other)


# -- a user's own images ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes: one red image, 40 wide and 20 high, and two blue ones, of which one has a black left half."""
    for name in ("red", "blue", ".hidden"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "red" / "a.PNG")
    Image.new("RGB", (40, 20), (0, 0, 255)).save(tmp_path / "blue" / "b.png")
    half = Image.new("RGB", (40, 20), (0, 0, 255))
    half.paste((0, 0, 0), (0, 0, 20, 20))
    half.save(tmp_path / "blue" / "c.png")
    (tmp_path / "blue" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_the_class_of_an_image_is_its_folder(pictures: Path) -> None:
    found = data.ImageFolder(pictures)
    images, labels = found[:]
    assert (found.classes, labels.tolist()) == (("blue", "red"), [0, 0, 1])
    assert (images.shape, images.dtype) == ((3, 3, 20, 40), np.float32)
    assert images[:, :, 10, 30].tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert images[1, 2, :, :20].max() == 0, "left and right, or rows and columns, are mixed up"
    batches = list(data.DataLoader(found, batch_size=2))
    assert [tuple(image.shape) for image, _ in batches] == [(2, 3, 20, 40), (1, 3, 20, 40)]
    assert found[2][1] == 1
    assert found[2][0].shape == (3, 20, 40)
    assert found[:0][0].shape[0] == 0


def test_a_flat_folder_is_one_class_and_images_are_cropped_and_scaled(pictures: Path) -> None:
    """The left half of the central 20×20 pixels of the half-black image is black."""
    found = data.ImageFolder(pictures / "blue", size=(10, 10), grey=True)
    images, labels = found[:]
    assert (images.shape, labels.tolist(), found.classes) == ((2, 10, 10), [0, 0], ("blue",))
    assert images[1, :, :4].max() == 0
    np.testing.assert_allclose(images[1, :, 6:], 29 / 255, atol=1 / 255)  # the luma of blue is 0.114


def test_an_error_names_an_image_that_cannot_be_used(pictures: Path) -> None:
    Image.new("RGB", (8, 8)).save(pictures / "red" / "small.png")
    with pytest.raises(data.DataError, match=r"small\.png: has the size \(8, 8\).*\(20, 40\).*pass a size to ImageFolder"):
        data.ImageFolder(pictures)[:]
    (pictures / "red" / "small.png").write_bytes((pictures / "red" / "a.PNG").read_bytes()[:60])
    with pytest.raises(data.DataError, match=r"small\.png: cannot be read as an image"):
        data.ImageFolder(pictures)[:]
    (pictures / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="none: no images"):
        data.ImageFolder(pictures / "none")


def test_the_orientation_recorded_by_the_camera_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert data.ImageFolder(tmp_path)[:][0].shape == (1, 3, 40, 20)


@pytest.mark.parametrize("grey", [True, False])
def test_16_bit_images_keep_their_grey_levels_and_float_images_raise(tmp_path: Path, grey: bool) -> None:
    """They have the same range as 8-bit images; the range of float pixels is unknown."""
    from PIL import Image

    ramp = np.arange(256).reshape(16, 16)
    for name, values in (("8.png", ramp.astype(np.uint8)), ("16.png", (257 * ramp).astype(np.uint16))):
        Image.fromarray(values).save(tmp_path / name)
    images, _ = nn.data.ImageFolder(tmp_path, grey=grey)[:]
    np.testing.assert_array_equal(images[0], images[1])
    assert np.unique(images).size == 256
    Image.fromarray((ramp / 255).astype(np.float32)).save(tmp_path / "fractions.tif")
    with pytest.raises(nn.data.DataError, match=r"fractions\.tif: cannot be read as an image: its pixels are floats"):
        nn.data.ImageFolder(tmp_path)[:]


@pytest.mark.parametrize("make", [data.gaussian_ring, data.swiss_roll, data.moons, data.funnel_samples])
def test_the_default_seed_is_0(make: Any) -> None:
    """A program without a seed gives the same data in each run and in each release."""
    for given, default, other in zip(make(9, seed=0), make(9), make(9, seed=1), strict=True):
        np.testing.assert_array_equal(given, default)
        assert not np.array_equal(given, other)
