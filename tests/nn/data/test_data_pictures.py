"""One picture as an array: every format, depth, transparency and orientation has the values that a viewer shows."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from autograd_mini import nn
from autograd_mini.nn.data.pictures import decode, layout
from autograd_mini.nn.data.pictures.decode import Decoder
from autograd_mini.nn.data.pictures.load import decode_all

RED, BLUE = (255, 0, 0), (0, 0, 255)


def read(path: Path, **settings: Any) -> np.ndarray:
    return Decoder(**settings).decode(path)


# -- transparency ----------------------------------------------------------------------------------------------------------


def half_transparent(mode: str) -> Image.Image:
    """4×2 pixels: red (or dark) ink on the left, full transparency over black on the right."""
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.paste((*RED, 255), (0, 0, 2, 2))
    if mode == "P":
        indexed = Image.new("P", (4, 2), 1)
        indexed.putpalette([*RED, 0, 0, 0])
        indexed.paste(0, (0, 0, 2, 2))
        indexed.info["transparency"] = 1
        return indexed
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "file", "options"),
    [
        ("RGBA", "a.png", {}),
        ("LA", "a.png", {}),
        ("P", "a.png", {"transparency": 1}),
        ("P", "a.gif", {"transparency": 1}),
        ("RGBA", "a.webp", {"lossless": True}),
        ("RGBA", "a.tif", {}),
        ("RGBA", "a.tga", {}),
    ],
)
@pytest.mark.parametrize(("background", "colour"), [("white", (255,) * 3), ("#102030", (16, 32, 48)), ("black", (0,) * 3)])
def test_transparent_pixels_have_the_colour_of_the_background(
    tmp_path: Path, mode: str, file: str, options: dict[str, Any], background: str, colour: tuple[int, ...]
) -> None:
    """Black under full transparency must not become ink."""
    half_transparent(mode).save(tmp_path / file, **options)
    ink = RED if mode != "LA" else (76,) * 3  # the luma of red
    shown = read(tmp_path / file, background=background)
    assert shown.shape == (2, 4, 3)
    assert {tuple(p) for p in shown[:, :2].reshape(-1, 3).tolist()} == {ink}
    assert {tuple(p) for p in shown[:, 2:].reshape(-1, 3).tolist()} == {colour}
    grey = read(tmp_path / file, channels=1, background=background)
    luma = round(np.dot(colour, (0.299, 0.587, 0.114)))
    assert np.abs(grey[:, 2:].astype(int) - luma).max() <= 1


def test_half_transparent_pixels_are_mixed_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (200, 100, 0, 51)).save(tmp_path / "a.png")  # one fifth opaque
    assert read(tmp_path / "a.png")[0, 0].tolist() == [244, 224, 204]


def test_a_colour_that_a_png_file_declares_transparent_is_background(tmp_path: Path) -> None:
    for mode, ink, clear in (("RGB", RED, (0, 0, 0)), ("L", 80, 0), ("I;16", 80 * 257, 5)):
        picture = Image.new(mode, (2, 1), clear)
        picture.putpixel((0, 0), ink)
        picture.save(tmp_path / "a.png", **({} if mode == "I;16" else {"transparency": clear}))
        if mode == "I;16":  # Pillow does not write the chunk
            content = (tmp_path / "a.png").read_bytes()
            chunk = b"tRNS" + struct.pack(">H", 5)
            chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
            (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
        ink_shown = list(RED) if mode == "RGB" else [80] * 3
        assert read(tmp_path / "a.png").tolist() == [[ink_shown, [255] * 3]], mode


def test_even_numbers_of_channels_keep_alpha(tmp_path: Path) -> None:
    half_transparent("RGBA").save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", channels=4)[0, [0, 3], 3].tolist() == [255, 0]
    assert read(tmp_path / "a.png", channels=2)[0, [0, 3]].tolist() == [[76, 255], [0, 0]]
    Image.new("RGB", (4, 2), RED).save(tmp_path / "b.png")
    assert read(tmp_path / "b.png", channels=4)[0, 0].tolist() == [255, 0, 0, 255]
    images, _ = nn.data.ImageFolder(tmp_path, channels=4)[:]
    assert images.shape == (2, 4, 2, 4)


# -- depth and modes -------------------------------------------------------------------------------------------------------


def test_greys_of_12_and_16_bits_are_scaled_from_the_range_that_the_file_declares(tmp_path: Path) -> None:
    levels = np.array([[0, 1000, 2000, 4095]], np.uint16)
    expected = np.rint(levels * (255 / 4095)).astype(int).tolist()
    header = b"P5 4 1 4095\n"
    (tmp_path / "a.pgm").write_bytes(header + levels.astype(">u2").tobytes())
    assert read(tmp_path / "a.pgm", channels=1).tolist() == expected
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[281] = 4095  # MaxSampleValue
    Image.fromarray(levels).save(tmp_path / "a.tif", tiffinfo=info)
    assert read(tmp_path / "a.tif", channels=1).tolist() == expected
    packed = bytes([0x00, 0x03, 0xE8, 0x7D, 0x0F, 0xFF])  # the same in 12 bits each
    (tmp_path / "b.tif").write_bytes(tiff(packed, width=4, height=1, bits=12))
    assert read(tmp_path / "b.tif", channels=1).tolist() == expected
    full = np.array([[0, 257, 32896, 65535]], np.uint16)
    for name in ("c.png", "c.tif"):
        Image.fromarray(full).save(tmp_path / name)
        assert read(tmp_path / name, channels=1).tolist() == [[0, 1, 128, 255]]
    (tmp_path / "d.tif").write_bytes(tiff(full.astype("<u2").tobytes(), width=4, height=1, bits=16, photometric=0))
    assert read(tmp_path / "d.tif", channels=1).tolist() == [[255, 254, 127, 0]], "0 is white there"


def tiff(data: bytes, width: int, height: int, bits: int, photometric: int = 1) -> bytes:
    """Returns a TIFF file of one uncompressed strip, written byte by byte after TIFF 6.0."""
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(data)}
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries.items()) + bytes(4)
    data += bytes(len(data) % 2)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_greys_are_scaled_if_the_file_declares_their_range_and_refused_otherwise(tmp_path: Path, dtype: Any) -> None:
    picture = Image.fromarray(np.array([[-1, 0, 1, 3]], dtype))
    picture.save(tmp_path / "a.tif")
    with pytest.raises(nn.data.DataError, match=r"a\.tif: cannot be read as an image: its pixels are .* of unknown range"):
        read(tmp_path / "a.tif")
    info = TiffImagePlugin.ImageFileDirectory_v2()
    kind = 12 if dtype is np.float32 else 9
    for tag, value in ((340, -1), (341, 3)):
        info[tag] = float(value) if dtype is np.float32 else value
        info.tagtype[tag] = kind
    picture.save(tmp_path / "b.tif", tiffinfo=info)
    assert read(tmp_path / "b.tif", channels=1).tolist() == [[0, 64, 128, 255]]


def test_other_modes_have_the_usual_colours(tmp_path: Path) -> None:
    bits = Image.new("1", (2, 1))
    bits.putpixel((1, 0), 1)
    bits.save(tmp_path / "bits.png")
    bits.save(tmp_path / "bits.pbm")
    for name in ("bits.png", "bits.pbm"):
        assert read(tmp_path / name, channels=1).tolist() == [[0, 255]]
    Image.new("CMYK", (1, 1), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    assert read(tmp_path / "print.tif")[0, 0].tolist() == list(RED)
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "paper.jpg", quality=100)
    assert read(tmp_path / "paper.jpg").min() >= 253, "without ink it is white"
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([*BLUE])
    palette.save(tmp_path / "p.bmp")
    assert read(tmp_path / "p.bmp")[0, 0].tolist() == list(BLUE)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_an_animation_is_its_first_image(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    assert read(tmp_path / name)[2, 2].tolist() == list(RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_every_orientation_of_a_camera_is_turned_upright(tmp_path: Path, orientation: int, name: str) -> None:
    """A file with orientation k contains the upright picture after the inverse of the transposition that EXIF names."""
    upright = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if name == "a.webp" else {}
    Image.fromarray(np.ascontiguousarray(stored[orientation])).save(tmp_path / name, exif=exif, **options)
    np.testing.assert_array_equal(read(tmp_path / name), upright)


# -- sizes -----------------------------------------------------------------------------------------------------------------


def test_a_picture_is_cropped_at_its_centre_and_scaled(tmp_path: Path) -> None:
    columns = np.repeat(np.arange(8, dtype=np.uint8)[None] * 30, 4, 0)
    Image.fromarray(columns).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png", channels=1, size=(4, 4)), columns[:, 2:6])
    np.testing.assert_array_equal(read(tmp_path / "a.png", channels=1, size=(4, 8)), columns)
    small = read(tmp_path / "a.png", channels=1, size=(2, 4))
    assert small.shape == (2, 4)
    assert np.abs(small[0].astype(int) - [25, 75, 135, 185]).max() <= 4


@pytest.mark.parametrize("name", ["large.jpg", "large.png"])
def test_very_large_pictures_are_reduced_while_they_are_decoded(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is close to that of decoding all pixels."""
    ramp = np.add.outer(np.linspace(0, 127, 1600), np.linspace(0, 127, 2400)).astype(np.uint8)
    picture = Image.fromarray(ramp)
    picture.save(tmp_path / name)
    sizes = []
    original = decode._fit
    monkeypatch.setattr(decode, "_fit", lambda picture, size: sizes.append(picture.size) or original(picture, size))
    found = read(tmp_path / name, channels=1, size=(20, 30))
    assert np.abs(found.astype(int) - np.asarray(picture.resize((30, 20), Image.Resampling.BILINEAR))).max() <= 2
    assert sizes == [(300, 200) if name == "large.jpg" else (2400, 1600)]


