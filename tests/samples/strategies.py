"""Building blocks for samples: shapes (0-d, size 0 and 1 included), values in a domain, broadcastable pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samples.call import Call

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def values(shape: Any, lo: float = -3.0, hi: float = 3.0) -> st.SearchStrategy[np.ndarray]:
    """A float64 array of `shape` with values in [lo, hi] with few digits, so that ties and kinks occur."""
    steps = st.integers(0, 48).map(lambda i: lo + (hi - lo) * i / 48)
    return hnp.arrays(np.float64, shape, elements=steps, fill=st.nothing())


@st.composite
def unary(draw: Any, function: Callable[..., Any], lo: float = -3.0, hi: float = 3.0) -> Call:
    return Call(function, (draw(SHAPES.flatmap(lambda shape: values(shape, lo, hi))),))


@st.composite
def binary(draw: Any, function: Callable[..., Any], a: tuple[float, float] = (-3, 3), b: tuple[float, float] = (-3, 3)) -> Call:
    pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    return Call(function, (draw(values(pair.input_shapes[0], *a)), draw(values(pair.input_shapes[1], *b))))
