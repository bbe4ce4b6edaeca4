"""NumPy kernels of functions that NumPy lacks: the sigmoid and its relatives, erf, and the normal distribution.

They are accurate to a few units in the last place wherever the result is not subnormal: a small result is never the difference
of larger numbers. `tests/ops/test_accuracy.py` compares all of them with mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

import numpy as np

from ..tensor import Array
from .neural.channels import in_float32

_PIECE: Final = 1 << 14
"""Elements that stay in the nearest cache from pass to pass."""


def in_pieces(kernel: Callable[..., Any]) -> Callable[..., Array]:
    """Turns a kernel of many passes into one that treats large arrays piece by piece, and returns the dtype of its operands."""

    @wraps(kernel)
    def run(x: Array, *others: Array, out: Array | None = None, **params: Any) -> Array:
        y = np.empty(np.broadcast_shapes(x.shape, *[a.shape for a in others]), x.dtype) if others else np.empty_like(x)
        y = y if out is None else out
        alike = all(a.shape == y.shape and a.strides == y.strides for a in (x, *others))
        if y.size <= _PIECE or not x.flags.forc or not alike:
            y[...] = kernel(x, *others, **params)
            return y
        sources, target = [a.reshape(-1, order="A") for a in (x, *others)], y.reshape(-1, order="A")
        for start in range(0, y.size, _PIECE):
            piece = slice(start, start + _PIECE)
            target[piece] = kernel(*[a[piece] for a in sources], **params)
        return y

    return run


def _at_least(x: Array, dtype: Any) -> Array:
    """Returns x in `dtype`, or in its own if that is wider."""
    return x if x.dtype.itemsize >= np.dtype(dtype).itemsize else x.astype(dtype)


def polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Returns Σ cₖ xᵏ by Horner's rule, which needs one array as workspace."""
    *rest, last = coefficients
    total = np.full_like(x, last)
    for c in reversed(rest):
        total *= x
        total += c
    return total


# -- the sigmoid and its relatives -----------------------------------------------------------------------------------


@in_float32
def sigmoid(x: Array, out: Array | None = None) -> Array:
    """Returns 1 / (1 + e⁻ˣ) as eˣ / (eˣ + 1)."""
    y = np.empty_like(x) if out is None else out
    np.minimum(x, 40, out=y)  # the ratio is 1 beyond, and eˣ does not overflow
    np.exp(y, y)
    return np.divide(y, y + 1, y)


@in_float32
def softplus(x: Array, out: Array | None = None) -> Array:
    """Returns ln(1 + eˣ)."""
    return np.add(np.maximum(x, 0), np.log1p(np.exp(-np.absolute(x))), out=out)


@in_float32
def logsigmoid(x: Array, out: Array | None = None) -> Array:
    """Returns ln σ(x)."""
    return np.subtract(np.minimum(x, 0), np.log1p(np.exp(-np.absolute(x))), out=out)


@in_float32
def silu(x: Array, out: Array | None = None) -> Array:
    """Returns x σ(x)."""
    return np.multiply(x, sigmoid(x), out=out)


@in_pieces
def exp_share(a: Array, b: Array, base: float) -> Array:
    """Returns cᵃ / (cᵃ + cᵇ) for c = `base`, e or 2; ½ if both are inf, 0 if both are −inf.

    The exponential magnifies the rounding error of a − b. Narrow dtypes are computed in float64; for a float64 the error is
    computed too (Knuth's two-sum).
    """
    with np.errstate(invalid="ignore"):
        gap = np.subtract(a, b, dtype=np.float64)
        power = (np.exp2 if base == 2 else np.exp)(np.minimum(gap, 60))  # the share is 1 beyond
        total = power + 1
        share: Array = power / total
        if a.dtype.itemsize == 8:
            kept = a - gap
            share += share / total * ((a - (gap + kept)) + (kept - b)) * math.log(base)
        if not (ready := np.isfinite(share)).all():  # an operand is inf or nan
            exact = np.where(a == b, (a > 0) * 0.5, np.where(np.isnan(gap), gap, gap > 0))
            share = np.where(ready, share, exact)
    return share


@in_pieces
def mish(x: Array) -> Array:
    """Returns x tanh(softplus(x)) as x n / (n + 2) with n = eˣ (eˣ + 2), which follows from tanh u = (e²ᵘ − 1) / (e²ᵘ + 1)."""
    wide = _at_least(x, np.float32)
    e = np.exp(np.minimum(wide, 40))  # the ratio is 1 beyond
    n = e * (e + 2)
    return wide * (n / (n + 2))


@in_pieces
def gelu_tanh(x: Array) -> Array:
    """Returns x (1 + tanh u) / 2 = x σ(2u) with 2u = √(8/π) (x + 0.044715 x³)."""
    wide = _at_least(x, np.float64)  # σ magnifies the rounding errors of a large u
    z = wide if wide is not x else np.clip(x, -40, 40)  # σ(2u) is 0 or 1 beyond, and the cube does not overflow
    return wide * sigmoid(z * (z * z * (GELU_SLOPE * GELU_CUBIC) + GELU_SLOPE))


@in_pieces
def gelu_tanh_slope(x: Array) -> Array:
    """Returns the derivative of `gelu_tanh`, σ(2u) (1 + x σ(−2u) 2u′); the two σ are 1 and e^−|2u|, divided by their sum."""
    z = np.clip(x, -40, 40).astype(np.float64, copy=False)
    s = z * z
    s *= GELU_SLOPE * GELU_CUBIC
    slope = s * 3
    slope += GELU_SLOPE
    s += GELU_SLOPE
    s *= np.absolute(z)
    small = np.exp(-s)
    total, negative = small + 1, z < 0
    slope *= z
    slope *= np.where(negative, 1, small)
    slope /= total
    slope += 1
    slope *= np.where(negative, small, 1)
    slope /= total
    return slope


