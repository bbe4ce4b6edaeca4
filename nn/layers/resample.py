"""Layers that change the size of images: interpolation, pixels moved between channels and space, windows as columns."""

from __future__ import annotations

from collections.abc import Sequence

import autograd_mini as ag
from autograd_mini.ops.neural.windows import OneOrTwo

from .base import FunctionLayer

# -- interpolation -------------------------------------------------------------------------------------------------------------


class Upsample(FunctionLayer, function=ag.upsample):
    """Resizes series, images or volumes, either to `size` or by `scale_factor`. See `ag.interpolate`.

    Parameters
    ----------
    size                    output size, an int or one for each axis
    scale_factor            factor on each length, a number or one for each axis
    mode                    "nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area" or "asymmetric"
    align_corners           whether the corner pixels of input and output are at the same place
    recompute_scale_factor  compute the sources from the sizes instead of `scale_factor`

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.Upsample(scale_factor=(1, 2), mode="asymmetric")([[[[1.0, 3.0]]]])
    Tensor([[[[1., 2., 3., 3.]]]], shape=(1, 1, 1, 4))
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items() if value is not None)


# -- pixels --------------------------------------------------------------------------------------------------------------------


class PixelShuffle(FunctionLayer, function=ag.pixel_shuffle):
    """Makes blocks of r × r pixels from groups of r² channels, r = `upscale_factor`: (…, C · r², H, W) → (…, C, H · r, W · r).

    See `ag.pixel_shuffle`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.PixelShuffle(2)(np.zeros((5, 12, 4, 4))).shape
    (5, 3, 8, 8)
    """

    def __init__(self, upscale_factor: int):
        self.upscale_factor = upscale_factor


class PixelUnshuffle(FunctionLayer, function=ag.pixel_unshuffle):
    """The inverse of `PixelShuffle`, r = `downscale_factor`: (…, C, H · r, W · r) → (…, C · r², H, W).

    See `ag.pixel_unshuffle`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.PixelUnshuffle(2)(np.zeros((5, 3, 8, 8))).shape
    (5, 12, 4, 4)
    """

    def __init__(self, downscale_factor: int):
        self.downscale_factor = downscale_factor


class Unfold(FunctionLayer, function=ag.unfold):
    """Windows of images as columns: (N, C, H, W) → (N, C · kh · kw, windows). See `ag.unfold`.

    Parameters
    ----------
    kernel_size  height and width of the window
    dilation     distance between the pixels of a window
    padding      zeros at each side
    stride       distance between windows

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Unfold(3, padding=1)(np.zeros((5, 2, 8, 8))).shape
    (5, 18, 64)
    """

    def __init__(self, kernel_size: OneOrTwo, dilation: OneOrTwo = 1, padding: OneOrTwo = 0, stride: OneOrTwo = 1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride


class Fold(FunctionLayer, function=ag.fold):
    """Adds columns up to images of `output_size`: (N, C · kh · kw, windows) → (N, C, h, w). See `ag.fold`.

    Parameters
    ----------
    output_size  height and width of the images
    kernel_size  height and width of the window
    dilation     distance between the pixels of a window
    padding      zeros at each side
    stride       distance between windows

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Fold(8, 3, padding=1)(np.zeros((5, 18, 64))).shape
    (5, 2, 8, 8)
    """

    def __init__(
        self,
        output_size: OneOrTwo,
        kernel_size: OneOrTwo,
        dilation: OneOrTwo = 1,
        padding: OneOrTwo = 0,
        stride: OneOrTwo = 1,
    ):
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride
