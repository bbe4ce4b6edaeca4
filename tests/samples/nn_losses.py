"""Samples for the primitives that `nn.losses` registers."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

from autograd_mini import nn
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import SHAPES, values


@st.composite
def probabilities(draw: Any) -> Call:
    shape = draw(SHAPES)
    operands = draw(values(shape, 0.05, 0.95)), draw(values(shape, 0.0, 1.0))
    return Call(lambda p, t: nn.binary_cross_entropy(p, t, reduction="none"), operands, "binary_cross_entropy")


@st.composite
def kept_means(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4))
    kept = draw(hnp.arrays(np.bool_, shape))
    kept.flat[0] = True  # a mean of nothing is nan
    total = draw(st.sampled_from([1.0, 2.5, float(kept.sum())]))
    operands = (draw(values(shape)),)
    return Call(
        lambda x: recorded.kept_mean(x, kept, np.asarray(total, x.dtype)), operands, f"kept {kept.tolist()}, total {total}"
    )


SAMPLES = {"binary_cross_entropy": probabilities(), "kept_mean": kept_means()}
