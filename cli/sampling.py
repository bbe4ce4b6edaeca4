"""Generates images with a trained model: samples (of one class for conditional models) and interpolations."""

from __future__ import annotations

import inspect
from pathlib import Path

from autograd_mini import viz

from . import datasets
from .latent_plots import pictures
from .run import PLOTS
from .trained import Trained

INTERPOLATION = "interpolation.png"


def draw_samples(run: Trained, n: int, path: Path, label: int | None = None) -> None:
    """Writes a grid of `n` new images, of the class `label` if it is not None.

    Raises ValueError if the model cannot generate images, or cannot generate images of a requested class.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_samples
    >>> from autograd_mini.cli.trained import Trained
    >>> recipe, folder = RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_samples(Trained(folder, recipe, recipe.build()), 9, folder / "samples.png")
    """
    sample = getattr(run.model, "sample", None)
    if sample is None:
        raise ValueError(f"{run.recipe.model} cannot generate images")
    if label is None:
        images = sample(n)
    elif "label" in inspect.signature(sample).parameters:
        images = sample(n, label=label)
    else:
        raise ValueError(f"{run.recipe.model} is not conditional: it cannot generate images of a requested class")
    shape = images.shape[1:] if images.ndim == 4 else datasets.image_shape(run.recipe)
    viz.plot_images(pictures(images, shape), path)


def draw_interpolation(run: Trained, path: Path) -> None:
    """Writes rows of images that interpolate between two images in latent space.

    Raises ValueError if the model has no latent space.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_interpolation
    >>> from autograd_mini.cli.trained import Trained
    >>> recipe, folder = RECIPES["ae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_interpolation(Trained(folder, recipe, recipe.build()), folder / "interpolation.png")
    """
    plots = [plot for name, kind, plot in PLOTS if name == INTERPOLATION and isinstance(run.model, kind)]
    if not plots:
        raise ValueError(f"{run.recipe.model} has no latent space to interpolate in")
    plots[-1](run.model, datasets.load(run.recipe), path)
