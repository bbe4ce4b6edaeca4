"""KL annealing: the weight of the KL divergence rises during the first batches (Bowman et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograd_mini import nn

if TYPE_CHECKING:
    from .variational import Variational


class KLWarmup(nn.Callback):
    """Sets the share of β that the loss of a batch uses: t / `batches` at batch t, from 0, and 1 from batch `batches` on.

    The share follows from the number of batches that the trainer has done, so a resumed run has the same one.

    >>> from autograd_mini import models
    >>> [type(callback).__name__ for callback in models.VAE((64, 32, 4), kl_warmup=100).callbacks()]
    ['KLWarmup']
    """

    def __init__(self, model: Variational, batches: int) -> None:
        self.model, self.batches = model, batches

    def before_fit(self, trainer: nn.Trainer) -> None:
        self.after_step(trainer)

    def after_step(self, trainer: nn.Trainer) -> None:
        if self.model.kl_share is not None:
            self.model.kl_share.data = [min(1.0, trainer.iteration / self.batches)]
