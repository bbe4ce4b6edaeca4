"""`Embedding`: one trainable vector for each index."""

from __future__ import annotations

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_number
from autograd_mini.tensor import Tensor, TensorLike

from .. import init
from ..module import Parameter
from .base import Layer, empty


class Embedding(Layer):
    """Selects rows of a table by integer index: (…) → (…, embedding_dim). The rows start from N(0, 1), as in PyTorch.

    `weight` is (num_embeddings, embedding_dim). Raises IndexError if an index is outside [0, num_embeddings), TypeError if
    indices are floats, and ValueError for a `padding_idx` outside the table.

    Parameters
    ----------
    num_embeddings  number of rows
    embedding_dim   length of a row
    padding_idx     a row that starts as zeros and gets no gradient; a negative one counts from the end
    max_norm        each call first scales the selected rows with a larger norm down to this norm, in place; as a write makes
                    older graphs stale, call the layer once for all indices of a step
    norm_type       the p of that norm
    dtype           dtype of the table; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.Embedding(10, 4)([[1, 2, 1]]).shape
    (1, 3, 4)
    >>> nn.Embedding(10, 2, padding_idx=0)([0]).tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        *,
        dtype: DTypeLike | None = None,
    ):
        rows = range(-num_embeddings, num_embeddings)
        if padding_idx is not None and (not hasattr(padding_idx, "__index__") or padding_idx not in rows):
            expected = f"an int in [{rows.start}, {rows.stop}) or None"
            raise ValueError(f"Embedding: expected padding_idx to be {expected}, got padding_idx={padding_idx}")
        instead = "use .detach() for a constant"
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = None if max_norm is None else as_number("Embedding: max_norm", max_norm, instead)
        self.norm_type = as_number("Embedding: norm_type", norm_type, instead)
        if self.max_norm is not None and not self.max_norm > 0:
            raise ValueError(f"Embedding: expected max_norm > 0 or None, got max_norm={max_norm}")
        self.weight = init.normal_(Parameter(empty((num_embeddings, embedding_dim), dtype)))
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: TensorLike) -> Tensor:
        if self.max_norm is not None:
            self._limit_norms(indices, self.max_norm)
        return ag.embedding(self.weight, indices, self.padding_idx)

    @ag.no_grad()
    def _limit_norms(self, indices: TensorLike, largest: float) -> None:
        rows = ag.embedding(self.weight, indices)
        norms = ag.norm(rows, self.norm_type, axis=-1, keepdims=True)
        limited = ag.where(norms > largest, rows * (largest / (norms + 1e-7)), rows)
        self.weight.data = ag.index_put(self.weight, indices, limited)

    def extra_repr(self) -> str:
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2.0}
        shown = [f"{name}={getattr(self, name)}" for name, default in defaults.items() if getattr(self, name) != default]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown])
