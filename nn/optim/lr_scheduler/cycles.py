"""Schedules that set the rate from a formula of t, whatever the current rate is; cycles change momentum too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from autograd_mini.memory.flat_group import ParamGroup

from .base import HasParamGroups, LRScheduler, check_minimum, per_group


class LambdaLR(LRScheduler):
    """base · lr_lambda(t); a list has one function for each group.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.LambdaLR(nn.SGD([Tensor([1.0])], lr=0.5), lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        self.optimizer = optimizer
        self.lr_lambdas: list[Any] = per_group("LambdaLR: lr_lambda", lr_lambda, self._groups)
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return base * self.lr_lambdas[group](t)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from base to η_min in T₀ steps, then from base again, T_mult times as long each time.

    The rate is η_min + (base − η_min) (1 + cos(π T_cur / T_i)) / 2 (Loshchilov & Hutter 2017, eq. 5). `step(t)` sets t, which
    may be a fraction: `step(epoch + batch / batches)`.

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.CosineAnnealingWarmRestarts(nn.SGD([Tensor([1.0])], lr=1.0), T_0=2, T_mult=2)
    >>> [round(schedule.lr(t, 1.0), 4) for t in range(7)]
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """

    def __init__(self, optimizer: HasParamGroups, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0 = check_minimum("CosineAnnealingWarmRestarts: T_0", T_0, 1)
        self.T_mult = check_minimum("CosineAnnealingWarmRestarts: T_mult", T_mult, 1)
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: float, rate: float, base: float, group: int = 0) -> float:
        length = self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t, length = t - length, length * self.T_mult
        return cosine(base, self.eta_min, t / length)

    def step(self, epoch: float | None = None) -> None:
        """Increases t by 1, or sets it to `epoch`, and sets the rate of every group."""
        if epoch is not None:
            self.steps = check_minimum("CosineAnnealingWarmRestarts: epoch", epoch, 0) - 1
        super().step()


class CyclicLR(LRScheduler):
    """Raises the rate from `base_lr` to `max_lr` and lowers it again, over and over (Smith 2017).

    Momentum falls while the rate rises. With one step per batch, a cycle should take a few epochs. The first rate is `base_lr`;
    in PyTorch it is that of an earlier schedule, if there was one. Raises ValueError if `cycle_momentum` is set and the
    optimizer has no momentum.

    Parameters
    ----------
    optimizer       has the groups whose rates are set
    base_lr         the lowest rate; a list has one for each group, as in `max_lr`, `base_momentum` and `max_momentum`
    max_lr          the highest rate
    step_size_up    steps in which the rate rises
    step_size_down  steps in which it falls; None: as many
    mode            "triangular"; "triangular2" halves the height with each cycle; "exp_range" scales it by gammaᵗ
    gamma           of "exp_range"
    scale_fn        own factor of the height, instead of `mode`
    scale_mode      whether `scale_fn` gets the number of the "cycle", from 1, or of the step ("iterations")
    cycle_momentum  whether momentum (β₁ in Adam) changes too
    base_momentum   its value at the maximum of the rate
    max_momentum    its value at the minimum of the rate
    last_epoch      steps done before, minus 1

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.CyclicLR(nn.SGD([Tensor([1.0])], momentum=0.9), 0.1, 0.5, step_size_up=2)
    >>> [round(schedule.lr(t, 0.1), 4) for t in range(6)]
    [0.1, 0.3, 0.5, 0.3, 0.1, 0.3]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ):
        if mode not in SCALES and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be one of {', '.join(SCALES)}, got {mode!r}")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f'CyclicLR: scale_mode must be "cycle" or "iterations", got {scale_mode!r}')
        self.optimizer, self.gamma = optimizer, gamma
        self.up = float(check_minimum("CyclicLR: step_size_up", step_size_up, 1))
        self.length = self.up + (
            self.up if step_size_down is None else check_minimum("CyclicLR: step_size_down", step_size_down, 1)
        )
        self.scale_mode: str = scale_mode
        self.scale: Callable[[float, float], float]
        if scale_fn is None:
            self.scale_mode, self.scale = SCALES[mode]
        else:
            self.scale = lambda x, gamma: scale_fn(x)
        groups = self._groups
        check_momentum("CyclicLR", groups, cycle_momentum)
        lowest = per_group("CyclicLR: base_lr", base_lr, groups)
        self.max_lrs = per_group("CyclicLR: max_lr", max_lr, groups)
        self.momenta = cycle_momentum and [
            per_group("CyclicLR: base_momentum", base_momentum, groups),
            per_group("CyclicLR: max_momentum", max_momentum, groups),
        ]
        if last_epoch == -1:
            for group, rate in zip(groups, lowest, strict=True):
                group["lr"] = rate
        self._lowest = lowest
        super().__init__(optimizer, last_epoch)

    def height(self, t: float) -> float:
        """Returns the present part of the distance from the lowest to the highest rate."""
        cycle = math.floor(1 + t / self.length)
        x, rising = 1 + t / self.length - cycle, self.up / self.length
        part = x / rising if x <= rising else (x - 1) / (rising - 1)
        return part * self.scale(cycle if self.scale_mode == "cycle" else t, self.gamma)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        low = self._lowest[group]
        return low + (self.max_lrs[group] - low) * self.height(t)

    def momentum(self, t: float, group: int) -> float | None:
        if not self.momenta:
            return None
        low, high = (values[group] for values in self.momenta)
        return high - (high - low) * self.height(t)


SCALES: Final[dict[str, tuple[str, Callable[[float, float], float]]]] = {
    "triangular": ("cycle", lambda x, gamma: 1.0),
    "triangular2": ("cycle", lambda x, gamma: 1 / 2 ** (x - 1)),
    "exp_range": ("iterations", lambda x, gamma: gamma**x),
}
"""Mode of `CyclicLR` -> whether it counts cycles or steps, and the factor of the height."""


class OneCycleLR(LRScheduler):
    """Raises the rate to a maximum and lowers it again, while momentum falls and rises (Smith & Topin 2018).

    The rates of the groups are ignored. The last rate is reached at t = total_steps − 1 and stays; PyTorch then raises an
    error. Raises ValueError if `cycle_momentum` is set and the optimizer has no momentum, or if the length is missing.

    Parameters
    ----------
    optimizer         has the groups whose rates are set
    max_lr            the maximum; a list has one for each group
    total_steps       steps of the whole cycle
    epochs            instead of total_steps, with `steps_per_epoch`
    steps_per_epoch   steps of one epoch
    pct_start         fraction of the steps in which the rate rises
    anneal_strategy   "cos" (half a cosine each way) or "linear" (straight lines)
    cycle_momentum    whether momentum (β₁ in Adam) changes too
    base_momentum     its value at the maximum of the rate
    max_momentum      its value at both ends
    div_factor        the first rate is max_lr / div_factor
    final_div_factor  the last rate is the first rate / final_div_factor
    three_phase       fall back to the first rate as slowly as it rose, and only then to the last one
    last_epoch        steps done before, minus 1

    >>> from autograd_mini import Tensor, nn
    >>> schedule = nn.OneCycleLR(nn.SGD([Tensor([1.0])], momentum=0.9), max_lr=1.0, total_steps=10)
    >>> [round(schedule.lr(t, 0.0), 4) for t in (0, 1, 2, 9)]
    [0.04, 0.52, 1.0, 0.0]
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}')
        if not 0 < pct_start < 1:
            raise ValueError(f"OneCycleLR: pct_start must lie in (0, 1), got {pct_start}")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    f"OneCycleLR: expected total_steps, or epochs and steps_per_epoch, got {total_steps=}, {epochs=} and "
                    f"{steps_per_epoch=}"
                )
            total_steps = epochs * steps_per_epoch
        self.optimizer, groups = optimizer, getattr(optimizer, "all_param_groups", optimizer.param_groups)
        check_momentum("OneCycleLR", groups, cycle_momentum)
        self.total_steps, self.pct_start = check_minimum("OneCycleLR: total_steps", total_steps, 2), pct_start
        self.anneal = cosine if anneal_strategy == "cos" else line
        top = pct_start * total_steps - 1
        self.ends = [top, *([2 * top] if three_phase else []), total_steps - 1]  # of the phases
        highest = per_group("OneCycleLR: max_lr", max_lr, groups)
        starts = [rate / div_factor for rate in highest]
        back = [[start] if three_phase else [] for start in starts]
        self.rates = [[s, m, *b, s / final_div_factor] for s, m, b in zip(starts, highest, back, strict=True)]
        low, high = (
            per_group(f"OneCycleLR: {name}", value, groups)
            for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum))
        )
        self.momenta = cycle_momentum and [[b, a, b, *([b] if three_phase else [])] for a, b in zip(low, high, strict=True)]
        if last_epoch == -1:
            for group, start in zip(groups, starts, strict=True):
                group["initial_lr"] = start
        super().__init__(optimizer, last_epoch)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        return self._interpolate(t, self.rates[group])

    def momentum(self, t: float, group: int) -> float | None:
        return self._interpolate(t, self.momenta[group]) if self.momenta else None

    def _interpolate(self, t: float, values: Sequence[float]) -> float:
        """Returns the value at t between those at the start and at the ends of the phases."""
        start = 0.0
        for before, after, end in zip(values, values[1:], self.ends, strict=False):
            if t < end:
                return self.anneal(before, after, (t - start) / (end - start))
            start = end
        return values[-1]


def check_momentum(name: str, groups: Sequence[ParamGroup], wanted: bool) -> None:
    """Raises ValueError if momentum is to be changed and a group has none.

    >>> from autograd_mini.nn.optim.lr_scheduler.cycles import check_momentum
    >>> check_momentum("CyclicLR", [{"momentum": 0.9}], True)
    """
    if wanted and not all(group.get("momentum") or "betas" in group for group in groups):
        raise ValueError(f"{name}: the optimizer has no momentum; pass cycle_momentum=False")


def cosine(start: float, end: float, fraction: float) -> float:
    """Returns the value between `start` (fraction 0) and `end` (fraction 1) on half a cosine.

    >>> from autograd_mini.nn.optim.lr_scheduler.cycles import cosine
    >>> cosine(1.0, 0.0, 0.5)
    0.5
    """
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def line(start: float, end: float, fraction: float) -> float:
    """Returns the value between `start` (fraction 0) and `end` (fraction 1) on a straight line.

    >>> from autograd_mini.nn.optim.lr_scheduler.cycles import line
    >>> line(1.0, 0.0, 0.25)
    0.75
    """
    return start + (end - start) * fraction
