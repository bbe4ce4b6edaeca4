"""Activations, one row each as in `elementwise.py`. `softmax` and `log_softmax` are in `softmax.py`."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ...apply import apply, as_float, as_floats, as_number, is_number, kind_of
from ...memory.threads import MIN_SPLIT_ELEMENTS, split_elementwise
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike
from .. import special
from .._make import explain_broadcast, unary
from ..elementwise import absolute, clip, sign, where
from ..index import getitem
from ..reduce import canonical_axis
from ..shape import reshape
from ..transcendental import tanh
from .channels import to_rows

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
    "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

# -- saturating functions --------------------------------------------------------------------------------------------


def _softsign_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    denominator = x * xp.sign(x) + 1  # |x| with second derivative 0 at 0: that of softsign is between ±2
    return g / denominator / denominator


sigmoid = unary(
    special.sigmoid, formula="1/(1 + e⁻ˣ)", derivative="σ(x) σ(−x)",
    vjp=lambda xp, g, y, x: g * y * xp.sigmoid(-x),
    text="Logistic sigmoid", example=(0.5, 0.6225), nanoseconds=1.0, scalar="1.0 / (1.0 + exp(-{0}))",
)  # fmt: skip
logsigmoid = unary(
    special.logsigmoid, formula="ln σ(x)", derivative="σ(−x)",
    vjp=lambda xp, g, y, x: g * xp.sigmoid(-x),
    text="Logarithm of the sigmoid", example=(0.5, -0.4741), nanoseconds=1.5,
    scalar="-max(-{0}, 0.0) - log1p(exp(-abs({0})))",
)  # fmt: skip
softsign = unary(
    lambda x, out=None: np.divide(x, np.absolute(x) + 1, out=out), name="softsign", formula="x/(1 + |x|)",
    derivative="1/(1 + |x|)²",
    vjp=_softsign_rule,
    text="Softsign", example=(-3.0, -0.75), scalar="{0} / (abs({0}) + 1.0)",
)  # fmt: skip


def hardtanh(x: TensorLike, min_val: TensorLike = -1.0, max_val: TensorLike = 1.0) -> Tensor:
    """`clip` to [−1, 1], a piecewise linear tanh. Slope 0 at both bounds; bounds that are tensors get gradients, as in `clip`.

    Raises ValueError if the number `min_val` is larger than the number `max_val`.

    >>> import autograd_mini as ag
    >>> ag.hardtanh([-2.0, 0.5, 3.0])
    Tensor([-1. ,  0.5,  1. ])
    """
    lo, hi = (float(bound) if is_number(bound) else bound for bound in (min_val, max_val))
    if isinstance(lo, float) and isinstance(hi, float) and lo > hi:
        raise ValueError(f"hardtanh: expected min_val ≤ max_val, got {min_val=} and {max_val=}")
    return clip(x if kind_of(x) == "f" else as_float(x), lo, hi)


# -- rectifiers with a kink ------------------------------------------------------------------------------------------


def _gate(g: Array, x: Array, negative_slope: float, out: Array | None = None) -> Array:
    if g.size >= MIN_SPLIT_ELEMENTS:
        return split_elementwise(lambda g, x, out: np.multiply(g, _relu_slopes(x, negative_slope), out=out), g, x, out=out)
    return np.multiply(g, _relu_slopes(x, negative_slope) if negative_slope else x > 0, out=out)


def _relu_slopes(x: Array, negative_slope: float) -> Array:
    """Returns 1 for elements above 0, `negative_slope` for others."""
    positive = x > 0
    if negative_slope == 0:
        return positive
    slope = x.dtype.type(negative_slope)
    return np.maximum(positive, slope) if 0 < negative_slope <= 1 else positive + (x <= 0) * slope


Primitive(
    "gate", _gate, formula="δ for x > 0, else slope · δ", derivative=("1 for x > 0, else the slope", "0"),
    vjp=(lambda xp, v, y, g, x, negative_slope: xp.gate(v, x, negative_slope=negative_slope), None),
    elementwise=True, scalar="{0} * (1.0 if {1} > 0.0 else {negative_slope})",
)  # fmt: skip


def _relu(x: Array, out: Array | None = None) -> Array:
    if x.size >= MIN_SPLIT_ELEMENTS:
        return split_elementwise(_relu_block, x, out=out)
    return _relu_block(x, out)


def _relu_block(x: Array, out: Array | None) -> Array:
    # np.maximum takes up to five times as long with one 0 as with a row of zeros.
    if x.ndim == 4 and not x.flags.c_contiguous and x.transpose(0, 2, 3, 1).flags.c_contiguous:
        y = np.empty_like(x) if out is None else out
        _relu_block(to_rows(x), to_rows(y))
        return y
    wide = x.ndim > 0 and x.shape[-1] >= 64 and x.flags.c_contiguous
    return np.maximum(x, _zeros(x.shape[-1], x.dtype) if wide else 0, out=out)


@cache
def _zeros(length: int, dtype: np.dtype[Any]) -> Array:
    return np.zeros(length, dtype)


# The rule tests y instead of x: y > 0 if and only if x > 0, and a compiled step can then reuse the memory of x for y.
relu = unary(
    _relu, formula="max(x, 0)", derivative="[x > 0]",
    vjp=lambda xp, g, y, x: xp.gate(g, y, negative_slope=0.0),
    text="Rectified linear unit", example=(-2.0, 0.0), kink="0 at 0", integers=True, scalar="max({0}, 0.0)",
)  # fmt: skip
relu6 = unary(
    lambda x, out=None: np.minimum(np.maximum(x, 0), 6, out=out), name="relu6", formula="min(max(x, 0), 6)",
    derivative="[0 < x < 6]",
    vjp=lambda xp, g, y, x: g * ((x > 0) & (x < 6)),
    text="ReLU limited to 6", example=(7.5, 6.0), kink="0 at 0 and 6", integers=True,
)  # fmt: skip


def _leaky_relu(x: Array, negative_slope: float, out: Array | None = None) -> Array:
    if x.size >= MIN_SPLIT_ELEMENTS:
        return split_elementwise(lambda x, out: _leaky_relu_block(x, negative_slope, out), x, out=out)
    return _leaky_relu_block(x, negative_slope, out)


def _leaky_relu_block(x: Array, negative_slope: float, out: Array | None) -> Array:
    if 0 < negative_slope <= 1:  # the larger of two lines; slope 0 is excluded, because 0 · inf is nan
        return np.maximum(x, x * negative_slope, out=out)
    return np.add(np.maximum(x, 0), np.minimum(x, 0) * negative_slope, out=out)


_LEAKY_RELU = Primitive(
    "leaky_relu", _leaky_relu, formula="x for x > 0, else slope · x", derivative=("1 for x > 0, else the slope",),
    vjp=(lambda xp, g, y, x, negative_slope: xp.gate(g, y if negative_slope >= 0 else x, negative_slope=negative_slope),),
    kink="the slope at 0", elementwise=True, scalar="{0} if {0} > 0.0 else {negative_slope} * {0}",
)  # fmt: skip


def leaky_relu(x: TensorLike, negative_slope: TensorLike = 0.01) -> Tensor:
    """Leaky ReLU: x where positive, else negative_slope · x (0.01 as in PyTorch). Local derivative at 0: negative_slope.

    A slope that is a tensor is learnable: it broadcasts, and gets the gradient Σ δ min(x, 0).

    >>> import autograd_mini as ag
    >>> ag.leaky_relu([-2.0, 3.0], 0.1)
    Tensor([-0.2,  3. ])
    """
    if is_number(negative_slope):
        return apply(_LEAKY_RELU, (as_float(x),), {"negative_slope": float(negative_slope)})
    x, slope = as_floats(x, negative_slope)
    return where(x > 0, x, where(x > 0, 0.0, x) * slope)  # where x is inf, neither product has a factor inf


def _elu(x: Array, alpha: float, scale: float) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * alpha) * scale


def _elu_rule(xp: Any, g: Any, y: Any, x: Any, alpha: float, scale: float) -> Any:
    negative = xp.exp(xp.clip(x, lo=-np.inf, hi=0.0)) * (alpha * scale)
    return g * xp.where(x > 0, scale, xp.where(x == 0, scale * min(1.0, alpha), negative))


_ELU = Primitive(
    "elu", _elu, formula="s·x for x > 0, else s·α(eˣ − 1)", derivative=("s for x > 0, else s·α eˣ",),
    vjp=(_elu_rule,),
    kink="s·min(1, α) at 0", elementwise=True,
)  # fmt: skip


def _parametric_elu_rule(xp: Any, g: Any, y: Any, x: Any, alpha: Any) -> Any:
    return g * xp.where(x > 0, 1.0, xp.where(x == 0, xp.minimum(alpha, 1.0), xp.exp(xp.where(x > 0, 0.0, x)) * alpha))


_PARAMETRIC_ELU = Primitive(
    "parametric_elu", lambda x, alpha: _elu(x, alpha, 1.0), formula="x for x > 0, else α(eˣ − 1)",
    derivative=("1 for x > 0, else α eˣ", "0 for x > 0, else eˣ − 1"),
    vjp=(_parametric_elu_rule, lambda xp, g, y, x, alpha: g * xp.expm1(xp.where(x > 0, 0.0, x))),
    kink="min(1, α) at 0", elementwise=True, explain=explain_broadcast,
)  # fmt: skip


def elu(x: TensorLike, alpha: TensorLike = 1.0) -> Tensor:
    """Exponential linear unit: x for x > 0, else α(eˣ − 1), for α ≥ 0 (Clevert et al. 2016). Slope min(1, α) at 0.

    An α that is a tensor is learnable: it broadcasts, and gets the gradient Σ δ (e^min(x, 0) − 1).

    >>> import autograd_mini as ag
    >>> ag.elu([-1.0, 2.0])
    Tensor([-0.63212055,  2.        ])
    """
    if not is_number(alpha):
        return apply(_PARAMETRIC_ELU, as_floats(x, alpha))
    if not alpha >= 0:
        raise ValueError(f"elu: alpha must be at least 0, got {alpha}")
    return apply(_ELU, (as_float(x),), {"alpha": float(alpha), "scale": 1.0})


_SELU = {"alpha": 1.6732632423543772, "scale": 1.0507009873554805}


def selu(x: TensorLike) -> Tensor:
    """Scaled ELU; its α and scale keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017, eq. 2).

    Slope 1.0507 at 0.

    >>> import autograd_mini as ag
    >>> ag.selu([-1.0, 2.0])
    Tensor([-1.1113307,  2.101402 ])
    """
    return apply(_ELU, (as_float(x),), _SELU)


# -- smooth rectifiers -----------------------------------------------------------------------------------------------


def _silu_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    return g * xp.sigmoid(x) * (x * xp.sigmoid(-x) + 1)


def _mish_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    q = xp.sigmoid(-x)  # 1 − tanh²(softplus(x)) = (2q / (1 + q²))² has no difference of nearly equal numbers
    root = 2 * q / (q * q + 1)
    return g * (xp.tanh(xp.softplus(x)) + x * (root * root) * xp.sigmoid(x))


softplus = unary(
    special.softplus, formula="ln(1 + eˣ)", derivative="σ(x)",
    vjp=lambda xp, g, y, x: g * xp.sigmoid(x),
    text="Smooth ReLU", example=(0.5, 0.9741), nanoseconds=1.5, scalar="max({0}, 0.0) + log1p(exp(-abs({0})))",
)  # fmt: skip
silu = unary(
    special.silu, formula="x σ(x)", derivative="σ(x) (1 + x σ(−x))",
    vjp=_silu_rule,
    text="Sigmoid linear unit, also called swish", example=(1.0, 0.7311), nanoseconds=1.0,
    scalar="{0} / (1.0 + exp(-{0}))",
)  # fmt: skip
mish = unary(
    special.mish, formula="x tanh(softplus(x))", derivative="t + x (1 − t²) σ(x), t = tanh(softplus(x))",
    vjp=_mish_rule,
    text="Mish (Misra 2019)", example=(1.0, 0.8651), nanoseconds=1.0,
)  # fmt: skip

_DENSITY = 1 / math.sqrt(2 * math.pi)


def _gelu_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    return g * (xp.normal_cdf(x) + x * xp.gaussian(x, rate=0.5) * _DENSITY)


def _gelu_tanh_curvature(xp: Any, g: Any, y: Any, x: Any) -> Any:
    z = xp.clip(x, lo=-40.0, hi=40.0)  # σ is 0 or 1 beyond, and the cube fits into float16
    s = z * z * (special.GELU_CUBIC * special.GELU_SLOPE)
    twice_u, slope = z * (s + special.GELU_SLOPE), s * 3 + special.GELU_SLOPE
    left, right = xp.sigmoid(twice_u), xp.sigmoid(-twice_u)
    bend = slope * slope * (right - left) + z * (6 * special.GELU_CUBIC * special.GELU_SLOPE)
    return g * left * right * (slope * 2 + z * bend)


Primitive(
    "gelu_tanh_slope", special.gelu_tanh_slope, formula="s + 2x s (1 − s) u′, s = σ(2u), u = √(2/π)(x + 0.044715 x³)",
    derivative=("s (1 − s) (4u′ + x (4u′² (1 − 2s) + 2u″))",),
    vjp=(_gelu_tanh_curvature,),
    elementwise=True,
)  # fmt: skip
_GELU = Primitive(
    "gelu", special.gelu, formula="x Φ(x)", derivative=("Φ(x) + x φ(x)",),
    vjp=(_gelu_rule,),
    elementwise=True,
)  # fmt: skip
_GELU_TANH = Primitive(
    "gelu_tanh", special.gelu_tanh, formula="x (1 + tanh u)/2, u = √(2/π)(x + 0.044715 x³)",
    derivative=("s + 2x s (1 − s) u′, s = σ(2u)",),
    vjp=(lambda xp, g, y, x: g * xp.gelu_tanh_slope(x),),
    elementwise=True,
)  # fmt: skip
_GELU_FORMS = {"none": _GELU, "tanh": _GELU_TANH}


def gelu(x: TensorLike, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit x Φ(x), or its tanh form with `approximate="tanh"` (Hendrycks & Gimpel 2016).

    Φ and φ are the distribution function and the density of N(0, 1); the local derivative is Φ(x) + x φ(x).

    >>> import autograd_mini as ag
    >>> ag.round(ag.gelu([-1.0, 1.0]), 4)
    Tensor([-0.1587,  0.8413])
    """
    if not isinstance(approximate, str) or approximate not in _GELU_FORMS:
        raise ValueError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}')
    return apply(_GELU_FORMS[approximate], (as_float(x),))


