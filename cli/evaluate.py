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
from autograd_mini.models.model import Model
from autograd_mini.models.recipes import RECIPES
from autograd_mini.tensor import Tensor

from .tables import Rows

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
    for images, _ in nn.data.DataLoader(data.test, batch_size=BATCH_SIZE):
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
    """Scores generated and real images with the data set's classifier; returns no tables if it has no classifier."""
    if ("cnn", data.name) not in RECIPES:
        return {}
    report = metrics.Judge(data).report(lambda n: _images(model.sample(n), data))
    return {
        f"{report.images} generated images": [
            {"": "generated", "score": report.score, "Fréchet distance": report.frechet},
            {"": "real", "score": report.real_score, "Fréchet distance": report.real_frechet},
        ],
        "generated images of each class, %": [dict(zip(data.classes, report.coverage, strict=True))],
    }


def label_accuracy(model: ConditionalGAN, data: nn.data.Dataset, k: int) -> Tables:
    """Returns how often the data set's classifier assigns generated images to the requested class, for each class."""
    if ("cnn", data.name) not in RECIPES:
        return {}
    classes = range(model.classes)
    predicted = metrics.feature_classifier(data.name).from_batches(model.sample(BATCH_SIZE, label=c) for c in classes).labels
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
    >>> nothing_to_measure(RECIPES["gan", "digits"].build(), "holidays")[:47]
    'GAN is evaluated by its generated images, which'
    """
    if not model.evaluations:
        return f"{type(model).__name__} has no evaluations"
    judged = ", ".join(name for kind, name in RECIPES if kind == "cnn")
    return (
        f"{type(model).__name__} is evaluated by its generated images, which a classifier of the data set scores; "
        f"there is one for {judged}, but none for {data}"
    )


def _images(sample: Tensor, data: nn.data.Dataset) -> Tensor:
    """Reshapes samples to images if the model generates flat rows of pixels."""
    return ag.reshape(sample, len(sample), *data.image_shape) if sample.ndim == 2 else sample
