"""Layers with random draws: dropout and additive noise. They draw from the stream of `ag.manual_seed`, only in training."""

from __future__ import annotations

from typing import Literal

import autograd_mini as ag
from autograd_mini.apply import as_float, as_number
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .base import Layer


class Dropout(Layer):
    """Sets each element to 0 with probability `p` in training, independently of the others.

    `scaling` says how the expected value is preserved. "train" divides the remaining elements by 1 − p in training;
    evaluation changes nothing. "test" multiplies by 1 − p in evaluation, as in Srivastava et al. 2014. Raises ValueError
    unless 0 ≤ p ≤ 1.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> set(nn.Dropout(0.5)(ag.ones(100)).tolist()) <= {0.0, 2.0}
    True
    >>> nn.Dropout(0.5, scaling="test").eval()([1.0, 3.0])
    Tensor([0.5, 1.5])
    """

    def __init__(self, p: float = 0.5, scaling: Literal["train", "test"] = "train", *, inplace: bool = False):
        p = as_number(f"{type(self).__name__}: p", p, "a draw has no gradient with respect to its probability; use p.detach()")
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: expected p in [0, 1], got p={p}")
        if scaling not in ("train", "test"):
            raise ValueError(f'{type(self).__name__}: expected scaling to be "train" or "test", got {scaling!r}')
        self.p, self.scaling = p, scaling

    def mask_shape(self, x: Tensor) -> Shape:
        """Returns the shape of the mask for `x`: one draw for each element."""
        return x.shape

    def forward(self, x: TensorLike) -> Tensor:
        x = as_float(x)
        inverted = self.scaling == "train"
        if not self.training:
            return x if inverted else x * (1 - self.p)
        shape = self.mask_shape(x)
        if inverted and shape == x.shape:
            return ag.dropout(x, self.p)  # one pass over the data
        mask = ag.bernoulli(ag.Tensor(1 - self.p, dtype=x.dtype), shape)
        return x * (mask / (1 - self.p) if inverted and self.p < 1 else mask)

    def extra_repr(self) -> str:
        return f"p={self.p}" if self.scaling == "train" else f"p={self.p}, scaling={self.scaling!r}"


class Dropout2d(Dropout):
    """Dropout of whole channels: sets each map of (N, C, H, W) to 0 with probability `p` (Tompson et al. 2015).

    `scaling` is that of `Dropout`. Raises ValueError if the input has no channels.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> y = nn.Dropout2d()(ag.ones((4, 8, 2, 2)))
    >>> bool((y == y[:, :, :1, :1]).all())
    True
    """

    def mask_shape(self, x: Tensor) -> Shape:
        """Returns the shape of the mask for `x`: one draw for each map."""
        if x.ndim < 2:
            raise ValueError(f"Dropout2d: expected an input of shape (N, C, …), got {x.shape}")
        return (*x.shape[:2], *(1,) * (x.ndim - 2))


class GaussianNoise(Layer):
    """Adds independent draws from N(0, std²) in training; evaluation changes nothing. Raises ValueError if `std` is negative.

    An `std` that is a tensor is learnable.

    >>> from autograd_mini import nn
    >>> nn.GaussianNoise(0.3).eval()([1.0, 2.0])
    Tensor([1., 2.])
    """

    def __init__(self, std: float | Tensor):
        if not isinstance(std, Tensor) and not std >= 0:
            raise ValueError(f"GaussianNoise: expected std ≥ 0, got std={std}")
        self.std = std

    def forward(self, x: TensorLike) -> Tensor:
        x = as_float(x)
        return x + ag.randn(x.shape, dtype=x.dtype) * self.std if self.training else x

    def extra_repr(self) -> str:
        return f"std={self.std}"
