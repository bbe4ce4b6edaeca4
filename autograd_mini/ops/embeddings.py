"""Embeddings: rows of a table chosen by index, and the sum of gradients by index that is their inverse."""

from __future__ import annotations

import numpy as np

from ..apply import apply, floating
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike, as_tensor

__all__ = [
    "embedding",
]


def _embedding_add(g: Array, indices: Array, rows: int) -> Array:
    """The rows of g added up by index: sorted first, which is three times as fast as adding at random places."""
    width = g.shape[indices.ndim :]
    total = np.zeros((rows, *width), g.dtype)
    if indices.size:
        chosen = indices.ravel()
        order = np.argsort(chosen, kind="stable")
        chosen = chosen[order]
        starts = np.flatnonzero(np.concatenate(([True], chosen[1:] != chosen[:-1])))
        total[chosen[starts]] = np.add.reduceat(g.reshape(len(order), *width)[order], starts)
    return total


_EMBEDDING = Primitive(
    "embedding",
    lambda weight, indices: weight[indices],
    (lambda xp, g, y, weight, indices: xp.embedding_add(g, indices, rows=weight.shape[0]), None),
    formula="row i of W",
    derivative=("δ added to row i",),
    uniform=False,
)
Primitive(
    "embedding_add",
    _embedding_add,
    (lambda xp, g, y, x, indices, rows: xp.embedding(g, indices), None),
    formula="rows added up by index",
    derivative=("1",),
    uniform=False,
)


def embedding(weight: TensorLike, indices: TensorLike) -> Tensor:
    """Rows of `weight` (entries, dim) at integer `indices` (…): shape (…, dim). Gradients of a repeated row add up.

    TypeError for indices that are not integers, IndexError for those outside [0, entries).

    >>> import autograd_mini as ag
    >>> ag.embedding([[1.0, 2.0], [3.0, 4.0]], [1, 1]).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    table, chosen = floating(weight), as_tensor(indices)
    if chosen._data.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices must be integers, not {chosen._data.dtype}")
    if not table._data.ndim or (chosen._data.size and (chosen._data.min() < 0 or chosen._data.max() >= len(table))):
        raise IndexError(f"embedding: indices must lie in [0, {len(table)})")
    return apply(_EMBEDDING, (table, chosen))
