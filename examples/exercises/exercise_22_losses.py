"""Exercise 22: mean squared error against cross-entropy, for the same classifier from the same weights.

Both losses see the same softmax probabilities, the batches come in the same order, and each loss gets the learning rates of one
sweep, since the scale of its gradient is another.

    python examples/exercises/exercise_22_losses.py [--quick] [--out DIR]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import autograd_mini as ag
from autograd_mini import Tensor, models, nn
from autograd_mini.examples.curves import plot_curves
from autograd_mini.examples.study import Study, run

HIDDEN, BATCH = 128, 100


def squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """½ ‖p − t‖² for the probabilities p and the one-hot target t, as a mean over the batch."""
    t = ag.one_hot(labels, logits.shape[1])
    return ag.square(ag.softmax(logits, axis=1) - t).sum(axis=1).mean() / 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared error": squared_error, "cross-entropy": nn.cross_entropy}


def gradient(name: str, margin: float) -> float:
    """‖∂L/∂u‖ for one image of class 0 whose logit for class 1 is `margin` above the nine others."""
    logits = Tensor([[0.0, margin, *[0.0] * 8]], dtype="float64", requires_grad=True)
    LOSSES[name](logits, Tensor([0])).backward()
    return math.nan if logits.grad is None else float(ag.norm(logits.grad))


class Learner(models.MLP):
    """A classifier that learns by the loss of that name."""

    def __init__(self, name: str, pixels: int) -> None:
        super().__init__((pixels, HIDDEN, 10))
        self.loss = LOSSES[name]

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = batch
        logits = self(images)
        return {"loss": self.loss(logits, labels), "accuracy": ag.mean(ag.argmax(logits, axis=1) == labels)}


def learn(name: str, lr: float, epochs: int, data: nn.data.Dataset, seed: int) -> list[float]:
    """Accuracy on the test images after each epoch of plain SGD."""
    ag.manual_seed(seed)
    model = Learner(name, math.prod(data.image_shape))
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=lr), progress=False)
    batches = nn.data.DataLoader(data.train, batch_size=BATCH, shuffle=True, seed=seed)
    history = trainer.fit(batches, epochs, nn.data.DataLoader(data.test, batch_size=1000))
    return [row["val_accuracy"] for row in history]


def exercise(study: Study, rates: list[float], epochs: int) -> str:
    margins = [0.0, 2.0, 5.0, 10.0, 20.0]
    study.table(
        "‖∂L/∂u‖ for one image, by how surely it is taken for another class",
        [{"margin of the wrong logit": margin} | {name: gradient(name, margin) for name in LOSSES} for margin in margins],
    )
    data = study.data("mnist")
    curves = {(name, lr): learn(name, lr, epochs, data, study.seed) for name in LOSSES for lr in rates}
    study.table(
        f"accuracy on test images after {epochs} epochs",
        [{"learning rate": lr} | {name: curves[name, lr][-1] for name in LOSSES} for lr in rates],
    )
    best = {name: max(rates, key=lambda lr: curves[name, lr][-1]) for name in LOSSES}
    middle = rates[len(rates) // 2]
    x = range(1, epochs + 1)
    panels = {
        f"test accuracy, learning rate {middle:g}": {name: (x, curves[name, middle]) for name in LOSSES},
        "test accuracy, each at its best rate": {name: (x, curves[name, best[name]]) for name in LOSSES},
    }
    plot_curves(study, "accuracy.png", panels, xlabel="epoch")
    (squared, entropy), first = (curves[name, best[name]] for name in LOSSES), {n: curves[n, middle][0] for n in LOSSES}
    return (
        "Squared error carries the factor f′ of the softmax, so an image that is surely taken for another class hardly "
        "moves the weights, while cross-entropy's gradient p − t is then at its largest. With the learning rate "
        f"{middle:g} the accuracy after one epoch is {first['squared error']:.1%} by squared error and "
        f"{first['cross-entropy']:.1%} by cross-entropy. Each at its best rate ({best['squared error']:g} and "
        f"{best['cross-entropy']:g}), they end at {squared[-1]:.1%} and {entropy[-1]:.1%}."
    )


if __name__ == "__main__":
    run(exercise, full={"rates": [0.03, 0.1, 0.3, 1.0, 3.0], "epochs": 10}, quick={"rates": [0.03, 0.3, 1.0], "epochs": 3})