# -- composed of the others ----------------------------------------------------------------------------------------------


def celu(x: TensorLike, alpha: TensorLike = 1.0) -> Tensor:
    """`elu` with slope 1 at 0 for any α: x for x > 0, else α (e^(x/α) − 1) (Barron 2017). Raises ValueError for α = 0.

    >>> import autograd_mini as ag
    >>> ag.celu([-2.0, 2.0], 2.0)
    Tensor([-1.2642411,  2.       ])
    """
    if is_number(alpha) and alpha == 0:
        raise ValueError("celu: alpha must not be 0, got 0")
    x, alpha = as_floats(x, alpha)
    return elu(x / alpha) * alpha


def prelu(x: TensorLike, weight: TensorLike) -> Tensor:
    """`leaky_relu` with learnable slopes: one, or one for each channel of (N, C, …) (He et al. 2015).

    >>> import autograd_mini as ag
    >>> ag.prelu([[-2.0, -2.0]], [0.5, 0.25]).tolist()
    [[-1.0, -0.5]]
    """
    x, slope = as_floats(x, weight)
    if slope.ndim > 1 or (slope.size != 1 and slope.shape != x.shape[1:2]):
        raise ValueError(f"prelu: expected one weight, or one for each channel of the input {x.shape}, got shape {slope.shape}")
    shape = (1,) * (x.ndim - 1) if slope.size == 1 else (slope.size, *(1,) * (x.ndim - 2))
    return leaky_relu(x, reshape(slope, shape))


