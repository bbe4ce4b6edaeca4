"""Exponentials, logarithms, trigonometric and hyperbolic functions, and erf, one row each as in `elementwise.py`.

Values and derivatives are within 4 units in the last place, with one exception: the derivative of tanh is 1 − y², which rounds
to 0 where y rounds to 1, because anything else would slow every step of a tanh network.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import Primitive
from ..tensor import Array
from . import special
from ._make import binary, unary

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh", "deg2rad", "erf", "exp", "exp2",
    "expm1", "log", "log1p", "log2", "log10", "logaddexp", "logaddexp2", "rad2deg", "sin", "sinh", "tan", "tanh", "xlogy",
]  # fmt: skip

_LN2, _LOG2E, _LOG10E, _DEGREE = math.log(2), math.log2(math.e), math.log10(math.e), math.pi / 180

# -- exponentials and logarithms -------------------------------------------------------------------------------------

exp = unary(
    np.exp, formula="eˣ", derivative="eˣ",
    vjp=lambda xp, g, y, x: g * y,
    text="Exponential", example=(1.0, 2.7183), nanoseconds=1.0, scalar="exp({0})",
)  # fmt: skip
exp2 = unary(
    np.exp2, formula="2ˣ", derivative="2ˣ ln 2",
    vjp=lambda xp, g, y, x: g * y * _LN2,
    text="Power of two", example=(3.0, 8.0),
)  # fmt: skip
expm1 = unary(
    np.expm1, formula="eˣ − 1", derivative="eˣ",
    vjp=lambda xp, g, y, x: g * xp.exp(x),
    text="Exponential minus 1, exact near 0", example=(1.0, 1.7183), scalar="expm1({0})",
)  # fmt: skip
log = unary(
    np.log, formula="ln x", derivative="1/x",
    vjp=lambda xp, g, y, x: g / x,
    text="Natural logarithm", example=(2.0, 0.6931), kink="inf at 0", nanoseconds=1.0, scalar="log({0})",
)  # fmt: skip
log2 = unary(
    np.log2, formula="log₂ x", derivative="1/(x ln 2)",
    vjp=lambda xp, g, y, x: g * _LOG2E / x,
    text="Logarithm to base 2", example=(8.0, 3.0),
)  # fmt: skip
log10 = unary(
    np.log10, formula="log₁₀ x", derivative="1/(x ln 10)",
    vjp=lambda xp, g, y, x: g * _LOG10E / x,
    text="Logarithm to base 10", example=(100.0, 2.0),
)  # fmt: skip
log1p = unary(
    np.log1p, formula="ln(1 + x)", derivative="1/(1 + x)",
    vjp=lambda xp, g, y, x: g / (x + 1),
    text="Logarithm of 1 + x, exact near 0", example=(1.0, 0.6931), scalar="log1p({0})",
)  # fmt: skip


Primitive(
    "exp_share", special.exp_share, formula="cᵃ / (cᵃ + cᵇ)", derivative=("ln c · y (1 − y)", "−ln c · y (1 − y)"),
    vjp=(
        lambda xp, g, y, a, b, base: g * y * xp.exp_share(b, a, base=base) * math.log(base),
        lambda xp, g, y, a, b, base: -g * y * xp.exp_share(b, a, base=base) * math.log(base),
    ),
    kink="½ if both are inf, 0 if both are −inf", elementwise=True,
)  # fmt: skip


def _share_rules(base: float) -> tuple[Any, Any]:
    return (
        lambda xp, g, y, a, b: g * xp.exp_share(a, b, base=base),
        lambda xp, g, y, a, b: g * xp.exp_share(b, a, base=base),
    )


logaddexp = binary(
    np.logaddexp, formula="ln(eᵃ + eᵇ)", derivative=("σ(a − b)", "σ(b − a)"),
    vjp=_share_rules(math.e),
    text="Logarithm of a sum of exponentials", example=(1000.0, 1000.0, 1000.6932), kink="0 for both if both are −inf",
    float_only=True,
)  # fmt: skip
logaddexp2 = binary(
    np.logaddexp2, formula="log₂(2ᵃ + 2ᵇ)", derivative=("σ((a − b) ln 2)", "σ((b − a) ln 2)"),
    vjp=_share_rules(2.0),
    text="Logarithm to base 2 of a sum of powers of two", example=(5.0, 5.0, 6.0), kink="0 for both if both are −inf",
    float_only=True,
)  # fmt: skip


def _xlogy(x: Array, y: Array, out: Array | None = None) -> Any:
    return np.multiply(x, np.log(np.where((x == 0) & ~np.isnan(y), y.dtype.type(1), y)), out=out)


xlogy = binary(
    _xlogy, formula="x ln y", derivative=("ln y", "x/y"),
    vjp=(lambda xp, g, z, x, y: g * xp.log(xp.convention((x == 0) & (y <= 0), 1.0, y)), lambda xp, g, z, x, y: g * x / y),
    text="x ln y, and 0 if x is 0", example=(2.0, 1.0, 0.0), kink="at (0, 0): 0 for x, nan for y", float_only=True,
    ordered=True,
)  # fmt: skip

# -- trigonometry ----------------------------------------------------------------------------------------------------

sin = unary(
    np.sin, formula="sin x", derivative="cos x",
    vjp=lambda xp, g, y, x: g * xp.cos(x),
    text="Sine", example=(1.0, 0.8415), scalar="sin({0})",
)  # fmt: skip
cos = unary(
    np.cos, formula="cos x", derivative="−sin x",
    vjp=lambda xp, g, y, x: -g * xp.sin(x),
    text="Cosine", example=(1.0, 0.5403), scalar="cos({0})",
)  # fmt: skip
tan = unary(
    np.tan, formula="tan x", derivative="1 + tan²(x)",
    vjp=lambda xp, g, y, x: g * (y * y + 1),
    text="Tangent", example=(1.0, 1.5574),
)  # fmt: skip
arcsin = unary(
    np.arcsin, formula="arcsin x", derivative="1/√(1 − x²)",
    vjp=lambda xp, g, y, x: g / xp.sqrt((1 - x) * (1 + x)),
    text="Inverse sine", example=(0.5, 0.5236), kink="inf at ±1",
)  # fmt: skip
arccos = unary(
    np.arccos, formula="arccos x", derivative="−1/√(1 − x²)",
    vjp=lambda xp, g, y, x: -g / xp.sqrt((1 - x) * (1 + x)),
    text="Inverse cosine", example=(0.5, 1.0472), kink="−inf at ±1",
)  # fmt: skip


def _arctan_rule(xp: Any, g: Any, y: Any, x: Any) -> Any:
    radius = xp.hypot(x, 1.0)  # x² could overflow
    return g / radius / radius


arctan = unary(
    np.arctan, formula="arctan x", derivative="1/(1 + x²)",
    vjp=_arctan_rule,
    text="Inverse tangent", example=(1.0, 0.7854),
)  # fmt: skip


def _divide_by_square(xp: Any, g: Any, leg: Any, a: Any, b: Any) -> Any:
    """Returns g · leg / (a² + b²) without overflow, and 0 at the origin."""
    radius = xp.hypot(a, b)
    radius = xp.convention(radius == 0, 1.0, radius)
    return g * (leg / radius / radius)


arctan2 = binary(
    np.arctan2, formula="the angle of the point (b, a)", letters="ab", derivative=("b/(a² + b²)", "−a/(a² + b²)"),
    vjp=(lambda xp, g, y, a, b: _divide_by_square(xp, g, b, a, b), lambda xp, g, y, a, b: _divide_by_square(xp, -g, a, a, b)),
    text="Angle of a point from its ordinate and abscissa", example=(1.0, -1.0, 2.3562),
    kink="0 for both at the origin, second derivatives nan", float_only=True, ordered=True,
)  # fmt: skip
deg2rad = unary(
    np.deg2rad, formula="πx/180", derivative="π/180",
    vjp=lambda xp, g, y, x: g * _DEGREE,
    text="Degrees as radians", example=(180.0, 3.1416), numpy=np.radians,
)  # fmt: skip
rad2deg = unary(
    np.rad2deg, formula="180x/π", derivative="180/π",
    vjp=lambda xp, g, y, x: g / _DEGREE,
    text="Radians as degrees", example=(1.0, 57.2958), numpy=np.degrees,
)  # fmt: skip

# -- hyperbolic functions --------------------------------------------------------------------------------------------


sinh = unary(
    np.sinh, formula="sinh x", derivative="cosh x",
    vjp=lambda xp, g, y, x: g * xp.cosh(x),
    text="Hyperbolic sine", example=(1.0, 1.1752),
)  # fmt: skip
cosh = unary(
    np.cosh, formula="cosh x", derivative="sinh x",
    vjp=lambda xp, g, y, x: g * xp.sinh(x),
    text="Hyperbolic cosine", example=(1.0, 1.5431),
)  # fmt: skip
tanh = unary(
    np.tanh, formula="tanh x", derivative="1 − tanh²(x)",
    vjp=lambda xp, g, y, x: g - y * y * g,
    text="Hyperbolic tangent", example=(0.5, 0.4621), nanoseconds=1.0, scalar="tanh({0})",
)  # fmt: skip
arcsinh = unary(
    np.arcsinh, formula="arsinh x", derivative="1/√(x² + 1)",
    vjp=lambda xp, g, y, x: g / xp.hypot(x, 1.0),
    text="Inverse hyperbolic sine", example=(1.0, 0.8814),
)  # fmt: skip
arccosh = unary(
    np.arccosh, formula="arcosh x", derivative="1/√(x² − 1)",
    vjp=lambda xp, g, y, x: g / (xp.sqrt(x - 1) * xp.sqrt(x + 1)),
    text="Inverse hyperbolic cosine", example=(2.0, 1.317), kink="inf at 1",
)  # fmt: skip
arctanh = unary(
    np.arctanh, formula="artanh x", derivative="1/(1 − x²)",
    vjp=lambda xp, g, y, x: g / ((1 - x) * (1 + x)),
    text="Inverse hyperbolic tangent", example=(0.5, 0.5493), kink="inf at ±1",
)  # fmt: skip

# -- the normal distribution and erf -------------------------------------------------------------------------------------

Primitive(
    "gaussian", special.gaussian, formula="exp(−rate · x²)", derivative=("−2 rate x exp(−rate · x²)",),
    vjp=(lambda xp, g, y, x, rate: g * y * x * (-2 * rate),),
    elementwise=True,
)  # fmt: skip
_DENSITY = 1 / math.sqrt(2 * math.pi)
Primitive(
    "normal_cdf", special.normal_cdf, formula="Φ(x)", derivative=("φ(x) = exp(−x²/2)/√(2π)",),
    vjp=(lambda xp, g, y, x: g * (xp.gaussian(x, rate=0.5) * _DENSITY),),
    elementwise=True,
)  # fmt: skip
_ERF_SLOPE = 2 / math.sqrt(math.pi)
erf = unary(
    special.erf, formula="2/√π ∫₀ˣ exp(−t²) dt", derivative="2/√π exp(−x²)",
    vjp=lambda xp, g, y, x: g * (xp.gaussian(x, rate=1.0) * _ERF_SLOPE),
    text="Error function", example=(1.0, 0.8427),
)  # fmt: skip
