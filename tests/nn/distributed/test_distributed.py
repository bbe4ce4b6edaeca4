"""Training on several ranks gives what one process gives: by bits for the same sums, to 1e-6 for the whole batch."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rank_helpers import needs_mpi, results

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.data.shard import Shard
from autograd_mini.nn.distributed import Communicator
from autograd_mini.nn.distributed.launcher import place
from autograd_mini.testing import gradcheck

PROGRAM = Path(__file__).with_name("program_equality.py")
LOOPS = ["eager loop", "compiled loop"]
TRAINERS = ["trainer", "small batches", "eager trainer", "accumulation and clipping", "sam", "switch"]
STEPS = {"trainer": 8, "small batches": 32, "eager trainer": 8, "accumulation and clipping": 6, "sam": 16, "switch": 8}


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_train_like_one_process(ranks: int) -> None:
    """Equal bits on all ranks, and one exchange per update (SAM needs two gradients)."""
    found = results(ranks, PROGRAM, *LOOPS, *TRAINERS)
    for name in LOOPS:
        case = found[name]
        assert case["same bits as in order"], name
        assert case["whole"] < 1e-6, name
        assert (case["ranks"], case["exchanges in the plan"]) == (1, 1), name
    for name in TRAINERS:
        case = found[name]
        assert max(case["weights"], case["metrics"]) < 1e-6, name
        assert (case["names"], case["ranks"]) == (True, 1), name
        assert case["exchanges"] == [STEPS[name]], name


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_networks_with_state_and_faults(ranks: int) -> None:
    found = results(ranks, PROGRAM, "batch norm per rank", "gan", "sync batch norm", "synced trainer", "errors")
    assert found["batch norm per rank"]["ranks"] == 1  # running statistics are averaged
    assert found["gan"] == {"ranks": 1, "streams": ranks, "exchanges": {"d_": 6, "g_": 12}, "in each plan": [1]}
    assert max(found["sync batch norm"].values()) < 1e-6
    assert found["synced trainer"]["weights"] < 1e-6
    assert found["synced trainer"]["ranks"] == 1
    expected = {
        "gradient": "parameter 1 has a gradient on some ranks, but not on ranks [0",
        "no rows": "no rank has rows in this batch",
        "weights": f"after 2 batches, ranks [{ranks - 1}] differ from rank 0, first in model.network.0.bias",
        "batches": "the ranks have different batches per epoch and in total: rank 0 has (1, 1), rank 1 has (4, 4)",
    }
    for name, messages in found["errors"].items():
        assert all(message.startswith(expected[name]) for message in messages), messages


@needs_mpi
def test_all_models_train_on_ranks() -> None:
    """GANs with their two optimizers too; the third batch has 2 rows, so one of 3 ranks has none."""
    for name, found in results(3, PROGRAM.with_name("program_models.py")).items():
        assert (found["ranks"], found["finite"]) == (1, True), name
        assert all(found["updates"]), name


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("least", [1, 2])
def test_shards_are_a_partition(size: int, least: int) -> None:
    """Each row belongs to one rank, in order; a rank has no rows, or at least `least` if there are so many."""
    for rows in range(1, 40):
        parts = [Shard(rank, size, least).part(rows) for rank in range(size)]
        assert [i for part in parts for i in range(rows)[part]] == list(range(rows))
        counts = [part.stop - part.start for part in parts]
        assert all(count == 0 or count >= min(least, rows) for count in counts)
        used = [count for count in counts if count]
        assert max(used) - min(used) <= 1


@pytest.mark.parametrize("options", [{"batch_size": 5}, {"batch_size": 5, "shuffle": True}, {"batch_size": 4, "drop_last": True},
                                     {"batch_sampler": [[3, 1], [0], [2, 5, 4]]}, {"batch_size": 3, "num_workers": 2}], ids=str)  # fmt: skip
def test_the_shards_of_a_loader_are_its_batches(options: dict[str, Any]) -> None:
    loader = nn.data.DataLoader(np.arange(11), **options)
    whole = [x.tolist() for (x,) in loader.epoch(3)]
    shards = []
    for rank in range(3):
        with loader.sharded(rank, 3):
            batches = [x.tolist() for (x,) in loader.epoch(3)]
            shards.append([[] if loader.shard_is_empty(i) else batch for i, batch in enumerate(batches)])
    assert [[x for part in parts for x in part] for parts in zip(*shards, strict=True)] == whole
    assert [x.tolist() for (x,) in loader.epoch(3)] == whole


def test_each_shard_has_its_own_random_transform() -> None:
    loader = nn.data.DataLoader(np.zeros(6), batch_size=6, transform=lambda batch, rng: (batch[0] + rng.random(len(batch[0])),))
    draws = []
    for rank in range(2):
        with loader.sharded(rank, 2):
            draws.append(next(loader.epoch(0))[0].tolist())
    assert not set(draws[0]) & set(draws[1])


def test_alone_the_same_code_gives_the_same_bits_as_without_it() -> None:
    def train(wrap: Any) -> Any:
        ag.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.SyncBatchNorm(4), nn.Linear(4, 1))
        optimizer = wrap(nn.Adam(net.parameters(), lr=0.1))
        for k in range(3):
            optimizer.zero_grad()
            net(np.arange(6, dtype=np.float32).reshape(2, 3) + k).square().mean().backward()
            optimizer.step()
        return np.concatenate([a.ravel() for a in net.state_dict().values()])

    assert (train(nn.distributed.Optimizer) == train(lambda optimizer: optimizer)).all()


def test_the_trainer_wants_a_plain_optimizer() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="expected a plain optimizer"):
        nn.Trainer(layer, nn.distributed.Optimizer(nn.SGD(layer.parameters())))


def test_comm_must_be_a_communicator() -> None:
    with pytest.raises(TypeError, match=r"communicator of mpi4py.*got 4"):
        nn.distributed.as_communicator(4)


def test_all_reduce_is_differentiable() -> None:
    """Alone it is the identity; the weighted pair is too."""
    assert gradcheck(
        lambda x: nn.distributed.all_reduce(x * x, weight=3.0), ag.Tensor(np.array([0.5, 2.0]), requires_grad=True)
    )


def test_a_communicator_is_not_copied() -> None:
    alone = Communicator()
    assert copy.deepcopy(alone) is alone
    assert pickle.loads(pickle.dumps(alone)).size == 1


@pytest.mark.parametrize("names", [("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")])
def test_the_launcher_is_found_in_the_environment(names: tuple[str, str]) -> None:
    assert place(dict(zip(names, ("1", "3"), strict=True))) == (1, 3)
    assert place({"OTHER": "1"}) == (0, 1)
