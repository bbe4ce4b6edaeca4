"""What a trained model is worth, as tables: `EVALUATIONS` says which measures there are for which kind of model.

A measure is a function of a model, its data and K, the number of draws for the bounds on log p(x). It gives named tables.
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
from autograd_mini.models.recipes import RECIPES, Model
from autograd_mini.tensor import Tensor

from .tables import Rows

Tables = dict[str, Rows]

AT_ONCE: Final = 1000
NEIGHBOURS: Final = 5
POINTS: Final = 2000  # images whose neighbours in latent space are looked at


def classification(model: Classifier, data: nn.data.Dataset, k: int) -> Tables:
    """Accuracy on the test images, and which classes are taken for which."""
    answers = metrics.predictions(model, data.test)
    right = answers == data.test.labels
    rows = zip(data.classes, metrics.confusion_matrix(data.test.labels, answers, len(data.classes)), strict=True)
    return {
        "classification": [{"test images": len(right), "accuracy": float(right.mean()), "errors": int((~right).sum())}],
        "confusion: true class by row, answer by column": [
            {"": name, **dict(zip(data.classes, row.tolist(), strict=True))} for name, row in rows
        ],
    }


def reconstruction(model: LatentModel, data: nn.data.Dataset, k: int) -> Tables:
    """How near test images come back from latent space, and how well classes lie apart in it."""
    errors, points = [], []
    for images, _ in nn.data.DataLoader(data.test, batch_size=AT_ONCE):
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
    """Bounds on log p(x) in nats, and how many latent dimensions are in use; of binary images where it learnt from those."""
    images = ag.bernoulli(data.test.images).numpy() if model.binarize else data.test.images
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
    """Generated images in the eyes of the data set's own classifier, beside real ones; nothing where it has no classifier."""
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


def obedience(model: ConditionalGAN, data: nn.data.Dataset, k: int) -> Tables:
    """The share of generated images that the data set's own classifier takes for what was asked, class by class."""
    if ("cnn", data.name) not in RECIPES:
        return {}
    classes = range(model.classes)
    found = metrics.feature_classifier(data.name).from_batches(model.sample(AT_ONCE, label=c) for c in classes).labels
    shares = metrics.accuracy_per_class(found, np.repeat(classes, AT_ONCE), model.classes).tolist()
    named = dict(zip(data.classes, shares, strict=True))
    return {"share of images that are of the class asked for": [{"all": float(np.mean(shares)), **named}]}


EVALUATIONS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any, nn.data.Dataset, int], Tables]], ...]] = (
    (Classifier, classification),
    (LatentModel, reconstruction),
    (Variational, likelihood),
    ((Variational, AdversarialModel), generation),
    (ConditionalGAN, obedience),
)
"""A kind of model, and what is measured of it; a model of several kinds has all of theirs."""


def evaluate(model: Model, data: nn.data.Dataset, k: int, seed: int = 0) -> Tables:
    """All measures that fit the model, with random draws by `seed`.

    >>> from autograd_mini import nn
    >>> from autograd_mini.cli.evaluate import evaluate
    >>> from autograd_mini.models.recipes import RECIPES
    >>> list(evaluate(RECIPES["ae", "digits"].build(), nn.data.digits(), k=50))
    ['latent space']
    """
    ag.manual_seed(seed)
    found: Tables = {}
    for kind, measure in EVALUATIONS:
        if isinstance(model, kind):
            found |= measure(model, data, k)
    return found


def _images(sample: Tensor, data: nn.data.Dataset) -> Tensor:
    """Samples in the shape of images, where a model draws rows of pixels."""
    return ag.reshape(sample, len(sample), *data.image_shape) if sample.ndim == 2 else sample
