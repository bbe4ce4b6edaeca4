"""Normalisation to mean 0 and variance 1: over the batch for each channel, or over the features for each example.

Batch normalisation is one primitive; composed of operations, it would read and write the batch three times as often. With the
mean m over a channel and x̂ = (x − μ) / √(σ² + ε), its gradient is a projection that is its own transpose:

    ∂L/∂x = s · (g − m(g) − x̂ · m(g x̂)),  s = γ / √(σ² + ε);   ∂L/∂γ = Σ g x̂;   ∂L/∂β = Σ g
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...apply import apply, as_floats_or_none, as_number, as_operands
from ...batching import rules
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Shape, Tensor, TensorLike
from ..elementwise import sqrt
from ..reduce import mean as _mean
from ..shape import ints, one_int, reshape
from .channels import as_row, column_dots, column_sums, from_rows, in_float32, per_channel, regroup, store, sum_halves, to_rows

__all__ = [
    "batch_norm", "batch_norm_inference", "group_norm", "instance_norm", "layer_norm", "rms_norm",
]  # fmt: skip

# -- kernels ----------------------------------------------------------------------------------------------------


@in_float32
def _batch_norm(x: Array, gamma: Array, beta: Array, eps: float, out: tuple[Array, ...] | None = None) -> tuple[Array, ...]:
    y_out, mean_out, var_out = out or (None,) * 3
    rows, channels, count = to_rows(x), len(gamma), x.size // len(gamma)
    y = np.empty_like(rows) if y_out is None else to_rows(y_out)

    def subtract_mean(part: slice) -> Any:
        np.subtract(rows[part], mean_row, y[part])
        return column_dots(y[part], y[part])

    def scale_and_shift(part: slice) -> None:
        y[part] *= slope
        y[part] += shift

    mean = regroup(sum_halves(lambda part: column_sums(rows[part]), rows, 0.1), channels) / count
    mean_row = as_row(mean, rows)
    var = regroup(sum_halves(subtract_mean, rows, 0.3), channels) / count
    slope, shift = as_row(gamma / np.sqrt(var + eps), rows), as_row(beta, rows)
    split_work(scale_and_shift, len(rows), rows.size * 0.3)
    return from_rows(y, x.shape), store(mean, mean_out), store(var, var_out)


@in_float32
def _batch_norm_backward(
    g: Array, x: Array, mean: Array, inverse: Array, gamma: Array, out: tuple[Array, ...] | None = None
) -> tuple[Array, ...]:
    d_out, along_out, sums_out = out or (None,) * 3
    rows, pixels, channels, count = to_rows(g), to_rows(x), len(mean), x.size // len(mean)
    d = np.empty_like(rows) if d_out is None else to_rows(d_out)

    def products(part: slice) -> Array:
        np.subtract(pixels[part], mean_row, d[part])
        return np.array((column_dots(d[part], rows[part]), column_sums(rows[part])))

    def project(part: slice) -> None:
        d[part] *= tilt
        d[part] += shift
        d[part] += rows[part]
        d[part] *= scale

    mean_row = as_row(mean, rows)
    along, sums = (regroup(columns, channels) for columns in sum_halves(products, rows, 0.4))
    along *= inverse
    tilt, shift, scale = (as_row(v, rows) for v in (-inverse * along / count, -sums / count, gamma * inverse))
    split_work(project, len(rows), rows.size * 0.5)
    return from_rows(d, g.shape), store(along, along_out), store(sums, sums_out)


# -- rules ---------------------------------------------------------------------------------------------------------------------


def _sum_present(parts: list[Any]) -> Any:
    """Adds the parts that are not None; returns None if there are none."""
    present = [p for p in parts if p is not None]
    return sum(present[1:], present[0]) if present else None


def _batch_norm_rule(xp: Any, needs: list[bool], g: Any, out: Any, x: Any, gamma: Any, beta: Any, eps: float) -> list[Any]:
    to_y, to_mean, to_var = g
    _, mean, var = out
    inverse, count = 1 / xp.sqrt(var + eps), x.size // x.shape[1]
    by_x, by_gamma, by_beta = (None,) * 3 if to_y is None else xp.batch_norm_backward(to_y, x, mean, inverse, gamma)
    parts = [
        by_x,
        None if to_mean is None else xp.broadcast_to(per_channel(xp, to_mean / count, x), shape=x.shape),
        None if to_var is None else (x - per_channel(xp, mean, x)) * per_channel(xp, to_var * (2 / count), x),
    ]
    return [gradient if need else None for gradient, need in zip((_sum_present(parts), by_gamma, by_beta), needs, strict=True)]


def _batch_norm_backward_rule(
    xp: Any, needs: list[bool], g: Any, out: Any, d: Any, x: Any, mean: Any, inverse: Any, gamma: Any
) -> list[Any]:
    v, to_along, to_total = g
    _, along, total = out
    count, scale = d.size // d.shape[1], gamma * inverse
    centred = x - per_channel(xp, mean, x)
    by_d = by_xhat = by_scale = None
    if v is not None:
        by_d, v_along, v_total = xp.batch_norm_backward(v, x, mean, inverse, gamma)
        by_xhat = v * per_channel(xp, -scale * along / count, d) - d * per_channel(xp, scale * v_along / count, d)
        by_scale = xp.channel_sum(v * d) - (v_total * total + v_along * along) / count
    if to_along is not None:
        by_d = _sum_present([by_d, centred * per_channel(xp, to_along * inverse, d)])
        by_xhat = _sum_present([by_xhat, d * per_channel(xp, to_along, d)])
    if to_total is not None:
        by_d = _sum_present([by_d, xp.broadcast_to(per_channel(xp, to_total, d), shape=d.shape)])
    by_x = by_mean = by_inverse = by_gamma = None
    if by_xhat is not None:  # x̂ = (x − mean) · inverse
        by_x = by_xhat * per_channel(xp, inverse, x)
        by_mean, by_inverse = -xp.channel_sum(by_x), xp.channel_sum(by_xhat * centred)
    if by_scale is not None:  # scale = gamma · inverse
        by_inverse, by_gamma = by_inverse + by_scale * gamma, by_scale * inverse
    return [
        gradient if need else None for gradient, need in zip((by_d, by_x, by_mean, by_inverse, by_gamma), needs, strict=True)
    ]


_BATCH_NORM = Primitive(
    "batch_norm", _batch_norm, formula="γ (x − μ) / √(σ² + ε) + β",
    derivative=("γ/√(σ² + ε) · (δ − m(δ) − x̂ m(δ x̂))", "Σ δ x̂", "Σ δ"),
    vjp=_batch_norm_rule,
    outputs=3, batch=rules.by_channel,
)  # fmt: skip
Primitive(
    "batch_norm_backward", _batch_norm_backward, formula="s (δ − m(δ) − x̂ m(δ x̂))",
    derivative=(
        "the same projection", "−s (g m(δ x̂) + δ m(g x̂)) / σ", "s Σ (g m(δ x̂) + δ m(g x̂)) / σ",
        "−s Σ (g m(δ x̂) + δ m(g x̂)) (x − μ) + γ Σ g (δ − m(δ) − x̂ m(δ x̂))", "Σ g (δ − m(δ) − x̂ m(δ x̂)) / σ",
    ),
    vjp=_batch_norm_backward_rule,
    outputs=3, batch=rules.by_channel,
)  # fmt: skip

# -- public functions ----------------------------------------------------------------------------------------------------------


def _channel_operands(name: str, x: TensorLike, *rest: TensorLike | None) -> tuple[Tensor, ...]:
    """Returns x (N, C, …) and the `rest` (C,) as tensors; weight and bias, the last two, may be None."""
    image, *others = as_floats_or_none(x, *rest)
    shape = image._data.shape
    if len(shape) < 2 or (rest[0] is None and not image._data.size):
        raise ValueError(f"{name}: expected an input of shape (N, C) or (N, C, H, W) that is not empty, got {shape}")
    defaults = (0,) * (len(rest) - 2) + (1, 0)
    filled = [np.full(shape[1], d, image._data.dtype) if v is None else v for v, d in zip(others, defaults, strict=True)]
    operands = as_operands(image, *filled)
    for t in operands[1:]:
        if t._data.shape != shape[1:2]:
            raise ValueError(f"{name}: input {shape} needs one value per channel, shape ({shape[1]},), got {t._data.shape}")
    return operands


def batch_norm(
    x: TensorLike, weight: TensorLike | None = None, bias: TensorLike | None = None, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalises each channel by its mean and variance over the batch; returns (y, mean, variance).

    y = γ (x − μ) / √(σ² + ε) + β with the biased variance σ² (ddof 0), as in Ioffe & Szegedy 2015, Algorithm 1.
    Raises ValueError for other shapes or an empty batch.
    Gradients: ∂L/∂x = γ/√(σ² + ε) · (δ − m(δ) − x̂ m(δ x̂)), ∂L/∂γ = Σ δ x̂, ∂L/∂β = Σ δ.

    Parameters
    ----------
    x : a batch (N, C), (N, C, L) or (N, C, H, W)
    weight, bias : γ and β of shape (C,); 1 and 0 by default
    eps : ε, added to the variance

    Examples
    --------
    >>> import autograd_mini as ag
    >>> y, mean, var = ag.batch_norm([[1.0], [3.0]], eps=0)
    >>> y.tolist(), mean, var
    ([[-1.0], [1.0]], Tensor([2.]), Tensor([1.]))
    """
    operands = _channel_operands("batch_norm", x, weight, bias)
    y, mean, var = apply(_BATCH_NORM, operands, {"eps": as_number("batch_norm: eps", eps, "write it with ag.mean and ag.var")})
    return y, mean, var


