"""Samples for normalisation, embeddings and fused losses."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import SHAPES, values


@st.composite
def batches(draw: Any) -> tuple[int, ...]:
    return (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *draw(st.lists(st.integers(1, 2), max_size=2)))


@st.composite
def batch_norms(draw: Any) -> Call:
    shape = draw(batches())
    operands = (draw(values(shape)), *(draw(values(shape[1:2])) for _ in range(2)))
    return Call(lambda *xs: ag.batch_norm(*xs, eps=0.5), operands, "batch_norm")


@st.composite
def batch_norm_backwards(draw: Any) -> Call:
    shape = draw(batches())
    operands = (draw(values(shape)), draw(values(shape, -1, 1)), *(draw(values(shape[1:2], -1, 1)) for _ in range(3)))
    return Call(recorded.batch_norm_backward, operands)


@st.composite
def indices(draw: Any, classes: int, shape: Any = None) -> np.ndarray:
    return draw(hnp.arrays(np.int64, shape if shape is not None else SHAPES, elements=st.integers(0, classes - 1)))


@st.composite
def embeddings(draw: Any, add: bool) -> Call:
    rows, width = draw(st.integers(1, 4)), draw(st.lists(st.integers(0, 2), max_size=2))
    row_numbers = draw(indices(rows))
    if add:
        return Call(
            lambda g: recorded.embedding_add(g, row_numbers, rows=rows),
            (draw(values((*row_numbers.shape, *width))),),
            f"{row_numbers}",
        )
    return Call(lambda w: ag.embedding(w, row_numbers), (draw(values((rows, *width))),), f"{row_numbers}")


@st.composite
def cross_entropies(draw: Any) -> Call:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    classes = draw(st.integers(1, 4))
    targets = draw(indices(classes, lead))
    logits = draw(values((*lead, classes)))
    return Call(lambda z: ag.softmax_cross_entropy(z, targets), (logits,), f"targets {targets.tolist()}")


@st.composite
def binary(draw: Any) -> Call:
    shape = draw(SHAPES)
    return Call(
        ag.binary_cross_entropy_with_logits, (draw(values(shape)), draw(values(draw(st.sampled_from([shape, ()])), 0, 1)))
    )


@st.composite
def channel_sums(draw: Any) -> Call:
    return Call(recorded.channel_sum, (draw(values((draw(st.integers(0, 2)), *draw(batches())[1:]))),))


SAMPLES = {
    "channel_sum": channel_sums(),
    "batch_norm": batch_norms(),
    "batch_norm_backward": batch_norm_backwards(),
    "embedding": embeddings(add=False),
    "embedding_add": embeddings(add=True),
    "softmax_cross_entropy": cross_entropies(),
    "binary_cross_entropy_with_logits": binary(),
}
