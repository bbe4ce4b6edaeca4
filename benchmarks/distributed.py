"""Measures data-parallel training: strong and weak scaling, the time of one exchange, and PyTorch's DDP on the same nets.

    mpiexec -n 2 python benchmarks/distributed.py            # this library; prints one JSON line per net
    python benchmarks/distributed.py --ddp 2                 # PyTorch's DDP with gloo, if PyTorch is installed
    python benchmarks/distributed.py --predict               # the table of docs/scaling.md

Each rank has one thread. Strong scaling keeps the batch, weak scaling the rows of a rank.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

BATCH: Final = 64
STEPS, WARM_UP = 12, 4
NETS: Final = ("mlp", "cnn")
"""784-512-10, and `models.CNN()`."""


def measure(step: Callable[[], object], synchronise: Callable[[], object]) -> float:
    """Returns the median milliseconds of a step."""
    times = []
    for _ in range(STEPS + WARM_UP):
        synchronise()
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def rows_of(rank: int, size: int, mode: str) -> int:
    """Returns the rows of a rank: a share of the batch, or a whole one."""
    return BATCH if mode == "weak" else BATCH * (rank + 1) // size - BATCH * rank // size


def data(net: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (rows, 784) if net == "mlp" else (rows, 1, 28, 28)
    return rng.random(shape, np.float32), rng.integers(0, 10, rows)


# -- a model of the step time ----------------------------------------------------------------------------------------------

STEPS_OF: Final = {
    # name: milliseconds per row, milliseconds per step besides, rows of the global batch, parameters of each exchange
    "W5": (12.5 / 64, 0.3, 64, (50_378,)),
    "W6": (269 / 32, 1.0, 32, (2_765_568, 3_576_704)),
    "ssgan": (1.0, 1.0, 100, (1_541_020, 695_784)),
}
NETWORKS: Final = {"1 Gbit/s": (0.05, 125e3), "10 Gbit/s": (0.03, 1_250e3), "100 Gbit/s": (0.005, 12_500e3)}
"""Milliseconds of latency of a message, and bytes per millisecond."""
SIZES: Final = (8, 32, 128, 1024)


def exchange_ms(count: int, ranks: int, latency: float, bandwidth: float) -> float:
    """Returns the milliseconds of an all-reduce of float32 numbers: the faster one of ring and tree.

    A ring sends 2 (n − 1) messages of S/n bytes. A tree with halving and doubling sends as many bytes in 2 log₂ n messages, and
    one without halving log₂ n messages of S bytes (Thakur, Rabenseifner & Gropp 2005).

    >>> round(exchange_ms(250_000, 2, latency=0.0, bandwidth=1e6), 3)
    1.0
    """
    if ranks == 1:
        return 0.0
    bytes_, depth = 4 * count, math.ceil(math.log2(ranks))
    moved = 2 * (ranks - 1) / ranks * bytes_ / bandwidth
    return min(2 * (ranks - 1) * latency + moved, 2 * depth * latency + moved, depth * (latency + bytes_ / bandwidth))


def step_ms(name: str, ranks: int, latency: float, bandwidth: float, weak: bool = False) -> float:
    """Returns the predicted milliseconds of a step, for a fixed global batch or for a fixed batch of each rank."""
    per_row, besides, batch, exchanges = STEPS_OF[name]
    rows = batch if weak else math.ceil(batch / ranks)
    return per_row * rows + besides + sum(exchange_ms(count, ranks, latency, bandwidth) for count in exchanges)


def predict() -> None:
    """Prints speedups over one rank, for strong and weak scaling."""
    print("| step | network | " + " | ".join(f"{n} ranks" for n in SIZES) + " |\n|---|---|" + "---|" * len(SIZES))
    for name in STEPS_OF:
        alone = step_ms(name, 1, 0, 1)
        for network, (latency, bandwidth) in NETWORKS.items():
            cells = []
            for n in SIZES:
                strong = alone / step_ms(name, n, latency, bandwidth)
                weak = n * alone / step_ms(name, n, latency, bandwidth, weak=True)
                cells.append(f"{strong:.1f} / {weak:.0f}")
            print(f"| {name} | {network} | " + " | ".join(cells) + " |")


# -- this library ----------------------------------------------------------------------------------------------------------


def ours() -> None:
    """Measures this library on the ranks that mpiexec started; rank 0 prints."""
    import autograd_mini as ag
    from autograd_mini import models, nn

    comm = nn.distributed.world()
    for net in NETS:
        for mode in ("strong", "weak"):
            ag.manual_seed(0)
            model: Any = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10)) if net == "mlp" else models.CNN()
            optimizer = nn.distributed.Optimizer(nn.SGD(model.parameters(), lr=0.01, momentum=0.9), comm)
            x, y = map(ag.Tensor, data(net, rows_of(comm.rank, comm.size, mode)))

            @ag.jit
            def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
                optimizer.zero_grad()
                loss = nn.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step(rows=len(x))
                return loss.detach()

            with ag.threads(1):
                milliseconds = measure(lambda step=step, x=x, y=y: step(x, y), comm.barrier)
            count = sum(p.size for p in model.parameters())
            flat = np.zeros(count, np.float32)
            exchange = measure(lambda flat=flat: comm.all_reduce(flat), comm.barrier)
            slowest = max(comm.all_gather(milliseconds))
            if comm.is_main:
                row = {"library": "autograd_mini", "net": net, "mode": mode, "ranks": comm.size, "parameters": count}
                print(json.dumps({**row, "ms per step": round(slowest, 2), "ms per exchange": round(exchange, 2)}), flush=True)


# -- PyTorch ---------------------------------------------------------------------------------------------------------------


def _torch_rank(rank: int, size: int, port: int) -> None:
    import torch
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    for net in NETS:
        for mode in ("strong", "weak"):
            torch.manual_seed(0)
            layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10)] if net == "mlp" else _torch_cnn(nn)
            model = DistributedDataParallel(nn.Sequential(*layers))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            x, y = map(torch.from_numpy, data(net, rows_of(rank, size, mode)))

            def step(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> None:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()

            milliseconds = torch.tensor([measure(step, torch.distributed.barrier)])
            torch.distributed.all_reduce(milliseconds, torch.distributed.ReduceOp.MAX)
            if rank == 0:
                row = {"library": "torch DDP, gloo", "net": net, "mode": mode, "ranks": size}
                print(json.dumps({**row, "ms per step": round(milliseconds.item(), 2)}), flush=True)
    torch.distributed.destroy_process_group()


def _torch_cnn(nn: Any) -> list[Any]:
    """Returns layers of the shapes of `models.CNN()`, without dropout."""
    from autograd_mini import models

    layers: list[Any] = []
    for part in models.CNN().modules():
        kind = type(part).__name__
        if kind == "Conv2d":
            out, into, *kernel = part.weight.shape
            layers += [nn.Conv2d(into, out, tuple(kernel), part.stride, part.padding), nn.ReLU()]
        elif kind == "Linear":
            out, into = part.weight.shape
            flatten = [nn.Flatten()] if not any(type(layer).__name__ == "Flatten" for layer in layers) else []
            layers += [*flatten, nn.Linear(into, out), nn.ReLU()]
    return layers[:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ddp", type=int, metavar="RANKS", help="measure PyTorch's DDP on this number of processes")
    parser.add_argument("--port", type=int, default=29_511)
    parser.add_argument("--predict", action="store_true", help="print the speedups that the model of docs/scaling.md predicts")
    options = parser.parse_args()
    if options.predict:
        predict()
        return
    if options.ddp is None:
        ours()
        return
    try:
        import torch.multiprocessing as processes
    except ModuleNotFoundError:
        sys.exit("--ddp needs PyTorch, which is not installed")
    processes.spawn(_torch_rank, (options.ddp, options.port), nprocs=options.ddp)


if __name__ == "__main__":
    main()
