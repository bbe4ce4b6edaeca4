"""Convolutions as layers: a table in which each class names a function of the engine and the layout of its weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor, TensorLike

from .base import Layer, started


class Convolution(Layer):
    """Base of the table: `function` slides windows along `axes` axes, and its weight is (out, in / groups, …) or, `transposed`,
    (in, out / groups, …).

    Weight and bias start as in PyTorch, from U(−1/√fan_in, 1/√fan_in), where fan_in is the second axis times the kernel's size.
    ValueError where channels, groups or the kernel do not fit.

    >>> from autograd_mini import nn
    >>> nn.Conv2d(3, 8, 3, padding=1, bias=False)
    Conv2d(3, 8, kernel_size=(3, 3), padding=1, bias=False)
    """

    function: ClassVar[Callable[..., Tensor]]
    axes: ClassVar[int]
    transposed: ClassVar[bool]

    def __init_subclass__(cls, function: Callable[..., Tensor], axes: int, transposed: bool = False):
        super().__init_subclass__()
        cls.function, cls.axes, cls.transposed = staticmethod(function), axes, transposed

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        settings: dict[str, Any],
        bias: bool,
        dtype: DTypeLike | None,
    ):
        kernel = (kernel_size,) * self.axes if isinstance(kernel_size, int) else tuple(kernel_size)
        groups = settings["groups"]
        kind = type(self).__name__
        if len(kernel) != self.axes or min(kernel) < 1:
            raise ValueError(f"{kind}: kernel_size must be {self.axes} lengths ≥ 1, got {kernel_size}")
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{kind}: {in_channels} channels in and {out_channels} out cannot be split into {groups} groups")
        self.in_channels, self.out_channels, self.kernel_size, self.settings = in_channels, out_channels, kernel, settings
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight, self.bias = started((first, second // groups, *kernel), out_channels if bias else None, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return self.function(x, self.weight, self.bias, **self.settings)

    def extra_repr(self) -> str:
        plain = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        notes = [f"{name}={value!r}" for name, value in self.settings.items() if value != plain[name]]
        notes += ["bias=False"] * (self.bias is None)
        return ", ".join([f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", *notes])


class Conv1d(Convolution, function=ag.conv1d, axes=1):
    """Convolution of series: (N, in, L) → (N, out, L′) with L′ = ⌊(L + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1.

    `weight` is (out, in / groups, k), `bias` (out,) or None. `padding` is an int, "same" or "valid". See `ag.conv1d`.

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
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, kernel_size, settings, bias, dtype)


class Conv2d(Convolution, function=ag.conv2d, axes=2):
    """Convolution of images: (N, in, H, W) → (N, out, H′, W′) with H′ = ⌊(H + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1.

    `weight` is (out, in / groups, kh, kw), `bias` (out,) or None. Kernel, stride, padding and dilation are ints or (h, w);
    `padding` may be "same" or "valid". See `ag.conv2d`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.Conv2d(1, 32, 3, stride=2, padding=1)(np.zeros((5, 1, 28, 28))).shape
    (5, 32, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, kernel_size, settings, bias, dtype)


class ConvTranspose2d(Convolution, function=ag.conv_transpose2d, axes=2, transposed=True):
    """Transposed convolution: (N, in, H, W) → (N, out, H′, W′), H′ = (H − 1) stride − 2 padding + dilation (k − 1) + 1
    + output_padding.

    `weight` is (in, out / groups, kh, kw), `bias` (out,) or None. See `ag.conv_transpose2d`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.ConvTranspose2d(100, 64, 4, stride=2, padding=1)(np.zeros((5, 100, 7, 7))).shape
    (5, 64, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        *,
        dtype: DTypeLike | None = None,
    ):
        settings = {
            "stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation, "groups": groups,
        }  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, settings, bias, dtype)
