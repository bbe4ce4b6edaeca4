"""Every primitive gives the same bits in a replay as in eager code: value, gradient and second gradient."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from samples import SAMPLES
from samples.call import Call

import autograd_mini as ag


def values_and_gradients(call: Call, *inputs: ag.Tensor) -> list[ag.Tensor]:
    """Returns values, their gradients for a different upstream gradient per element, and second gradients."""

    def both(*xs: ag.Tensor) -> Any:
        results = call.function(*xs)
        return list(results) if isinstance(results, tuple) else [results]

    def first(*xs: ag.Tensor) -> Any:
        outputs, pull = ag.vjp(both, *xs)
        return list(pull([ag.cos(y.detach().astype(xs[0].dtype)) if y.dtype.kind == "f" else y for y in outputs])), outputs

    (slopes, outputs), pull = ag.vjp(lambda *xs: first(*xs), *inputs)
    curves = pull(([ag.sin(g.detach()) for g in slopes], [ag.zeros_like(y) for y in outputs]))
    return [*outputs, *slopes, *curves]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_replay_gives_the_same_bits(name: str) -> None:
    rejections: list[str] = []

    @given(call=SAMPLES[name], dtype=st.sampled_from(["float64", "float32"]))
    @settings(max_examples=6)
    def check(call: Call, dtype: str) -> None:
        compiled = ag.jit(lambda *xs: values_and_gradients(call, *xs), exact=True)
        with np.errstate(all="ignore"):
            for _ in range(3):
                operands = [ag.Tensor(x.astype(dtype)) for x in call.operands]
                expected = values_and_gradients(call, *operands)
                try:
                    results = compiled(*operands)
                except ag.TraceError as error:
                    rejections.append(str(error))
                    return
                for a, b in zip(results, expected, strict=True):
                    assert a.dtype == b.dtype
                    np.testing.assert_array_equal(a.numpy(), b.numpy())

    check()
    assert all("depends on values" in reason for reason in rejections)
