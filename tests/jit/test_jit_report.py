"""The report of a plan shows its steps, their shapes, their work, where their results lie and how long they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.jit import report
from autograd_mini.jit.plan import Plan

BATCH, WIDE, HIDDEN, OUT = 6, 5, 4, 3
SIZE = WIDE * HIDDEN + HIDDEN + HIDDEN * OUT + OUT


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    state = ag.get_rng_state()
    ag.manual_seed(0)
    yield
    ag.set_rng_state(state)


def training(**settings: Any) -> tuple[Any, Tensor, Tensor]:
    net = nn.Sequential(nn.Linear(WIDE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT))
    optimizer = nn.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @ag.jit(**settings)
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    x, y = ag.ones((BATCH, WIDE)), Tensor(np.arange(BATCH) % OUT)
    for _ in range(2):
        step(x, y)
    return step, x, y


def plan_of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Plan:
    compiled = ag.jit(function)
    for _ in range(2):
        compiled(*(ag.full(shape, 0.5) for shape in shapes))
    return compiled.plan


# -- the table ---------------------------------------------------------------------------------------------------------------


def test_every_step_has_a_row_with_its_kernel_shapes_and_memory():
    step, *_ = training()
    steps = step.plan.table()
    assert [e.step for e in steps] == list(range(len(step.plan.steps)))
    first = next(e for e in steps if e.kernel == "linear")
    assert (first.inputs, first.outputs) == (((BATCH, WIDE), (HIDDEN, WIDE), (HIDDEN,)), ((BATCH, HIDDEN),))
    assert first.memory.startswith("buffer ")
    assert first.bytes == 4 * (BATCH * WIDE + HIDDEN * WIDE + HIDDEN + BATCH * HIDDEN)
    assert sum(e.memory == "gradient" for e in steps) == 4
    assert [e.memory for e in steps if e.kernel == "mean"] == ["new"]


def test_a_fused_update_is_one_row_with_the_work_of_all_parameters():
    step, *_ = training()
    last = step.plan.table()[-1]
    assert (last.kernel, last.memory) == ("update", "write of 4 parameters")
    assert (last.inputs, last.outputs, last.bytes, last.flops) == (((SIZE,), (SIZE,)), (), 8 * SIZE, SIZE)


def test_a_view_counts_no_bytes_and_no_operations():
    (row, _) = plan_of(lambda x: x.T + 1, (3, 2)).table()
    assert (row.kernel, row.memory, row.bytes, row.flops) == ("transpose", "view", 0, 0)


def test_an_operand_that_is_read_twice_counts_once():
    (row,) = plan_of(lambda x: x * x, (10,)).table()
    assert row.bytes == 2 * 10 * 4


WORK: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], int]] = {
    "matmul": (lambda a, b: a @ b, [(2, 3), (3, 5)], 2 * 2 * 3 * 5),
    "batched matmul": (lambda a, b: a @ b, [(7, 2, 3), (3, 5)], 7 * 2 * 2 * 3 * 5),
    "linear": (ag.linear, [(2, 3), (5, 3)], 2 * 2 * 3 * 5),
    "linear with bias": (ag.linear, [(2, 3), (5, 3), (5,)], 2 * 2 * 3 * 5 + 2 * 5),
    "conv2d": (ag.conv2d, [(2, 3, 6, 6), (4, 3, 3, 3)], 2 * (2 * 4 * 4 * 4) * (3 * 3 * 3)),
    "einsum": (lambda a, b: ag.einsum("ij,kj->ik", a, b), [(2, 3), (5, 3)], 2 * 2 * 3 * 5),
    "elementwise": (lambda a, b: ag.hypot(a, b), [(2, 1), (3,)], 2 * 3),
    "reduction": (lambda a: a.sum(), [(4, 5)], 20),
    "concatenation": (lambda a: ag.concatenate([a, a]), [(4, 5)], 0),
    "selection": (lambda a: ag.repeat(ag.flip(ag.tril(a[[1, 0, 1]])), 2, axis=1), [(4, 5)], 0),
    "assignment": (lambda a: ag.index_put(a, 0, 1.0), [(4, 5)], 0),
    "sorted order": (lambda a: ag.one_hot(ag.argsort(a), 5), [(4, 5)], 0),
}


@pytest.mark.parametrize("kind", WORK)
def test_the_floating_point_operations_follow_the_formula(kind: str):
    function, shapes, flops = WORK[kind]
    assert sum(e.flops for e in plan_of(function, *shapes).table()) == flops


def test_the_three_products_of_a_convolution_have_equal_work():
    """Forward pass, gradient of the image and gradient of the weight need equally many products, for every stride."""
    w = ag.rand(4, 3, 3, 3)

    def both(x: Tensor) -> Any:
        return ag.vjp(lambda x, w: ag.conv2d(x, w, stride=2, padding=1), x, w)[1](ag.ones((2, 4, 4, 4)))

    work = {e.kernel: e.flops for e in plan_of(both, (2, 3, 7, 7)).table()}
    work |= {e.kernel: e.flops for e in plan_of(lambda x: ag.conv2d(x, w, stride=2, padding=1), (2, 3, 7, 7)).table()}
    assert {work["conv2d"], work["conv_transpose2d"], work["conv2d_weight"]} == {2 * (2 * 4 * 4 * 4) * 27}


def heavy() -> Plan:
    """Returns the plan of a forward pass that is worth two threads."""
    w = [ag.rand(512, 512) * 0.01 for _ in range(2)]
    return plan_of(lambda x: (ag.tanh(x @ w[0]) @ w[1]).sum(), (256, 512))


def test_a_row_block_is_one_step_with_parts():
    (block,) = (e for e in heavy().table() if e.parts)
    assert [part.kernel for part in block.parts][:3] == ["matmul", "tanh", "matmul"]
    assert block.kernel == f"matmul … {block.parts[-1].kernel}"
    assert block.memory == f"{len(block.parts)} calls, split by rows"
    assert (block.inputs, block.outputs) == (block.parts[0].inputs, block.parts[-1].outputs)
    assert block.flops == sum(part.flops for part in block.parts)
    assert all(part.memory.startswith("buffer ") and part.milliseconds is None for part in block.parts)


# -- as text -----------------------------------------------------------------------------------------------------------------


def test_the_printed_table_has_a_line_for_each_step_and_a_total():
    step, *_ = training()
    steps, lines = step.plan.table(), str(step.plan).splitlines()
    assert lines[0].split() == ["step", "kernel", "shapes", "memory", "bytes", "FLOPs", "ms"]
    assert len(lines) == len(steps) + 4
    assert f"{BATCH}×{WIDE}, {HIDDEN}×{WIDE}, {HIDDEN} → {BATCH}×{HIDDEN}" in lines[2]
    assert lines[-2].split() == ["total", f"{sum(e.bytes for e in steps):,}", f"{sum(e.flops for e in steps):,}"]
    assert f"{step.plan.pool.nbytes:,} bytes" in lines[-1]
    assert step.plan._repr_html_().count("<tr>") == len(steps) + 2


def test_parts_are_printed_below_their_step_and_count_once():
    plan = heavy()
    steps, lines = plan.table(), str(plan).splitlines()
    assert sum(" · " in line for line in lines) == sum(len(e.parts) for e in steps) > 0
    assert f"{sum(e.flops for e in steps):,}" in lines[-2]


def test_the_total_of_a_long_plan_includes_hidden_steps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "MAX_STEPS", 5)
    step, *_ = training()
    steps, lines = step.plan.table(), str(step.plan).splitlines()
    assert len(lines) == 5 + 5
    assert f"{len(steps) - 5} more" in lines[-3]
    assert f"{sum(e.bytes for e in steps):,}" in lines[-2]


def test_the_pool_counts_memory_once():
    """The gradients of a flat group are parts of one array."""
    step, *_ = training()
    memory = step.plan.pool.nbytes - sum(b.nbytes for b in step.plan.pool.buffers)
    assert 4 * SIZE <= memory < 4 * SIZE + 3 * 64 + 64 * (1 + len(step.plan.pool.buffers))


# -- time --------------------------------------------------------------------------------------------------------------------


def test_times_are_measured_with_profile_only():
    step, x, y = training()
    step(x, y)
    assert {e.milliseconds for e in step.plan.table()} == {None}
    step, x, y = training(profile=True)
    assert {e.milliseconds for e in step.plan.table()} == {None}  # not replayed yet
    for _ in range(3):
        step(x, y)
    assert all(0 < e.milliseconds < 1000 for e in step.plan.table())
    assert {len(times) for times in step.plan.times} == {3}


def test_a_profile_shows_the_kernels_of_a_replay():
    """Each step is an interval inside the interval of the replay; the rows add up to the whole."""
    step, x, y = training()
    clock = count(0, 1000).__next__
    with ag.profile(clock=clock) as p:
        for _ in range(4):
            step(x, y)
    kernels = [e.kernel for e in step.plan.table()]
    assert {row.name: row.calls for row in p.rows if row.kind == "jit"} == {k: 4 * kernels.count(k) for k in kernels}
    assert [(row.name, row.calls) for row in p.rows if row.name == "in replays"] == [("in replays", 4)]
    assert not [row for row in p.rows if row.kind in ("forward", "backward", "effect")]
    spans = [e for e in p.events if e.kind == "jit"]
    replays = [e for e in p.events if e.kind == "replay"]
    for event in spans:
        assert sum(r.start <= event.start and event.end + event.cost <= r.end for r in replays) == 1
    assert all(e.end - e.start == 1000 for e in spans)  # two readings of the clock around each step
    (whole,) = (e.end - e.start for e in p.events if e.kind == "profile")
    assert sum(row.milliseconds for row in p.rows) * 1e6 == pytest.approx(whole)
    linear = dict(next(e for e in spans if e.name == "linear").args)
    assert linear["outputs"] == ((BATCH, HIDDEN),)
    assert linear["memory"].startswith("buffer ")
    assert sum(row.bytes for row in p.rows) == 4 * 4  # the four losses are all that is new


def test_a_profile_stays_consistent_if_a_replay_raises():
    compiled = ag.jit(lambda z, t: nn.cross_entropy(ag.tanh(z), t))
    with ag.profile() as p:
        for _ in range(3):
            compiled(ag.zeros((2, 3)), Tensor([0, 2]))
        with pytest.raises(IndexError):
            compiled(ag.zeros((2, 3)), Tensor([0, 3]))
        ag.exp(1.0)
    assert [(row.name, row.calls) for row in p.rows if row.kind == "jit" and row.name == "tanh"] == [("tanh", 2)]
    assert [row.calls for row in p.rows if row.name == "in replays"] == [2]
    ends = [e.end for e in p.events]
    assert ends == sorted(ends)
