"""Exercise 27: seven optimizers, each with the same learning rates and the same budget.

Gradient descent, momentum, Adadelta, Adagrad, Adam, FTRL and RMSProp train the same network from the same weights on the same
batches. The learning rate is chosen on validation images and tested on test images. All other settings have their defaults;
momentum is 0.9.

    python examples/exercises/exercise_27_optimizers.py [--quick] [--out DIR]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import mean, stdev

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.nn.data.subsets import RowSource

OPTIMIZERS: dict[str, Callable[..., nn.Optimizer]] = {
    "GradientDescent": nn.SGD,
    "Momentum": partial(nn.SGD, momentum=0.9),
    "Adadelta": nn.Adadelta,
    "Adagrad": nn.Adagrad,
    "Adam": nn.Adam,
    "Ftrl": nn.FTRL,
    "RMSProp": nn.RMSprop,
}
CHANCE = 0.1  # the accuracy counted for a run that diverged

Curves = dict[str, list[float]]  # "loss", "val_loss", "val_accuracy": a value for each epoch


def train(
    make: Callable[..., nn.Optimizer], rate: float, splits: list[RowSource], epochs: int, seed: int
) -> tuple[Curves, float]:
    """Returns curves over the epochs and the final test accuracy; the accuracy of chance if training diverges."""
    training, validation, test = splits
    ag.manual_seed(seed)
    model = models.MLP()
    trainer = nn.Trainer(model, make(model.parameters(), lr=rate), progress=False)
    batches = nn.data.DataLoader(training, batch_size=64, shuffle=True, seed=seed)
    try:
        rows = trainer.fit(batches, epochs, nn.data.DataLoader(validation, batch_size=1000))
    except nn.DivergedError:
        return {"loss": [math.nan] * epochs, "val_loss": [math.nan] * epochs, "val_accuracy": [CHANCE] * epochs}, CHANCE
    curves = {column: [row[column] for row in rows] for column in ("loss", "val_loss", "val_accuracy")}
    return curves, trainer.evaluate(nn.data.DataLoader(test, batch_size=1000))["accuracy"]


def exercise(study: Study, rates: list[float], images: int, epochs: int, seeds: int) -> str:
    data = study.data("mnist")
    slices = nn.data.Subset(data.train, range(images)), nn.data.Subset(data.train, range(images, images + images // 5))
    splits: list[RowSource] = [*slices, data.test]
    cases = [(name, rate, study.seed + i) for name in OPTIMIZERS for rate in rates for i in range(seeds)]
    results = study.map(lambda name, rate, seed: train(OPTIMIZERS[name], rate, splits, epochs, seed), cases)
    runs: dict[tuple[str, float], list[tuple[Curves, float]]] = {}
    for (name, rate, _), result in zip(cases, results, strict=True):
        runs.setdefault((name, rate), []).append(result)
    final = {key: mean(curves["val_accuracy"][-1] for curves, _ in results) for key, results in runs.items()}
    best = {name: max(rates, key=lambda rate: final[name, rate]) for name in OPTIMIZERS}
    study.table(
        f"validation accuracy, %, after {epochs} epochs of {images} images; mean of {seeds} seed{'' if seeds == 1 else 's'}",
        [{"": name} | {f"{rate:g}": f"{100 * final[name, rate]:.1f}" for rate in rates} for name in OPTIMIZERS],
    )
    tested = {name: [100 * accuracy for _, accuracy in runs[name, best[name]]] for name in OPTIMIZERS}
    near = {name: sum(final[name, rate] > final[name, best[name]] - 0.02 for rate in rates) for name in OPTIMIZERS}
    study.table(
        "each at its best rate",
        [
            {
                "": name,
                "rate": f"{best[name]:g}",
                "test accuracy, %": f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if seeds > 1 else ""),
                "training loss": mean(curves["loss"][-1] for curves, _ in runs[name, best[name]]),
                "validation loss": mean(curves["val_loss"][-1] for curves, _ in runs[name, best[name]]),
                "rates within 2 points": near[name],
            }
            for name, values in tested.items()
        ],
    )
    plot_sweep(study, rates, final, {name: [curves for curves, _ in runs[name, best[name]]] for name in OPTIMIZERS})

    order = sorted(tested, key=lambda name: -mean(tested[name]))
    reached = [100 * final[name, best[name]] for name in OPTIMIZERS]
    among_optimizers = max(reached) - min(reached)
    among_rates = 100 * mean(final[name, best[name]] - mean(final[name, rate] for rate in rates) for name in OPTIMIZERS)
    widest = max(near.values())
    forgiving = ", ".join(name for name, count in near.items() if count == widest)
    return (
        f"On test images, each at its best learning rate, {order[0]} comes first ({mean(tested[order[0]]):.1f} %) and "
        f"{order[-1]} last ({mean(tested[order[-1]]):.1f} %); momentum is number {order.index('Momentum') + 1} of "
        f"{len(order)}. The best and the worst optimizer differ by {among_optimizers:.1f} points of validation accuracy; an "
        f"optimizer's best rate and the mean over its rates differ by {among_rates:.1f} points. Best rates lie between "
        f"{min(best.values()):g} and {max(best.values()):g}, so a learning rate means nothing without the name of its "
        f"optimizer. At most {widest} of {len(rates)} rates come within two points of an optimizer's best: {forgiving}."
    )


def plot_sweep(
    study: Study, rates: list[float], final: dict[tuple[str, float], float], curves: dict[str, list[Curves]]
) -> None:
    """Plots the sweep, and the training and validation loss of each optimizer at its best rate."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawing = Figure(figsize=(13, 4), layout="constrained")
    sweep, *losses = drawing.subplots(1, 3)
    for i, name in enumerate(OPTIMIZERS):
        style = {"color": viz.plots.canvas.COLOURS[i], "marker": viz.plots.canvas.MARKERS[i], "markersize": 4, "label": name}
        sweep.plot(rates, [100 * final[name, rate] for rate in rates], **style)
        for axes, column in zip(losses, ("loss", "val_loss"), strict=True):
            mean_curve = np.mean([curve[column] for curve in curves[name]], axis=0)
            axes.plot(range(1, len(mean_curve) + 1), mean_curve, **style)
    sweep.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy, %")
    for axes, what in zip(losses, ("training", "validation"), strict=True):
        axes.set(xlabel="epoch", ylabel=f"{what} loss at the best rate (nats)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in drawing.axes:
        axes.grid(alpha=0.25)
    drawing.legend(*sweep.get_legend_handles_labels(), loc="outside lower center", ncols=len(OPTIMIZERS))
    viz.plots.canvas.save_figure(drawing, study.figure("optimizers.png"))


RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0]
FULL = {"rates": RATES, "images": 10_000, "epochs": 5, "seeds": 3}
QUICK = {"rates": [1e-3, 1e-2, 1e-1, 1.0], "images": 150, "epochs": 4, "seeds": 1}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
