"""What an operation and a training step cost, in counts that are the same under any load.

Counts for one operation are differences between a longer and a shorter chain, so that fixed costs drop out. A limit is the
count on the day it was set and a little room: a change that exceeds one makes every program slower.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn

SHORT: Final = 100  # links y ← tanh(y w + b), of three operations each
LONG: Final = 400
OPERATIONS: Final = 3 * (LONG - SHORT)

# Python functions and C functions called for one operation. They are its dearest part: about 50 ns each, of 400 that the kernel
# of a small array takes.
FORWARD: Final = {
    "call": 2.4,
    "c_call": 2.7,
}  # 2: the operator and `record`; a product has its kernel too; c: the tensor, the clock
BACKWARD: Final = {"call": 2.4, "c_call": 3.9}  # 1.7: a rule for each operand, 0.7: adding up; c: the pop of the walk
BROADCAST: Final = {"call": 4.2, "c_call": 4.6}  # backward where shapes differ: `fit` for each gradient, and a sum over rows
TRACKED: Final = 2.1  # objects for the garbage collector: the tensor, the tuple of its inputs; a closure would be one more
BLOCKS: Final = 4.1  # of memory, for those two, the array and the number of its creation

STEP: Final = {"call": 205, "c_call": 160}  # 191 and 145: forward, backward and update of two layers, a ReLU and a loss
MIN_SPLIT_ELEMENTS: Final = 1  # arrays as large as the largest parameter made in one step: that parameter's gradient


def chain(links: int, batch: tuple[int, ...] = (), w: tuple[int, ...] = (), b: tuple[int, ...] = ()) -> ag.Tensor:
    """Links of operands with these shapes: a product of matrices where `w` has two axes."""
    y, weight, bias = (ag.Tensor(np.full(s, v), requires_grad=True) for s, v in ((batch, 0.5), (w, 0.9), (b, 0.1)))
    for _ in range(links):
        y = ag.tanh((y @ weight if len(w) == 2 else y * weight) + bias)
    return y


def backpropagated(links: int, *shapes: tuple[int, ...]) -> Callable[[], None]:
    """The backward pass of a chain, not run yet."""
    y = chain(links, *shapes)
    return partial(y.backward, np.ones(y.shape))


def training_step() -> Callable[[], None]:
    """A step of the network 784-100-10 with momentum, not run yet."""
    net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = nn.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = ag.Tensor(np.ones((32, 784), np.float32)), ag.Tensor(np.arange(32) % 10)

    def step() -> None:
        optimizer.zero_grad()
        nn.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def watched(run: Callable[[], object], look: Callable[[str], None]) -> None:
    """Runs with `look` called at every entry to and exit from a function, by the name of the event."""
    earlier = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: look(event))
    try:
        run()
    finally:
        sys.setprofile(earlier)


def calls(run: Callable[[], object]) -> Counter[str]:
    """How many Python functions ("call") and C functions ("c_call") are called."""
    seen: Counter[str] = Counter()
    watched(run, lambda event: seen.update((event,)))
    return seen


def tracked_by(make: Callable[[], object]) -> int:
    """How many objects that the collector tracks belong to what `make` gives."""
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        made = make()
        after = len(gc.get_objects())
    finally:
        gc.enable()
    del made
    return after - before


def arrays_of(size: int, run: Callable[[], object]) -> int:
    """How often memory grew by `size` bytes between two events of the profiler: arrays made, whether they stayed or not."""
    found = held = 0

    def look(event: str) -> None:
        nonlocal found, held
        now, peak = tracemalloc.get_traced_memory()
        found += (peak - held + size // 10) // size  # small objects come and go meanwhile
        held = now
        tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        watched(run, look)
    finally:
        tracemalloc.stop()
    return found


@pytest.mark.parametrize(
    ("shapes", "backward"),
    [
        (((), (), ()), BACKWARD),
        (((8,), (8,), (8,)), BACKWARD),
        (((8, 8), (8, 8), (8, 8)), BACKWARD),
        (((4, 8), (8, 8), (8,)), BROADCAST),
    ],
    ids=["numbers", "vectors", "matrices", "rows and a bias"],
)
def test_calls_for_one_operation(shapes: tuple[tuple[int, ...], ...], backward: dict[str, float]):
    for make, limits in (
        (lambda links: partial(chain, links, *shapes), FORWARD),
        (lambda links: backpropagated(links, *shapes), backward),
    ):
        short, long = calls(make(SHORT)), calls(make(LONG))
        each = {kind: (long[kind] - short[kind]) / OPERATIONS for kind in limits}
        assert all(0 < each[kind] <= limits[kind] for kind in limits), f"{each} exceeds {limits}"


def test_objects_that_the_collector_tracks_for_one_operation():
    each = (tracked_by(lambda: chain(LONG)) - tracked_by(lambda: chain(SHORT))) / OPERATIONS
    assert 1 <= each <= TRACKED


def test_blocks_of_memory_for_one_operation():
    chain(LONG)  # lists of free objects fill
    before = sys.getallocatedblocks()
    short = chain(SHORT)
    between = sys.getallocatedblocks()
    long = chain(LONG)
    each = (sys.getallocatedblocks() - between - (between - before)) / OPERATIONS
    assert 1 <= each <= BLOCKS
    del short, long


def test_a_dropped_graph_leaves_nothing_to_the_collector():
    """No reference cycles: memory is free the moment the output is dropped."""
    chain(LONG).backward()
    gc.collect()
    chain(LONG).backward()
    assert gc.collect() == 0


def test_calls_in_a_training_step():
    step = training_step()
    step()
    step()  # from the third on, the optimizer knows what it moves together
    found = calls(step)
    assert all(0 < found[kind] <= STEP[kind] for kind in STEP), f"{dict(found)} exceeds {STEP}"


def test_a_training_step_makes_no_large_array_but_the_gradient():
    step, largest = training_step(), 100 * 784 * np.dtype(np.float32).itemsize
    assert arrays_of(largest, step) > MIN_SPLIT_ELEMENTS, "the first step makes the optimizer's state, and must count more"
    assert arrays_of(largest, step) <= MIN_SPLIT_ELEMENTS
