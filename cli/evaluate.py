"""Evaluates a trained model: `EVALUATIONS` lists the evaluations by the names that models use.

An evaluation takes a model, its data and K, the number of samples for the bounds on log p(x). It returns named tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.models import metrics
from autograd_mini.models.autoencoders.latent import LatentModel
from autograd_mini.models.autoencoders.variational import Variational
from autograd_mini.models.classifiers.base import Classifier
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.gans.conditional_gan import ConditionalGAN
from autograd_mini.models.metrics.batches import images_per_batch
from autograd_mini.models.model import Model
from autograd_mini.nn.extras import say
from autograd_mini.tensor import Tensor

from .tables import Cell, Rows

Tables = dict[str, Rows]

BATCH_SIZE: Final = 1000
NEIGHBOURS: Final = 5
POINTS: Final = 2000  # images whose nearest neighbours in latent space are compared


def classification(model: Classifier, data: nn.data.Dataset, k: int) -> Tables:
    """Returns the accuracy on the test images and the confusion matrix."""
    predicted = metrics.predictions(model, data.test)
    correct = predicted == data.test.labels
    rows = zip(data.classes, metrics.confusion_matrix(data.test.labels, predicted, len(data.classes)), strict=True)
    return {
        "classification": [{"test images": len(correct), "accuracy": float(correct.mean()), "errors": int((~correct).sum())}],
        "confusion: true class by row, predicted class by column": [
            {"": name, **dict(zip(data.classes, row.tolist(), strict=True))} for name, row in rows
        ],
    }


def reconstruction(model: LatentModel, data: nn.data.Dataset, k: int) -> Tables:
    """Returns the reconstruction error on test images and the accuracy of nearest neighbours in latent space."""
    errors, points = [], []
    for images, _ in nn.data.DataLoader(data.test, batch_size=images_per_batch(data.image_shape)):
        errors.append(np.square((model.reconstruct(images) - images).numpy()).reshape(len(images), -1).mean(axis=1))
        with ag.no_grad():
            points.append(model.latent(images).numpy())
    latent = np.concatenate(points)[:POINTS]
    table: dict[str, Any] = {
        "dimensions": latent.shape[1],
        "squared error of a pixel": float(np.concatenate(errors).mean()),
    }
    if len(latent) > NEIGHBOURS:
        nearest = metrics.knn_accuracy(latent, data.test.labels[:POINTS], NEIGHBOURS)
        table[f"leave-one-out {NEIGHBOURS}-NN accuracy"] = nearest
    return {"latent space": [table]}


def likelihood(model: Variational, data: nn.data.Dataset, k: int) -> Tables:
    """Returns bounds on log p(x) in nats and the number of active latent dimensions.

    Images are binarized if the model was trained on binarized images."""
    images = ag.bernoulli(data.test.images).numpy() if model.config.binarize else data.test.images
    bound = f"−L_{k}"
    return {
        "likelihood, nats per test image": [
            {
                "−ELBO": float(-metrics.elbo(model, images).mean()),
                bound: metrics.negative_log_likelihood(model, images, k),
                "active units": metrics.active_units(model, images),
            }
        ]
    }


def generation(model: Variational | AdversarialModel, data: nn.data.Dataset, k: int) -> Tables:
    """Compares generated and real images in the features of a classifier, or of a network with random weights."""
    if len(data.test) < 2:
        say(f"the Fréchet distance needs two or more test images, {data.name} has {len(data.test)}")
        return {}
    report = metrics.Judge(data).report(lambda n: _images(model.sample(n), data))
    scores = {"generated": report.score, "real": report.real_score}
    distances = {"generated": report.frechet, "real": report.real_frechet}
    known = {"score": scores, "Fréchet distance": distances} if report.coverage else {"Fréchet distance": distances}
    rows: list[dict[str, Cell]] = [{"": kind, **{name: values[kind] for name, values in known.items()}} for kind in distances]
    tables: Tables = {f"{report.images} generated images, in the features of {report.features}": rows}
    if report.coverage:
        tables["generated images of each class, %"] = [dict(zip(data.classes, report.coverage, strict=True))]
    return tables


def label_accuracy(model: ConditionalGAN, data: nn.data.Dataset, k: int) -> Tables:
    """Returns how often a classifier of the data assigns generated images to the requested class, for each class."""
    classifier = metrics.features_for(data)
    if not classifier.classifies:
        return {}
    classes, count = range(model.classes), images_per_batch(data.image_shape)
    sizes = [min(count, BATCH_SIZE - i) for i in range(0, BATCH_SIZE, count)]
    predicted = classifier.from_batches(model.sample(size, label=c) for c in classes for size in sizes).labels
    shares = metrics.accuracy_per_class(predicted, np.repeat(classes, BATCH_SIZE), model.classes).tolist()
    return {
        "share of images that have the requested class": [
            {"all": float(np.mean(shares)), **dict(zip(data.classes, shares, strict=True))}
        ]
    }


EVALUATIONS: Final[dict[str, Callable[[Any, nn.data.Dataset, int], Tables]]] = {
    evaluation.__name__: evaluation for evaluation in (classification, reconstruction, likelihood, generation, label_accuracy)
}


def evaluate(model: Model, data: nn.data.Dataset, k: int, seed: int = 0) -> Tables:
    """Returns the tables of all evaluations that apply to the model.

    Parameters
    ----------
    model  a trained model
    data   its data set
    k      number of samples for the bounds on log p(x)
    seed   seed of the random numbers

    >>> from autograd_mini import nn
    >>> from autograd_mini.cli.evaluate import evaluate
    >>> from autograd_mini.models.recipes import RECIPES
    >>> list(evaluate(RECIPES["ae", "digits"].build(), nn.data.digits(), k=50))
    ['latent space']
    """
    ag.manual_seed(seed)
    tables: Tables = {}
    for name in model.evaluations:
        tables |= EVALUATIONS[name](model, data, k)
    return tables


def nothing_to_measure(model: Model, data: str) -> str:
    """Returns why no evaluation applies to a model and its data.

    >>> from autograd_mini.cli.evaluate import nothing_to_measure
    >>> from autograd_mini.models.recipes import RECIPES
    >>> nothing_to_measure(RECIPES["gan", "digits"].build(), "holidays")
    'GAN is evaluated by generated images, which are compared with two or more test images; holidays has fewer'
    """
    name = type(model).__name__
    if not model.evaluations:
        return f"{name} has no evaluations"
    return f"{name} is evaluated by generated images, which are compared with two or more test images; {data} has fewer"


def _images(sample: Tensor, data: nn.data.Dataset) -> Tensor:
    """Reshapes samples to images if the model generates flat rows of pixels."""
    return ag.reshape(sample, len(sample), *data.image_shape) if sample.ndim == 2 else sample
