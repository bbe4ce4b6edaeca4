"""Convolution and transposed convolution of series, images and volumes. `conv_kernels.py` has the kernels."""

from __future__ import annotations

from typing import Any

from ...apply import apply, as_float, as_operands
from ...tensor import Tensor, TensorLike
from ...tools.arguments import one_int
from ..shape import reshape
from .conv_kernels import FAMILIES
from .windows import SHAPES, OneOrThree, OneOrTwo, int_lengths, padding_pairs, windows_out

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


def _operands(name: str, axes: int, x: TensorLike, weight: TensorLike, bias: TensorLike | None) -> tuple[Tensor, ...]:
    """Converts the operands to floating tensors of one dtype."""
    operands = as_operands(x, weight) if bias is None else as_operands(x, weight, bias)
    image, kernel = (t._data.shape for t in operands[:2])
    if len(image) not in (axes + 2, axes + 1) or len(kernel) != axes + 2:
        raise ValueError(
            f"{name}: expected an input of shape (N, {SHAPES[axes]}) or ({SHAPES[axes]}) and a weight with {axes + 2} axes, "
            f"got {image} and {kernel}"
        )
    return tuple(map(as_float, operands))


def _run(transposed: bool, axes: int, operands: tuple[Tensor, ...], params: dict[str, Any]) -> Tensor:
    """Applies the primitive; an image without a batch axis gives one without a batch axis."""
    primitive, (x, *others) = FAMILIES[axes][transposed], operands
    if x._data.ndim == axes + 2:
        return apply(primitive, operands, params)
    y = apply(primitive, (reshape(x, 1, *x._data.shape), *others), params)
    return reshape(y, y._data.shape[1:])


def _check_channels(name: str, operands: tuple[Tensor, ...], groups: int, needed: int, out: int) -> None:
    """Raises ValueError unless x has `needed` channels and the bias `out` elements, and groups divide the filters."""
    x, weight = (t._data.shape for t in operands[:2])
    if groups < 1 or weight[0] % groups:
        raise ValueError(f"{name}: cannot split {weight[0]} filters into groups={groups} (weight {weight})")
    if x[1 - len(weight)] != needed:
        raise ValueError(f"{name}: weight {weight} with {groups} groups needs {needed} input channels, got input {x}")
    if len(operands) > 2 and operands[2]._data.shape != (out,):
        raise ValueError(f"{name}: weight {weight} needs a bias of shape ({out},), got {operands[2]._data.shape}")


def _convolve(
    axes: int,
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    name = f"conv{axes}d"
    operands = _operands(name, axes, x, weight, bias)
    image, shape = (t._data.shape for t in operands[:2])
    groups = one_int(name, "groups", groups)
    _check_channels(name, operands, groups, shape[1] * groups, shape[0])
    steps, dilations = int_lengths(name, "stride", stride, 1, axes), int_lengths(name, "dilation", dilation, 1, axes)
    pads = padding_pairs(name, padding, shape[2:], steps, dilations)
    out = tuple(map(windows_out, image[-axes:], shape[2:], steps, pads, dilations))
    if min(out) < 1 or min(shape[2:]) < 1:
        raise ValueError(
            f"{name}: kernel {shape[2:]} with dilation {dilations} does not fit into input {image} with padding {pads}"
        )
    return _run(False, axes, operands, {"stride": steps, "padding": pads, "dilation": dilations, "groups": groups})


def _convolve_transposed(
    axes: int,
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{axes}d"
    operands = _operands(name, axes, x, weight, bias)
    maps, shape = (t._data.shape for t in operands[:2])
    groups = one_int(name, "groups", groups)
    _check_channels(name, operands, groups, shape[0], shape[1] * groups)
    steps, dilations = int_lengths(name, "stride", stride, 1, axes), int_lengths(name, "dilation", dilation, 1, axes)
    extra = int_lengths(name, "output_padding", output_padding, 0, axes)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, dilations, strict=True)):
        raise ValueError(f"{name}: output_padding {extra} must be smaller than stride {steps} or dilation {dilations}")
    cut = padding_pairs(name, padding, shape[2:], steps, dilations)
    pads = tuple((before, after - e) for (before, after), e in zip(cut, extra, strict=True))
    size = tuple(
        (n - 1) * s - sum(p) + d * (k - 1) + 1
        for n, s, p, d, k in zip(maps[-axes:], steps, pads, dilations, shape[2:], strict=True)
    )
    if min(size) < 1 or min(maps[-axes:]) < 1 or min(shape[2:]) < 1:
        raise ValueError(f"{name}: input {maps} with weight {shape} and padding {pads} gives an image of size {size}")
    params = {"size": size, "stride": steps, "padding": pads, "dilation": dilations, "groups": groups}
    return _run(True, axes, operands, params)


