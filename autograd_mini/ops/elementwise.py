"""Elementwise primitives, one row each: name, kernel, formula, local derivative, rule, and an example for the docstring.

Arithmetic, rounding, functions with kinks, selection and comparison; other rows: `transcendental.py`, `activation.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import apply, as_compared, as_operands, cast, floating, recorded
from ..primitive import Primitive
from ..tensor import Array, Tensor, TensorLike, as_tensor
from ._make import binary, implements, no_broadcast, predicate, unary

__all__ = [
    "abs",
    "absolute",
    "add",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clip",
    "copysign",
    "divide",
    "equal",
    "fabs",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "greater",
    "greater_equal",
    "hypot",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "nan_to_num",
    "negative",
    "not_equal",
    "ones_like",
    "power",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "sign",
    "sqrt",
    "square",
    "subtract",
    "trunc",
    "where",
    "zeros_like",
]

# -- arithmetic ------------------------------------------------------------------------------------------------------------

add = binary("add", np.add, "a + b", ("1", "1"), (lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: g), "Sum", (1.5, 2, 3.5))
subtract = binary(
    "subtract",
    np.subtract,
    "a − b",
    ("1", "−1"),
    (lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g),
    "Difference",
    (1.5, 2, -0.5),
)
multiply = binary(
    "multiply",
    np.multiply,
    "a · b",
    ("b", "a"),
    (lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * a),
    "Product",
    (1.5, 2, 3.0),
)
divide = binary(
    "divide", np.divide, "a / b", ("1/b", "−a/b²"), (lambda xp, g, y, a, b: g / b, lambda xp, g, y, a, b: -g * y / b),
    "Quotient (true division; integers give floats)", (3, 2, 1.5), float_only=True,
)  # fmt: skip
negative = unary("negative", np.negative, "−x", "−1", lambda xp, g, y, x: -g, "Negation", (2.0, -2.0), integers=True)


def _power_by_base(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    # 0**0 is 1 with slope 0 for every approach along the base: the base 1 there keeps 0 · 0**(-1) finite.
    return g * b * xp.power(xp.where((a == 0) & (b == 0), xp.ones_like(a), a), b - 1)


def _power_by_exponent(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    # At base 0 the slope by the exponent is 0 from exponent 0 upwards, and −inf below.
    return g * y * xp.log(xp.where((a == 0) & (b >= 0), xp.ones_like(a), a))


_power = binary(
    "power", np.power, "aᵇ", ("b·aᵇ⁻¹", "aᵇ·ln a"), (_power_by_base, _power_by_exponent), "Power", (2.0, 3.0, 8.0),
    kink="x⁰ has slope 0 everywhere; the slope of 0ʸ with respect to y is 0 for y ≥ 0 and −inf for y < 0",
)  # fmt: skip
square = unary("square", np.square, "x²", "2x", lambda xp, g, y, x: g * (x * 2), "Square", (3.0, 9.0), integers=True)
sqrt = unary("sqrt", np.sqrt, "√x", "1/(2√x)", lambda xp, g, y, x: g * 0.5 / y, "Square root", (9.0, 3.0), kink="inf at 0")
cbrt = unary(
    "cbrt", np.cbrt, "∛x", "1/(3 ∛x²)", lambda xp, g, y, x: g / (y * y * 3), "Cube root", (-8.0, -2.0), kink="inf at 0"
)
reciprocal = unary(
    "reciprocal", np.reciprocal, "1/x", "−1/x²", lambda xp, g, y, x: -g * (y * y), "Reciprocal", (4.0, 0.25), kink="−inf at 0"
)
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


@implements(np.float_power)
def float_power(a: TensorLike, b: TensorLike) -> Tensor:
    """`power` of floats: integers are converted to the default dtype first (float64 in NumPy), so negative exponents work.

    >>> import autograd_mini as ag
    >>> ag.float_power([1, 2], -2)
    Tensor([1.  , 0.25])
    """
    return power(floating(a), b)


def _leg_share(xp: Any, y: Any, leg: Any) -> Any:
    """leg / hypotenuse, or 0 if both legs are 0."""
    return leg / xp.where(y == 0, xp.ones_like(y), y)


hypot = binary(
    "hypot", np.hypot, "√(a² + b²)", ("a/√(a² + b²)", "b/√(a² + b²)"),
    (lambda xp, g, y, a, b: g * _leg_share(xp, y, a), lambda xp, g, y, a, b: g * _leg_share(xp, y, b)),
    "Hypotenuse", (3.0, 4.0, 5.0), float_only=True, kink="0 at (0, 0)",
)  # fmt: skip

# -- rounding, and the remainders that it leaves ---------------------------------------------------------------------

floor = unary("floor", np.floor, "⌊x⌋", "0", None, "Largest integer not above", (-1.5, -2.0), integers=True)
ceil = unary("ceil", np.ceil, "⌈x⌉", "0", None, "Smallest integer not below", (-1.5, -1.0), integers=True)
trunc = unary("trunc", np.trunc, "x without its fraction", "0", None, "Integer part", (-1.5, -1.0), integers=True)
rint = unary("rint", np.rint, "the integer next to x", "0", None, "Nearest integer, halves to even", (2.5, 2.0))
floor_divide = binary(
    "floor_divide", np.floor_divide, "⌊a / b⌋", ("0", "0"), (None, None), "Quotient rounded down", (-7.0, 2.0, -4.0)
)
remainder = binary(
    "remainder", np.remainder, "a − b⌊a / b⌋", ("1", "−⌊a/b⌋"),
    (lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g * xp.floor_divide(a, b)),
    "Remainder with the divisor's sign", (-7.0, 2.0, 1.0), kink="the same at a jump",
)  # fmt: skip
fmod = binary(
    "fmod", np.fmod, "a − b·trunc(a / b)", ("1", "−trunc(a/b)"),
    # Rounding (a − y)/b gives the very integer that the kernel used, which trunc of a rounded a/b may miss.
    (lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g * xp.rint((a - y) / b)),
    "Remainder with the dividend's sign", (-7.0, 2.0, -1.0), kink="the same at a jump",
)  # fmt: skip
_ROUND = Primitive("round", np.round, formula="x to a number of decimals", elementwise=True, constant=True)


@implements(np.round)
def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """Rounds `x` to a number of decimals, halves to even. Piecewise constant: gradient 0.

    >>> import autograd_mini as ag
    >>> ag.round([0.126, 1.5], 2)
    Tensor([0.13, 1.5 ])
    """
    return apply(_ROUND, (as_tensor(x),), {"decimals": int(decimals)})


# -- kinks ---------------------------------------------------------------------------------------------------------------------

sign = unary("sign", np.sign, "sgn x", "0", None, "Sign: −1, 0 or 1", (-2.0, -1.0), integers=True)
abs = unary(
    "abs",
    np.absolute,
    "|x|",
    "sgn x",
    lambda xp, g, y, x: g * xp.sign(x),
    "Absolute value",
    (-2.0, 2.0),
    kink="0 at 0",
    integers=True,
)
absolute = abs


@implements(np.fabs)
def fabs(x: TensorLike) -> Tensor:
    """`abs` of floats: integers are converted to the default dtype.

    >>> import autograd_mini as ag
    >>> ag.fabs([-2, 3])
    Tensor([2., 3.])
    """
    return abs(floating(x))


copysign = binary(
    "copysign", np.copysign, "|a| with the sign of b", ("sgn a · sgn b", "0"),
    (lambda xp, g, y, a, b: g * xp.sign(a) * xp.copysign(xp.ones_like(b), b), lambda xp, g, y, a, b: xp.zeros_like(b)),
    "Magnitude of a with the sign of b", (2.0, -3.0, -2.0), kink="0 at a = 0", float_only=True,
)  # fmt: skip


def _winner(a: Array, b: Array) -> Array:
    return np.add(a > b, a >= b, dtype=a.dtype) * a.dtype.type(0.5)


Primitive("winner", _winner, formula="[a > b] + ½[a = b]", elementwise=True, constant=True)

_TIE = "½ to each at a tie"
maximum = binary(
    "maximum", np.maximum, "max(a, b)", ("[a > b]", "[b > a]"),
    (lambda xp, g, y, a, b: g * xp.winner(a, b), lambda xp, g, y, a, b: g * xp.winner(b, a)),
    "Larger of two", (1.0, 2.0, 2.0), kink=_TIE,
)  # fmt: skip
minimum = binary(
    "minimum", np.minimum, "min(a, b)", ("[a < b]", "[b < a]"),
    (lambda xp, g, y, a, b: g * xp.winner(b, a), lambda xp, g, y, a, b: g * xp.winner(a, b)),
    "Smaller of two", (1.0, 2.0, 1.0), kink=_TIE,
)  # fmt: skip


def _present(xp: Any, g: Any, a: Any, b: Any, worst: float) -> Any:
    """Returns a's share of the gradient if nan counts as the worst value."""
    a, b = (xp.where(xp.isnan(x), worst, x) for x in (a, b))
    return g * (xp.winner(a, b) if worst < 0 else xp.winner(b, a))


