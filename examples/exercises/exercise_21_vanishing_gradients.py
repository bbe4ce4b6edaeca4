"""Exercise 21: why gradients vanish behind sigmoids, and less so behind ReLU.

Networks of 2 to 20 hidden layers, as they stand before training, each activation with the initial weights made for it (Glorot's
for the sigmoid, He's for ReLU): the norm of δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾ in every layer, and what a few steps of training then achieve.

    python examples/exercises/exercise_21_vanishing_gradients.py [--quick] [--out DIR]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.examples.curves import plot_curves
from autograd_mini.examples.study import Study, run
from autograd_mini.models.stack import Activation
from autograd_mini.tensor import Tensor

DERIVATION = """\
δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾) ⊙ f′(u⁽ˡ⁾): on its way to the first layer a gradient is multiplied at each layer by weights and by f′.
With the sigmoid, σ′(u) = σ(u)(1 − σ(u)), a product of two numbers that add up to 1: at most ¼, at u = 0, and next to
nothing where the unit is saturated. Through d layers f′ alone shrinks the gradient by 4ᵈ or more. Weights above 4 would make
up for it, but they make |u| large, where σ′ is smaller yet. ReLU′ is 1 wherever a unit is on, whatever u is, so f′ costs
nothing there; the units that are off, about half, halve the squared norm, and weights of variance 2/n (He) double it again.
Less so, not never: a unit that is off for every image learns nothing, and badly scaled weights shrink or blow up the gradient
behind any activation."""

ACTIVATIONS: dict[str, tuple[Activation, Callable[[Tensor], Tensor]]] = {
    "sigmoid": (nn.Sigmoid, nn.init.xavier_normal_),
    "ReLU": (nn.ReLU, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu")),
}


def network(name: str, pixels: int, width: int, depth: int) -> models.MLP:
    """`depth` hidden layers of one width, with the activation's own initial weights and biases of 0."""
    activation, initialise = ACTIVATIONS[name]
    mlp = models.MLP((pixels, *[width] * depth, 10), activation)
    for parameter in mlp.parameters():
        initialise(parameter) if parameter.ndim > 1 else nn.init.zeros_(parameter)
    return mlp


def delta_norms(mlp: models.MLP, images: Tensor, labels: Tensor) -> list[float]:
    """‖δ⁽ˡ⁾‖ of each hidden layer, from the input on."""
    h, pre_activations = ag.flatten(images, 1), []
    for layer in mlp.layers:
        h = layer(h)
        if isinstance(layer, nn.Linear):
            pre_activations.append(h.retain_grad())
    nn.cross_entropy(h, labels).backward()
    return [float(np.linalg.norm(u.grad.data)) for u in pre_activations[:-1] if u.grad is not None]


def mean_norms(name: str, depth: int, width: int, seeds: int, batch: tuple[Tensor, Tensor]) -> list[float]:
    """Geometric means over several draws of the weights."""
    logs = []
    for seed in range(seeds):
        ag.manual_seed(seed)
        logs.append(np.log(delta_norms(network(name, batch[0][0].size, width, depth), *batch)))
    return np.exp(np.mean(logs, axis=0)).tolist()


def accuracy_after(name: str, depth: int, width: int, steps: int, data: nn.data.Dataset, seed: int) -> float:
    """Share of right answers on test images after so many steps of momentum SGD."""
    ag.manual_seed(seed)
    mlp = network(name, math.prod(data.image_shape), width, depth)
    trainer = nn.Trainer(mlp, nn.SGD(mlp.parameters(), lr=0.02, momentum=0.9), progress=False)
    trainer.fit(nn.data.DataLoader(data.train, batch_size=100, shuffle=True, seed=seed), iterations=steps)
    return trainer.evaluate(nn.data.DataLoader(data.test, batch_size=1000))["accuracy"]


def exercise(study: Study, depths: list[int], width: int, images: int, seeds: int, trained: list[int], steps: int) -> str:
    study.say(DERIVATION)
    data = study.data("mnist")
    batch = Tensor(data.train.images[:images]), Tensor(data.train.labels[:images])
    norms = {(name, depth): mean_norms(name, depth, width, seeds, batch) for name in ACTIVATIONS for depth in depths}
    ratio = {key: found[0] / found[-1] for key, found in norms.items()}
    study.table(
        "‖δ‖ of the first hidden layer over that of the last",
        [
            {"hidden layers": depth}
            | {name: ratio[name, depth] for name in ACTIVATIONS}
            | {f"{name}, per layer": ratio[name, depth] ** (1 / (depth - 1)) for name in ACTIVATIONS}
            for depth in depths
        ],
    )
    deepest = depths[-1]
    rows = zip(*(norms[name, deepest] for name in ACTIVATIONS), strict=True)
    study.table(
        f"‖δ⁽ˡ⁾‖ in the network of {deepest} hidden layers",
        [{"hidden layer": i, **dict(zip(ACTIVATIONS, row, strict=True))} for i, row in enumerate(rows, 1)],
    )
    panels = {
        f"‖δ‖, {name}": {f"{d} layers": (range(1, d + 1), norms[name, d]) for d in depths[:: max(len(depths) // 5, 1)]}
        for name in ACTIVATIONS
    }
    plot_curves(study, "gradient-norms.png", panels, xlabel="hidden layer", yscale="log")
    learnt = {(n, d): accuracy_after(n, d, width, steps, data, study.seed) for n in ACTIVATIONS for d in trained}
    study.table(
        f"accuracy on test images after {steps} steps",
        [{"hidden layers": depth} | {name: learnt[name, depth] for name in ACTIVATIONS} for depth in trained],
    )
    sigmoid, relu = (ratio[name, deepest] ** (1 / (deepest - 1)) for name in ACTIVATIONS)
    return (
        f"Behind sigmoids the gradient shrinks at each layer by the factor {sigmoid:.2f}, just under the ¼ that bounds "
        f"σ′, so that with {deepest} hidden layers the first gets {ratio['sigmoid', deepest]:.0e} of what the last one "
        f"gets. Behind ReLU the factor is {relu:.2f}, and the first layer gets {ratio['ReLU', deepest]:.2f} of it. After "
        f"{steps} steps, networks of {trained[-1]} hidden layers answer {learnt['sigmoid', trained[-1]]:.0%} (sigmoid) "
        f"and {learnt['ReLU', trained[-1]]:.0%} (ReLU) of the test images rightly."
    )


if __name__ == "__main__":
    run(
        exercise,
        full={
            "depths": list(range(2, 21)),
            "width": 100,
            "images": 1000,
            "seeds": 5,
            "trained": [1, 2, 3, 5, 10, 20],
            "steps": 600,
        },
        quick={"depths": [2, 5, 10], "width": 30, "images": 100, "seeds": 2, "trained": [1, 5], "steps": 20},
    )
