"""The plots of a run: `PLOTS` lists those of a trained model by the names that models use, `plot_history` plots training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models import metrics
from autograd_mini.models.autoencoders.denoising import DenoisingAutoencoder
from autograd_mini.models.autoencoders.latent import LatentModel
from autograd_mini.models.classifiers.base import Classifier
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.model import Model
from autograd_mini.tensor import Array, Shape, TensorLike, as_tensor

SHOWN: Final = 10  # images per row
BALANCE: Final = "balance.png"
PAIRS: Final = 8  # rows of interpolation
POINTS: Final = 1000  # images in the plot of latent space
ONE_POINT: Final = 1e-6  # test images that differ less than this share of their coordinates are one point of latent space
CURVES: Final = {
    "loss": {"loss": "training", "val_loss": "test", "d_loss": "discriminator", "g_loss": "generator"},
    "accuracy": {"accuracy": "training", "val_accuracy": "test", "d_accuracy": "training"},
    "errors": {"errors": "misclassified test images"},
    "frechet": {"frechet": "Fréchet distance from test images"},
}
"""The plots of the training history: metrics and the labels of their curves."""


def pictures(images: TensorLike, shape: Shape) -> Array:
    """Reshapes N images of `shape`, (H, W) or (C, H, W), to the layout that plots expect, (N, H, W[, C]) in [0, 1].

    Values outside are clipped: outputs of a Gaussian decoder may lie outside by a little.

    >>> import numpy as np
    >>> from autograd_mini.cli.plots import pictures
    >>> pictures(np.zeros((5, 3072)), (3, 32, 32)).shape, pictures(np.zeros((5, 64)), (1, 8, 8)).shape
    ((5, 32, 32, 3), (5, 8, 8))
    """
    array = np.clip(as_tensor(images).numpy(), 0, 1)
    array = array.reshape(len(array), *shape)
    if array.ndim == 3:
        return array
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)


def plot_reconstructions(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots test images above their reconstructions."""
    images = data.test.images[:SHOWN]
    originals, restored = (pictures(x, data.image_shape) for x in (images, model.reconstruct(images)))
    viz.plot_reconstructions(originals, restored, path, image_shape=originals.shape[1:])


def plot_denoising(model: DenoisingAutoencoder, data: nn.data.Dataset, path: Path) -> None:
    """Plots test images, corrupted images and restored images in three rows."""
    images = data.test.images[:SHOWN]
    with ag.no_grad():
        corrupted = model.corrupt(as_tensor(images))
    rows = [pictures(x, data.image_shape) for x in (images, corrupted, model.reconstruct(corrupted))]
    viz.plot_images(np.concatenate(rows), path, columns=SHOWN, title="clean, corrupted, restored")


