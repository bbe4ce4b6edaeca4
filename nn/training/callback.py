"""`Callback`: the base of what a trainer calls at each step and each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of the callbacks; a subclass overrides what it needs.

    `after_row` may add numbers to the row, and may end training by `trainer.stop(reason)`. Random draws do not change the
    random stream of training: those in `after_step` differ from step to step, and those elsewhere are the same in each call.

    >>> from autograd_mini import nn
    >>> class Gap(nn.Callback):
    ...     def after_row(self, trainer, row):
    ...         row["gap"] = row["val_loss"] - row["loss"]
    """

    in_checkpoints: ClassVar[bool] = True
    """Whether checkpoints contain its state. A run can be loaded with or without callbacks that only watch."""

    def before_fit(self, trainer: Trainer) -> None:
        """Called when training starts or continues; may clear `trainer.stopped`."""

    def after_step(self, trainer: Trainer) -> None:
        """Called after each batch."""

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Called with each new row of the history, before the row is logged."""

    def after_fit(self, trainer: Trainer) -> None:
        """Called when training is complete, not when it is interrupted; and again when a complete run is resumed."""

    def after_stop(self, trainer: Trainer) -> None:
        """Called when `fit` ends for whatever reason, also after an error, to close files."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint must contain: nested dicts and lists of arrays and simple values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned."""
