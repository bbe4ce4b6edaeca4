"""Reports of measurements: the Markdown table, the plot, the page in docs, and disagreements between losses."""

from __future__ import annotations

import math
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import machine
from peers import PEERS
from workloads import WORKLOADS

Results = dict[str, dict[str, dict[str, Any]]]  # workload -> peer -> measurement

BASE = "torch"  # the peer that ratios refer to
TOLERANCE = 5e-3  # relative, for first losses: Adam follows the sign of gradients, so two updates amplify rounding errors

_COLUMNS = ("", "peer", "ms per step", "µs per operation", f"ratio to {BASE}", "peak RSS, MiB", "page faults per step",
            "first step, s", "other CPU")  # fmt: skip
_PAGE = """# Benchmarks

Time of one float32 training step (forward, backward, update), compared with other frameworks on one machine: {machine}.
Measured {date} with {versions}; {effort}, one process per measurement. The libraries take turns; a figure is the lowest of
the medians of the rounds. Peak RSS is the largest memory use of the process. "Other CPU" is the number of cores that other
processes used at the same time: do not trust rows in which it is large.

    python benchmarks/run.py --write     # this page
    python benchmarks/growth.py          # how time grows with depth, width, batch and size of the graph
    python benchmarks/per_op.py          # the cost of one recorded operation
    python benchmarks/training.py        # seconds per epoch of three trained models on MNIST
    python benchmarks/import_time.py     # how long `import autograd_mini` takes

{titles}

{table}
{plot}
Ratios depend on the machine, mainly on how fast its cores compute NumPy's and PyTorch's matrix products. On a machine with
[cores twice as fast](benchmarks-fast.md), the compiled steps took about half of PyTorch's time on W1 to W4.
"""


def table(results: Results, heading: bool = True) -> str:
    """Returns a Markdown table with one row for each workload and peer."""
    lines = [_row(_COLUMNS), _row(["---", "---", *["---:"] * (len(_COLUMNS) - 2)])] if heading else []
    for workload, by_peer in results.items():
        base = by_peer.get(BASE, {}).get("seconds", math.nan)
        operations = WORKLOADS[workload]().operations
        for peer, result in by_peer.items():
            seconds = result["seconds"]
            per_operation = f"{seconds / operations * 1e6:.2f}" if operations > 1 else ""
            ratio = "" if math.isnan(base) else f"{seconds / base:.2f}"
            numbers = (f"{seconds * 1e3:.3g}", per_operation, ratio, f"{result['rss']:.0f}", f"{result['faults']:.0f}",
                       f"{result['first']:.2f}", f"{result['other_cpu']:.2f}")  # fmt: skip
            lines.append(_row([workload, PEERS[peer].title, *numbers]))
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def disagreements(results: Results) -> str | None:
    """Returns a message with the losses that differ from those of the first peer; None if all agree."""
    wrong = []
    for workload, by_peer in results.items():
        first = next(iter(by_peer), "")
        expected = by_peer[first]["losses"] if first else []
        wrong += [
            f"{workload}: losses {result['losses']} of {peer} differ from {expected} of {first}"
            for peer, result in by_peer.items()
            if not all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in zip(result["losses"], expected, strict=True))
        ]
    return "\n".join(wrong) or None


def write(folder: Path, results: Results, peers: list[str], effort: str) -> None:
    """Writes the page `benchmarks.md` to `folder` and, if matplotlib is installed, its plot."""
    packages = dict.fromkeys(["numpy", *(PEERS[peer].needs for peer in peers)])
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])
    titles = "\n".join(f"- {name}: {WORKLOADS[name]().title}" for name in results)
    has_plot = plot(results, folder / "benchmarks.svg")
    page = _PAGE.format(
        machine=machine.describe(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        versions=versions,
        effort=effort,
        titles=titles,
        table=table(results),
        plot="\n![Time per step relative to PyTorch](benchmarks.svg)\n" if has_plot else "",
    )
    (folder / "benchmarks.md").write_text(page)


def plot(results: Results, path: Path) -> bool:
    """Plots each peer's time relative to the base on a logarithmic axis; returns False without matplotlib or a comparison."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("matplotlib is not installed, so there is no plot")
        return False
    compared = {workload: by_peer for workload, by_peer in results.items() if len(by_peer) > 1 and BASE in by_peer}
    if not compared:
        return False
    peers = list(dict.fromkeys(peer for by_peer in compared.values() for peer in by_peer if peer != BASE))
    figure, axes = plt.subplots(figsize=(9, 3.5), layout="constrained")
    width = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        at = [(x + i * width, by_peer) for x, by_peer in enumerate(compared.values()) if peer in by_peer]
        ratios = [by_peer[peer]["seconds"] / by_peer[BASE]["seconds"] for _, by_peer in at]
        colour = f"C{list(PEERS).index(peer)}"  # a peer has the same colour in every plot
        axes.bar([x for x, _ in at], ratios, width, label=PEERS[peer].title, color=colour)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel=f"time per step, {PEERS[BASE].title} = 1")
    axes.set_xticks([x + width * (len(peers) - 1) / 2 for x in range(len(compared))], list(compared))
    figure.legend(loc="outside upper center", ncols=len(peers))
    plt.rcParams["svg.hashsalt"] = "benchmarks"  # equal numbers give equal files
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True
