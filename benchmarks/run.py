"""Compares peers on the same workloads. Every measurement has its own process, and rounds are interleaved.

    python benchmarks/run.py [--workloads W1,W2] [--peers ours,torch,jax,numpy] [--seconds 0.5] [--rounds 3] [--write]

Peers that are not installed are skipped. Before each run it waits for a quiet machine; the table shows the load by other
processes. The result is the lowest median of the rounds, since other load can only add time. All peers start with the same
parameters and batches, and their first three losses must agree; otherwise the exit code is 1. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import machine
import report
from peers import PEERS
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
TUNING = ("OPENBLAS_", "MKL_", "OMP_", "MALLOC_")  # variables that users usually do not set
Result = dict[str, Any]


def environment(threads: int | None) -> dict[str, str]:
    """Returns this process's environment without tuning variables, with a fixed number of BLAS threads if given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(TUNING)}
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OPENBLAS", "OMP", "MKL") if threads}
    return kept | limits | {"PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), kept.get("PYTHONPATH"))))}


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_once(workload: str, peer: str, options: argparse.Namespace) -> Result | None:
    """Measures in a new process, and adds the number of cores that other processes used."""
    machine.wait_until_quiet(options.wait)
    busy, ours, start = machine.busy_seconds(), children_cpu(), time.monotonic()
    command = [sys.executable, str(HERE / "measure.py"), workload, peer, str(options.seconds)]
    process = subprocess.run(command, env=environment(options.threads), capture_output=True, text=True)
    if process.returncode:
        raise SystemExit(f"{workload} with {peer} failed:\n{process.stderr}")
    result: Result | None = json.loads(process.stdout.splitlines()[-1])
    if result is not None:
        elapsed = time.monotonic() - start
        result["other_cpu"] = machine.cores_of_others(machine.busy_seconds() - busy, children_cpu() - ours, elapsed)
    return result


def best_rounds(workload: str, peers: list[str], options: argparse.Namespace) -> Iterator[tuple[str, Result]]:
    """Yields the fastest round of each peer that implements the workload."""
    rounds: dict[str, list[Result]] = {}
    for _ in range(options.rounds):
        for peer in peers:
            result = measure_once(workload, peer, options)
            if result is not None:
                rounds.setdefault(peer, []).append(result)
    for peer, results in rounds.items():
        yield peer, min(results, key=lambda result: result["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--workloads", type=names, default=list(WORKLOADS), help="comma-separated; default: all")
    parser.add_argument("--peers", type=names, default=list(PEERS), help="comma-separated; default: all that are installed")
    parser.add_argument("--seconds", type=float, default=0.5, help="duration of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="threads of BLAS and PyTorch; default: their own choice")
    parser.add_argument("--wait", type=float, default=30, help="longest wait for a quiet machine before each run, in seconds")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its plot")
    options = parser.parse_args()
    for requested, known in ((options.workloads, WORKLOADS), (options.peers, PEERS)):
        if unknown := set(requested) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; expected {', '.join(known)}")
    peers = [peer for peer in options.peers if find_spec(PEERS[peer].needs)]
    for peer in set(options.peers) - set(peers):
        print(f"{PEERS[peer].title} is not installed; skipped")
    if not peers:
        raise SystemExit("no peer is installed")
    results: report.Results = {}
    for workload in options.workloads:
        results[workload] = dict(best_rounds(workload, peers, options))
        print(report.table({workload: results[workload]}, heading=len(results) == 1), flush=True)
    if options.write:
        threads = f", BLAS and PyTorch on {options.threads} core{'s' * (options.threads > 1)}" if options.threads else ""
        report.write(HERE.parent / "docs", results, peers, f"{options.rounds} rounds of {options.seconds:g} s{threads}")
    raise SystemExit(report.disagreements(results))


if __name__ == "__main__":
    main()
