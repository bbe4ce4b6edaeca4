"""Callbacks for training GANs: log Fréchet distances and test errors, and run callbacks with averaged weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from autograd_mini import nn
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.gans.semi_supervised_gan import SemiSupervisedGAN
from autograd_mini.models.metrics import Judge


class FrechetLog(nn.Callback):
    """Logs `frechet`, the Fréchet distance between generated and test images; see `models.metrics.Judge`."""

    def __init__(self, model: AdversarialModel, data: nn.data.Dataset) -> None:
        self.model, self.judge = model, Judge(data)

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        row["frechet"] = self.judge.frechet(self.judge.features(self.model.sample))


class ErrorLog(nn.Callback):
    """Logs `errors`, the number of misclassified test images."""

    def __init__(self, model: SemiSupervisedGAN, test: nn.data.Split) -> None:
        self.model = model
        self.batches = nn.data.DataLoader(test, batch_size=1000)

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        wrong = [self.model.predict(images).numpy() != labels.numpy() for images, labels in self.batches.epoch(0)]
        row["errors"] = float(sum(w.sum() for w in wrong))


class WithAverage(nn.Callback):
    """Calls other callbacks with averaged weights instead of the model's own; with None, uses the model's own weights.

    What they store or restore, such as the best weights of `nn.EarlyStopping`, are then averaged weights.

    >>> from autograd_mini import models, nn
    >>> from autograd_mini.cli.gan_callbacks import WithAverage
    >>> model = models.MLP(sizes=(64, 10))
    >>> callbacks = WithAverage(nn.EMA(model.parameters()), [nn.LearningRateLog()])
    """

    def __init__(self, average: nn.EMA | None, callbacks: Sequence[nn.Callback]) -> None:
        self.average, self.callbacks = average, callbacks

    def applied(self) -> AbstractContextManager[Any]:
        """Returns a context manager inside which the parameters hold their averages."""
        return self.average.average_parameters() if self.average else nullcontext()

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        with self.applied():
            for callback in self.callbacks:
                callback.after_row(trainer, row)

    def after_fit(self, trainer: nn.Trainer) -> None:
        for callback in self.callbacks:
            callback.after_fit(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {str(i): callback.state_dict() for i, callback in enumerate(self.callbacks)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for i, callback in enumerate(self.callbacks):
            callback.load_state_dict(state[str(i)])