fmax = binary(
    "fmax", np.fmax, "max(a, b), nan ignored", ("[a > b]", "[b > a]"),
    (lambda xp, g, y, a, b: _present(xp, g, a, b, -np.inf), lambda xp, g, y, a, b: _present(xp, g, b, a, -np.inf)),
    "Larger of two, or the one that is not nan", (1.0, 2.0, 2.0), kink=_TIE,
)  # fmt: skip
fmin = binary(
    "fmin", np.fmin, "min(a, b), nan ignored", ("[a < b]", "[b < a]"),
    (lambda xp, g, y, a, b: _present(xp, g, a, b, np.inf), lambda xp, g, y, a, b: _present(xp, g, b, a, np.inf)),
    "Smaller of two, or the one that is not nan", (1.0, 2.0, 1.0), kink=_TIE,
)  # fmt: skip


def _clip(x: Array, lo: float, hi: float) -> Array:
    return np.minimum(np.maximum(x, lo), hi)


_CLIP = Primitive(
    "clip",
    _clip,
    (lambda xp, g, y, x, lo, hi: xp.where((x > lo) & (x < hi), g, xp.zeros_like(g)),),
    formula="min(max(x, lo), hi)",
    derivative=("[lo < x < hi]",),
    kink="0 at a scalar bound; with tensor bounds, ½ to x and ½ to the bound",
    elementwise=True,
)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Returns the smallest and the largest value of the dtype of an array of floats or integers."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@implements(np.clip)
def clip(x: TensorLike, lo: TensorLike | None = None, hi: TensorLike | None = None) -> Tensor:
    """Limits x to [lo, hi], elementwise; a bound may be None, a number or a tensor.

    Local derivative: 1 strictly inside, 0 at a scalar bound and beyond; x and a tensor bound that are equal share the gradient.

    >>> import autograd_mini as ag
    >>> ag.clip([-2.0, 0.5, 3.0], -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    x = as_tensor(x)
    if lo is None and hi is None:
        raise ValueError("clip: needs a lower or an upper bound")
    lo, hi = (b.item() if isinstance(b, np.generic) else b for b in (lo, hi))
    if all(b is None or isinstance(b, (int, float)) for b in (lo, hi)):
        if any(isinstance(b, float) for b in (lo, hi)):
            x = floating(x)
        elif x._data.dtype.kind == "b":
            x = cast(x, np.dtype(np.int64))
        least, most = _range(x._data.dtype)
        below = least if lo is None else max(lo, least)  # type: ignore[type-var]
        above = most if hi is None else min(hi, most)  # type: ignore[type-var]
        return apply(_CLIP, (x,), {"lo": below, "hi": above})
    if lo is not None:
        x = maximum(x, lo)
    return x if hi is None else minimum(x, hi)


# -- choosing --------------------------------------------------------------------------------------------------------

_ZEROS = Primitive("zeros_like", np.zeros_like, formula="0", elementwise=True, constant=True)
_ONES = Primitive("ones_like", np.ones_like, formula="1", elementwise=True, constant=True)


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
    "where",
    np.where,
    (
        None,
        lambda xp, g, y, c, a, b: xp.where(c, g, xp.zeros_like(g)),
        lambda xp, g, y, c, a, b: xp.where(c, xp.zeros_like(g), g),
    ),
    formula="a where c, else b",
    derivative=("none", "[c]", "[not c]"),
    elementwise=True,
    uniform=False,
    explain=no_broadcast,
)


@implements(np.where)
def where(condition: TensorLike, a: TensorLike, b: TensorLike) -> Tensor:
    """Selects a where `condition` is true, else b, with broadcasting. The values not selected get gradient 0.

    A nan or inf in the computation of values not selected gives nan gradients there (0 · inf); `ag.detect_anomaly()` finds it.

    >>> import autograd_mini as ag
    >>> x = ag.Tensor([-1.0, 2.0])
    >>> ag.where(x > 0, x, 0)
    Tensor([0., 2.])
    """
    c = as_tensor(condition)
    if c._data.dtype.kind != "b":
        c = c != 0
    return apply(_WHERE, (c, *as_operands(a, b)))


# A rule's `xp.where` must promote its branches but not the condition, exactly as the user's.
recorded.where = where

# -- comparison and logic -----------------------------------------------------------------------------------------------------

equal = predicate("equal", np.equal, "a = b", "Equality", (1.0, 2.0, False), meet=as_compared)
not_equal = predicate("not_equal", np.not_equal, "a ≠ b", "Inequality", (1.0, 2.0, True), meet=as_compared)
less = predicate("less", np.less, "a < b", "Less than", (1.0, 2.0, True), meet=as_compared)
less_equal = predicate("less_equal", np.less_equal, "a ≤ b", "At most", (1.0, 2.0, True), meet=as_compared)
greater = predicate("greater", np.greater, "a > b", "Greater than", (1.0, 2.0, False), meet=as_compared)
greater_equal = predicate("greater_equal", np.greater_equal, "a ≥ b", "At least", (1.0, 2.0, False), meet=as_compared)
logical_and = predicate("logical_and", np.logical_and, "a ∧ b", "Both true", (True, False, False))
logical_or = predicate("logical_or", np.logical_or, "a ∨ b", "Either true", (True, False, True))
logical_xor = predicate("logical_xor", np.logical_xor, "a ⊻ b", "One true, not both", (True, True, False))
logical_not = predicate("logical_not", np.logical_not, "¬a", "Not true", (True, False), arity=1)
bitwise_and = predicate("bitwise_and", np.bitwise_and, "a & b", "And, bit by bit", (6, 3, 2))
bitwise_or = predicate("bitwise_or", np.bitwise_or, "a | b", "Or, bit by bit", (6, 3, 7))
bitwise_xor = predicate("bitwise_xor", np.bitwise_xor, "a ^ b", "Exclusive or, bit by bit", (6, 3, 5))
invert = predicate("invert", np.invert, "~a", "Not, bit by bit", (True, False), arity=1)
isnan = predicate("isnan", np.isnan, "x is nan", "Not a number", (1.0, False), arity=1)
isinf = predicate("isinf", np.isinf, "x is ±inf", "Infinite", (1.0, False), arity=1)
isfinite = predicate("isfinite", np.isfinite, "x is finite", "Finite", (1.0, True), arity=1)


@implements(np.nan_to_num)
def nan_to_num(x: TensorLike, nan: float = 0.0) -> Tensor:
    """Replaces each nan in `x` by `nan`; the gradient there is 0. Infinities stay (NumPy would make them large).

    >>> import autograd_mini as ag
    >>> ag.nan_to_num([1.0, float("nan")])
    Tensor([1., 0.])
    """
    x = as_tensor(x)
    return where(x == x, x, nan) if x._data.dtype.kind == "f" else x
