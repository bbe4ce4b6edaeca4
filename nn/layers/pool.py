"""Pooling as layers: each class names the function that it calls, and its `__init__` lists the settings."""

from __future__ import annotations

from collections.abc import Sequence

import autograd_mini as ag
from autograd_mini.ops.neural.windows import AdaptiveSize, OneOrThree, OneOrTwo
from autograd_mini.tensor import Tensor, TensorLike

from .base import FunctionLayer

# -- maxima --------------------------------------------------------------------------------------------------------------------


class MaxPool1d(FunctionLayer, function=ag.max_pool1d):
    """Largest element of each window: (N, C, L) → (N, C, L′). See `ag.max_pool1d`.

    Parameters
    ----------
    kernel_size     length of the window
    stride          distance between windows; None: `kernel_size`
    padding         border around the series, which never holds the maximum
    dilation        distance between the elements of a window
    return_indices  return the maxima and where they are, for `MaxUnpool1d`
    ceil_mode       keep a last window that only partly fits

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.MaxPool1d(2)([[[1.0, 2.0, 4.0, 3.0]]])
    Tensor([[[2., 4.]]], shape=(1, 1, 2))
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode


class MaxPool2d(FunctionLayer, function=ag.max_pool2d):
    """Largest pixel of each window: (N, C, H, W) → (N, C, H′, W′). See `ag.max_pool2d`.

    Parameters
    ----------
    kernel_size     height and width of the window
    stride          distance between windows; None: `kernel_size`
    padding         border around the image, which never holds the maximum
    dilation        distance between the pixels of a window
    return_indices  return the maxima and where they are, for `MaxUnpool2d`
    ceil_mode       keep a last window that only partly fits

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.MaxPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: OneOrTwo,
        stride: OneOrTwo | None = None,
        padding: OneOrTwo = 0,
        dilation: OneOrTwo = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode


