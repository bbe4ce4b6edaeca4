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
from typing import Any, Final

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn

SHORT: Final = 100  # links y ← tanh(y w + b), of three operations each
LONG: Final = 400
OPERATIONS: Final = 3 * (LONG - SHORT)

# Python functions and C functions called for one operation, and the objects that the garbage collector must look at. The first
# are an operation's dearest part: about 50 ns each, of 400 that the kernel of a small array takes.
FORWARD: Final = {"call": 2.1, "c_call": 2.7}  # 2: the user's function and `record`; 2.3: making the tensor, the clock
BACKWARD: Final = {"call": 1.9, "c_call": 6.7}  # 1.7: a rule for each operand; 6.3: the look-ups of the walk
TRACKED: Final = 2.1  # 2: the tensor, the tuple of its inputs; a closure or a dict per operation would be one more

STEP: Final = {"call": 200, "c_call": 160}  # 181 and 141: forward, backward and update of two layers, a ReLU and a loss
LARGE: Final = 1  # arrays as large as the largest parameter made in one step: that parameter's gradient


def chain(links: int) -> ag.Tensor:
    w, b, y = (ag.Tensor(value, requires_grad=True) for value in (0.9, 0.1, 0.5))
    for _ in range(links):
        y = ag.tanh(y * w + b)
    return y


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
    ("run", "limits"),
    [(lambda links: lambda: chain(links), FORWARD), (lambda links: chain(links).backward, BACKWARD)],
    ids=["forward", "backward"],
)
def test_calls_for_one_operation(run: Callable[[int], Callable[[], Any]], limits: dict[str, float]):
    short, long = calls(run(SHORT)), calls(run(LONG))
    each = {kind: (long[kind] - short[kind]) / OPERATIONS for kind in limits}
    assert all(0 < each[kind] <= limits[kind] for kind in limits), f"{each} exceeds {limits}"


def test_objects_that_the_collector_tracks_for_one_operation():
    each = (tracked_by(lambda: chain(LONG)) - tracked_by(lambda: chain(SHORT))) / OPERATIONS
    assert 1 <= each <= TRACKED


def test_a_dropped_graph_leaves_nothing_to_the_collector():
    """No reference cycles: memory is free the moment the output is dropped."""
    chain(LONG).backward()
    gc.collect()
    chain(LONG).backward()
    assert gc.collect() == 0


def test_calls_in_a_training_step():
    step = training_step()
    step()
    found = calls(step)
    assert all(0 < found[kind] <= STEP[kind] for kind in STEP), f"{dict(found)} exceeds {STEP}"


def test_a_training_step_makes_no_large_array_but_the_gradient():
    step, largest = training_step(), 100 * 784 * np.dtype(np.float32).itemsize
    assert arrays_of(largest, step) > LARGE, "the first step makes the optimizer's state, and must count more"
    assert arrays_of(largest, step) <= LARGE
