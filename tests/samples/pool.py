"""Samples for pools and resampling. The pixels of max pools differ, because finite differences cannot find the gradient at ties."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import values


@st.composite
def distinct(draw: Any, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    return np.array(draw(st.permutations(range(size))), float).reshape(shape) * 0.25 - size / 8


@st.composite
def pools(draw: Any) -> tuple[tuple[int, ...], dict[str, Any]]:
    """An image's shape and the arguments of a max pool that fits it."""
    pairs = {
        key: (draw(st.integers(1, hi)), draw(st.integers(1, hi)))
        for key, hi in (("kernel_size", 3), ("stride", 3), ("dilation", 2))
    }
    padding = tuple(draw(st.integers(0, k // 2)) for k in pairs["kernel_size"])
    size = [d * (k - 1) + 1 + draw(st.integers(0, 2)) for d, k in zip(pairs["dilation"], pairs["kernel_size"], strict=True)]
    return (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size), {
        **pairs,
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }


@st.composite
def max_pools(draw: Any) -> Call:
    shape, params = draw(pools())
    return Call(lambda x: ag.max_pool2d(x, **params), (draw(distinct(shape)),), f"max_pool2d {params}")


@st.composite
def index_calls(draw: Any, scatter: bool) -> Call:
    """`pool_scatter` and `pool_gather` at the positions that a max pool selected."""
    shape, params = draw(pools())
    image = ag.Tensor(draw(distinct(shape)), requires_grad=True)
    pooled = ag.max_pool2d(image, **params)
    index = pooled._inputs[0]._data[1]
    at = pooled._inputs[0]._params
    if scatter:
        return Call(
            lambda g: recorded.pool_scatter(g, index, size=shape[2:], **at), (draw(values(pooled.shape)),), f"scatter {at}"
        )
    return Call(lambda x: recorded.pool_gather(x, index, **at), (draw(values(shape)),), f"gather {at}")


@st.composite
def resamplings(draw: Any) -> Call:
    """Average pools, adaptive pools and interpolation, all of them maps of rows and columns."""
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    size = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    ceil, include = draw(st.booleans()), draw(st.booleans())
    function = draw(
        st.sampled_from(
            [
                lambda x: ag.avg_pool2d(x, kernel, stride, kernel // 2, ceil, include),
                lambda x: ag.adaptive_avg_pool2d(x, size),
                lambda x: ag.upsample(x, size=size, mode="bilinear", align_corners=ceil),
                lambda x: ag.upsample(x, (1.5, 2), mode="asymmetric"),
                lambda x: ag.upsample(x, 2),
            ]
        )
    )
    return Call(function, (draw(values(shape)),), f"kernel {kernel}, stride {stride}, size {size}, {ceil}, {include}")


SAMPLES = {
    "max_pool2d": max_pools(),
    "pool_scatter": index_calls(scatter=True),
    "pool_gather": index_calls(scatter=False),
    "resample": resamplings(),
}
