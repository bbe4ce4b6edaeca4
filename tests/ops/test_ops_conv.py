"""Convolutions equal their definition as loops, for any layout, dtype and block size."""

from __future__ import annotations

import itertools
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from samples.conv import geometry

import autograd_mini as ag
from autograd_mini.apply import recorded
from autograd_mini.ops.neural import conv_kernels
from autograd_mini.primitive import arrays
from autograd_mini.testing import arrays as drawn
from autograd_mini.testing import gradcheck, gradgradcheck

TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4, np.float16: 3e-2}


def index_triples(
    x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """Yields all triples of indices into x, w and y that a convolution multiplies and adds: its definition with scalars."""
    (n, o, *out), (each, *kernel) = y, w[1:]
    for i, f, c in itertools.product(range(n), range(o), range(each)):
        for at, offset in itertools.product(np.ndindex(*out), np.ndindex(*kernel)):
            place = [a * s + p * d - b for a, s, p, d, (b, _) in zip(at, stride, offset, dilation, padding, strict=True)]
            # A negative padding after the end leaves out the last pixels.
            ends = [m + min(after, 0) for m, (_, after) in zip(x[2:], padding, strict=True)]
            if all(0 <= p < m for p, m in zip(place, ends, strict=True)):
                yield (i, f // (o // groups) * each + c, *place), (f, c, *offset), (i, f, *at)


@given(
    data=st.data(),
    case=st.sampled_from([1, 2, 2, 3]).flatmap(geometry),
    dtype=st.sampled_from([np.float64, np.float32, np.float16]),
    block=st.sampled_from([1, 40, 1 << 19]),
    few=st.sampled_from([0, 3]),
)
@settings(max_examples=200)
def test_convolutions_and_both_gradients_equal_their_definition(
    data: Any, case: dict[str, Any], dtype: Any, block: int, few: int
) -> None:
    """conv, its input gradient and its weight gradient are three sums over the same triples; operands stay unchanged."""
    x, w, y = (data.draw(drawn(case[key], dtype, -2, 2)) for key in "xwy")
    at, axes = case["at"], len(case["size"])
    expected = [np.zeros(case[key]) for key in "yxw"]
    for i, j, k in index_triples(x.shape, w.shape, y.shape, **at):
        expected[0][k] += float(x[i]) * float(w[j])
        expected[1][i] += float(y[k]) * float(w[j])
        expected[2][j] += float(x[i]) * float(y[k])
    before = [a.copy() for a in (x, w, y)]
    kernel = {name: getattr(arrays, name.format(axes)) for name in ("conv{}d", "conv_transpose{}d", "conv{}d_weight")}
    with patch.multiple(conv_kernels, _BLOCK_ELEMENTS=block, _FEW_CHANNELS=few):
        results = [
            kernel["conv{}d"](x, w, **at),
            kernel["conv_transpose{}d"](y, w, size=case["size"], **at),
            kernel["conv{}d_weight"](x, y, kernel_size=case["kernel_size"], **at),
        ]
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(result, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * 10)
    for a, b in zip((x, w, y), before, strict=True):
        np.testing.assert_array_equal(a, b)


@given(data=st.data(), case=geometry())
@settings(max_examples=80)
def test_both_algorithms_for_the_input_gradient_agree(data: Any, case: dict[str, Any]) -> None:
    """At stride 1, a convolution with the rotated weight equals the sum of overlaps; the choice affects only the speed."""
    at = {**case["at"], "stride": (1, 1), "padding": ((0, 0), (0, 0))}
    reach = tuple(d * (k - 1) for d, k in zip(at["dilation"], case["kernel_size"], strict=True))
    y, w = data.draw(drawn(case["y"])), data.draw(drawn(case["w"]))
    size = tuple(n + r for n, r in zip(y.shape[2:], reach, strict=True))
    added = np.empty((len(y), *size, w.shape[1] * at["groups"])).transpose(0, 3, 1, 2)
    conv_kernels._overlap_add(y, w, None, added.transpose(0, 2, 3, 1), **at)
    rotated = arrays.conv2d(y, conv_kernels._flip_weight(w, at["groups"]), **{**at, "padding": tuple((r, r) for r in reach)})
    np.testing.assert_allclose(rotated, added, atol=1e-10)
    if reach == (2, 2):  # padded to keep the size, it is what conv_transpose2d chooses
        at["padding"] = ((1, 1), (1, 1))
        np.testing.assert_allclose(arrays.conv_transpose2d(y, w, size=y.shape[2:], **at), added[:, :, 1:-1, 1:-1], atol=1e-10)


def test_a_bias_is_added_to_every_pixel_of_its_channel() -> None:
    bias = np.array([1.0, -2.0, 3.0])
    for y in (
        ag.conv2d(np.zeros((2, 4, 5, 6)), np.ones((3, 4, 2, 2)), bias),
        ag.conv_transpose2d(np.zeros((2, 4, 5, 6)), np.ones((4, 3, 2, 2)), bias, stride=2),
    ):
        np.testing.assert_array_equal(y.data, np.broadcast_to(bias[:, None, None], y.shape))


def test_small_examples_have_known_values() -> None:
    """Cross-correlation does not flip the kernel; the transposed form adds the kernel around each pixel."""
    x = ag.Tensor(np.arange(9.0).reshape(1, 1, 3, 3))
    w = ag.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert ag.conv2d(x, w).tolist() == [[[[27.0, 37.0], [57.0, 67.0]]]]
    assert ag.conv2d(x, w, padding="same").tolist() == [[[[27.0, 37.0, 17.0], [57.0, 67.0, 29.0], [20.0, 23.0, 8.0]]]]
    assert ag.conv_transpose2d(ag.Tensor([[[[1.0, 10.0]]]]), w, stride=2).tolist() == [
        [[[1.0, 2.0, 10.0, 20.0], [3.0, 4.0, 30.0, 40.0]]]
    ]
    assert ag.conv_transpose2d(ag.Tensor([[[[1.0]]]]), w, stride=2, output_padding=1).tolist() == [
        [[[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]]
    ]
    assert ag.conv1d([[[1.0, 2.0, 4.0, 8.0]]], [[[1.0, 1.0, 1.0]]], stride=2, padding=1).tolist() == [[[3.0, 14.0]]]


@given(length=st.integers(1, 7), k=st.integers(1, 5), dilation=st.integers(1, 3))
def test_same_padding_keeps_the_length(length: int, k: int, dilation: int) -> None:
    y = ag.conv1d(np.ones((1, 1, length)), np.ones((1, 1, k)), padding="same", dilation=dilation)
    assert y.shape == (1, 1, length)


def test_results_are_stored_channels_last() -> None:
    """Later kernels are fast because of it: the channels of a pixel are adjacent in memory."""
    x, w = ag.Tensor(np.ones((2, 3, 8, 8)), requires_grad=True), ag.Tensor(np.ones((4, 3, 3, 3)), requires_grad=True)
    y = ag.conv2d(x, w, padding=1)
    ag.sum(y).backward()
    up = ag.conv_transpose2d(y.detach(), w, stride=2)
    for t in (y, x.grad, up):
        assert t is not None
        assert t.data.transpose(0, 2, 3, 1).flags.c_contiguous


def test_output_padding_restores_the_input_size() -> None:
    """conv_transpose2d with the right output_padding has the input size of conv2d."""
    w = np.ones((1, 1, 3, 3))
    for size, stride, padding in itertools.product(range(3, 9), (1, 2, 3), (0, 1)):
        y = ag.conv2d(np.ones((1, 1, size, size)), w, stride=stride, padding=padding)
        extra = (size + 2 * padding - 3) % stride
        assert ag.conv_transpose2d(y, w, stride=stride, padding=padding, output_padding=extra).shape == (1, 1, size, size)


@pytest.mark.parametrize(("stride", "dilation", "padding", "extra"), [(1, 3, 0, 2), (2, 3, 1, 2), (3, 1, 2, 2), (1, 2, 2, 1)])
def test_output_padding_adds_pixels_at_the_end(stride: int, dilation: int, padding: int, extra: int) -> None:
    """It may exceed the stride if it is below the dilation; rows that no window reaches hold the bias. Gradients are exact."""
    x, w, bias = np.arange(1.0, 7).reshape(1, 1, 6), np.array([[[1.0, 10.0]]]), np.array([0.5])
    at = {"stride": stride, "dilation": dilation}
    whole = ag.conv_transpose1d(x, w, **at).data[0, 0]
    y = ag.conv_transpose1d(x, w, bias, padding=padding, output_padding=extra, **at)
    expected = np.concatenate([whole[padding:], np.zeros(extra)])[: len(whole) - 2 * padding + extra]
    np.testing.assert_array_equal(y.data[0, 0], expected + 0.5)
    call = lambda *operands: ag.conv_transpose1d(*operands, padding=padding, output_padding=extra, **at)
    assert gradcheck(call, x, w, bias)
    assert gradgradcheck(call, x, w, bias)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_image_gives_one_image(axes: int) -> None:
    """Without a batch axis, the input is one image; values and gradients are those of a batch of one."""
    shape = (2, *(4, 5, 3)[:axes])
    x, w = np.arange(float(np.prod(shape))).reshape(shape), np.linspace(-1, 1, 6 * 2**axes).reshape(3, 2, *(2,) * axes)
    for function, weight in ((f"conv{axes}d", w), (f"conv_transpose{axes}d", w.swapaxes(0, 1))):
        run = getattr(ag, function)
        one, batch = ag.Tensor(x, requires_grad=True), ag.Tensor(x[None], requires_grad=True)
        np.testing.assert_array_equal(run(one, weight).data, run(batch, weight).data[0])
        (run(one, weight) ** 2).sum().backward()
        (run(batch, weight) ** 2).sum().backward()
        np.testing.assert_array_equal(one.grad.data, batch.grad.data[0])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: ag.conv2d(x, np.ones((4, 2, 3, 3))),
            r"weight \(4, 2, 3, 3\) with 1 groups needs 2 input channels, got input \(1, 3, 5, 5\)",
        ),
        (lambda x: ag.conv2d(x, np.ones((4, 1, 3, 3)), groups=3), r"cannot split 4 filters into groups=3"),
        (
            lambda x: ag.conv2d(x, np.ones((4, 3, 7, 7))),
            r"kernel \(7, 7\) with dilation \(1, 1\) does not fit into input \(1, 3, 5, 5\)",
        ),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3))), r"a weight with 4 axes, got \(1, 3, 5, 5\) and \(4, 3, 3\)"),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3, 3)), np.ones(3)), r"needs a bias of shape \(4,\), got \(3,\)"),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3, 3)), stride=0), r"stride must be at least 1, got 0"),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3, 3)), padding=(1, 2, 3)), r"padding must be an int or a pair of ints"),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3, 3)), padding="same", stride=2), r'"same" needs stride 1'),
        (lambda x: ag.conv2d(x, np.ones((4, 3, 3, 3)), padding="full"), r'ints, "same" or "valid"'),
        (lambda x: ag.conv_transpose2d(x, np.ones((4, 2, 3, 3))), r"needs 4 input channels, got input \(1, 3, 5, 5\)"),
        (
            lambda x: ag.conv_transpose2d(x, np.ones((3, 2, 3, 3)), output_padding=1),
            r"\(1, 1\) must be smaller than stride \(1, 1\) or dilation \(1, 1\)",
        ),
        (lambda x: ag.conv_transpose2d(x, np.ones((3, 2, 1, 1)), padding=3), r"gives an image of size \(-1, -1\)"),
    ],
)
def test_errors_name_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 3, 5, 5)))


def test_third_derivatives_are_exact() -> None:
    """The rules of the trio use only the trio: a third derivative of a composition is exact and not zero."""
    x, w = ag.Tensor(np.full((1, 1, 3, 3), 0.5)), ag.Tensor(np.full((1, 1, 2, 2), 0.5), requires_grad=True)
    y = (recorded.conv2d(x, w, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1) ** 3).sum()
    for _ in range(3):
        y = ag.grad(y, w, create_graph=True).sum()
    # Four windows, each y = Σ x w with Σ x = 2: d³/dt³ (t · 2)³ = 6 · 2³ along w = (t, t, t, t).
    assert y.item() == pytest.approx(4 * 6 * 2**3)
