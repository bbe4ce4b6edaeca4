"""Optimizers: ten steps against the textbook formula in float64, what must not move, and state that can be saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import Tensor, nn
from autograd_mini.nn import optim

STEPS = 10


def sgd(
    w: Any, g: Callable[[Any], Any], lr: float, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False
) -> Any:
    v = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w
        v = momentum * v + d
        w = w - lr * (d + momentum * v if nesterov else v)
    return w


def adam(
    w: Any, g: Callable[[Any], Any], lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        d = g(w) + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        w = w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (nn.SGD, sgd, {"lr": 0.1}),
    (nn.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (nn.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (nn.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.3, "nesterov": True}),
    (nn.Adam, adam, {}),
    (nn.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
]
ADAM = CASES[-1]
A, B = np.linspace(0.5, 2, 12).reshape(3, 4), np.linspace(-1, 1, 12).reshape(3, 4)


def loss(w: Tensor) -> Tensor:
    """½ A (w − B)², summed, with gradient A (w − B)."""
    return (Tensor(A.astype(w.dtype)) * (w - Tensor(B.astype(w.dtype))).square()).sum() * 0.5


def run(make: Any, options: dict[str, Any], start: Any, dtype: str = "float64", steps: int = STEPS) -> tuple[Tensor, Any]:
    w = Tensor(start.astype(dtype), requires_grad=True)
    optimizer = make([w], **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
    return w, optimizer


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
def test_ten_steps_equal_the_formula(make: Any, formula: Any, options: dict[str, Any], dtype: str, tolerance: float) -> None:
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    w, _ = run(make, options, start, dtype)
    assert w.dtype == dtype
    np.testing.assert_allclose(w.data, formula(start, lambda w: A * (w - B), **options), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
@pytest.mark.parametrize("block", [1, 5, 8])
def test_blocks_change_nothing(make: Any, formula: Any, options: dict[str, Any], block: int, monkeypatch: Any) -> None:
    """A parameter larger than a block is stepped by rows to the same bits, also where its memory is not in row-major order."""
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    whole, _ = run(make, options, start)
    monkeypatch.setattr(optim, "_BLOCK", block)
    for layout in ("C", "F"):
        parts, _ = run(make, options, np.asarray(start, order=layout))  # type: ignore[call-overload]
        np.testing.assert_array_equal(parts.data, whole.data)


@pytest.mark.parametrize(("momentum", "path"), [(0.0, [-1, 1, -1]), (0.9, [-1, -0.8, 0.98])])
def test_steps_of_length_1_on_a_parabola(momentum: float, path: list[float]) -> None:
    """y = x² from x = 1 with learning rate 1: plain descent jumps between ±1, momentum leaves that cycle."""
    x = Tensor(1.0, requires_grad=True)
    optimizer = nn.SGD([x], lr=1.0, momentum=momentum)
    met = []
    for _ in range(3):
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
        met.append(x.item())
    assert met == pytest.approx(path)


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
def test_backward_through_a_graph_older_than_the_step_raises(make: Any, formula: Any, options: dict[str, Any]) -> None:
    w = Tensor(B, requires_grad=True)
    optimizer = make([w], **options)
    value = loss(w)
    value.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="written after subtract used it"):
        value.backward()


def test_only_wanted_parameters_with_a_gradient_move_and_storage_never_does() -> None:
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


def test_gradients_are_left_as_they_were() -> None:
    for make, _, options in CASES:
        w = Tensor(B, requires_grad=True)
        loss(w * 2).backward()
        assert w.grad is not None
        before = w.grad.data.copy()
        make([w], **options).step()
        np.testing.assert_array_equal(w.grad.data, before)


def test_a_parameter_named_twice_is_stepped_once() -> None:
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


W = Tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.SGD([]), ValueError, "no parameters"),
        (lambda: nn.SGD(W), TypeError, "iterable"),
        (lambda: nn.SGD([np.zeros(2)]), TypeError, "ndarray"),
        (lambda: nn.SGD([W * 2]), ValueError, "result of multiply"),
        (lambda: nn.SGD([W], lr=-0.1), ValueError, r"lr must lie in \[0, inf\), got -0.1"),
        (lambda: nn.SGD([W], lr=float("nan")), ValueError, "nan"),
        (lambda: nn.SGD([W], nesterov=True), ValueError, "momentum"),
        (lambda: nn.Adam([W], betas=(0.9, 1.0)), ValueError, r"betas must lie in \[0, 1\)"),
        (lambda: nn.Adam([{"params": [W]}, {"params": [W]}]), ValueError, "another group"),
        (lambda: nn.Adam([{"params": [W], "learning_rate": 1}]), ValueError, "not learning_rate"),
    ],
)
def test_mistakes_are_named(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("make", "formula", "options"), CASES)
def test_a_run_resumed_from_saved_state_is_the_same_bit_for_bit(make: Any, formula: Any, options: dict[str, Any]) -> None:
    start = np.cos(np.arange(12.0)).reshape(3, 4)
    through, _ = run(make, options, start, steps=10)
    half, optimizer = run(make, options, start, steps=5)
    state = optimizer.state_dict()
    loss(half).backward()
    optimizer.step()  # the saved state must not follow
    half, _ = run(make, options, start, steps=5)
    resumed = make([half], lr=9.0)
    resumed.load_state_dict(state)
    for _ in range(5):
        resumed.zero_grad()
        loss(half).backward()
        resumed.step()
    np.testing.assert_array_equal(half.data, through.data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["param_groups"].append(s["param_groups"][0]), r"groups of \[1\] parameters, got \[1, 1\]"),
        (lambda s: s["state"].update({7: s["state"].pop(0)}), r"unknown parameters \[7\] of 1"),
        (lambda s: s["state"][0].pop("exp_avg"), r"parameter 0: expected state \['exp_avg', 'exp_avg_sq', 'step'\], got"),
        (lambda s: s["state"][0].update(exp_avg=np.zeros(2)), r"exp_avg: expected shape \(3, 4\), got \(2,\)"),
    ],
)
def test_state_that_does_not_fit_is_refused_whole(change: Callable[[Any], Any], message: str) -> None:
    make, _, options = ADAM
    _, optimizer = run(make, options, B)
    state = optimizer.state_dict()
    change(state)
    state["param_groups"][0]["lr"] = 5.0
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == options["lr"]
    assert next(iter(optimizer.state.values()))["step"] == STEPS
