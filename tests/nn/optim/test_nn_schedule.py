"""Learning-rate schedules: rates equal known values and formulas, and a resumed schedule continues with the same rates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schedule_cases as cases

import autograd_mini as ag
from autograd_mini import Tensor, nn

GOLDEN = json.loads((Path(__file__).parent / "schedules.json").read_text())  # recorded by record_schedules.py


def optimizer(**options: Any) -> nn.SGD:
    groups = [{"params": [Tensor([1.0])]}, {"params": [Tensor([1.0])], "lr": 0.2}]
    return nn.SGD(groups, lr=1.0, momentum=0.9, **options)


def rates(schedule: Any, steps: int) -> list[list[float]]:
    seen = [schedule.get_last_lr()]
    for _ in range(steps):
        schedule.step()
        seen.append(schedule.get_last_lr())
    return seen


# name -> (function that creates it, rates of the first group, which starts from 1.0)
CASES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "step": (lambda o: nn.StepLR(o, 2, 0.5), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]),
    "milestones": (lambda o: nn.MultiStepLR(o, [5, 2, 2], 0.5), [1, 1, 0.25, 0.25, 0.25, 0.125, 0.125]),
    "exponential": (lambda o: nn.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
    "cosine": (
        lambda o: nn.CosineAnnealingLR(o, 4),
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, (1 - math.sqrt(0.5)) / 2],
    ),
    "warmup": (lambda o: nn.LinearWarmup(o, 4, 0.2), [0.2, 0.4, 0.6, 0.8, 1, 1]),
    "warmup_then_step": (
        lambda o: nn.LinearWarmup(o, 2, 0.5, after=nn.StepLR(o, 2, 0.1)), [0.5, 0.75, 1, 1, 0.1, 0.1, 0.01],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_group_follows_the_formula_from_its_own_rate(name: str) -> None:
    make, expected = CASES[name]
    seen = rates(make(optimizer()), len(expected) - 1)
    assert [first for first, _ in seen] == pytest.approx(expected, abs=1e-12)
    assert [second for _, second in seen] == pytest.approx([0.2 * rate for rate in expected], abs=1e-12)


def test_cosine_annealing_ends_at_its_minimum() -> None:
    seen = rates(nn.CosineAnnealingLR(optimizer(), 5, eta_min=0.1), 5)
    assert seen[0] == [1.0, 0.2]
    assert seen[5] == pytest.approx([0.1, 0.1])


def test_one_cycle_raises_and_lowers_the_rate_and_momentum_does_the_opposite() -> None:
    o = optimizer()
    schedule = nn.OneCycleLR(o, max_lr=0.5, total_steps=21, pct_start=0.3, anneal_strategy="linear")
    seen, momenta = [], []
    for _ in range(24):
        seen.append(o.param_groups[0]["lr"])
        momenta.append(o.param_groups[1]["momentum"])
        schedule.step()
    top = 0.3 * 21 - 1
    assert seen[0] == pytest.approx(0.02)
    assert seen[3] == pytest.approx(0.02 + 0.48 * 3 / top)
    assert seen[10] == pytest.approx(0.5 + (2e-6 - 0.5) * (10 - top) / (20 - top))
    assert seen[20:] == pytest.approx([2e-6] * 4)
    assert (momenta[0], momenta[20]) == (pytest.approx(0.95), pytest.approx(0.95))
    assert momenta[3] == pytest.approx(0.95 - 0.1 * 3 / top)
    adam = nn.Adam([Tensor([1.0])])
    nn.OneCycleLR(adam, 0.1, 10)
    assert adam.param_groups[0]["betas"] == (0.95, 0.999)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_reduces_the_rate_after_more_than_patience_steps_without_progress(mode: Any) -> None:
    o = optimizer()
    schedule = nn.ReduceLROnPlateau(o, mode, factor=0.5, patience=2, threshold=0.1, cooldown=2, min_lr=0.2)
    sign = 1 if mode == "min" else -1
    seen = []
    # best, improvement of more than 10 %, 3 bad steps, 2 of cooldown, 3 bad steps, an improvement, then the same
    for value in [10.0, 10 - 1.5 * sign, *[10 - 2.0 * sign] * 3, *[99.0 * sign] * 5, 10 - 5.0 * sign, *[99.0 * sign] * 4]:
        schedule.step(value)
        seen.append(o.param_groups[0]["lr"])
    assert seen == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.2]
    assert o.param_groups[1]["lr"] == 0.2  # this group starts at the minimum


def test_an_absolute_threshold_is_used_and_nan_is_not_an_improvement() -> None:
    o = optimizer()
    schedule = nn.ReduceLROnPlateau(o, patience=0, threshold=0.5, threshold_mode="abs")
    for value, lr in ((1.0, 1.0), (0.4, 1.0), (0.0, 0.1), (math.nan, 0.01), (Tensor(-1.0), 0.01)):
        schedule.step(value)
        assert o.param_groups[0]["lr"] == pytest.approx(lr)


@pytest.mark.parametrize("name", [*CASES, "one_cycle", "plateau"])
def test_a_resumed_schedule_continues_with_the_same_rates(name: str) -> None:
    """This holds whether the optimizer's state is loaded before or after the schedule is created."""
    make = {
        "one_cycle": lambda o: nn.OneCycleLR(o, 0.5, 10), "plateau": lambda o: nn.ReduceLROnPlateau(o, patience=1),
    }.get(name) or CASES[name][0]  # fmt: skip
    metric = (1.0,) if name == "plateau" else ()
    through, half = optimizer(), optimizer()
    for o, steps in ((through, 7), (half, 4)):
        schedule = make(o)
        for _ in range(steps):
            schedule.step(*metric)
    states = half.state_dict(), schedule.state_dict()
    for before in (True, False):
        resumed = optimizer()
        if before:
            resumed.load_state_dict(states[0])
        schedule = make(resumed)
        if not before:
            resumed.load_state_dict(states[0])
        schedule.load_state_dict(states[1])
        for _ in range(3):
            schedule.step(*metric)
        for a, b in zip(through.param_groups, resumed.param_groups, strict=True):
            assert (a["lr"], a["momentum"]) == (b["lr"], b["momentum"])


