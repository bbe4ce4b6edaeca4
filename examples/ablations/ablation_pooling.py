"""Ablation: the pooling size 7 of the contest network, compared with 4 and 2.

The network is convolution 3×3×32, batch norm, ReLU, max-pooling, dropout, dense softmax. Pooling by 7 leaves 4×4 numbers per
filter and loses positions within seven pixels. The network of the report reached 94 % and confused nines with sevens. It was
trained with affine augmentation; here each pooling size is trained on clean and on augmented images.

    python examples/ablations/ablation_pooling.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

from autograd_mini import viz
from autograd_mini.examples.ablations.ablation_augmentation import AFFINE
from autograd_mini.examples.ablations.classification import Variant, accuracies, make_tasks, probabilities, train
from autograd_mini.examples.ablations.comparison import compare, verdict
from autograd_mini.examples.study import Study, run

ROWS = {
    f"pool {size}{how}": Variant(architecture=f"contest-{size}", transform=transform)
    for how, transform in (("", None), (" augmented", AFFINE))
    for size in (7, 4, 2)
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    task = make_tasks(study, images, steps)
    augmented: dict[str, dict[str, list[float]]] = {}

    def measure(name: str, variant: Variant, seed: int) -> dict[str, float]:
        current = task(seed)
        model, clean = train(variant, current, seed), current.tests["clean"]
        truth, predicted = clean.labels, probabilities(model, clean.images).argmax(axis=1)
        if seed == study.seed:
            path = study.figure(f"confusion-{name.replace(' ', '-')}.png")
            viz.plot_confusion(truth, predicted, path, title=f"{name}, clean test images")
        nines, sevens = (float(np.sum((truth == a) & (predicted == b))) for a, b in ((9, 7), (7, 9)))
        values = {**accuracies(model, current), "9 taken for 7": nines, "7 and 9 mixed up": nines + sevens}
        if variant.transform:
            columns = augmented.setdefault(name, {})
            for column, value in values.items():
                columns.setdefault(column, []).append(value)
        return values

    conclusion = compare(study, ROWS, measure, seeds)
    augmented_only = " ".join(verdict(augmented, column) for column in next(iter(augmented.values())))
    return f"{conclusion} Among the networks trained on augmented images, {augmented_only}"


FULL = {"images": 10_000, "steps": 1000, "seeds": 3}
QUICK = {"images": 100, "steps": 5, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
