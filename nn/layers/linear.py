"""Layers that mix or rearrange features: `Linear`, `Flatten`, `Unflatten`."""

from __future__ import annotations

import math

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike, as_tensor

from .base import Layer, started


class Linear(Layer):
    """A fully connected layer, u = W h + b for every row h: (…, in_features) → (…, out_features).

    `weight` is (out_features, in_features), `bias` (out_features,) or None, both of `dtype` (the default dtype if None).
    They start as in PyTorch: each entry from U(−1/√in, 1/√in). An input with another number of features raises ValueError.

    >>> from autograd_mini import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: DTypeLike | None = None):
        self.in_features, self.out_features = in_features, out_features
        self.weight, self.bias = started((out_features, in_features), out_features if bias else None, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ag.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Layer):
    """Joins the axes `start_dim` to `end_dim`, both included; by default all but the batch: (N, C, H, W) → (N, C·H·W).

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: TensorLike) -> Tensor:
        return ag.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Layer):
    """Splits one axis into several of the lengths `unflattened_size`, one of which may be −1: the inverse of `Flatten`.

    ValueError where the lengths do not fill the axis, IndexError where there is no such axis.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Unflatten(1, (3, 2, 2))(np.zeros((5, 12))).shape
    (5, 3, 2, 2)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        axis = self.dim + x.ndim if self.dim < 0 else self.dim
        if not 0 <= axis < x.ndim:
            raise IndexError(f"no such axis in an input of shape {x.shape}")
        length, known = x.shape[axis], math.prod(n for n in self.unflattened_size if n != -1)
        sizes = [
            length // known if n == -1 and known else n for n in self.unflattened_size
        ]  # by the axis alone: a batch may be empty
        if math.prod(sizes) != length:
            raise ValueError(
                f"an axis of length {length} does not split into {self.unflattened_size}, in an input of shape {x.shape}"
            )
        return ag.reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
