"""Samples of the primitives that reduce or accumulate along axes, for every choice of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import SHAPES, values

NON_EMPTY = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)


@st.composite
def axes(draw: Any, ndim: int) -> int | tuple[int, ...] | None:
    """None, one axis, or several, negative ones among them; a 0-d tensor has None and ()."""
    if not ndim:
        return draw(st.sampled_from([None, ()]))
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(one, max_size=ndim, unique_by=lambda a: a % ndim).map(tuple)
    return draw(st.none() | one | several)


@st.composite
def reductions(
    draw: Any, function: Callable[..., Any], lo: float = -3, hi: float = 3, shapes: Any = SHAPES, distinct: bool = False,
    **settings: st.SearchStrategy[Any],
) -> Call:  # fmt: skip
    """`function(x, axis=…, **settings)`; with `distinct`, elements are never equal, because equal elements are kinks."""
    x = draw(shapes.flatmap(lambda shape: values(shape, lo, hi)))
    if distinct:
        x = 0.37 * np.array(draw(st.permutations(range(x.size))), float).reshape(x.shape) - 2
    drawn = {"axis": draw(axes(x.ndim)), **{name: draw(strategy) for name, strategy in settings.items()}}
    return Call(lambda t: function(t, **drawn), (x,), f"{function.__name__} {drawn}")


@st.composite
def scans(draw: Any, function: Callable[..., Any], lo: float = -3, hi: float = 3) -> Call:
    x = draw(SHAPES.flatmap(lambda shape: values(shape, lo, hi)))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if x.ndim else None
    return Call(lambda t: function(t, axis=axis), (x,), f"{function.__name__} axis={axis}")


@st.composite
def _recurrence(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    axis = draw(st.integers(0, len(shape) - 1))
    operands = draw(values(shape, -1.4, 1.4)), draw(values(shape))
    return Call(lambda a, b: recorded.recurrence(a, b, axis=axis), operands, f"recurrence axis={axis}")


@st.composite
def _softmax_or_zero(draw: Any) -> Call:
    x = draw(NON_EMPTY.flatmap(values))
    axis = tuple(draw(st.sets(st.integers(0, x.ndim - 1), min_size=1))) if x.ndim else ()
    return Call(lambda t: recorded.softmax_or_zero(t, axis=axis), (x,), f"softmax_or_zero axis={axis}")


@st.composite
def _subtract_mean(draw: Any) -> Call:
    x = draw(NON_EMPTY.flatmap(values))
    axis = tuple(draw(st.sets(st.integers(0, x.ndim - 1)))) if x.ndim else ()
    return Call(lambda t: recorded.subtract_mean(t, axis=axis), (x,), f"subtract_mean axis={axis}")


@st.composite
def _convolve(draw: Any) -> Call:
    m, more, mode = draw(st.integers(1, 4)), draw(st.integers(0, 3)), draw(st.sampled_from(["full", "valid"]))
    operands = draw(values((m + more,))), draw(values((m,)))
    return Call(lambda a, v: recorded.convolve(a, v, mode=mode), operands, f"convolve {mode}")


def _sample_var(x: ag.Tensor, axis: Any, keepdims: bool) -> ag.Tensor:
    """Variance with n − 1 over at least one axis, so that n > 1."""
    return ag.var(x, None if axis == () else axis, ddof=1, keepdims=keepdims)


KEEP = st.booleans()
TWO_OR_MORE = hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=3)
SAMPLES: dict[str, st.SearchStrategy[Call]] = {
    "subtract_mean": _subtract_mean(),
    "convolve": _convolve(),
    "cumprod": scans(ag.cumprod, -1.4, 1.4),
    "cumsum": scans(ag.cumsum),
    "log_softmax": reductions(ag.log_softmax),
    "logcumsumexp": scans(ag.logcumsumexp),
    "logsumexp": reductions(ag.logsumexp, keepdims=KEEP),
    "max": reductions(ag.max, distinct=True, shapes=NON_EMPTY, keepdims=KEEP),
    "mean": reductions(ag.mean, keepdims=KEEP),
    "min": reductions(ag.min, distinct=True, shapes=NON_EMPTY, keepdims=KEEP),
    "norm": reductions(ag.norm, keepdims=KEEP, ord=st.sampled_from([1.3, 2, 3, 4])),
    "prod": reductions(ag.prod, -1.4, 1.4, keepdims=KEEP),
    "recurrence": _recurrence(),
    "softmax": reductions(ag.softmax),
    "softmax_or_zero": _softmax_or_zero(),
    "std": reductions(ag.std, distinct=True, keepdims=KEEP, ddof=st.just(0)),
    "sum": reductions(ag.sum, keepdims=KEEP),
    "var": reductions(ag.var, keepdims=KEEP, ddof=st.just(0)) | reductions(_sample_var, shapes=TWO_OR_MORE, keepdims=KEEP),
}
