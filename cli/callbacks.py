"""What a run does at each logged row: `ROW_METRICS` and `ROW_PLOTS` list the callbacks by the names that models use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from autograd_mini import nn, viz
from autograd_mini.models.classifiers.base import Classifier
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.metrics import Judge
from autograd_mini.models.metrics.batches import images_per_batch

from .plots import pictures

SAMPLES: Final = "samples"  # folder of images from fixed noise


class FrechetLog(nn.Callback):
    """Logs `frechet`, the Fréchet distance between generated and test images; see `models.metrics.Judge`."""

    main_rank_only = True

    def __init__(self, model: AdversarialModel, data: nn.data.Dataset) -> None:
        self.model, self.judge = model, Judge(data)

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        row["frechet"] = self.judge.frechet(self.judge.features(self.model.sample))


class ErrorLog(nn.Callback):
    """Logs `errors`, the number of misclassified test images."""

    main_rank_only = True

    def __init__(self, model: Classifier, data: nn.data.Dataset) -> None:
        self.model, self.batches = model, nn.data.DataLoader(data.test, batch_size=images_per_batch(data.image_shape))

    def after_row(self, trainer: nn.Trainer, row: dict[str, float]) -> None:
        wrong = [self.model.predict(images).numpy() != labels.numpy() for images, labels in self.batches.epoch(0)]
        row["errors"] = float(sum(w.sum() for w in wrong))


def sample_log(model: AdversarialModel, folder: Path) -> nn.FixedNoise:
    """Returns a callback that writes images from the same noise to `samples/`."""
    draw = lambda images, path: viz.plot_images(pictures(images, model.image_shape), path, columns=model.columns)
    return nn.FixedNoise(model.decode, model.columns**2, model.latent_features, folder / SAMPLES, draw)


ROW_METRICS: Final[dict[str, Callable[[Any, nn.data.Dataset], nn.Callback]]] = {"frechet": FrechetLog, "errors": ErrorLog}
"""Name of the metric -> function of the model and its data."""

ROW_PLOTS: Final[dict[str, Callable[[Any, Path], nn.Callback]]] = {"samples": sample_log}
"""Name -> function of the model and the folder of the run."""
