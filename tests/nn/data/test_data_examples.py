"""Data sets of single examples: every kind gives the batches that stacking by hand gives, for any number of workers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.data.examples import batch_length
from autograd_mini.trees import leaves

data = nn.data
X = np.arange(30, dtype=np.float32).reshape(10, 3)
Y = np.arange(10) % 4


class Items:
    """A data set as PyTorch's tutorials write it: one example for a number."""

    def __init__(self, entry: Any) -> None:
        self.entry = entry

    def __len__(self) -> int:
        return 10

    def __getitem__(self, i: Any) -> Any:
        return self.entry(i)


def number_only(i: Any) -> tuple[Any, Any]:
    return X[int(i)] + float(i), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3][i]


def values(loader: Any) -> list[Any]:
    return [[leaf.tolist() if isinstance(leaf, ag.Tensor) else leaf for leaf in leaves(batch)] for batch in loader]


# entry(i) -> the columns that its batches must have
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "numbers only": (number_only, [X + np.arange(10)[:, None], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]]),
    "either, as pair": (lambda i: (X[i], Y[i]), [X, Y]),
    "one array": (lambda i: X[i], [X]),
    "one array that transposes rows": (lambda i: np.array([i, i + 1, i * i]), [[[i, i + 1, i * i] for i in range(10)]]),
    "a square that transposes rows": (lambda i: np.array([[i, 1], [0, i]]), [[[[i, 1], [0, i]] for i in range(10)]]),
    "one number": (lambda i: float(i), [np.arange(10, dtype=np.float32)]),
    "one mean": (lambda i: X[i].mean(), [X.mean(axis=1)]),
    "tensors": (lambda i: (ag.Tensor(X[i]), ag.Tensor(int(Y[i]))), [X, Y]),
    "a dict": (lambda i: {"x": X[int(i)], "y": int(Y[i])}, [X, Y]),
    "nested": (lambda i: ((X[int(i)], 2.0), {"y": Y[i]}), [X, [2.0] * 10, Y]),
    "a branch": (lambda i: (X[i], 1) if i % 2 else (-X[i], 0), [[X[i] if i % 2 else -X[i] for i in range(10)], np.arange(10) % 2]),
}  # fmt: skip


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_examples_equal_the_stacked_examples(kind: str, workers: int) -> None:
    entry, columns = KINDS[kind]
    batches = list(data.DataLoader(Items(entry), batch_size=4, num_workers=workers))
    assert [batch_length(batch) for batch in batches] == [4, 4, 2]
    for k, column in enumerate(columns):
        found = np.concatenate([leaves(batch)[k].numpy() for batch in batches])
        np.testing.assert_array_equal(found, np.stack([np.asarray(x) for x in column]))


def test_a_list_of_pairs_is_a_data_set_and_python_floats_have_the_default_dtype() -> None:
    ((x, y),) = data.DataLoader([(0.5, 3), (1.5, 4)], batch_size=2)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert (x.tolist(), y.tolist()) == ([0.5, 1.5], [3, 4])


def test_a_data_set_or_a_transform_that_returns_one_array_gives_one_tensor_for_each_batch() -> None:
    class Rows:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, rows: Any) -> Any:
            return X[rows]

    ((batch,), *_) = data.DataLoader(Rows(), batch_size=4)
    np.testing.assert_array_equal(batch.numpy(), X[:4])
    ((batch,), *_) = data.DataLoader(X, Y, batch_size=4, transform=lambda batch, rng: batch[0] * 2)
    np.testing.assert_array_equal(batch.numpy(), X[:4] * 2)


