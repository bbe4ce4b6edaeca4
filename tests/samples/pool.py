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
def pools(draw: Any, axes: int = 2) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of an image with `axes` axes, and the arguments of a max pool that fits it."""
    largest = {"kernel_size": 3 if axes < 3 else 2, "stride": 3, "dilation": 2}
    lengths = {key: tuple(draw(st.integers(1, most)) for _ in range(axes)) for key, most in largest.items()}
    padding = tuple(draw(st.integers(0, k // 2)) for k in lengths["kernel_size"])
    size = [d * (k - 1) + 1 + draw(st.integers(0, 2)) for d, k in zip(lengths["dilation"], lengths["kernel_size"], strict=True)]
    return (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size), {
        **lengths,
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }


@st.composite
def max_pools(draw: Any, axes: int) -> Call:
    shape, params = draw(pools(axes))
    function = getattr(ag, f"max_pool{axes}d")
    return Call(lambda x: function(x, **params), (draw(distinct(shape)),), f"max_pool{axes}d {params}")


@st.composite
def index_calls(draw: Any, name: str) -> Call:
    """`pool_scatter`, `pool_gather` and `pool_positions` at the positions that a max pool selected."""
    axes = draw(st.sampled_from([1, 2, 3]))
    shape, params = draw(pools(axes))
    image = ag.Tensor(draw(distinct(shape)), requires_grad=True)
    pooled = getattr(ag, f"max_pool{axes}d")(image, **params)
    index = pooled._inputs[0]._data[1]
    at = pooled._inputs[0]._params
    note = f"{name} {at}"
    if name == "pool_scatter":
        return Call(lambda g: recorded.pool_scatter(g, index, size=shape[2:], **at), (draw(values(pooled.shape)),), note)
    if name == "pool_positions":
        return Call(lambda g: g * recorded.pool_positions(index, size=shape[2:], **at), (draw(values(pooled.shape)),), note)
    return Call(lambda x: recorded.pool_gather(x, index, **at), (draw(values(shape)),), note)


@st.composite
def resamplings(draw: Any) -> Call:
    """Average pools, adaptive pools and interpolation, all of them maps of each axis."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    longest = 5 if axes < 3 else 3
    lengths = [draw(st.integers(3, longest)) for _ in range(axes)]
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *lengths)
    size = tuple(draw(st.integers(1, longest + 1)) for _ in range(axes))
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    ceil, include = draw(st.booleans()), draw(st.booleans())
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[axes]
    functions = [
        lambda x: getattr(ag, f"avg_pool{axes}d")(x, kernel, stride, kernel // 2, ceil, include),
        lambda x: getattr(ag, f"adaptive_avg_pool{axes}d")(x, size),
        lambda x: ag.interpolate(x, size, mode=linear, align_corners=ceil),
        lambda x: ag.upsample(x, (1.5, 2, 1)[:axes], mode="asymmetric"),
        lambda x: ag.upsample(x, 2, mode="nearest-exact"),
    ]
    if axes == 2:
        functions.append(lambda x: ag.interpolate(x, size, mode="bicubic", align_corners=ceil, antialias=include))
    function = draw(st.sampled_from(functions))
    return Call(function, (draw(values(shape)),), f"kernel {kernel}, stride {stride}, size {size}, {ceil}, {include}")


@st.composite
def unpools(draw: Any) -> Call:
    positions = np.array(draw(st.permutations(range(8))))[:4].reshape(1, 1, 4)
    return Call(lambda x: ag.max_unpool1d(x, positions, 2), (draw(values((1, 1, 4))),), f"{positions.tolist()}")


@st.composite
def columns(draw: Any, inverse: bool) -> Call:
    shape, params = draw(pools())
    del params["ceil_mode"]
    if not inverse:
        return Call(lambda x: ag.unfold(x, **params), (draw(values(shape)),), f"unfold {params}")
    taken = ag.unfold(np.zeros(shape), **params).shape
    return Call(lambda x: ag.fold(x, shape[2:], **params), (draw(values(taken)),), f"fold {params}")


SAMPLES = {
    **{f"max_pool{axes}d": max_pools(axes) for axes in (1, 2, 3)},
    **{name: index_calls(name) for name in ("pool_scatter", "pool_gather", "pool_positions")},
    "resample": resamplings(),
    "valid_positions": unpools(),
    "fold": columns(inverse=True),
    "unfold": columns(inverse=False),
}
