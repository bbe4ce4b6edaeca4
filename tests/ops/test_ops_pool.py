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


@given(data=st.data(), case=pools(), dtype=st.sampled_from([np.float64, np.float32]))
@settings(max_examples=150)
def test_max_pool_equals_its_definition(data: Any, case: Any, dtype: Any) -> None:
    """The largest real pixel of each window; the first of equal ones gets the whole gradient."""
    shape, params = case
    x = data.draw(drawn(shape, dtype))
    rows, columns = (
        windows(shape[2 + i], *(params[k][i] for k in ("kernel_size", "stride", "padding", "dilation")), params["ceil_mode"])
        for i in (0, 1)
    )
    expected = np.full((*shape[:2], len(rows), len(columns)), -np.inf)
    first = {}
    for n, c, (i, down), (j, across) in itertools.product(
        range(shape[0]), range(shape[1]), enumerate(rows), enumerate(columns)
    ):
        for r, s in itertools.product(down, across):
            if 0 <= r < shape[2] and 0 <= s < shape[3] and x[n, c, r, s] > expected[n, c, i, j]:
                expected[n, c, i, j], first[n, c, i, j] = x[n, c, r, s], (n, c, r, s)
    before = x.copy()
    image = ag.from_numpy(x, requires_grad=True)
    y = ag.max_pool2d(image, **params)
    np.testing.assert_array_equal(y.data, expected)
    g = data.draw(drawn(y.shape, dtype))
    y.backward(g)
    gradient = np.zeros(shape)
    for output, pixel in first.items():
        gradient[pixel] += g[output]
    np.testing.assert_allclose(image.grad.data, gradient, rtol=1e-6)
    np.testing.assert_array_equal(x, before)


@given(data=st.data(), case=pools(), dtype=st.sampled_from([np.float64, np.float32, np.float16]))
@settings(max_examples=150)
def test_max_pool_of_infinities_and_nan(data: Any, case: Any, dtype: Any) -> None:
    """A window's gradient goes to one pixel of the image: its first nan, else the first of its largest ones, even if −inf."""
    shape, params = case
    x = data.draw(hnp.arrays(dtype, shape, elements=st.sampled_from([-np.inf, -np.inf, -np.inf, 0.0, np.inf, np.nan])))
    rows, columns = (
        windows(shape[2 + i], *(params[k][i] for k in ("kernel_size", "stride", "padding", "dilation")), params["ceil_mode"])
        for i in (0, 1)
    )
    image = ag.from_numpy(x, requires_grad=True)
    y = ag.max_pool2d(image, **params)
    g = np.arange(1, y.size + 1, dtype=dtype).reshape(y.shape)
    y.backward(g)
    gradient = np.zeros(shape)
    for n, c, (i, down), (j, across) in itertools.product(
        range(shape[0]), range(shape[1]), enumerate(rows), enumerate(columns)
    ):
        real = [(n, c, r, s) for r in down for s in across if 0 <= r < shape[2] and 0 <= s < shape[3]]
        if real:
            pixel = real[int(np.argmax([x[p] for p in real]))]  # argmax selects the first nan, else the first of equal ones
            np.testing.assert_array_equal(y.data[n, c, i, j], x[pixel])
            gradient[pixel] += g[n, c, i, j]
    np.testing.assert_array_equal(image.grad.data, gradient)


def test_padding_gets_no_gradient_if_all_pixels_are_minus_infinity() -> None:
    x = ag.Tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
    ag.max_pool2d(x, 2, padding=1).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


@given(data=st.data(), case=pools(), include=st.booleans())
@settings(max_examples=150)
def test_avg_pool_equals_its_definition(data: Any, case: Any, include: bool) -> None:
    """The sum of the real pixels, divided by the window's size within the padded image, or by their number."""
    shape, params = case
    x = data.draw(drawn(shape))
    kernel, stride, padding, ceil_mode = (params[k] for k in ("kernel_size", "stride", "padding", "ceil_mode"))
    rows, columns = (windows(shape[2 + i], kernel[i], stride[i], padding[i], 1, ceil_mode) for i in (0, 1))
    y = ag.avg_pool2d(ag.from_numpy(x), kernel, stride, padding, ceil_mode, include)
    assert y.shape == (*shape[:2], len(rows), len(columns))
    for (i, down), (j, across) in itertools.product(enumerate(rows), enumerate(columns)):
        real = [(r, s) for r in down for s in across if 0 <= r < shape[2] and 0 <= s < shape[3]]
        size = sum(r < shape[2] + padding[0] for r in down) * sum(s < shape[3] + padding[1] for s in across)
        total = sum((x[:, :, r, s] for r, s in real), np.zeros(shape[:2]))
        np.testing.assert_allclose(y.data[:, :, i, j], total / (size if include else len(real)), atol=1e-12)


@given(
    data=st.data(), size=st.tuples(st.integers(1, 7), st.integers(1, 7)), out=st.tuples(st.integers(1, 7), st.integers(1, 7))
)
def test_adaptive_pool_equals_the_mean_of_each_window(data: Any, size: tuple[int, int], out: tuple[int, int]) -> None:
    x = data.draw(drawn((2, 1, *size)))
    y = ag.adaptive_avg_pool2d(ag.from_numpy(x), out)
    for i, j in itertools.product(range(out[0]), range(out[1])):
        rows = slice(i * size[0] // out[0], math.ceil((i + 1) * size[0] / out[0]))
        columns = slice(j * size[1] // out[1], math.ceil((j + 1) * size[1] / out[1]))
        np.testing.assert_allclose(y.data[:, :, i, j], x[:, :, rows, columns].mean((2, 3)), atol=1e-12)


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
    ],
)
def test_errors_name_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 2, 3, 3)))
