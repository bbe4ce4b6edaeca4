"""Elementwise primitives, one row each: kernel, formula, local derivative, gradient rule, and an example for the docstring.

Arithmetic, rounding, functions with kinks, selection and comparison; other rows: `transcendental.py`, `activation.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import apply, as_comparable, as_float, as_floats, as_operands, cast, common_dtype, kind_of
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike, as_tensor
from ..tools.arguments import one_int
from ._make import binary, explain_broadcast, implements, numpys_keywords, predicate, unary

__all__ = [
    "abs", "absolute", "add", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clip", "copysign", "divide",
    "equal", "fabs", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "greater", "greater_equal", "hypot",
    "invert", "isfinite", "isinf", "isnan", "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "maximum", "minimum", "multiply", "nan_to_num", "negative", "not_equal", "ones_like", "power",
    "reciprocal", "remainder", "right_shift", "rint", "round", "sign", "sqrt", "square", "subtract", "trunc", "where",
    "zeros_like",
]  # fmt: skip

# -- arithmetic ------------------------------------------------------------------------------------------------------------

add = binary(
    np.add, formula="a + b", derivative=("1", "1"),
    vjp=(lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: g),
    text="Sum", example=(1.5, 2, 3.5), symbol="+", role="sum", scalar="{0} + {1}",
)  # fmt: skip
subtract = binary(
    np.subtract, formula="a − b", derivative=("1", "−1"),
    vjp=(lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g),
    text="Difference", example=(1.5, 2, -0.5), symbol="−", ordered=True, scalar="{0} - {1}",
)  # fmt: skip
multiply = binary(
    np.multiply, formula="a · b", derivative=("b", "a"),
    vjp=(lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * a),
    text="Product", example=(1.5, 2, 3.0), symbol="×", role="product", scalar="{0} * {1}",
)  # fmt: skip
divide = binary(
    np.divide, formula="a / b", derivative=("1/b", "−a/b²"),
    vjp=(lambda xp, g, y, a, b: g / b, lambda xp, g, y, a, b: -g * y / b),
    text="Quotient (true division, so integers give floats)", example=(3, 2, 1.5), float_only=True, symbol="÷", ordered=True,
    scalar="{0} / {1}",
)  # fmt: skip
negative = unary(
    np.negative, formula="−x", derivative="−1",
    vjp=lambda xp, g, y, x: -g,
    text="Negation", example=(2.0, -2.0), integers=True, scalar="-{0}",
)  # fmt: skip


def _power_slope(y: Array, a: Array, b: Array) -> Array:
    """Returns b·aᵇ⁻¹ as b·y/a, which rounds less than the power does; 0⁰ has slope 0."""
    if y.dtype.itemsize == 2:
        a, b = a.astype(np.float32), b.astype(np.float32)
        return _power_slope(np.power(a, b), a, b).astype(y.dtype)
    with np.errstate(all="ignore"):
        slope = np.asarray(b * y / a)
        fine = np.isfinite(slope) & (np.absolute(y) >= np.finfo(y.dtype).tiny)
        if not fine.all():
            base, exponent = (np.broadcast_to(x, slope.shape)[~fine] for x in (a, b))
            slope[~fine] = exponent * np.power(np.where((base == 0) & (exponent == 0), base.dtype.type(1), base), exponent - 1)
    return slope


def _power_curvature(xp: Any, g: Any, y: Any, _: Any, a: Any, b: Any) -> Any:
    base = xp.where((a == 0) & (b == 0), xp.ones_like(a), a)
    return g * b * xp.power_slope(xp.power(base, b - 1), base, b - 1)


def _power_mixed(xp: Any, g: Any, y: Any, _: Any, a: Any, b: Any) -> Any:
    return g * xp.power(a, b - 1) * (b * xp.log(xp.where((a == 0) & (b > 1), xp.ones_like(a), a)) + 1)


Primitive(
    "power_slope", _power_slope, formula="b·aᵇ⁻¹, given y = aᵇ", derivative=("none", "b(b − 1)·aᵇ⁻²", "aᵇ⁻¹ (1 + b ln a)"),
    vjp=(None, _power_curvature, _power_mixed),
    elementwise=True,
)  # fmt: skip


def _power_exponent_rule(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    # At base 0, the slope with respect to the exponent is 0 for exponents ≥ 0 and −inf for negative ones.
    one = xp.ones_like(a)
    y = xp.convention((a == 0) & (b == 0), y, y)
    return g * y * xp.log(xp.convention((a == 0) & (b >= 0) & (b <= 1), one, xp.where((a == 0) & (b > 1), one, a)))


_power = binary(
    np.power, formula="aᵇ", derivative=("b·aᵇ⁻¹", "aᵇ·ln a"),
    vjp=(lambda xp, g, y, a, b: g * xp.power_slope(y, a, b), _power_exponent_rule),
    text="Power", example=(2.0, 3.0, 8.0),
    kink="x⁰ has slope 0 everywhere; the slope of 0ʸ with respect to y is 0 for y ≥ 0 and −inf for y < 0", ordered=True,
)  # fmt: skip
square = unary(
    np.square, formula="x²", derivative="2x",
    vjp=lambda xp, g, y, x: g * (x * 2),
    text="Square", example=(3.0, 9.0), integers=True, scalar="{0} * {0}",
)  # fmt: skip
sqrt = unary(
    np.sqrt, formula="√x", derivative="1/(2√x)",
    vjp=lambda xp, g, y, x: g * 0.5 / y,
    text="Square root", example=(9.0, 3.0), kink="inf at 0", scalar="sqrt({0})",
)  # fmt: skip
cbrt = unary(
    np.cbrt, formula="∛x", derivative="1/(3 ∛x²)",
    vjp=lambda xp, g, y, x: g / y / (y * 3),  # y² may be subnormal
    text="Cube root", example=(-8.0, -2.0), kink="inf at 0",
)  # fmt: skip
reciprocal = unary(
    np.reciprocal, formula="1/x", derivative="−1/x²",
    vjp=lambda xp, g, y, x: -g * (y * y),
    text="Reciprocal", example=(4.0, 0.25), kink="−inf at 0", scalar="1.0 / {0}",
)  # fmt: skip
_SHORT_POWERS = {2: square, 0.5: sqrt, -1: reciprocal}


@implements(np.power)
def power(a: TensorLike, b: TensorLike) -> Tensor:
    """Power aᵇ, elementwise with broadcasting; the exponents 2, ½ and −1 become `square`, `sqrt` and `reciprocal`.

    Local derivatives: b·aᵇ⁻¹ with respect to a, aᵇ·ln a with respect to b. x⁰ has slope 0 everywhere.

    >>> import autograd_mini as ag
    >>> ag.power([1.0, 2.0, 3.0], 3)
    Tensor([ 1.,  8., 27.])
    """
    if isinstance(b, (int, float)) and b in _SHORT_POWERS and isinstance(a, Tensor) and a._data.dtype.kind == "f":
        return _SHORT_POWERS[b](a)
    return _power(a, b)


def _power_operator(a: Tensor, b: TensorLike) -> Tensor:
    """`power` as the operator `**`, which leaves operands of foreign types to their own methods."""
    if isinstance(b, (int, float)) and b in _SHORT_POWERS and a._data.dtype.kind == "f":
        return _SHORT_POWERS[b](a)
    return _power.operator(a, b)  # type: ignore[attr-defined]


power.operator = _power_operator  # type: ignore[attr-defined]


@implements(np.float_power)
def float_power(a: TensorLike, b: TensorLike) -> Tensor:
    """`power` of floats: integers are converted to the default dtype first (float64 in NumPy), so negative exponents work.

    >>> import autograd_mini as ag
    >>> ag.float_power([1, 2], -2)
    Tensor([1.  , 0.25])
    """
    return power(as_float(a), b) if isinstance(b, (int, float)) else _power(*as_floats(a, b))


def _leg_ratio(xp: Any, y: Any, leg: Any) -> Any:
    """Returns leg / hypotenuse, or 0 if both legs are 0."""
    return leg / xp.convention(y == 0, xp.ones_like(y), y)


hypot = binary(
    np.hypot, formula="√(a² + b²)", derivative=("a/√(a² + b²)", "b/√(a² + b²)"),
    vjp=(lambda xp, g, y, a, b: g * _leg_ratio(xp, y, a), lambda xp, g, y, a, b: g * _leg_ratio(xp, y, b)),
    text="Hypotenuse", example=(3.0, 4.0, 5.0), kink="0 at (0, 0), second derivatives nan", float_only=True,
)  # fmt: skip

# -- rounding and remainders -------------------------------------------------------------------------------------------


def _keep_integers(ufunc: Any) -> Any:
    """Returns a rounding function that leaves integers as they are; NumPy 2.0 converts them to floats."""
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        return ufunc

    def kernel(x: Array, out: Array | None = None) -> Array:
        return np.positive(x, out=out) if x.dtype.kind in "iu" else np.copy(x) if x.dtype.kind == "b" else ufunc(x, out=out)

    return kernel


floor = unary(
    _keep_integers(np.floor), name="floor", numpy=np.floor, formula="⌊x⌋", derivative="0",
    text="Largest integer that is at most x", example=(-1.5, -2.0), integers=True,
)  # fmt: skip
ceil = unary(
    _keep_integers(np.ceil), name="ceil", numpy=np.ceil, formula="⌈x⌉", derivative="0",
    text="Smallest integer that is at least x", example=(-1.5, -1.0), integers=True,
)  # fmt: skip
trunc = unary(
    _keep_integers(np.trunc), name="trunc", numpy=np.trunc, formula="x without its fractional part", derivative="0",
    text="Integer part", example=(-1.5, -1.0), integers=True,
)  # fmt: skip
rint = unary(
    np.rint, formula="the integer nearest to x", derivative="0",
    text="Nearest integer, halves to even", example=(2.5, 2.0),
)  # fmt: skip
floor_divide = binary(
    np.floor_divide, formula="⌊a / b⌋", derivative=("0", "0"),
    text="Quotient rounded down", example=(-7.0, 2.0, -4.0),
)  # fmt: skip
remainder = binary(
    np.remainder, formula="a − b⌊a / b⌋", derivative=("1", "−⌊a/b⌋"),
    vjp=(lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g * xp.floor_divide(a, b)),
    text="Remainder with the divisor's sign", example=(-7.0, 2.0, 1.0), kink="unchanged at a jump", ordered=True,
)  # fmt: skip
fmod = binary(
    np.fmod, formula="a − b·trunc(a / b)", derivative=("1", "−trunc(a/b)"),
    vjp=(lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g * xp.rint((a - y) / b)),
    text="Remainder with the dividend's sign", example=(-7.0, 2.0, -1.0), kink="unchanged at a jump", ordered=True,
)  # fmt: skip
_ROUND = Primitive("round", np.round, formula="x to a number of decimals", elementwise=True, constant=True)


@implements(np.round)
def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """Rounds `x` to a number of decimals, halves to even. Piecewise constant: gradient 0.

    >>> import autograd_mini as ag
    >>> ag.round([0.126, 1.5], 2)
    Tensor([0.13, 1.5 ])
    """
    return apply(_ROUND, (as_tensor(x),), {"decimals": one_int("round", "decimals", decimals)})


# -- kinks ---------------------------------------------------------------------------------------------------------------------

sign = unary(
    np.sign, formula="sgn x", derivative="0",
    text="Sign (−1, 0 or 1)", example=(-2.0, -1.0), integers=True,
    scalar="1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else 0.0 if {0} == 0.0 else {0}",
)  # fmt: skip
abs = unary(
    np.absolute, name="abs", formula="|x|", derivative="sgn x",
    vjp=lambda xp, g, y, x: g * xp.abs_slope(x),
    text="Absolute value", example=(-2.0, 2.0), kink="0 at 0, second derivative nan", integers=True, scalar="abs({0})",
)  # fmt: skip
Primitive(
    "abs_slope", np.sign, formula="sgn x", derivative=("0, nan at 0",),
    vjp=(lambda xp, g, y, x: xp.where(x == 0, np.nan, xp.zeros_like(g)),),
    kink="for rules: the slope of |x|, which has no derivative at 0", elementwise=True,
)  # fmt: skip
absolute = abs


@implements(np.fabs)
def fabs(x: TensorLike) -> Tensor:
    """`abs` of floats: integers are converted to the default dtype.

    >>> import autograd_mini as ag
    >>> ag.fabs([-2, 3])
    Tensor([2., 3.])
    """
    return abs(as_float(x))


copysign = binary(
    np.copysign, formula="|a| with the sign of b", derivative=("sgn a · sgn b", "0"),
    vjp=(lambda xp, g, y, a, b: g * xp.abs_slope(a) * xp.copysign(xp.ones_like(b), b), lambda xp, g, y, a, b: xp.zeros_like(b)),
    text="Magnitude of a with the sign of b", example=(2.0, -3.0, -2.0), kink="0 at a = 0, second derivative nan",
    float_only=True, ordered=True,
)  # fmt: skip


def _max_share(a: Array, b: Array) -> Array:
    """Returns the share of max(a, b)'s gradient that a gets: 1 if it is larger, ½ at a tie, else 0."""
    return np.add(a > b, a >= b, dtype=a.dtype) * a.dtype.type(0.5)


