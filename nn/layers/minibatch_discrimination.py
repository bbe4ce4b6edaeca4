"""`MinibatchDiscrimination`: features that tell an example how close it is to the others of its batch."""

from __future__ import annotations

import math

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_float
from autograd_mini.tensor import Tensor, TensorLike

from .. import init
from ..module import Parameter
from .base import Layer, empty


class MinibatchDiscrimination(Layer):
    """Appends to each example's features f its closeness to its batch-mates: (N, A) → (N, A + B) (Salimans et al. 2016, 3.2).

    M_i = f(x_i) T with T = `weight` of shape (A, B · C); c_b(x_i, x_j) = exp(−‖M_ib − M_jb‖₁); o(x_i)_b = Σ_j c_b(x_i, x_j);
    the output is [f(x_i), o(x_i)]. The paper's sum includes j = i, the constant 1; `include_self=False` leaves it out, as the
    paper's code does. Real and generated examples must come in batches of their own. T starts from N(0, 1/A), so that
    distances are of the size of the features. Memory grows with N² B C.

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
        f = as_float(features)
        if f.ndim != 2 or f.shape[1] != self.in_features:
            raise ValueError(f"expected an input of shape (N, {self.in_features}), got {f.shape}")
        m = ag.reshape(f @ self.weight, (len(f), self.kernels, self.kernel_dim))
        closeness = ag.sum(ag.exp(-ag.norm(m[:, None] - m[None], 1, -1)), 1)
        return ag.concatenate([f, closeness if self.include_self else closeness - 1], 1)

    def extra_repr(self) -> str:
        without = ", include_self=False" * (not self.include_self)
        return f"{self.in_features}, kernels={self.kernels}, kernel_dim={self.kernel_dim}{without}"
