"""A schedule that follows a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .base import HasParamGroups, per_group


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
    min_lr          lower limit of the rates; a list has one for each group
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
        min_lr: float | Sequence[float] = 0.0,
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
        self.min_lrs = per_group("ReduceLROnPlateau: min_lr", min_lr, optimizer.param_groups)
        self.eps, self.sign = eps, 1 if mode == "min" else -1
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
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lower = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower

    def get_last_lr(self) -> list[float]:
        """Returns the current rates, one number per group."""
        return [group["lr"] for group in self.optimizer.param_groups]

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