Primitive("max_share", _max_share, formula="[a > b] + ½[a = b]", elementwise=True, constant=True)

_TIE = "½ to each at a tie"
maximum = binary(
    np.maximum, formula="max(a, b)", derivative=("[a > b]", "[b > a]"),
    vjp=(lambda xp, g, y, a, b: g * xp.max_share(a, b), lambda xp, g, y, a, b: g * xp.max_share(b, a)),
    text="Larger of two", example=(1.0, 2.0, 2.0), kink=_TIE, scalar="{0} if {0} != {0} or {0} > {1} else {1}",
)  # fmt: skip
minimum = binary(
    np.minimum, formula="min(a, b)", derivative=("[a < b]", "[b < a]"),
    vjp=(lambda xp, g, y, a, b: g * xp.max_share(b, a), lambda xp, g, y, a, b: g * xp.max_share(a, b)),
    text="Smaller of two", example=(1.0, 2.0, 1.0), kink=_TIE, scalar="{0} if {0} != {0} or {0} < {1} else {1}",
)  # fmt: skip


def _nan_share(xp: Any, g: Any, a: Any, b: Any, worst: float) -> Any:
    """Returns a's share of the gradient, with each nan replaced by `worst`, an infinity that loses against any number."""
    a, b = (xp.where(xp.isnan(x), worst, x) for x in (a, b))
    return g * (xp.max_share(a, b) if worst < 0 else xp.max_share(b, a))


