"""Generates images with a trained model: samples (of one class for conditional models) and interpolations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini import viz
from autograd_mini.tensor import Shape

from . import datasets
from .export import Draw, Format, generate, write_array, write_files
from .finished_run import FinishedRun
from .plots import INTERPOLATION, plots_of


def draw_samples(run: FinishedRun, n: int, path: Path, label: int | None = None) -> None:
    """Writes a grid of new images.

    Raises ValueError if the model cannot generate images, or cannot generate images of a requested class.

    Parameters
    ----------
    run    a finished run
    n      number of images
    path   output file
    label  class of all images; None: no class is requested

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_samples
    >>> from autograd_mini.cli.finished_run import FinishedRun
    >>> recipe, folder = RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_samples(FinishedRun(folder, recipe, recipe.build()), 9, folder / "samples.png")
    """
    draw, _ = _drawing(run, n, label)
    viz.plot_images(np.concatenate(list(generate(draw, n, sampled_shape(run)))), path)


def export_samples(run: FinishedRun, n: int, path: Path, kind: Format, label: int | None = None) -> None:
    """Writes new images at the resolution of the model: single PNG files to a folder, or one array to an .npz file.

    Conditional models give all classes in turn unless a class is requested; files or array then have labels. Parameters and
    errors are those of `draw_samples`; `kind` is "png" or "npz".

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.export import Format
    >>> from autograd_mini.cli.sampling import export_samples
    >>> from autograd_mini.cli.finished_run import FinishedRun
    >>> recipe, folder = RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> export_samples(FinishedRun(folder, recipe, recipe.build()), 3, folder / "images", Format.png)
    >>> len(list((folder / "images").iterdir()))
    3
    """
    draw, labels = _drawing(run, n, label)
    write = write_files if kind is Format.png else write_array
    write(draw, n, sampled_shape(run), path, labels)


def sampled_shape(run: FinishedRun) -> Shape:
    """Returns the shape (C, H, W) of the images that a model generates.

    >>> import pathlib
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import sampled_shape
    >>> from autograd_mini.cli.finished_run import FinishedRun
    >>> recipe = RECIPES["dcgan", "mnist"]
    >>> sampled_shape(FinishedRun(pathlib.Path("run"), recipe, recipe.build()))
    (1, 28, 28)
    """
    return getattr(run.model, "image_shape", None) or datasets.image_shape(run.recipe)


def _drawing(run: FinishedRun, n: int, label: int | None) -> tuple[Draw, NDArray[np.int64] | None]:
    """Returns what draws a batch of `n` images in all, and the labels of conditional models: one, or all in turn.

    Raises ValueError if the model cannot generate images, or not of a requested class.
    """
    model: Any = run.model
    if "samples" not in model.plots:
        raise ValueError(f"{run.recipe.model} cannot generate images")
    if not model.conditional:
        if label is not None:
            raise ValueError(f"{run.recipe.model} is not conditional: it cannot generate images of a requested class")
        return lambda count, first: model.sample(count), None
    labels = np.arange(n) % model.classes if label is None else np.full(n, label)
    return lambda count, first: model.sample(count, label=labels[first : first + count]), labels


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
    starts_from_images = "reconstructions" in run.model.plots  # a GAN starts from noise
    data: Any = datasets.load(run.recipe) if starts_from_images else None
    plot(run.model, data, path)
