"""Run by mpiexec: compares training on all ranks with training in one process. Rank 0 prints the numbers as JSON."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.nn.data.shard import Shard
from autograd_mini.nn.distributed import RankError

warnings.simplefilter("error")
COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()
RNG = np.random.default_rng(0)
ROWS = 32
X, Y = RNG.standard_normal((ROWS, 6)).astype(np.float32), RNG.integers(0, 3, ROWS)


def relative(a: Any, b: Any) -> float:
    """The largest difference, as a share of the largest number."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def weights(model: Any) -> np.ndarray:
    return np.concatenate([a.ravel() for a in model.state_dict().values()])


def distinct(data: bytes) -> int:
    """The number of different values among the ranks."""
    return len(set(COMM.allgather(data)))


def net(kind: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    ag.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 9), kind(), nn.Linear(9, 3))


def hand_written(jit: bool) -> dict[str, Any]:
    """A loop with `nn.distributed.Optimizer`, the whole batch in one process, and the shards added in order in one process."""
    parts = [Shard(rank, SIZE).part(ROWS) for rank in range(SIZE)]

    def train(step: Callable[[nn.Module, Any], Callable[..., Any]], optimizer: Callable[..., Any], data: Any) -> Any:
        model = net()
        function = step(model, optimizer(model))
        function = ag.jit(function, exact=True) if jit else function
        for _ in range(5):
            function(*data)
        return model, function

    def gradient_step(model: nn.Module, optimizer: Any) -> Callable[..., Any]:
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step(**({"rows": len(x)} if isinstance(optimizer, nn.distributed.Optimizer) else {}))
            return loss.detach()

        return step

    def in_order(model: nn.Module, optimizer: Any) -> Callable[..., Any]:
        def step() -> None:
            total: dict[Any, Any] = {}
            for part in parts:
                optimizer.zero_grad()
                nn.cross_entropy(model(ag.Tensor(X[part])), ag.Tensor(Y[part])).backward()
                for p in model.parameters():
                    weighted = p.grad.numpy() * np.float32(part.stop - part.start)  # type: ignore[union-attr]
                    total[p] = weighted if p not in total else total[p] + weighted
            for p, g in total.items():
                p.grad = ag.Tensor(g / np.float32(ROWS))
            optimizer.step()

        return step

    adam = lambda model: nn.Adam(model.parameters(), lr=0.05)
    mine = parts[RANK]
    wrapped = lambda model: nn.distributed.Optimizer(adam(model), COMM)
    ours, function = train(gradient_step, wrapped, (ag.Tensor(X[mine]), ag.Tensor(Y[mine])))
    whole, _ = train(gradient_step, adam, (ag.Tensor(X), ag.Tensor(Y)))
    added = net()
    step = in_order(added, adam(added))
    for _ in range(5):
        step()
    return {
        "whole": relative(weights(ours), weights(whole)),
        "same bits as in order": bool((weights(ours) == weights(added)).all()),
        "ranks": distinct(weights(ours).tobytes()),
        "exchanges in the plan": [r.kernel for r in function.plan.table()].count("reduce_gradients") if jit else 1,
    }


def trainer_rows(model: Any, updates: Any, data: Any, batch_size: int, comm: Any, **options: Any) -> Any:
    trainer = nn.Trainer(model, updates, progress=False, comm=comm, **options)
    train = nn.data.DataLoader(*data, batch_size=batch_size, shuffle=True, seed=3)
    trainer.fit(train, 2, nn.data.DataLoader(*data, batch_size=5))
    return trainer.history, trainer


