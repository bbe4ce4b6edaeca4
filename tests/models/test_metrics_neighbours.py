"""Leave-one-out k-NN accuracy: a known case, agreement with scikit-learn, and invariances."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_mini.models import metrics


def clusters(n: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.normal(size=(3, 4))[labels] * 3 + spread * rng.normal(size=(n, 4)), labels


def test_a_case_computed_by_hand() -> None:
    """Points on a line at 0, 1, 2, 10 and 11."""
    points = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    # Neighbours' classes with k = 3: 0 has 0, 1, 1; 1 has 0, 1, 1; 2 has 0, 0, 1; 10 has 1, 1, 0; 11 has 1, 1, 0.
    assert metrics.knn_accuracy(points, np.array([0, 0, 1, 1, 1]), k=3) == 2 / 5
    # With k = 1 each nearest neighbour has the same class, also if 1 chooses the other one of its two equally near neighbours.
    assert metrics.knn_accuracy(points, np.array([0, 0, 0, 1, 1]), k=1) == 1.0


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_agrees_with_scikit_learn(k: int) -> None:
    """There are more points than fit into one chunk. k is odd, so the votes of two classes cannot tie."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    points, labels = clusters(1203, spread=2.0)
    labels = labels % 2
    found = neighbors.NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points, return_distance=False)
    votes = labels[found[:, 1:]].mean(axis=1) > 0.5
    assert metrics.knn_accuracy(points, labels, k) == np.mean(votes == labels)


def test_accuracy_is_invariant_to_order_shift_and_rotation() -> None:
    points, labels = clusters(300, spread=1.0)
    expected = metrics.knn_accuracy(points, labels)
    assert 0.5 < expected < 1
    order = np.random.default_rng(1).permutation(300)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    for moved, named in ((points[order], labels[order]), (points @ turn, labels), (points + 5, labels), (points * 9, labels)):
        assert metrics.knn_accuracy(moved, named) == expected


def test_noise_has_chance_accuracy() -> None:
    """If a point voted for itself, the accuracy would be far above ½."""
    rng = np.random.default_rng(0)
    assert metrics.knn_accuracy(rng.normal(size=(2000, 2)), rng.integers(0, 2, 2000), k=1) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("points", "labels", "k", "message"),
    [
        (np.zeros(5), np.zeros(5, int), 1, r"expected points \(N, D\)"),
        (np.zeros((5, 2)), np.zeros(4, int), 1, r"\(5, 2\) and \(4,\)"),
        (np.zeros((5, 2)), np.zeros(5), 1, "integers from 0"),
        (np.zeros((5, 2)), np.full(5, -1), 1, "integers from 0"),
        (np.zeros((5, 2)), np.zeros(5, int), 5, "1 ≤ k < 5"),
        (np.zeros((5, 2)), np.zeros(5, int), 0, "1 ≤ k < 5"),
    ],
)
def test_invalid_arguments_raise(points: np.ndarray, labels: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.knn_accuracy(points, labels, k)
