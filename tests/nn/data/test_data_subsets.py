"""Splits of data sets have every row once and keep the proportions of classes; loaders resume in the middle of an epoch."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import nn

data = nn.data


def rows(part: data.Subset) -> list[int]:
    return part[:][0].tolist()


@given(st.integers(0, 60), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 9))
def test_a_random_split_is_a_partition(n: int, weights: list[int], seed: int) -> None:
    parts = data.random_split(data.TensorDataset(np.arange(n)), [w / sum(weights) for w in weights], seed=seed)
    assert sorted(row for part in parts for row in rows(part)) == list(range(n))
    for part, weight in zip(parts, weights, strict=True):
        assert abs(len(part) - n * weight / sum(weights)) <= len(weights)


def test_lengths_may_be_numbers_of_rows_and_the_seed_determines_the_split() -> None:
    source = data.TensorDataset(np.arange(10))
    splits = [[rows(part) for part in data.random_split(source, [7, 3], seed=seed)] for seed in (0, 0, 1)]
    assert [len(part) for part in splits[0]] == [7, 3]
    assert splits[0] == splits[1] != splits[2]


@given(st.lists(st.integers(0, 3), max_size=60), st.floats(0.05, 0.95), st.integers(0, 9))
def test_a_stratified_split_is_a_partition_that_keeps_the_proportions_of_the_classes(
    labels: list[int], share: float, seed: int
) -> None:
    classes = np.array(labels, int)
    parts = data.stratified_split(data.TensorDataset(np.arange(len(labels))), [share, 1 - share], classes, seed=seed)
    assert sorted(row for part in parts for row in rows(part)) == list(range(len(labels)))
    for c in range(4):
        assert abs(np.sum(classes[rows(parts[0])] == c) - share * np.sum(classes == c)) <= 0.5 + 1e-9


def test_a_subset_of_a_subset_has_the_rows_of_the_data_set() -> None:
    source = data.TensorDataset(ag.Tensor([10.0, 11.0, 12.0, 13.0]), np.arange(4))
    inner = data.Subset(data.Subset(source, [3, 1, 0]), [2, 0])
    values, numbers = inner[:]
    assert (values.tolist(), numbers.tolist()) == ([10.0, 13.0], [0, 3])
    assert [batch[1].tolist() for batch in data.DataLoader(inner, batch_size=1)] == [[0], [3]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: data.Subset(s, [4]), IndexError, "0 … 3"),
        (lambda s: data.Subset(s, [-1]), IndexError, "0 … 3"),
        (lambda s: data.random_split(s, [3, 2]), ValueError, "add up to 4"),
        (lambda s: data.random_split(s, [0.5, 0.4]), ValueError, "add up to 1"),
        (lambda s: data.random_split(s, [1.5, -0.5]), ValueError, "0 or more"),
        (lambda s: data.stratified_split(s, [0.5, 0.5], [0, 1]), ValueError, r"shape \(4,\)"),
        (lambda s: data.stratified_split(s, [0.5, 0.4], [0, 1, 0, 1]), ValueError, "add up to 1"),
        (lambda s: data.TensorDataset(np.zeros(2), np.zeros(3)), ValueError, r"\[2, 3\]"),
        (lambda s: data.TensorDataset(), ValueError, "at least one axis, got none"),
    ],
)
def test_errors_name_the_wrong_lengths_indices_or_labels(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(data.TensorDataset(np.arange(4)))  # type: ignore[operator]


# -- loaders that resume ---------------------------------------------------------------------------------------------------


def add_noise(batch: tuple[np.ndarray, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (batch[0] + rng.random(len(batch[0])),)


def loader(**options: object) -> data.DataLoader:
    return data.DataLoader(np.arange(20.0), batch_size=6, shuffle=True, **{"seed": 2, "transform": add_noise, **options})


@given(st.integers(0, 13))
def test_a_loader_resumes_after_any_batch_as_if_it_had_not_stopped(done: int) -> None:
    """This includes the order and random transforms of this and later epochs; the state survives JSON."""
    first = loader()
    stream = (batch.tolist() for _ in range(5) for (batch,) in first)
    for _ in range(done):
        next(stream)
    again = loader()
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    rest = [batch.tolist() for _ in range(5) for (batch,) in again]
    expected = list(stream)
    assert rest[: len(expected)] == expected
    assert expected


def test_a_transform_has_the_same_draws_for_the_same_batch_and_epoch_only() -> None:
    noise = [np.sort(batch.numpy() % 1).tolist() for epoch in (0, 1, 0) for (batch,) in loader().epoch(epoch)]
    assert noise[:4] == noise[8:]
    assert len({value for values in noise[:8] for value in values}) == 40


@pytest.mark.parametrize("option", [{"seed": 3}, {"batch_size": 5}, {"drop_last": True}])
def test_a_state_that_would_change_the_order_raises(option: dict[str, object]) -> None:
    other = data.DataLoader(np.arange(20.0), **{"batch_size": 6, "shuffle": True, "seed": 2, **option})
    with pytest.raises(ValueError, match=next(iter(option))):
        other.load_state_dict(loader().state_dict())


@given(st.integers(1, 6), st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 9))
def test_shares_that_divide_every_class_are_exact(repeats: int, classes: int, weights: list[int], seed: int) -> None:
    """With a multiple of Σ weights rows in each class, every part has exactly its share of every class, in the rows' order."""
    total = sum(weights)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), repeats * total))
    source = data.TensorDataset(np.arange(len(labels)))
    parts = data.stratified_split(source, [w / total for w in weights], labels, seed=seed)
    for part, weight in zip(parts, weights, strict=True):
        assert np.bincount(labels[rows(part)], minlength=classes).tolist() == [repeats * weight] * classes
        assert rows(part) == sorted(rows(part))
