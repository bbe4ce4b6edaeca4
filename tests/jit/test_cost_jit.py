"""The cost of a replay in counts: steps of the plan, allocated memory, page faults.

The training steps are those of the benchmark. Each limit is the count on the day it was set, plus a small margin.
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
from autograd_mini.jit.api import Jitted
from autograd_mini.memory import arena

resource = pytest.importorskip("resource", reason="the system does not count page faults")

BENCHMARKS: Final = Path(__file__).resolve().parent.parent.parent / "benchmarks"

STEPS: Final = {
    "W1": (13, 13), "W2": (13, 25), "W3": (16, 42), "W4": (23, 62), "W5": (58, 58), "W6": (360, 360), "W7": (1, 1),
    "W8": (38, 38), "W9": (7, 36),
}  # fmt: skip
"""For each plan the number of steps, and of the kernels that they call: a row block has many."""

KILOBYTES: Final = {"W1": 48, "W2": 220, "W3": 260, "W4": 300, "W8": 8, "W9": 560}
"""The peak of new memory during a step. All arrays of a step together take up to a hundred times that."""

REPLAYS: Final = 20
FAULTS: Final = 1.0  # page faults per replay; a single array of 100 × 784 that is not reused would cause 77


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """The modules of the benchmark; its convolutional networks are made narrow, which does not change the number of steps."""
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


def compile_step(benchmark: Any, name: str) -> tuple[Jitted, Callable[[], Any]]:
    """Returns the step of a workload, already traced, and a function that calls it with the next batch."""
    arena._chunk = arena._Chunk()  # parameters in two chunks of memory would need two updates
    workload = benchmark.workloads[name]()
    step = ag.jit(benchmark.step_of(workload, benchmark.framework))
    run = workload.cycle_batches(step, ag.Tensor)
    for _ in range(2):
        run()
    return step, run


@pytest.mark.parametrize("name", STEPS)
def test_a_plan_has_few_steps(benchmark: Any, name: str):
    step, _ = compile_step(benchmark, name)
    steps, kernels = STEPS[name]
    assert len(step.plans) == 1
    assert 0 < len(step.plan.steps) <= steps, step.plan
    assert sum(len(e.parts) or 1 for e in step.plan.table()) <= kernels, step.plan


@pytest.mark.parametrize("name", KILOBYTES)
def test_a_replay_allocates_little_memory(benchmark: Any, name: str):
    step, run = compile_step(benchmark, name)
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
