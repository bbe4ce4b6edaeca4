"""`LRScheduler`: the base of the learning-rate schedules.

Some schedules multiply the current rate of each group. They compose: several of them on one optimizer multiply their factors, a
later one continues from the current rate, and a rate that is set by hand is kept. The others compute the rate from that at the
start and replace the current one (`LambdaLR`, cycles, warm restarts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from autograd_mini.apply import apply_effect
from autograd_mini.memory.flat_group import ParamGroup

from ..optimizer import UPDATE


class HasParamGroups(Protocol):
    """What a schedule needs of an optimizer: groups with a learning rate."""

    @property
    def param_groups(self) -> list[ParamGroup]: ...


class LRScheduler:
    """Base of the schedules. A subclass defines one of three methods.

    `next_lr(t, rate, base, group)` returns the rate at step t from the one before. `lr(t, base)` returns it from the rate
    `base` at the start, without the current one. `get_lr()`, as in PyTorch, returns the rates of all groups; it may use
    `last_epoch`, which is t, and `base_lrs`. Creating a schedule does step 0; each `step()`, once per epoch or once per batch
    and after the optimizer's step, does the next one. `last_epoch` is the last step that is already done, −1 at the start.

    >>> from autograd_mini import Tensor, nn
    >>> class Halving(nn.LRScheduler):
    ...     def next_lr(self, t, rate, base, group=0):
    ...         return rate / 2 if t else rate
    >>> optimizer = nn.SGD([Tensor([1.0])], lr=0.8)
    >>> schedule = Halving(optimizer)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.4]
    >>> optimizer.param_groups[0]["lr"] = 0.1  # by hand
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(self, optimizer: HasParamGroups, last_epoch: int = -1):
        self.optimizer = optimizer
        kind, mine = LRScheduler, type(self)
        if (mine.next_lr, mine.lr, mine.get_lr) == (kind.next_lr, kind.lr, kind.get_lr):
            raise TypeError(f"{mine.__name__}: a schedule must define next_lr, lr or get_lr")
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"{mine.__name__}: the first argument must be an optimizer, got {type(optimizer).__name__}")
        for i, group in enumerate(self._groups):
            if last_epoch >= 0 and "initial_lr" not in group:
                raise KeyError(
                    f"{mine.__name__}: last_epoch={last_epoch} continues a schedule, but group {i} of the optimizer has no "
                    "initial_lr; load the optimizer's state first, or set it"
                )
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in self._groups]
        self.steps: float = last_epoch
        self._advance()

    def next_lr(self, t: int, rate: float, base: float, group: int = 0) -> float:
        """Returns the learning rate of a group at step t; before it was `rate`, and at the start `base`."""
        return self.lr(t, base)

    def lr(self, t: int, base: float) -> float:
        """Returns the learning rate after `t` steps of this schedule alone, from the rate `base` at the start."""
        rate = base
        for i in range(t + 1):
            rate = self.next_lr(i, rate, base)
        return rate

    def get_lr(self) -> list[float]:
        """Returns the rates of all groups at the present step."""
        pairs = zip(self._groups, self.base_lrs, strict=True)
        return [self.next_lr(self.last_epoch, group["lr"], base, i) for i, (group, base) in enumerate(pairs)]

    def momentum(self, t: float, group: int) -> float | None:
        """Returns the momentum of a group at step t; None leaves it alone."""
        return None

    @property
    def last_epoch(self) -> Any:
        """The number of steps so far, t."""
        return self.steps

    def step(self) -> None:
        """Increases t by 1 and sets the rate of every group."""
        apply_effect(UPDATE, (), {"function": self._advance}, (*self._parts(), *self._groups))

    def get_last_lr(self) -> list[float]:
        """Returns the current rates, one number per group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    # -- saving ------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of steps, and the rates at the start and now."""
        return {"steps": self.steps, "base_lrs": list(self.base_lrs), "lrs": [group["lr"] for group in self._groups]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned and sets the rates. Raises ValueError if the number of groups differs.

        A state without the current rates, as in older files, gets those of this schedule alone.
        """
        self._load_position(state)
        rates = state.get("lrs")
        for i, (group, base) in enumerate(zip(self._groups, self.base_lrs, strict=True)):
            group["initial_lr"] = base
            group["lr"] = self.lr(self.last_epoch, base) if rates is None else float(rates[i])
        self._set_momenta()

    def _load_position(self, state: Mapping[str, Any]) -> None:
        bases, count = [float(base) for base in state["base_lrs"]], len(self._groups)
        if len(bases) == len(self.optimizer.param_groups):  # older files have only the groups of the active optimizer
            bases += self.base_lrs[len(bases) :]
        if len(bases) != count:
            raise ValueError(f"{type(self).__name__}: expected rates for {count} groups, got {len(state['base_lrs'])}")
        self.base_lrs, self.steps = bases, state["steps"]

    # -- helpers -----------------------------------------------------------------------------------------------------------

    @property
    def _groups(self) -> list[ParamGroup]:
        """The groups whose rates are set: of both optimizers of a `SwitchOptimizer`."""
        groups: list[ParamGroup] = getattr(self.optimizer, "all_param_groups", self.optimizer.param_groups)
        return groups

    def _parts(self) -> list[LRScheduler]:
        """Returns the schedules that a step changes."""
        return [self]

    def _advance(self) -> None:
        self.steps += 1
        for group, rate in zip(self._groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._set_momenta()

    def _rewind(self) -> None:
        """Goes back to the time before step 0; the rates stay as they are."""
        self.steps = -1

    def _restart(self) -> None:
        """Does step 0 from the rates at the start."""
        self._rewind()
        for group, base in zip(self._groups, self.base_lrs, strict=True):
            group["lr"] = base
        self._advance()

    def _set_momenta(self) -> None:
        for i, group in enumerate(self._groups):
            momentum = self.momentum(self.steps, i)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            elif momentum is not None:
                group["momentum"] = momentum


def check_minimum(name: str, value: float, minimum: float) -> Any:
    """Returns the value. Raises ValueError if it is below a minimum.

    >>> from autograd_mini.nn.optim.lr_scheduler.base import check_minimum
    >>> check_minimum("StepLR: step_size", 2, 1)
    2
    """
    if not value >= minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")
    return value


def per_group(name: str, value: Any, groups: list[ParamGroup]) -> list[Any]:
    """Returns a list with one value for each group. Raises ValueError if it has another length.

    >>> from autograd_mini.nn.optim.lr_scheduler.base import per_group
    >>> per_group("CyclicLR: max_lr", 0.1, [{}, {}])
    [0.1, 0.1]
    """
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(f"{name}: expected one value for each of {len(groups)} groups, got {len(value)}")
    return list(value)
