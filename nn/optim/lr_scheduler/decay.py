"""Schedules that multiply the current rate at each step t, so that they compose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .base import HasParamGroups, LRScheduler, check_minimum, per_group


class StepLR(LRScheduler):
    """Multiplies the rate by γ every `step_size` steps: base · γ^⌊t / step_size⌋.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.StepLR(nn.SGD([Tensor([1.0])], lr=1.0), step_size=2)
    >>> [schedule.lr(t, 1.0) for t in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    def __init__(self, optimizer: HasParamGroups, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = check_minimum("StepLR: step_size", step_size, 1), gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return rate * self.gamma if t and t % self.step_size == 0 else rate


class MultiStepLR(LRScheduler):
    """Multiplies the rate by γ at each of the `milestones`: base · γ^k, where k is the number of those ≤ t.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.MultiStepLR(nn.SGD([Tensor([1.0])], lr=1.0), [1, 3])
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(4)]
    [1.0, 0.1, 0.1, 0.01]
    """

    def __init__(self, optimizer: HasParamGroups, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return rate * self.gamma ** self.milestones.count(t)


class ConstantLR(LRScheduler):
    """The rate times `factor` for the first `total_iters` steps.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.ConstantLR(nn.SGD([Tensor([1.0])], lr=1.0), factor=0.5, total_iters=2)
    >>> [schedule.lr(t, 1.0) for t in range(4)]
    [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(self, optimizer: HasParamGroups, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor must lie in (0, 1], got {factor}")
        self.factor, self.total_iters = factor, check_minimum("ConstantLR: total_iters", total_iters, 0)
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        if t == 0:
            return rate * self.factor
        return rate * (1 / self.factor) if t == self.total_iters else rate


class LinearLR(LRScheduler):
    """A straight line from start_factor · base at t = 0 to end_factor · base at t = total_iters, where it stays.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.LinearLR(nn.SGD([Tensor([1.0])], lr=1.0), start_factor=0.5, total_iters=2)
    >>> [schedule.lr(t, 1.0) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        name = type(self).__name__
        if not 0 < start_factor <= 1:
            raise ValueError(f"{name}: start_factor must lie in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"{name}: end_factor must lie in [0, 1], got {end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = check_minimum(f"{name}: total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        if t == 0:
            return rate * self.start_factor
        if t > self.total_iters:
            return rate
        slope = self.end_factor - self.start_factor
        return rate * (1 + slope / (self.total_iters * self.start_factor + (t - 1) * slope))


class ExponentialLR(LRScheduler):
    """Multiplies the rate by γ at each step: base · γᵗ.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.ExponentialLR(nn.SGD([Tensor([1.0])], lr=1.0), gamma=0.5)
    >>> [schedule.lr(t, 1.0) for t in range(3)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: HasParamGroups, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return rate * self.gamma if t else rate


class PolynomialLR(LRScheduler):
    """base · (1 − t / total_iters)^power, and 0 after `total_iters` steps.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.PolynomialLR(nn.SGD([Tensor([1.0])], lr=1.0), total_iters=4)
    >>> [schedule.lr(t, 1.0) for t in (0, 2, 4, 5)]
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, optimizer: HasParamGroups, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = check_minimum("PolynomialLR: total_iters", total_iters, 1), power
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        if t == 0 or t > self.total_iters:
            return rate
        return rate * ((1 - t / self.total_iters) / (1 - (t - 1) / self.total_iters)) ** self.power


class MultiplicativeLR(LRScheduler):
    """Multiplies the rate by `lr_lambda(t)` at each step t after 0; a list has one function for each group.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.MultiplicativeLR(nn.SGD([Tensor([1.0])], lr=1.0), lambda t: 1 / t)
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(4)]
    [1.0, 1.0, 0.5, 0.1667]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        self.optimizer = optimizer
        self.lr_lambdas: list[Any] = per_group("MultiplicativeLR: lr_lambda", lr_lambda, self._groups)
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return rate * self.lr_lambdas[group](t) if t else rate


class CosineAnnealingLR(LRScheduler):
    """η_min + (base − η_min) (1 + cos(π t / T_max)) / 2, from base down to η_min at T_max (Loshchilov & Hutter 2017, eq. 5).

    After T_max it goes up and down again, with period 2 T_max.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.CosineAnnealingLR(nn.SGD([Tensor([1.0])], lr=1.0), T_max=2)
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(3)]
    [1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: HasParamGroups, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = check_minimum("CosineAnnealingLR: T_max", T_max, 1), eta_min
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        if t == 0:
            return rate
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # the step before was the minimum, where a factor says nothing
            return rate + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        now, before = (1 + math.cos(math.pi * i / self.T_max) for i in (t, t - 1))
        return now / before * (rate - self.eta_min) + self.eta_min
