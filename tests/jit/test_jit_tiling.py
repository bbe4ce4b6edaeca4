"""Row blocks: rows split into halves and tiles give the same bits as whole calls, and buffers are reused within a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from samples.splits import split_everything

import autograd_mini as ag
from autograd_mini.testing import Program, programs


def arrays(*shapes: tuple[int, ...]) -> list[ag.Tensor]:
    random = np.random.default_rng(2)
    return [ag.Tensor(random.standard_normal(shape).astype(np.float32), requires_grad=True) for shape in shapes]


def chain(rows: int) -> tuple[Callable[[], list[ag.Tensor]], list[ag.Tensor]]:
    """Returns a long elementwise chain with broadcasting, whose backward pass needs many of its results, and its leaves."""
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


def check_same_bits(f: Callable[..., Any], calls: list[tuple[ag.Tensor, ...]]) -> Any:
    """Checks that the eager and the compiled function, both split, give the same bits; returns the compiled one."""
    with split_everything(), np.errstate(all="ignore"):  # a moved input may leave a domain; both then give the same nan
        compiled = ag.jit(f, exact=True)
        for number, inputs in enumerate(calls):
            for a, b in zip(f(*inputs), compiled(*inputs), strict=True):
                assert np.array_equal(a.data, b.data, equal_nan=True), f"call {number}"
    return compiled


@given(program=programs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_programs_and_their_gradients_give_the_same_bits(program: Program) -> None:
    assume(" > 0]" not in program.source)  # boolean masks are rejected while tracing

    def both(*inputs: ag.Tensor) -> list[ag.Tensor]:
        outputs, pull = ag.vjp(lambda *xs: program(*xs), *inputs)
        return [*outputs, *pull(tuple(ag.cos(y.detach()) for y in outputs))]

    check_same_bits(both, [tuple(ag.Tensor(a + 0.01 * i) for a in program.inputs) for i in range(4)])


@pytest.mark.parametrize("rows", [2, 3, 7, 20])
def test_a_long_chain_in_tiles_gives_the_same_bits(rows: int) -> None:
    step, _ = chain(rows)
    compiled = check_same_bits(step, [()] * 4)
    assert any(entry.parts for entry in compiled.plan.table())


def test_calls_of_one_block_may_have_different_numbers_of_rows() -> None:
    """The gradients of several weights form one block; each is split in the middle of its own rows."""
    x, v, w = arrays((9, 50), (50, 20), (20, 33))

    def step() -> list[ag.Tensor]:
        v.grad = w.grad = None
        ag.tanh(ag.tanh(x.detach() @ v) @ w).sum().backward()
        return [v.grad.copy(), w.grad.copy()]

    with split_everything():
        expected, compiled = step(), ag.jit(step)
        for _ in range(4):
            for a, b in zip(expected, compiled(), strict=True):
                assert np.allclose(a.data, b.data, rtol=1e-5, atol=1e-6)
        blocks = [{part.outputs for part in entry.parts} for entry in compiled.plan.table() if entry.parts]
    assert any(len({shapes[0][0] for shapes in shapes_of_block}) > 1 for shapes_of_block in blocks)


def test_a_block_needs_at_most_one_more_buffer_than_whole_calls() -> None:
    """One more, because the other thread may still read its rows of a result."""

    def buffers() -> int:
        compiled = ag.jit(chain(40)[0])
        for _ in range(3):
            compiled()
        return len(compiled.plan.pool.buffers)

    whole = buffers()
    with split_everything():
        assert buffers() <= whole + 1
