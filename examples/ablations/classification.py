"""What ablations of classifiers share: the task, the settings that a row may change, and training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.examples.study import Cached, Study
from autograd_mini.nn.data.loader import BatchTransform
from autograd_mini.nn.data.transforms import RandomAffine
from autograd_mini.nn.training.update import OptimizerLike
from autograd_mini.tensor import Array, Tensor

BATCH: Final = 50
TEST_BATCH: Final = 500
DISTORTION: Final = RandomAffine(rotation=(-20, 20), scale=(0.8, 1.2), skew=(-0.2, 0.2), shift=(-0.1, 0.1))

TrainingSet = tuple[Array, Array]  # images, and labels (N,) or probabilities (N, classes)


@dataclass(frozen=True)
class Task:
    """Labelled training images, images whose labels are hidden, clean and distorted test images, and the number of steps."""

    train: nn.data.Split
    hidden: Array
    tests: Mapping[str, nn.data.Split]
    steps: int


def labelled_images(task: Task, seed: int) -> TrainingSet:
    """Returns the labelled images unchanged."""
    return task.train.images, task.train.labels


def adam(parameters: list[Tensor], steps: int) -> OptimizerLike:
    return nn.Adam(parameters, lr=1e-3)


@dataclass(frozen=True)
class Variant:
    """How one row is trained; the defaults are those of the first row.

    `transform` augments each batch, `optimizer` creates an optimizer from the parameters and the number of steps, and
    `training_set` returns images and targets for a task and a seed.
    """

    architecture: str = "stride"
    transform: BatchTransform | None = None
    label_smoothing: float = 0.0
    optimizer: Callable[[list[Tensor], int], OptimizerLike] = adam
    training_set: Callable[[Task, int], TrainingSet] = labelled_images


def make_tasks(study: Study, images: int, steps: int) -> Callable[[int], Task]:
    """Returns a function from seed to a task on MNIST: a stratified sample of labelled images and the same test images."""
    data = study.data("mnist")
    distorted = DISTORTION.images(data.test.images, np.random.default_rng(0))
    tests = {"clean": data.test, "distorted": nn.data.Split(distorted, data.test.labels)}
    share = images / len(data.train)

    def task(seed: int) -> Task:
        train, hidden = nn.data.stratified_split(data.train, [share, 1 - share], data.train.labels, seed)
        return Task(nn.data.Split(*train[:]), hidden[:][0], tests, steps)

    return Cached(task)


def train(variant: Variant, task: Task, seed: int) -> models.CNN:
    """Returns a network in evaluation mode after the task's number of steps, which is the same for every training set."""
    images, targets = variant.training_set(task, seed)
    ag.manual_seed(seed)
    model = models.CNN(variant=variant.architecture)

    def losses(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": nn.cross_entropy(model(batch[0]), batch[1], label_smoothing=variant.label_smoothing)}

    batches = nn.data.DataLoader(images, targets, batch_size=BATCH, shuffle=True, seed=seed, transform=variant.transform)
    update = nn.Update(losses, variant.optimizer(list(model.parameters()), task.steps))
    nn.Trainer(model, {"": update}, progress=False).fit(batches, iterations=task.steps)
    return model.eval()


def probabilities(model: models.CNN, images: Array) -> Array:
    """Returns the class probabilities of each image, (N, classes)."""
    with ag.no_grad():
        parts = [ag.softmax(model(batch), axis=1).numpy() for (batch,) in nn.data.DataLoader(images, batch_size=TEST_BATCH)]
    return np.concatenate(parts)


def accuracies(model: models.CNN, task: Task) -> dict[str, float]:
    """Returns the accuracy on each test set of the task, in per cent."""
    return {
        f"{name}, %": 100 * float(np.mean(probabilities(model, test.images).argmax(axis=1) == test.labels))
        for name, test in task.tests.items()
    }


def scorer(task: Callable[[int], Task]) -> Callable[[str, Variant, int], dict[str, float]]:
    """Returns the measure for `comparison.compare`: it trains a variant on the task of a seed and returns its accuracies."""
    return lambda name, variant, seed: accuracies(train(variant, task(seed), seed), task(seed))
