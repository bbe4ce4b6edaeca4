"""Random transforms of image batches, vectorised over the batch, with separate draws for each image.

A transform is an object that is called as `transform(batch, rng)`: the batch is a tuple of arrays, images first, and it returns
a new tuple. `DataLoader(transform=…)` takes a transform, and `Compose` combines several. Images are (N, H, W) or (N, C, H, W),
float32 or float64; they are never changed in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd_mini.tensor import Array

Batch: TypeAlias = tuple[Array, ...]
Range: TypeAlias = tuple[float, float]

_CHUNK: Final = 1 << 14  # pixels interpolated at once: their coordinates, indices and values fit into the cache


class Compose:
    """Applies `transforms` one after the other.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> t = nn.data.transforms
    >>> augment = t.Compose(t.RandomCrop(28, padding=2), t.MultiplicativeNoise(0.1))
    >>> images, labels = augment((np.ones((5, 28, 28)), np.arange(5)), np.random.default_rng(0))
    >>> images.shape
    (5, 28, 28)
    """

    def __init__(self, *transforms: Callable[[Batch, np.random.Generator], Batch]) -> None:
        self.transforms = transforms

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        for transform in self.transforms:
            batch = transform(batch, rng)
        return batch


class ImageTransform(ABC):
    """Base of the transforms that change only the images of a batch."""

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        return (self.images(_check_images(batch[0]), rng), *batch[1:])

    @abstractmethod
    def images(self, images: Array, rng: np.random.Generator) -> Array:
        """Returns the transformed images."""


# -- affine maps -----------------------------------------------------------------------------------------------------------


def affine_matrix(rotation: ArrayLike = 0.0, scale: ArrayLike = 1.0, skew: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Returns A = R S K, (…, 2, 2), for points (x, y) with x to the right and y down.

    K skews, x + `skew` · y, then S scales by `scale`, then R rotates by `rotation` degrees, anticlockwise on the screen.

    >>> from autograd_mini import nn
    >>> nn.data.transforms.affine_matrix(rotation=90.0).round(6) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    angle, factor, slope = np.broadcast_arrays(np.deg2rad(rotation), scale, skew)
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    rows = [[cos, cos * slope + sin], [-sin, cos - sin * slope]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def affine(images: Array, matrices: ArrayLike, shifts: ArrayLike = 0.0) -> Array:
    """Maps each image by y = A x + t about its centre: the pixel y is interpolated at x = A⁻¹(y − t), with zeros outside.

    `matrices` A are (2, 2) or (N, 2, 2), `shifts` t (2,) or (N, 2), in pixels, (right, down). Raises ValueError if a matrix
    has no inverse.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> nn.data.transforms.affine(image, np.eye(2), shifts=(0.5, 0.0))
    array([[[0.5, 1.5],
            [1.5, 3.5]]])
    """
    images = _check_images(images)
    height, width = images.shape[-2:]
    planes = images if images.ndim == 4 else images[:, None]
    try:
        inverse = np.linalg.inv(np.broadcast_to(matrices, (len(images), 2, 2)))
    except np.linalg.LinAlgError:
        raise ValueError("affine: a matrix has no inverse") from None
    offset = -np.einsum("nij,nj->ni", inverse, np.broadcast_to(shifts, (len(images), 2)))
    # One row and column of zeros before each image and two after: clipping the coordinates to them is the only test.
    padded = np.pad(planes, ((0, 0), (0, 0), (1, 2), (1, 2)))
    result = np.empty_like(planes, order="C")
    count = max(1, _CHUNK // max(1, height * width))
    for i in range(0, len(images), count):
        part = slice(i, i + count)
        _interpolate(padded[part], inverse[part], offset[part], result[part])
    return result.reshape(images.shape)


def _interpolate(padded: Array, inverse: Array, offset: Array, result: Array) -> None:
    n, channels, height, width = result.shape
    stride, dtype = padded.shape[-1], result.dtype
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2

    def source(axis: int, length: int) -> tuple[NDArray[np.intp], Array]:
        """Returns, for each target pixel, the padded pixel before its source along an axis, and the distance from there."""
        start = offset[:, axis, None] + (length - 1) / 2 + 1
        across = (inverse[:, axis, 0, None] * x).astype(dtype)
        down = (inverse[:, axis, 1, None] * y + start).astype(dtype)
        place = across[:, None, :] + down[:, :, None]
        np.clip(place, 0, length + 1, out=place)
        whole = np.floor(place)
        place -= whole
        return whole.astype(np.intp), place

    (column, right), (row, below) = source(0, width), source(1, height)
    row *= stride
    row += column
    row += (np.arange(n) * (channels * padded.shape[-2] * stride))[:, None, None]
    flat = padded.reshape(-1)
    for c in range(channels):
        place = row + c * padded.shape[-2] * stride
        corners = [flat[step:].take(place, mode="clip") for step in (0, 1, stride, stride + 1)]
        for left, other in (corners[:2], corners[2:]):
            other -= left
            other *= right
            left += other
        upper, lower = corners[0], corners[2]
        lower -= upper
        lower *= below
        np.add(upper, lower, out=result[:, c])


@dataclass(frozen=True)
class RandomAffine(ImageTransform):
    """Rotates, scales, skews and shifts each image about its centre, uniformly in the given ranges; see `affine`.

    `rotation` is in degrees, `scale` a factor, `skew` a slope, and `shift` a share of width and height.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> augment = nn.data.transforms.RandomAffine(rotation=(-15, 15), scale=(0.9, 1.1), skew=(-0.2, 0.2), shift=(-0.1, 0.1))
    >>> augment((np.ones((3, 28, 28)),), np.random.default_rng(0))[0].shape
    (3, 28, 28)
    """

    rotation: Range = (0.0, 0.0)
    scale: Range = (1.0, 1.0)
    skew: Range = (0.0, 0.0)
    shift: Range = (0.0, 0.0)

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        n, (height, width) = len(images), images.shape[-2:]
        matrices = affine_matrix(*(rng.uniform(*limits, n) for limits in (self.rotation, self.scale, self.skew)))
        return affine(images, matrices, rng.uniform(*self.shift, (n, 2)) * (width, height))


# -- crops and flips -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RandomCrop(ImageTransform):
    """Crops a window of `size`, an int or (h, w), at a random position of each image, padded with `padding` zeros.

    Raises ValueError if the padded image is smaller than the window.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> crop = nn.data.transforms.RandomCrop(24)
    >>> crop((np.ones((3, 1, 28, 28)),), np.random.default_rng(0))[0].shape
    (3, 1, 24, 24)
    """

    size: int | tuple[int, int]
    padding: int = 0

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        padded = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(self.padding, self.padding)] * 2)
        room = [whole - part for whole, part in zip(padded.shape[-2:], size, strict=True)]
        if min(room) < 0:
            raise ValueError(f"RandomCrop: expected size within the padded images {padded.shape[-2:]}, got {size}")
        top, left = (rng.integers(0, space + 1, len(images)) for space in room)
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(-2, -1))
        return np.ascontiguousarray(windows[np.arange(len(images)), ..., top, left, :, :])


@dataclass(frozen=True)
class RandomFlip(ImageTransform):
    """Swaps left and right in each image with probability `p`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.data.transforms.RandomFlip(1.0)((np.array([[[1.0, 2.0, 3.0]]]),), np.random.default_rng(0))[0]
    array([[[3., 2., 1.]]])
    """

    p: float = 0.5

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        is_flipped = rng.random(len(images)) < self.p
        return np.where(_per_image(is_flipped, images), images[..., ::-1], images)


@dataclass(frozen=True)
class Cutout(ImageTransform):
    """Sets a square of `size`×`size` pixels in each image to 0; parts of it may lie outside (DeVries & Taylor 2017).

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> cut, = nn.data.transforms.Cutout(3)((np.ones((1, 28, 28)),), np.random.default_rng(0))
    >>> int(cut.size - cut.sum())
    9
    """

    size: int

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        rows, columns = (self._hole(length, len(images), rng) for length in images.shape[-2:])
        hole = rows[:, :, None] & columns[:, None, :]
        return np.where(hole if images.ndim == 3 else hole[:, None], images.dtype.type(0), images)

    def _hole(self, length: int, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        start = rng.integers(0, length, n)[:, None] - self.size // 2
        index = np.arange(length)
        return (start <= index) & (index < start + self.size)


# -- values ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MultiplicativeNoise(ImageTransform):
    """Multiplies each pixel by a draw from N(1, σ²) with σ = `std`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> noisy, = nn.data.transforms.MultiplicativeNoise(0.1)((np.array([[[0.0, 1.0]]]),), np.random.default_rng(0))
    >>> noisy.round(3)
    array([[[0.   , 0.987]]])
    """

    std: float

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(images.shape, images.dtype)
        noise *= self.std
        noise += 1
        noise *= images
        return noise


@dataclass(frozen=True)
class Thicken(ImageTransform):
    """Thickens strokes with a 3×3 filter of ½ and 5 at its centre, zeros outside, and clips at `most`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.data.transforms.Thicken()((np.array([[[0.0, 0.1, 0.0, 0.0]]]),), np.random.default_rng(0))[0]
    array([[[0.05, 0.5 , 0.05, 0.  ]]])
    """

    most: float = 1.0

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        height, width = images.shape[-2:]
        padded = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(1, 1)] * 2)
        columns = padded[..., :width] + padded[..., 1 : width + 1] + padded[..., 2:]
        around = columns[..., :height, :] + columns[..., 1 : height + 1, :] + columns[..., 2:, :]
        return np.minimum(images * images.dtype.type(4.5) + around * images.dtype.type(0.5), images.dtype.type(self.most))


@dataclass(frozen=True)
class Normalize(ImageTransform):
    """Computes (x − mean) / std, with one number for all pixels or one per channel. Raises ValueError unless `std` is positive.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> to_minus_one_to_one = nn.data.transforms.Normalize(0.5, 0.5)
    >>> to_minus_one_to_one((np.array([[[0.0, 0.5, 1.0]]]),), np.random.default_rng(0))[0]
    array([[[-1.,  0.,  1.]]])
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        if not np.all(np.asarray(self.std) > 0):
            raise ValueError(f"Normalize: expected a positive std, got {self.std}")

    def images(self, images: Array, rng: np.random.Generator) -> Array:
        mean, std = (np.asarray(value, images.dtype).reshape(-1, 1, 1) for value in (self.mean, self.std))
        if (count := max(len(mean), len(std))) > 1 and (images.ndim != 4 or images.shape[1] != count):
            raise ValueError(f"Normalize: expected images with {count} channels, got shape {images.shape}")
        return ((images - mean) / std).reshape(images.shape)


