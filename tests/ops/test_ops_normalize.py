"""Fused normalisation equals the formula in small operations: values, gradients, and gradients of gradients."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from samples.neural import batches

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.testing import arrays as drawn


def composed(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation from its definition, in separate operations."""
    axes, column = (0, *range(2, x.ndim)), (x.shape[1],) + (1,) * (x.ndim - 2)
    mean = ag.mean(x, axes, keepdims=True)
    var = ag.mean((x - mean) ** 2, axes, keepdims=True)
    y = (x - mean) / ag.sqrt(var + eps) * weight.reshape(column) + bias.reshape(column)
    return y, mean.reshape(x.shape[1]), var.reshape(x.shape[1])


def two_orders(function: Any, operands: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    """Returns outputs, gradients of their weighted squares, and gradients of the squares of these gradients."""
    xs = [ag.from_numpy(x, requires_grad=True) for x in operands]
    outputs = function(*xs)
    first = ag.grad(sum((w * y * y).sum() for w, y in zip(weights, outputs, strict=True)), xs, create_graph=True)
    second = ag.grad(sum((g * g * (i + 1)).sum() for i, g in enumerate(first)), xs)
    return [t.data for t in (*outputs, *first, *second)]


@given(data=st.data(), shape=batches())
@settings(max_examples=150)
def test_batch_norm_equals_the_composed_graph_to_second_order(data: Any, shape: tuple[int, ...]) -> None:
    """The derived rule agrees with the rules of the parts, also for gradients through mean and variance."""
    operands = [data.draw(drawn(shape)), *(data.draw(drawn(shape[1:2])) for _ in range(2))]
    weights = [data.draw(drawn(shape, lo=-1, hi=1)), *(data.draw(drawn(shape[1:2], lo=-1, hi=1)) for _ in range(2))]
    fused = two_orders(lambda *xs: ag.batch_norm(*xs, eps=0.3), operands, weights)
    parts = two_orders(lambda *xs: composed(*xs, eps=0.3), operands, weights)
    for a, b in zip(fused, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@given(data=st.data(), shape=batches(), dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_batch_norm_gives_mean_0_and_variance_1(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Every channel that varies is standardised, in its dtype, and the input stays unchanged."""
    x = data.draw(drawn(shape, dtype))
    before = x.copy()
    y, mean, var = ag.batch_norm(ag.from_numpy(x), eps=1e-12 if dtype == np.float64 else 1e-5)
    axes = (0, *range(2, x.ndim))
    tolerance = {np.float16: 2e-2, np.float32: 2e-3, np.float64: 1e-9}[dtype]
    assert {t.dtype for t in (y, mean, var)} == {np.dtype(dtype)}
    np.testing.assert_allclose(mean.data, x.astype(float).mean(axes), atol=tolerance * 10)
    np.testing.assert_allclose(var.data, x.astype(float).var(axes), atol=tolerance * 10, rtol=tolerance)
    np.testing.assert_allclose(y.data.astype(float).mean(axes), 0, atol=tolerance)
    variance = y.data.astype(float).var(axes)
    np.testing.assert_allclose(variance[var.data > 0.05], 1, atol=tolerance)
    np.testing.assert_array_equal(x, before)


def test_the_gradient_of_a_channel_sums_to_zero() -> None:
    """The output does not change if a channel is shifted or scaled, so ∂L/∂x is orthogonal to 1 and to x̂."""
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(3, 2, (5, 2, 3, 4)), requires_grad=True)
    y, _, _ = ag.batch_norm(x, eps=0)
    (y * rng.normal(size=y.shape)).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data.sum((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose((x.grad.data * y.data).sum((0, 2, 3)), 0, atol=1e-12)


def test_float32_statistics_are_precise_for_large_batches() -> None:
    """Sums over half a million pixels are precise even if the mean of the channel is far from 0."""
    x = (100 + np.random.default_rng(0).normal(size=(64, 2, 64, 64))).astype(np.float32)
    _, mean, var = ag.batch_norm(x)
    np.testing.assert_allclose(mean.data, x.astype(np.float64).mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var.data, x.astype(np.float64).var((0, 2, 3)), rtol=1e-4)


@given(data=st.data(), shape=batches())
def test_inference_with_the_statistics_of_the_batch_equals_training(data: Any, shape: tuple[int, ...]) -> None:
    x, weight, bias = data.draw(drawn(shape)), data.draw(drawn(shape[1:2])), data.draw(drawn(shape[1:2]))
    y, mean, var = ag.batch_norm(x, weight, bias, eps=0.1)
    np.testing.assert_allclose(ag.batch_norm_inference(x, mean, var, weight, bias, eps=0.1).data, y.data, atol=1e-9)


@given(data=st.data(), shape=batches())
def test_layer_norm_equals_batch_norm_of_the_transpose(data: Any, shape: tuple[int, ...]) -> None:
    """Layer norm treats examples as batch norm treats channels, at both orders."""
    x = data.draw(drawn((shape[0], 2, shape[1])))
    flat = x.reshape(len(x), -1).T.copy()
    weight = [data.draw(drawn(x.shape, lo=-1, hi=1))]
    transposed = [weight[0].reshape(len(x), -1).T]
    layer = two_orders(lambda t: (ag.layer_norm(t, (2, shape[1]), eps=0.3),), [x], weight)
    batch = two_orders(lambda t: (ag.batch_norm(t, eps=0.3)[0],), [flat], transposed)
    for a, b in zip(layer, batch, strict=True):
        np.testing.assert_allclose(a.reshape(len(x), -1).T, b, atol=1e-9)


def test_layer_norm_scales_and_shifts_each_feature() -> None:
    y = ag.layer_norm([[1.0, 3.0]], 2, [2.0, 3.0], [10.0, 20.0], eps=0)
    assert y.tolist() == [[8.0, 23.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ag.batch_norm(np.ones(3)), r"shape \(N, C\) or \(N, C, H, W\) that is not empty, got \(3,\)"),
        (lambda: ag.batch_norm(np.ones((0, 3))), r"not empty, got \(0, 3\)"),
        (
            lambda: ag.batch_norm(np.ones((2, 3)), np.ones(2)),
            r"input \(2, 3\) needs one value per channel, shape \(3,\), got \(2,\)",
        ),
        (
            lambda: ag.batch_norm_inference(np.ones((2, 3)), np.ones(3), np.ones(1)),
            r"one value per channel, shape \(3,\), got \(1,\)",
        ),
        (lambda: ag.layer_norm(np.ones((2, 3)), (2,)), r"the last axes of input \(2, 3\) are not \(2,\)"),
        (lambda: ag.layer_norm(np.ones((2, 3)), 3, np.ones(1)), r"must have shape \(3,\), got \(1,\)"),
    ],
)
def test_errors_name_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