def batch_norm_inference(
    x: TensorLike,
    mean: TensorLike,
    var: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` with given statistics: γ (x − mean) / √(var + ε) + β.

    Parameters
    ----------
    x, weight, bias, eps : as in `batch_norm`
    mean, var : the statistics, of shape (C,)

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.batch_norm_inference([[1.0], [3.0]], [1.0], [4.0], eps=0).tolist()
    [[0.0], [1.0]]
    """
    image, centre, variance, gamma, beta = _channel_operands("batch_norm_inference", x, mean, var, weight, bias)
    scale = gamma / sqrt(variance + as_number("batch_norm_inference: eps", eps, "add it to var"))
    column = (image._data.shape[1],) + (1,) * (image._data.ndim - 2)
    return image * reshape(scale, column) + reshape(beta - centre * scale, column)


def layer_norm(
    x: TensorLike,
    normalized_shape: int | Shape,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each example over its last axes, of lengths `normalized_shape`: γ (x − μ) / √(σ² + ε) + β.

    σ² is the biased variance. Raises ValueError if shapes differ. Ba, Kiros & Hinton 2016, equation 4.

    Parameters
    ----------
    x : the examples
    normalized_shape : lengths of the last axes, an int or a tuple
    weight, bias : γ and β of that shape; 1 and 0 by default
    eps : ε, added to the variance

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.layer_norm([[1.0, 3.0]], 2, eps=0).tolist()
    [[-1.0, 1.0]]
    """
    rows, *affine = as_floats_or_none(x, weight, bias)
    shape = ints("layer_norm", (normalized_shape,))
    lead = rows._data.ndim - len(shape)
    if not shape or rows._data.shape[max(lead, 0) :] != shape:
        raise ValueError(f"layer_norm: the last axes of input {rows._data.shape} are not {shape}")
    for t in affine:
        if t is not None and t._data.shape != shape:
            raise ValueError(f"layer_norm: weight and bias must have shape {shape}, got {t._data.shape}")
    axes = tuple(range(lead, rows._data.ndim))
    centred = rows - _mean(rows, axes, keepdims=True)
    y = centred / sqrt(
        _mean(centred * centred, axes, keepdims=True)
        + as_number("layer_norm: eps", eps, "write the normalisation with ag.mean")
    )
    gamma, beta = affine
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def group_norm(
    x: TensorLike,
    num_groups: int,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises each group of channels of each example: γ (x − μ) / √(σ² + ε) + β (Wu & He 2018, equation 6).

    Raises ValueError if the number of channels is not a multiple of `num_groups`.

    Parameters
    ----------
    x : a batch (N, C, …)
    num_groups : number of groups, each of C / num_groups consecutive channels
    weight, bias : γ and β of shape (C,); 1 and 0 by default
    eps : ε, added to the variance

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.group_norm([[1.0, 3.0, 5.0, 5.0]], 2, eps=0.5).shape
    (1, 4)
    """
    image, *affine = as_floats_or_none(x, weight, bias)
    gamma, beta = affine
    shape, groups = image.shape, one_int("group_norm", "num_groups", num_groups)
    if len(shape) < 2 or groups < 1 or shape[1] % groups:
        raise ValueError(f"group_norm: expected an input (N, C, …) with C divisible by {num_groups=}, got shape {shape}")
    size = math.prod(shape[1:]) // groups
    eps = as_number("group_norm: eps", eps, "write it with ag.mean and ag.var")
    y = reshape(layer_norm(reshape(image, shape[0], groups, size), size, eps=eps), shape)
    for t in (gamma, beta):
        if t is not None and t.shape != shape[1:2]:
            raise ValueError(f"group_norm: weight and bias must have shape {shape[1:2]}, got {t.shape}")
    column = (shape[1],) + (1,) * (len(shape) - 2)
    y = y if gamma is None else y * reshape(gamma, column)
    return y if beta is None else y + reshape(beta, column)


def instance_norm(x: TensorLike, weight: TensorLike | None = None, bias: TensorLike | None = None, eps: float = 1e-5) -> Tensor:
    """Normalises each channel of each example: `group_norm` with one channel per group (Ulyanov et al. 2016).

    >>> import autograd_mini as ag
    >>> ag.instance_norm([[[1.0, 3.0], [5.0, 9.0]]], eps=0.0).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    image, *affine = as_floats_or_none(x, weight, bias)
    weight, bias = affine
    if image.ndim < 3:
        raise ValueError(f"instance_norm: expected an input of shape (N, C, L) or with more axes, got {image.shape}")
    eps = as_number("instance_norm: eps", eps, "write it with ag.mean and ag.var")
    return group_norm(image, image.shape[1], weight, bias, eps)


def rms_norm(
    x: TensorLike, normalized_shape: int | Shape, weight: TensorLike | None = None, eps: float | None = None
) -> Tensor:
    """Divides each example by its root mean square over the last axes: γ x / √(m(x²) + ε) (Zhang & Sennrich 2019).

    Parameters
    ----------
    x : the examples
    normalized_shape : lengths of the last axes, an int or a tuple
    weight : γ of that shape; 1 by default
    eps : ε, added to the mean; by default the spacing of numbers at 1 in x's dtype

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.rms_norm([[1.0, 7.0]], 2, eps=0.0).tolist()
    [[0.20000000298023224, 1.399999976158142]]
    """
    rows, *affine = as_floats_or_none(x, weight)
    gamma = affine[0]
    shape = ints("rms_norm", (normalized_shape,))
    lead = rows.ndim - len(shape)
    if not shape or rows.shape[max(lead, 0) :] != shape:
        raise ValueError(f"rms_norm: the last axes of input {rows.shape} are not {shape}")
    if gamma is not None and gamma.shape != shape:
        raise ValueError(f"rms_norm: weight must have shape {shape}, got {gamma.shape}")
    eps = float(np.finfo(rows.dtype).eps) if eps is None else as_number("rms_norm: eps", eps, "write it with ag.mean")
    y = rows / sqrt(_mean(rows * rows, tuple(range(lead, rows.ndim)), keepdims=True) + eps)
    return y if gamma is None else y * gamma
