"""Optimizers: ten steps against the textbook formula in float64, what must not move, and state that can be saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_mini import Tensor, nn
from autograd_mini.nn.optim import optimizer as optim

STEPS = 10


def sgd(
    w: Any, g: Callable[[Any], Any], lr: float, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False,
    decoupled_weight_decay: bool = False,
) -> Any:  # fmt: skip
    v = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w * (not decoupled_weight_decay)
        w = w * (1 - lr * weight_decay * decoupled_weight_decay)
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


def adamw(w: Any, g: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2) -> Any:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        d = g(w)
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        step = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        w = w - lr * weight_decay * w - lr * step
    return w


def nadam(
    w: Any, g: Any, lr: float = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
) -> Any:  # fmt: skip
    m = v = 0.0
    mu = [betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in range(1, STEPS + 2)]
    for t in range(1, STEPS + 1):
        d = g(w) + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        ahead = mu[t] * m / (1 - np.prod(mu[: t + 1])) + (1 - mu[t - 1]) * d / (1 - np.prod(mu[:t]))
        w = w - lr * ahead / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def adagrad(
    w: Any, g: Any, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> Any:  # fmt: skip
    n = initial_accumulator_value
    for t in range(STEPS):
        d = g(w) + weight_decay * w
        n = n + d**2
        w = w - lr / (1 + t * lr_decay) * d / (np.sqrt(n) + eps)
    return w


def rmsprop(
    w: Any, g: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
    centered: bool = False,
) -> Any:  # fmt: skip
    n = m = v = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w
        n = alpha * n + (1 - alpha) * d**2
        m = alpha * m + (1 - alpha) * d
        v = momentum * v + d / (np.sqrt(n - m**2 * centered) + eps)
        w = w - lr * v
    return w


def adadelta(w: Any, g: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0) -> Any:
    squares_of_g = squares_of_steps = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w
        squares_of_g = rho * squares_of_g + (1 - rho) * d**2
        step = np.sqrt(squares_of_steps + eps) / np.sqrt(squares_of_g + eps) * d
        squares_of_steps = rho * squares_of_steps + (1 - rho) * step**2
        w = w - lr * step
    return w


def ftrl(
    w: Any,
    g: Any,
    lr: float = 1e-3,
    initial_accumulator_value: float = 0.1,
    beta: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
) -> Any:
    n = np.full_like(w, initial_accumulator_value)
    z = -w * (beta + np.sqrt(n)) / lr
    for _ in range(STEPS):
        d = g(w)
        s = (np.sqrt(n + d**2) - np.sqrt(n)) / lr
        n = n + d**2
        z = z + d - s * w
        w = np.where(abs(z) <= l1, 0, (np.sign(z) * l1 - z) / ((beta + np.sqrt(n)) / lr + 2 * l2))
    return w


CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (nn.SGD, sgd, {"lr": 0.1}),
    (nn.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (nn.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (nn.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.3, "nesterov": True}),
    (nn.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    (nn.Adagrad, adagrad, {}),
    (nn.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.3, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    (nn.RMSprop, rmsprop, {}),
    (nn.RMSprop, rmsprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.3, "momentum": 0.9, "centered": True}),
    (nn.RMSprop, rmsprop, {"momentum": 0.5}),
    (nn.RMSprop, rmsprop, {"lr": 0.02, "eps": 1e-3, "centered": True}),
    (nn.Adadelta, adadelta, {}),
    (nn.Adadelta, adadelta, {"lr": 0.5, "rho": 0.95, "eps": 1e-2, "weight_decay": 0.3}),
    (nn.FTRL, ftrl, {}),
    (nn.FTRL, ftrl, {"lr": 0.1, "initial_accumulator_value": 0.0, "beta": 1.0, "l1": 0.5, "l2": 0.2}),
    (nn.AdamW, adamw, {}),
    (nn.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
    (nn.NAdam, nadam, {}),
    (nn.NAdam, nadam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2, "momentum_decay": 0.1}),
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
    with pytest.raises(RuntimeError, match="modified in place after"):
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
        (lambda: nn.HistoricalAverage([]), ValueError, "HistoricalAverage: got no parameters"),
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
    resumed = make([half], **options | {"lr": 9.0})
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


# -- traps -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nn.Adagrad, nn.RMSprop, nn.Adadelta, nn.Adam, nn.AdamW, nn.NAdam, nn.FTRL])
def test_a_weight_whose_gradient_never_comes_is_not_divided_by_zero(make: Any) -> None:
    """MNIST's border: 0/0 without an ε, or with FTRL's accumulator starting at 0."""
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


def test_the_steps_of_adam_and_adadelta_do_not_scale_with_the_gradient_and_plain_ones_do() -> None:
    """Units: with the loss measured in thousandths, plain descent goes a thousand times as far."""
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


def test_ftrl_with_l1_gives_weights_that_are_exactly_0() -> None:
    w = Tensor(np.array([0.01, -0.01, 3.0]), requires_grad=True)
    optimizer = nn.FTRL([w], lr=0.1, l1=1.0)
    (w * 0.0).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(w.data[:2], 0)
    assert w.data[2] > 2


def test_settings_switched_on_later_start_their_state_then() -> None:
    w = Tensor(B, requires_grad=True)
    optimizer = nn.RMSprop([w])
    for settings in ({}, {"momentum": 0.9}, {"centered": True}):
        optimizer.param_groups[0].update(settings)
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
    assert sorted(optimizer.state[w]) == ["grad_avg", "momentum_buffer", "square_avg"]


@pytest.mark.parametrize(("make", "settings"), [(nn.SGD, {"momentum": 0.9}), (nn.RMSprop, {"momentum": 0.9, "centered": True})])
@pytest.mark.parametrize("before", [True, False])
def test_a_run_whose_settings_were_switched_resumes_bit_for_bit(make: Any, settings: dict[str, Any], before: bool) -> None:
    """State that began after the first step, that will begin at the next one, or that rests since its setting was taken back."""
    off = dict.fromkeys(settings, 0)
    changes = {3: settings, 6: off, 9: settings} if before else {0: settings, 2: off, 9: settings}

    def go(steps: range, w: Tensor, optimizer: Any) -> dict[int, Any]:
        met = {}
        for t in steps:
            optimizer.param_groups[0].update(changes.get(t, {}))
            met[t] = w.data.copy(), optimizer.state_dict()
            optimizer.zero_grad()
            loss(w).backward()
            optimizer.step()
        return met

    w = Tensor(B, requires_grad=True)
    met = go(range(12), w, make([w], lr=0.01))
    for t, (value, state) in met.items():
        resumed = Tensor(value, requires_grad=True)
        optimizer = make([resumed], lr=9.0)
        optimizer.load_state_dict(state)
        go(range(t, 12), resumed, optimizer)
        np.testing.assert_array_equal(resumed.data, w.data)


def test_state_that_no_setting_asks_for_is_refused() -> None:
    _, optimizer = run(nn.SGD, {"momentum": 0.9}, B)
    state = optimizer.state_dict()
    state["state"][0]["velocity"] = state["state"][0].pop("momentum_buffer")
    with pytest.raises(ValueError, match=r"parameter 0: expected state \['momentum_buffer'\], got \['velocity'\]"):
        optimizer.load_state_dict(state)


# -- around optimizers -----------------------------------------------------------------------------------------------------


def test_sam_steps_from_w_by_the_gradient_at_the_top_of_the_ball() -> None:
    w, v = Tensor(B, requires_grad=True), Tensor(np.array(2.0), requires_grad=True)
    optimizer = nn.SAM(nn.SGD([w, v], lr=0.1), rho=0.3)
    calls = []

    def closure() -> Tensor:
        calls.append((w.data.copy(), v.item()))
        optimizer.zero_grad()
        value = (loss(w + 1.0) + v * v * v) * 1.0
        value.backward()
        return value

    slope = A * (B + 1 - B)
    norm = np.sqrt((slope**2).sum() + 12.0**2)
    first = optimizer.step(closure).item()
    assert first == pytest.approx((A * 1.0).sum() / 2 + 8)
    np.testing.assert_allclose(calls[1][0], B + 0.3 * slope / norm, rtol=1e-12)
    top = 2 + 0.3 * 12 / norm
    assert calls[1][1] == pytest.approx(top)
    np.testing.assert_allclose(w.data, B - 0.1 * A * (1 + 0.3 * slope / norm), rtol=1e-12)
    assert v.item() == pytest.approx(2 - 0.1 * 3 * top**2)
    assert optimizer.param_groups is optimizer.optimizer.param_groups


def test_sam_puts_the_weights_back_when_the_second_pass_fails_and_stays_at_a_minimum() -> None:
    w = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = nn.SAM(nn.SGD([w], lr=0.1))
    passes = []

    def closure() -> Tensor:
        passes.append(w.item())
        if len(passes) == 2:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        value = (w * w).sum()
        value.backward()
        return value

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert w.item() == 1.0
    assert passes == [1.0, pytest.approx(1.05)]
    w.data = [0.0]
    optimizer.step(closure)
    assert w.item() == 0.0


def test_the_second_optimizer_takes_over_at_its_step_and_a_resumed_run_is_the_same() -> None:
    def run_of(steps: int, state: Any = None, start: Any = B) -> tuple[Any, Any]:
        w = Tensor(start, requires_grad=True)
        optimizer = nn.SwitchOptimizer(nn.Adam([w], lr=0.1), nn.SGD([w], lr=0.05, momentum=0.9), at=4)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(w + 1.0).backward()
            optimizer.step()
        return w.data, optimizer

    by_hand = Tensor(B, requires_grad=True)
    adam_part, sgd_part = nn.Adam([by_hand], lr=0.1), nn.SGD([by_hand], lr=0.05, momentum=0.9)
    for i in range(9):
        by_hand.grad = None
        loss(by_hand + 1.0).backward()
        (adam_part if i < 4 else sgd_part).step()
    through, optimizer = run_of(9)
    np.testing.assert_array_equal(through, by_hand.data)
    assert optimizer.param_groups is optimizer.second.param_groups
    for split in (2, 6):
        half, optimizer = run_of(split)
        rest, _ = run_of(9 - split, optimizer.state_dict(), half)
        np.testing.assert_array_equal(rest, through)


# -- gradients in bounds, means of weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
def test_clipping_bounds_the_joint_norm_and_keeps_the_direction(norm_type: float) -> None:
    shapes = [(3, 4), (), (5,)]
    tensors = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in shapes]
    unused = Tensor([1.0], requires_grad=True)
    slopes = [np.random.default_rng(i).normal(size=shape).astype(np.float32) for i, shape in enumerate(shapes)]
    for t, slope in zip(tensors, slopes, strict=True):
        (t * slope).sum().backward()
    whole = np.linalg.norm(np.concatenate([s.ravel() for s in slopes]).astype(float), norm_type)
    assert nn.clip_grad_norm([*tensors, unused], 2 * whole, norm_type) == pytest.approx(whole)
    np.testing.assert_array_equal(tensors[0].grad.data, slopes[0])  # type: ignore[union-attr]
    assert nn.clip_grad_norm(tensors, 0.5, norm_type) == pytest.approx(whole)
    for t, slope in zip(tensors, slopes, strict=True):
        assert t.grad is not None
        assert t.grad.dtype == np.float32
        np.testing.assert_allclose(t.grad.data, slope * (0.5 / whole), rtol=1e-5)


def test_a_norm_that_is_no_number_is_refused_and_no_gradients_have_norm_0() -> None:
    w = Tensor([1.0, 1.0], requires_grad=True)
    assert nn.clip_grad_norm([w], 1.0) == 0
    (w * [np.inf, 1.0]).sum().backward()
    with pytest.raises(ValueError, match="inf"):
        nn.clip_grad_norm([w], 1.0)
    nn.clip_grad_value([w], 0.5)
    np.testing.assert_array_equal(w.grad.data, [0.5, 0.5])  # type: ignore[union-attr]


@pytest.mark.parametrize("warmup", [False, True])
def test_the_moving_average_follows_its_recursion_and_gives_the_weights_back(warmup: bool) -> None:
    w = Tensor(np.array([1.0]), requires_grad=True)
    ema, expected = nn.EMA([w], decay=0.9, warmup=warmup), 1.0
    for t in range(1, 30):
        w.data = [float(t)]
        ema.update()
        d = min(0.9, (1 + t) / (10 + t)) if warmup else 0.9
        expected = d * expected + (1 - d) * t
    inside = []
    with pytest.raises(KeyError), ema.applied():
        inside.append({}[inside.append(w.item())])
    assert inside == [pytest.approx(expected)]
    assert w.item() == 29
    other = nn.EMA([w], decay=0.9)
    other.load_state_dict(ema.state_dict())
    assert (other.steps, other.means[0][0]) == (29, pytest.approx(expected))
    with pytest.raises(ValueError, match=r"expected shapes \[\(1,\)\], got \[\(2,\)\]"):
        ema.load_state_dict({"steps": 1, "means": [np.zeros(2)]})


def test_the_historical_penalty_is_the_distance_from_the_mean_of_the_past() -> None:
    w, v = Tensor(np.zeros(2), requires_grad=True), Tensor(np.array(1.0), requires_grad=True)
    history = nn.HistoricalAverage([w, v])
    past = np.random.default_rng(0).normal(size=(5, 2))
    for value in past:
        w.data = value
        history.update()
    penalty = history.penalty()
    assert penalty.item() == pytest.approx(((past[-1] - past.mean(0)) ** 2).sum())
    penalty.backward()
    np.testing.assert_allclose(w.grad.data, 2 * (past[-1] - past.mean(0)), rtol=1e-10)  # type: ignore[union-attr]
