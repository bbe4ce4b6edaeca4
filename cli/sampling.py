"""Drawing from a trained model: new images, of a class if it can be asked for, and the way from one image to another."""

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
    """Writes `n` new images in a grid; ValueError where the model cannot draw any, or none of a class that is asked for.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_samples
    >>> from autograd_mini.cli.trained import Trained
    >>> recipe, folder = RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_samples(Trained(folder, recipe, recipe.build()), 9, folder / "samples.png")
    """
    sample = getattr(run.model, "sample", None)
    if sample is None:
        raise ValueError(f"{run.recipe.model} cannot draw new images")
    if label is None:
        images = sample(n)
    elif "label" in inspect.signature(sample).parameters:
        images = sample(n, label=label)
    else:
        raise ValueError(f"{run.recipe.model} draws without labels, and so no images of a class that is asked for")
    shape = images.shape[1:] if images.ndim == 4 else datasets.image_shape(run.recipe)
    viz.plot_images(pictures(images, shape), path)


def draw_interpolation(run: Trained, path: Path) -> None:
    """Writes rows of images, each the way through latent space from one image to another; ValueError where there is none.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.sampling import draw_interpolation
    >>> from autograd_mini.cli.trained import Trained
    >>> recipe, folder = RECIPES["ae", "digits"], pathlib.Path(tempfile.mkdtemp())
    >>> draw_interpolation(Trained(folder, recipe, recipe.build()), folder / "interpolation.png")
    """
    plots = [plot for name, kind, plot in PLOTS if name == INTERPOLATION and isinstance(run.model, kind)]
    if not plots:
        raise ValueError(f"{run.recipe.model} has no latent space to go through")
    plots[-1](run.model, datasets.load(run.recipe), path)
