"""Samples of the primitives that rearrange elements."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.reduce import axes
from samples.strategies import SHAPES, values

ARRAYS = SHAPES.flatmap(values)
MATRICES = hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3).flatmap(values)


@st.composite
def _reshape(draw: Any) -> Call:
    x = draw(ARRAYS)
    shape = draw(st.permutations([*x.shape, 1]).map(tuple) | st.just((x.size,)) | st.just((-1, 1) if x.size else (0, 2)))
    return Call(lambda t: ag.reshape(t, shape), (x,), f"reshape {shape}")


@st.composite
def _transpose(draw: Any) -> Call:
    x = draw(ARRAYS)
    order = draw(st.permutations(range(x.ndim)).map(tuple))
    return Call(lambda t: ag.transpose(t, order), (x,), f"transpose {order}")


@st.composite
def _broadcast_to(draw: Any) -> Call:
    x = draw(ARRAYS)
    lead = draw(st.lists(st.integers(0, 2), max_size=2))
    shape = (*lead, *(draw(st.integers(0, 3)) if n == 1 else n for n in x.shape))
    return Call(lambda t: ag.broadcast_to(t, shape), (x,), f"broadcast_to {shape}")


@st.composite
def _concatenate(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    position = axis % len(shape)
    parts = tuple(draw(values((*shape[:position], n, *shape[position + 1 :]))) for n in lengths)
    return Call(lambda *ts: ag.concatenate(ts, axis), parts, f"concatenate axis={axis}")


@st.composite
def _flip(draw: Any) -> Call:
    x = draw(ARRAYS)
    axis = draw(axes(x.ndim))
    return Call(lambda t: ag.flip(t, axis), (x,), f"flip {axis}")


@st.composite
def _roll(draw: Any) -> Call:
    x = draw(ARRAYS)
    axis = draw(axes(x.ndim))
    shift = draw(st.integers(-4, 4)) if axis is None or isinstance(axis, int) else tuple(draw(st.integers(-4, 4)) for _ in axis)
    return Call(lambda t: ag.roll(t, shift, axis), (x,), f"roll {shift} {axis}")


@st.composite
def _pad(draw: Any) -> Call:
    x = draw(ARRAYS)
    width = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape)
    return Call(lambda t: ag.pad(t, width, constant_values=0.5), (x,), f"pad {width}")


@st.composite
def _copied_padding(draw: Any, inverse: bool) -> Call:
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    width = tuple(draw(st.tuples(st.integers(0, 4), st.integers(0, 4))) for _ in shape)
    params = {"pad_width": width, "mode": draw(st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))}
    if inverse:
        shape = [n + sum(pair) for n, pair in zip(shape, width, strict=True)]
    function = recorded.sum_copies if inverse else recorded.pad_with_copies
    return Call(lambda t: function(t, **params), (draw(values(tuple(shape))),), f"{params}")


@st.composite
def _triangle(draw: Any, function: Any) -> Call:
    k = draw(st.integers(-2, 2))
    return Call(lambda t: function(t, k), (draw(MATRICES),), f"{function.__name__} {k}")


SAMPLES: dict[str, st.SearchStrategy[Call]] = {
    "broadcast_to": _broadcast_to(),
    "concatenate": _concatenate(),
    "copy": ARRAYS.map(lambda x: Call(ag.copy, (x,))),
    "flip": _flip(),
    "pad": _pad(),
    "pad_with_copies": _copied_padding(inverse=False),
    "sum_copies": _copied_padding(inverse=True),
    "reshape": _reshape(),
    "roll": _roll(),
    "transpose": _transpose(),
    "tril": _triangle(ag.tril),
    "triu": _triangle(ag.triu),
}
