"""Random programs: any composition of primitives has the right gradient at orders 1 and 2 and in forward mode."""

from __future__ import annotations

import os

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings

from autograd_mini.testing import Program, gradcheck, gradgradcheck, programs
from autograd_mini.testing.properties import check_forward_mode, check_gradients_keep_form

# 100,000 programs: HYPOTHESIS_PROFILE=nightly pytest -n auto tests/engine/test_programs.py
SHARDS, EACH = (40, 2500) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else (1, 150)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_programs_have_the_right_gradients(shard: int) -> None:
    """Orders 1 and 2 and forward mode equal central differences; shapes and dtypes are right; no operand is modified."""

    @hypothesis.seed(shard)
    @settings(max_examples=EACH)
    @given(programs())
    def check(program: Program) -> None:
        check_gradients_keep_form(program, program.inputs, seed=0)
        gradcheck(program, *program.inputs, min_checked=0)
        gradgradcheck(program, *program.inputs, min_checked=0)
        check_forward_mode(program, program.inputs, seed=0)

    check()


@given(programs(max_steps=4))
@settings(max_examples=20)
def test_a_printed_program_runs_and_gives_the_same_outputs(program: Program) -> None:
    scope: dict[str, object] = {}
    exec(repr(program), scope)
    inputs = [scope[name] for name in program.names]
    import autograd_mini as ag

    from_text = scope["program"](*[ag.Tensor(x) for x in inputs])  # type: ignore[operator]
    once = program(*[ag.Tensor(x) for x in program.inputs])
    for a, b in zip(from_text, once, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_kink_next_to_a_steep_slope_is_undecidable() -> None:
    """A jump of the slope is found even if the function is steep; at a tie, max and `where` have different subgradients."""
    import autograd_mini as ag

    x = np.array([0.013, 0.026])
    report = gradcheck(lambda a, b: (ag.cbrt(a) * 30, ag.where(a > b, a, b), ag.maximum(a, b)), x, x.copy(), min_checked=0)
    assert report.undecidable == report.points == 4
    smooth = gradcheck(lambda a: ag.exp(a * 6) * 30, np.array([0.0, 0.3]))
    assert smooth.undecidable == 0
