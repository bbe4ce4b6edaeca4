"""Class separation in a latent space, measured by nearest neighbours."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import TensorLike, as_tensor

ROWS: Final = 500  # points whose distances to all others are in memory at once


def knn_accuracy(points: TensorLike, labels: TensorLike, k: int = 5) -> float:
    """Returns the leave-one-out accuracy of a k-nearest-neighbour classifier.

    Each point is classified by a majority vote of its `k` nearest other points in Euclidean distance; ties go to the smallest
    class. `points` are (N, D) and `labels` (N,) integers from 0. At most 500 × N distances are in memory at once. Raises
    ValueError if shapes or labels are invalid, or unless 1 ≤ k < N.

    >>> from autograd_mini import models
    >>> models.metrics.knn_accuracy([[0.0], [0.1], [5.0], [5.1], [0.2]], [0, 0, 1, 1, 1], k=1)
    0.8
    """
    x, y = as_tensor(points).numpy().astype(np.float64), as_tensor(labels).numpy()
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"knn_accuracy: expected points (N, D) and labels (N,), got {x.shape} and {y.shape}")
    if y.dtype.kind not in "iu" or (y.size and y.min() < 0):
        raise ValueError("knn_accuracy: expected labels to be integers from 0")
    if not 1 <= k < len(x):
        raise ValueError(f"knn_accuracy: expected 1 ≤ k < {len(x)}, the number of points, got {k}")
    right = sum(int((_majority_class(x, y, rows, k) == y[rows]).sum()) for rows in _chunks(len(x)))
    return right / len(x)


def _chunks(count: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(count), -(-count // ROWS))


def _majority_class(x: NDArray[np.float64], y: NDArray[np.int64], rows: NDArray[np.intp], k: int) -> NDArray[np.intp]:
    """Returns the class that gets the most votes among the neighbours of each of these points."""
    squares = (x * x).sum(axis=1)
    distances = squares - 2 * x[rows] @ x.T  # squared, without the term that is constant for each point
    distances[np.arange(len(rows)), rows] = np.inf
    neighbours = y[np.argpartition(distances, k - 1, axis=1)[:, :k]]
    votes = (neighbours[:, :, None] == np.arange(y.max() + 1)).sum(axis=1)
    return votes.argmax(axis=1)
