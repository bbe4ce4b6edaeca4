"""Schedules of schedules: one after the other, or several at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from .base import HasParamGroups, LRScheduler
from .decay import LinearLR


class _Combination(LRScheduler):
    """Base of the schedules that step other ones."""

    def __init__(self, optimizer: HasParamGroups, schedulers: Sequence[LRScheduler]):
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: expected at least one schedule, got none")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                kind = type(scheduler).__name__
                raise TypeError(
                    f"{name}: schedule {i} is a {kind}, which needs a metric or has no rate; call its step yourself"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name}: schedule {i}, {type(scheduler).__name__}, belongs to another optimizer")
        self.optimizer, self.schedulers = optimizer, list(schedulers)
        self.steps = 0
        self.base_lrs = [group["initial_lr"] for group in self._groups]

    def get_lr(self) -> list[float]:
        return [group["lr"] for group in self._groups]

    def state_dict(self) -> dict[str, Any]:
        """Returns the own state and those of the schedules."""
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def _load_position(self, state: Mapping[str, Any]) -> None:
        if len(state["schedulers"]) != len(self.schedulers):
            raise ValueError(
                f"{type(self).__name__}: expected the state of {len(self.schedulers)} schedules, got {len(state['schedulers'])}"
            )
        super()._load_position(state)
        for scheduler, part in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler._load_position(part)

    def _parts(self) -> list[LRScheduler]:
        return [self, *(part for scheduler in self.schedulers for part in scheduler._parts())]

    def _rewind(self) -> None:
        super()._rewind()
        for scheduler in self.schedulers:
            scheduler._rewind()


class SequentialLR(_Combination):
    """One schedule after the other: the next one starts at each of the `milestones`, from the rate at the start.

    Raises ValueError if there is not one milestone between each two schedules, or if they belong to different optimizers.

    >>> from autograd_mini import Tensor, nn
    >>> optimizer = nn.SGD([Tensor([1.0])], lr=1.0)
    >>> warmup, decay = nn.ConstantLR(optimizer, factor=0.1, total_iters=9), nn.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule, seen = nn.SequentialLR(optimizer, [warmup, decay], milestones=[2]), []
    >>> for _ in range(5):
    ...     seen += schedule.get_last_lr()
    ...     schedule.step()
    >>> seen
    [0.1, 0.1, 1.0, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: HasParamGroups, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ):
        super().__init__(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(milestones):
            raise ValueError(
                f"SequentialLR: expected {len(schedulers) - 1} increasing milestones, one between each two schedules, "
                f"got {list(milestones)}"
            )
        self.milestones = list(milestones)
        for group in self._groups:
            group["lr"] = group["initial_lr"]
        self._rewind()
        self.steps = last_epoch
        self._advance()

    @property
    def active(self) -> LRScheduler:
        """The schedule of the present step."""
        return self.schedulers[bisect_right(self.milestones, self.steps)]

    def momentum(self, t: float, group: int) -> float | None:
        return self.active.momentum(self.active.steps, group)

    def _advance(self) -> None:
        self.steps += 1
        if self.steps in self.milestones and self.active is not self.schedulers[0]:
            self.active._restart()
        else:
            self.active._advance()


class ChainedScheduler(_Combination):
    """Steps all schedules at once; those that multiply the rate compose. They may also be stepped one by one.

    >>> from autograd_mini import Tensor, nn
    >>> optimizer = nn.SGD([Tensor([1.0])], lr=1.0)
    >>> parts = [nn.ExponentialLR(optimizer, gamma=0.5), nn.StepLR(optimizer, step_size=2)]
    >>> schedule, seen = nn.ChainedScheduler(parts), []
    >>> for _ in range(4):
    ...     seen += schedule.get_last_lr()
    ...     schedule.step()
    >>> [round(rate, 6) for rate in seen]
    [1.0, 0.5, 0.025, 0.0125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: HasParamGroups | None = None):
        super().__init__(schedulers[0].optimizer if optimizer is None and schedulers else optimizer, schedulers)  # type: ignore[arg-type]

    def momentum(self, t: float, group: int) -> float | None:
        momenta = [scheduler.momentum(scheduler.steps, group) for scheduler in self.schedulers]
        return next((momentum for momentum in reversed(momenta) if momentum is not None), None)

    def _advance(self) -> None:
        self.steps += 1
        for scheduler in self.schedulers:
            scheduler._advance()


class LinearWarmup(LinearLR):
    """A straight line from start_factor · base to base at t = total_iters; then base, or the schedule `after` from its t = 0.

    Without `after` it is `LinearLR`. `after` is a schedule for the same optimizer; only its formula is used.

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
        self.after = after
        self.optimizer = optimizer
        for group in self._groups if after is not None else ():
            group["lr"] = group["initial_lr"]
        super().__init__(optimizer, start_factor, 1.0, total_iters)

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        if self.after is None or t < self.total_iters:
            return super().next_lr(t, rate, base, group)
        return self.after.next_lr(t - self.total_iters, base if t == self.total_iters else rate, base, group)