# -- labels ----------------------------------------------------------------------------------------------------------------


def one_hot(labels: ArrayLike, classes: int) -> NDArray[np.float32]:
    """Returns rows (N, classes) with a 1 at the index of each label. Raises ValueError if a label is outside 0 … classes − 1.

    >>> from autograd_mini import nn
    >>> nn.data.transforms.one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    numbers = np.asarray(labels)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < classes:
        raise ValueError(f"one_hot: expected labels in 0 … {classes - 1}, got {numbers.min()} … {numbers.max()}")
    return np.equal(numbers[:, None], np.arange(classes)).astype(np.float32)


@dataclass(frozen=True)
class OneHot:
    """Converts the labels of a batch (images, labels) to rows of 0 and 1; see `one_hot`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.data.transforms.OneHot(3)((np.zeros((1, 2, 2)), np.array([1])), np.random.default_rng(0))[1]
    array([[0., 1., 0.]], dtype=float32)
    """

    classes: int

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        return (batch[0], one_hot(batch[1], self.classes), *batch[2:])


@dataclass(frozen=True)
class Mixup:
    """Mixes each image and label with another one of the batch, λ a + (1 − λ) b with λ ~ Beta(α, α) (Zhang et al. 2018).

    All arrays of the batch are mixed, so labels must be rows: apply `OneHot` first. Raises TypeError if an array has integers.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> t = nn.data.transforms
    >>> mixing = t.Compose(t.OneHot(2), t.Mixup(0.4))
    >>> images, labels = mixing((np.ones((4, 2, 2)), np.array([0, 1, 0, 1])), np.random.default_rng(0))
    >>> labels.sum(axis=1)
    array([1., 1., 1., 1.], dtype=float32)
    """

    alpha: float = 0.2

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        n = len(batch[0])
        share, partner = rng.beta(self.alpha, self.alpha, n), rng.permutation(n)
        return tuple(self._mix(array, share, partner) for array in batch)

    @staticmethod
    def _mix(array: Array, share: Array, partner: NDArray[np.intp]) -> Array:
        if array.dtype.kind != "f":
            raise TypeError(f"Mixup: expected floats, got {array.dtype}; apply OneHot to labels first")
        part = _per_image(share.astype(array.dtype), array)
        return part * array + (1 - part) * array[partner]


# -- helpers ---------------------------------------------------------------------------------------------------------------


def _check_images(images: Any) -> Array:
    array = np.asarray(images)
    if array.dtype not in (np.float32, np.float64) or array.ndim not in (3, 4):
        raise TypeError(f"expected float32 or float64 images (N, H, W) or (N, C, H, W), got {array.dtype} {array.shape}")
    return array


def _per_image(values: NDArray[Any], images: Array) -> NDArray[Any]:
    """Reshapes one value per image so that it broadcasts over the image."""
    return values.reshape(len(images), *[1] * (images.ndim - 1))
