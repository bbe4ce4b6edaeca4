"""Means of weights over the course of training: to predict with, and to be held near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply_effect
from autograd_mini.tensor import Array, Tensor

from ..module import listed
from .optimizer import UPDATE


class _Means:
    """A mean of each of some parameters, moved towards them by a share that depends on how often that was done."""

    def __init__(self, parameters: Iterable[Tensor]):
        self.parameters = listed(type(self).__name__, parameters)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: got no parameters")
        self.means: list[Array] = [p._data.copy() for p in self.parameters]
        self.steps = 0

    def share(self) -> float:
        """How much of the parameters goes into their means at the update that is being made."""
        return 1 / self.steps

    def update(self) -> None:
        """Takes the parameters, as they are now, into their means: to be called after each step of the optimizer."""
        apply_effect(UPDATE, tuple(self.parameters), {"function": self._move}, (self, *self.means))

    def _move(self, *arrays: Array) -> None:
        self.steps += 1
        share = self.share()
        for mean, p in zip(self.means, arrays, strict=True):
            mean += (p - mean) * mean.dtype.type(share)

    def state_dict(self) -> dict[str, Any]:
        """The number of updates and copies of the means."""
        return {"steps": self.steps, "means": [mean.copy() for mean in self.means]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave; ValueError where shapes differ, and then nothing is loaded."""
        shapes, given = ([np.shape(m) for m in means] for means in (self.means, state["means"]))
        if shapes != given:
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected shapes {shapes}, got {given}")
        self.steps = int(state["steps"])
        for mean, value in zip(self.means, state["means"], strict=True):
            mean[...] = value


class EMA(_Means):
    """Exponential moving average of weights: θ̄ ← d θ̄ + (1 − d) θ after each step, from θ̄ = θ at the start.

    It averages over about 1/(1 − d) steps. With `warmup`, d is min(decay, (1 + t)/(10 + t)) at update t, so that the start is
    soon forgotten. `applied` puts the averages into the parameters for a while. ValueError unless 0 ≤ decay < 1.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([0.0], requires_grad=True)
    >>> ema = nn.EMA([w], decay=0.75)
    >>> w.data = [4.0]
    >>> ema.update()
    >>> with ema.applied():
    ...     w.tolist()
    [1.0]
    >>> w.tolist()
    [4.0]
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float = 0.999, warmup: bool = False):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must lie in [0, 1), got {decay}")
        super().__init__(parameters)
        self.decay, self.warmup = decay, warmup

    def share(self) -> float:
        """1 − d at the update that is being made."""
        return 1 - (min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay)

    @contextmanager
    def applied(self) -> Iterator[Self]:
        """Inside the `with` block the parameters hold their averages; after it their own values, whatever happens."""
        with ag.no_grad():  # in operations, so that a compiled function does this anew each time
            own = [p.copy() for p in self.parameters]
        try:
            for p, mean in zip(self.parameters, self.means, strict=True):
                p.data = ag.from_numpy(mean)
            yield self
        finally:
            for p, value in zip(self.parameters, own, strict=True):
                p.data = value


class HistoricalAverage(_Means):
    """Penalty ‖θ − (1/t) Σ θ[i]‖², summed over parameters: distance from the mean of their past (Salimans et al. 2016, 3.3).

    `update` takes the present values into the mean; before its first call the mean is that of the start.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([0.0], requires_grad=True)
    >>> history = nn.HistoricalAverage([w])
    >>> for value in (1.0, 3.0):
    ...     w.data = [value]
    ...     history.update()
    >>> history.penalty()  # (3 − 2)²
    Tensor(1.0, op=sum)
    """

    def penalty(self) -> Tensor:
        """The penalty, a scalar with a gradient by the parameters: to be added to a player's loss."""
        past = [ag.from_numpy(mean) for mean in self.means]
        first, *rest = (ag.sum(ag.square(p - mean)) for p, mean in zip(self.parameters, past, strict=True))
        return sum(rest, first)
