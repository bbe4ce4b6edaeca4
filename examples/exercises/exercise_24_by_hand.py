"""Exercise 24: gradient descent and SGD on MNIST, with the backward pass by hand, and then with the engine.

The network has one hidden layer of ReLUs and answers by softmax. By hand it is NumPy alone: the delta recursion in four lines.
The descent is the same code for both, in float64, and so are the numbers.

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

MARKS = 40  # how often a descent is looked at, at most

Weights = list[Array]  # W⁽²⁾, b⁽²⁾, W⁽³⁾, b⁽³⁾
Gradient = Callable[[Weights, Array, Array], list[Array]]


def gradient_by_hand(weights: Weights, x: Array, labels: Array) -> list[Array]:
    """The gradient of the mean cross-entropy by the weights, for images x (N, D)."""
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
    """The same, written as a loss alone."""
    w2, b2, w3, b3 = parameters = [Tensor(weight, requires_grad=True) for weight in weights]
    u3 = ag.relu(ag.from_numpy(x) @ w2.T + b2) @ w3.T + b3
    nn.cross_entropy(u3, ag.from_numpy(labels)).backward()
    return [parameter.grad.data for parameter in parameters if parameter.grad is not None]


WAYS: dict[str, Gradient] = {"by hand": gradient_by_hand, "with the engine": gradient_by_engine}


@dataclass(frozen=True)
class Descent:
    """How to descend: `batch` images at a time (0: all), over the training images `epochs` times."""

    batch: int
    lr: float
    epochs: int


@dataclass
class Course:
    """What a descent came to: the weights, and the test loss over epochs and over seconds."""

    weights: Weights
    epochs: list[float]
    seconds: list[float]
    losses: list[float]

    @property
    def rises(self) -> int:
        """At how many looks the loss was higher than at the one before."""
        return sum(b > a for a, b in pairwise(self.losses))


def batches(count: int, batch: int, epochs: int, seed: int) -> Iterator[Any]:
    """Which images make each step: all, or a share of them in an order that each epoch shuffles anew."""
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(count)
        yield from (order[i : i + batch] for i in range(0, count, batch)) if batch else [slice(None)]


def descend(gradient: Gradient, way: Descent, data: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> Course:
    """w ← w − η ∂L/∂w. The clock is the processor's, so that nothing else counts, and stands while the test loss is taken."""
    images, labels = data
    course = Course(initial(images.shape[1], seed), [], [], [])
    steps = way.epochs * (-(-len(images) // way.batch) if way.batch else 1)
    marks = set(np.geomspace(1, steps, MARKS).round().astype(int).tolist())
    seconds, started = 0.0, time.process_time()
    for step, rows in enumerate(batches(len(images), way.batch, way.epochs, seed), 1):
        for weight, slope in zip(course.weights, gradient(course.weights, images[rows], labels[rows]), strict=True):
            weight -= way.lr * slope
        if step in marks:
            seconds += time.process_time() - started
            course.epochs.append(step / steps * way.epochs)
            course.seconds.append(seconds)
            course.losses.append(loss_and_accuracy(course.weights, *test)[0])
            started = time.process_time()
    return course


def initial(pixels: int, seed: int, hidden: int = 100, classes: int = 10) -> Weights:
    rng = np.random.default_rng(seed)
    shapes = ((hidden, pixels), (classes, hidden))
    return [part for shape in shapes for part in (rng.normal(0, np.sqrt(2 / shape[1]), shape), np.zeros(shape[0]))]


def loss_and_accuracy(weights: Weights, x: Array, labels: Array) -> tuple[float, float]:
    w2, b2, w3, b3 = weights
    p = softmax(np.maximum(x @ w2.T + b2, 0) @ w3.T + b3)
    chosen = p[np.arange(len(p)), labels]
    return float(-np.log(chosen).mean()), float(np.mean(p.argmax(axis=1) == labels))


def flat(split: nn.data.Split) -> tuple[Array, Array]:
    return split.images.reshape(len(split), -1).astype(np.float64), split.labels


def exercise(study: Study, ways: dict[str, Descent]) -> str:
    data = study.data("mnist")
    train, test = flat(data.train), flat(data.test)
    courses = {
        (name, who): descend(gradient, way, train, test, study.seed)
        for name, way in ways.items()
        for who, gradient in WAYS.items()
    }
    hand, engine = ({name: courses[name, who] for name in ways} for who in WAYS)
    apart = {
        name: max(float(np.abs(a - b).max()) for a, b in zip(hand[name].weights, engine[name].weights, strict=True))
        for name in ways
    }
    study.table(
        "the same descent twice",
        [
            {"": name, **asdict(way), "largest difference of a weight": apart[name]}
            | {f"seconds {who}": courses[name, who].seconds[-1] for who in WAYS}
            | {f"test loss {who}": courses[name, who].losses[-1] for who in WAYS}
            | {"test accuracy": loss_and_accuracy(hand[name].weights, *test)[1]}
            for name, way in ways.items()
        ],
    )
    for unit in ("epochs", "seconds"):
        panels = {"test loss": {name: (getattr(course, unit), course.losses) for name, course in hand.items()}}
        plot_curves(study, f"loss-over-{unit}.png", panels, xlabel=f"{unit}, by hand", xscale="log", yscale="log")
    first, second, one = ways
    whole, small = hand[first], hand[second]
    reached = next(
        (t for t, loss in zip(small.seconds, small.losses, strict=True) if loss <= whole.losses[-1]), small.seconds[-1]
    )
    slower = {name: engine[name].seconds[-1] / hand[name].seconds[-1] for name in ways}
    return (
        f"The engine and the four lines by hand give the same weights, to within {max(apart.values()):.0e}. Gradient "
        f"descent needs every image for a step: it comes to a test loss of {whole.losses[-1]:.3f} in "
        f"{whole.seconds[-1]:.3g} s, which SGD has reached after {reached:.3g} s. With one image at a time the loss is "
        f"ragged: it had risen at {hand[one].rises} of {len(hand[one].losses)} looks, with all images at {whole.rises} "
        f"of {len(whole.losses)}. The engine takes {slower[one]:.1f} times as long as the hand for single images, where "
        f"its bookkeeping shows, and {slower[first]:.1f} times for all of them."
    )


if __name__ == "__main__":
    run(
        exercise,
        full={
            "ways": {
                "gradient descent": Descent(batch=0, lr=0.3, epochs=30),
                "SGD, batches of 100": Descent(batch=100, lr=0.1, epochs=5),
                "SGD, one image": Descent(batch=1, lr=0.01, epochs=1),
            }
        },
        quick={
            "ways": {
                "gradient descent": Descent(batch=0, lr=0.2, epochs=30),
                "SGD, batches of 20": Descent(batch=20, lr=0.1, epochs=5),
                "SGD, one image": Descent(batch=1, lr=0.01, epochs=1),
            }
        },
    )
