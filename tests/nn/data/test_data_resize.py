"""Images in another size and with other channels, compared with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from autograd_mini import nn
from autograd_mini.nn.data.pictures.resize import convert_channels, convert_images, resize_images, shapes_of_files

RNG = np.random.default_rng(0)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((30, 50), (15, 25)),
        ((32, 32), (14, 14)),
        ((8, 8), (30, 30)),
        ((30, 50), (28, 28)),
        ((8, 8), (30, 50)),
        ((60, 100), (9, 17)),
    ],
)
def test_resizing_crops_and_averages_as_pillow_does(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Pillow's filter ends at the border of the crop, ours does not, so the border may differ if the image is cropped."""
    image = RNG.random(before, np.float32)
    expected = np.asarray(ImageOps.fit(Image.fromarray(image), after[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resize_images(image, after)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-6)


def test_a_constant_image_stays_constant_in_every_size() -> None:
    for size in ((8, 128), (127, 64), (9, 17), (1, 1)):
        np.testing.assert_allclose(resize_images(np.full((2, 3, 30, 50), 0.3), size), 0.3, rtol=1e-12)


@pytest.mark.parametrize("before", MODES)
@pytest.mark.parametrize("after", MODES)
def test_channels_are_converted_as_pillow_does(before: int, after: int) -> None:
    """Pillow rounds grey to 8 bits; opacity is dropped without a background, as Pillow's `convert` does."""
    image = RNG.integers(0, 256, (6, 7, before), np.uint8)
    expected = np.asarray(Image.fromarray(image[:, :, 0] if before == 1 else image).convert(MODES[after])).reshape(6, 7, after)
    found = convert_channels(image.transpose(2, 0, 1)[None] / 255, after)
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), expected / 255, atol=1 / 255)


def test_images_are_converted_in_chunks_and_lose_the_axis_of_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.random((5, 3, 8, 8), np.float32)
    whole = convert_images(images, (1, 9, 17))
    monkeypatch.setattr("autograd_mini.nn.data.pictures.resize._CHUNK", 200)
    np.testing.assert_allclose(convert_images(images, (1, 9, 17)), whole, rtol=1e-5)
    assert (whole.shape, whole.dtype) == ((5, 9, 17), np.float32)
    assert convert_images(images[:0], (4, 9, 17)).shape == (0, 4, 9, 17)


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 6)), (2, (2, 4, 6)), (3, (3, 4, 6)), (4, (4, 4, 6))])
def test_a_folder_has_the_channels_that_are_requested(tmp_path: Path, channels: int, shape: tuple[int, ...]) -> None:
    Image.new("RGB", (6, 4), (255, 0, 0)).save(tmp_path / "1.png")
    images, _ = nn.data.ImageFolder(tmp_path, channels=channels)[:]
    assert images.shape == (1, *shape)
    grey = pytest.approx(0.299, abs=0.003)
    expected = {1: [grey], 2: [grey, 1.0], 3: [1.0, 0.0, 0.0], 4: [1.0, 0.0, 0.0, 1.0]}[channels]
    assert images.reshape(channels, -1)[:, 0].tolist() == expected
    with pytest.raises(ValueError, match="channels=5"):
        nn.data.ImageFolder(tmp_path, channels=5)


def test_shapes_are_read_from_headers(tmp_path: Path) -> None:
    """Grey is one channel, a picture that the camera turned has its turned shape, and damaged files are not counted."""
    for i, mode in enumerate(("L", "1", "I;16", "LA", "RGB", "RGBA", "P")):
        Image.new(mode, (50, 30)).save(tmp_path / f"{i}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 30)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    assert shapes_of_files(sorted(tmp_path.iterdir())) == {(1, 30, 50): 4, (3, 30, 50): 3, (3, 50, 30): 1}
