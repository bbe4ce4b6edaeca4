"""The benchmark: peers side by side on the same work, every (workload, peer) in a process of its own, rounds interleaved.

    python benchmarks/run.py [--workloads W1,W2] [--peers ours,torch,jax,numpy] [--seconds 0.5] [--rounds 3] [--write]

Peers that are not installed are left out. Before each run it waits for a quiet machine; what other processes took meanwhile is
in the table. The lowest of the rounds' medians counts, since load from outside only ever adds. All peers start from the same
parameters and see the same batches, and their first three losses must agree: if not, the exit code is 1. Needs Linux.
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
TUNING = ("OPENBLAS_", "MKL_", "OMP_", "MALLOC_")  # variables that users do not have set
Result = dict[str, Any]


def environment(threads: int | None) -> dict[str, str]:
    """This process's, without tuning; with a fixed number of BLAS threads if one is asked for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(TUNING)}
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OPENBLAS", "OMP", "MKL") if threads}
    return kept | limits | {"PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), kept.get("PYTHONPATH"))))}


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(workload: str, peer: str, options: argparse.Namespace) -> Result | None:
    """One process's measurement, with the cores that others took meanwhile."""
    machine.wait_until_quiet(options.wait)
    busy, own, start = machine.busy_seconds(), children_cpu(), time.monotonic()
    command = [sys.executable, str(HERE / "measure.py"), workload, peer, str(options.seconds)]
    done = subprocess.run(command, env=environment(options.threads), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{workload} by {peer} failed:\n{done.stderr}")
    result: Result | None = json.loads(done.stdout.splitlines()[-1])
    if result is not None:
        result["other_cpu"] = machine.others(machine.busy_seconds() - busy, children_cpu() - own, time.monotonic() - start)
    return result


def best(workload: str, peers: list[str], options: argparse.Namespace) -> Iterator[tuple[str, Result]]:
    """The quickest round of each peer that has the workload."""
    found: dict[str, list[Result]] = {}
    for _ in range(options.rounds):
        for peer in peers:
            result = once(workload, peer, options)
            if result is not None:
                found.setdefault(peer, []).append(result)
    for peer, results in found.items():
        yield peer, min(results, key=lambda result: result["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--workloads", type=names, default=list(WORKLOADS), help="comma-separated; all of them by default")
    parser.add_argument("--peers", type=names, default=list(PEERS), help="comma-separated; all that are installed by default")
    parser.add_argument("--seconds", type=float, default=0.5, help="for which a step is repeated in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of BLAS and PyTorch; what they choose themselves by default")
    parser.add_argument("--wait", type=float, default=30, help="seconds to wait for a quiet machine before each run, at most")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its plot")
    options = parser.parse_args()
    for asked, known in ((options.workloads, WORKLOADS), (options.peers, PEERS)):
        if unknown := set(asked) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    peers = [peer for peer in options.peers if find_spec(PEERS[peer].needs)]
    for peer in set(options.peers) - set(peers):
        print(f"{PEERS[peer].title} is not installed and is left out")
    if not peers:
        raise SystemExit("no peer is installed")
    results: report.Results = {}
    for workload in options.workloads:
        results[workload] = dict(best(workload, peers, options))
        print(report.table({workload: results[workload]}, heading=len(results) == 1), flush=True)
    if options.write:
        threads = f", BLAS and PyTorch on {options.threads} core{'s' * (options.threads > 1)}" if options.threads else ""
        report.write(HERE.parent / "docs", results, peers, f"{options.rounds} rounds of {options.seconds:g} s{threads}")
    raise SystemExit(report.disagreements(results))


if __name__ == "__main__":
    main()