def test_each_optimizer_of_a_switch_keeps_its_own_rate() -> None:
    w = Tensor([1.0], requires_grad=True)
    switch = nn.SwitchOptimizer(nn.Adam([w], lr=1.0), nn.SGD([w], lr=0.1), at=2)
    schedule = nn.ExponentialLR(switch, 0.5)
    seen = []
    for _ in range(4):
        seen.append(switch.param_groups[0]["lr"])
        w.backward([1.0])
        switch.step()
        schedule.step()
    assert seen == pytest.approx([1.0, 0.5, 0.1 * 0.25, 0.1 * 0.125])


@pytest.mark.parametrize("split", [1, 3])
@pytest.mark.parametrize("schedule_first", [True, False])
def test_a_schedule_over_two_optimizers_resumes_in_either_order_of_loading(split: int, schedule_first: bool) -> None:
    def create() -> tuple[Any, Any]:
        w = Tensor([1.0], requires_grad=True)
        switch = nn.SwitchOptimizer(nn.Adam([w], lr=1.0), nn.SGD([w], lr=0.1), at=2)
        return switch, nn.ExponentialLR(switch, 0.5)

    def advance(steps: int, *pair: Any) -> list[float]:
        seen = []
        for _ in range(steps):
            seen += pair[1].get_last_lr()
            for part in pair:
                part.step()
        return seen

    expected, started, resumed = advance(6, *create()), create(), create()
    advance(split, *started)
    for old, new in list(zip(started, resumed, strict=True))[:: -1 if schedule_first else 1]:
        new.load_state_dict(old.state_dict())
    assert advance(6 - split, *resumed) == expected[split:]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: nn.StepLR(o, 0), "StepLR: step_size must be at least 1, got 0"),
        (lambda o: nn.CosineAnnealingLR(o, 0), "T_max"),
        (lambda o: nn.LinearWarmup(o, 0), "total_iters"),
        (lambda o: nn.OneCycleLR(o, 1.0, 1), "total_steps"),
        (lambda o: nn.OneCycleLR(o, 1.0, 10, pct_start=1.0), "pct_start"),
        (lambda o: nn.OneCycleLR(o, 1.0, 10, anneal_strategy="exp"), "anneal_strategy"),
        (lambda o: nn.OneCycleLR(nn.SGD([Tensor([1.0])]), 1.0, 10), "no momentum"),
        (lambda o: nn.ReduceLROnPlateau(o, factor=1.0), "factor"),
        (lambda o: nn.ReduceLROnPlateau(o, mode="least"), "'least'"),
        (lambda o: nn.StepLR(o, 1).load_state_dict({"steps": 1, "base_lrs": [1.0]}), "rates for 2 groups, got 1"),
    ],
)
def test_invalid_arguments_raise_errors_that_name_them(make: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optimizer())


