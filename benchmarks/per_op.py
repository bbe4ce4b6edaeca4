"""Measures the cost of one recorded operation, forward and backward, compared with PyTorch if installed.

    python benchmarks/per_op.py [--rounds 15] [--nodes 3000]

Chains of three operations, y = tanh(y * w + b) and y = tanh(y @ w + b), run forward and backward with 0-d and 8x8 float32
operands. Rounds of all libraries are interleaved; the result is the median over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Library = Callable[[tuple[int, ...], "Chain", int], float]
Chain = Callable[[Any, Any, Any, int], Any]


def elementwise(w: Any, b: Any, y: Any, nodes: int) -> Any:
    for _ in range(nodes // 3):
        y = (y * w + b).tanh()
    return y


def matmul(w: Any, b: Any, y: Any, nodes: int) -> Any:
    for _ in range(nodes // 3):
        y = (y @ w + b).tanh()
    return y


CASES: tuple[tuple[tuple[int, ...], Chain], ...] = (((), elementwise), ((8, 8), elementwise), ((8, 8), matmul))


def ours(shape: tuple[int, ...], chain: Chain, nodes: int) -> float:
    from autograd_mini import Tensor

    w, b, y = (Tensor(np.full(shape, v, np.float32), requires_grad=g) for v, g in ((0.9, True), (0.1, True), (0.5, False)))
    return _measure(lambda: chain(w, b, y, nodes).backward(np.ones(shape, np.float32)))


def torch(shape: tuple[int, ...], chain: Chain, nodes: int) -> float:
    import torch as t

    w, b, y = (t.full(shape, v, requires_grad=g) for v, g in ((0.9, True), (0.1, True), (0.5, False)))
    return _measure(lambda: chain(w, b, y, nodes).backward(t.ones(shape)))


def _measure(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--nodes", type=int, default=3000)
    options = parser.parse_args()
    libraries: dict[str, Library] = {"autograd_mini": ours}
    try:
        import torch as installed

        libraries[f"torch {installed.__version__}"] = torch
    except ImportError:
        print("PyTorch is not installed; showing autograd_mini alone")
    print(f"{'operands':>10}  {'chain':<11}  {'library':<20} {'µs per operation':>17} {'ratio':>7}")
    for shape, chain in CASES:
        times: dict[str, list[float]] = {name: [] for name in libraries}
        for _ in range(options.rounds):
            for name, run in libraries.items():
                times[name].append(run(shape, chain, options.nodes) / options.nodes * 1e6)
        last = statistics.median(times[list(libraries)[-1]])
        for name, values in times.items():
            median = statistics.median(values)
            print(f"{shape!s:>10}  {chain.__name__:<11}  {name:<20} {median:>17.2f} {median / last:>7.2f}")


if __name__ == "__main__":
    main()