def plot_latent(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots test images as points in latent space, coloured by class; projects more than two dimensions by PCA."""
    points, labels = _points(model, data), data.test.labels[:POINTS]
    dimensions = points.shape[1] if len(points) > 1 else 0  # PCA needs at least two points
    if dimensions == 2:
        viz.plot_scatter(points, labels, path, classes=data.classes, title="test images in latent space")
    elif dimensions > 2:
        title = f"test images in latent space, {dimensions} dimensions projected by PCA"
        axes = {"xlabel": "first principal component", "ylabel": "second principal component"}
        viz.plot_scatter(principal_components(points, 2), labels, path, classes=data.classes, title=title, **axes)


def plot_plane(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots decoded images on a square grid around the test images; only for two latent dimensions."""
    points = _points(model, data)
    if points.shape[1] != 2:
        return
    low, high = np.quantile(points.astype(np.float64), (0.02, 0.98), axis=0)
    half = (high - low).max() / 2  # the same in both directions, to keep the aspect ratio
    if half <= ONE_POINT * np.abs(points).max():
        half = 1.0
    (left, bottom), (right, top) = ((low + high) / 2 - half).tolist(), ((low + high) / 2 + half).tolist()
    viz.plot_latent_plane(
        lambda z: pictures(model.decode(z), data.image_shape),
        path,
        image_shape=pictures(data.test.images[:1], data.image_shape).shape[1:],
        extent=(left, right, bottom, top),
    )


def plot_interpolation(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots an interpolation in latent space between two images in each row: of the test images, or of all if those are few."""
    images = np.concatenate([part.images[: 2 * PAIRS] for part in (data.test, data.train)])[: 2 * PAIRS]
    pairs = len(images) // 2
    lines = [model.interpolate(images[i], images[pairs + i], SHOWN) for i in range(pairs)]
    viz.plot_images(pictures(ag.concatenate(lines), data.image_shape), path, columns=SHOWN)


def plot_noise_interpolation(model: AdversarialModel, data: nn.data.Dataset, path: Path) -> None:
    """Plots an interpolation between two latent points in each row, with one label per row for conditional models."""
    ends = model.noise(2 * PAIRS)
    classes = getattr(model, "classes", 1)
    lines = [model.interpolate(ends[i], ends[PAIRS + i], SHOWN, label=i % classes) for i in range(PAIRS)]
    viz.plot_images(pictures(ag.concatenate(lines), model.image_shape), path, columns=SHOWN)


def plot_samples(model: Any, data: nn.data.Dataset, path: Path) -> None:
    """Plots new images in a square grid."""
    images = model.sample(model.columns**2)
    viz.plot_images(pictures(images, images.shape[1:] if images.ndim == 4 else data.image_shape), path, columns=model.columns)


def plot_confusion(model: Classifier, data: nn.data.Dataset, path: Path) -> None:
    """Plots how many test images of each class are predicted as each class."""
    answers = metrics.predictions(model, data.test)
    viz.plot_confusion(data.test.labels, answers, path, classes=data.classes, title="test images")


INTERPOLATION: Final = "interpolation.png"
PLOTS: Final[dict[str, tuple[str, Callable[[Any, nn.data.Dataset, Path], None]]]] = {
    "confusion": ("confusion.png", plot_confusion),
    "reconstructions": ("reconstructions.png", plot_reconstructions),
    "restored": ("restored.png", plot_denoising),
    "latent": ("latent.png", plot_latent),
    "plane": ("plane.png", plot_plane),
    "interpolation": (INTERPOLATION, plot_interpolation),
    "noise_interpolation": (INTERPOLATION, plot_noise_interpolation),
    "samples": ("samples.png", plot_samples),
}
"""Name of the plot -> file name, and function of a model, its data and the path of the file."""


def plots_of(model: Model) -> dict[str, Callable[[Any, nn.data.Dataset, Path], None]]:
    """Returns the plots that apply to a model: the plot function by the name of its file.

    >>> from autograd_mini.cli.plots import plots_of
    >>> from autograd_mini.models.recipes import RECIPES
    >>> list(plots_of(RECIPES["dcgan", "digits"].build()))
    ['samples.png', 'interpolation.png']
    """
    return dict(PLOTS[name] for name in model.plots)


def plot_history(history: Sequence[Mapping[str, float]], unit: str, folder: Path) -> None:
    """Plots the curves of `CURVES` that the history contains and, for GANs with probabilities, D(x) and D(G(z))."""

    def curve(key: str) -> dict[float, float]:
        return {row[unit]: row[key] for row in history if key in row}

    for file, names in CURVES.items():
        curves = {label: curve(key) for key, label in names.items()}
        if any(curves_with_data := {label: values for label, values in curves.items() if values}):
            viz.plot_losses(curves_with_data, folder / f"{file}.png", xlabel=unit, ylabel=file)
    real, fake = curve("d_real"), curve("d_fake")
    if real and all(0 <= value <= 1 for value in (*real.values(), *fake.values())):
        viz.plot_gan(real, fake, folder / BALANCE, xlabel=unit)


def principal_components(points: Array, count: int) -> Array:
    """Projects points (N, D) onto their `count` directions of largest variance, (N, count); Pearson 1901.

    >>> import numpy as np
    >>> from autograd_mini.cli.plots import principal_components
    >>> np.abs(principal_components(np.array([[3.0, 4.0], [0.0, 0.0], [-3.0, -4.0]]), 1)).round(6).ravel()
    array([5., 0., 5.])
    """
    centred = points - points.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2]
    return centred @ directions[:count].T


def _points(model: LatentModel, data: nn.data.Dataset) -> Array:
    with ag.no_grad():
        return model.latent(data.test.images[:POINTS]).numpy()