fmax = binary(
    np.fmax, formula="max(a, b), nan ignored", derivative=("[a > b]", "[b > a]"),
    vjp=(lambda xp, g, y, a, b: _nan_share(xp, g, a, b, -np.inf), lambda xp, g, y, a, b: _nan_share(xp, g, b, a, -np.inf)),
    text="Larger of two, or the one that is not nan", example=(1.0, 2.0, 2.0), kink=_TIE,
)  # fmt: skip
fmin = binary(
    np.fmin, formula="min(a, b), nan ignored", derivative=("[a < b]", "[b < a]"),
    vjp=(lambda xp, g, y, a, b: _nan_share(xp, g, a, b, np.inf), lambda xp, g, y, a, b: _nan_share(xp, g, b, a, np.inf)),
    text="Smaller of two, or the one that is not nan", example=(1.0, 2.0, 1.0), kink=_TIE,
)  # fmt: skip


def _clip(x: Array, lo: Any, hi: Any) -> Array:
    return np.minimum(np.maximum(x, lo), hi)


def _clip_rule(xp: Any, g: Any, y: Any, x: Any, lo: Any, hi: Any) -> Any:
    return xp.where((x > lo) & (x < hi), g, xp.zeros_like(g))


_CLIP = Primitive(
    "clip", _clip, formula="min(max(x, lo), hi)", derivative=("[lo < x < hi]",),
    vjp=(_clip_rule,),
    kink="0 at a scalar bound; with tensor bounds, ½ to x and ½ to the bound", elementwise=True,
)  # fmt: skip
# The same with bounds as operands, for the numbers that are arguments of a compiled step.
_CLIP_TO = Primitive(
    "clip_to", _clip, formula="min(max(x, lo), hi)", derivative=("[lo < x < hi]", "none", "none"),
    vjp=(_clip_rule, None, None),
    kink="0 at a bound", elementwise=True,
)  # fmt: skip


