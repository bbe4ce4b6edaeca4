"""`Embedding`: one trainable vector for each index."""

from __future__ import annotations

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike

from .. import init
from ..module import Parameter
from .base import Layer, empty


class Embedding(Layer):
    """Selects rows of a table by integer index: (…) → (…, embedding_dim). The rows start from N(0, 1), as in PyTorch.

    `weight` is (num_embeddings, embedding_dim), of `dtype` or, if that is None, of the default dtype. Raises IndexError if an
    index is outside [0, num_embeddings), and TypeError if indices are floats.

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
