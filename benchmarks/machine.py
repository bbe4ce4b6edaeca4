"""The machine that a benchmark runs on: a description, and the load by other processes, from Linux's /proc."""

from __future__ import annotations

import math
import os
import platform
import time
from pathlib import Path

import numpy as np
import threadpoolctl

_TICK = os.sysconf("SC_CLK_TCK")


def describe() -> str:
    """Returns processor, number of usable cores, speed of matrix multiplication on one core, and system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{name}, {len(os.sched_getaffinity(0))} cores ({matmul_gflops():.0f} GFLOP/s by NumPy on one), {system}"


def matmul_gflops(side: int = 1024, repeats: int = 10) -> float:
    """Returns the GFLOP/s of NumPy's float32 matrix product on one thread, the best of several runs."""
    a, best = np.ones((side, side), np.float32), math.inf
    with threadpoolctl.threadpool_limits(1, "blas"):
        for _ in range(repeats):
            start = time.perf_counter()
            a.dot(a)
            best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e9


def busy_seconds() -> float:
    """Returns the CPU seconds of all processes since the machine started."""
    user, nice, system, _, _, interrupt, soft, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + interrupt + soft + stolen) / _TICK


def cores_of_others(busy: float, ours: float, elapsed: float) -> float:
    """Returns the cores that other processes used, from the CPU seconds of all processes (`busy`) and `ours`."""
    return max(0.0, (busy - ours) / elapsed)


def wait_until_quiet(limit: float, allowed: float = 0.1, interval: float = 0.5) -> None:
    """Waits until other processes use at most `allowed` cores during `interval` seconds, but at most `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(interval)
        if (busy_seconds() - before) / interval <= allowed:
            return


def peak_rss() -> float:
    """Returns the peak memory of this process in MiB. (`ru_maxrss` would include that of the parent.)"""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