GELU_SLOPE: Final = math.sqrt(8 / math.pi)
GELU_CUBIC: Final = 0.044715

# -- erf -------------------------------------------------------------------------------------------------------------
# erf x = sgn x · √(1 − exp(−z)) with z = x² h(x²), where h falls smoothly from 4/π towards 1 (Winitzki's form). h is a ratio of
# two polynomials of degree 8 in x² on [0, 36], fitted here to h in 60-digit arithmetic: linearised least squares at 240
# Chebyshev-like points, weighted by the effect of an error of h on erf, and reweighted until the largest error was 1.3e-16.

_ERF_NUMERATOR: Final = (
    1.273239544735163, 0.4348309692812384, 0.11387554414862187, 0.016996724175679030, 0.0019477835361109190,
    0.00013824099048342162, 6.6203726874248985e-6, 8.4212538825164176e-8, -5.1238563181048598e-9,
)  # fmt: skip
_ERF_DENOMINATOR: Final = (
    1.0, 0.3715623389609306, 0.09793754350717280, 0.015261291502722265, 0.0017590726171637747,
    0.00012985352312416882, 6.2711874704788092e-6, 9.3938769776914927e-8, -5.0987160202960233e-9,
)  # fmt: skip
_ERF_LINEAR: Final = 1e-15
"""Below this erf x is 2x/√π in every dtype, and above it x² is an ordinary number."""


@in_pieces
def erf(x: Array) -> Array:
    """Returns erf(x)."""
    size = np.minimum(np.absolute(_at_least(x, np.float32)), 6)  # erf(6) is 1 in every dtype
    base = np.maximum(size, _ERF_LINEAR)
    s = np.square(base)
    z = s * (polynomial(_ERF_NUMERATOR, s) / polynomial(_ERF_DENOMINATOR, s))
    return np.copysign(np.sqrt(-np.expm1(-z)) * (size / base), x)


# -- the normal distribution -----------------------------------------------------------------------------------------
# With z = u/√2 the upper tail is 1 − Φ(u) = ½ erfc z = ½ exp(−z²) w(z) / (1 + 2z), where w stays between 1 and 1.28 (the form
# of Shepherd and Laframboise 1981). With v = A z/(z + K), which maps [0, Z] to [0, 2], it is w = 1 + v p(v − 1). Here p is a
# polynomial from Chebyshev interpolation in 50-digit arithmetic, with which the relative error of w is below 1e-8 for float32
# (Z = 11) and 3e-17 for float64 (Z = 28).

_TAIL32: Final = (
    (28 / 11, 3.0),
    (0.27832538411396910082, -0.35053062904375211382, 0.24480485674488861032, -0.11478216556397668241,
     0.034982818946268975127, -0.0050119225431440218508, -0.00076806744475128810495, 0.00043005942171846757166,
     2.1306813276579985187e-6, -0.000025631147574458532435),
)  # fmt: skip
_TAIL64: Final = (
    (2.25, 3.5),
    (0.25762260595394647543, -0.37615408249977318096, 0.33434655492789664946, -0.22128696281254347949,
     0.11267737635824901313, -0.042867761723996012225, 0.010764927473288915657, -0.00084984186220086791958,
     -0.00054366588126951798265, 0.00019846333290874940778, 7.5735816053495284997e-6, -0.000019356401308229543354,
     1.6179124849214918158e-6, 1.8295867282842810773e-6, -2.77519259113790113e-7, -1.9509571382952244545e-7,
     3.2462731112663116267e-8, 2.3561395058573020436e-8, -2.9631924957616385587e-9, -2.7991559945752797013e-9,
     1.6484013362942915006e-10, 2.2244496107857351351e-10),
)  # fmt: skip
_SPLIT: Final = 2.0**27 + 1
_FAR: Final = 40.0
"""exp(−x²/2) is 0 beyond."""


def _exp_square(x: Array, rate: float) -> Array:
    """Returns exp(−rate · x²), which magnifies the rounding error of x².

    Narrow dtypes are computed in float64. A float64 is split into two halves with half the digits; their products are exact
    (Dekker 1971).
    """
    if x.dtype.itemsize < 8:
        wide = x.astype(np.float64)
        return np.exp(wide * wide * -rate).astype(x.dtype)
    near = np.minimum(np.absolute(x), _FAR)
    scaled = near * _SPLIT
    high = scaled - (scaled - near)
    main = np.exp(high * high * -rate)
    return main + main * np.expm1((near - high) * (near + high) * -rate)


gaussian = in_pieces(_exp_square)


def _normal_cdf(x: Array) -> Array:
    u = np.minimum(np.absolute(x), _FAR)
    z = u * math.sqrt(0.5)
    (a, k), coefficients = _TAIL64 if x.dtype.itemsize == 8 else _TAIL32
    v = z * a / (z + k)
    w = polynomial(coefficients, v - 1) * v + 1
    return np.absolute(np.subtract(x >= 0, w / (z * 4 + 2) * _exp_square(u, 0.5), dtype=x.dtype))


@in_pieces
def normal_cdf(x: Array) -> Array:
    """Returns Φ(x), the distribution function of N(0, 1)."""
    return _normal_cdf(_at_least(x, np.float32))


@in_pieces
def gelu(x: Array) -> Array:
    """Returns x Φ(x)."""
    wide = _at_least(x, np.float32)
    return wide * _normal_cdf(wide)
