"""`vmap`: what a function computes for a batch equals what it computes example by example, for every primitive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from hypothesis import given, settings
from samples import SAMPLES

import autograd_mini as ag

N = 3


def batches(data: st.DataObject, operands: Sequence[np.ndarray]) -> tuple[list[np.ndarray], tuple[int | None, ...]]:
    """Draws which operands have examples, and along which axis; examples are the operand times 1, 0.9 and 0.8."""
    chosen = data.draw(st.lists(st.booleans(), min_size=len(operands), max_size=len(operands)).filter(any))
    axes = tuple(data.draw(st.integers(-x.ndim - 1, x.ndim)) if use else None for x, use in zip(operands, chosen, strict=True))
    arrays = [
        x if axis is None else np.stack([x * (1 - 0.1 * k) for k in range(N)], axis)
        for x, axis in zip(operands, axes, strict=True)
    ]
    return arrays, axes


def by_loop(f: Callable[..., Any], arrays: Sequence[Any], axes: Sequence[int | None]) -> list[Any]:
    """Returns f of each example."""
    pick = lambda x, axis, k: x if axis is None else ag.moveaxis(x, axis, 0)[k]
    return [f(*[pick(x, axis, k) for x, axis in zip(arrays, axes, strict=True)]) for k in range(N)]


def as_list(outputs: Any) -> list[ag.Tensor]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def weigh(outputs: Sequence[ag.Tensor]) -> Any:
    """Returns a sum of the floating outputs with different weights."""
    terms = [(y * np.cos(np.arange(y.size)).reshape(y.shape)).sum() for y in outputs if y.dtype.kind == "f"]
    return sum(terms[1:], terms[0])


def equal(a: ag.Tensor, b: ag.Tensor) -> None:
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_primitive_in_a_batch_equals_a_loop_over_examples(name: str) -> None:
    """Values, gradients through `vmap`, and the pullback inside of `vmap`, for any choice of batched operands and axes."""

    @given(call=SAMPLES[name], data=st.data())
    @settings(max_examples=6)
    def check(call: samples.call.Call, data: st.DataObject) -> None:
        f = call.function
        arrays, axes = batches(data, call.operands)
        with np.errstate(all="ignore"):
            try:
                expected = [as_list(y) for y in by_loop(f, [ag.Tensor(x) for x in arrays], axes)]
            except np.linalg.LinAlgError:
                return
            actual = as_list(ag.vmap(f, axes)(*arrays))
            for y, rows in zip(actual, zip(*expected, strict=True), strict=True):
                equal(y, ag.stack(list(rows)))

            through = [ag.Tensor(x, requires_grad=True) for x in arrays]
            one_by_one = [ag.Tensor(x, requires_grad=True) for x in arrays]
            batch = as_list(ag.vmap(f, axes)(*through))
            if not any(y.requires_grad for y in batch):
                return
            looped = [ag.stack(list(rows)) for rows in zip(*map(as_list, by_loop(f, one_by_one, axes)), strict=True)]
            for a, b in zip(
                ag.grad(weigh(batch), through, allow_unused=True),
                ag.grad(weigh(looped), one_by_one, allow_unused=True),
                strict=True,
            ):
                assert (a is None) == (b is None)
                if a is not None:
                    equal(a, b)

            gradient = ag.grad(lambda *xs: weigh(as_list(f(*xs))), argnums=tuple(range(len(arrays))))
            inside = ag.vmap(gradient, axes)(*arrays)
            for g, rows in zip(inside, zip(*by_loop(gradient, [ag.Tensor(x) for x in arrays], axes), strict=True), strict=True):
                equal(g, ag.stack(list(rows)))

    check()
