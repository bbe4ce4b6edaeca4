"""Ablation: minibatch discrimination, on a ring of eight Gaussians.

A discriminator that sees the distances between the examples of a batch can detect a collapsed generator, whose samples are
close together (Salimans et al. 2016, 3.2). A mode is covered if at least 1 % of the samples are near it; precision is the share
of samples near any mode. The discriminator has a tenth of the generator's learning rate, which makes collapse likely.

    python examples/ablations/ablation_minibatch_discrimination.py [--quick] [--out DIR]
"""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import models, nn, viz
from autograd_mini.examples.ablations.comparison import measure_all, present
from autograd_mini.examples.study import Study, run
from autograd_mini.models.metrics import mode_coverage
from autograd_mini.tensor import Array

MODES, RADIUS, STD = 8, 2.0, 0.05
NEAR = 4 * STD
SAMPLES = 2000
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = RADIUS * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)

ROWS = {"without": 0, "16 kernels": 16}  # number of kernels of minibatch discrimination


def train_and_sample(kernels: int, iterations: int, lr: float, seed: int) -> Array:
    """Trains a GAN and returns points that its generator draws, (2000, 2)."""
    points, modes = nn.data.gaussian_ring(20_000, MODES, RADIUS, STD, seed)
    ag.manual_seed(seed)
    gan = models.GAN((16, 2), width=128, norm="none", output="linear", minibatch=kernels, d_rate=0.1)
    batches = nn.data.DataLoader(points, modes, batch_size=64, shuffle=True, seed=seed)
    nn.Trainer(gan, gan.updates(lr), progress=False).fit(batches, iterations=iterations)
    return gan.sample(SAMPLES).numpy()


def ablation(study: Study, iterations: int, lr: float, seeds: int) -> str:
    def measure(name: str, kernels: int, seed: int) -> dict[str, Any]:
        points = train_and_sample(kernels, iterations, lr, seed)
        coverage = mode_coverage(points, CENTRES, NEAR)
        return {
            "modes": float(coverage.covered),
            "precision, %": float(100 * coverage.precision),
            "points": points.tolist(),
        }

    results = measure_all(study, ROWS, measure, seeds)
    samples = {name: [np.array(points) for points in columns.pop("points")] for name, columns in results.items()}
    conclusion = present(study, results, seeds)
    plot_samples(study, samples)
    covered = {name: columns["modes"] for name, columns in results.items()}
    each = "; ".join(f"{name}: median {median(modes):g}, fewest {min(modes):g}" for name, modes in covered.items())
    return f"{conclusion} Number of covered modes out of {MODES}: {each}."


def plot_samples(study: Study, samples: dict[str, list[Array]]) -> None:
    """Plots the samples and the modes, one row per variant and one column per seed."""
    from matplotlib.figure import Figure

    seeds = len(next(iter(samples.values())))
    drawing = Figure(figsize=(2 * seeds + 0.6, 2.2 * len(samples)), layout="constrained")
    panels = drawing.subplots(len(samples), seeds, squeeze=False, sharex=True, sharey=True)
    for row, (name, runs) in zip(panels, samples.items(), strict=True):
        row[0].set_ylabel(name)
        for axes, points in zip(row, runs, strict=True):
            axes.plot(*CENTRES.T, "x", color=viz.plots.canvas.COLOURS[1], markersize=8)
            axes.plot(*points.T, ".", color=viz.plots.canvas.COLOURS[0], markersize=2, alpha=0.3)
            axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
    viz.plots.canvas.save_figure(drawing, study.figure("samples.png"))


FULL = {"iterations": 3000, "lr": 1e-3, "seeds": 5}
QUICK = {"iterations": 20, "lr": 1e-3, "seeds": 2}

if __name__ == "__main__":
    run(ablation, FULL, QUICK)
