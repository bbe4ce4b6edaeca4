"""`MinibatchDiscrimination`: features that measure how close an example is to the others in its batch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_floats
from autograd_mini.tensor import Tensor, TensorLike

from .. import init
from ..module import Parameter
from .base import Layer, empty


class MinibatchDiscrimination(Layer):
    """Appends to each example's features f its closeness to the other examples (Salimans et al. 2016, 3.2).

    (N, A) → (N, A + B). M_i = f(x_i) T with T = `weight` of shape (A, B · C); c_b(x_i, x_j) = exp(−‖M_ib − M_jb‖₁);
    o(x_i)_b = Σ_j c_b(x_i, x_j); the output is [f(x_i), o(x_i)]. Real and generated examples need separate batches. T starts
    from N(0, 1/A), so that distances are of the size of the features. Memory grows with N² B C. With several ranks of MPI, each
    one compares its own rows only, as with a smaller batch.

    Parameters
    ----------
    in_features   number A of input features
    kernels       number B of closeness features
    kernel_dim    number C of values that each of them compares
    include_self  include j = i, the constant 1, in the sum as in the paper; the paper's code leaves it out
    dtype         dtype of the weight; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.MinibatchDiscrimination(3, 2)([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]).tolist()
    [[1.0, 2.0, 3.0, 2.0, 2.0], [1.0, 2.0, 3.0, 2.0, 2.0]]
    """

    def __init__(
        self,
        in_features: int,
        kernels: int = 100,
        kernel_dim: int = 5,
        include_self: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        self.in_features, self.kernels, self.kernel_dim, self.include_self = in_features, kernels, kernel_dim, include_self
        weight = Parameter(empty((in_features, kernels * kernel_dim), dtype))
        self.weight = init.normal_(weight, std=1 / math.sqrt(max(in_features, 1)))

    def forward(self, features: TensorLike) -> Tensor:
        f = as_floats(features, self.weight)[0]
        if f.ndim != 2 or f.shape[1] != self.in_features:
            raise ValueError(f"MinibatchDiscrimination: expected an input of shape (N, {self.in_features}), got {f.shape}")
        m = ag.reshape(f @ self.weight, (len(f), self.kernels, self.kernel_dim))
        itself = np.eye(len(f), dtype=m.dtype)[:, :, None]  # an example's distance from itself is constant, not a kink of |x|
        distances = ag.norm(m[:, None] - m[None] + itself[..., None], 1, -1)
        closeness = ag.sum(ag.exp(-distances) * (1 - itself) + itself, 1)
        return ag.concatenate([f, closeness if self.include_self else closeness - 1], 1)

    def extra_repr(self) -> str:
        without = "" if self.include_self else ", include_self=False"
        return f"{self.in_features}, kernels={self.kernels}, kernel_dim={self.kernel_dim}{without}"
