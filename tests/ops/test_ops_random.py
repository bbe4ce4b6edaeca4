"""Draws are reproducible, independent, correctly distributed, and different at each run of a kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini.primitive import arrays, registry

DRAWS: dict[str, Any] = {
    "randn": lambda **stream: ag.randn(3, 2, **stream),
    "rand": lambda **stream: ag.rand((3, 2), **stream),
    "bernoulli": lambda **stream: ag.bernoulli(0.5, (3, 20), **stream),
    "randint": lambda **stream: ag.randint(0, 1000, (3, 2), **stream),
    "permutation": lambda **stream: ag.permutation(50, **stream),
    "dropout": lambda **stream: ag.dropout(np.ones((3, 20)), **stream),
}


@pytest.fixture(autouse=True)
def restore_stream() -> Iterator[None]:
    state = ag.get_rng_state()
    yield
    ag.set_rng_state(state)


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    """manual_seed, a state saved as JSON, and a generator of the user each repeat a draw exactly."""
    draw = DRAWS[name]
    ag.manual_seed(7)
    state = json.loads(json.dumps(ag.get_rng_state()))
    first, second = draw(), draw()
    assert first.tolist() != second.tolist()
    ag.set_rng_state(state)
    assert draw().tolist() == first.tolist()
    ag.manual_seed(7)
    assert [draw().tolist(), draw().tolist()] == [first.tolist(), second.tolist()]
    before = ag.get_rng_state()
    own = [draw(generator=np.random.default_rng(1)).tolist() for _ in range(2)]
    assert own[0] == own[1]
    assert ag.get_rng_state() == before, "a separate generator must not change the stream of the process"


def test_a_kernel_draws_new_numbers_at_every_run() -> None:
    """A recorded trace repeats the draw, not its result."""
    params = {"shape": (4,), "dtype": np.dtype(np.float32), "generator": None}
    assert arrays.randn(**params).tolist() != arrays.randn(**params).tolist()
    assert all(registry[name].effect for name in ("randn", "rand", "bernoulli", "randint", "permutation", "dropout_mask"))


def test_draws_have_no_gradient() -> None:
    p = ag.Tensor(0.5, requires_grad=True)
    assert not any(t.requires_grad for t in (ag.randn(2), ag.rand(2), ag.bernoulli(p, 3), ag.permutation(3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_draws_have_the_right_mean_and_variance(dtype: Any) -> None:
    """The moments of 20,000 draws are within five standard errors, and uniform draws are below 1."""
    ag.manual_seed(0)
    n = 20_000
    normal, uniform = ag.randn(n, dtype=dtype), ag.rand(n, dtype=dtype)
    assert normal.dtype == uniform.dtype == dtype
    x, u = normal.data.astype(float), uniform.data.astype(float)
    assert abs(x.mean()) < 5 / n**0.5
    assert abs(x.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs(u.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert u.min() >= 0
    assert u.max() < 1
    ones = ag.bernoulli(ag.Tensor(np.full(n, 0.3, dtype)))
    assert ones.dtype == dtype
    assert set(ones.tolist()) == {0.0, 1.0}
    assert abs(ones.data.astype(float).mean() - 0.3) < 5 * (0.21 / n) ** 0.5


def test_float32_is_the_default_and_integers_cover_their_range() -> None:
    assert ag.randn(2).dtype == ag.rand(2).dtype == np.float32
    assert sorted(set(ag.randint(-2, 3, 500).tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(ag.permutation(20).tolist()) == list(range(20))
    assert ag.randn().shape == ag.rand().shape == ag.randint(0, 2).shape == ()


# -- dropout ------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_independent_elements_at_the_given_rate(p: float) -> None:
    """The rate is p in rows and in columns: no draws with replacement, and not one mask for a whole batch."""
    ag.manual_seed(1)
    x = np.ones((200, 100), np.float32)
    y = ag.dropout(x, p).data
    off = y == 0
    assert abs(off.mean() - p) < 5 * (p * (1 - p) / off.size) ** 0.5
    assert abs(off.mean(0) - p).max() < 5 * (p * (1 - p) / 200) ** 0.5
    assert len(np.unique(off, axis=0)) > 190
    np.testing.assert_allclose(y[~off], 1 / (1 - p), rtol=1e-6)


def test_the_gradient_of_dropout_is_its_mask() -> None:
    x = ag.Tensor(np.arange(1.0, 101.0), requires_grad=True)
    y = ag.dropout(x, 0.3)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data * x.data, y.data)


def test_dropout_with_p_0_and_p_1() -> None:
    """p = 0 and evaluation return the same tensor; p = 1 gives zeros and no nan."""
    x = ag.Tensor([1.0, 2.0])
    assert ag.dropout(x, 0) is x
    assert ag.dropout(x, 0.5, training=False) is x
    assert ag.dropout(x, 1).tolist() == [0.0, 0.0]


def test_dropout_keeps_the_memory_layout() -> None:
    """A mask with another memory order than its image would slow down later operations on both."""
    x = ag.from_numpy(np.ones((2, 4, 4, 3)).transpose(0, 3, 1, 2))
    assert ag.dropout(x, 0.5).data.strides == x.data.strides


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ag.dropout([1.0], 1.5), ValueError, r"p must lie in \[0, 1\], got 1.5"),
        (lambda: ag.bernoulli(-0.1), ValueError, r"probabilities must lie in \[0, 1\]"),
        (lambda: ag.bernoulli(float("nan")), ValueError, r"probabilities must lie in \[0, 1\]"),
        (lambda: ag.bernoulli([0.5, 0.5], 3), ValueError, r"shape \(2,\) do not broadcast to \(3,\)"),
        (lambda: ag.randint(3, 3), ValueError, r"low < high, got 3 and 3"),
        (lambda: ag.randn(2, -1), ValueError, r"lengths must be ≥ 0, got \(2, -1\)"),
        (lambda: ag.rand(2, dtype="int64"), TypeError, r"expected float16, float32 or float64, got int64"),
    ],
)
def test_errors_say_what_was_expected(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("state", "error"), [({}, ValueError), ({"bit_generator": "MT19937"}, ValueError), (None, TypeError), ("PCG64", TypeError)]
)
def test_a_state_of_another_generator_is_refused_and_changes_nothing(state: Any, error: type[Exception]) -> None:
    before = ag.get_rng_state()
    with pytest.raises(error, match=r"set_rng_state: expected a state from get_rng_state\(\), got"):
        ag.set_rng_state(state)
    assert ag.get_rng_state() == before
