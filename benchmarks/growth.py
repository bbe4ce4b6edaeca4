"""Measures how the time of a forward and backward pass grows with depth, width, batch and the size of the graph.

    python benchmarks/growth.py [--repeats 5] [--nodes 1000000] [--plot growth.svg]

For each sweep it prints the times and the slope on log-log axes, over all sizes and over the upper half, where fixed costs
matter less. Time should grow linearly with depth, batch and nodes, and quadratically with the width.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import autograd_mini as ag
from autograd_mini import nn

Run = Callable[[], None]


class Sweep(NamedTuple):
    """A quantity to vary: its title, the expected exponent of the time, the sizes, and a function from size to program."""

    title: str
    power: int
    sizes: tuple[int, ...]
    make: Callable[[int], Run]


def network(depth: int = 4, width: int = 64, batch: int = 32) -> Run:
    """Returns a pass through `depth` layers of `width` units, for `batch` rows."""
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())]
    net, x = nn.Sequential(*layers), ag.Tensor(np.ones((batch, width), np.float32))

    def run() -> None:
        net.zero_grad()
        net(x).mean().backward()

    return run


def chain(nodes: int) -> Run:
    """y ← tanh(y w + b) on scalars: every node has one consumer, and the graph is as deep as it is large."""
    w, b, y = (ag.Tensor(value, requires_grad=True) for value in (0.9, 0.1, 0.5))

    def run() -> None:
        h = y
        for _ in range(nodes // 3):
            h = ag.tanh(h * w + b)
        h.backward()

    return run


def shared(nodes: int) -> Run:
    """h ← (h + h/2) · 2/3: h has two consumers in each round, so the graph has exponentially many paths."""
    x, half, back = (ag.Tensor(value, requires_grad=value == 1) for value in (1.0, 1 / 2, 2 / 3))

    def run() -> None:
        h: Any = x
        for _ in range(nodes // 3):
            h = (h + h * half) * back
        h.backward()

    return run


def sweeps(max_nodes: int) -> list[Sweep]:
    nodes = tuple(10**k for k in range(2, 7) if 10**k <= max_nodes)
    return [
        Sweep("depth, layers of 64 units", 1, (4, 8, 16, 32, 64, 128, 256), lambda n: network(depth=n)),
        Sweep("width, units in each of 4 layers", 2, (128, 256, 512, 1024, 2048), lambda n: network(width=n)),
        Sweep("batch, rows", 1, (256, 512, 1024, 2048, 4096, 8192), lambda n: network(batch=n)),
        Sweep("nodes of a chain", 1, nodes, chain),
        Sweep("nodes of a graph with shared parts", 1, nodes, shared),
    ]


def seconds(run: Run, repeats: int) -> float:
    """Returns the median time after one warm-up run."""

    def measure() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    measure()
    return statistics.median(measure() for _ in range(repeats))


def slope(sizes: tuple[int, ...], times: list[float]) -> float:
    """Returns the exponent k of the best fit of time ∝ sizeᵏ."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def plot(results: list[tuple[Sweep, list[float]]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(3 * len(results), 3), layout="constrained")
    for ax, (sweep, times) in zip(axes, results, strict=True):
        ax.loglog(sweep.sizes, times, "o-")
        ax.loglog(sweep.sizes, [times[-1] * (n / sweep.sizes[-1]) ** sweep.power for n in sweep.sizes], "k:")
        ax.set(xlabel=sweep.title, ylabel="s")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=10**6, help="the largest graph")
    parser.add_argument("--plot", help="file for a plot (needs matplotlib)")
    options = parser.parse_args()
    results = []
    for sweep in sweeps(options.nodes):
        times = [seconds(sweep.make(n), options.repeats) for n in sweep.sizes]
        results.append((sweep, times))
        half = len(times) // 2
        print(f"{sweep.title}: " + ", ".join(f"{n} {t * 1e3:.3g} ms" for n, t in zip(sweep.sizes, times, strict=True)))
        print(f"    slope {slope(sweep.sizes, times):.2f}, upper half {slope(sweep.sizes[half:], times[half:]):.2f}"
              f" (expected {sweep.power})", flush=True)  # fmt: skip
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
