"""Pooling and upsampling as layers: a table in which each class names a function of the engine and its settings."""

from __future__ import annotations

import autograd_mini as ag

from .base import Applied


class MaxPool2d(
    Applied,
    function=ag.max_pool2d,
    kernel_size=...,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
):
    """The largest pixel of every window: (N, C, H, W) → (N, C, H′, W′). `stride` defaults to `kernel_size`.

    See `ag.max_pool2d`.

    >>> from autograd_mini import nn
    >>> nn.MaxPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    """


class AvgPool2d(
    Applied,
    function=ag.avg_pool2d,
    kernel_size=...,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
):
    """The mean pixel of every window: (N, C, H, W) → (N, C, H′, W′). `stride` defaults to `kernel_size`.

    See `ag.avg_pool2d`.

    >>> from autograd_mini import nn
    >>> nn.AvgPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """


class AdaptiveAvgPool2d(Applied, function=ag.adaptive_avg_pool2d, output_size=...):
    """Means over a grid of `output_size` (an int, or h, w) windows: (N, C, H, W) → (N, C, h, w). See `ag.adaptive_avg_pool2d`.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveAvgPool2d(1)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """


class Upsample(
    Applied,
    function=ag.upsample,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=False,
):
    """Images (N, C, H, W) enlarged to `size` (h, w) or by `scale_factor`; the mode is "nearest", "bilinear" or "asymmetric".

    See `ag.upsample`.

    >>> from autograd_mini import nn
    >>> nn.Upsample(scale_factor=(1, 2), mode="asymmetric")([[[[1.0, 3.0]]]])
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """
