"""Pools and upsampling equal their definitions as loops, and follow the conventions at borders and ties."""

from __future__ import annotations

import itertools
import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from samples.pool import pools

import autograd_mini as ag
from autograd_mini.testing import arrays as drawn


def windows(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> list[list[int]]:
    """Returns for each output position the input positions of its window, those outside included, up to what `ceil_mode` allows."""
    starts = itertools.count(-padding, stride)
    reach = dilation * (kernel - 1)
    last = length + padding - 1
    fits = itertools.takewhile(lambda s: s + reach <= last or (ceil_mode and s + reach - stride < last and s < length), starts)
    return [[s + k * dilation for k in range(kernel)] for s in fits]


ANY_AXES = st.sampled_from([1, 2, 2, 3]).flatmap(pools)


def pixels_of_windows(shape: tuple[int, ...], params: dict[str, Any]) -> tuple[tuple[int, ...], dict[Any, list[Any]]]:
    """Returns the shape of the output, and for each of its indices those of the pixels of its window, in row-major order."""
    keys = ("kernel_size", "stride", "padding", "dilation")
    lines = [
        windows(n, *(params[k][i] for k in keys if k in params), params["ceil_mode"])
        if "dilation" in params
        else windows(n, *(params[k][i] for k in keys[:3]), 1, params["ceil_mode"])
        for i, n in enumerate(shape[2:])
    ]
    out = (*shape[:2], *map(len, lines))
    return out, {
        (n, c, *at): [
            (n, c, *place)
            for place in itertools.product(*(line[i] for line, i in zip(lines, at, strict=True)))
            if all(0 <= p < m for p, m in zip(place, shape[2:], strict=True))
        ]
        for n, c, *at in np.ndindex(*out)
    }


@given(data=st.data(), case=ANY_AXES, dtype=st.sampled_from([np.float64, np.float32]))
@settings(max_examples=150)
def test_max_pool_equals_its_definition(data: Any, case: Any, dtype: Any) -> None:
    """The largest real pixel of each window and its position; the first of equal ones gets the whole gradient."""
    shape, params = case
    x = data.draw(drawn(shape, dtype))
    out, inside = pixels_of_windows(shape, params)
    first = {output: max(pixels, key=lambda pixel: x[pixel]) for output, pixels in inside.items() if pixels}
    before = x.copy()
    image = ag.from_numpy(x, requires_grad=True)
    y, positions = getattr(ag, f"max_pool{len(shape) - 2}d")(image, **params, return_indices=True)
    assert y.shape == positions.shape == out
    g = data.draw(drawn(y.shape, dtype))
    y.backward(g)
    gradient = np.zeros(shape)
    for output, pixel in first.items():
        assert y.data[output] == x[pixel]
        assert positions.data[output] == np.ravel_multi_index(pixel[2:], shape[2:])
        gradient[pixel] += g[output]
    np.testing.assert_allclose(image.grad.data, gradient, rtol=1e-6)
    np.testing.assert_array_equal(x, before)


@given(data=st.data(), case=ANY_AXES, dtype=st.sampled_from([np.float64, np.float32, np.float16]))
@settings(max_examples=150)
def test_max_pool_of_infinities_and_nan(data: Any, case: Any, dtype: Any) -> None:
    """A window's gradient goes to one pixel of the image: its first nan, else the first of its largest ones, even if −inf."""
    shape, params = case
    x = data.draw(hnp.arrays(dtype, shape, elements=st.sampled_from([-np.inf, -np.inf, -np.inf, 0.0, np.inf, np.nan])))
    image = ag.from_numpy(x, requires_grad=True)
    y = getattr(ag, f"max_pool{len(shape) - 2}d")(image, **params)
    g = np.arange(1, y.size + 1, dtype=dtype).reshape(y.shape)
    y.backward(g)
    gradient = np.zeros(shape)
    for output, pixels in pixels_of_windows(shape, params)[1].items():
        if pixels:
            pixel = pixels[int(np.argmax([x[p] for p in pixels]))]  # argmax selects the first nan, else the first of equal ones
            np.testing.assert_array_equal(y.data[output], x[pixel])
            gradient[pixel] += g[output]
    np.testing.assert_array_equal(image.grad.data, gradient)


def test_padding_gets_no_gradient_if_all_pixels_are_minus_infinity() -> None:
    x = ag.Tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
    ag.max_pool2d(x, 2, padding=1).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


@given(data=st.data(), case=ANY_AXES, include=st.booleans(), divisor=st.sampled_from([None, None, 5]))
@settings(max_examples=150)
def test_avg_pool_equals_its_definition(data: Any, case: Any, include: bool, divisor: int | None) -> None:
    """The sum of the real pixels, divided by the window's size within the padded image, by their number, or by a number."""
    shape, params = case
    x, axes = data.draw(drawn(shape)), len(shape) - 2
    del params["dilation"]
    override = {} if divisor is None or axes == 1 else {"divisor_override": divisor}
    y = getattr(ag, f"avg_pool{axes}d")(ag.from_numpy(x), **params, count_include_pad=include, **override)
    out, inside = pixels_of_windows(shape, params)
    assert y.shape == out
    for output, pixels in inside.items():
        starts = [i * s - p for i, s, p in zip(output[2:], params["stride"], params["padding"], strict=True)]
        ends = [
            min(start + k, n + p)
            for start, k, n, p in zip(starts, params["kernel_size"], shape[2:], params["padding"], strict=True)
        ]
        size = math.prod(end - start for start, end in zip(starts, ends, strict=True))
        count = override.get("divisor_override", size if include else len(pixels))
        np.testing.assert_allclose(y.data[output], sum(x[pixel] for pixel in pixels) / count, atol=1e-12)


@given(data=st.data(), axes=st.sampled_from([1, 2, 3]))
def test_adaptive_pools_equal_the_mean_and_the_maximum_of_each_window(data: Any, axes: int) -> None:
    lengths = st.lists(st.integers(1, 7 if axes < 3 else 4), min_size=axes, max_size=axes).map(tuple)
    size, out = data.draw(lengths), data.draw(lengths)
    x = ag.Tensor(data.draw(drawn((2, 1, *size))), requires_grad=True)
    target = out[0] if axes == 1 else out
    mean = getattr(ag, f"adaptive_avg_pool{axes}d")(x, target)
    largest, positions = getattr(ag, f"adaptive_max_pool{axes}d")(x, target, return_indices=True)
    flat, gradient = x.data.reshape(2, 1, -1), np.zeros(x.shape)
    weights = np.arange(1.0, largest.size + 1).reshape(largest.shape)
    (largest * weights).sum().backward()
    for at in np.ndindex(*out):
        window = tuple(slice(i * n // m, math.ceil((i + 1) * n / m)) for i, n, m in zip(at, size, out, strict=True))
        numbers = np.arange(flat.shape[2]).reshape(size)[window].reshape(-1)
        pixels = flat[:, :, numbers]
        np.testing.assert_allclose(mean.data[:, :, *at], pixels.mean(2), atol=1e-12)
        np.testing.assert_array_equal(largest.data[:, :, *at], pixels.max(2))
        first = numbers[pixels.argmax(2)]
        np.testing.assert_array_equal(positions.data[:, :, *at], first)
        for n in range(2):
            gradient.reshape(2, -1)[n, first[n, 0]] += weights[n, 0, *at]
    np.testing.assert_allclose(x.grad.data, gradient)  # type: ignore[union-attr]


@given(data=st.data(), case=pools())
@settings(max_examples=60)
def test_unfold_equals_its_definition_and_fold_is_its_transpose(data: Any, case: Any) -> None:
    """Column j has the pixels of window j, channel by channel, zeros outside of the image: ⟨unfold x, y⟩ = ⟨x, fold y⟩."""
    shape, params = case
    params["ceil_mode"] = False
    out, _ = pixels_of_windows(shape, params)
    del params["ceil_mode"]
    x = data.draw(drawn(shape))
    columns = ag.unfold(x, **params).data
    rows = math.prod(params["kernel_size"])
    assert columns.shape == (shape[0], shape[1] * rows, math.prod(out[2:]))
    for (n, c, *at), offset in itertools.product(np.ndindex(*out), np.ndindex(*params["kernel_size"])):
        keys = (params[key] for key in ("stride", "dilation", "padding"))
        place = [a * s + o * d - p for a, o, s, d, p in zip(at, offset, *keys, strict=True)]
        inside = all(0 <= p < m for p, m in zip(place, shape[2:], strict=True))
        row = c * rows + np.ravel_multi_index(offset, params["kernel_size"])
        assert columns[n, row, np.ravel_multi_index(at, out[2:])] == (x[n, c, *place] if inside else 0)
    y = data.draw(drawn(columns.shape))
    np.testing.assert_allclose((columns * y).sum(), (x * ag.fold(y, shape[2:], **params).data).sum(), atol=1e-9)


def test_the_inverse_of_max_pooling_puts_maxima_back() -> None:
    x = ag.Tensor([[[1.0, 5.0, 2.0, 0.0, 3.0]]], requires_grad=True)
    y, places = ag.max_pool1d(x, 2, return_indices=True)
    back = ag.max_unpool1d(y, places, 2, output_size=(5,))
    assert (y.tolist(), places.tolist(), back.tolist()) == ([[[5.0, 2.0]]], [[[1, 2]]], [[[0.0, 5.0, 2.0, 0.0, 0.0]]])
    (back * [1.0, 2.0, 3.0, 4.0, 5.0]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0.0, 2.0, 3.0, 0.0, 0.0]]]
    assert ag.max_unpool1d(y[0], places[0], 2, output_size=5).tolist() == back[0].tolist()


@pytest.mark.parametrize("place", [-1, 4])
def test_a_place_outside_of_the_image_is_an_error_in_eager_and_compiled_calls(place: int) -> None:
    unpool = ag.jit(lambda x, places: ag.max_unpool1d(x, places, 2))
    x, good = ag.Tensor([[[1.0, 2.0]]]), ag.Tensor(np.array([[[0, 2]]]))
    for _ in range(3):
        unpool(x, good)
    assert unpool.plans
    for function in (unpool, lambda x, places: ag.max_unpool1d(x, places, 2)):
        with pytest.raises(IndexError, match=rf"indices must lie in \[0, 4\), got .*{place}"):
            function(x, ag.Tensor(np.array([[[place, 2]]])))


def test_pixel_shuffle_and_its_inverse_follow_their_definition() -> None:
    """Output pixel (c, h, w) is input pixel (c r² + r (h mod r) + (w mod r), ⌊h / r⌋, ⌊w / r⌋)."""
    x = np.arange(2.0 * 18 * 2 * 3).reshape(2, 18, 2, 3)
    y = ag.pixel_shuffle(x, 3).data
    for c, h, w in np.ndindex(2, 6, 9):
        np.testing.assert_array_equal(y[:, c, h, w], x[:, 9 * c + 3 * (h % 3) + w % 3, h // 3, w // 3])
    np.testing.assert_array_equal(ag.pixel_unshuffle(y, 3).data, x)


SOURCES = {
    ("nearest", False): lambda i, n, m: math.floor(i * n / m),
    ("bilinear", False): lambda i, n, m: (i + 0.5) * n / m - 0.5,
    ("bilinear", True): lambda i, n, m: i * (n - 1) / (m - 1) if m > 1 else 0,
    ("asymmetric", False): lambda i, n, m: i * n / m,
}


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    factor=st.integers(1, 3),
    mode=st.sampled_from(sorted(SOURCES)),
)
def test_upsampling_interpolates_at_the_source_coordinate(
    data: Any, size: tuple[int, int], factor: int, mode: tuple[str, bool]
) -> None:
    """Each output pixel is the bilinear mean of the four pixels around its source coordinate, clamped to the image."""
    x = data.draw(drawn((1, 2, *size)))
    y = ag.upsample(ag.from_numpy(x), factor, mode=mode[0], align_corners=mode[1])
    out = tuple(n * factor for n in size)
    assert y.shape == (1, 2, *out)
    for i, j in itertools.product(range(out[0]), range(out[1])):
        r, s = (min(max(SOURCES[mode](k, n, m), 0), n - 1) for k, n, m in zip((i, j), size, out, strict=True))
        blend = sum(
            (1 - abs(r - a)) * (1 - abs(s - b)) * x[:, :, a, b]
            for a in {math.floor(r), math.ceil(r)}
            for b in {math.floor(s), math.ceil(s)}
        )
        np.testing.assert_allclose(y.data[:, :, i, j], blend, atol=1e-9)
    np.testing.assert_allclose(ag.upsample(x, size=out, mode=mode[0], align_corners=mode[1]).data, y.data, atol=1e-12)


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    out=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    mode=st.sampled_from(sorted(SOURCES)),
)
def test_upsampling_to_any_size_reaches_exactly_the_edge_pixels(
    data: Any, size: tuple[int, int], out: tuple[int, int], mode: tuple[str, bool]
) -> None:
    """Sizes need not be multiples: the source is clamped to the image, so no output lies outside of the values around it."""
    x = data.draw(drawn((1, 1, *size)))
    y = ag.upsample(x, size=out, mode=mode[0], align_corners=mode[1]).data
    for i, j in itertools.product({0, out[0] - 1}, {0, out[1] - 1}):
        r, s = (min(max(SOURCES[mode](k, n, m), 0), n - 1) for k, n, m in zip((i, j), size, out, strict=True))
        expected = sum(
            (1 - abs(r - a)) * (1 - abs(s - b)) * x[0, 0, a, b]
            for a in {math.floor(r), math.ceil(r)}
            for b in {math.floor(s), math.ceil(s)}
        )
        np.testing.assert_allclose(y[0, 0, i, j], expected, atol=1e-9)
    assert y.min() >= x.min() - 1e-9
    assert y.max() <= x.max() + 1e-9
    np.testing.assert_allclose(ag.upsample(np.ones((1, 1, *size)), size=out, mode=mode[0], align_corners=mode[1]).data, 1)


# PyTorch 2.13: F.interpolate(torch.tensor([[[[1., 5., -2., 3.]]]], dtype=torch.float64), (1, n), mode=…)[0, 0, 0]
GOLDEN = {
    ("bicubic", False, False, 6): [0.65277778, 3.65625, 4.25578704, -1.3599537, -0.15625, 3.43402778],
    ("bicubic", True, False, 6): [1.0, 4.204, 4.032, -1.152, -0.816, 3.0],
    ("bicubic", False, True, 3): [2.38901602, 1.46479885, 1.36384439],
    ("bilinear", False, True, 3): [2.2, 1.5, 1.5],
    ("nearest-exact", False, False, 3): [1.0, -2.0, 3.0],
    ("nearest", False, False, 3): [1.0, 5.0, -2.0],
    ("area", False, False, 3): [3.0, 1.5, 0.5],
}


@pytest.mark.parametrize("key", GOLDEN)
def test_interpolation_equals_recorded_values(key: tuple[str, bool, bool, int]) -> None:
    mode, align, antialias, n = key
    y = ag.interpolate([[[[1.0, 5.0, -2.0, 3.0]]]], (1, n), mode=mode, align_corners=align, antialias=antialias)
    np.testing.assert_allclose(y.data.reshape(-1), GOLDEN[key], rtol=1e-6)


@given(
    data=st.data(),
    size=st.lists(st.integers(1, 5), min_size=2, max_size=2),
    out=st.lists(st.integers(1, 8), min_size=2, max_size=2),
)
def test_every_mode_keeps_constants_and_area_means(data: Any, size: list[int], out: list[int]) -> None:
    """The weights of each output pixel sum to 1; "area" is adaptive pooling; one axis can be resized after the other."""
    x = data.draw(drawn((1, 1, *size)))
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        for antialias in (False, True) if mode in ("bilinear", "bicubic") else (False,):
            resize = lambda t, to: ag.interpolate(t, to, mode=mode, antialias=antialias)  # noqa: B023
            np.testing.assert_allclose(resize(np.ones((1, 1, *size)), out).data, 1, rtol=1e-12)
            by_axis = resize(resize(x, (size[0], out[1])), out)
            np.testing.assert_allclose(resize(x, out).data, by_axis.data, atol=1e-9)
    np.testing.assert_allclose(ag.interpolate(x, out, mode="area").data, ag.adaptive_avg_pool2d(x, tuple(out)).data, atol=1e-12)


def test_a_scale_factor_is_the_ratio_unless_it_is_recomputed() -> None:
    """3 pixels · 1.5 = 4 pixels: sources at (i + ½) / 1.5 − ½, or at (i + ½) · 3 / 4 − ½."""
    x = [[[0.0, 1.0, 2.0]]]
    np.testing.assert_allclose(
        ag.interpolate(x, scale_factor=1.5, mode="linear").data[0, 0], [0, 0.5, 7 / 6, 11 / 6], rtol=1e-6
    )
    recomputed = ag.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    np.testing.assert_allclose(recomputed.data[0, 0], [0, 0.625, 1.375, 2], rtol=1e-6)


def test_asymmetric_upsampling_keeps_the_original_pixels_at_even_positions() -> None:
    x = np.array([[[[1.0, 5.0], [3.0, 11.0]]]])
    assert ag.upsample(x, 2, mode="asymmetric").tolist() == [
        [[[1.0, 3.0, 5.0, 5.0], [2.0, 5.0, 8.0, 8.0], [3.0, 7.0, 11.0, 11.0], [3.0, 7.0, 11.0, 11.0]]]
    ]


def test_max_pool_finds_positions_above_255() -> None:
    """Indices above 255 do not fit into one byte: the last of 400 is still found."""
    x = ag.Tensor(np.arange(400.0).reshape(1, 1, 20, 20), requires_grad=True)
    ag.max_pool2d(x, 20).sum().backward()
    assert x.grad is not None
    assert np.flatnonzero(x.grad.data).tolist() == [399]


@given(data=st.data())
def test_pools_and_gradients_keep_the_memory_layout(data: Any) -> None:
    """Channels-last images stay channels-last in every pool and in its gradient."""
    x = ag.from_numpy(np.ones((2, 6, 6, 3)).transpose(0, 3, 1, 2), requires_grad=True)
    pool = data.draw(
        st.sampled_from(
            [
                lambda t: ag.max_pool2d(t, 2),
                lambda t: ag.max_pool2d(t, 3, 1, 1),
                lambda t: ag.avg_pool2d(t, 2),
                lambda t: ag.upsample(t, 2),
            ]
        )
    )
    y = pool(x)
    ag.sum(y * y).backward()
    for t in (y, x.grad):
        strides = t.data.strides
        assert strides[1] < strides[3] < strides[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ag.max_pool2d(x[0, 0], 2), r"shape \(N, C, H, W\) or \(C, H, W\), got \(3, 3\)"),
        (lambda x: ag.max_pool2d(x, 4), r"kernel \(4, 4\) with dilation \(1, 1\) does not fit into input \(1, 2, 3, 3\)"),
        (lambda x: ag.max_pool2d(x, 2, padding=2), r"padding must be at most half of the kernel \(2, 2\), got \(2, 2\)"),
        (lambda x: ag.avg_pool2d(x, 0), r"kernel_size must be at least 1"),
        (lambda x: ag.adaptive_avg_pool2d(x, (1, 2, 3)), r"size must be an int or a pair"),
        (lambda x: ag.upsample(x), r"either scale_factor or size, got scale_factor=None and size=None"),
        (lambda x: ag.upsample(x, 2, mode="cubic"), r"no mode 'cubic' with align_corners=False"),
        (lambda x: ag.upsample(x, 2, align_corners=True), r"no mode 'nearest' with align_corners=True"),
        (lambda x: ag.upsample(x, 0.1), r"makes input \(1, 2, 3, 3\) empty"),
        (lambda x: ag.upsample(x, -1), r"positive number"),
        (
            lambda x: ag.interpolate(x, 2, mode="trilinear"),
            r"mode 'trilinear' needs an input with 5 axes.*use bilinear or bicubic",
        ),
        (
            lambda x: ag.interpolate(x, 2, mode="area", antialias=True),
            r"antialias needs mode 'bilinear' or 'bicubic', got 'area'",
        ),
        (lambda x: ag.avg_pool2d(x, 2, divisor_override=0), r"divisor_override must be at least 1, got 0"),
        (lambda x: ag.max_unpool2d(x, np.zeros((1, 2, 2, 3), int), 2), r"input's shape \(1, 2, 3, 3\), got int64 of shape"),
        (lambda x: ag.adaptive_max_pool3d(x[0], 2), r"\(N, C, D, H, W\) or \(C, D, H, W\), got \(2, 3, 3\)"),
        (lambda x: ag.unfold(x, 4), r"unfold: no window fits into input \(1, 2, 3, 3\)"),
        (lambda x: ag.fold(x[0], 3, 2), r"fold: expected an input of shape \(N, C · 4, 4\).*got \(2, 3, 3\)"),
        (lambda x: ag.pixel_shuffle(x, 2), r"multiple of upscale_factor² = 4, got input \(1, 2, 3, 3\)"),
        (lambda x: ag.pixel_unshuffle(x, 2), r"multiples of downscale_factor 2, got input \(1, 2, 3, 3\)"),
    ],
)
def test_errors_name_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 2, 3, 3)))
