"""Schedules that the golden and the live comparison with PyTorch share: functions of the library and an optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

STEPS = 200
SAMPLED = (0, 1, 10, 13, 31, 60, 99, 199)  # steps in the golden file
DECAYS: dict[str, Callable[[Any, Any], Any]] = {
    "step": lambda lib, o: lib.StepLR(o, 30, 0.5),
    "milestones": lambda lib, o: lib.MultiStepLR(o, [5, 40, 40, 120], 0.3),
    "constant": lambda lib, o: lib.ConstantLR(o, 0.25, 12),
    "linear": lambda lib, o: lib.LinearLR(o, 0.1, 0.8, 10),
    "exponential": lambda lib, o: lib.ExponentialLR(o, 0.97),
    "cosine": lambda lib, o: lib.CosineAnnealingLR(o, 30, 0.001),
    "polynomial": lambda lib, o: lib.PolynomialLR(o, 300, 1.5),
    "multiplicative": lambda lib, o: lib.MultiplicativeLR(o, [lambda t: 0.99, lambda t: 1 - 1 / (t + 9)]),
    "plateau": lambda lib, o: lib.ReduceLROnPlateau(o, factor=0.6, patience=4, cooldown=3, min_lr=[1e-3, 0.0]),
}
FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "lambda": lambda lib, o: lib.LambdaLR(o, [lambda t: 1 / (1 + t), lambda t: 0.95**t]),
    "restarts": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 7, 2, 0.01),
    "equal restarts": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 13),
    "cyclic": lambda lib, o: lib.CyclicLR(o, 0.01, [0.3, 0.5], 8, 14),
    "cyclic halved": lambda lib, o: lib.CyclicLR(o, 0.01, 0.3, 8, mode="triangular2"),
    "cyclic decayed": lambda lib, o: lib.CyclicLR(o, 0.01, 0.3, 8, mode="exp_range", gamma=0.98),
    "cyclic own": lambda lib, o: lib.CyclicLR(o, 0.01, 0.3, 8, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    "one cycle": lambda lib, o: lib.OneCycleLR(o, [0.4, 0.2], epochs=20, steps_per_epoch=10),
    "three phases": lambda lib, o: lib.OneCycleLR(o, 0.4, 200, anneal_strategy="linear", three_phase=True),
}


def sequence(lib: Any, o: Any) -> Any:
    """Warm-up, then a cosine, then steps; the inner schedules have been created in this order."""
    parts = [lib.LinearLR(o, 0.1, total_iters=10), lib.CosineAnnealingLR(o, 50), lib.StepLR(o, 20, 0.5)]
    return lib.SequentialLR(o, parts, [10, 60])


COMBINATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sequence": sequence,
    "sequence of formulas": lambda lib, o: lib.SequentialLR(
        o, [lib.ExponentialLR(o, 0.9), lib.LambdaLR(o, lambda t: 1 / (1 + t)), lib.CosineAnnealingWarmRestarts(o, 9)], [31, 90]
    ),
    "chain": lambda lib, o: lib.ChainedScheduler([lib.ConstantLR(o, 0.1, 20), lib.ExponentialLR(o, 0.97)]),
    "sequence of a chain": lambda lib, o: lib.SequentialLR(
        o, [lib.ConstantLR(o, 0.5, 100), lib.ExponentialLR(o, 0.95)], [13]
    ),
}  # fmt: skip
SINGLE = {**DECAYS, **FORMULAS, **COMBINATIONS}
PAIRS = {
    f"{a} + {b}": (SINGLE[a], SINGLE[b])
    for a, b in permutations([*DECAYS, "lambda", "restarts", "cyclic", "sequence", "chain"], 2)
}
CASES: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {**{name: (make,) for name, make in SINGLE.items()}, **PAIRS}


def first_step(name: str) -> int:
    """Returns the step from which rates are compared: PyTorch's first rate of a cycle after another schedule is not `base_lr`."""
    return int(name.endswith("+ cyclic"))


def metric(t: int) -> float:
    """A loss that falls, stays and falls again."""
    return 1 / (1 + t // 25) + 0.01 * math.sin(t)


def rates(lib: Any, optimizer: Any, makers: Any, steps: int = STEPS) -> list[list[float]]:
    """Returns rate and momentum of both groups before each step of the schedules."""
    schedules, seen = [make(lib, optimizer) for make in makers], []
    for t in range(steps):
        seen.append([float(group[name]) for group in optimizer.param_groups for name in ("lr", "momentum")])
        optimizer.step()
        for schedule in schedules:
            schedule.step(*([metric(t)] if type(schedule).__name__ == "ReduceLROnPlateau" else []))
    return seen


def two_phases(lib: Any, optimizer: Any, makers: Any, by_hand: bool) -> list[list[float]]:
    """Returns rates of a schedule for 20 steps, then, after a rate that is set by hand, of another one alone."""
    first = rates(lib, optimizer, makers[:1], 20)
    if by_hand:
        optimizer.param_groups[0]["lr"] = 0.123
    return first + rates(lib, optimizer, makers[1:], 60)
