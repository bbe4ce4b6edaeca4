"""Measures one workload with one peer in this process and prints a JSON object: `python measure.py W1 ours 0.5`."""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import sys
import time
from typing import Any

import machine
from peers import PEERS
from workloads import WORKLOADS

CHECKED_LOSSES = 3  # first losses, which must agree between peers
WARMUP_STEPS, MIN_STEPS = 3, 5  # untimed steps, and the minimum number of timed steps


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def measure(workload: str, peer: str, seconds: float) -> dict[str, Any] | None:
    """Returns step times, memory and first losses; None if the peer does not implement the workload."""
    start = time.perf_counter()
    step = importlib.import_module(PEERS[peer].module).build(WORKLOADS[workload]())
    if step is None:
        return None
    losses = [float(step())]
    first = time.perf_counter() - start
    losses += [float(step()) for _ in range(CHECKED_LOSSES - 1)]
    for _ in range(WARMUP_STEPS):
        step()
    faults, times = _page_faults(), []
    end = time.perf_counter() + seconds
    while len(times) < MIN_STEPS or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(times),
        "steps": len(times),
        "first": first,
        "rss": machine.peak_rss(),
        "faults": (_page_faults() - faults) / len(times),
        "losses": losses,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
