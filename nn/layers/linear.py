"""Layers that combine or rearrange features: `Linear`, `Flatten`, `Unflatten`."""

from __future__ import annotations

import math

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike, as_tensor

from .base import FunctionLayer, Layer, weight_and_bias


class Linear(Layer):
    """A fully connected layer, u = W h + b for every row h: (…, in_features) → (…, out_features).

    Entries of `weight` (out_features, in_features) and `bias` (out_features,) start from U(−1/√in, 1/√in), as in PyTorch.

    Parameters
    ----------
    in_features   length of the input's last axis
    out_features  length of the output's last axis
    bias          whether to add a bias; without it, the attribute `bias` is None
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: DTypeLike | None = None):
        self.in_features, self.out_features = in_features, out_features
        self.weight, self.bias = weight_and_bias((out_features, in_features), out_features if bias else None, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ag.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(FunctionLayer, function=ag.flatten):
    """Merges the axes `start_dim` to `end_dim`, both included; by default all but the batch: (N, C, H, W) → (N, C·H·W).

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim


class Unflatten(Layer):
    """Splits the axis `dim` into axes of the lengths `unflattened_size`, one of which may be −1: the inverse of `Flatten`.

    Raises ValueError if the product of the lengths is not the length of the axis, and IndexError if the axis does not exist.

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
            raise IndexError(f"Unflatten: expected an axis of the input {x.shape}, got dim={self.dim}")
        length, known = x.shape[axis], math.prod(n for n in self.unflattened_size if n != -1)
        # −1 is computed here: reshape cannot infer it for an empty batch.
        sizes = [length // known if n == -1 and known else n for n in self.unflattened_size]
        if math.prod(sizes) != length:
            raise ValueError(
                f"Unflatten: axis {self.dim} of the input {x.shape} has length {length}, "
                f"which cannot be split into unflattened_size={self.unflattened_size}"
            )
        return ag.reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
