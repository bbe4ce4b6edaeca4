"""Exercise 25: one hidden layer of 10 to 100,000 units.

With 100,000 units there are 79 million weights. With the gradient and Adam's two running means this takes 1.3 GB. Every width
is trained on the same images in the same order, with learning rate 0.03/√width, since in a wider layer more weights change an
output at once. With --jobs, the times are those of several runs at once.

    python examples/exercises/exercise_25_width.py [--quick] [--out DIR]
"""

from __future__ import annotations

import math
import time
import tracemalloc

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.examples.curves import plot_curves
from autograd_mini.examples.study import Study, run

Figures = dict[str, int | float]


def make_trainer(width: int, data: nn.data.Dataset, seed: int, batch: int) -> tuple[nn.Trainer, nn.data.DataLoader]:
    ag.manual_seed(seed)
    mlp = models.MLP((math.prod(data.image_shape), width, len(data.classes)))
    trainer = nn.Trainer(mlp, nn.Adam(mlp.parameters(), lr=0.03 / math.sqrt(width)), progress=False)
    return trainer, nn.data.DataLoader(data.train, batch_size=batch, shuffle=True, seed=seed)


def peak_memory(width: int, data: nn.data.Dataset, seed: int, batch: int) -> float:
    """Returns the peak memory, in MB, of building the network and two training steps."""
    tracemalloc.start()
    try:
        trainer, batches = make_trainer(width, data, seed, batch)
        trainer.fit(batches, iterations=2)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def measure(width: int, data: nn.data.Dataset, seed: int, epochs: int, batch: int) -> Figures:
    megabytes = peak_memory(width, data, seed, batch)
    trainer, batches = make_trainer(width, data, seed, batch)
    started = time.perf_counter()
    trainer.fit(batches, epochs)
    seconds = time.perf_counter() - started
    splits = {"training": data.train[: len(data.test)], "test": data.test[:]}
    metrics = {name: trainer.evaluate(nn.data.DataLoader(*split, batch_size=batch)) for name, split in splits.items()}
    return {
        "units": width,
        "parameters": sum(p.size for p in trainer.model.parameters()),
        "seconds per epoch": seconds / epochs,
        "peak memory, MB": megabytes,
        **{f"{name} accuracy": row["accuracy"] for name, row in metrics.items()},
    }


def exercise(study: Study, widths: list[int], epochs: int, batch: int) -> str:
    data = study.data("mnist")
    peak_memory(widths[0], data, study.seed, batch)  # loads modules, so that later measurements do not count them
    rows: list[Figures] = study.map(lambda width: measure(width, data, study.seed, epochs, batch), [(n,) for n in widths])
    study.table(f"one hidden layer, epochs: {epochs}, batches of {batch}", rows)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name in ("seconds per epoch", "peak memory, MB"):
        file = f"{name.split(',')[0].replace(' ', '-')}.png"
        plot_curves(study, file, {name: {name: (widths, columns[name])}}, xlabel="hidden units", xscale="log", yscale="log")
    accuracies = {name: (widths, columns[name]) for name in columns if name.endswith("accuracy")}
    plot_curves(study, "accuracy.png", {"accuracy": accuracies}, xlabel="hidden units", xscale="log")
    best = max(rows, key=lambda row: row["test accuracy"])
    first, last = rows[0], rows[-1]
    return (
        f"From {widths[0]} to {widths[-1]} units, memory grows from {first['peak memory, MB']:.0f} to "
        f"{last['peak memory, MB']:.0f} MB and the time per epoch from {first['seconds per epoch']:.2g} to "
        f"{last['seconds per epoch']:.2g} s; both are proportional to the width once matrix products dominate the overhead. "
        f"Test accuracy rises from {first['test accuracy']:.1%} to {best['test accuracy']:.1%} at {best['units']} units, "
        f"and is {last['test accuracy']:.1%} at {last['units']}: beyond a certain width, more units cost a lot and gain little."
    )


FULL = {"widths": [10, 100, 1000, 10_000, 100_000], "epochs": 1, "batch": 250}
QUICK = {"widths": [10, 100, 1000], "epochs": 5, "batch": 20}

if __name__ == "__main__":
    run(exercise, FULL, QUICK)
