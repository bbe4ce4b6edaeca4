"""One file of a picture as an array of bytes: every format, depth and transparency that Pillow reads, at the wanted size."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...extras import extra
from ..idx import DataError

MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # number of channels -> mode of Pillow
REDUCTION: Final = 3  # larger pictures are first reduced to this many times the wanted size, by decoder or by block means
LARGE: Final = 1 << 24  # pixels; above, one picture at a time is decoded, to save memory
WIDE: Final = {"PNG", "PPM"}  # formats of which Pillow returns 16-bit greys as 32-bit integers in 0 … 65535
BITS, PHOTOMETRIC, MINIMUM, MAXIMUM, S_MINIMUM, S_MAXIMUM = 258, 262, 280, 281, 340, 341  # tags of TIFF 6.0
WHITE_IS_ZERO: Final = 0  # value of PHOTOMETRIC
ORIENTATION: Final = 274  # tag of EXIF
ORIENTATIONS: Final = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
"""Value of the tag -> the transposition that turns the picture upright."""

_large_pictures: Final = threading.Lock()


@dataclass(frozen=True)
class Decoder:
    """Decodes pictures to arrays (H, W), or (H, W, C), of uint8. Raises ValueError for values that no picture can have.

    Parameters
    ----------
    size        (H, W): pictures are cropped at the centre to this aspect ratio and scaled; None keeps their size
    channels    1 is grey, 2 grey with alpha, 3 colour, 4 colour with alpha
    background  the colour under transparent pixels, with 1 or 3 channels: a name, or #rrggbb

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from autograd_mini.nn.data.pictures.decode import Decoder
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
    >>> Image.new("RGBA", (40, 30), (255, 0, 0, 128)).save(path)
    >>> Decoder((2, 2), 3, "white").decode(path)[0, 0], Decoder(None, 3, "black").decode(path).shape
    (array([255, 127, 127], dtype=uint8), (30, 40, 3))
    """

    size: tuple[int, int] | None = None
    channels: int = 3
    background: str = "white"

    def __post_init__(self) -> None:
        size = self.size
        if size is not None and not (len(size) == 2 and all(isinstance(n, (int, np.integer)) and n > 0 for n in size)):
            raise ValueError(f"ImageFolder: size={size!r}: expected (height, width) in pixels, such as (64, 48), or None")
        if self.channels not in MODES:
            raise ValueError(
                f"ImageFolder: channels={self.channels!r}: expected 1 (grey), 2, 3 (colour) or 4, with alpha if even"
            )
        try:
            extra("PIL.ImageColor", "reading images").getrgb(self.background)
        except (ValueError, AttributeError, TypeError):
            raise ValueError(
                f"ImageFolder: background={self.background!r}: expected a colour, such as white, black or #ff8800"
            ) from None

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (C, H, W) of one picture, with a side of 0 if it is not known."""
        height, width = self.size or (0, 0)
        return (height, width) if self.channels == 1 else (self.channels, height, width)

    def decode(self, path: str | os.PathLike[str]) -> NDArray[np.uint8]:
        """Returns the pixels of a picture, of the first one if there are several. Raises DataError if it cannot be read."""
        image = extra("PIL.Image", "reading images")
        try:
            with image.open(path) as file, _memory_for(file.size):
                if self.size is not None:
                    file.draft(None, (REDUCTION * max(self.size),) * 2)  # JPEG decodes to a fraction of the size
                picture = self._flatten(_to_8_bits(file))
                # Pillow turns TIFF files upright by itself
                if file.format != "TIFF" and (turn := ORIENTATIONS.get(file.getexif().get(ORIENTATION))):
                    picture = picture.transpose(getattr(image.Transpose, turn))
                return np.asarray(picture if self.size is None else _fit(picture, self.size))
        except Exception as error:  # decoders raise errors of many kinds for damaged files
            reason = str(error).replace(f" {os.fspath(path)!r}", "") or type(error).__name__
            raise DataError(f"{os.fspath(path)}: cannot be read as an image: {reason}") from error

    def _flatten(self, picture: Any) -> Any:
        """Converts a picture to the wanted channels; if alpha is not among them, lays it over the background."""
        if picture.mode == "La":  # alpha is already multiplied into the grey
            picture = picture.convert("LA")
        transparent = picture.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in picture.info
        if transparent and self.channels in (1, 3):
            image, colours = extra("PIL.Image", "reading images"), extra("PIL.ImageColor", "reading images")
            background = image.new("RGBA", picture.size, (*colours.getrgb(self.background)[:3], 255))
            picture = image.alpha_composite(background, picture.convert("RGBA"))
        elif transparent:
            picture = picture.convert("RGBA")
        return picture.convert(MODES[self.channels])


def _fit(picture: Any, size: tuple[int, int]) -> Any:
    """Crops a picture at its centre to the aspect ratio of `size`, (H, W), and scales it."""
    height, width = size
    scale = min(picture.width / width, picture.height / height)
    # One of the two is 0; rounding may make it negative, which Pillow refuses.
    left, top = max(0.0, (picture.width - width * scale) / 2), max(0.0, (picture.height - height * scale) / 2)
    box = (left, top, picture.width - left, picture.height - top)
    bilinear = extra("PIL.Image", "reading images").Resampling.BILINEAR
    return picture.resize((width, height), bilinear, box=box, reducing_gap=float(REDUCTION))


def _to_8_bits(picture: Any) -> Any:
    """Scales greys of more than 8 bits from the range that the file declares. Raises ValueError if it declares none."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture)
    low, high = _grey_range(picture, values.dtype)
    scaled = np.clip(np.rint((values.astype(np.float64) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
    if getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        scaled = 255 - scaled
    image = extra("PIL.Image", "reading images")
    grey = image.fromarray(scaled)
    if (transparent := picture.info.get("transparency")) is None:
        return grey
    return image.merge("LA", (grey, image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))))


def _grey_range(picture: Any, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Returns the values that are black and white."""
    tags = getattr(picture, "tag_v2", {})
    for low, high in ((S_MINIMUM, S_MAXIMUM), (MINIMUM, MAXIMUM)):
        if high in tags:
            ends = [float(np.ravel(tags.get(tag, 0))[0]) for tag in (low, high)]
            if ends[0] < ends[1]:
                return ends[0], ends[1]
    if picture.mode.startswith("I;16"):
        return 0, 2.0 ** min(16, int(np.ravel(tags.get(BITS, 16))[0])) - 1
    if picture.format in WIDE and picture.mode == "I":
        return 0, 65535
    what = "floats" if dtype.kind == "f" else "signed or 32-bit integers"
    raise ValueError(
        f"its pixels are {what} of unknown range; expected 8 or 16 bits, or a TIFF file with the tags MinSampleValue and "
        "MaxSampleValue; scale them and save them as 16-bit PNG"
    )


def _memory_for(size: tuple[int, int]) -> AbstractContextManager[object]:
    """Lets one thread at a time decode a picture that needs much memory."""
    return _large_pictures if size[0] * size[1] > LARGE else nullcontext()
