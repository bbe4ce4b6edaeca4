"""Fused losses are exact where their parts would overflow; embeddings add the gradients of repeated indices."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.testing import arrays as drawn

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def loss_and_gradient(loss: Any, z: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    logits = ag.from_numpy(np.asarray(z), requires_grad=True)
    value = loss(logits, t)
    value.sum().backward()
    assert logits.grad is not None
    return value.data, logits.grad.data


# -- conventions ------------------------------------------------------------


def test_binary_cross_entropy_with_logits_is_exact_for_large_logits() -> None:
    """At ±1000, the gradient is exactly −1, 0 or 1, and the loss is exactly 0 or 1000."""
    z, t = np.array([1000.0, 1000.0, -1000.0, -1000.0]), np.array([0.0, 1.0, 0.0, 1.0])
    value, gradient = loss_and_gradient(ag.binary_cross_entropy_with_logits, z, t)
    assert value.tolist() == [1000.0, 0.0, 0.0, 1000.0]
    assert gradient.tolist() == [1.0, 0.0, 0.0, -1.0]


def test_softmax_cross_entropy_is_exact_for_large_logits() -> None:
    z = np.array([[1000.0, -1000.0], [1000.0, -1000.0]])
    value, gradient = loss_and_gradient(ag.softmax_cross_entropy, z, np.array([0, 1]))
    assert value.tolist() == [0.0, 2000.0]
    assert gradient.tolist() == [[0.0, 0.0], [1.0, -1.0]]


def test_at_logit_0_both_losses_are_ln_2() -> None:
    assert ag.binary_cross_entropy_with_logits(0.0, 0.5).item() == pytest.approx(math.log(2))
    assert ag.softmax_cross_entropy([[0.0, 0.0]], [[0.5, 0.5]]).tolist() == pytest.approx([math.log(2)])


# -- definitions ------------------------------------------------------------


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_binary_cross_entropy_equals_its_definition(data: Any, dtype: Any) -> None:
    """−t ln σ(z) − (1 − t) ln(1 − σ(z)), gradients σ(z) − t for z and −z for t."""
    z = data.draw(drawn(dtype=dtype))
    t = data.draw(drawn(z.shape, dtype, 0, 1))
    before = z.copy(), t.copy()
    p = 1 / (1 + np.exp(-z.astype(float)))
    value, gradient = loss_and_gradient(ag.binary_cross_entropy_with_logits, z, ag.from_numpy(t))
    assert (value.dtype, gradient.dtype) == (dtype, dtype)
    np.testing.assert_allclose(value, -t * np.log(p) - (1 - t) * np.log(1 - p), atol=TOLERANCE[dtype])
    np.testing.assert_allclose(gradient, p - t, atol=TOLERANCE[dtype])
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(t, before[1])


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]), kind=st.sampled_from([np.int64, np.uint8]))
def test_softmax_cross_entropy_equals_its_definition(data: Any, dtype: Any, kind: Any) -> None:
    """−ln softmax(z)ₜ with gradient softmax(z) − [j = t], and the same for probabilities with all weight on one class."""
    lead, classes = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)), data.draw(st.integers(1, 4))
    z = data.draw(drawn((*lead, classes), dtype))
    t = data.draw(hnp.arrays(kind, lead, elements=st.integers(0, classes - 1)))
    e = np.exp(z.astype(float))
    p = e / e.sum(-1, keepdims=True)
    one_hot = np.eye(classes)[t.astype(int)]
    for targets in (t, one_hot.astype(dtype)):
        value, gradient = loss_and_gradient(ag.softmax_cross_entropy, z, ag.from_numpy(targets))
        assert (value.dtype, gradient.dtype, value.shape) == (dtype, dtype, lead)
        np.testing.assert_allclose(value, -np.log((p * one_hot).sum(-1)), atol=TOLERANCE[dtype])
        np.testing.assert_allclose(gradient, p - one_hot, atol=TOLERANCE[dtype])


def test_probability_targets_have_a_gradient() -> None:
    """∂L/∂t = −ln softmax(z)."""
    z, t = Tensor([[0.0, 0.0, 0.0]]), Tensor([[0.2, 0.3, 0.5]], requires_grad=True)
    ag.softmax_cross_entropy(z, t).sum().backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.data, math.log(3), rtol=1e-6)


@given(data=st.data(), rows=st.integers(1, 5))
def test_an_embedding_adds_the_gradients_of_repeated_indices(data: Any, rows: int) -> None:
    """The gradient of row i is the sum of the upstream gradients at all positions with index i."""
    width = data.draw(st.sampled_from([(), (3,), (2, 0), (2, 2)]))
    w = data.draw(drawn((rows, *width)))
    i = data.draw(hnp.arrays(np.int64, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0), elements=st.integers(0, rows - 1)))
    weight = ag.from_numpy(w, requires_grad=True)
    y = ag.embedding(weight, i)
    np.testing.assert_array_equal(y.data, w[i])
    g = data.draw(drawn(y.shape))
    y.backward(g)
    expected = np.zeros_like(w)
    for position in np.ndindex(i.shape):
        expected[i[position]] += g[position]
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.data, expected, atol=1e-12)


# -- errors ------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda z: ag.softmax_cross_entropy(z, [0, 3]), IndexError, r"targets must lie in \[0, 3\), got 0 to 3"),
        (lambda z: ag.softmax_cross_entropy(z, [0, -1]), IndexError, r"targets must lie in \[0, 3\), got -1 to 0"),
        (lambda z: ag.softmax_cross_entropy(z, [0]), ValueError, r"logits \(2, 3\) do not fit integer targets \(1,\)"),
        (lambda z: ag.softmax_cross_entropy(z, [0.5, 0.5]), ValueError, r"do not fit probability targets \(2,\)"),
        (
            lambda z: ag.binary_cross_entropy_with_logits(z, np.ones((2, 1))),
            ValueError,
            r"logits \(2, 3\) and targets \(2, 1\) differ",
        ),
        (lambda z: ag.embedding(z, [2]), IndexError, r"indices must lie in \[0, 2\), got 2 to 2"),
        (lambda z: ag.embedding(z, [-1]), IndexError, r"indices must lie in \[0, 2\)"),
        (lambda z: ag.embedding(z, [0.5]), TypeError, r"must be integers, got float32"),
    ],
)
def test_errors_say_what_was_expected(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.ones((2, 3)))
