"""Embeddings: gradients of repeated and of padding rows, limited norms, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn

RNG = np.random.default_rng(0)


def test_the_gradients_of_a_repeated_index_are_added() -> None:
    layer = nn.Embedding(4, 2)
    layer([[1, 3], [1, 1]]).sum().backward()
    assert layer.weight.grad is not None
    np.testing.assert_array_equal(layer.weight.grad.data[:, 0], [0, 3, 0, 1])
    assert layer(np.zeros((0, 3), int)).shape == (0, 3, 2)


def test_a_padding_row_starts_as_zeros_and_gets_no_gradient_of_any_order() -> None:
    layer = nn.Embedding(4, 2, padding_idx=-2, dtype=np.float64)
    assert layer.padding_idx == 2
    assert layer.weight.data[2].tolist() == [0, 0]
    layer.weight.data = RNG.normal(size=(4, 2))  # a loaded table may have another row there, which is used
    rows = layer([[2, 1], [1, 2]])
    np.testing.assert_array_equal(rows.data, layer.weight.data[[[2, 1], [1, 2]]])
    first = ag.grad((rows**3).sum(), layer.weight, create_graph=True)
    np.testing.assert_allclose(first.data[:, 0], [0, 6 * layer.weight.data[1, 0] ** 2, 0, 0])
    second = ag.grad(first.sum(), layer.weight)
    np.testing.assert_allclose(second.data[:, 0], [0, 12 * layer.weight.data[1, 0], 0, 0])


def test_the_norms_of_selected_rows_are_limited_in_eager_and_compiled_steps() -> None:
    table = np.array([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], np.float32)
    states = []
    for compile_step in (lambda f: f, ag.jit):
        layer = nn.Embedding(3, 2, max_norm=1.0)
        layer.weight.data = table

        @compile_step
        def step(indices: Tensor, layer: nn.Embedding = layer) -> Tensor:
            layer.weight.grad = None
            loss = (layer(indices) ** 2).sum()
            loss.backward()
            return loss.detach()

        losses = [step(Tensor(np.array(indices))).item() for indices in ([0, 1], [1, 0], [1, 2], [0, 0])]
        states.append((losses, layer.weight.data.copy(), layer.weight.grad.data.copy()))  # type: ignore[union-attr]
    np.testing.assert_allclose(states[0][1], [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(states[0][0], [1.25, 1.25, 1.25, 2], rtol=1e-6)
    for eager, compiled in zip(*states, strict=True):
        np.testing.assert_array_equal(eager, compiled)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Embedding(3, 2)([3]), IndexError, r"\[0, 3\)"),
        (lambda: nn.Embedding(3, 2)([0.5]), TypeError, "integers"),
        (
            lambda: nn.Embedding(3, 2, padding_idx=3),
            ValueError,
            r"padding_idx to be an int in \[-3, 3\) or None, got padding_idx=3",
        ),
        (
            lambda: ag.embedding(np.ones((3, 2)), [0], padding_idx=-4),
            ValueError,
            r"padding_idx must be an int in \[-3, 3\), got -4",
        ),
        (lambda: nn.Embedding(3, 2, padding_idx=0.5), ValueError, r"padding_idx to be an int .*got padding_idx=0.5"),
        (lambda: nn.Embedding(3, 2, max_norm=-1), ValueError, r"expected max_norm > 0 or None, got max_norm=-1"),
        (lambda: nn.Embedding(3, 2, max_norm=1)([7]), IndexError, r"embedding: indices must lie in \[0, 3\), got 7 to 7"),
    ],
)
def test_an_error_names_the_argument_and_its_value(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
