"""Optimizers: ten steps equal the textbook formula, only trained parameters change, and mistakes raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optim_formulas import CASES, A, B, loss, run

from autograd_mini import Tensor, nn
from autograd_mini.nn.optim import optimizer as optim


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
def test_ten_steps_equal_the_formula(make: Any, formula: Any, options: dict[str, Any], dtype: str, tolerance: float) -> None:
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    w, _ = run(make, options, start, dtype)
    assert w.dtype == dtype
    np.testing.assert_allclose(w.data, formula(start, lambda w: A * (w - B), **options), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
@pytest.mark.parametrize("block", [1, 5, 8])
def test_updates_in_blocks_give_the_same_bits(
    make: Any, formula: Any, options: dict[str, Any], block: int, monkeypatch: Any
) -> None:
    """A parameter larger than a block is updated in blocks of rows, also if its memory is not in row-major order."""
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    whole, _ = run(make, options, start)
    monkeypatch.setattr(optim, "_BLOCK", block)
    for layout in ("C", "F"):
        parts, _ = run(make, options, np.asarray(start, order=layout))  # type: ignore[call-overload]
        np.testing.assert_array_equal(parts.data, whole.data)


@pytest.mark.parametrize(("momentum", "path"), [(0.0, [-1, 1, -1]), (0.9, [-1, -0.8, 0.98])])
def test_momentum_leaves_the_cycle_of_plain_descent_on_a_parabola(momentum: float, path: list[float]) -> None:
    """y = x² from x = 1 with learning rate 1: plain descent jumps between ±1."""
    x = Tensor(1.0, requires_grad=True)
    optimizer = nn.SGD([x], lr=1.0, momentum=momentum)
    visited = []
    for _ in range(3):
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
        visited.append(x.item())
    assert visited == pytest.approx(path)


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
def test_backward_through_a_graph_older_than_the_step_raises(make: Any, formula: Any, options: dict[str, Any]) -> None:
    w = Tensor(B, requires_grad=True)
    optimizer = make([w], **options)
    value = loss(w)
    value.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified in place after"):
        value.backward()


def test_only_trained_parameters_with_a_gradient_change_and_they_keep_their_memory() -> None:
    used, unused, frozen = (Tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = nn.Adam([used, unused, frozen], lr=0.1, weight_decay=1.0)
    storage = used._data
    (used * frozen).backward()
    frozen.requires_grad = False
    optimizer.step()
    assert used._data is storage
    assert used.item() != 1
    assert (unused.item(), frozen.item()) == (1, 1)
    assert list(optimizer.state) == [used]


def test_a_step_does_not_change_gradients() -> None:
    for make, _, options in CASES:
        w = Tensor(B, requires_grad=True)
        loss(w * 2).backward()
        assert w.grad is not None
        before = w.grad.data.copy()
        make([w], **options).step()
        np.testing.assert_array_equal(w.grad.data, before)


def test_a_parameter_listed_twice_is_updated_once() -> None:
    w = Tensor([1.0], requires_grad=True)
    optimizer = nn.SGD([w, w], lr=0.5)
    (w * 1.0).sum().backward()
    optimizer.step()
    assert w.item() == 0.5


def test_groups_have_their_own_settings_and_may_change_between_steps() -> None:
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = nn.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.25)
    (a + b).sum().backward()
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.75)
    optimizer.param_groups[1].update(lr=0.5, momentum=0.9)
    optimizer.step()
    assert (a.item(), b.item()) == (0.0, 0.25)


@pytest.mark.parametrize("make", [nn.Adagrad, nn.RMSprop, nn.Adadelta, nn.Adam, nn.AdamW, nn.NAdam, nn.FTRL])
def test_a_weight_whose_gradient_is_always_0_stays_finite(make: Any) -> None:
    """Pixels at the border of MNIST images have such weights; without ε they would become 0/0."""
    w = Tensor(np.array([0.5, -2.0]), requires_grad=True)
    options = {"weight_decay": 0.0} if make is nn.AdamW else {}
    optimizer = make([w], lr=0.1, **options)
    for _ in range(3):
        optimizer.zero_grad()
        (w * np.array([0.0, 1.0])).sum().backward()
        optimizer.step()
    assert w.data[0] == pytest.approx(0.5, abs=1e-12)
    assert np.isfinite(w.data).all()
    assert w.data[1] < -2


def test_only_steps_of_plain_descent_scale_with_the_gradient() -> None:
    """If the loss is measured in thousandths, plain descent moves a thousand times as far."""
    ends = {}
    for make in (nn.SGD, nn.Adam, nn.RMSprop, nn.Adagrad):
        for scale in (1.0, 1000.0):
            w = Tensor(np.array([1.0]), requires_grad=True)
            optimizer = make([w], lr=1e-3)
            (w * scale).sum().backward()
            optimizer.step()
            ends[make, scale] = 1 - w.item()
    assert ends[nn.SGD, 1000.0] == pytest.approx(1000 * ends[nn.SGD, 1.0])
    for make in (nn.Adam, nn.RMSprop, nn.Adagrad):
        assert ends[make, 1000.0] == pytest.approx(ends[make, 1.0], rel=1e-5)


def test_ftrl_with_l1_sets_weights_to_exactly_0() -> None:
    w = Tensor(np.array([0.01, -0.01, 3.0]), requires_grad=True)
    optimizer = nn.FTRL([w], lr=0.1, l1=1.0)
    (w * 0.0).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(w.data[:2], 0)
    assert w.data[2] > 2


W = Tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.SGD([]), ValueError, "params is empty"),
        (lambda: nn.SGD(W), TypeError, "iterable"),
        (lambda: nn.SGD([np.zeros(2)]), TypeError, "ndarray"),
        (lambda: nn.SGD([W * 2]), ValueError, "result of multiply"),
        (lambda: nn.SGD([W], lr=-0.1), ValueError, r"lr must lie in \[0, inf\), got -0.1"),
        (lambda: nn.SGD([W], lr=float("nan")), ValueError, "nan"),
        (lambda: nn.SGD([W], nesterov=True), ValueError, "momentum above 0, got 0.0"),
        (lambda: nn.Adam([W], betas=(0.9, 1.0)), ValueError, r"betas must lie in \[0, 1\)"),
        (lambda: nn.Adam([W], betas=0.9), ValueError, "betas must be two numbers, got 0.9"),
        (lambda: nn.SGD([W], lr=None), ValueError, "lr must be a number, got None"),
        (lambda: nn.SGD([{"params": [W], "lr": (0.1, 0.2)}]), ValueError, r"lr must be a number, got \(0.1, 0.2\)"),
        (lambda: nn.Adam([{"params": [W]}, {"params": [W]}]), ValueError, "another group"),
        (lambda: nn.RMSprop([W], alpha=1.0), ValueError, r"alpha must lie in \[0, 1\)"),
        (lambda: nn.FTRL([W], initial_accumulator_value=0.0), ValueError, "one of initial_accumulator_value and beta"),
        (lambda: nn.FTRL([{"params": [W], "lr": 0.0}]), ValueError, "FTRL: lr"),
        (lambda: nn.SAM(nn.SGD([W]), rho=-1), ValueError, "rho"),
        (lambda: nn.SwitchOptimizer(nn.SGD([W]), nn.SGD([Tensor([1.0])]), 3), ValueError, "different parameters"),
        (lambda: nn.SwitchOptimizer(nn.SGD([W]), nn.Adam([W]), -1), ValueError, "at must be"),
        (lambda: nn.HistoricalAverage([]), ValueError, "HistoricalAverage: parameters is empty"),
        (lambda: nn.EMA([W], 1.0), ValueError, r"decay must lie in \[0, 1\)"),
        (lambda: nn.clip_grad_norm([W], -1.0), ValueError, "max_norm"),
        (lambda: nn.clip_grad_value([W], -1.0), ValueError, "clip_value"),
        (
            lambda: nn.Adam([{"params": [W], "learning_rate": 1}]),
            ValueError,
            "unknown hyperparameter learning_rate; expected one of: lr, betas",
        ),
        (
            lambda: nn.clip_grad_norm(W, 1.0),
            TypeError,
            "clip_grad_norm: parameters must be an iterable of tensors, not one Tensor",
        ),
        (lambda: nn.clip_grad_value(W, 1.0), TypeError, "clip_grad_value: parameters must be an iterable"),
        (lambda: nn.EMA(W), TypeError, "EMA: parameters must be an iterable"),
        (lambda: nn.HistoricalAverage(W), TypeError, "HistoricalAverage: parameters must be an iterable"),
        (lambda: nn.clip_grad_norm(nn.Linear(1, 1).named_parameters(), 1.0), TypeError, "must be a Tensor, not tuple"),
    ],
)
def test_invalid_arguments_raise_errors_that_name_them(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
