"""Pooling and upsampling as layers: each class names the function that it calls, and its `__init__` lists the settings."""

from __future__ import annotations

import autograd_mini as ag

from .base import FunctionLayer

Pair = tuple[int, int]


class MaxPool2d(FunctionLayer, function=ag.max_pool2d):
    """Largest pixel of each window: (N, C, H, W) → (N, C, H′, W′). Lengths are an int, or a pair (h, w); see `ag.max_pool2d`.

    Parameters
    ----------
    kernel_size  height and width of the window
    stride       distance between windows; None: `kernel_size`
    padding      border around the image, which never holds the maximum
    dilation     distance between the pixels of a window
    ceil_mode    keep a last window that only partly fits

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.MaxPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        ceil_mode: bool = False,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode


class AvgPool2d(FunctionLayer, function=ag.avg_pool2d):
    """Mean pixel of each window: (N, C, H, W) → (N, C, H′, W′). Lengths are an int, or a pair (h, w); see `ag.avg_pool2d`.

    Parameters
    ----------
    kernel_size        height and width of the window
    stride             distance between windows; None: `kernel_size`
    padding            border of zeros around the image
    ceil_mode          keep a last window that only partly fits
    count_include_pad  count the zeros of the border in the mean

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.AvgPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class AdaptiveAvgPool2d(FunctionLayer, function=ag.adaptive_avg_pool2d):
    """Means over a grid of `output_size` windows, an int or (h, w): (N, C, H, W) → (N, C, h, w). See `ag.adaptive_avg_pool2d`.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveAvgPool2d(1)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """

    def __init__(self, output_size: int | Pair):
        self.output_size = output_size


class Upsample(FunctionLayer, function=ag.upsample):
    """Enlarges images (N, C, H, W), either to `size` or by `scale_factor`. See `ag.upsample`.

    Parameters
    ----------
    size           output size, an int or a pair (h, w)
    scale_factor   factor on height and width, a number or a pair
    mode           "nearest", "bilinear" or "asymmetric"
    align_corners  whether "bilinear" maps corner pixels onto corner pixels

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.Upsample(scale_factor=(1, 2), mode="asymmetric")([[[[1.0, 3.0]]]])
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """

    def __init__(
        self,
        size: int | Pair | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ):
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners
