"""Learning-rate schedules: each class is a formula for the rate after `t` steps, from the rate at the start.

A new schedule sets the rates of its optimizer to those of t = 0; each `step()`, once per epoch or once per batch, increases t
by 1. Use one schedule per optimizer; `LinearWarmup` may come before another. Names and defaults are PyTorch's. Only
`ReduceLROnPlateau` depends on a metric instead of t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from autograd_mini.apply import apply_effect
from autograd_mini.memory.flat_group import ParamGroup

from .optimizer import UPDATE


class HasParamGroups(Protocol):
    """What a schedule needs of an optimizer: groups with a learning rate."""

    @property
    def param_groups(self) -> list[ParamGroup]: ...


class LRScheduler(ABC):
    """Base of the formulas: a subclass defines `lr(t, base)`, for a group whose rate was `base` at the start.

    >>> from autograd_mini import Tensor, nn
    >>> class Halving(nn.LRScheduler):
    ...     def lr(self, t, base):
    ...         return base / 2**t
    >>> schedule = Halving(nn.SGD([Tensor([1.0])], lr=0.8))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.4]
    """

    def __init__(self, optimizer: HasParamGroups):
        self.optimizer, self.steps = optimizer, 0
        self._set_rates()

    @abstractmethod
    def lr(self, t: int, base: float) -> float:
        """Returns the learning rate after `t` steps."""

    def step(self) -> None:
        """Increases t by 1 and sets the rate of every group."""
        apply_effect(UPDATE, (), {"function": self._advance}, (self, *self.optimizer.param_groups))

    def _advance(self) -> None:
        self.steps += 1
        self._set_rates()

    def get_last_lr(self) -> list[float]:
        """Returns the current rates, one number per group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of steps and the rates at the start."""
        return {"steps": self.steps, "base_lrs": [group["initial_lr"] for group in self.optimizer.param_groups]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned and sets the rates. Raises ValueError if the number of groups differs."""
        groups = self.optimizer.param_groups
        if len(groups) != len(state["base_lrs"]):
            raise ValueError(f"{type(self).__name__}: expected rates for {len(groups)} groups, got {len(state['base_lrs'])}")
        for group, base in zip(groups, state["base_lrs"], strict=True):
            group["initial_lr"] = float(base)
        self.steps = int(state["steps"])
        self._set_rates()

    def _set_rates(self) -> None:
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = self.lr(self.steps, group["initial_lr"])


class StepLR(LRScheduler):
    """base · γ^⌊t / step_size⌋.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.StepLR(nn.SGD([Tensor([1.0])], lr=1.0), step_size=2)
    >>> [schedule.lr(t, 1.0) for t in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    def __init__(self, optimizer: HasParamGroups, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = _check_minimum("StepLR: step_size", step_size, 1), gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """base · γ^k, where k is the number of `milestones` ≤ t.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.MultiStepLR(nn.SGD([Tensor([1.0])], lr=1.0), [1, 3])
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(4)]
    [1.0, 0.1, 0.1, 0.01]
    """

    def __init__(self, optimizer: HasParamGroups, milestones: Sequence[int], gamma: float = 0.1):
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        return base * self.gamma ** sum(milestone <= t for milestone in self.milestones)


class ExponentialLR(LRScheduler):
    """base · γᵗ.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.ExponentialLR(nn.SGD([Tensor([1.0])], lr=1.0), gamma=0.5)
    >>> [schedule.lr(t, 1.0) for t in range(3)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: HasParamGroups, gamma: float):
        self.gamma = gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        return base * self.gamma**t


