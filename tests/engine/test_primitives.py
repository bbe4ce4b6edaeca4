"""The gradient properties, for every registered primitive by construction: one without samples fails the suite."""

from __future__ import annotations

import os

import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from hypothesis import given, settings
from samples import SAMPLES

import autograd_mini as ag
from autograd_mini.primitive import registry as everything
from autograd_mini.testing import GradientError, gradcheck, layouts, primitive_check
from autograd_mini.testing.check import Report

# As the library registers them; examples in docstrings add their own later.
registry = dict(everything)
# The walk itself handles these; they have no kernel that a user could call.
OF_THE_ENGINE = {"item", "freed", "checkpoint"}
EXAMPLES = int(os.environ.get("PRIMITIVE_EXAMPLES", "12"))


def test_every_primitive_is_sampled_or_has_no_gradient() -> None:
    """A primitive is differentiable and has samples, or it says why it needs none: piecewise constant, or an effect."""
    silent = [
        n for n, p in registry.items() if not p.differentiable and not p.constant and not p.effect and n not in OF_THE_ENGINE
    ]
    assert silent == [], "neither a rule, nor declared constant or an effect"
    unsampled = [n for n, p in registry.items() if p.differentiable and n not in SAMPLES and n not in OF_THE_ENGINE]
    assert unsampled == [], "differentiable, but tests/samples draws nothing for them"
    assert set(SAMPLES) <= set(registry), "samples for primitives that do not exist"


def test_every_primitive_says_what_it_is() -> None:
    """The reference page and the pictures need a formula for each, and a local derivative for each that has one."""
    assert [n for n, p in registry.items() if not p.formula] == []
    assert [n for n, p in registry.items() if p.differentiable and not p.derivative and n not in OF_THE_ENGINE] == []


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_properties(name: str) -> None:
    """Orders 1 and 2 against differences, float32 and float16 against float64, forward mode, form of gradients, nothing mutated."""
    seen = {"points": 0, "undecidable": 0}

    @given(call=SAMPLES[name])
    @settings(max_examples=EXAMPLES)
    def check(call: samples.call.Call) -> None:
        report: Report = primitive_check(call.function, *call.operands)
        seen["points"] += report.points
        seen["undecidable"] += report.undecidable

    check()
    assert seen["undecidable"] <= 0.05 * seen["points"] + 3, f"finite differences gave no answer too often: {seen}"


def results(call: samples.call.Call, operands: list[np.ndarray]) -> list[np.ndarray]:
    """Values and gradients of a call, on the very arrays given."""
    inputs = [ag.from_numpy(x, requires_grad=True) for x in operands]
    outputs = call.function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    live = [y for y in outputs if y.requires_grad]
    found = ag.grad(live, inputs, [np.ones(y.shape) for y in live], allow_unused=True) if live else []
    return [y.data for y in outputs] + [np.zeros(0) if g is None else g.data for g in found]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_memory_layout_of_operands_does_not_matter(name: str) -> None:
    """Permuted, reversed, gappy and stride-0 operands give the same values and gradients, and are not written into."""

    @given(call=SAMPLES[name], data=st.data())
    @settings(max_examples=8)
    def check(call: samples.call.Call, data: st.DataObject) -> None:
        arranged = [data.draw(layouts(x)) for x in call.operands]
        repeated = [np.broadcast_to(x.flat[0], x.shape) if x.size else x for x in call.operands]
        for strange in (arranged, repeated):
            plain = [np.ascontiguousarray(x).reshape(x.shape) for x in strange]
            before = [x.tobytes() for x in strange]
            with np.errstate(all="ignore"):
                try:
                    expected = results(call, plain)
                except np.linalg.LinAlgError:  # equal elements make a matrix singular
                    continue
                found = results(call, strange)
            assert [x.tobytes() for x in strange] == before
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)

    check()


@pytest.mark.parametrize("name", ["multiply", "tanh", "matmul", "sum"])
def test_the_check_itself_finds_a_wrong_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The net must have no hole: a rule that is 1 % off fails, and the report names the operation."""
    primitive = registry[name]
    rules = tuple(lambda *a, _rule=rule, **k: _rule(*a, **k) * 1.01 for rule in primitive.vjp)
    monkeypatch.setattr(primitive, "vjp", rules)
    use = {"multiply": lambda x: x * 3, "tanh": ag.tanh, "matmul": lambda x: x @ x.T, "sum": lambda x: x.sum(axis=0)}[name]
    with pytest.raises(GradientError, match=rf"first wrong operation in backward order: {name}\("):
        gradcheck(lambda x: ag.exp(use(x) * 0.5), np.array([[0.3, -0.5], [0.7, 1.1]]))
