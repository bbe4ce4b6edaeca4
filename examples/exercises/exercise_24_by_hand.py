"""Exercise 24: gradient descent and SGD on MNIST, with the backward pass by hand and with the engine.

The network has one hidden layer of ReLUs and a softmax output. By hand, the delta recursion is four lines of NumPy. Both
gradients are used by the same training loop in float64 and give the same numbers.

    python examples/exercises/exercise_24_by_hand.py [--quick] [--out DIR]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.examples.curves import plot_curves
from autograd_mini.examples.study import Study, run
from autograd_mini.tensor import Array, Tensor

MAX_EVALUATIONS = 40  # number of test evaluations during training, at most

Weights = list[Array]  # W⁽²⁾, b⁽²⁾, W⁽³⁾, b⁽³⁾
Gradient = Callable[[Weights, Array, Array], list[Array]]


def gradient_by_hand(weights: Weights, x: Array, labels: Array) -> list[Array]:
    """Returns the gradient of the mean cross-entropy with respect to the weights, for images x (N, D)."""
    w2, b2, w3, b3 = weights
    u2 = x @ w2.T + b2
    h2 = np.maximum(u2, 0)
    u3 = h2 @ w3.T + b3
    delta3 = (softmax(u3) - np.eye(len(b3))[labels]) / len(x)
    delta2 = delta3 @ w3 * (u2 > 0)
    return [delta2.T @ x, delta2.sum(axis=0), delta3.T @ h2, delta3.sum(axis=0)]


def softmax(u: Array) -> Array:
    powers = np.exp(u - u.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def gradient_by_engine(weights: Weights, x: Array, labels: Array) -> list[Array]:
    """Returns the same gradient; only the loss is written by hand."""
    w2, b2, w3, b3 = parameters = [Tensor(weight, requires_grad=True) for weight in weights]
    u3 = ag.relu(ag.from_numpy(x) @ w2.T + b2) @ w3.T + b3
    nn.cross_entropy(u3, ag.from_numpy(labels)).backward()
    return [parameter.grad.data for parameter in parameters if parameter.grad is not None]


GRADIENTS: dict[str, Gradient] = {"by hand": gradient_by_hand, "with the engine": gradient_by_engine}


@dataclass(frozen=True)
class Descent:
    """Settings of gradient descent: `batch` images per step (0: all), `epochs` passes over the training images."""

    batch: int
    lr: float
    epochs: int


@dataclass
class History:
    """The final weights, and the test loss over epochs and over seconds."""

    weights: Weights
    epochs: list[float]
    seconds: list[float]
    losses: list[float]

    @property
    def rises(self) -> int:
        """Number of evaluations at which the loss was higher than at the one before."""
        return sum(b > a for a, b in pairwise(self.losses))


def batches(count: int, batch: int, epochs: int, seed: int) -> Iterator[Any]:
    """Yields the indices of the images of each step; each epoch shuffles them."""
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(count)
        yield from (order[i : i + batch] for i in range(0, count, batch)) if batch else [slice(None)]


def descend(gradient: Gradient, settings: Descent, data: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> History:
    """Runs w ← w − η ∂L/∂w. Measures the CPU time of this process without the evaluations."""
    images, labels = data
    history = History(initial_weights(images.shape[1], seed), [], [], [])
    steps = settings.epochs * (-(-len(images) // settings.batch) if settings.batch else 1)
    evaluated = set(np.geomspace(1, steps, MAX_EVALUATIONS).round().astype(int).tolist())
    seconds, started = 0.0, time.process_time()
    for step, rows in enumerate(batches(len(images), settings.batch, settings.epochs, seed), 1):
        for weight, slope in zip(history.weights, gradient(history.weights, images[rows], labels[rows]), strict=True):
            weight -= settings.lr * slope
        if step in evaluated:
            seconds += time.process_time() - started
            history.epochs.append(step / steps * settings.epochs)
            history.seconds.append(seconds)
            history.losses.append(loss_and_accuracy(history.weights, *test)[0])
            started = time.process_time()
    return history


def initial_weights(pixels: int, seed: int, hidden: int = 100, classes: int = 10) -> Weights:
    rng = np.random.default_rng(seed)
    shapes = ((hidden, pixels), (classes, hidden))
    return [part for shape in shapes for part in (rng.normal(0, np.sqrt(2 / shape[1]), shape), np.zeros(shape[0]))]


def loss_and_accuracy(weights: Weights, x: Array, labels: Array) -> tuple[float, float]:
    w2, b2, w3, b3 = weights
    p = softmax(np.maximum(x @ w2.T + b2, 0) @ w3.T + b3)
    chosen = p[np.arange(len(p)), labels]
    return float(-np.log(chosen).mean()), float(np.mean(p.argmax(axis=1) == labels))


def flatten(split: nn.data.Split) -> tuple[Array, Array]:
    return split.images.reshape(len(split), -1).astype(np.float64), split.labels


def exercise(study: Study, runs: dict[str, Descent]) -> str:
    data = study.data("mnist")
    train, test = flatten(data.train), flatten(data.test)
    histories = {
        (name, who): descend(gradient, descent, train, test, study.seed)
        for name, descent in runs.items()
        for who, gradient in GRADIENTS.items()
    }
    hand, engine = ({name: histories[name, who] for name in runs} for who in GRADIENTS)
    difference = {
        name: max(float(np.abs(a - b).max()) for a, b in zip(hand[name].weights, engine[name].weights, strict=True))
        for name in runs
    }
    study.table(
        "the same training run twice",
        [
            {"": name, **asdict(descent), "batch": descent.batch or "all", "largest difference of a weight": difference[name]}
            | {f"seconds {who}": histories[name, who].seconds[-1] for who in GRADIENTS}
            | {f"test loss {who}": histories[name, who].losses[-1] for who in GRADIENTS}
            | {"test accuracy": loss_and_accuracy(hand[name].weights, *test)[1]}
            for name, descent in runs.items()
        ],
    )
    for unit in ("epochs", "seconds"):
        panels = {"test loss": {name: (getattr(history, unit), history.losses) for name, history in hand.items()}}
        plot_curves(study, f"loss-over-{unit}.png", panels, xlabel=f"{unit}, by hand", xscale="log", yscale="log")
    first, second, one = runs
    whole, small = hand[first], hand[second]
    reached = next(
        (t for t, loss in zip(small.seconds, small.losses, strict=True) if loss <= whole.losses[-1]), small.seconds[-1]
    )
    slower = {name: engine[name].seconds[-1] / hand[name].seconds[-1] for name in runs}
    return (
        f"The engine and the four lines by hand give the same weights, to within {max(difference.values()):.0e}. Gradient "
        f"descent uses every image for each step: it reaches a test loss of {whole.losses[-1]:.3f} in {whole.seconds[-1]:.3g} "
        f"s, and SGD reaches this loss in {reached:.3g} s. With one image per step the loss is noisy: it had risen at "
        f"{hand[one].rises} of {len(hand[one].losses)} evaluations, with all images at {whole.rises} of {len(whole.losses)}. "
        f"The engine takes {slower[one]:.1f} times as long as the code by hand for single images, where its overhead matters, "
        f"and {slower[first]:.1f} times for all images at once."
    )


FULL = {
    "runs": {
        "gradient descent": Descent(batch=0, lr=0.3, epochs=30),
        "SGD, batches of 100": Descent(batch=100, lr=0.1, epochs=5),
        "SGD, one image": Descent(batch=1, lr=0.01, epochs=1),
    }
}
QUICK = {
    "runs": {
        "gradient descent": Descent(batch=0, lr=0.2, epochs=30),
        "SGD, batches of 20": Descent(batch=20, lr=0.1, epochs=5),
        "SGD, one image": Descent(batch=1, lr=0.01, epochs=1),
    }
}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
