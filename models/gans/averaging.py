"""Callbacks that use averaged weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from autograd_mini import nn
from autograd_mini.nn.training.callback import add_to_row, call_all


class WithAverage(nn.Callback):
    """Calls other callbacks with averaged weights instead of the model's own; with None, uses the model's own weights.

    What they store or restore, such as the best weights of `nn.EarlyStopping`, are then averaged weights.

    >>> from autograd_mini import models, nn
    >>> from autograd_mini.models.gans.averaging import WithAverage
    >>> model = models.MLP(sizes=(64, 10))
    >>> callbacks = WithAverage(nn.EMA(model.parameters()), [nn.LearningRateLog()])
    """

    def __init__(self, average: nn.EMA | None, callbacks: Sequence[nn.Callback]) -> None:
        self.average, self.callbacks = average, callbacks

    def before_fit(self, trainer: nn.Trainer) -> None:
        call_all(self.callbacks, "before_fit", trainer)

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        with self.average.average_parameters() if self.average else nullcontext():
            add_to_row(self.callbacks, trainer, row)

    def after_fit(self, trainer: nn.Trainer) -> None:
        call_all(self.callbacks, "after_fit", trainer)

    def after_stop(self, trainer: nn.Trainer) -> None:
        call_all(self.callbacks, "after_stop", trainer)

    def state_dict(self) -> dict[str, Any]:
        return {str(i): callback.state_dict() for i, callback in enumerate(self.callbacks)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for i, callback in enumerate(self.callbacks):
            callback.load_state_dict(state[str(i)])
