"""Random programs: whatever is composed from the primitives has the right gradient at orders 1 and 2 and in forward mode."""

from __future__ import annotations

import os

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings

from autograd_mini.testing import Program, gradcheck, gradgradcheck, programs
from autograd_mini.testing.properties import check_forward_mode, check_gradients_keep_form

# Every night 100,000 programs: HYPOTHESIS_PROFILE=nightly pytest -n auto tests/engine/test_programs.py
SHARDS, EACH = (40, 2500) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else (1, 150)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_programs_have_the_right_gradients(shard: int) -> None:
    """Orders 1 and 2 equal central differences, forward mode too, shapes and dtypes are kept and nothing is written into."""

    @hypothesis.seed(shard)
    @settings(max_examples=EACH)
    @given(programs())
    def check(program: Program) -> None:
        check_gradients_keep_form(program, program.inputs, seed=0)
        gradcheck(program, *program.inputs)
        gradgradcheck(program, *program.inputs)
        check_forward_mode(program, program.inputs, seed=0)

    check()


@given(programs(max_steps=4))
@settings(max_examples=20)
def test_a_program_prints_as_code_that_runs(program: Program) -> None:
    """What is printed on failure reproduces it: the text alone gives the same outputs."""
    scope: dict[str, object] = {}
    exec(repr(program), scope)
    inputs = [scope[name] for name in program.names]
    import autograd_mini as ag

    again = scope["program"](*[ag.Tensor(x) for x in inputs])  # type: ignore[operator]
    once = program(*[ag.Tensor(x) for x in program.inputs])
    for a, b in zip(again, once, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_kink_beside_a_steep_slope_is_undecidable() -> None:
    """A jump of the slope is found however steep the function is: at a tie, max and `where` may give different subgradients."""
    import autograd_mini as ag

    x = np.array([0.013, 0.026])
    report = gradcheck(lambda a, b: (ag.cbrt(a) * 30, ag.where(a > b, a, b), ag.maximum(a, b)), x, x.copy())
    assert report.undecidable == report.points == 4
    smooth = gradcheck(lambda a: ag.exp(a * 6) * 30, np.array([0.0, 0.3]))
    assert smooth.undecidable == 0
