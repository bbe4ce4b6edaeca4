"""A compiled step gives the same bits as the eager step, whatever it contains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from jit_helpers import batches, check_same_bits, training_step

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.testing import Program, programs


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    state = ag.get_rng_state()
    ag.manual_seed(0)
    yield
    ag.set_rng_state(state)


# -- eager and jit agree -------------------------------------------------------------------------------------------------------


@given(program=programs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_programs_and_their_gradients_give_the_same_bits(program: Program) -> None:
    assume(" > 0]" not in program.source)  # boolean masks are rejected while tracing

    def both(*inputs: ag.Tensor) -> Any:
        outputs, pull = ag.vjp(lambda *xs: program(*xs), *inputs)
        return list(outputs), list(pull(tuple(ag.cos(y.detach()) for y in outputs)))

    calls = [tuple(ag.Tensor(a + 0.01 * i) for a in program.inputs) for i in range(4)]
    with np.errstate(all="ignore"):  # a moved input may leave a domain; both then give the same nan
        check_same_bits(lambda: both, calls)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: nn.SGD(p, lr=0.1),
    "momentum": lambda p: nn.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2, nesterov=True),
    "Adam": lambda p: nn.Adam(p, lr=1e-2),
    "AdamW": lambda p: nn.AdamW(p, lr=1e-2),
    "NAdam": lambda p: nn.NAdam(p, lr=1e-2),
    "Adagrad": lambda p: nn.Adagrad(p, lr=1e-2),
    "RMSprop": lambda p: nn.RMSprop(p, lr=1e-2, momentum=0.9, centered=True),
    "Adadelta": lambda p: nn.Adadelta(p),
    "FTRL": lambda p: nn.FTRL(p, lr=1e-1),
    "Adam then SGD": lambda p: nn.SwitchOptimizer(nn.Adam(p := list(p), lr=1e-2), nn.SGD(p, lr=1e-2), at=4),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_gives_the_same_bits(optimizer: str) -> None:
    def make() -> Callable[..., Any]:
        net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
        return training_step(net, OPTIMIZERS[optimizer](net.parameters()), lambda x, y: nn.mse_loss(net(x), y))

    check_same_bits(make, batches((4, 5), (4, 3), count=8))


def test_layers_with_state_or_random_draws_give_the_same_bits() -> None:
    """Batch norm's running statistics, spectral norm's vectors, dropout and noise."""

    def make() -> Callable[..., Any]:
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.GaussianNoise(0.1),
            nn.Flatten(), nn.SpectralNorm(nn.Linear(16, 8)), nn.BatchNorm1d(8, momentum=None), nn.WeightNorm(nn.Linear(8, 2)),
        )  # fmt: skip
        step = training_step(net, nn.Adam(net.parameters()), lambda x, y: nn.mse_loss(net(x), y))
        return lambda *batch: [*step(*batch), *[b.copy() for _, b in net.named_buffers()]]

    check_same_bits(make, batches((6, 1, 4, 4), (6, 2)))


def test_a_replay_uses_the_current_learning_rate() -> None:
    """A schedule outside the step changes the rate of the next replay."""

    def make() -> Callable[..., Any]:
        w = ag.Tensor([1.0, 2.0], requires_grad=True)
        optimizer = nn.SGD([w], lr=0.5)
        schedule = nn.ExponentialLR(optimizer, 0.5)

        def step(x: ag.Tensor) -> ag.Tensor:
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()
            return w.detach().copy()

        compiled = ag.jit(step)

        def run(x: ag.Tensor, fast: bool) -> ag.Tensor:
            result = (compiled if fast else step)(x)
            schedule.step()
            return result

        return run

    slow, fast = make(), make()
    for (x,) in batches((2,)):
        assert slow(x, False).tolist() == fast(x, True).tolist()


def test_a_new_float_needs_no_new_plan_but_a_new_int_does() -> None:
    compiled = ag.jit(lambda x, rate, power: x * rate + power)
    x = ag.Tensor([1.0, 2.0])
    for rate in (0.1, 0.2, 0.3, 0.4):
        np.testing.assert_array_equal(compiled(x, rate, 2).numpy(), (x * rate + 2).numpy())
    assert len(compiled.plans) == 1
    for _ in range(3):
        assert compiled(x, 0.5, 3).tolist() == [3.5, 4.0]
    assert len(compiled.plans) == 2


def test_sharpness_aware_steps_give_the_same_bits() -> None:
    def make() -> Callable[..., Any]:
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        optimizer = nn.SAM(nn.SGD(net.parameters(), lr=0.1, momentum=0.9))

        def step(x: ag.Tensor, y: ag.Tensor) -> Any:
            def closure() -> ag.Tensor:
                optimizer.zero_grad()
                loss = nn.mse_loss(net(x), y)
                loss.backward()
                return loss

            return [optimizer.step(closure).detach(), *[p.detach().copy() for p in net.parameters()]]

        return step

    check_same_bits(make, batches((4, 3), (4, 1)))


def test_an_adversarial_step_with_averages_and_clipping_gives_the_same_bits() -> None:
    """One step updates D and G, the EMA of G and a history; gradients are clipped, and a gradient has a penalty (double backward)."""

    def make() -> Callable[..., Any]:
        g, d = (
            nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)),
            nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)),
        )
        by_g, by_d = nn.Adam(g.parameters(), lr=1e-2), nn.Adam(d.parameters(), lr=1e-2)
        ema, history = nn.EMA(g.parameters(), decay=0.9, warmup=True), nn.HistoricalAverage(g.parameters())

        def step(real: ag.Tensor) -> Any:
            fake = g(ag.randn(len(real), 2))
            by_d.zero_grad()
            mixed = ag.rand(len(real), 1) * real + fake.detach()
            mixed.requires_grad = True
            slope = ag.grad(d(mixed).sum(), mixed, create_graph=True)
            (d(fake.detach()).mean() - d(real).mean() + ag.square(ag.norm(slope, axis=1) - 1).mean()).backward()
            norm = nn.clip_grad_norm(d.parameters(), 0.5)
            by_d.step()
            by_g.zero_grad()
            loss = -d(fake).mean() + history.penalty() * 0.1
            loss.backward()
            by_g.step()
            ema.update()
            history.update()
            d.zero_grad()
            return [loss.detach(), ag.as_tensor(norm).astype(np.float32), *[ag.from_numpy(m).copy() for m in ema.means],
                    *[p.detach().copy() for p in (*g.parameters(), *d.parameters())]]  # fmt: skip

        return step

    check_same_bits(make, batches((6, 2)))


def test_replays_add_to_existing_gradients() -> None:
    """Without zero_grad, a replay adds to `.grad`; if `.grad` is None, another plan is used."""
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def add(x: ag.Tensor) -> None:
        (w * x).sum().backward()

    gradients = []
    for i in range(8):
        if i == 5:
            w.grad = None
        add(ag.Tensor([1.0, 10.0]))
        gradients.append(w.grad)
    assert [g.tolist() for g in gradients if g is not None] == [[float(k), 10.0 * k] for k in (1, 2, 3, 4, 5, 1, 2, 3)]


def test_shared_and_unused_parameters_give_the_same_bits() -> None:
    def make() -> Callable[..., Any]:
        shared, idle = nn.Linear(3, 3), nn.Linear(3, 3)
        net = nn.Sequential(shared, nn.Tanh(), shared)
        both = nn.Sequential(net, idle)
        return training_step(both, nn.Adam(both.parameters()), lambda x: net(x).square().mean())

    check_same_bits(make, batches((4, 3)))


def test_a_long_scalar_sequence_becomes_one_program_that_differs_by_rounding_only() -> None:
    w, b = ag.Tensor(0.9, requires_grad=True), ag.Tensor(0.1, requires_grad=True)

    def step(y: ag.Tensor) -> list[ag.Tensor]:
        w.grad = b.grad = None
        for _ in range(50):
            y = ag.tanh(ag.relu(y * w + b) - 0.25)
        y.backward()
        return [y.detach(), w.grad.copy(), b.grad.copy()]

    compiled = ag.jit(step)
    for value in (0.5, -0.5, 2.0, 0.7, 0.1):
        expected = [t.item() for t in step(ag.Tensor(value))]
        results = compiled(ag.Tensor(value))
        assert [t.item() for t in results] == pytest.approx(expected, rel=1e-5)
        assert [t.dtype for t in (*results, w.grad)] == [np.float32] * 4
    assert [row.call.primitive.name for row in compiled.plan.rows] == ["program"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [0.0, 1000.0, -1.0, np.inf, np.nan])
def test_a_scalar_program_gives_nan_and_inf_where_python_would_raise(value: float) -> None:
    def function(x: ag.Tensor) -> list[ag.Tensor]:
        y = x * 1
        for _ in range(40):
            y = y + 0.0
        return [1 / y, ag.exp(y), ag.log(y), ag.sqrt(y), ag.sin(y), ag.relu(y)]

    compiled = ag.jit(function)
    for _ in range(3):
        results = [t.item() for t in compiled(ag.Tensor(value))]
    expected = [t.item() for t in function(ag.Tensor(value))]
    np.testing.assert_allclose(results, expected, rtol=1e-6)
