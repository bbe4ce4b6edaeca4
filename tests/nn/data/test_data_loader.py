"""DataLoader: each epoch has every row once, in an order that depends only on the seed and the number of the epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_mini import Tensor, nn


def rows(batches: object) -> list[int]:
    return [row for (batch,) in batches for row in batch.tolist()]  # type: ignore[attr-defined]


@given(
    n=st.integers(0, 40), batch_size=st.integers(1, 12), shuffle=st.booleans(), drop_last=st.booleans(), seed=st.integers(0, 99)
)
def test_an_epoch_has_every_row_once_and_only_its_last_batch_may_be_smaller(
    n: int, batch_size: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    loader = nn.data.DataLoader(np.arange(n), batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, seed=seed)
    batches = list(loader)
    order = rows(batches)
    assert len(batches) == len(loader)
    assert len(set(order)) == len(order) == (n // batch_size * batch_size if drop_last else n)
    assert all(len(batch) == batch_size for (batch,) in (batches if drop_last else batches[:-1]))
    assert shuffle or order == list(range(len(order)))


def test_rows_of_all_arrays_stay_together() -> None:
    x = np.arange(50)
    for a, b in nn.data.DataLoader(x, -x, batch_size=7, shuffle=True):
        np.testing.assert_array_equal(a.numpy(), -b.numpy())


def test_epochs_and_seeds_have_different_orders_which_can_be_repeated() -> None:
    first, again = (nn.data.DataLoader(np.arange(100), batch_size=10, shuffle=True, seed=3) for _ in range(2))
    other = nn.data.DataLoader(np.arange(100), batch_size=10, shuffle=True, seed=4)
    epochs = [rows(first), rows(first)]
    assert epochs[0] != epochs[1]
    assert [rows(again), rows(again)] == epochs
    assert rows(other) != epochs[0]
    assert rows(first.epoch(1)) == epochs[1], "an epoch is not repeated by its number"
    assert rows(first.epoch(1, start=4)) == epochs[1][40:], "an epoch does not start at the given batch"


@pytest.mark.parametrize(
    ("arrays", "batch_size", "message"),
    [((), 1, "got none"), ((np.zeros(2), np.zeros(3)), 1, r"\[2, 3\]"), ((np.zeros(2),), 0, "batch_size")],
)
def test_errors_name_the_wrong_argument(arrays: tuple[np.ndarray, ...], batch_size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.data.DataLoader(*arrays, batch_size=batch_size)


def test_a_sampler_of_a_subset_takes_a_mask_and_whole_numbers_only() -> None:
    mask = np.array([False, True, False, True])
    for rows in (mask, mask.tolist(), Tensor(mask), [1, 3], np.uint8([3, 1])):
        assert sorted(nn.data.SubsetRandomSampler(rows)) == [1, 3]
    assert list(nn.data.SubsetRandomSampler([])) == []
    for rows, found in (([1.7, 2.2], "float64"), ([[0, 1]], r"\(1, 2\)"), ("13", "<U2")):
        with pytest.raises(TypeError, match=f"SubsetRandomSampler: expected .* got .*{found}"):
            nn.data.SubsetRandomSampler(rows)
