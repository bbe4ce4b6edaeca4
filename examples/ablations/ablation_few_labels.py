"""Ablation: what helps where there are few labels: augmentation, guessed labels, or images that a GAN draws.

Guessed labels ("pseudo-labels", Lee 2013) are those of a first network where it is certain, on images whose labels are hidden.
Generated images come from a conditional GAN that has seen the same few images as the classifier, and no others.

    python examples/ablations/ablation_few_labels.py [--quick] [--out DIR]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.ablations.ablation_augmentation import AFFINE
from autograd_mini.examples.ablations.classification import Lesson, Task, Variant, classifier, learn, probabilities, tasks
from autograd_mini.examples.ablations.comparison import compare
from autograd_mini.examples.study import Study, run

CERTAIN = 0.95  # a guessed label counts where its probability reaches this

Games = Callable[[int], models.ConditionalGAN]  # a seed's GAN


def guessed(task: Task, seed: int) -> Lesson:
    """The labelled images, and those without a label where a first network is certain."""
    guesses = probabilities(learn(Variant(), task, 1000 * (seed + 1)), task.hidden)
    certain = guesses.max(axis=1) >= CERTAIN
    images = np.concatenate([task.train.images, task.hidden[certain]])
    return images, np.concatenate([task.train.labels, guesses[certain].argmax(axis=1)])


def conditional_gan(task: Task, iterations: int, seed: int) -> models.ConditionalGAN:
    """A conditional GAN that has learnt the labelled images."""
    ag.manual_seed(seed)
    gan = models.ConditionalGAN((64, 1, 28, 28), width=16, real_label=0.9)
    batches = nn.data.DataLoader(task.train, batch_size=50, shuffle=True, seed=seed)
    nn.Trainer(gan, gan.updates(lr=1e-3), progress=False).fit(batches, iterations=iterations)
    return gan


def generated(task: Task, seed: int, *, games: Games, times: int, beside: bool = True) -> Lesson:
    """`times` as many generated images as there are labelled ones, all classes alike, `beside` the labelled ones or alone."""
    ag.manual_seed(seed)
    count = times * len(task.train)
    labels = np.arange(count) % 10
    images = np.concatenate([games(seed).sample(len(part), part).numpy()[:, 0] for part in np.array_split(labels, times)])
    if not beside:
        return images, labels
    return np.concatenate([task.train.images, images]), np.concatenate([task.train.labels, labels])


def rows(games: Games) -> dict[str, Variant]:
    drawn = partial(generated, games=games)
    return {
        "labelled images alone": Variant(),
        "affine augmentation": Variant(transform=AFFINE),
        "guessed labels": Variant(lesson=guessed),
        "as many generated images": Variant(lesson=partial(drawn, times=1)),
        "5 times as many generated": Variant(lesson=partial(drawn, times=5)),
        "generated images alone, 5 times": Variant(lesson=partial(drawn, times=5, beside=False)),
    }


def ablation(study: Study, images: int, steps: int, iterations: int, seeds: int) -> str:
    task = tasks(study, images, steps)
    games = cache(lambda seed: conditional_gan(task(seed), iterations, seed))
    viz.plot_images(
        games(study.seed).sample(100).numpy()[:, 0],
        study.figure("generated.png"),
        columns=10,
        title=f"generated after {iterations} iterations on {images} images, the classes in turn",
    )
    return compare(study, rows(games), classifier(task), seeds)


if __name__ == "__main__":
    run(
        ablation,
        full={"images": 500, "steps": 1000, "iterations": 1000, "seeds": 3},
        quick={"images": 100, "steps": 10, "iterations": 5, "seeds": 2},
    )
