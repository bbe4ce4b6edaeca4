"""Exercise 22: mean squared error compared with cross-entropy, for one classifier with the same initial weights.

Both losses use the softmax probabilities and the same order of batches. Since their gradients have different scales, each loss
is trained with every learning rate of a sweep.

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
    """Returns ½ ‖p − t‖² for the probabilities p and the one-hot target t, averaged over the batch."""
    t = ag.one_hot(labels, logits.shape[1])
    return ag.square(ag.softmax(logits, axis=1) - t).sum(axis=1).mean() / 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared error": squared_error, "cross-entropy": nn.cross_entropy}


def gradient(name: str, margin: float) -> float:
    """Returns ‖∂L/∂u‖ for an image of class 0 if the logit of class 1 is `margin` above the nine others."""
    logits = Tensor([[0.0, margin, *[0.0] * 8]], dtype="float64", requires_grad=True)
    LOSSES[name](logits, Tensor([0])).backward()
    return math.nan if logits.grad is None else float(ag.norm(logits.grad))


class Classifier(models.MLP):
    """A classifier trained with the named loss."""

    def __init__(self, name: str, pixels: int) -> None:
        super().__init__((pixels, HIDDEN, 10))
        self.loss = LOSSES[name]

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = batch
        logits = self(images)
        return {"loss": self.loss(logits, labels), "accuracy": ag.mean(ag.argmax(logits, axis=1) == labels)}


def train(name: str, lr: float, epochs: int, data: nn.data.Dataset, seed: int) -> list[float]:
    """Returns the test accuracy after each epoch of SGD without momentum."""
    ag.manual_seed(seed)
    model = Classifier(name, math.prod(data.image_shape))
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=lr), progress=False)
    batches = nn.data.DataLoader(data.train, batch_size=BATCH, shuffle=True, seed=seed)
    history = trainer.fit(batches, epochs, nn.data.DataLoader(data.test, batch_size=1000))
    return [row["val_accuracy"] for row in history]


def exercise(study: Study, rates: list[float], epochs: int) -> str:
    margins = [0.0, 2.0, 5.0, 10.0, 20.0]
    study.table(
        "‖∂L/∂u‖ for one image, by the confidence in a wrong class",
        [{"margin of the wrong logit": margin} | {name: gradient(name, margin) for name in LOSSES} for margin in margins],
    )
    data = study.data("mnist")
    curves = {(name, lr): train(name, lr, epochs, data, study.seed) for name in LOSSES for lr in rates}
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
        "The gradient of the squared error contains the factor f′ of the softmax, so an image with a confident wrong answer "
        "hardly changes the weights, whereas the gradient p − t of cross-entropy is largest in that case. With learning rate "
        f"{middle:g} the accuracy after one epoch is {first['squared error']:.1%} with squared error and "
        f"{first['cross-entropy']:.1%} with cross-entropy. Each at its best rate ({best['squared error']:g} and "
        f"{best['cross-entropy']:g}), they reach {squared[-1]:.1%} and {entropy[-1]:.1%}."
    )


FULL = {"rates": [0.03, 0.1, 0.3, 1.0, 3.0], "epochs": 10}
QUICK = {"rates": [0.03, 0.3, 1.0], "epochs": 3}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
