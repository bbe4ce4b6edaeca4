"""Generates images with a trained model: samples (of one class for conditional models) and interpolations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autograd_mini import viz

from . import datasets
from .classes import label_of
from .finished_run import FinishedRun
from .plots import INTERPOLATION, pictures, plots_of


def draw_samples(run: FinishedRun, n: int, path: Path, class_name: str | None = None) -> None:
    """Writes a grid of new images.

    Raises ValueError if the model cannot generate images, or cannot generate images of a requested class.

    Parameters
    ----------
    run         a finished run
    n           number of images
    path        output file
    class_name  class of all images, a name or a label; None: no class is requested

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_samples
    >>> from autograd_mini.cli.finished_run import FinishedRun
    >>> recipe, folder = RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_samples(FinishedRun(folder, recipe, recipe.build()), 9, folder / "samples.png")
    """
    model: Any = run.model
    if "samples" not in model.plots:
        raise ValueError(f"{run.recipe.model} cannot generate images")
    if class_name is not None and not model.conditional:
        raise ValueError(f"{run.recipe.model} is not conditional: it cannot generate images of a requested class")
    images = model.sample(n) if class_name is None else model.sample(n, label=label_of(run.recipe, class_name))
    shape = images.shape[1:] if images.ndim == 4 else datasets.image_shape(run.recipe)
    viz.plot_images(pictures(images, shape), path)


def draw_interpolation(run: FinishedRun, path: Path) -> None:
    """Writes rows of images that interpolate between two images in latent space.

    Raises ValueError if the model has no latent space.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_interpolation
    >>> from autograd_mini.cli.finished_run import FinishedRun
    >>> recipe, folder = RECIPES["ae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_interpolation(FinishedRun(folder, recipe, recipe.build()), folder / "interpolation.png")
    """
    plot = plots_of(run.model).get(INTERPOLATION)
    if plot is None:
        raise ValueError(f"{run.recipe.model} has no latent space to interpolate in")
    plot(run.model, datasets.load(run.recipe), path)
