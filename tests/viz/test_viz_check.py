"""`viz.check`: its verdicts, its table and badges; and it does not change the parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
from autograd_mini.apply import apply
from autograd_mini.primitive import Primitive, registry
from autograd_mini.testing import GradientError

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def doubled_tanh() -> Iterator[Primitive]:
    """tanh with a derivative that is twice too large."""
    primitive = Primitive("doubled_tanh", np.tanh, (lambda xp, g, y, x: 2 * g * (1 - y * y),), formula="tanh x")
    yield primitive
    del registry["doubled_tanh"]


def mlp_and_loss():
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    return mlp, lambda: nn.mse_loss(mlp(X), np.zeros((4, 2), np.float32))


def test_correct_gradients_pass_for_every_parameter():
    mlp, loss = mlp_and_loss()
    result = viz.check(loss, mlp)
    assert result
    assert [(row.name, row.verdict) for row in result.rows] == [(name, "✓") for name, _ in mlp.named_parameters()]
    assert all(row.error < 1e-5 and np.isclose(row.analytic, row.numeric) for row in result.rows)


def test_parameters_keep_their_storage_dtype_and_gradient():
    mlp, loss = mlp_and_loss()
    before = [(p._data, p._data.copy(), p._seq, p.grad) for p in mlp.parameters()]
    viz.check(loss, mlp)
    for p, (storage, values, seq, grad) in zip(mlp.parameters(), before, strict=True):
        assert p._data is storage
        assert p._seq == seq
        assert p.grad is grad
        np.testing.assert_array_equal(p.data, values)
    with pytest.raises(ZeroDivisionError):
        viz.check(lambda: 1 / 0, mlp)
    assert all(p.dtype == np.float32 for p in mlp.parameters()), "also after an error"


def test_a_wrong_rule_fails_and_is_named_in_the_report_and_the_badge(doubled_tanh):
    w, b = Tensor([0.5, -0.3], requires_grad=True), Tensor(0.1, requires_grad=True)
    result = viz.check(lambda: ag.square(apply(doubled_tanh, (w * 2,)) + b).sum(), {"w": w, "b": b})
    assert not result
    verdicts = {row.name: row for row in result.rows}
    assert verdicts["b"].verdict == "✓"
    assert verdicts["w"].verdict == "✗"
    assert verdicts["w"].analytic == pytest.approx(2 * verdicts["w"].numeric, rel=1e-4)
    assert "first wrong operation in backward order: doubled_tanh" in result.culprit
    assert "doubled_tanh" in repr(result)
    source = result.draw().source
    assert "✗ 5.0e-01" in source
    assert "✓" in source


def test_a_kink_is_undecidable_and_does_not_fail_if_other_elements_were_checked():
    w = Tensor([0.0, 1.0], requires_grad=True)
    at_kink = viz.check(lambda: ag.relu(w).sum(), {"w": w})
    assert at_kink
    assert at_kink.rows[0].undecidable == 1
    assert "✓ (1 undecidable)" in repr(at_kink)


def test_a_check_that_compared_nothing_fails_and_says_so():
    zero = Tensor(0.0, requires_grad=True)
    result = viz.check(lambda: abs(zero), {"w": zero})
    assert not result
    assert result.rows[0].verdict == "undecidable"
    assert "nothing was checked" in repr(result)
    assert "undecidable" in result.draw().source


def test_derivatives_below_the_absolute_tolerance_are_not_checked():
    w = Tensor([1.0, 2.0], requires_grad=True)
    half = lambda: (w * w.detach() * 1e-7).sum()
    assert "no derivative exceeds 2e-07, but atol is 1e-05" in repr(viz.check(half, {"w": w}))
    assert not viz.check(half, {"w": w})
    assert viz.check(lambda: (w * w * 1e-7).sum(), {"w": w}, atol=1e-10)


def test_a_random_loss_and_a_rule_that_raises_are_errors():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    rng = np.random.default_rng(0)
    with pytest.raises(GradientError, match=r"the function is not deterministic: two calls .* returned \S+ and then"):
        viz.check(lambda: (w * rng.normal(size=2)).sum(), {"w": w})

    def broken(xp: object, g: object, y: object, x: object) -> object:
        raise KeyError("k")

    primitive = Primitive("broken_sine", np.sin, (broken,), formula="sin x")
    try:
        with pytest.raises(GradientError, match=r"broken_sine\(w \(2,\)\)\n  the rule for operand 0 raised KeyError: 'k'"):
            viz.check(lambda: apply(primitive, (w,)).sum(), {"w": w})
    finally:
        del registry["broken_sine"]


def test_the_check_records_inside_no_grad_and_resolves_float32_and_large_values():
    w = Tensor([1.0, 2.0], requires_grad=True)
    large = Tensor([1e8, 3e8], requires_grad=True)
    with ag.no_grad():
        assert viz.check(lambda: (w * w).sum(), {"w": w})
        assert viz.check(lambda: ag.sin(w.astype(np.float32)).sum(), {"w": w})
        result = viz.check(lambda: ag.square(large).sum(), {"w": large})
    assert result
    assert result.rows[0].undecidable == 0


def test_an_unused_parameter_has_gradient_0_and_a_frozen_one_is_skipped():
    w, idle = Tensor(2.0, requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    frozen = nn.Parameter(1.0, requires_grad=False)
    rows = viz.check(lambda: w * w * frozen, {"w": w, "idle": idle, "frozen": frozen}).rows
    assert [(row.name, row.analytic, row.verdict) for row in rows] == [("w", 4.0, "✓"), ("idle", 0.0, "✓")]


def test_the_table_has_a_row_for_each_parameter():
    w = Tensor(3.0, requires_grad=True)
    head, row = repr(viz.check(lambda: w * w, {"w": w})).splitlines()
    assert head.split() == ["parameter", "elements", "at", "analytic", "numeric", "relative", "error", "verdict"]
    assert row.split()[:3] == ["w", "1", "6"]
    assert row.endswith("✓")


def test_non_scalar_results_and_missing_parameters_raise():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="returns a scalar Tensor"):
        viz.check(lambda: w * 2, {"w": w})
    with pytest.raises(ValueError, match="no parameter in `params` requires a gradient"):
        viz.check(lambda: w.sum(), {})
