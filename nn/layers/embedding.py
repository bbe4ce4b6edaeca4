"""`Embedding`: a vector for each of a number of things."""

from __future__ import annotations

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike

from .. import init
from ..module import Parameter
from .base import Layer, empty


class Embedding(Layer):
    """Rows of a table by integer index: (…) → (…, embedding_dim). The rows start from N(0, 1), as in PyTorch.

    `weight` is (num_embeddings, embedding_dim). IndexError for an index outside [0, num_embeddings), TypeError for floats.

    >>> from autograd_mini import nn
    >>> nn.Embedding(10, 4)([[1, 2, 1]]).shape
    (1, 3, 4)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, dtype: DTypeLike | None = None):
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = init.normal_(Parameter(empty((num_embeddings, embedding_dim), dtype)))

    def forward(self, indices: TensorLike) -> Tensor:
        return ag.embedding(self.weight, indices)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"
