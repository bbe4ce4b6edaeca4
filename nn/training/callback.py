"""`Callback`: the base of what a trainer calls at each step and each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import autograd_mini as ag

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

    main_rank_only: ClassVar[bool] = False
    """With several ranks of MPI, call it on rank 0 only, such as what writes files. What it adds to a row reaches all ranks."""
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


def call_all(callbacks: Iterable[Callback], hook: str, trainer: Trainer) -> None:
    """Calls a method of each callback, such as "after_fit"; those for rank 0 only there."""
    for callback in callbacks:
        if trainer.ranks.is_main or not _is_for_main_rank(callback):
            getattr(callback, hook)(trainer)


def call_after_step(callbacks: Sequence[Callback], trainer: Trainer) -> None:
    """Calls `after_step` of each callback, if there is one that does something, with random numbers of its own."""
    if any(type(callback).after_step is not Callback.after_step for callback in callbacks):
        with ag.fork_rng():
            ag.manual_seed(ag.randint(0, 1 << 32, ()).item() + trainer.iteration)  # other numbers at each step, for each seed
            call_all(callbacks, "after_step", trainer)


def add_to_row(callbacks: Iterable[Callback], trainer: Trainer, row: dict[str, float]) -> None:
    """Calls `after_row` of each callback; all ranks see what those for rank 0 did."""
    for callback in callbacks:
        for_main = _is_for_main_rank(callback)
        if trainer.ranks.is_main or not for_main:
            callback.after_row(trainer, row)
        if for_main:
            trainer.ranks.share_row(trainer, row)


def _is_for_main_rank(callback: Callback) -> bool:
    return getattr(callback, "main_rank_only", False)
