"""What ablations of classifiers share: the task, what a row may change, and the one function that trains them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.examples.study import Study
from autograd_mini.nn.data.loader import BatchTransform
from autograd_mini.nn.data.transforms import RandomAffine
from autograd_mini.nn.training.update import OptimizerLike
from autograd_mini.tensor import Array, Tensor

BATCH: Final = 50
TESTED_AT_ONCE: Final = 500
DISTORTION: Final = RandomAffine(rotation=(-20, 20), scale=(0.8, 1.2), skew=(-0.2, 0.2), shift=(-0.1, 0.1))

Lesson = tuple[Array, Array]  # images, and labels (N,) or rows of probabilities (N, classes)


@dataclass(frozen=True)
class Task:
    """Labelled images to learn from, others whose labels are hidden, test images clean and distorted, and the steps allowed."""

    train: nn.data.Split
    hidden: Array
    tests: Mapping[str, nn.data.Split]
    steps: int


def labelled(task: Task, seed: int) -> Lesson:
    """The images as they are, with their labels."""
    return task.train.images, task.train.labels


def adam(parameters: list[Tensor], steps: int) -> OptimizerLike:
    return nn.Adam(parameters, lr=1e-3)


@dataclass(frozen=True)
class Variant:
    """How one row learns; what it does not name is as in the plain row.

    `transform` changes each batch, `optimizer` is made for the parameters and the number of steps, and `lesson` says what is
    learnt from, given the task and a seed.
    """

    architecture: str = "stride"
    transform: BatchTransform | None = None
    label_smoothing: float = 0.0
    optimizer: Callable[[list[Tensor], int], OptimizerLike] = adam
    lesson: Callable[[Task, int], Lesson] = labelled


def tasks(study: Study, images: int, steps: int) -> Callable[[int], Task]:
    """MNIST with so many labelled images, which a seed draws with each class in proportion; test images stay the same."""
    data = study.data("mnist")
    distorted = DISTORTION.images(data.test.images, np.random.default_rng(0))
    tests = {"clean": data.test, "distorted": nn.data.Split(distorted, data.test.labels)}
    share = images / len(data.train)

    @cache
    def task(seed: int) -> Task:
        train, hidden = nn.data.stratified_split(data.train, [share, 1 - share], data.train.labels, seed)
        return Task(nn.data.Split(*train[:]), hidden[:][0], tests, steps)

    return task


def learn(variant: Variant, task: Task, seed: int) -> models.CNN:
    """A network, ready to answer, after the task's number of steps: the same budget whatever there is to learn from."""
    images, targets = variant.lesson(task, seed)
    ag.manual_seed(seed)
    model = models.CNN(variant=variant.architecture)

    def losses(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": nn.cross_entropy(model(batch[0]), batch[1], label_smoothing=variant.label_smoothing)}

    batches = nn.data.DataLoader(images, targets, batch_size=BATCH, shuffle=True, seed=seed, transform=variant.transform)
    learning = nn.Update(losses, variant.optimizer(list(model.parameters()), task.steps))
    nn.Trainer(model, {"": learning}, progress=False).fit(batches, iterations=task.steps)
    return model.eval()


def probabilities(model: models.CNN, images: Array) -> Array:
    """The probabilities of the classes for each image, (N, classes)."""
    with ag.no_grad():
        parts = [ag.softmax(model(batch), axis=1).numpy() for (batch,) in nn.data.DataLoader(images, batch_size=TESTED_AT_ONCE)]
    return np.concatenate(parts)


def accuracies(model: models.CNN, task: Task) -> dict[str, float]:
    """The share of right answers on each of the task's test sets, in per cent."""
    return {
        f"{name}, %": 100 * float(np.mean(probabilities(model, test.images).argmax(axis=1) == test.labels))
        for name, test in task.tests.items()
    }


def classifier(task: Callable[[int], Task]) -> Callable[[str, Variant, int], dict[str, float]]:
    """What `comparison.compare` measures rows by: a variant learns the seed's task, and its accuracies are told."""
    return lambda name, variant, seed: accuracies(learn(variant, task(seed), seed), task(seed))
