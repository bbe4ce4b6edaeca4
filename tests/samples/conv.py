"""Samples for the convolution trios: groups, strides, dilations, uneven and negative padding, empty batches."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import values


@st.composite
def geometry(draw: Any, axes: int = 2) -> dict[str, Any]:
    """Parameters of a convolution over `axes` axes, and shapes `x`, `w`, `y` that fit them."""
    n, groups = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    inside, outside = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, stride, dilation, padding, size, out = [], [], [], [], [], []
    frame = draw(st.sampled_from([0, 2]))
    for _ in range(axes):
        k, s, d = draw(st.integers(1, 3 if axes < 3 else 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        p = (draw(st.integers(0, frame)), draw(st.integers(-frame, frame)))  # output_padding makes the second one negative
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
def convolutions(draw: Any, axes: int, name: str, first: str, second: str, bias: int | None, extra: str) -> Call:
    """`name` has `{}` for the number of axes; `bias` is the axis of the weight's shape (times groups, for the second) that has a bias; None: no bias."""
    case, name = draw(geometry(axes)), name.format(axes)
    at = case["at"]
    params = {**at, **({extra: case[extra]} if extra else {})}
    shapes = [case[first], case[second]]
    if bias is not None and draw(st.booleans()):
        shapes.append((case["w"][0],) if bias == 0 else (case["w"][1] * at["groups"],))
    function = getattr(recorded, name)
    return Call(lambda *xs: function(*xs, **params), tuple(draw(values(s, -2, 2)) for s in shapes), f"{name} {params}")


TRIO = (
    ("conv{}d", "x", "w", 0, ""),
    ("conv_transpose{}d", "y", "w", 1, "size"),
    ("conv{}d_weight", "x", "y", None, "kernel_size"),
)
SAMPLES = {row[0].format(axes): convolutions(axes, *row) for axes in (1, 2, 3) for row in TRIO}