class CosineAnnealingLR(LRScheduler):
    """η_min + (base − η_min) (1 + cos(π t / T_max)) / 2, from base down to η_min at T_max (Loshchilov & Hutter 2017, eq. 5).

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.CosineAnnealingLR(nn.SGD([Tensor([1.0])], lr=1.0), T_max=2)
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(3)]
    [1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: HasParamGroups, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = _check_minimum("CosineAnnealingLR: T_max", T_max, 1), eta_min
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        return _cosine(base, self.eta_min, t / self.T_max)


class LinearWarmup(LRScheduler):
    """A straight line from start_factor · base to base at t = total_iters; then base, or the schedule `after` from its t = 0.

    Without `after` it is PyTorch's LinearLR. `after` is a schedule for the same optimizer; only its formula is used.

    Parameters
    ----------
    optimizer     has the groups whose rates are set
    total_iters   steps until base is reached
    start_factor  first rate as a part of base
    after         schedule that follows, or None

    >>> from autograd_mini import Tensor, nn
    >>> optimizer = nn.SGD([Tensor([1.0])], lr=1.0)
    >>> schedule = nn.LinearWarmup(optimizer, 2, start_factor=0.5, after=nn.ExponentialLR(optimizer, 0.1))
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(5)]
    [0.5, 0.75, 1.0, 0.1, 0.01]
    """

    def __init__(
        self, optimizer: HasParamGroups, total_iters: int = 5, start_factor: float = 1 / 3, *, after: LRScheduler | None = None
    ):
        self.total_iters, self.start_factor = _check_minimum("LinearWarmup: total_iters", total_iters, 1), start_factor
        self.after = after
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        if t < self.total_iters:
            return base * (self.start_factor + (1 - self.start_factor) * t / self.total_iters)
        return base if self.after is None else self.after.lr(t - self.total_iters, base)


class OneCycleLR(LRScheduler):
    """Raises the rate to a maximum and lowers it again, while momentum falls and rises (Smith & Topin 2018).

    The rates of the groups are ignored. The last rate is reached at t = total_steps − 1 and stays. Raises ValueError if
    `cycle_momentum` is set and the optimizer has no momentum.

    Parameters
    ----------
    optimizer         has the groups whose rates are set
    max_lr            the maximum
    total_steps       steps of the whole cycle
    pct_start         fraction of the steps in which the rate rises
    anneal_strategy   "cos" (half a cosine each way) or "linear" (straight lines)
    cycle_momentum    whether momentum (β₁ in Adam) changes too
    base_momentum     its value at the maximum of the rate
    max_momentum      its value at both ends
    div_factor        the first rate is max_lr / div_factor
    final_div_factor  the last rate is the first rate / final_div_factor

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.OneCycleLR(nn.SGD([Tensor([1.0])], momentum=0.9), max_lr=1.0, total_steps=10)
    >>> [round(schedule.lr(t, 0.0), 4) for t in (0, 1, 2, 9)]
    [0.04, 0.52, 1.0, 0.0]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}')
        if not 0 < pct_start < 1:
            raise ValueError(f"OneCycleLR: pct_start must lie in (0, 1), got {pct_start}")
        if cycle_momentum and not all(group.get("momentum") or "betas" in group for group in optimizer.param_groups):
            raise ValueError("OneCycleLR: the optimizer has no momentum; pass cycle_momentum=False")
        self.total_steps, self.pct_start = _check_minimum("OneCycleLR: total_steps", total_steps, 2), pct_start
        self.anneal = _cosine if anneal_strategy == "cos" else _line
        self.momenta = (max_momentum, base_momentum, max_momentum) if cycle_momentum else None
        start = max_lr / div_factor
        self.rates = (start, max_lr, start / final_div_factor)
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        return self._interpolate(t, *self.rates)

    def _interpolate(self, t: int, start: float, middle: float, end: float) -> float:
        top = self.pct_start * self.total_steps - 1
        if t < top:
            return self.anneal(start, middle, t / top)
        return self.anneal(middle, end, min(1.0, (t - top) / (self.total_steps - 1 - top)))

    def _set_rates(self) -> None:
        super()._set_rates()
        for group in self.optimizer.param_groups if self.momenta else ():
            momentum = self._interpolate(self.steps, *self.momenta)  # type: ignore[misc]
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


def _cosine(start: float, end: float, fraction: float) -> float:
    """Returns the value between `start` (fraction 0) and `end` (fraction 1) on half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def _line(start: float, end: float, fraction: float) -> float:
    """Returns the value between `start` (fraction 0) and `end` (fraction 1) on a straight line."""
    return start + (end - start) * fraction


def _check_minimum(name: str, value: int, minimum: int) -> int:
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")
    return value


# -- by a metric -------------------------------------------------------------------------------------------------------


class ReduceLROnPlateau:
    """Multiplies the rates by `factor` when a metric has not improved for more than `patience` steps in a row.

    Raises ValueError if `factor` is not in [0, 1), or if a mode is unknown.

    Parameters
    ----------
    optimizer       has the groups whose rates are reduced
    mode            "min" if less is better, "max" if more is better
    factor          factor of each reduction
    patience        steps without improvement that are tolerated
    threshold       how far the metric must pass the best value to count as an improvement
    threshold_mode  "rel": as a fraction of the best value; "abs": as a difference
    cooldown        steps after a reduction that do not count as bad
    min_lr          lower limit of the rates
    eps             smaller reductions are skipped

    >>> from autograd_mini import Tensor, nn
    >>> optimizer = nn.SGD([Tensor([1.0])], lr=1.0)
    >>> schedule = nn.ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ):
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must lie in [0, 1), got {factor}")
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.threshold, self.relative, self.cooldown = threshold, threshold_mode == "rel", cooldown
        self.min_lr, self.eps, self.sign = min_lr, eps, 1 if mode == "min" else -1
        self.best, self.num_bad_epochs, self.cooldown_counter = self.sign * math.inf, 0, 0

    def step(self, metric: float) -> None:
        """Compares the metric, a number or a tensor with one element, with the best one, and reduces the rates if needed."""
        value = float(metric)
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group in self.optimizer.param_groups:
                lower = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower

    def _is_better(self, value: float) -> bool:
        margin = self.threshold * (self.best if self.relative and math.isfinite(self.best) else 1)
        return self.sign * value < self.sign * self.best - margin

    def state_dict(self) -> dict[str, Any]:
        """Returns the best metric, the bad steps since, and the rest of the cooldown; the optimizer's state has the rates."""
        return {key: getattr(self, key) for key in ("best", "num_bad_epochs", "cooldown_counter")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned."""
        self.best, self.num_bad_epochs = float(state["best"]), int(state["num_bad_epochs"])
        self.cooldown_counter = int(state["cooldown_counter"])
