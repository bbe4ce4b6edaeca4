"""Ablation: methods that were tried and dropped: label smoothing, soft labels, mixup, cutout, random crop, SAM, Adam then SGD.

Soft labels are the average of the label and the mean prediction of three networks trained on the same images (Hinton, Vinyals
& Dean 2015, with T = 1). SAM needs two passes per step, so it costs twice as much as the other rows.

    python examples/ablations/ablation_tricks.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

from autograd_mini import nn
from autograd_mini.examples.ablations.classification import Task, TrainingSet, Variant, make_tasks, probabilities, scorer, train
from autograd_mini.examples.ablations.comparison import compare
from autograd_mini.examples.study import Study, run
from autograd_mini.nn.data import transforms as t

TEACHERS = 3


def distilled_labels(task: Task, seed: int) -> TrainingSet:
    """Returns labels averaged with the predictions of teachers, which are trained with different seeds."""
    teachers = [train(Variant(), task, 1000 * (seed + 1) + number) for number in range(TEACHERS)]
    prediction = np.mean([probabilities(teacher, task.train.images) for teacher in teachers], axis=0)
    return task.train.images, (prediction + t.one_hot(task.train.labels, prediction.shape[1])) / 2


ROWS = {
    "plain": Variant(),
    "label smoothing 0.1": Variant(label_smoothing=0.1),
    "soft labels, distilled": Variant(training_set=distilled_labels),
    "mixup 0.2": Variant(transform=t.Compose(t.OneHot(10), t.Mixup(0.2))),
    "cutout 10×10": Variant(transform=t.Cutout(10)),
    "random crop, padding 3": Variant(transform=t.RandomCrop(28, padding=3)),
    "SAM, ρ = 0.05": Variant(optimizer=lambda p, steps: nn.SAM(nn.Adam(p, lr=1e-3), rho=0.05)),
    "Adam, then momentum SGD": Variant(
        optimizer=lambda p, steps: nn.SwitchOptimizer(nn.Adam(p, lr=1e-3), nn.SGD(p, lr=0.01, momentum=0.9), at=steps // 2)
    ),
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    return compare(study, ROWS, scorer(make_tasks(study, images, steps)), seeds)


FULL = {"images": 5000, "steps": 2000, "seeds": 5}
QUICK = {"images": 100, "steps": 10, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
