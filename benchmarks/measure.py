"""Measures one workload by one peer in this process, and prints a JSON object: `python measure.py W1 ours 0.5`."""

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

CHECKED = 3  # first losses, which must agree between peers
WARMING, FEWEST = 3, 5  # steps before the clock starts, and steps that are timed at least


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def measure(workload: str, peer: str, seconds: float) -> dict[str, Any] | None:
    """Times of steps, memory and first losses; None where the peer has no such workload."""
    start = time.perf_counter()
    step = importlib.import_module(PEERS[peer].module).build(WORKLOADS[workload]())
    if step is None:
        return None
    losses = [float(step())]
    first = time.perf_counter() - start
    losses += [float(step()) for _ in range(CHECKED - 1)]
    for _ in range(WARMING):
        step()
    faults, times = _faults(), []
    end = time.perf_counter() + seconds
    while len(times) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(times),
        "steps": len(times),
        "first": first,
        "rss": machine.peak_rss(),
        "faults": (_faults() - faults) / len(times),
        "losses": losses,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
