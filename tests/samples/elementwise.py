"""Samples of the elementwise primitives: each function with the open domain in which it is smooth; some samples hit kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import SHAPES, binary, unary, values

INSIDE = (-0.9, 0.9)
ABOVE = (0.2, 3.0)
_UNARY = {
    "abs": (-3, 3), "arccos": INSIDE, "arccosh": (1.2, 4), "arcsin": INSIDE, "arcsinh": (-3, 3), "arctan": (-3, 3),
    "arctanh": INSIDE, "cbrt": ABOVE, "cos": (-3, 3), "cosh": (-3, 3), "deg2rad": (-180, 180),
    "erf": (-3, 3), "exp": (-3, 3), "exp2": (-3, 3),
    "expm1": (-3, 3), "gelu": (-3, 3), "log": ABOVE, "log10": ABOVE, "log1p": (-0.8, 3), "log2": ABOVE, "logsigmoid": (-3, 3),
    "mish": (-3, 3), "negative": (-3, 3), "rad2deg": (-3, 3), "reciprocal": (-3, -0.2), "relu": (-3, 3), "relu6": (-3, 8),
    "sigmoid": (-3, 3), "sinc": (-3, 3), "silu": (-3, 3), "sin": (-3, 3), "sinh": (-3, 3), "softplus": (-3, 3), "softsign": (-3, 3),
    "sqrt": ABOVE, "square": (-3, 3), "tan": (-1.3, 1.3), "tanh": (-3, 3),
}  # fmt: skip
_BINARY = {
    "add": ((-3, 3), (-3, 3)), "arctan2": ((-3, 3), (0.3, 3)), "copysign": ((-3, 3), (-3.1, 3)), "divide": ((-3, 3), ABOVE),
    "fmax": ((-3, 3), (-2.97, 3.03)), "fmin": ((-3, 3), (-2.97, 3.03)), "fmod": ((-2.93, 2.93), (0.71, 1.97)),
    "hypot": (ABOVE, (-3, 3)),
    "logaddexp": ((-3, 3), (-3, 3)), "logaddexp2": ((-3, 3), (-3, 3)),
    "maximum": ((-3, 3), (-2.97, 3.03)), "minimum": ((-3, 3), (-2.97, 3.03)), "multiply": ((-3, 3), (-3, 3)),
    "power": (ABOVE, (-2, 2)), "remainder": ((-2.93, 2.93), (0.71, 1.97)), "subtract": ((-3, 3), (-3, 3)),
    "xlogy": ((-3, 3), ABOVE),
}  # fmt: skip


@st.composite
def _with_settings(draw: Any, function: Any, settings: dict[str, st.SearchStrategy[Any]]) -> Call:
    """A function of one operand with random settings."""
    drawn = draw(st.fixed_dictionaries(settings))
    return Call(lambda x: function(x, **drawn), draw(unary(function)).operands, f"{function.__name__} {drawn}")


@st.composite
def _where(draw: Any) -> Call:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    condition = draw(hnp.arrays(bool, shapes[0]))
    operands = draw(values(shapes[1])), draw(values(shapes[2]))
    return Call(lambda a, b: ag.where(condition, a, b), operands, f"where {condition}")


@st.composite
def _convention(draw: Any) -> Call:
    """Where its condition is false; elsewhere it has no derivative, on purpose."""
    x = draw(SHAPES.flatmap(values))
    return Call(lambda x: recorded.convention(np.zeros(x.shape, bool), x, x), (x,))


@st.composite
def _exp_share(draw: Any) -> Call:
    base, pair = draw(st.sampled_from([2.0, np.e])), draw(binary(ag.logaddexp, (-3, 3), (-3, 3)))
    return Call(lambda a, b: recorded.exp_share(a, b, base=base), pair.operands, f"exp_share, base {base}")


@st.composite
def _power_slope(draw: Any) -> Call:
    """With the power as a constant, since the rules differentiate the slope as a function of base and exponent alone."""
    pair = draw(binary(ag.power, ABOVE, (-2, 2)))
    return Call(lambda a, b: recorded.power_slope(ag.power(a, b).detach(), a, b), pair.operands, "power_slope")


@st.composite
def _cast(draw: Any) -> Call:
    return Call(lambda x: recorded.cast(x, dtype=np.dtype(np.float64)), (draw(SHAPES.flatmap(values)),), "cast to float64")


_SLOPES = st.sampled_from([-0.5, 0.0, 0.01, 0.3, 1.0, 2.0])


@st.composite
def _gate(draw: Any) -> Call:
    g, slope = draw(SHAPES.flatmap(values)), draw(_SLOPES)
    x = draw(values(g.shape))
    return Call(lambda g: recorded.gate(g, x.astype(g.dtype), negative_slope=slope), (g,), f"gate {x} {slope}")


@st.composite
def _clip_to(draw: Any) -> Call:
    lo, hi = draw(st.sampled_from([-np.inf, -1.03, 0.07])), draw(st.sampled_from([0.07, 2.03, np.inf]))
    return Call(lambda x: recorded.clip_to(x, lo, hi), (draw(SHAPES.flatmap(values)),), f"clip_to [{lo}, {hi}]")


SAMPLES: dict[str, st.SearchStrategy[Call]] = {
    **{name: unary(getattr(ag, name), *domain) for name, domain in _UNARY.items()},
    **{name: binary(getattr(ag, name), *domains) for name, domains in _BINARY.items()},
    "abs_slope": unary(recorded.abs_slope),
    "cast": _cast(),
    "exp_share": _exp_share(),
    "power_slope": _power_slope(),
    "convention": _convention(),
    "clip": _with_settings(ag.clip, {"lo": st.sampled_from([None, -1.03, 0.07]), "hi": st.sampled_from([0.07, 2.03])}),
    "clip_to": _clip_to(),
    "elu": _with_settings(ag.elu, {"alpha": st.sampled_from([0.0, 0.5, 1.0, 2.0])}) | unary(ag.selu),
    "gaussian": unary(lambda x: recorded.gaussian(x, rate=0.5)) | unary(lambda x: recorded.gaussian(x, rate=1.0)),
    "normal_cdf": unary(recorded.normal_cdf),
    "parametric_elu": binary(ag.elu, (-3, 3), (0.1, 2.0)),
    "gelu_tanh_slope": unary(recorded.gelu_tanh_slope),
    "gelu_tanh": unary(lambda x: ag.gelu(x, approximate="tanh")),
    "leaky_relu": _with_settings(ag.leaky_relu, {"negative_slope": _SLOPES}),
    "gate": _gate(),
    "where": _where(),
}