def _dtype_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Returns the smallest and the largest value of the dtype of an array of floats or integers."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@implements(np.clip)
def clip(x: TensorLike, lo: TensorLike | None = None, hi: TensorLike | None = None, **numpy: Any) -> Tensor:
    """Limits x to [lo, hi], elementwise; a bound may be None, a number or a tensor.

    Local derivative: 1 strictly inside, 0 at a scalar bound and beyond; x and an equal tensor bound get half each.

    >>> import autograd_mini as ag
    >>> ag.clip([-2.0, 0.5, 3.0], -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    if numpy:
        return numpys_keywords(clip, (x,), numpy, lo=lo, hi=hi)
    if lo is None and hi is None:
        raise ValueError("clip: expected a lower or an upper bound, got lo=None and hi=None")
    lo, hi = (b.item() if isinstance(b, np.generic) else b for b in (lo, hi))
    if all(b is None or isinstance(b, (int, float)) for b in (lo, hi)):
        return _clip_to_numbers(as_tensor(x), lo, hi)  # type: ignore[arg-type]
    dtype = common_dtype(x, *(b for b in (lo, hi) if b is not None))
    y = cast(x, dtype)
    lowest, highest = (np.array(bound, dtype) for bound in _dtype_range(dtype))
    for bound, select, limits in ((lo, maximum, lambda b: (b, highest)), (hi, minimum, lambda b: (lowest, b))):
        if isinstance(bound, (int, float)):
            y = apply(_CLIP_TO, as_operands(y, *limits(cast(bound, dtype))))
        elif bound is not None:
            y = select(y, cast(bound, dtype))
    return y


def _clip_to_numbers(x: Tensor, lo: float | None, hi: float | None) -> Tensor:
    if any(isinstance(b, float) for b in (lo, hi)):
        x = as_float(x)
    elif x._data.dtype.kind == "b":
        x = cast(x, np.dtype(np.int64))
    lowest, highest = _dtype_range(x._data.dtype)
    lower, upper = lowest if lo is None else max(lo, lowest), highest if hi is None else min(hi, highest)
    return apply(_CLIP, (x,), {"lo": lower, "hi": upper})


# -- selection ---------------------------------------------------------------------------------------------------------

_ZEROS = Primitive("zeros_like", np.zeros_like, formula="0", elementwise=True, scalar="0.0", constant=True, flops=0)
_ONES = Primitive("ones_like", np.ones_like, formula="1", elementwise=True, scalar="1.0", constant=True, flops=0)


@implements(np.zeros_like)
def zeros_like(x: TensorLike) -> Tensor:
    """Zeros with x's shape and dtype.

    >>> import autograd_mini as ag
    >>> ag.zeros_like([1.0, 2.0])
    Tensor([0., 0.])
    """
    return apply(_ZEROS, (as_tensor(x),))


@implements(np.ones_like)
def ones_like(x: TensorLike) -> Tensor:
    """Ones with x's shape and dtype.

    >>> import autograd_mini as ag
    >>> ag.ones_like([3, 4])
    Tensor([1, 1])
    """
    return apply(_ONES, (as_tensor(x),))


_WHERE = Primitive(
    "where", np.where, formula="a if c, else b", letters="cab", derivative=("none", "[c]", "[not c]"),
    vjp=(
        None,
        lambda xp, g, y, c, a, b: xp.where(c, g, xp.zeros_like(g)),
        lambda xp, g, y, c, a, b: xp.where(c, xp.zeros_like(g), g),
    ),
    explain=explain_broadcast, elementwise=True, uniform=slice(1, None), scalar="{1} if {0} else {2}",
)  # fmt: skip


@implements(np.where)
def where(condition: TensorLike, a: TensorLike, b: TensorLike) -> Tensor:
    """Selects a if `condition` is true, else b, elementwise with broadcasting. Values that are not selected get gradient 0.

    A nan or inf in the computation of an unselected value gives a nan gradient there (0 · inf); `ag.detect_anomaly()` finds it.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([-1.0, 2.0])
    >>> ag.where(x > 0, x, 0)
    Tensor([0., 2.])
    """
    c = as_tensor(condition)
    if c._data.dtype.kind != "b":
        c = c != 0
    return apply(_WHERE, (c, *as_operands(a, b)))


Primitive(
    "convention", np.where, formula="a if c, else b", letters="cab", derivative=("none", "none", "1, nan if c"),
    vjp=(None, None, lambda xp, g, y, c, a, b: g * xp.where(c, np.nan, xp.ones_like(g))),
    kink="for rules: a slope that is a convention, and that has no derivative itself",
    explain=explain_broadcast, elementwise=True, uniform=slice(1, None), scalar="{1} if {0} else {2}",
)  # fmt: skip

# -- comparison and logic -----------------------------------------------------------------------------------------------------

equal = predicate(
    np.equal, formula="a = b", text="Equality", example=(1.0, 2.0, False), promote=as_comparable, scalar="{0} == {1}"
)  # fmt: skip
not_equal = predicate(
    np.not_equal, formula="a ≠ b", text="Inequality", example=(1.0, 2.0, True), promote=as_comparable, scalar="{0} != {1}"
)  # fmt: skip
less = predicate(
    np.less, formula="a < b", text="Less than", example=(1.0, 2.0, True), promote=as_comparable, scalar="{0} < {1}"
)  # fmt: skip
less_equal = predicate(
    np.less_equal, formula="a ≤ b", text="At most", example=(1.0, 2.0, True), promote=as_comparable, scalar="{0} <= {1}"
)  # fmt: skip
greater = predicate(
    np.greater, formula="a > b", text="Greater than", example=(1.0, 2.0, False), promote=as_comparable, scalar="{0} > {1}"
)  # fmt: skip
greater_equal = predicate(
    np.greater_equal, formula="a ≥ b", text="At least", example=(1.0, 2.0, False), promote=as_comparable, scalar="{0} >= {1}"
)  # fmt: skip
logical_and = predicate(
    np.logical_and, formula="a ∧ b", text="Both true", example=(True, False, False), scalar="{0} and {1}"
)  # fmt: skip
logical_or = predicate(
    np.logical_or, formula="a ∨ b", text="Either true", example=(True, False, True), scalar="{0} or {1}"
)  # fmt: skip
logical_xor = predicate(np.logical_xor, formula="a ⊻ b", text="One true, not both", example=(True, True, False))
logical_not = predicate(
    np.logical_not, formula="¬a", text="Not true", example=(True, False), arity=1, scalar="not {0}"
)  # fmt: skip
bitwise_and = predicate(np.bitwise_and, formula="a & b", text="And, bit by bit", example=(6, 3, 2))
bitwise_or = predicate(np.bitwise_or, formula="a | b", text="Or, bit by bit", example=(6, 3, 7))
bitwise_xor = predicate(np.bitwise_xor, formula="a ^ b", text="Exclusive or, bit by bit", example=(6, 3, 5))
left_shift = predicate(np.left_shift, formula="a · 2ᵇ", text="Bits moved to the left", example=(3, 2, 12))
right_shift = predicate(np.right_shift, formula="⌊a / 2ᵇ⌋", text="Bits moved to the right", example=(12, 2, 3))
invert = predicate(np.invert, formula="~a", text="Not, bit by bit", example=(True, False), arity=1)
isnan = predicate(np.isnan, formula="x is nan", text="Not a number", example=(1.0, False), arity=1)
isinf = predicate(np.isinf, formula="x is ±inf", text="Infinite", example=(1.0, False), arity=1)
isfinite = predicate(np.isfinite, formula="x is finite", text="Finite", example=(1.0, True), arity=1)


@implements(np.nan_to_num)
def nan_to_num(x: TensorLike, nan: float = 0.0) -> Tensor:
    """Replaces each nan in `x` by `nan`; the gradient there is 0. Infinities stay (NumPy would make them large).

    >>> import autograd_mini as ag
    >>> ag.nan_to_num([1.0, float("nan")])
    Tensor([1., 0.])
    """
    if kind_of(x) != "f":
        return as_tensor(x)
    x, fill = as_operands(x, nan)
    return where(x == x, x, fill)
