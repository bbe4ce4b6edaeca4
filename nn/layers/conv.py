"""Convolutions as layers: each class names the function that it calls and the layout of its weight."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import ClassVar

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_float
from autograd_mini.ops.neural.windows import OneOrThree, OneOrTwo, int_lengths, padding_pairs
from autograd_mini.tensor import Tensor, TensorLike

from .base import FunctionLayer, weight_and_bias
from .padding import MODES, pad


class Convolution(FunctionLayer):
    """Base of the convolutions: `function` slides windows along `axes` axes.

    The weight is (out, in / groups, …), or (in, out / groups, …) if `transposed`. Weight and bias start from
    U(−1/√fan_in, 1/√fan_in) as in PyTorch; fan_in is the second axis of the weight times the kernel's size.

    >>> from autograd_mini import nn
    >>> nn.Conv2d(3, 8, 3, padding=1, bias=False)
    Conv2d(3, 8, kernel_size=(3, 3), padding=1, bias=False)
    """

    axes: ClassVar[int]
    transposed: ClassVar[bool]

    def __init_subclass__(cls, function: Callable[..., Tensor], axes: int, transposed: bool = False):
        super().__init_subclass__(function)
        not_settings = ("in_channels", "out_channels", "kernel_size", "bias", "padding_mode", "dtype")
        cls.setting_names = tuple(name for name in cls.setting_names if name not in not_settings)
        cls.axes, cls.transposed = axes, transposed

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: DTypeLike | None,
    ):
        kind = type(self).__name__
        kernel = int_lengths(kind, "kernel_size", kernel_size, 1, self.axes)
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{kind}: expected in_channels and out_channels to be positive multiples of groups, "
                f"got in_channels={in_channels}, out_channels={out_channels}, groups={groups}"
            )
        modes = ["zeros"] if self.transposed else ["zeros", *(mode for mode in MODES if mode != "constant")]
        if padding_mode not in modes:
            raise ValueError(f"{kind}: expected padding_mode to be {' or '.join(map(repr, modes))}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.kernel_size, self.groups = in_channels, out_channels, kernel, groups
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight, self.bias = weight_and_bias((first, second // groups, *kernel), out_channels if bias else None, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        if self.padding_mode == "zeros":
            return self.function(x, self.weight, self.bias, **self.settings)
        return self.function(self._pad(as_float(x)), self.weight, self.bias, **{**self.settings, "padding": 0})

    def _pad(self, x: Tensor) -> Tensor:
        """Pads each axis by copies of the input, where the function itself would pad by zeros."""
        kind, settings = type(self).__name__, self.settings
        stride, dilation = (int_lengths(kind, key, settings[key], 1, self.axes) for key in ("stride", "dilation"))
        pairs = padding_pairs(kind, settings["padding"], self.kernel_size, stride, dilation)
        return pad(x, [n for pair in reversed(pairs) for n in pair], self.padding_mode)

    def extra_repr(self) -> str:
        parameters = signature(type(self)).parameters
        shown = [f"{name}={value!r}" for name, value in self.settings.items() if value != parameters[name].default]
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode!r}")
        return ", ".join([f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", *shown])


class Conv1d(Convolution, function=ag.conv1d, axes=1):
    """Convolution of series: (N, in, L) → (N, out, L′) with L′ = ⌊(L + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1.

    See `ag.conv1d`. `weight` is (out, in / groups, k), `bias` (out,) or None.

    Parameters
    ----------
    in_channels   channels of the input
    out_channels  channels of the output
    kernel_size   length k of the window
    stride        distance between windows
    padding       zeros at each end, or "same" or "valid"
    dilation      distance between the entries of a window
    groups        number of groups into which the channels are split; each output sees one group
    bias          whether to add a bias
    padding_mode  "zeros", or what to pad with instead: "reflect", "replicate" or "circular"
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Conv1d(2, 4, 3, padding="same")(np.zeros((5, 2, 7))).shape
    (5, 4, 7)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] | str = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.dilation = stride, padding, dilation


