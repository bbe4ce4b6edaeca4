"""Padding layers equal NumPy's padding, and `padding_mode` of a convolution is such a layer before it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.nn.layers.padding import pad

NUMPY = {"Constant": "constant", "Zero": "constant", "Reflection": "reflect", "Replication": "edge", "Circular": "wrap"}
RNG = np.random.default_rng(0)


@given(data=st.data(), kind=st.sampled_from(sorted(NUMPY)), axes=st.sampled_from([1, 2, 3]), batch=st.booleans())
def test_a_padding_layer_crops_by_negative_numbers_then_pads_like_numpy(data: Any, kind: str, axes: int, batch: bool) -> None:
    """`padding` lists (before, after) of the last axis first."""
    lengths = [data.draw(st.integers(3, 5)) for _ in range(axes)]
    pairs = [(data.draw(st.integers(-1, 1)), data.draw(st.integers(-1, 1))) for _ in range(axes)]
    x = RNG.normal(size=(*(2, 3)[: 1 + batch], *lengths))
    layer = getattr(nn, f"{kind}Pad{axes}d")(tuple(itertools.chain(*reversed(pairs))), *[0.5] * (kind == "Constant"))
    inside = tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(lengths, pairs, strict=True))
    width = [(0, 0)] * (1 + batch) + [(max(before, 0), max(after, 0)) for before, after in pairs]
    value = {"constant_values": 0.5} if kind == "Constant" else {}
    np.testing.assert_array_equal(layer(x).data, np.pad(x[(..., *inside)], width, NUMPY[kind], **value))


@given(data=st.data(), mode=st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))
def test_the_gradient_of_padding_is_its_transpose(data: Any, mode: str) -> None:
    """⟨pad x, y⟩ = ⟨x, gradient⟩ for any padding, also one larger than the array."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    width = [(data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))) for _ in shape]
    x = Tensor(RNG.normal(size=shape), requires_grad=True)
    padded = ag.pad(x, width, mode)
    np.testing.assert_array_equal(padded.data, np.pad(x.data, width, mode))  # type: ignore[call-overload]
    y = RNG.normal(size=padded.shape)
    padded.backward(y)
    places = np.pad(np.arange(x.size).reshape(shape), width, mode)  # type: ignore[call-overload]
    expected = np.bincount(places.reshape(-1), y.reshape(-1), x.size).reshape(shape)
    np.testing.assert_allclose(x.grad.data, expected, atol=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_the_padding_mode_of_a_convolution_is_padding_before_it(axes: int, mode: str, padding: Any) -> None:
    layer = getattr(nn, f"Conv{axes}d")(2, 3, (4, 3, 2)[:axes], padding=padding, padding_mode=mode)
    x = RNG.normal(size=(2, 2, 5, 4, 3)[: axes + 2]).astype(np.float32)
    sides = {"same": [(1, 2), (1, 1), (0, 1)], "valid": [(0, 0)] * 3, 1: [(1, 1)] * 3}[padding][:axes]
    padded = pad(x, [*itertools.chain(*reversed(sides))], mode)
    expected = getattr(ag, f"conv{axes}d")(padded, layer.weight, layer.bias)
    np.testing.assert_array_equal(layer(x).data, expected.data)
    assert f"padding_mode={mode!r}" in repr(layer)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "Conv2d: .*'reflect' or .*got 'mirror'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), ValueError, "padding_mode to be 'zeros', got 'reflect'"),
        (lambda: nn.ReflectionPad2d((1, 2)), ValueError, r"ReflectionPad2d: .*a tuple of 4 ints, got \(1, 2\)"),
        (lambda: nn.ReflectionPad1d(3)(np.zeros((1, 1, 3))), ValueError, "padding of at most 2 for axis 2"),
        (lambda: nn.CircularPad1d(4)(np.zeros((1, 1, 3))), ValueError, "padding of at most 3 for axis 2"),
        (lambda: nn.ZeroPad2d(1)(np.zeros(3)), ValueError, "ZeroPad2d: expected an input with 3 or 4 axes, got shape"),
        (lambda: nn.BatchNorm3d(2)(np.zeros((1, 2, 3, 3))), ValueError, r"shape \(N, C, D, H, W\) with C = 2"),
        (
            lambda: pad(np.zeros(3), (1, 2, 3)),
            ValueError,
            r"a pair of ints for each of the last axes of input \(3,\), got padding \(1, 2, 3\)",
        ),
        (
            lambda: pad(np.zeros(3), (1, 2), "reflect", 1.0),
            ValueError,
            "only mode constant has a value, got mode 'reflect' with value=1.0",
        ),
        (lambda: pad(np.zeros(3), (1, 2), "mirror"), ValueError, "mode must be one of constant, .*got 'mirror'"),
        (
            lambda: ag.pad(np.zeros((0, 3)), 1, "edge"),
            ValueError,
            r"nothing to copy along an axis of length 0, got shape \(0, 3\)",
        ),
    ],
)
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
