"""Ablation: augmentation, tested on clean and on distorted digits.

Each batch is transformed by affine maps about the image centre, multiplicative noise N(1, 0.3²), or a thickening filter. The
distorted test digits have larger affine distortions than the training images.

    python examples/ablations/ablation_augmentation.py [--quick] [--out DIR]
"""

from __future__ import annotations

import numpy as np

from autograd_mini.examples.ablations.classification import Variant, make_tasks, scorer
from autograd_mini.examples.ablations.comparison import compare
from autograd_mini.examples.study import Study, run
from autograd_mini.nn.data import transforms as t

AFFINE = t.RandomAffine(rotation=(-15, 15), scale=(0.85, 1.15), skew=(-0.15, 0.15), shift=(-0.1, 0.1))
NOISE = t.MultiplicativeNoise(0.3)


def thicken_half(batch: t.Batch, rng: np.random.Generator) -> t.Batch:
    """Thickens a batch with probability ½."""
    return t.Thicken()(batch, rng) if rng.random() < 0.5 else batch


ROWS = {
    "none": Variant(),
    "affine": Variant(transform=AFFINE),
    "shift alone": Variant(transform=t.RandomAffine(shift=AFFINE.shift)),
    "multiplicative noise": Variant(transform=NOISE),
    "thickening, half of the batches": Variant(transform=thicken_half),
    "thickening, all batches": Variant(transform=t.Thicken()),
    "all three": Variant(transform=t.Compose(AFFINE, thicken_half, NOISE)),
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    return compare(study, ROWS, scorer(make_tasks(study, images, steps)), seeds)


FULL = {"images": 5000, "steps": 2000, "seeds": 5}
QUICK = {"images": 100, "steps": 10, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
