"""Samples for the convolution trio: groups, strides, dilations, uneven padding, empty batches."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import values


@st.composite
def geometry(draw: Any) -> dict[str, Any]:
    """Parameters of a convolution, and shapes `x`, `w`, `y` that fit them."""
    n, groups = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    inside, outside = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, stride, dilation, padding, size, out = [], [], [], [], [], []
    frame = draw(st.sampled_from([0, 2]))
    for _ in range(2):
        k, s, d = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        p = (draw(st.integers(0, frame)), draw(st.integers(0, frame)))
        reach = d * (k - 1) + 1
        length = max(1, reach - sum(p)) + draw(st.integers(0, 2))
        for facts, fact in zip((kernel, stride, dilation, padding, size, out),
                               (k, s, d, p, length, (length + sum(p) - reach) // s + 1), strict=True):  # fmt: skip
            facts.append(fact)
    return {
        "at": {"stride": tuple(stride), "padding": tuple(padding), "dilation": tuple(dilation), "groups": groups},
        "kernel_size": tuple(kernel),
        "size": tuple(size),
        "x": (n, inside * groups, *size),
        "w": (outside * groups, inside, *kernel),
        "y": (n, outside * groups, *out),
    }


@st.composite
def convolutions(draw: Any, name: str, first: str, second: str, bias: int | None, extra: str) -> Call:
    """`bias` is the axis of the weight's shape (times groups, for the second) that has a bias; None: no bias."""
    case = draw(geometry())
    at = case["at"]
    params = {**at, **({extra: case[extra]} if extra else {})}
    shapes = [case[first], case[second]]
    if bias is not None and draw(st.booleans()):
        shapes.append((case["w"][0],) if bias == 0 else (case["w"][1] * at["groups"],))
    function = getattr(recorded, name)
    return Call(lambda *xs: function(*xs, **params), tuple(draw(values(s, -2, 2)) for s in shapes), f"{name} {params}")


SAMPLES = {
    "conv2d": convolutions("conv2d", "x", "w", 0, ""),
    "conv_transpose2d": convolutions("conv_transpose2d", "y", "w", 1, "size"),
    "conv2d_weight": convolutions("conv2d_weight", "x", "y", None, "kernel_size"),
}
