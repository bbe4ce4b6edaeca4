"""How well the classes lie apart in a latent space, by nearest neighbours."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import TensorLike, as_tensor

ROWS: Final = 500  # points whose distances to all others are held at once


def knn_accuracy(points: TensorLike, labels: TensorLike, k: int = 5) -> float:
    """The share of points whose `k` nearest neighbours, themselves left out, vote for their class: leave-one-out k-NN.

    Points are (N, D), labels (N,) integers from 0; the distance is Euclidean. Equal votes go to the smallest class. Memory is
    that of 500 × N distances. ValueError for other shapes or labels, and unless 1 ≤ k < N.

    >>> from autograd_mini import models
    >>> models.metrics.knn_accuracy([[0.0], [0.1], [5.0], [5.1], [0.2]], [0, 0, 1, 1, 1], k=1)
    0.8
    """
    x, y = as_tensor(points).numpy().astype(np.float64), as_tensor(labels).numpy()
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"knn_accuracy: expected points (N, D) and labels (N,), got {x.shape} and {y.shape}")
    if y.dtype.kind not in "iu" or (y.size and y.min() < 0):
        raise ValueError("knn_accuracy: expected labels as integers from 0")
    if not 1 <= k < len(x):
        raise ValueError(f"knn_accuracy: expected 1 ≤ k < {len(x)}, the number of points, got {k}")
    right = sum(int((_majority_class(x, y, rows, k) == y[rows]).sum()) for rows in _chunks(len(x)))
    return right / len(x)


def _chunks(count: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(count), -(-count // ROWS))


def _majority_class(x: NDArray[np.float64], y: NDArray[np.int64], rows: NDArray[np.intp], k: int) -> NDArray[np.intp]:
    """The class that the neighbours of each of these points vote for."""
    squares = (x * x).sum(axis=1)
    distances = squares - 2 * x[rows] @ x.T  # squared, less what is the same for all neighbours of a point
    distances[np.arange(len(rows)), rows] = np.inf
    neighbours = y[np.argpartition(distances, k - 1, axis=1)[:, :k]]
    votes = (neighbours[:, :, None] == np.arange(y.max() + 1)).sum(axis=1)
    return votes.argmax(axis=1)
