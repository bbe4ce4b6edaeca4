"""Ablation: the pooling size 7 of the contest network, compared with 4 and 2.

The network is convolution 3×3×32, batch norm, ReLU, max-pooling, dropout, dense softmax. Pooling by 7 leaves 4×4 numbers per
filter and loses positions within seven pixels. The network of the report reached 94 % and confused nines with sevens. It was
trained with affine augmentation; here each pooling size is trained on clean and on augmented images.

    python examples/ablations/ablation_pooling.py [--quick] [--out DIR]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini import viz
from autograd_mini.examples.ablations.ablation_augmentation import AFFINE
from autograd_mini.examples.ablations.classification import Variant, accuracies, make_tasks, probabilities, train
from autograd_mini.examples.ablations.comparison import measure_all, present, verdict
from autograd_mini.examples.study import Study, run

ROWS = {
    f"pool {size}{how}": Variant(architecture=f"contest-{size}", transform=transform)
    for how, transform in (("", None), (" augmented", AFFINE))
    for size in (7, 4, 2)
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    task = make_tasks(study, images, steps)

    def measure(name: str, variant: Variant, seed: int) -> dict[str, Any]:
        current = task(seed)
        model, clean = train(variant, current, seed), current.tests["clean"]
        truth, predicted = clean.labels, probabilities(model, clean.images).argmax(axis=1)
        nines, sevens = (float(np.sum((truth == a) & (predicted == b))) for a, b in ((9, 7), (7, 9)))
        values = {**accuracies(model, current), "9 taken for 7": nines, "7 and 9 mixed up": nines + sevens}
        return {**values, "predictions": predicted.tolist()}

    results = measure_all(study, ROWS, measure, seeds)
    for name, columns in results.items():
        predictions = columns.pop("predictions")
        path = study.figure(f"confusion-{name.replace(' ', '-')}.png")
        truth = task(study.seed).tests["clean"].labels
        viz.plot_confusion(truth, np.array(predictions[0]), path, title=f"{name}, clean test images")
    conclusion = present(study, results, seeds)
    augmented = {name: columns for name, columns in results.items() if ROWS[name].transform}
    augmented_only = " ".join(verdict(augmented, column) for column in next(iter(augmented.values())))
    return f"{conclusion} Among the networks trained on augmented images, {augmented_only}"


FULL = {"images": 10_000, "steps": 1000, "seeds": 3}
QUICK = {"images": 100, "steps": 5, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
