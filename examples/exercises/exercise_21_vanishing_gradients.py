"""Exercise 21: why gradients vanish with sigmoids, and less with ReLU.

For untrained networks of 2 to 20 hidden layers, with the initialisation suited to the activation (Glorot for the sigmoid, He
for ReLU): the norm of δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾ in every layer, and the accuracy after a few training steps.

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
δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾) ⊙ f′(u⁽ˡ⁾): at each layer the gradient is multiplied by the weights and by f′. For the sigmoid,
σ′(u) = σ(u)(1 − σ(u)) is a product of two numbers with sum 1: at most ¼, at u = 0, and almost 0 if the unit is saturated.
Over d layers, f′ alone shrinks the gradient by a factor of 4ᵈ or more. Weights larger than 4 could compensate this, but they
make |u| large, where σ′ is even smaller. ReLU′ is 1 for every active unit, for any u, so f′ does not shrink the gradient there.
About half of the units are inactive; this halves the squared norm, and weights of variance 2/n (He) double it again. Gradients
can still vanish with ReLU: a unit that is inactive for every image learns nothing, and badly scaled weights shrink or enlarge
the gradient with any activation."""

ACTIVATIONS: dict[str, tuple[Activation, Callable[[Tensor], Tensor]]] = {
    "sigmoid": (nn.Sigmoid, nn.init.xavier_normal_),
    "ReLU": (nn.ReLU, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu")),
}


def network(name: str, pixels: int, width: int, depth: int) -> models.MLP:
    """Returns an MLP with `depth` hidden layers, the initial weights suited to the activation, and biases of 0."""
    activation, initialise = ACTIVATIONS[name]
    mlp = models.MLP((pixels, *[width] * depth, 10), activation)
    for parameter in mlp.parameters():
        initialise(parameter) if parameter.ndim > 1 else nn.init.zeros_(parameter)
    return mlp


def delta_norms(mlp: models.MLP, images: Tensor, labels: Tensor) -> list[float]:
    """Returns ‖δ⁽ˡ⁾‖ of each hidden layer, starting at the input."""
    h, pre_activations = ag.flatten(images, 1), []
    for layer in mlp.layers:
        h = layer(h)
        if isinstance(layer, nn.Linear):
            pre_activations.append(h.retain_grad())
    nn.cross_entropy(h, labels).backward()
    return [float(np.linalg.norm(u.grad.data)) for u in pre_activations[:-1] if u.grad is not None]


def mean_norms(name: str, depth: int, width: int, seeds: int, batch: tuple[Tensor, Tensor]) -> list[float]:
    """Returns the geometric means of the norms over several initialisations."""
    logs = []
    for seed in range(seeds):
        ag.manual_seed(seed)
        logs.append(np.log(delta_norms(network(name, batch[0][0].size, width, depth), *batch)))
    return np.exp(np.mean(logs, axis=0)).tolist()


def accuracy_after(name: str, depth: int, width: int, steps: int, data: nn.data.Dataset, seed: int) -> float:
    """Returns the test accuracy after this number of steps of SGD with momentum."""
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
    ratio = {key: values[0] / values[-1] for key, values in norms.items()}
    study.table(
        "‖δ‖ of the first hidden layer divided by that of the last",
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
    accuracy = {(n, d): accuracy_after(n, d, width, steps, data, study.seed) for n in ACTIVATIONS for d in trained}
    study.table(
        f"accuracy on test images after {steps} steps",
        [{"hidden layers": depth} | {name: accuracy[name, depth] for name in ACTIVATIONS} for depth in trained],
    )
    sigmoid, relu = (ratio[name, deepest] ** (1 / (deepest - 1)) for name in ACTIVATIONS)
    return (
        f"With sigmoids the gradient shrinks at each layer by a factor of {sigmoid:.2f}, just below ¼, the upper bound of σ′; "
        f"with {deepest} hidden layers, ‖δ‖ of the first is {ratio['sigmoid', deepest]:.0e} times that of the last. With ReLU "
        f"the factor per layer is {relu:.2f}, and ‖δ‖ of the first layer is {ratio['ReLU', deepest]:.2f} times that of the "
        f"last. After {steps} steps, networks of {trained[-1]} hidden layers classify {accuracy['sigmoid', trained[-1]]:.0%} "
        f"(sigmoid) and {accuracy['ReLU', trained[-1]]:.0%} (ReLU) of the test images correctly."
    )


FULL = {
    "depths": list(range(2, 21)),
    "width": 100,
    "images": 1000,
    "seeds": 5,
    "trained": [1, 2, 3, 5, 10, 20],
    "steps": 600,
}
QUICK = {"depths": [2, 5, 10], "width": 30, "images": 100, "seeds": 2, "trained": [1, 5], "steps": 20}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
