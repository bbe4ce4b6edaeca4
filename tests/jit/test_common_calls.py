"""Equal calls are computed once: with the bits of eager code, and only if nothing in between or outside could tell."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn

X = ag.Tensor(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))


def compiled_kernels(function: Any, *arguments: Any) -> tuple[Any, list[str]]:
    """Returns the result of a replay, after a comparison with eager code, and the kernels of the plan."""
    compiled = ag.jit(function, exact=True)
    for _ in range(3):
        result = compiled(*arguments)
    for a, b in zip(result, function(*arguments), strict=True):
        np.testing.assert_array_equal(a._data, b._data)
    return result, [call.primitive.name for row in compiled.plan.rows for call in row.calls]


def test_an_expression_that_is_written_twice_is_computed_once() -> None:
    _, kernels = compiled_kernels(lambda x: [ag.exp(x * 2) + ag.tanh(ag.exp(x * 2))], X)
    assert kernels == ["multiply", "exp", "tanh", "add"]


def test_a_weight_is_normalised_once_for_two_uses() -> None:
    layer = nn.WeightNorm(nn.Linear(4, 4))
    once = compiled_kernels(lambda x: [layer(x).detach()], X)[1]
    twice = compiled_kernels(lambda x: [layer(layer(x)).detach()], X)[1]
    assert len(twice) == len(once) + 1


def test_parameters_of_calls_are_compared_exactly() -> None:
    zeros = ag.Tensor(np.float32([-1.0, 2.0]))
    _, kernels = compiled_kernels(
        lambda x: [ag.leaky_relu(x, 0.0) / x + ag.leaky_relu(x, -0.0) / x + x.sum(0) + x.sum(0, True)], zeros
    )
    assert kernels.count("leaky_relu") == 2


def test_results_never_share_memory() -> None:
    results, _ = compiled_kernels(lambda x: [ag.exp(x), ag.exp(x), ag.exp(x).reshape(-1), ag.exp(x).reshape(-1)], X)
    results[0]._data[...] = 0
    results[2]._data[...] = 0
    assert all((r._data > 0).all() for r in (results[1], results[3]))


def test_a_write_in_between_is_noticed() -> None:
    w = ag.Tensor([1.0, 2.0])

    def step(x: ag.Tensor) -> list[ag.Tensor]:
        before = ag.exp(w) + x
        w.data = w * 2
        return [before, ag.exp(w) + x]

    compiled = ag.jit(step)
    for _ in range(3):
        w.data = [1.0, 2.0]
        before, after = compiled(ag.zeros(2))
        np.testing.assert_allclose(before._data, np.exp([1.0, 2.0]), rtol=1e-6)
        np.testing.assert_allclose(after._data, np.exp([2.0, 4.0]), rtol=1e-6)


def test_random_draws_are_never_shared() -> None:
    compiled = ag.jit(lambda: [ag.rand(3), ag.rand(3)])
    for _ in range(3):
        a, b = compiled()
        assert a.tolist() != b.tolist()