class Classifier(nn.Module):
    """Cross-entropy and accuracy of a network."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def training_step(self, batch: Any) -> dict[str, ag.Tensor]:
        x, y = batch
        logits = self.network(x)
        return {"loss": nn.cross_entropy(logits, y), "accuracy": ag.mean(ag.argmax(logits, axis=1) == y)}


def trained(batch_size: int = 10, optimizer: Any = None, network: Any = net, **options: Any) -> dict[str, Any]:
    """Rows and weights of a trainer on all ranks and in one process; 32 rows leave a last batch of 2."""
    both = []
    for comm in (COMM, None):
        model = Classifier(network())
        create = optimizer or (lambda p: nn.SGD(p, lr=0.1, momentum=0.9))
        history, trainer = trainer_rows(model, create(list(model.parameters())), (X, Y), batch_size, comm, **options)
        both.append((weights(model), history, trainer))
    (ours, history, trainer), (whole, expected, _) = both
    numbers = [[row[name] for name in expected[0]] for row in history]
    return {
        "weights": relative(ours, whole),
        "metrics": relative(numbers, [list(row.values()) for row in expected]),
        "names": list(history[0]) == list(expected[0]),
        "ranks": distinct(ours.tobytes() + json.dumps(history).encode()),
        "exchanges": [u.reducer.updates for u in trainer.updates.values()],
        "iterations": trainer.iteration,
    }


def gan() -> dict[str, Any]:
    """Two optimizers; each rank draws its own noise, and all have the same weights."""
    ag.manual_seed(2)
    model = models.DCGAN((6, 1, 8, 8), width=4, g_times=2)
    images = RNG.random((20, 8, 8)).astype(np.float32)
    trainer = nn.Trainer(model, model.updates(1e-3), progress=False, comm=COMM, callbacks=model.callbacks())
    trainer.fit(nn.data.DataLoader(images, np.zeros(20, int), batch_size=8), 2)
    plans = {name: [len([r for r in p.table() if r.kernel == "reduce_gradients"]) for p in step.plans]
             for name, step in trainer._steps.items()}  # fmt: skip
    return {
        "ranks": distinct(weights(model).tobytes()),
        "streams": distinct(json.dumps(ag.get_rng_state()).encode()),
        "exchanges": {name: update.reducer.updates for name, update in trainer.updates.items()},
        "in each plan": sorted({count for counts in plans.values() for count in counts}),
    }


def sync_batch_norm() -> dict[str, float]:
    """Results, gradients and running statistics of shards, against batch normalisation of the whole batch."""
    x, target = RNG.standard_normal((2 * SIZE + 1, 3, 2, 2)), RNG.standard_normal((2 * SIZE + 1, 3, 2, 2))
    part = Shard(RANK, SIZE).part(len(x))
    found: dict[str, float] = {}
    both = []
    for layer, rows in (
        (nn.SyncBatchNorm(3, comm=COMM, dtype=np.float64), part),
        (nn.BatchNorm2d(3, dtype=np.float64), slice(None)),
    ):
        inputs = ag.Tensor(x[rows], requires_grad=True)
        y = layer(inputs)
        loss = ag.mean((y - target[rows]) ** 2 * ag.sigmoid(y))
        loss.backward()
        optimizer = nn.SGD(layer.parameters())
        nn.distributed.GradientReducer(optimizer, COMM if layer.is_synchronised else None).reduce(len(inputs))
        both.append((y, inputs.grad * len(inputs), layer))
    (y, g, ours), (whole_y, whole_g, whole) = both
    found["result"] = relative(y.detach().numpy(), whole_y.detach().numpy()[part])
    found["input"] = relative(g.numpy(), whole_g.numpy()[part])
    found["weight"] = relative(ours.weight.grad.numpy(), whole.weight.grad.numpy())
    found["bias"] = relative(ours.bias.grad.numpy(), whole.bias.grad.numpy())
    found["statistics"] = max(
        relative(getattr(ours, n).numpy(), getattr(whole, n).numpy()) for n in ("running_mean", "running_var")
    )
    return {name: max(COMM.allgather(value)) for name, value in found.items()}


def normalised(kind: type[nn.Module]) -> Callable[[], nn.Sequential]:
    def build() -> nn.Sequential:
        ag.manual_seed(1)
        return nn.Sequential(nn.Linear(6, 9), kind(9), nn.ReLU(), nn.Linear(9, 3))

    return build


def synced(batch_size: int) -> dict[str, Any]:
    """A model with SyncBatchNorm on all ranks; alone, the layer is BatchNorm1d."""
    both = []
    for comm in (COMM, None):
        network = normalised(nn.BatchNorm1d)()
        model = Classifier(network if comm is None else nn.SyncBatchNorm.convert_sync_batchnorm(network, comm))
        trainer_rows(model, nn.SGD(model.parameters(), lr=0.1), (X, Y), batch_size, comm)
        both.append(weights(model))
    return {"weights": relative(*both), "ranks": distinct(both[0].tobytes())}


def errors() -> dict[str, list[str]]:
    """What each rank raises if ranks do not fit together."""

    def message(function: Callable[[], Any]) -> str:
        try:
            function()
        except RankError as error:
            return str(error)
        return "no error"

    a, b = ag.Tensor([1.0], requires_grad=True), ag.Tensor([1.0], requires_grad=True)
    reducer = nn.distributed.GradientReducer(nn.SGD([a, b]), COMM)
    (a * 2).sum().backward()
    if RANK == 1:
        (b * 2).sum().backward()
    found = {
        "gradient": message(lambda: reducer.reduce(1)),
        "no rows": message(lambda: nn.distributed.GradientReducer(nn.SGD([a]), COMM).reduce(0)),
    }

    class Breaks(nn.Callback):
        def after_step(self, trainer: nn.Trainer) -> None:
            if RANK == SIZE - 1 and trainer.iteration == 2:
                trainer.model.network[0].bias.data = trainer.model.network[0].bias + 1

    def differ() -> None:
        model = Classifier(net())
        nn.Trainer(model, nn.SGD(model.parameters()), progress=False, comm=COMM, callbacks=[Breaks()]).fit(
            nn.data.DataLoader(X, Y, batch_size=16), 1
        )

    def unequal() -> None:
        model = Classifier(net())
        rows = slice(0, 32 if RANK else 8)
        nn.Trainer(model, nn.SGD(model.parameters()), progress=False, comm=COMM).fit(
            nn.data.DataLoader(X[rows], Y[rows], batch_size=8), 1
        )

    found["weights"], found["batches"] = message(differ), message(unequal)
    nn.distributed.as_communicator(COMM).has_failed = False  # these errors were expected
    return {name: COMM.allgather(text) for name, text in found.items()}


CASES: dict[str, Callable[[], Any]] = {
    "eager loop": lambda: hand_written(False),
    "compiled loop": lambda: hand_written(True),
    "trainer": trained,
    "small batches": lambda: trained(batch_size=2),
    "eager trainer": lambda: trained(jit=False),
    "accumulation and clipping": lambda: trained(batch_size=5, accumulate=3, clip_grad_norm=0.1),
    "sam": lambda: trained(optimizer=lambda p: nn.SAM(nn.SGD(p, lr=0.1))),
    "switch": lambda: trained(optimizer=lambda p: nn.SwitchOptimizer(nn.SGD(p, lr=0.1), nn.SGD(p, lr=0.05), at=3)),
    "batch norm per rank": lambda: trained(network=normalised(nn.BatchNorm1d)),
    "gan": gan,
    "sync batch norm": sync_batch_norm,
    "synced trainer": lambda: synced(10),
    "errors": errors,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(CASES)
    found = {name: CASES[name]() for name in names}
    if RANK == 0:
        print(json.dumps(found))
