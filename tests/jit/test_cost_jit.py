"""What a replayed step costs, in counts: steps of the plan, memory that it makes, pages that the system must clear.

The steps are those of the benchmark. A limit is the count on the day it was set and a little room.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

import autograd_mini as ag
from autograd_mini.jit import Jitted
from autograd_mini.memory import arena as home

resource = pytest.importorskip("resource", reason="the system does not count page faults")

BENCHMARKS: Final = Path(__file__).resolve().parent.parent.parent / "benchmarks"

STEPS: Final = {
    "W1": (13, 13), "W2": (13, 25), "W3": (16, 42), "W4": (23, 62), "W5": (58, 58), "W6": (360, 360), "W7": (1, 1),
    "W8": (38, 38), "W9": (7, 36),
}  # fmt: skip
"""Of each plan, and the kernels that they call: a step that two threads do by halves has many."""

KILOBYTES: Final = {"W1": 48, "W2": 220, "W3": 260, "W4": 300, "W8": 8, "W9": 560}
"""Made at one time while a step runs: by the kernel that makes the most. The arrays of a step take up to a hundred times that."""

REPLAYS: Final = 20
FAULTS: Final = 1.0  # of pages, per replay: none, but for strays. An array of 100 × 784 that is not reused takes 77


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """The modules of the benchmark, whose networks of convolutions are made narrow: their plans have as many steps."""
    if not BENCHMARKS.is_dir():
        pytest.skip("needs benchmarks/, which only a checkout has")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import workloads
        from peers import eager, ours

        for module in (workloads, eager):
            patch.setattr(module, "WIDTHS", (3, 4, 4, 4, 4))
            patch.setattr(module, "LATENT", 4)
        yield SimpleNamespace(workloads=workloads.WORKLOADS, step_of=eager.step_of, framework=ours.OURS)
        for name in [name for name in sys.modules if name == "workloads" or name.partition(".")[0] == "peers"]:
            del sys.modules[name]


def compiled(benchmark: Any, name: str) -> tuple[Jitted, Callable[[], Any]]:
    """A workload's step, which is recorded already, and as a function that takes the next batch."""
    home._chunk = home._Chunk()  # parameters in two chunks of memory would need two updates
    workload = benchmark.workloads[name]()
    step = ag.jit(benchmark.step_of(workload, benchmark.framework))
    run = workload.cycle_batches(step, ag.Tensor)
    for _ in range(2):
        run()
    return step, run


@pytest.mark.parametrize("name", STEPS)
def test_steps_in_a_plan(benchmark: Any, name: str):
    step, _ = compiled(benchmark, name)
    steps, kernels = STEPS[name]
    assert len(step.plans) == 1
    assert 0 < len(step.plan.steps) <= steps, step.plan
    assert sum(len(e.parts) or 1 for e in step.plan.table()) <= kernels, step.plan


@pytest.mark.parametrize("name", KILOBYTES)
def test_memory_that_a_replay_makes_and_asks_of_the_system(benchmark: Any, name: str):
    step, run = compiled(benchmark, name)
    for _ in range(5):
        run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(REPLAYS):
        run()
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / REPLAYS
    tracemalloc.start()
    try:
        run()
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run()
        end, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(step.plans) == 1
    assert faults <= FAULTS
    assert 0 < (peak - start) / 1024 <= KILOBYTES[name]
    assert end - start < 1024, "a replay keeps memory"