def test_a_decompression_bomb_is_one_line_and_a_large_picture_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (50, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(nn.data.ImageFolder(tmp_path, (3, 5)).load()[:][0]) == 1
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(nn.data.DataError, match=r"a\.png: .*\(1500 pixels\).*decompression bomb") as error:
        decode_all([tmp_path / "a.png"], Decoder((3, 5)))
    assert "\n" not in str(error.value)


def test_one_large_picture_at_a_time_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LARGE", 10)
    seen, fit = [], decode._to_8_bits
    monkeypatch.setattr(decode, "_to_8_bits", lambda picture: seen.append(decode._large_pictures.locked()) or fit(picture))
    for side in (3, 4):
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
        threads = [threading.Thread(target=read, args=(tmp_path / f"{side}.png",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [False] * 4 + [True] * 4


# -- damage and wrong arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG", "PPM", "TGA", "ICO", "PCX"])
def test_damage_gives_a_picture_or_an_error_that_names_the_file(tmp_path: Path, kind: str) -> None:
    """Some formats have no checksum, so that a damaged file may be a picture; no other error is raised."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(buffer, kind)
    whole, path = buffer.getvalue(), tmp_path / "a.picture"
    errors = 0
    for trial in range(40):
        content = bytearray(whole[: int(rng.integers(len(whole)))] if trial % 2 else whole)
        for place in rng.integers(0, max(1, len(content)), 3):
            content[place : place + 1] = rng.bytes(1)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = decode_all([path], Decoder((4, 4)), skip_damaged=True)
        assert found.images.shape[1:] == (3, 4, 4)
        assert all(error.startswith(f"{path}: cannot be read as an image: ") for error in found.damaged.values())
        errors += len(found.damaged)
    assert errors > 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": "whit"}, "background='whit': expected a colour"),
        ({"background": 3}, "background=3: expected a colour"),
        ({"channels": 5}, "channels=5: expected 1"),
        ({"size": (0, 4)}, r"size=\(0, 4\): expected \(height, width\)"),
        ({"size": (4,)}, r"size=\(4,\): expected \(height, width\)"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.data.ImageFolder(tmp_path, **settings)


def test_every_format_that_pillow_decodes_is_a_picture() -> None:
    Image.init()
    registered = Image.registered_extensions()
    assert {s for s, kind in registered.items() if kind in Image.OPEN} - layout.suffixes() <= {
        ".bufr", ".grib", ".h5", ".hdf", ".mpg", ".mpeg",
    }  # fmt: skip


def test_any_size_can_be_cut_out_of_any_other(tmp_path: Path) -> None:
    """Rounding must not put the crop outside the picture, as it did for 28×20 pixels and 13×41."""
    for width, height in ((28, 20), (27, 10), (19, 7)):
        Image.new("L", (width, height), 200).save(tmp_path / "grey.png")
        for size in ((h, w) for h in range(1, 60, 3) for w in range(1, 60, 4)):
            pixels = read(tmp_path / "grey.png", size=size, channels=1)
            assert pixels.shape == size
            assert (pixels == 200).all()
