"""Functions and layers of series, images and volumes with their operands, for tests of all public functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd_mini as ag
from autograd_mini import Tensor, nn

SERIES, IMAGE, VOLUME = (2, 1, 5), (2, 1, 4, 4), (2, 1, 2, 4, 3)

IMAGE_CALLS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "adaptive_avg_pool2d": (lambda x: ag.adaptive_avg_pool2d(x, 3), (IMAGE,)),
    "avg_pool2d": (lambda x: ag.avg_pool2d(x, 2), (IMAGE,)),
    "conv1d": (ag.conv1d, (SERIES, (2, 1, 3), (2,))),
    "conv2d": (ag.conv2d, (IMAGE, (2, 1, 3, 3), (2,))),
    "conv3d": (ag.conv3d, (VOLUME, (2, 1, 1, 3, 2), (2,))),
    "conv_transpose1d": (ag.conv_transpose1d, (SERIES, (1, 2, 3), (2,))),
    "conv_transpose2d": (ag.conv_transpose2d, (IMAGE, (1, 2, 3, 3), (2,))),
    "conv_transpose3d": (ag.conv_transpose3d, (VOLUME, (1, 2, 1, 3, 2), (2,))),
    "max_pool1d": (lambda x: ag.max_pool1d(x, 3, 2, 1, return_indices=True), (SERIES,)),
    "max_pool2d": (lambda x: ag.max_pool2d(x, 2), (IMAGE,)),
    "max_pool3d": (lambda x: ag.max_pool3d(x, 2, ceil_mode=True), (VOLUME,)),
    "adaptive_max_pool1d": (lambda x: ag.adaptive_max_pool1d(x, 3, return_indices=True), (SERIES,)),
    "adaptive_max_pool2d": (lambda x: ag.adaptive_max_pool2d(x, 3), (IMAGE,)),
    "adaptive_max_pool3d": (lambda x: ag.adaptive_max_pool3d(x, (1, 2, 3)), (VOLUME,)),
    "max_unpool1d": (lambda x: ag.max_unpool1d(*ag.max_pool1d(x, 2, return_indices=True), 2), (SERIES,)),
    "max_unpool2d": (lambda x: ag.max_unpool2d(*ag.max_pool2d(x, 2, return_indices=True), 2), (IMAGE,)),
    "max_unpool3d": (
        lambda x: ag.max_unpool3d(*ag.max_pool3d(x, 2, return_indices=True), 2, output_size=VOLUME), (VOLUME,),
    ),
    "adaptive_avg_pool1d": (lambda x: ag.adaptive_avg_pool1d(x, 3), (SERIES,)),
    "adaptive_avg_pool3d": (lambda x: ag.adaptive_avg_pool3d(x, (1, 2, 2)), (VOLUME,)),
    "avg_pool1d": (lambda x: ag.avg_pool1d(x, 2), (SERIES,)),
    "avg_pool3d": (lambda x: ag.avg_pool3d(x, 2, padding=1, divisor_override=3), (VOLUME,)),
    "fold": (lambda x: ag.fold(ag.unfold(x, 3, padding=1), 4, 3, padding=1), (IMAGE,)),
    "unfold": (lambda x: ag.unfold(x, 2, stride=2), (IMAGE,)),
    "interpolate": (lambda x: ag.interpolate(x, (3, 7), mode="bicubic", antialias=True), (IMAGE,)),
    "pixel_shuffle": (lambda x: ag.pixel_shuffle(ag.reshape(x, 2, 4, 2, 2), 2), (IMAGE,)),
    "pixel_unshuffle": (lambda x: ag.pixel_unshuffle(x, 2), (IMAGE,)),
    "pad by copies": (lambda x: ag.pad(x, ((0, 0), (0, 0), (3, 1), (1, 2)), mode="reflect"), (IMAGE,)),
    "upsample": (lambda x: ag.upsample(x, 2, mode="bilinear"), (IMAGE,)),
}  # fmt: skip

POOLS = ("AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool")


class UnpoolNet(nn.Module):
    """Max pooling and its inverse."""

    def __init__(self, axes: int):
        self.pool = getattr(nn, f"MaxPool{axes}d")(2, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{axes}d")(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.unpool(*self.pool(x), output_size=x.shape)


IMAGE_LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((None, 3)), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(1), VOLUME),
    "Conv1d": (lambda: nn.Conv1d(1, 2, 3), (2, 1, 5)),
    "Conv2d": (lambda: nn.Conv2d(1, 2, 3), IMAGE),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2, padding=1, padding_mode="circular"), VOLUME),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(1, 2, 3, dilation=2, output_padding=1), SERIES),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(1, 2, 3), IMAGE),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(1, 2, 2, stride=2), VOLUME),
    "Fold": (lambda: nn.Sequential(nn.Unfold(2), nn.Fold(4, 2)), IMAGE),
    "PixelShuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Tanh(), nn.PixelShuffle(2)), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "Unfold": (lambda: nn.Unfold(2), IMAGE),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    **{f"{name}1d": (lambda f=getattr(nn, f"{name}1d"): f(2), SERIES) for name in POOLS},
    **{f"{name}3d": (lambda f=getattr(nn, f"{name}3d"): f(2), VOLUME) for name in POOLS},
    **{
        f"{name}{axes}d": (lambda f=getattr(nn, f"{name}{axes}d"): f(1), shape)
        for name in ("CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad")
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"ConstantPad{axes}d": (lambda f=getattr(nn, f"ConstantPad{axes}d"): f(1, 0.5), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"MaxUnpool{axes}d": (lambda axes=axes: UnpoolNet(axes), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
}
