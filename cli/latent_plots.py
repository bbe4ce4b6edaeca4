"""Plots of models with a latent space, each a function of a model, its data and the file to write. `PLOTS` is the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.autoencoders.denoising import DenoisingAutoencoder
from autograd_mini.models.autoencoders.latent import LatentModel
from autograd_mini.models.autoencoders.variational import Variational
from autograd_mini.tensor import Array, Shape, TensorLike, as_tensor

SHOWN: Final = 10  # images beside what the model makes of them
PAIRS: Final = 8  # rows of interpolation
SAMPLES: Final = 64
POINTS: Final = 1000  # images in the picture of latent space


def pictures(images: TensorLike, shape: Shape) -> Array:
    """N images of `shape`, (H, W) or (C, H, W), in any shape that starts with N, as plots take them: (N, H, W[, 3]).

    >>> import numpy as np
    >>> from autograd_mini.cli.latent_plots import pictures
    >>> pictures(np.zeros((5, 3072)), (3, 32, 32)).shape, pictures(np.zeros((5, 64)), (1, 8, 8)).shape
    ((5, 32, 32, 3), (5, 8, 8))
    """
    array = as_tensor(images).numpy()
    array = array.reshape(len(array), *shape)
    if array.ndim == 3:
        return array
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)


def plot_reconstructions(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Test images, and below what comes back from latent space."""
    images = data.test.images[:SHOWN]
    originals, restored = (pictures(x, data.image_shape) for x in (images, model.reconstruct(images)))
    viz.plot_reconstructions(originals, restored, path, image_shape=originals.shape[1:])


def plot_restored(model: DenoisingAutoencoder, data: nn.data.Dataset, path: Path) -> None:
    """Test images, how they are corrupted, and what the model makes of that, in three rows."""
    images = data.test.images[:SHOWN]
    with ag.no_grad():
        corrupted = model.corrupt(as_tensor(images))
    rows = [pictures(x, data.image_shape) for x in (images, corrupted, model.reconstruct(corrupted))]
    viz.plot_images(np.concatenate(rows), path, columns=SHOWN, title="clean, corrupted, restored")


def plot_latent(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Test images as points in latent space, coloured by class; of more than two dimensions, the two principal components."""
    points, labels = _points(model, data), data.test.labels[:POINTS]
    dimensions = points.shape[1] if len(points) > 1 else 0  # a single point has no place among others
    if dimensions == 2:
        viz.plot_scatter(points, labels, path, title="test images in latent space")
    elif dimensions > 2:
        title = f"test images in latent space, {dimensions} dimensions projected by PCA"
        axes = {"xlabel": "first principal component", "ylabel": "second principal component"}
        viz.plot_scatter(principal_components(points, 2), labels, path, title=title, **axes)


def plot_plane(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """What the decoder makes of a square of the plane around the test images; for two latent dimensions alone."""
    points = _points(model, data)
    if points.shape[1] != 2:
        return
    low, high = np.quantile(points, (0.02, 0.98), axis=0)
    half = (high - low).max() / 2  # the same both ways, so that images keep their shape
    (left, bottom), (right, top) = ((low + high) / 2 - half).tolist(), ((low + high) / 2 + half).tolist()
    viz.plot_latent_plane(
        lambda z: pictures(model.decode(z), data.image_shape),
        path,
        image_shape=pictures(data.test.images[:1], data.image_shape).shape[1:],
        extent=(left, right, bottom, top),
    )


def plot_interpolation(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """In each row the way through latent space from one test image to another."""
    images = data.test.images
    if len(images) >= 2 * PAIRS:
        lines = [model.interpolate(images[i], images[PAIRS + i], SHOWN) for i in range(PAIRS)]
        viz.plot_images(pictures(ag.concatenate(lines), data.image_shape), path, columns=SHOWN)


def plot_samples(model: Variational, data: nn.data.Dataset, path: Path) -> None:
    """New images."""
    viz.plot_images(pictures(model.sample(SAMPLES), data.image_shape), path)


PLOTS: Final[tuple[tuple[str, type, Callable[[Any, nn.data.Dataset, Path], None]], ...]] = (
    ("reconstructions.png", LatentModel, plot_reconstructions),
    ("restored.png", DenoisingAutoencoder, plot_restored),
    ("latent.png", LatentModel, plot_latent),
    ("plane.png", LatentModel, plot_plane),
    ("interpolation.png", LatentModel, plot_interpolation),
    ("samples.png", Variational, plot_samples),
)
"""File name, the kind of model that has such a plot, and who draws it."""


def principal_components(points: Array, count: int) -> Array:
    """Points (N, D) projected onto their `count` directions of largest variance, (N, count); Pearson 1901.

    >>> import numpy as np
    >>> from autograd_mini.cli.latent_plots import principal_components
    >>> np.abs(principal_components(np.array([[3.0, 4.0], [0.0, 0.0], [-3.0, -4.0]]), 1)).round(6).ravel()
    array([5., 0., 5.])
    """
    centred = points - points.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2]
    return centred @ directions[:count].T


def _points(model: LatentModel, data: nn.data.Dataset) -> Array:
    with ag.no_grad():
        return model.latent(data.test.images[:POINTS]).numpy()
