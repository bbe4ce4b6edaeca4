"""Ablation: the contest network's pooling of 7, against 4 and 2.

Convolution 3×3×32, batch norm, ReLU, max-pooling, dropout, dense softmax. Pooled by 7, a digit is 4×4 numbers for each filter:
where a stroke lies within seven pixels is lost. The report's network stopped at 94 % and took nines for sevens. It learnt from
images that went through affine maps, batch by batch: here each pooling learns from clean images, and from such augmented ones.

    python examples/ablations/ablation_pooling.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

from autograd_mini import viz
from autograd_mini.examples.ablations.ablation_augmentation import AFFINE
from autograd_mini.examples.ablations.classification import Variant, accuracies, learn, probabilities, tasks
from autograd_mini.examples.ablations.comparison import compare, verdict
from autograd_mini.examples.study import Study, run

ROWS = {
    f"pool {size}{how}": Variant(architecture=f"contest-{size}", transform=transform)
    for how, transform in (("", None), (" augmented", AFFINE))
    for size in (7, 4, 2)
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    task = tasks(study, images, steps)
    augmented: dict[str, dict[str, list[float]]] = {}

    def measure(name: str, variant: Variant, seed: int) -> dict[str, float]:
        given = task(seed)
        model = learn(variant, given, seed)
        truth, answers = given.tests["clean"].labels, probabilities(model, given.tests["clean"].images).argmax(axis=1)
        if seed == study.seed:
            path = study.figure(f"confusion-{name.replace(' ', '-')}.png")
            viz.plot_confusion(truth, answers, path, title=f"{name}, clean test images")
        nines, sevens = (float(np.sum((truth == a) & (answers == b))) for a, b in ((9, 7), (7, 9)))
        values = {**accuracies(model, given), "9 taken for 7": nines, "7 and 9 mixed up": nines + sevens}
        if variant.transform:
            columns = augmented.setdefault(name, {})
            for column, value in values.items():
                columns.setdefault(column, []).append(value)
        return values

    said = compare(study, ROWS, measure, seeds)
    among = " ".join(verdict(augmented, column) for column in next(iter(augmented.values())))
    return f"{said} Among those that learnt from augmented images, {among}"


if __name__ == "__main__":
    run(ablation, full={"images": 10_000, "steps": 1000, "seeds": 3}, quick={"images": 100, "steps": 5, "seeds": 2})