class MaxPool3d(FunctionLayer, function=ag.max_pool3d):
    """Largest voxel of each window: (N, C, D, H, W) → (N, C, D′, H′, W′). See `ag.max_pool3d`.

    Parameters
    ----------
    kernel_size     depth, height and width of the window
    stride          distance between windows; None: `kernel_size`
    padding         border around the volume, which never holds the maximum
    dilation        distance between the voxels of a window
    return_indices  return the maxima and where they are, for `MaxUnpool3d`
    ceil_mode       keep a last window that only partly fits

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.MaxPool3d((1, 2, 2))([[[[[1.0, 2.0], [4.0, 3.0]]]]])
    Tensor([[[[[4.]]]]], shape=(1, 1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: OneOrThree,
        stride: OneOrThree | None = None,
        padding: OneOrThree = 0,
        dilation: OneOrThree = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode


class AdaptiveMaxPool1d(FunctionLayer, function=ag.adaptive_max_pool1d):
    """Maxima of `output_size` windows that cover the series: (N, C, L) → (N, C, output_size). See `ag.adaptive_max_pool1d`.

    With `return_indices`, the result is a pair: the maxima and where they are.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveMaxPool1d(1)([[[1.0, 2.0, 4.0, 3.0]]])
    Tensor([[[4.]]], shape=(1, 1, 1))
    """

    def __init__(self, output_size: int, return_indices: bool = False):
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool2d(FunctionLayer, function=ag.adaptive_max_pool2d):
    """Maxima of `output_size` windows that cover the image: (N, C, H, W) → (N, C, h, w). See `ag.adaptive_max_pool2d`.

    With `return_indices`, the result is a pair: the maxima and where they are.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveMaxPool2d(1)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[4.]]]], shape=(1, 1, 1, 1))
    """

    def __init__(self, output_size: AdaptiveSize, return_indices: bool = False):
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool3d(FunctionLayer, function=ag.adaptive_max_pool3d):
    """Maxima of `output_size` windows that cover the volume: (N, C, D, H, W) → (N, C, d, h, w). See `ag.adaptive_max_pool3d`.

    With `return_indices`, the result is a pair: the maxima and where they are.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveMaxPool3d(1)([[[[[1.0, 2.0], [4.0, 3.0]]]]])
    Tensor([[[[[4.]]]]], shape=(1, 1, 1, 1, 1))
    """

    def __init__(self, output_size: AdaptiveSize, return_indices: bool = False):
        self.output_size, self.return_indices = output_size, return_indices


class _MaxUnpool(FunctionLayer):
    """Base of the layers that invert max pooling: they are called with the maxima and their indices."""

    def forward(  # type: ignore[override]
        self, x: TensorLike, indices: TensorLike, output_size: int | Sequence[int] | None = None
    ) -> Tensor:
        return self.function(x, indices, **self.settings, output_size=output_size)


class MaxUnpool1d(_MaxUnpool, function=ag.max_unpool1d):
    """Puts the results of `MaxPool1d(…, return_indices=True)` back to their places among zeros.

    `kernel_size`, `stride` and `padding` are those of that layer. See `ag.max_unpool1d`.

    >>> from autograd_mini import nn
    >>> nn.MaxUnpool1d(2)(*nn.MaxPool1d(2, return_indices=True)([[[1.0, 2.0, 4.0, 3.0]]])).flatten().tolist()
    [0.0, 2.0, 4.0, 0.0]
    """

    def __init__(self, kernel_size: int | tuple[int], stride: int | tuple[int] | None = None, padding: int | tuple[int] = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding


class MaxUnpool2d(_MaxUnpool, function=ag.max_unpool2d):
    """Puts the results of `MaxPool2d(…, return_indices=True)` back to their places among zeros.

    `kernel_size`, `stride` and `padding` are those of that layer. See `ag.max_unpool2d`.

    >>> from autograd_mini import nn
    >>> nn.MaxUnpool2d(2)(*nn.MaxPool2d(2, return_indices=True)([[[[1.0, 2.0], [4.0, 3.0]]]])).flatten().tolist()
    [0.0, 0.0, 4.0, 0.0]
    """

    def __init__(self, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, padding: OneOrTwo = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding


class MaxUnpool3d(_MaxUnpool, function=ag.max_unpool3d):
    """Puts the results of `MaxPool3d(…, return_indices=True)` back to their places among zeros.

    `kernel_size`, `stride` and `padding` are those of that layer. See `ag.max_unpool3d`.

    >>> from autograd_mini import nn
    >>> pool = nn.MaxPool3d((1, 2, 2), return_indices=True)
    >>> nn.MaxUnpool3d((1, 2, 2))(*pool([[[[[1.0, 2.0], [4.0, 3.0]]]]])).flatten().tolist()
    [0.0, 0.0, 4.0, 0.0]
    """

    def __init__(self, kernel_size: OneOrThree, stride: OneOrThree | None = None, padding: OneOrThree = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding


# -- means ---------------------------------------------------------------------------------------------------------------------


class AvgPool1d(FunctionLayer, function=ag.avg_pool1d):
    """Mean element of each window: (N, C, L) → (N, C, L′). See `ag.avg_pool1d`.

    Parameters
    ----------
    kernel_size        length of the window
    stride             distance between windows; None: `kernel_size`
    padding            border of zeros around the series
    ceil_mode          keep a last window that only partly fits
    count_include_pad  count the zeros of the border in the mean

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.AvgPool1d(2)([[[1.0, 2.0, 4.0, 3.0]]])
    Tensor([[[1.5, 3.5]]], shape=(1, 1, 2))
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class AvgPool2d(FunctionLayer, function=ag.avg_pool2d):
    """Mean pixel of each window: (N, C, H, W) → (N, C, H′, W′). See `ag.avg_pool2d`.

    Parameters
    ----------
    kernel_size        height and width of the window
    stride             distance between windows; None: `kernel_size`
    padding            border of zeros around the image
    ceil_mode          keep a last window that only partly fits
    count_include_pad  count the zeros of the border in the mean
    divisor_override   divide the sum of a window by this number instead of the count

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.AvgPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: OneOrTwo,
        stride: OneOrTwo | None = None,
        padding: OneOrTwo = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AvgPool3d(FunctionLayer, function=ag.avg_pool3d):
    """Mean voxel of each window: (N, C, D, H, W) → (N, C, D′, H′, W′). See `ag.avg_pool3d`.

    Parameters
    ----------
    kernel_size        depth, height and width of the window
    stride             distance between windows; None: `kernel_size`
    padding            border of zeros around the volume
    ceil_mode          keep a last window that only partly fits
    count_include_pad  count the zeros of the border in the mean
    divisor_override   divide the sum of a window by this number instead of the count

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.AvgPool3d((1, 2, 2))([[[[[1.0, 2.0], [4.0, 3.0]]]]])
    Tensor([[[[[2.5]]]]], shape=(1, 1, 1, 1, 1))
    """

    def __init__(
        self,
        kernel_size: OneOrThree,
        stride: OneOrThree | None = None,
        padding: OneOrThree = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AdaptiveAvgPool1d(FunctionLayer, function=ag.adaptive_avg_pool1d):
    """Means of `output_size` windows that cover the series: (N, C, L) → (N, C, output_size). See `ag.adaptive_avg_pool1d`.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveAvgPool1d(1)([[[1.0, 2.0, 4.0, 3.0]]])
    Tensor([[[2.5]]], shape=(1, 1, 1))
    """

    def __init__(self, output_size: int):
        self.output_size = output_size


class AdaptiveAvgPool2d(FunctionLayer, function=ag.adaptive_avg_pool2d):
    """Means of `output_size` windows that cover the image: (N, C, H, W) → (N, C, h, w). See `ag.adaptive_avg_pool2d`.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveAvgPool2d(1)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]], shape=(1, 1, 1, 1))
    """

    def __init__(self, output_size: AdaptiveSize):
        self.output_size = output_size


class AdaptiveAvgPool3d(FunctionLayer, function=ag.adaptive_avg_pool3d):
    """Means of `output_size` windows that cover the volume: (N, C, D, H, W) → (N, C, d, h, w). See `ag.adaptive_avg_pool3d`.

    >>> from autograd_mini import nn
    >>> nn.AdaptiveAvgPool3d(1)([[[[[1.0, 2.0], [4.0, 3.0]]]]])
    Tensor([[[[[2.5]]]]], shape=(1, 1, 1, 1, 1))
    """

    def __init__(self, output_size: AdaptiveSize):
        self.output_size = output_size