# -- convolutions --------------------------------------------------------------------------------------------------------------


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: OneOrTwo = 1,
    padding: OneOrTwo | str = 0,
    dilation: OneOrTwo = 1,
    groups: int = 1,
) -> Tensor:
    """2-D cross-correlation: (N, C, H, W) with weight (O, C / groups, kh, kw) and bias (O,) gives (N, O, H′, W′).

    y[o, i, j] = bias[o] + Σ w[o, c, a, b] · x[c, i·stride + a·dilation − padding, j·stride + b·dilation − padding], with
    H′ = ⌊(H + 2 padding − dilation (kh − 1) − 1) / stride⌋ + 1. Raises ValueError if channels, groups or sizes do not fit.
    Gradients: for x the transposed convolution of δ with w, for w the correlation of x with δ, for the bias Σ δ.

    Parameters
    ----------
    x, weight, bias : images, or one image (C, H, W); filters; a number per filter
    stride : step between windows, an int or (h, w)
    padding : zeros around the image, an int or (h, w); "valid" (none) or "same" (H′ = H, for stride 1)
    dilation : step between the pixels of a window, an int or (h, w)
    groups : number of groups of channels that are convolved separately

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x = ag.Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    >>> ag.conv2d(x, [[[[1.0, -1.0]]]])
    Tensor([[[[-1., -1.],
              [-1., -1.]]]], shape=(1, 1, 2, 2))
    """
    return _convolve(2, x, weight, bias, stride, padding, dilation, groups)


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """1-D cross-correlation: (N, C, L) with weight (O, C / groups, k) and bias (O,) gives (N, O, L′).

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : as in `conv2d`, with one length for the two

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv1d([[[1.0, 2.0, 4.0]]], [[[-1.0, 1.0]]])
    Tensor([[[1., 2.]]], shape=(1, 1, 2))
    """
    return _convolve(1, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: OneOrThree = 1,
    padding: OneOrThree | str = 0,
    dilation: OneOrThree = 1,
    groups: int = 1,
) -> Tensor:
    """3-D cross-correlation: (N, C, D, H, W) with weight (O, C / groups, kd, kh, kw) and bias (O,) gives (N, O, D′, H′, W′).

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : as in `conv2d`, with (d, h, w) instead of (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv3d(ag.ones((1, 1, 4, 4, 4)), ag.ones((2, 1, 3, 3, 3)), padding=1, stride=2)[0, 0, 0]
    Tensor([[ 8., 12.],
            [12., 18.]], shape=(2, 2))
    """
    return _convolve(3, x, weight, bias, stride, padding, dilation, groups)


# -- transposed convolutions ---------------------------------------------------------------------------------------------------


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: OneOrTwo = 1,
    padding: OneOrTwo = 0,
    output_padding: OneOrTwo = 0,
    groups: int = 1,
    dilation: OneOrTwo = 1,
) -> Tensor:
    """Transposed convolution, the input gradient of `conv2d`: (N, C, H, W), weight (C, O / groups, kh, kw) → (N, O, H′, W′).

    H′ = (H − 1) stride − 2 padding + dilation (kh − 1) + 1 + output_padding.
    Raises ValueError if channels, groups or sizes do not fit.

    Parameters
    ----------
    x, weight, bias, stride, dilation, groups : as in `conv2d`
    padding : the padding of that `conv2d`, an int or (h, w); it is cut off here
    output_padding : below `stride` or `dilation`; further rows and columns at the end. Below `stride`, it selects one of the
        sizes that `conv2d` maps to H

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv_transpose2d([[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]], stride=(1, 2))
    Tensor([[[[ 1., 10.,  2., 20.]]]], shape=(1, 1, 1, 4))
    """
    return _convolve_transposed(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    output_padding: int | tuple[int] = 0,
    groups: int = 1,
    dilation: int | tuple[int] = 1,
) -> Tensor:
    """Transposed convolution, the input gradient of `conv1d`: (N, C, L) with weight (C, O / groups, k) gives (N, O, L′).

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation : as in `conv_transpose2d`, with one length for the two

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv_transpose1d([[[1.0, 2.0]]], [[[1.0, 10.0, 100.0]]], stride=2)
    Tensor([[[  1.,  10., 102.,  20., 200.]]], shape=(1, 1, 5))
    """
    return _convolve_transposed(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: OneOrThree = 1,
    padding: OneOrThree = 0,
    output_padding: OneOrThree = 0,
    groups: int = 1,
    dilation: OneOrThree = 1,
) -> Tensor:
    """Transposed convolution, the input gradient of `conv3d`: (N, C, D, H, W), weight (C, O / groups, kd, kh, kw).

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation : as in `conv_transpose2d`, with (d, h, w) for (h, w)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.conv_transpose3d(ag.ones((1, 4, 2, 2, 2)), ag.ones((4, 3, 2, 2, 2)), stride=2).shape
    (1, 3, 4, 4, 4)
    """
    return _convolve_transposed(3, x, weight, bias, stride, padding, output_padding, groups, dilation)
