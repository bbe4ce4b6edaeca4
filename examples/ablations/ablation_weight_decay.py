"""Ablation: L2 with momentum SGD, with Adam, and decoupled from the gradient.

A penalty λ‖w‖² adds 2λw to the gradient, so `weight_decay` = 2λ. Adam divides the whole gradient by the root of a mean square,
so weights with large gradients decay less. AdamW subtracts η·decay·w from w separately from Adam's step.

    python examples/ablations/ablation_weight_decay.py [--quick] [--out DIR]
"""

from __future__ import annotations

from autograd_mini import nn
from autograd_mini.examples.ablations.classification import Variant, make_tasks, scorer
from autograd_mini.examples.ablations.comparison import compare
from autograd_mini.examples.study import Study, run

ROWS = {
    "momentum": Variant(optimizer=lambda p, steps: nn.SGD(p, lr=0.02, momentum=0.9)),
    "momentum, L2 1e-3": Variant(optimizer=lambda p, steps: nn.SGD(p, lr=0.02, momentum=0.9, weight_decay=2e-3)),
    "Adam": Variant(optimizer=lambda p, steps: nn.Adam(p, lr=1e-3)),
    "Adam, L2 1e-4": Variant(optimizer=lambda p, steps: nn.Adam(p, lr=1e-3, weight_decay=2e-4)),
    "Adam, L2 1e-3": Variant(optimizer=lambda p, steps: nn.Adam(p, lr=1e-3, weight_decay=2e-3)),
    "AdamW, decoupled 0.1": Variant(optimizer=lambda p, steps: nn.AdamW(p, lr=1e-3, weight_decay=0.1)),
}


def ablation(study: Study, images: int, steps: int, seeds: int) -> str:
    return compare(study, ROWS, scorer(make_tasks(study, images, steps)), seeds)


FULL = {"images": 5000, "steps": 2000, "seeds": 3}
QUICK = {"images": 100, "steps": 10, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
