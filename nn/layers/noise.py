"""Layers that draw: dropout and additive noise. They draw from the stream of `ag.manual_seed`, in training mode alone."""

from __future__ import annotations

from typing import Literal

import autograd_mini as ag
from autograd_mini.apply import as_float
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .base import Layer


class Dropout(Layer):
    """Sets each element to 0 with probability `p`, independently for each element of each example.

    Its expectation is kept in one of two ways. `scaling="train"`, the default as everywhere: what is kept is divided by 1 − p
    in training, and evaluation changes nothing. `scaling="test"`, the form of Srivastava et al. 2014: training only
    masks, and evaluation multiplies by 1 − p. ValueError unless 0 ≤ p ≤ 1.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> set(nn.Dropout(0.5)(ag.ones(100)).tolist()) <= {0.0, 2.0}
    True
    >>> nn.Dropout(0.5, scaling="test").eval()([1.0, 3.0])
    Tensor([0.5, 1.5])
    """

    def __init__(self, p: float = 0.5, scaling: Literal["train", "test"] = "train"):
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must lie in [0, 1], got {p}")
        if scaling not in ("train", "test"):
            raise ValueError(f'{type(self).__name__}: scaling must be "train" or "test", got {scaling!r}')
        self.p, self.scaling = p, scaling

    def mask_shape(self, x: Tensor) -> Shape:
        """The shape of what is drawn for `x`: one draw for each element."""
        return x.shape

    def forward(self, x: TensorLike) -> Tensor:
        x = as_float(x)
        inverted = self.scaling == "train"
        if not self.training:
            return x if inverted else x * (1 - self.p)
        shape = self.mask_shape(x)
        if inverted and shape == x.shape:
            return ag.dropout(x, self.p)  # draws and scales in one pass
        mask = ag.bernoulli(ag.Tensor(1 - self.p, dtype=x.dtype), shape)
        return x * (mask / (1 - self.p) if inverted and self.p < 1 else mask)

    def extra_repr(self) -> str:
        return f"p={self.p}" + f", scaling={self.scaling!r}" * (self.scaling == "test")


class Dropout2d(Dropout):
    """Dropout of whole channels: each map of (N, C, H, W) is 0 with probability `p`, else kept whole (Tompson et al. 2015).

    Otherwise as `Dropout`. ValueError for an input without channels.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> y = nn.Dropout2d()(ag.ones((4, 8, 2, 2)))
    >>> bool((y == y[:, :, :1, :1]).all())
    True
    """

    def mask_shape(self, x: Tensor) -> Shape:
        """One draw for each map."""
        if x.ndim < 2:
            raise ValueError(f"expected an input of shape (N, C, …), got {x.shape}")
        return (*x.shape[:2], *(1,) * (x.ndim - 2))


class GaussianNoise(Layer):
    """Adds independent draws from N(0, std²) in training; evaluation changes nothing. ValueError for a negative `std`.

    >>> from autograd_mini import nn
    >>> nn.GaussianNoise(0.3).eval()([1.0, 2.0])
    Tensor([1., 2.])
    """

    def __init__(self, std: float):
        if not std >= 0:
            raise ValueError(f"GaussianNoise: std must be ≥ 0, got {std}")
        self.std = std

    def forward(self, x: TensorLike) -> Tensor:
        x = as_float(x)
        return x + ag.randn(x.shape, dtype=x.dtype) * self.std if self.training else x

    def extra_repr(self) -> str:
        return f"std={self.std}"
