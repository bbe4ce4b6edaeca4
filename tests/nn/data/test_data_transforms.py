"""Transforms of image batches, compared with slow and simple versions and with known cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_mini import nn

t = nn.data.transforms


def images(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- affine ----------------------------------------------------------------------------------------------------------------


def slow_affine(image: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Interpolates each pixel y at x = A⁻¹(y − t) about the centre from its four neighbours, with zeros outside."""
    height, width = image.shape
    pixel = lambda i, j: image[i, j] if 0 <= i < height and 0 <= j < width else 0.0
    result = np.zeros(image.shape)
    for i in range(height):
        for j in range(width):
            target = np.array([j - (width - 1) / 2, i - (height - 1) / 2])
            x, y = np.linalg.solve(matrix, target - shift) + np.array([width - 1, height - 1]) / 2
            left, top = math.floor(x), math.floor(y)
            for di in (0, 1):
                for dj in (0, 1):
                    near = (1 - abs(y - top - di)) * (1 - abs(x - left - dj))
                    result[i, j] += near * pixel(top + di, left + dj)
    return result


@given(
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(0, 9),
    st.floats(-180, 180),
    st.floats(0.3, 3),
    st.floats(-1, 1),
    st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
)
def test_affine_equals_the_slow_version(
    height: int, width: int, seed: int, angle: float, scale: float, skew: float, shift: tuple[float, float]
) -> None:
    batch = images(3, 2, height, width, seed=seed, dtype="float64")
    matrices = t.affine_matrix([angle, 0.0, angle], [scale, scale, 1.0], [skew, skew, 0.0])
    shifts = np.array([shift, (0.0, 0.0), shift])
    found = t.affine(batch, matrices, shifts)
    for n in range(3):
        for c in range(2):
            np.testing.assert_allclose(found[n, c], slow_affine(batch[n, c], matrices[n], shifts[n]), atol=1e-9)


@pytest.mark.parametrize("quarter", [1, 2, 3, -1])
@pytest.mark.parametrize("shape", [(4, 9, 9), (4, 3, 8, 8)])
def test_a_rotation_by_90_degrees_equals_rot90(quarter: int, shape: tuple[int, ...]) -> None:
    """The rotation is anticlockwise on the screen."""
    batch = images(*shape)
    turned = t.affine(batch, t.affine_matrix(rotation=90.0 * quarter))
    np.testing.assert_allclose(turned, np.rot90(batch, quarter, axes=(-2, -1)), atol=1e-5)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_shift_by_whole_pixels_moves_the_image_and_fills_with_zeros(right: int, down: int) -> None:
    batch = images(2, 6, 7)
    padded = np.pad(batch, ((0, 0), (9, 9), (9, 9)))
    expected = np.roll(padded, (down, right), axis=(1, 2))[:, 9:-9, 9:-9]
    np.testing.assert_array_equal(t.affine(batch, np.eye(2), (right, down)), expected)


def test_scaling_by_2_halves_differences_and_skewing_moves_rows() -> None:
    ramp = np.tile(np.arange(9.0), (1, 9, 1))
    doubled = t.affine(ramp, t.affine_matrix(scale=2.0))
    np.testing.assert_allclose(doubled[0, 4], np.linspace(2, 6, 9))
    skewed = t.affine(ramp, t.affine_matrix(skew=1.0))  # the row below the centre moves to the right by one
    np.testing.assert_allclose(skewed[0, 5, 1:], np.arange(8.0))
    np.testing.assert_allclose(skewed[0, 4], ramp[0, 4])


@pytest.mark.parametrize("n", [0, 1, 50])
def test_the_result_for_an_image_does_not_depend_on_its_batch(n: int) -> None:
    """A large batch, which is processed in chunks, gives the same images as one by one."""
    batch, matrices = images(n, 40, 40), t.affine_matrix(np.linspace(-40, 40, n))
    together = t.affine(batch, matrices)
    assert (together.dtype, together.shape) == (np.float32, (n, 40, 40))
    for i in range(n):
        np.testing.assert_array_equal(together[i : i + 1], t.affine(batch[i : i + 1], matrices[i : i + 1]))


def test_random_affine_stays_in_its_ranges() -> None:
    """A single bright pixel right of the centre shows the rotation, its distance the scale."""
    batch = np.zeros((200, 41, 41))
    batch[:, 20, 30] = 1
    moved = t.RandomAffine(rotation=(20, 40), scale=(1.2, 1.4))((batch,), rng())[0]
    y, x = np.mgrid[:41, :41] - 20
    mass = moved.sum((1, 2))
    across, down = ((moved * place).sum((1, 2)) / mass for place in (x, y))
    angles, distances = np.rad2deg(np.arctan2(-down, across)), np.hypot(across, down)
    assert 19 < angles.min() < 22 < 38 < angles.max() < 41
    assert 11.7 < distances.min() < 12.3 < 13.7 < distances.max() < 14.3


def test_random_affine_without_ranges_changes_nothing() -> None:
    batch = images(5, 3, 12, 9)
    np.testing.assert_allclose(t.RandomAffine()((batch,), rng())[0], batch, atol=1e-6)


# -- all transforms--------------------------------------------------------------------------------------------------------

EVERY = [
    t.RandomAffine((-20, 20), (0.8, 1.2), (-0.2, 0.2), (-0.1, 0.1)),
    t.RandomCrop(8, padding=1),
    t.RandomFlip(),
    t.Cutout(4),
    t.MultiplicativeNoise(0.2),
    t.Thicken(),
    t.Normalize(0.5, 0.25),
]