# -- as in PyTorch -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases.CASES)
def test_each_schedule_and_each_pair_has_the_rates_of_pytorch(name: str) -> None:
    """Two schedules on one optimizer multiply, unless one of them sets the rate from a formula."""
    groups = [{"params": [Tensor([1.0])]}, {"params": [Tensor([1.0])], "lr": 0.2}]
    found = cases.rates(nn, nn.SGD(groups, lr=0.5, momentum=0.9), cases.CASES[name])
    start = cases.first_step(name)
    sampled = [[found[t][i] for i in (0, 2, 1)] for t in cases.SAMPLED]
    np.testing.assert_allclose(sampled[start:], GOLDEN[name][start:], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", cases.SINGLE)
@pytest.mark.parametrize("done", [3, 13])
def test_schedules_resume_with_the_same_bits_whatever_is_loaded_first(name: str, done: int) -> None:
    def create() -> tuple[Any, list[Any]]:
        o = optimizer()
        return o, [cases.SINGLE[name](nn, o), nn.ExponentialLR(o, 0.9)]

    def advance(o: Any, schedules: list[Any], steps: range) -> list[Any]:
        seen = []
        for t in steps:
            for schedule in schedules:
                schedule.step(*([cases.metric(t)] if isinstance(schedule, nn.ReduceLROnPlateau) else []))
            seen.append([(group["lr"], group["momentum"]) for group in o.param_groups])
        return seen

    expected = advance(*create(), range(40))
    stopped = create()
    advance(*stopped, range(done))
    states = json.loads(json.dumps([part.state_dict() for part in stopped[1]]))
    for optimizer_first in (True, False):
        o, schedules = create()
        if optimizer_first:
            o.load_state_dict(stopped[0].state_dict())
            schedules = [cases.SINGLE[name](nn, o), nn.ExponentialLR(o, 0.9)]
        for schedule, state in zip(schedules, states, strict=True):
            schedule.load_state_dict(state)
        if not optimizer_first:
            o.load_state_dict(stopped[0].state_dict())
        assert advance(o, schedules, range(done, 40)) == expected[done:]


@pytest.mark.parametrize("name", CASES)
def test_a_state_of_an_older_version_gives_the_rates_of_the_schedule_alone(name: str) -> None:
    o = optimizer()
    CASES[name][0](o).load_state_dict({"steps": 4, "base_lrs": [1.0, 0.2]})
    expected = CASES[name][1][4]
    assert [group["lr"] for group in o.param_groups] == pytest.approx([expected, 0.2 * expected], abs=1e-12)


def test_a_rate_set_by_hand_and_a_reduction_on_a_plateau_stay() -> None:
    o = optimizer()
    step, plateau = nn.StepLR(o, 2), nn.ReduceLROnPlateau(o, factor=0.5, patience=0)
    seen = []
    for t in range(4):
        plateau.step(1.0)
        step.step()
        seen.append(o.param_groups[0]["lr"])
        if t == 1:
            o.param_groups[0]["lr"] = 3.0
    assert seen == pytest.approx([1.0, 0.05, 1.5, 0.075])


def test_a_second_phase_starts_from_the_present_rate() -> None:
    o = optimizer()
    rates(nn.ExponentialLR(o, 0.5), 2)
    seen = rates(nn.CosineAnnealingLR(o, 4), 4)
    assert [first for first, _ in seen] == pytest.approx([0.25 * x for x in CASES["cosine"][1][:5]], abs=1e-12)


def test_own_schedules_of_all_three_forms_work_and_pytorch_s_form_too() -> None:
    class ByFormula(nn.LRScheduler):
        def lr(self, t: int, base: float) -> float:
            return base / (t + 1)

    class ByFactor(nn.LRScheduler):
        def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
            return rate * t / (t + 1) if t else rate

    class AsInPyTorch(nn.LRScheduler):
        def get_lr(self) -> list[float]:
            return [base / (self.last_epoch + 1) for base in self.base_lrs]

    for kind in (ByFormula, ByFactor, AsInPyTorch):
        assert rates(kind(optimizer()), 3) == pytest.approx(np.array([[1, 0.2]] * 4) / np.arange(1, 5)[:, None])
    with pytest.raises(TypeError, match="must define next_lr, lr or get_lr"):
        type("Nothing", (nn.LRScheduler,), {})(optimizer())


def test_last_epoch_continues_a_schedule_and_needs_the_rates_at_the_start() -> None:
    o = optimizer()
    rates(nn.ExponentialLR(o, 0.5), 3)
    assert nn.ExponentialLR(o, 0.5, last_epoch=3).get_last_lr() == pytest.approx([1 / 16, 0.2 / 16])
    with pytest.raises(KeyError, match="group 0 of the optimizer has no initial_lr"):
        nn.ExponentialLR(optimizer(), 0.5, last_epoch=3)


def test_warm_restarts_take_fractions_of_epochs() -> None:
    schedule = nn.CosineAnnealingWarmRestarts(optimizer(), 2, 2)
    for epoch in (0.5, 2.0, 3.0, 6.25):
        schedule.step(epoch)
        length, part = (2, epoch) if epoch < 2 else (4, epoch - 2) if epoch < 6 else (8, epoch - 6)
        assert schedule.get_last_lr()[0] == pytest.approx((1 + math.cos(math.pi * part / length)) / 2)


@pytest.mark.parametrize("name", ["sequence", "chain", "cosine", "cyclic"])
def test_a_compiled_step_steps_schedules_too(name: str) -> None:
    """The schedule is an effect of the plan: eager and compiled steps have the same rates and parameters."""

    def train(compiled: bool) -> list[Any]:
        w = Tensor([1.0], requires_grad=True)
        o = nn.SGD([w], lr=0.1, momentum=0.9)
        schedule = nn.CyclicLR(o, 0.01, 0.3, 4) if name == "cyclic" else cases.SINGLE[name](nn, o)

        def step(x: Tensor) -> Tensor:
            o.zero_grad()
            loss = ((w * x) ** 2).sum()
            loss.backward()
            o.step()
            schedule.step()
            return loss.detach()

        run = ag.jit(step) if compiled else step
        return [(run(Tensor([0.5])).item(), *schedule.get_last_lr(), o.param_groups[0]["momentum"]) for _ in range(14)]

    assert train(True) == train(False)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: nn.LambdaLR(o, [lambda t: 1.0]), ValueError, "lr_lambda: expected one value for each of 2 groups, got 1"),
        (lambda o: nn.SequentialLR(o, [], []), ValueError, "at least one schedule"),
        (lambda o: nn.SequentialLR(o, [nn.StepLR(o, 1)], [3]), ValueError, "expected 0 increasing milestones"),
        (lambda o: nn.SequentialLR(o, [nn.StepLR(o, 1)] * 3, [5, 3]), ValueError, r"2 increasing milestones.*\[5, 3\]"),
        (
            lambda o: nn.ChainedScheduler([nn.StepLR(o, 1), nn.StepLR(optimizer(), 1)]),
            ValueError,
            "1, StepLR, belongs to another",
        ),
        (lambda o: nn.ChainedScheduler([nn.ReduceLROnPlateau(o)], o), TypeError, "0 is a ReduceLROnPlateau"),
        (lambda o: nn.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "triangular2, exp_range, got 'square'"),
        (lambda o: nn.CyclicLR(nn.SGD([Tensor([1.0])]), 0.1, 1.0), ValueError, "CyclicLR: the optimizer has no momentum"),
        (lambda o: nn.OneCycleLR(o, 0.1, epochs=3), ValueError, "steps_per_epoch=None"),
        (lambda o: nn.StepLR(nn.Linear(2, 2), 1), TypeError, "first argument must be an optimizer, got Linear"),
        (lambda o: nn.LinearLR(o, 0.0), ValueError, "start_factor must lie in"),
        (lambda o: nn.ConstantLR(o, 2.0), ValueError, "factor must lie in"),
        (lambda o: nn.PolynomialLR(o, 0), ValueError, "total_iters must be at least 1"),
        (lambda o: nn.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 must be at least 1"),
        (lambda o: nn.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr: expected one value for each of 2"),
    ],
)
def test_arguments_that_do_not_fit_are_named(make: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(optimizer())
