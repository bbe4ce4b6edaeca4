"""Exercise 26: layers × nodes × batch over 100 epochs: the gap between training and validation, and early stopping.

Every network is trained on the same 3000 images of MNIST for all epochs, so that overfitting is visible. The validation losses
then show at which epoch early stopping would have ended each run, and which epoch it would have kept. The validation set is
2000 of the test images. Training on the whole set would take hours and show a smaller gap.

    python examples/exercises/exercise_26_depth_width_batch.py [--quick] [--out DIR]
"""

from __future__ import annotations

from itertools import product
from statistics import mean

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.study import Study, run
from autograd_mini.nn.training.trainer import Row

Key = tuple[int, int, int]  # hidden layers, nodes in each, batch size


def train_network(key: Key, train: nn.data.Split, validation: nn.data.Split, epochs: int, seed: int) -> list[Row]:
    """Returns the history of one network: means over each training epoch, and validation metrics after it."""
    layers, nodes, batch = key
    ag.manual_seed(seed)
    model = models.MLP((784, *[nodes] * layers, 10))
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-3), progress=False)
    batches = nn.data.DataLoader(train, batch_size=batch, shuffle=True, seed=seed)
    return trainer.fit(batches, epochs, nn.data.DataLoader(validation, batch_size=1000))


def early_stopping(losses: list[float], patience: int) -> tuple[int, int]:
    """Returns the epoch that early stopping keeps and the epoch at which it stops, counted from 1.

    >>> from autograd_mini.examples.exercises.exercise_26_depth_width_batch import early_stopping
    >>> early_stopping([3.0, 2.0, 2.5, 2.4, 1.0], patience=2)
    (2, 4)
    """
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best >= patience:
            return best + 1, epoch + 1
    return best + 1, len(losses)


def summary(key: Key, history: list[Row], patience: int) -> dict[str, int | float]:
    kept, end = early_stopping([row["val_loss"] for row in history], patience)
    last, best = history[-1], history[kept - 1]
    return {
        **dict(zip(("layers", "nodes", "batch"), key, strict=True)),
        "training %": 100 * last["accuracy"],
        "validation %": 100 * last["val_accuracy"],
        "gap": 100 * (last["accuracy"] - last["val_accuracy"]),
        "validation loss": last["val_loss"],
        "best epoch": kept,
        "stops at": end,
        "validation % kept": 100 * best["val_accuracy"],
        "validation loss kept": best["val_loss"],
    }


def exercise(
    study: Study, layers: list[int], nodes: list[int], batches: list[int], epochs: int, images: int, patience: int
) -> str:
    data = study.data("mnist")
    train = data.train.only(limit_per_class=images // 10)
    validation = nn.data.Split(*data.test[:2000])
    keys = list(product(layers, nodes, batches))
    trained = study.map(lambda *key: list(train_network(key, train, validation, epochs, study.seed)), keys)
    histories = dict(zip(keys, trained, strict=True))
    rows = [summary(key, history, patience) for key, history in histories.items()]
    study.table(f"{len(train)} images, {epochs} epochs; early stopping with patience {patience}", rows)
    extremes = {"smallest": (layers[0], nodes[0], batches[-1]), "largest": (layers[-1], nodes[-1], batches[0])}
    curves = {
        f"{name} {'×'.join(map(str, key))}, {split}": [row[column] for row in histories[key]]
        for name, key in extremes.items()
        for split, column in (("training", "loss"), ("validation", "val_loss"))
    }
    viz.plot_losses(curves, study.figure("losses.png"), ylabel="cross-entropy (nats)", title="hidden layers × nodes × batch")
    plot_accuracy(rows, study)

    best = max(rows, key=lambda row: row["validation % kept"])
    by_nodes = {n: mean(row["validation %"] for row in rows if row["nodes"] == n) for n in nodes}
    worse = sum(row["validation loss"] > row["validation loss kept"] for row in rows)
    saved = 1 - mean(row["stops at"] for row in rows) / epochs
    gained = mean(row["validation % kept"] - row["validation %"] for row in rows)
    end, kept = (mean(row[column] for row in rows) for column in ("validation loss", "validation loss kept"))
    gaps = [row["gap"] for row in rows]
    return (
        f"After {epochs} epochs, training accuracy is {min(gaps):.1f} to {max(gaps):.1f} points above validation accuracy. In "
        f"{worse} of {len(rows)} runs the validation loss was lower at an earlier epoch. Early stopping saves {saved:.0%} of "
        f"the epochs, ends at a validation loss of {kept:.2f} nats instead of {end:.2f}, and changes accuracy by {gained:+.2f} "
        "points on average. Mean validation accuracy after all epochs: "
        f"{', '.join(f'{value:.1f} % with {n} nodes' for n, value in by_nodes.items())}. The best accuracy with early stopping "
        f"is {best['validation % kept']:.1f} %, with hidden layers {'-'.join([str(best['nodes'])] * int(best['layers']))} and "
        f"batches of {best['batch']}."
    )


def plot_accuracy(rows: list[dict[str, int | float]], study: Study) -> None:
    """Plots validation accuracy after all epochs (solid) and with early stopping (dashed), one panel per batch size."""
    from matplotlib.figure import Figure

    sizes = sorted({row["batch"] for row in rows})
    drawing = Figure(figsize=(3.2 * len(sizes) + 1.5, 3.4), layout="constrained")
    for axes, batch in zip(drawing.subplots(1, len(sizes), sharey=True, squeeze=False)[0], sizes, strict=True):
        for i, layers in enumerate(sorted({row["layers"] for row in rows})):
            chosen = [row for row in rows if (row["batch"], row["layers"]) == (batch, layers)]
            style = {"color": viz.plots.canvas.COLOURS[i], "marker": viz.plots.canvas.MARKERS[i]}
            for column, line in (("validation %", "-"), ("validation % kept", "--")):
                label = f"{layers:g} hidden" if line == "-" else None
                axes.plot([r["nodes"] for r in chosen], [r[column] for r in chosen], line, label=label, **style)
        nodes = sorted({row["nodes"] for row in rows})
        axes.set(xscale="log", xlabel="nodes in each layer", title=f"batch {batch:g}")
        axes.set_xticks(nodes, [f"{n:g}" for n in nodes])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    drawing.axes[0].set_ylabel("validation accuracy, %\n(dashed: early stopping)")
    viz.plots.canvas.save_figure(drawing, study.figure("accuracy.png"))


FULL = {
    "layers": [1, 2, 3],
    "nodes": [16, 64, 256],
    "batches": [16, 64, 256],
    "epochs": 100,
    "images": 3000,
    "patience": 10,
}
QUICK = {"layers": [1, 2], "nodes": [16, 64], "batches": [16, 64], "epochs": 8, "images": 200, "patience": 2}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