@pytest.mark.parametrize("transform", EVERY, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 3, 8, 8), (0, 8, 8)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_transform_is_seeded_and_preserves_shape_dtype_input_and_labels(
    transform: object, shape: tuple[int, ...], dtype: str
) -> None:
    batch, labels = images(*shape, dtype=dtype), np.arange(shape[0])
    before = batch.copy()
    first, again, other = (transform((batch, labels), rng(seed)) for seed in (1, 1, 2))  # type: ignore[operator]
    np.testing.assert_array_equal(batch, before)
    assert (first[0].shape, first[0].dtype) == (shape, np.dtype(dtype))
    assert first[1] is labels
    np.testing.assert_array_equal(first[0], again[0])
    is_random = not isinstance(transform, (t.Thicken, t.Normalize))
    assert bool(np.any(first[0] != other[0])) == (is_random and shape[0] > 0)


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8), np.uint8), np.zeros((8, 8)), np.zeros((1, 8, 8), np.float16)])
def test_arrays_that_are_not_batches_of_float_images_raise(wrong: np.ndarray) -> None:
    with pytest.raises(TypeError, match="float32 or float64 images"):
        t.RandomFlip()((wrong,), rng())


def test_a_crop_is_a_window_and_every_window_occurs() -> None:
    image = np.arange(1.0, 26.0).reshape(1, 5, 5)
    cropped = t.RandomCrop((3, 4), padding=1)((np.repeat(image, 300, axis=0),), rng())[0]
    padded = np.pad(image[0], 1)
    windows = {padded[i : i + 3, j : j + 4].tobytes() for i in range(5) for j in range(4)}
    assert {window.tobytes() for window in cropped} == windows


def test_half_of_the_images_are_flipped() -> None:
    batch = images(400, 3, 4, 5)
    flipped = t.RandomFlip()((batch,), rng())[0]
    mirrored = [bool(np.array_equal(a, b[..., ::-1])) for a, b in zip(flipped, batch, strict=True)]
    assert all(m or np.array_equal(a, b) for m, a, b in zip(mirrored, flipped, batch, strict=True))
    assert 160 < sum(mirrored) < 240


def test_cutout_is_one_square_in_all_channels() -> None:
    cut = t.Cutout(3)((np.ones((300, 2, 9, 9)),), rng())[0]
    np.testing.assert_array_equal(cut[:, 0], cut[:, 1])
    sizes = set()
    for hole in cut[:, 0] == 0:
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert hole.sum() == len(rows) * len(columns)
        sizes.add((len(rows), len(columns)))
    assert sizes == {(a, b) for a in (2, 3) for b in (2, 3)}, "a hole at the border has the wrong size"


def test_multiplicative_noise_has_mean_1_and_the_given_deviation_and_is_independent() -> None:
    batch = np.full((100, 28, 28), 2.0)
    ratio = t.MultiplicativeNoise(0.3)((batch,), rng())[0] / batch
    assert (ratio.mean(), ratio.std()) == pytest.approx((1, 0.3), abs=0.005)
    assert abs(np.corrcoef(ratio[:, 0, 0], ratio[:, 0, 1])[0, 1]) < 0.3


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9))
def test_thicken_equals_its_filter(height: int, width: int, seed: int) -> None:
    image = images(1, height, width, seed=seed, dtype="float64") * 40
    expected = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        expected[i, j] += (0.5 if di or dj else 5.0) * image[0, i + di, j + dj]
    found = t.Thicken(most=255.0)((image,), rng())[0][0]
    np.testing.assert_allclose(found, np.minimum(expected, 255))


def test_normalize_works_per_channel() -> None:
    batch = images(5, 3, 4, 4, dtype="float64")
    mean, std = batch.mean((0, 2, 3)), batch.std((0, 2, 3))
    found = t.Normalize(mean.tolist(), std.tolist())((batch,), rng())[0]
    np.testing.assert_allclose(found.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(found.std((0, 2, 3)), 1)


def test_mixup_uses_the_same_weights_for_images_and_labels() -> None:
    """Each image contains its one-hot label, so mixed images must equal mixed labels."""
    labels = np.arange(50) % 5
    batch = np.repeat(np.eye(5)[labels][:, :, None], 3, axis=2)
    mixed, soft = t.Compose(t.OneHot(5), t.Mixup(1.0))((batch, labels), rng())
    np.testing.assert_allclose(mixed, np.repeat(soft[:, :, None], 3, axis=2), atol=1e-6)
    np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-6)
    assert (np.sort(soft, axis=1)[:, -2] > 0.05).mean() > 0.5
    assert ((soft > 0).sum(1) <= 2).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: t.affine(images(1, 4, 4), np.zeros((2, 2))), ValueError, "no inverse"),
        (lambda: t.RandomCrop(9)((images(1, 8, 8),), rng()), ValueError, r"\(8, 8\), got \(9, 9\)"),
        (lambda: t.Normalize(0.0, [1.0, 0.0]), ValueError, "positive"),
        (lambda: t.Normalize([0.0, 0.0], 1.0)((images(1, 3, 4, 4),), rng()), ValueError, "2 channels, got shape"),
        (lambda: t.one_hot([0, 3], 3), ValueError, "0 … 2, got 0 … 3"),
        (lambda: t.Mixup()((images(2, 4, 4), np.array([0, 1])), rng()), TypeError, "OneHot"),
    ],
)
def test_errors_name_the_wrong_argument(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
