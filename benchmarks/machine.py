"""The machine that a benchmark runs on, by Linux's /proc: what it is, and what other processes take of it meanwhile."""

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
    """Processor, number of cores usable here, how fast one multiplies matrices, and system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{name}, {len(os.sched_getaffinity(0))} cores ({multiplied():.0f} GFLOP/s by NumPy on one), {system}"


def multiplied(side: int = 1024, times: int = 10) -> float:
    """10⁹ floating-point operations per second of NumPy's float32 matrix product on one thread: the best of several."""
    a, best = np.ones((side, side), np.float32), math.inf
    with threadpoolctl.threadpool_limits(1, "blas"):
        for _ in range(times):
            start = time.perf_counter()
            a.dot(a)
            best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e9


def busy_seconds() -> float:
    """CPU seconds that all processes together have used since the machine started."""
    user, nice, system, _, _, interrupt, soft, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + interrupt + soft + stolen) / _TICK


def others(busy: float, own: float, elapsed: float) -> float:
    """Cores that other processes took: of `busy` CPU seconds in `elapsed` seconds, `own` were ours."""
    return max(0.0, (busy - own) / elapsed)


def wait_until_quiet(limit: float, allowed: float = 0.1, look: float = 0.5) -> None:
    """Returns once nobody else took more than `allowed` cores for `look` seconds, or after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(look)
        if (busy_seconds() - before) / look <= allowed:
            return


def peak_rss() -> float:
    """The most memory that this process has held, in MiB. (`ru_maxrss` would start from the parent's.)"""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
