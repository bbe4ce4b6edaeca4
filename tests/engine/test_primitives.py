"""The gradient properties of every registered primitive; a primitive without samples fails a test."""

from __future__ import annotations

import os

import hypothesis.strategies as st
import numpy as np
import pytest
import samples
from hypothesis import find, given, settings
from samples import SAMPLES

import autograd_mini as ag
from autograd_mini.primitive import registry as everything
from autograd_mini.testing import GradientError, gradcheck, layouts, primitive_check

# The library's own primitives; examples in docstrings register more later.
registry = dict(everything)
# The backward pass handles these itself; users cannot call them.
OF_THE_ENGINE = {"item", "freed", "modified", "checkpoint"}
EXAMPLES = int(os.environ.get("PRIMITIVE_EXAMPLES", "12"))


def test_every_differentiable_primitive_has_samples() -> None:
    """A primitive has a gradient and samples, or its record says why not: piecewise constant, or an effect."""
    silent = [
        n for n, p in registry.items() if not p.differentiable and not p.constant and not p.effect and n not in OF_THE_ENGINE
    ]
    assert silent == [], "neither a rule, nor declared constant or an effect"
    unsampled = [n for n, p in registry.items() if p.differentiable and n not in SAMPLES and n not in OF_THE_ENGINE]
    assert unsampled == [], "differentiable, but tests/samples draws nothing for them"
    assert set(SAMPLES) <= set(registry), "samples for primitives that do not exist"


def test_every_primitive_has_a_formula() -> None:
    """The reference page and the pictures show a formula and, if there is one, the local derivative."""
    assert [n for n, p in registry.items() if not p.formula] == []
    assert [n for n, p in registry.items() if p.differentiable and not p.derivative and n not in OF_THE_ENGINE] == []


def test_pictures_draw_operands_in_order_if_their_exchange_changes_the_result() -> None:
    """Of public functions of two operands; the operands of the others may be drawn in any order."""
    a, b = np.random.default_rng(0).uniform(0.2, 0.8, (2, 2, 2))
    pairs = [p for n, p in registry.items() if len(p.vjp) == 2 and p.outputs == 1 and hasattr(ag, n) and n != "prelu"]
    checked = 0
    for primitive in pairs:
        try:
            same = np.array_equal(primitive.kernel(a, b), primitive.kernel(b, a))
        except (TypeError, ValueError, IndexError):  # it needs indices, or parameters
            continue
        checked += 1
        assert primitive.ordered != same, primitive.name
    assert checked > 12


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_gradient_of_each_primitive_has_all_properties(name: str) -> None:
    """Orders 1 and 2 equal differences; float32, float16 and forward mode agree; shapes are right; no operand is modified.

    At a kink or a tie differences give no answer, so the point beside it is checked instead: no element stays unchecked.
    """

    @given(call=SAMPLES[name])
    @settings(max_examples=EXAMPLES)
    def check(call: samples.call.Call) -> None:
        report = primitive_check(call.function, *call.operands, min_checked=0)
        if report.undecidable:  # a kink or a tie, so the call is smooth beside it
            moved = primitive_check(call.function, *[beside(x) for x in call.operands], min_checked=0)
            assert moved.undecidable == 0, f"finite differences gave no answer beside the sample either: {moved}"

    check()
    with_elements = find(SAMPLES[name], lambda call: any(x.size for x in call.operands), settings=settings(database=None))
    assert sum(x.size for x in with_elements.operands) > 0


def beside(x: np.ndarray) -> np.ndarray:
    """Moves each element by a different amount between 0.005 and 0.015: away from kinks on the grid of samples, and from ties."""
    return x + 0.01 * (0.5 + (np.arange(1, x.size + 1) * 0.6180339887498949 % 1)).reshape(x.shape)


def results(call: samples.call.Call, operands: list[np.ndarray]) -> list[np.ndarray]:
    """Returns values and gradients of a call, computed on these arrays without a copy."""
    inputs = [ag.from_numpy(x, requires_grad=True) for x in operands]
    outputs = call.function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    live = [y for y in outputs if y.requires_grad]
    grads = ag.grad(live, inputs, [np.ones(y.shape) for y in live], allow_unused=True) if live else []
    return [y.data for y in outputs] + [np.zeros(0) if g is None else g.data for g in grads]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_memory_layout_of_operands_does_not_matter(name: str) -> None:
    """Permuted, reversed, strided and broadcast operands give the same values and gradients, and are not modified."""

    @given(call=SAMPLES[name], data=st.data())
    @settings(max_examples=min(8, EXAMPLES))
    def check(call: samples.call.Call, data: st.DataObject) -> None:
        arranged = [data.draw(layouts(x)) for x in call.operands]
        repeated = [np.broadcast_to(x.flat[0], x.shape) if x.size else x for x in call.operands]
        for strange in (arranged, repeated):
            contiguous = [np.ascontiguousarray(x).reshape(x.shape) for x in strange]
            before = [x.tobytes() for x in strange]
            with np.errstate(all="ignore"):
                try:
                    expected = results(call, contiguous)
                except np.linalg.LinAlgError:  # equal elements make a matrix singular
                    continue
                actual = results(call, strange)
            assert [x.tobytes() for x in strange] == before
            for a, b in zip(actual, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)

    check()


@pytest.mark.parametrize("name", ["multiply", "tanh", "matmul", "sum"])
def test_the_check_finds_a_wrong_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule with an error of 1 % fails, and the report names the operation."""
    primitive = registry[name]
    rules = tuple(lambda *a, _rule=rule, **k: _rule(*a, **k) * 1.01 for rule in primitive.vjp)
    monkeypatch.setattr(primitive, "vjp", rules)
    use = {"multiply": lambda x: x * 3, "tanh": ag.tanh, "matmul": lambda x: x @ x.T, "sum": lambda x: x.sum(axis=0)}[name]
    with pytest.raises(GradientError, match=rf"first wrong operation in backward order: {name}\("):
        gradcheck(lambda x: ag.exp(use(x) * 0.5), np.array([[0.3, -0.5], [0.7, 1.1]]))
