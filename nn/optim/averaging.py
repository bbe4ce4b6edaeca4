"""Running means of weights during training: to predict with, or to stay close to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply_effect
from autograd_mini.tensor import Array, Tensor

from ..module import parameter_list
from .optimizer import UPDATE


class _RunningMeans:
    """A running mean of each parameter: mean ← mean + weight · (parameter − mean); the weight may change with each update."""

    def __init__(self, parameters: Iterable[Tensor]):
        self.parameters = parameter_list(type(self).__name__, parameters)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: parameters is empty; expected at least one")
        self.means: list[Array] = [p._data.copy() for p in self.parameters]
        self.steps = 0

    def weight(self) -> float:
        """Returns the weight of the parameters in the current update."""
        return 1 / self.steps

    def update(self) -> None:
        """Updates the means with the current parameters; call it after each step of the optimizer."""
        apply_effect(UPDATE, tuple(self.parameters), {"function": self._update_means}, (self, *self.means))

    def _update_means(self, *arrays: Array) -> None:
        self.steps += 1
        weight = self.weight()
        for mean, p in zip(self.means, arrays, strict=True):
            mean += (p - mean) * mean.dtype.type(weight)

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of updates and copies of the means."""
        return {"steps": self.steps, "means": [mean.copy() for mean in self.means]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned. Raises ValueError, and loads nothing, if shapes differ."""
        shapes, saved = ([np.shape(m) for m in means] for means in (self.means, state["means"]))
        if shapes != saved:
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected shapes {shapes}, got {saved}")
        self.steps = int(state["steps"])
        for mean, value in zip(self.means, state["means"], strict=True):
            mean[...] = value


class EMA(_RunningMeans):
    """Exponential moving average of weights: θ̄ ← d θ̄ + (1 − d) θ after each step, from θ̄ = θ at the start.

    It averages over about 1/(1 − d) steps. With `warmup`, d is min(decay, (1 + t)/(10 + t)) at update t, so the initial weights
    lose their influence soon. `average_parameters` applies the averages temporarily. Raises ValueError unless 0 ≤ decay < 1.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([0.0], requires_grad=True)
    >>> ema = nn.EMA([w], decay=0.75)
    >>> w.data = [4.0]
    >>> ema.update()
    >>> with ema.average_parameters():
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

    def weight(self) -> float:
        """Returns 1 − d in the current update."""
        return 1 - (min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay)

    @contextmanager
    def average_parameters(self) -> Iterator[Self]:
        """Inside the `with` block the parameters have their average values; after it, also after an error, their own values."""
        with ag.no_grad():  # these are operations, so a replay of a compiled function repeats them
            values = [p.copy() for p in self.parameters]
        try:
            for p, mean in zip(self.parameters, self.means, strict=True):
                p.data = ag.from_numpy(mean)
            yield self
        finally:
            for p, value in zip(self.parameters, values, strict=True):
                p.data = value


class HistoricalAverage(_RunningMeans):
    """Penalty ‖θ − (1/t) Σ θ[i]‖², summed over parameters: their distance from their past mean (Salimans et al. 2016, 3.3).

    `update` adds the current values to the mean; before its first call, the mean is the initial values.

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
        """Returns the penalty, a scalar tensor to add to a network's loss."""
        past = [ag.from_numpy(mean) for mean in self.means]
        first, *rest = (ag.sum(ag.square(p - mean)) for p, mean in zip(self.parameters, past, strict=True))
        return sum(rest, first)
