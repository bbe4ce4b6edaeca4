"""Plots of GANs. Each function takes a model, its data and the file to write, as in `latent_plots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.gans.adversarial import AdversarialModel

from .latent_plots import PAIRS, SHOWN, pictures


def plot_samples(model: AdversarialModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots new images in a square grid."""
    viz.plot_images(pictures(model.sample(model.columns**2), model.image_shape), path, columns=model.columns)


def plot_interpolation(model: AdversarialModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots an interpolation between two latent points in each row, with one label per row for conditional models."""
    ends = model.noise(2 * PAIRS)
    lines = [model.interpolate(ends[i], ends[PAIRS + i], SHOWN, label=i % len(data.classes)) for i in range(PAIRS)]
    viz.plot_images(pictures(ag.concatenate(lines), model.image_shape), path, columns=SHOWN)


PLOTS: Final[tuple[tuple[str, type, Callable[[Any, nn.data.Dataset, Path], None]], ...]] = (
    ("samples.png", AdversarialModel, plot_samples),
    ("interpolation.png", AdversarialModel, plot_interpolation),
)
"""File name, the kind of model it applies to, and the plot function."""
