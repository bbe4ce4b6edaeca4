"""Running extrema and logarithms of sums: loops in NumPy are the oracle, and PyTorch 2.13 for the conventions at ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor
from autograd_mini.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(1)
X = RNG.permutation(24).reshape(2, 3, 4) * 0.3 - 2
ORACLES = {"cummax": np.maximum.accumulate, "cummin": np.minimum.accumulate, "logcumsumexp": np.logaddexp.accumulate}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_values_and_both_derivatives_along_every_axis(name: str, axis: int | None) -> None:
    function = getattr(ag, name)
    x = X.ravel() if axis is None else X
    np.testing.assert_allclose(function(X, axis).data, ORACLES[name](x, axis or 0), rtol=1e-14)
    if axis is not None:
        np.testing.assert_array_equal(ORACLES[name](Tensor(X), axis).data, function(X, axis).data)
    weighted = lambda t: ag.sum(function(t, axis) ** 2 * np.cos(np.arange(X.size)).reshape(function(t, axis).shape))
    gradcheck(weighted, X)
    gradgradcheck(weighted, X)
    batch = np.stack([X, X[::-1]])
    np.testing.assert_allclose(
        ag.vmap(lambda t: function(t, axis))(batch).data, [function(x, axis).data for x in batch], rtol=1e-14
    )


def test_dim_returns_values_and_indices_of_the_last_of_equal_elements() -> None:
    """Indices of PyTorch 2.13: `torch.cummax(torch.tensor([1., 3., 3., 2., nan, 5.]), 0)`."""
    x = Tensor([1.0, 3.0, 3.0, 2.0, np.nan, 5.0], requires_grad=True)
    values, indices = ag.cummax(x, dim=0)
    assert indices.tolist() == [0, 1, 2, 2, 4, 4]
    np.testing.assert_array_equal(values.data, [1, 3, 3, 3, np.nan, np.nan])
    ag.sum(values[:4]).backward()
    assert x.grad.tolist() == [1, 1, 2, 0, 0, 0]
    assert ag.cummin([2.0, 1.0, 1.0, 3.0], dim=0).indices.tolist() == [0, 1, 2, 2]


def test_logcumsumexp_is_finite_for_large_numbers_and_skips_minus_infinity() -> None:
    x = Tensor(np.array([-np.inf, -np.inf, 1000.0, 1000.0, -np.inf, -2000.0]), requires_grad=True)
    y = ag.logcumsumexp(x, dim=0)
    np.testing.assert_allclose(y.data, [-np.inf, -np.inf, 1000, *[1000 + np.log(2)] * 3])
    ag.sum(y[2:]).backward()
    np.testing.assert_allclose(x.grad.data, [0, 0, 2.5, 1.5, 0, 0])
    assert ag.logcumsumexp(np.zeros(3, np.float16)).dtype == np.float16


@pytest.mark.parametrize("name", ORACLES)
def test_a_replay_equals_eager_mode(name: str) -> None:
    step = lambda x: ag.grad(lambda t: ag.sum(getattr(ag, name)(t, 1) ** 2))(x)
    compiled = ag.jit(step)
    for k in range(3):
        np.testing.assert_allclose(compiled(Tensor(X - k)).data, step(Tensor(X - k)).data, rtol=1e-13)


@pytest.mark.parametrize("name", ORACLES)
def test_wrong_axes_raise_an_error_that_names_them(name: str) -> None:
    call: Any = getattr(ag, name)
    with pytest.raises(IndexError, match=f"{name}: axis 5 is out of range"):
        call(X, 5)
    with pytest.raises(TypeError, match=f"{name}: axis=1 and dim=0 mean the same"):
        call(X, 1, dim=0)
