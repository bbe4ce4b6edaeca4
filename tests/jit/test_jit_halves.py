"""What goes by halves, and by pieces of halves, leaves the bits that it leaves in one piece; buffers serve again within a stretch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from samples.cuts import cut

import autograd_mini as ag
from autograd_mini.testing import Program, programs


def arrays(*shapes: tuple[int, ...]) -> list[ag.Tensor]:
    random = np.random.default_rng(2)
    return [ag.Tensor(random.standard_normal(shape).astype(np.float32), requires_grad=True) for shape in shapes]


def chain(rows: int) -> tuple[Callable[[], list[ag.Tensor]], list[ag.Tensor]]:
    """A long elementwise chain whose backward pass needs many of its results, and sums of rows on the way."""
    x, a, b, c = arrays((rows, 6), (6,), (rows, 1), (rows, 6))

    def step() -> list[ag.Tensor]:
        for leaf in (x, a, b, c):
            leaf.grad = None
        h = ag.exp(ag.tanh(x * a + b) * c) + x
        for _ in range(4):
            h = ag.relu(ag.sqrt(h * h + 1) - b) * c
        loss = h.sum()
        loss.backward()
        return [loss.detach(), *[leaf.grad.copy() for leaf in (x, a, b, c)]]

    return step, [x, a, b, c]


def same(f: Callable[..., Any], calls: list[tuple[ag.Tensor, ...]]) -> Any:
    """Eager and compiled give the same bits, both cut; returns the compiled function."""
    with cut(), np.errstate(all="ignore"):  # a moved input may leave a domain; both then give the same nan
        compiled = ag.jit(f, exact=True)
        for number, inputs in enumerate(calls):
            for a, b in zip(f(*inputs), compiled(*inputs), strict=True):
                assert np.array_equal(a.data, b.data, equal_nan=True), f"call {number}"
    return compiled


@given(program=programs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_programs_and_their_gradients(program: Program) -> None:
    assume(" > 0]" not in program.source)  # what a mask selects is refused

    def both(*inputs: ag.Tensor) -> list[ag.Tensor]:
        outputs, pull = ag.vjp(lambda *xs: program(*xs), *inputs)
        return [*outputs, *pull(tuple(ag.cos(y.detach()) for y in outputs))]

    same(both, [tuple(ag.Tensor(a + 0.01 * i) for a in program.inputs) for i in range(4)])


@pytest.mark.parametrize("rows", [2, 3, 7, 20])
def test_a_long_chain_in_pieces(rows: int) -> None:
    step, _ = chain(rows)
    compiled = same(step, [()] * 4)
    assert any(entry.parts for entry in compiled.plan.table())


def test_a_stretch_of_calls_with_different_numbers_of_rows() -> None:
    """Gradients of several weights are one stretch, each cut in the middle of its own rows."""
    x, v, w = arrays((9, 50), (50, 20), (20, 33))

    def step() -> list[ag.Tensor]:
        v.grad = w.grad = None
        ag.tanh(ag.tanh(x.detach() @ v) @ w).sum().backward()
        return [v.grad.copy(), w.grad.copy()]

    with cut():
        expected, compiled = step(), ag.jit(step)
        for _ in range(4):
            for a, b in zip(expected, compiled(), strict=True):
                assert np.allclose(a.data, b.data, rtol=1e-5, atol=1e-6)
        stretches = [{part.outputs for part in entry.parts} for entry in compiled.plan.table() if entry.parts]
    assert any(len({shapes[0][0] for shapes in found}) > 1 for found in stretches)


def test_a_stretch_takes_no_more_buffers_than_results_are_in_use_at_once() -> None:
    """As many as it takes without halves, or one more: a neighbour's rows may still be read."""

    def buffers() -> int:
        compiled = ag.jit(chain(40)[0])
        for _ in range(3):
            compiled()
        return len(compiled.plan.pool.buffers)

    whole = buffers()
    with cut():
        assert buffers() <= whole + 1