def glu(x: TensorLike, dim: int = -1) -> Tensor:
    """Gated linear unit a · σ(b), where a and b are the halves of `x` along `dim` (Dauphin et al. 2017).

    >>> import autograd_mini as ag
    >>> ag.glu([1.0, 2.0, 0.0, 0.0])
    Tensor([0.5, 1. ])
    """
    x = as_float(x)
    axis = canonical_axis("glu", dim, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: expected an even length of axis {dim}, got shape {x.shape}")
    before, half = (slice(None),) * axis, x.shape[axis] // 2
    return getitem(x, (*before, slice(0, half))) * sigmoid(getitem(x, (*before, slice(half, None))))


def hardsigmoid(x: TensorLike) -> Tensor:
    """min(max(x + 3, 0), 6) / 6, a piecewise linear sigmoid. Slope 0 at −3 and 3.

    >>> import autograd_mini as ag
    >>> ag.hardsigmoid([-4.0, 0.0, 4.0])
    Tensor([0. , 0.5, 1. ])
    """
    return relu6(as_float(x) + 3) / 6


def hardswish(x: TensorLike) -> Tensor:
    """x · hardsigmoid(x), a piecewise quadratic `silu` (Howard et al. 2019). Slope 0 at −3 and 1 at 3.

    >>> import autograd_mini as ag
    >>> ag.hardswish([-4.0, 1.0, 4.0])
    Tensor([-0.       ,  0.6666667,  4.       ])
    """
    x = as_float(x)
    return x * hardsigmoid(x)


def hardshrink(x: TensorLike, lambd: float = 0.5) -> Tensor:
    """x where |x| > `lambd`, else 0. Slope 0 at ±`lambd`.

    >>> import autograd_mini as ag
    >>> ag.hardshrink([-2.0, 0.25])
    Tensor([-2.,  0.])
    """
    x = as_float(x)
    return where(_is_outside("hardshrink", x, lambd), x, 0.0)


def softshrink(x: TensorLike, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by `lambd`, and 0 where |x| ≤ `lambd`. Slope 0 at ±`lambd`.

    >>> import autograd_mini as ag
    >>> ag.softshrink([-2.0, 0.25])
    Tensor([-1.5,  0. ])
    """
    x = as_float(x)
    return where(_is_outside("softshrink", x, lambd), x - sign(x) * lambd, 0.0)


def _is_outside(name: str, x: Tensor, lambd: float) -> Tensor:
    if as_number(f"{name}: lambd", lambd, "use lambd.detach()") < 0:
        raise ValueError(f"{name}: expected lambd ≥ 0, got lambd={lambd}")
    return absolute(x) > lambd


def tanhshrink(x: TensorLike) -> Tensor:
    """x − tanh x. Local derivative: tanh² x.

    >>> import autograd_mini as ag
    >>> round(ag.tanhshrink(1.0).item(), 4)
    0.2384
    """
    x = as_float(x)
    return x - tanh(x)


def threshold(x: TensorLike, threshold: float, value: TensorLike) -> Tensor:
    """x where it is above `threshold`, else `value`. Slope 0 at the threshold.

    >>> import autograd_mini as ag
    >>> ag.threshold([-1.0, 2.0], 0.5, -7.0)
    Tensor([-7.,  2.])
    """
    x, value = as_floats(x, value)
    return where(x > as_number("threshold: threshold", threshold, "use threshold.detach()"), x, value)
