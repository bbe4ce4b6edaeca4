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
    total = np.array(draw(st.sampled_from([1.0, 2.5, float(kept.sum())])))
    return Call(lambda x, total: recorded.kept_mean(x, kept, total), (draw(values(shape)), total), f"kept {kept.tolist()}")


@st.composite
def kept_shares(draw: Any) -> Call:
    kept = draw(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4)))
    total = np.array(draw(st.sampled_from([1.0, 2.5])))
    return Call(lambda total: recorded.kept_share(kept, total), (total,), f"kept {kept.tolist()}")


@st.composite
def gaussian(draw: Any) -> Call:
    shape, eps = draw(SHAPES), draw(st.sampled_from([1e-6, 0.51]))
    operands = draw(values(shape)), draw(values(shape)), draw(values(shape, 0.2, 3.0))
    return Call(lambda *xs: nn.gaussian_nll_loss(*xs, eps=eps, reduction="none"), operands, f"gaussian_nll_loss {eps}")


@st.composite
def negative_log_likelihoods(draw: Any) -> Call:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=3))
    classes = draw(st.integers(1, 4))
    targets = draw(hnp.arrays(np.int64, lead, elements=st.integers(0, classes - 1)))
    operands = (draw(values((*lead, classes))),)
    return Call(lambda x: nn.nll_loss(x, targets, reduction="none"), operands, f"targets {targets.tolist()}")


SAMPLES = {
    "binary_cross_entropy": probabilities(),
    "gaussian_nll_loss": gaussian(),
    "kept_mean": kept_means(),
    "kept_share": kept_shares(),
    "nll_loss": negative_log_likelihoods(),
}