def test_a_collate_function_gets_the_examples_and_its_result_is_the_batch() -> None:
    words = [([1.0] * n, n) for n in (1, 3, 2)]

    def pad(items: list[tuple[list[float], int]]) -> tuple[np.ndarray, list[int]]:
        longest = max(n for _, n in items)
        return np.array([x + [0.0] * (longest - n) for x, n in items]), [n for _, n in items]

    ((padded, lengths),) = data.DataLoader(words, batch_size=3, collate_fn=pad)
    assert padded.tolist() == [[1, 0, 0], [1, 1, 1], [1, 1, 0]]
    assert lengths == [1, 3, 2]
    subset = data.Subset(data.TensorDataset(X, Y), [3, 1])
    (batch,) = data.DataLoader(subset, batch_size=2, collate_fn=lambda items: np.stack([x for x, _ in items]))
    np.testing.assert_array_equal(batch[0].numpy(), X[[3, 1]])


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (
            [(np.zeros(2), 0), (np.zeros(3), 0)],
            ValueError,
            r"field \[0\] of example 0 has \(2,\) and example 1 has \(3,\); .*collate_fn",
        ),
        ([(1, 2), (1, 2, 3)], ValueError, "example 0 of the batch has 2 fields, example 1 has 3"),
        ([{"a": 1}, {"b": 1}], ValueError, r"keys \['a'\], example 1 has \['b'\]"),
        ([(1, object()), (1, object())], TypeError, r"got object in field \[1\]"),
        ([(None,), (None,)], TypeError, "got NoneType"),
    ],
)
def test_examples_that_do_not_fit_together_get_an_answer(items: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(data.DataLoader(items, batch_size=2))


# -- subsets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [Y == 1, (Y == 1).tolist(), ag.Tensor(Y) == 1])
def test_a_mask_selects_the_rows_where_it_is_true(mask: Any) -> None:
    assert data.Subset(data.TensorDataset(Y, X), mask)[:][0].tolist() == [1, 1, 1]


def test_a_mask_of_another_length_and_indices_that_are_no_numbers_raise() -> None:
    with pytest.raises(IndexError, match=r"each of 10 rows, got shape \(9,\)"):
        data.Subset(data.TensorDataset(Y), Y[:9] == 1)
    for indices in ([0.0, 1.0], ["a"], [[0, 1]]):
        with pytest.raises(TypeError, match="list of row numbers or a mask"):
            data.Subset(data.TensorDataset(Y), indices)


def test_subsets_and_splits_of_examples_have_their_rows() -> None:
    parts = data.random_split(Items(number_only), [0.7, 0.3])
    inner = data.Subset(parts[0], [2, 0])
    ((x, _),) = data.DataLoader(inner, batch_size=2)
    rows = parts[0].indices[[2, 0]]
    np.testing.assert_array_equal(x.numpy(), X[rows] + rows[:, None])
    np.testing.assert_array_equal(inner[1][0], x.numpy()[1])


# -- workers -----------------------------------------------------------------------------------------------------------------


def jitter(batch: tuple[Any, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    time.sleep(rng.random() * 2e-3)  # batches become ready out of order
    return batch[0] + rng.random(batch[0].shape), batch[1]


@pytest.mark.parametrize("source", [data.TensorDataset(X, Y), Items(number_only)])
def test_order_and_random_transforms_are_the_same_for_any_number_of_workers(source: Any) -> None:
    def stream(workers: int, start: int = 0) -> list[Any]:
        loader = data.DataLoader(source, batch_size=3, shuffle=True, seed=4, transform=jitter, num_workers=workers)
        seen = []
        for _ in range(3):
            for batch in loader:
                seen.append([x.tolist() for x in batch])
                if len(seen) == start:
                    state, loader = json.loads(json.dumps(loader.state_dict())), None
                    loader = data.DataLoader(source, batch_size=3, shuffle=True, seed=4, transform=jitter, num_workers=2)
                    loader.load_state_dict(state)
                    return seen + [[x.tolist() for x in batch] for _ in range(2) for batch in loader]
        return seen

    expected = stream(0)
    assert all(stream(workers) == expected for workers in (1, 2, 5))
    assert stream(3, start=2) == expected[:8], "the rest of the first epoch and the second one"


def test_an_error_in_a_worker_reaches_the_caller_with_its_place_after_the_batches_before_it() -> None:
    def entry(i: int) -> Any:
        return 1 / (i - 7)

    for workers in (0, 2):
        seen = []
        with pytest.raises(ZeroDivisionError) as caught:
            seen.extend(data.DataLoader(Items(entry), batch_size=2, num_workers=workers))
        assert caught.value.__notes__ == ["example 7 of Items", "DataLoader: batch 3 of epoch 0"]
        assert any(frame.name == "entry" for frame in caught.traceback)


def test_workers_end_with_the_iterator_and_load_only_a_few_batches_ahead() -> None:
    before, loaded = threading.active_count(), []

    def entry(i: int) -> float:
        loaded.append(i)
        return float(i)

    class Many(Items):
        def __len__(self) -> int:
            return 1000

    batches = iter(data.DataLoader(Many(entry), num_workers=2))
    next(batches)
    time.sleep(0.05)
    assert len(loaded) < 20
    batches.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("draw", [lambda: np.random.rand(), random.random, lambda: ag.rand(1).item()])  # noqa: NPY002
def test_a_data_set_that_draws_from_a_global_stream_is_not_loaded_by_threads(draw: Any) -> None:
    loader = data.DataLoader(Items(lambda i: int(i) + draw()), batch_size=5, num_workers=2)
    with pytest.warns(UserWarning, match="num_workers is ignored"):
        batches = list(loader)
    assert len(batches) == 2


# -- samplers ----------------------------------------------------------------------------------------------------------------


def test_a_weighted_sampler_draws_in_proportion_to_the_weights() -> None:
    weights = np.array([0.0, 1.0, 3.0])
    drawn = np.bincount(list(data.WeightedRandomSampler(weights, 40_000)), minlength=3) / 40_000
    np.testing.assert_allclose(drawn, weights / 4, atol=4 * np.sqrt(0.25 * 0.75 / 40_000))
    assert sorted(data.WeightedRandomSampler([1, 1, 0, 5], 3, replacement=False)) == [0, 1, 3]


SAMPLERS = {
    "weighted": lambda: {"sampler": data.WeightedRandomSampler(np.arange(10), 12), "batch_size": 5},
    "random": lambda: {"sampler": data.RandomSampler(X, num_samples=12), "batch_size": 5, "drop_last": True},
    "subset": lambda: {"sampler": data.SubsetRandomSampler([8, 2, 5]), "batch_size": 2},
    "batches": lambda: {"batch_sampler": data.BatchSampler(data.RandomSampler(X), 4)},
    "a list": lambda: {"sampler": [3, 1, 2], "batch_size": 2},
    "lists of rows": lambda: {"batch_sampler": [[3], [1, 2]]},
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_epoch_of_a_sampler_is_the_same_after_resuming_and_has_as_many_batches_as_the_length_says(name: str) -> None:
    create = lambda: data.DataLoader(np.arange(10), seed=3, **SAMPLERS[name]())
    loader = create()
    epochs = [values(loader), values(loader)]
    assert [len(batches) for batches in epochs] == [len(loader)] * 2
    assert values(create().epoch(1)) == epochs[1]
    stopped, resumed = create(), create()
    next(iter(stopped))
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
    assert values(resumed) == epochs[0][1:]
    assert (epochs[0] == epochs[1]) == (name in ("a list", "lists of rows"))


def test_a_sampler_with_its_own_stream_is_refused_when_it_cannot_resume() -> None:
    class Own:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __len__(self) -> int:
            return 10

        def __iter__(self) -> Any:
            return iter(self.rng.permutation(10))

    sampler = Own()
    loader, other = (data.DataLoader(X, batch_size=2, sampler=sampler) for _ in range(2))
    next(iter(loader))
    other.load_state_dict(loader.state_dict())
    with pytest.raises(ValueError, match=r"another order than before .* set_epoch"):
        list(other)
    Own.set_epoch = lambda self, n: setattr(self, "rng", np.random.default_rng(n))  # type: ignore[attr-defined]
    whole = values(data.DataLoader(X, batch_size=2, sampler=sampler).epoch(0))
    loader, other = (data.DataLoader(X, batch_size=2, sampler=sampler) for _ in range(2))
    next(iter(loader))
    other.load_state_dict(loader.state_dict())
    assert values(other) == whole[1:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": [0], "shuffle": True}, "shuffle=True and a sampler exclude each other"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler excludes"),
        ({"num_workers": -1}, "num_workers to be a whole number of at least 0, got -1"),
        ({"num_workers": "2"}, "got '2'"),
        ({"batch_size": 2.0}, "batch_size to be a whole number of at least 1, got 2.0"),
        ({"min_batch_size": 0}, "min_batch_size to be a whole number of at least 1"),
    ],
)
def test_options_that_exclude_each_other_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.DataLoader(X, **options)


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: data.WeightedRandomSampler([-1.0, 2.0], 2), "weights ≥ 0"),
        (lambda: data.WeightedRandomSampler([0.0, 0.0], 2), "0 of 2 weights are above 0; expected at least 1"),
        (lambda: data.WeightedRandomSampler([1.0, 0.0], 2, replacement=False), "1 of 2 .* num_samples=2"),
        (lambda: data.WeightedRandomSampler([1.0], 0), "at least 1, got 0"),
        (lambda: data.RandomSampler(X, num_samples=0), "at least 1, got 0"),
        (lambda: data.BatchSampler([0], 0), "at least 1, got 0"),
    ],
)
def test_invalid_samplers_raise(create: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create()


# -- the last batch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "sizes"), [(9, [4, 5]), (10, [4, 4, 2]), (8, [4, 4]), (1, [1]), (5, [5])])
def test_a_smaller_last_batch_is_merged_into_the_one_before(n: int, sizes: list[int], shuffle: bool) -> None:
    loader = data.DataLoader(np.arange(n), batch_size=4, min_batch_size=2, shuffle=shuffle)
    batches = [batch.tolist() for (batch,) in loader]
    assert [len(batch) for batch in batches] == sizes
    assert len(loader) == len(sizes)
    assert sorted(row for batch in batches for row in batch) == list(range(n))
    dropping = data.DataLoader(np.arange(n), batch_size=4, min_batch_size=2, drop_last=True)
    assert [len(batch) for (batch,) in dropping] == [4] * (n // 4)


def test_a_trainer_merges_a_last_batch_of_one_for_batch_norm_only() -> None:
    def train(*layers: nn.Module) -> int:
        model = nn.Sequential(nn.Linear(3, 4), *layers)
        update = nn.Update(lambda batch: {"loss": (model(batch[0]) ** 2).mean()}, nn.SGD(model.parameters(), lr=0.01))
        trainer = nn.Trainer(model, {"": update}, progress=False)
        return trainer.fit(data.DataLoader(X[:9], batch_size=4), epochs=2)[-1]["iteration"]

    assert train(nn.BatchNorm1d(4)) == 4
    assert train() == 6


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampler": [0.5]}, ValueError, r"must yield row numbers.*got \[0.5\]"),
        ({"sampler": [0, 10]}, IndexError, r"rows 0 … 10, the data has 0 … 9"),
        ({"sampler": [-1]}, IndexError, r"rows -1 … -1"),
        ({"batch_sampler": [[0], [3, 12]]}, IndexError, r"rows 3 … 12"),
        ({"batch_sampler": [0, 1]}, ValueError, "a batch_sampler lists of them, got 0"),
    ],
)
def test_entries_of_a_sampler_that_are_no_rows_raise(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(data.DataLoader(X, **options))


def test_a_sampler_without_a_length_is_refused() -> None:
    with pytest.raises(TypeError, match="sampler must be a Sampler, or iterable with a length, got generator"):
        data.DataLoader(X, sampler=(i for i in range(3)))  # type: ignore[arg-type]


STUCK = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from autograd_mini import nn
class Stuck:
    def __len__(self):
        return 10
    def __getitem__(self, i):
        time.sleep(0 if i < 3 else 1000)
        return float(i)
for (batch,) in nn.data.DataLoader(Stuck(), num_workers=2):
    print(batch.item(), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal of POSIX")
def test_ctrl_c_ends_a_program_whose_workers_are_stuck() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert [program.stdout.readline().strip() for _ in range(3)] == ["0.0", "1.0", "2.0"]
        program.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in program.communicate(timeout=60)[1]


def test_the_base_class_of_data_sets_may_be_anyones() -> None:
    """A class of PyTorch's kind needs no arguments of the base, and may use the names of its fields."""

    class Plain(nn.data.Dataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, i: int) -> tuple[float, int]:
            return float(i), i

    class Own(Plain):
        def __init__(self, train: Any) -> None:
            super().__init__()
            self.train, self.classes = train, ("a", "b")

    options = {"pin_memory": True, "persistent_workers": True, "prefetch_factor": 2, "timeout": 0, "num_workers": 2}
    for data in (Plain(), Own(True)):
        batches = [labels.tolist() for _, labels in nn.data.DataLoader(data, batch_size=2, **options)]
        assert batches == [[0, 1], [2]]


def test_batch_size_and_shuffle_by_position_are_those_of_pytorch() -> None:
    rows = np.arange(10)
    for source in (nn.data.TensorDataset(rows), rows, [(float(i), i) for i in rows]):
        named = nn.data.DataLoader(source, batch_size=4, shuffle=True)
        for loader in (nn.data.DataLoader(source, 4, True), nn.data.DataLoader(source, 4, shuffle=True)):
            assert [b[-1].tolist() for b in loader.epoch(0)] == [b[-1].tolist() for b in named.epoch(0)]
    for arguments, options in (((4,), {"batch_size": 2}), ((4, 2), {}), ((4, True, None), {}), ((4, True), {"shuffle": True})):
        with pytest.raises(TypeError, match="expected batch_size and shuffle by position or by name, got"):
            nn.data.DataLoader(rows, *arguments, **options)