class Conv2d(Convolution, function=ag.conv2d, axes=2):
    """Convolution of images: (N, in, H, W) → (N, out, H′, W′) with H′ = ⌊(H + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1.

    See `ag.conv2d`. `weight` is (out, in / groups, kh, kw), `bias` (out,) or None. Lengths are an int, or a pair (h, w).

    Parameters
    ----------
    in_channels   channels of the input
    out_channels  channels of the output
    kernel_size   height and width of the window
    stride        distance between windows
    padding       zeros at each side, or "same" or "valid"
    dilation      distance between the pixels of a window
    groups        number of groups into which the channels are split; each output sees one group
    bias          whether to add a bias
    padding_mode  "zeros", or what to pad with instead: "reflect", "replicate" or "circular"
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Conv2d(1, 32, 3, stride=2, padding=1)(np.zeros((5, 1, 28, 28))).shape
    (5, 32, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrTwo,
        stride: OneOrTwo = 1,
        padding: OneOrTwo | str = 0,
        dilation: OneOrTwo = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.dilation = stride, padding, dilation


class Conv3d(Convolution, function=ag.conv3d, axes=3):
    """Convolution of volumes: (N, in, D, H, W) → (N, out, D′, H′, W′), with lengths as in `Conv2d`.

    See `ag.conv3d`. `weight` is (out, in / groups, kd, kh, kw), `bias` (out,) or None. Lengths are an int, or (d, h, w).

    Parameters
    ----------
    in_channels   channels of the input
    out_channels  channels of the output
    kernel_size   depth, height and width of the window
    stride        distance between windows
    padding       zeros at each side, or "same" or "valid"
    dilation      distance between the voxels of a window
    groups        number of groups into which the channels are split; each output sees one group
    bias          whether to add a bias
    padding_mode  "zeros", or what to pad with instead: "reflect", "replicate" or "circular"
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Conv3d(1, 8, 3, stride=(1, 2, 2), padding=1)(np.zeros((5, 1, 4, 8, 8))).shape
    (5, 8, 4, 4, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrThree,
        stride: OneOrThree = 1,
        padding: OneOrThree | str = 0,
        dilation: OneOrThree = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.dilation = stride, padding, dilation


class ConvTranspose1d(Convolution, function=ag.conv_transpose1d, axes=1, transposed=True):
    """Transposed convolution: (N, in, L) → (N, out, L′), L′ = (L − 1) stride − 2 padding + dilation (k − 1) + 1
    + output_padding.

    See `ag.conv_transpose1d`. `weight` is (in, out / groups, k), `bias` (out,) or None.

    Parameters
    ----------
    in_channels     channels of the input
    out_channels    channels of the output
    kernel_size     length k of the window
    stride          distance between the windows in the output
    padding         entries removed at each side of the output
    output_padding  entries added at the end of each axis of the output; below `stride` or `dilation`
    groups          number of groups into which the channels are split; each output sees one group
    bias            whether to add a bias
    dilation        distance between the entries of a window
    padding_mode    only "zeros"
    dtype           dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1)(np.zeros((5, 4, 7))).shape
    (5, 2, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        output_padding: int | tuple[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int] = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation


class ConvTranspose2d(Convolution, function=ag.conv_transpose2d, axes=2, transposed=True):
    """Transposed convolution: (N, in, H, W) → (N, out, H′, W′), H′ = (H − 1) stride − 2 padding + dilation (k − 1) + 1
    + output_padding.

    See `ag.conv_transpose2d`. `weight` is (in, out / groups, kh, kw), `bias` (out,) or None. Lengths are an int, or (h, w).

    Parameters
    ----------
    in_channels     channels of the input
    out_channels    channels of the output
    kernel_size     height and width of the window
    stride          distance between the windows in the output
    padding         rows and columns removed at each side of the output
    output_padding  rows and columns added at the end of each axis of the output; below `stride` or `dilation`
    groups          number of groups into which the channels are split; each output sees one group
    bias            whether to add a bias
    dilation        distance between the pixels of a window
    padding_mode    only "zeros"
    dtype           dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.ConvTranspose2d(100, 64, 4, stride=2, padding=1)(np.zeros((5, 100, 7, 7))).shape
    (5, 64, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrTwo,
        stride: OneOrTwo = 1,
        padding: OneOrTwo = 0,
        output_padding: OneOrTwo = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: OneOrTwo = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation


class ConvTranspose3d(Convolution, function=ag.conv_transpose3d, axes=3, transposed=True):
    """Transposed convolution: (N, in, D, H, W) → (N, out, D′, H′, W′), with lengths as in `ConvTranspose2d`.

    See `ag.conv_transpose3d`. `weight` is (in, out / groups, kd, kh, kw), `bias` (out,) or None.

    Parameters
    ----------
    in_channels     channels of the input
    out_channels    channels of the output
    kernel_size     depth, height and width of the window
    stride          distance between the windows in the output
    padding         layers, rows and columns removed at each side of the output
    output_padding  layers, rows and columns added at the end of each axis of the output; below `stride` or `dilation`
    groups          number of groups into which the channels are split; each output sees one group
    bias            whether to add a bias
    dilation        distance between the voxels of a window
    padding_mode    only "zeros"
    dtype           dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.ConvTranspose3d(4, 2, 4, stride=2, padding=1)(np.zeros((5, 4, 3, 3, 3))).shape
    (5, 2, 6, 6, 6)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrThree,
        stride: OneOrThree = 1,
        padding: OneOrThree = 0,
        output_padding: OneOrThree = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: OneOrThree = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, padding_mode, dtype)
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation
