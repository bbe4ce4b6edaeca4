"""The cost of an operation and of a training step, in counts that do not depend on the load of the machine.

The count for one operation is the difference between a long and a short chain, so fixed costs cancel. A limit is the count at
the time of writing plus a small margin: a change that exceeds it makes every program slower.
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

# Python and C functions called per operation. Calls are the most expensive part: about 50 ns each, while the kernel takes 400 ns.
# forward: 2 calls, the operator and `record`, and for a product its kernel; C calls: the tensor and its number
FORWARD: Final = {"call": 2.4, "c_call": 2.7}
BACKWARD: Final = {"call": 2.4, "c_call": 3.9}  # 1.7: one rule per operand, 0.7: additions; C: `pop` of the table
BROADCAST: Final = {"call": 4.2, "c_call": 4.6}  # backward if shapes differ: also `unbroadcast`, and a sum over rows
TRACKED: Final = 2.1  # objects for the garbage collector: the tensor and the tuple of its inputs; a closure would be a third
BLOCKS: Final = 4.1  # of memory: for these two, the array and the creation number

STEP: Final = {"call": 205, "c_call": 190}  # forward, backward and update of two layers, a ReLU and a loss
LARGE_ARRAYS: Final = 1  # arrays of the size of the largest parameter that a step allocates: the gradient of this parameter


def chain(links: int, batch: tuple[int, ...] = (), w: tuple[int, ...] = (), b: tuple[int, ...] = ()) -> ag.Tensor:
    """Computes a chain with operands of these shapes; if `w` has two axes, the product is that of matrices."""
    y, weight, bias = (ag.Tensor(np.full(s, v), requires_grad=True) for s, v in ((batch, 0.5), (w, 0.9), (b, 0.1)))
    for _ in range(links):
        y = ag.tanh((y @ weight if len(w) == 2 else y * weight) + bias)
    return y


def backward_of_chain(links: int, *shapes: tuple[int, ...]) -> Callable[[], None]:
    """Returns a function that runs the backward pass of a chain."""
    y = chain(links, *shapes)
    return partial(y.backward, np.ones(y.shape))


def training_step() -> Callable[[], None]:
    """Returns a function that runs a training step of the network 784-100-10 with momentum."""
    net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = nn.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = ag.Tensor(np.ones((32, 784), np.float32)), ag.Tensor(np.arange(32) % 10)

    def step() -> None:
        optimizer.zero_grad()
        nn.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def run_with_profiler(run: Callable[[], object], look: Callable[[str], None]) -> None:
    """Calls `look` with the name of the event at every entry and exit of a function during `run`.

    The garbage collector waits: it would call the finalizers of objects that other tests left.
    """
    earlier = sys.getprofile()
    gc.disable()
    sys.setprofile(lambda frame, event, arg: look(event))
    try:
        run()
    finally:
        sys.setprofile(earlier)
        gc.enable()


def count_calls(run: Callable[[], object]) -> Counter[str]:
    """Counts the calls of Python functions ("call") and C functions ("c_call")."""
    seen: Counter[str] = Counter()
    run_with_profiler(run, lambda event: seen.update((event,)))
    return seen


def count_tracked(make: Callable[[], object]) -> int:
    """Counts the objects tracked by the garbage collector that belong to the result of `make`."""
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        result = make()
        after = len(gc.get_objects())
    finally:
        gc.enable()
    del result
    return after - before


def count_allocations(size: int, run: Callable[[], object]) -> int:
    """Counts how often memory grew by `size` bytes between two events of the profiler, even if it was freed again."""
    count = held = 0

    def look(event: str) -> None:
        nonlocal count, held
        now, peak = tracemalloc.get_traced_memory()
        count += (peak - held + size // 10) // size  # small objects are allocated too
        held = now
        tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        run_with_profiler(run, look)
    finally:
        tracemalloc.stop()
    return count


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
def test_an_operation_makes_few_calls(shapes: tuple[tuple[int, ...], ...], backward: dict[str, float]):
    for make, limits in (
        (lambda links: partial(chain, links, *shapes), FORWARD),
        (lambda links: backward_of_chain(links, *shapes), backward),
    ):
        short, long = count_calls(make(SHORT)), count_calls(make(LONG))
        each = {kind: (long[kind] - short[kind]) / OPERATIONS for kind in limits}
        assert all(0 < each[kind] <= limits[kind] for kind in limits), f"{each} exceeds {limits}"


def test_an_operation_creates_two_objects_for_the_garbage_collector():
    each = (count_tracked(lambda: chain(LONG)) - count_tracked(lambda: chain(SHORT))) / OPERATIONS
    assert 1 <= each <= TRACKED


def test_an_operation_allocates_few_blocks_of_memory():
    chain(LONG)  # fills the interpreter's free lists
    before = sys.getallocatedblocks()
    short = chain(SHORT)
    between = sys.getallocatedblocks()
    long = chain(LONG)
    each = (sys.getallocatedblocks() - between - (between - before)) / OPERATIONS
    assert 1 <= each <= BLOCKS
    del short, long


def test_a_graph_is_freed_without_the_garbage_collector():
    """There are no reference cycles, so memory is freed as soon as the output is deleted."""
    chain(LONG).backward()
    gc.collect()
    chain(LONG).backward()
    assert gc.collect() == 0


def test_a_training_step_makes_few_calls():
    step = training_step()
    step()
    step()  # from the third step on, the optimizer has its groups
    elsewhere = ag.ones(3)
    shared = elsewhere.detach()  # while some tensors share memory, writes look for them
    counts = count_calls(step)
    del elsewhere, shared
    assert all(0 < counts[kind] <= STEP[kind] for kind in STEP), f"{dict(counts)} exceeds {STEP}"


def test_a_training_step_allocates_only_the_gradient_of_the_largest_parameter():
    step, largest = training_step(), 100 * 784 * np.dtype(np.float32).itemsize
    assert count_allocations(largest, step) > LARGE_ARRAYS, "the first step also allocates the optimizer's state"
    assert count_allocations(largest, step) <= LARGE_ARRAYS
