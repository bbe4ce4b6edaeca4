"""Quality of generated samples: an Inception-style score, the Fréchet distance, class coverage, mode coverage of a mixture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from autograd_mini import nn
from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.plain_text import for_stdout

from .batches import images_per_batch
from .features import FeatureClassifier, Features
from .own_features import features_for

MAX_IMAGES: Final = 10_000  # images compared; fewer if the test set is smaller


# -- of features -----------------------------------------------------------------------------------------------------------


def inception_score(probabilities: ArrayLike) -> float:
    """Returns exp E_x KL(p(y|x) ‖ p(y)) for p(y|x) (N, classes) with mean p(y) (Salimans et al. 2016, section 4).

    The score is 1 if the classifier gives the same probabilities for every image. It equals the number of classes if every
    image belongs to one class with certainty and all classes are equally frequent. The paper uses Inception as the classifier;
    this library uses the classifier of the data set, so scores are not comparable with published ones.

    >>> from autograd_mini.models.metrics import inception_score
    >>> inception_score([[1.0, 0.0], [0.0, 1.0]]), inception_score([[0.5, 0.5], [0.5, 0.5]])
    (2.0, 1.0)
    """
    p = np.asarray(probabilities, float)
    logs = np.log(np.where(p > 0, p, 1)) - np.log(np.maximum(p.mean(axis=0), np.finfo(float).tiny))
    return float(np.exp(np.mean(np.sum(p * logs, axis=1))))


class Moments(NamedTuple):
    """The mean (F,) and the covariance matrix (F, F) of features."""

    mean: Array
    covariance: Array


def moments(features: ArrayLike) -> Moments:
    """Returns the mean and covariance of features (N, F). Raises ValueError if N is below 2 or the array is not 2-D.

    >>> from autograd_mini.models.metrics import moments
    >>> moments([[0.0, 1.0], [2.0, 1.0]]).covariance.tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    x = np.asarray(features, float)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"moments: expected features (N, F) of two or more images, got shape {x.shape}")
    return Moments(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False)))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Returns ‖μ_a − μ_b‖² + tr(C_a + C_b − 2 (C_a C_b)^½), the squared distance of two normals (Heusel et al. 2017, eq. 6).

    The trace of the root is Σ √λ over the eigenvalues λ of C_a^½ C_b C_a^½. This matrix is symmetric, so λ is real; values
    below 0, which come from rounding, count as 0. Raises ValueError if the numbers of features differ.

    >>> import numpy as np
    >>> from autograd_mini.models.metrics import Moments, frechet_distance
    >>> frechet_distance(Moments(np.zeros(2), np.eye(2)), Moments(np.array([3.0, 0.0]), 4 * np.eye(2)))  # 9 + 2 (1 + 4 − 2 · 2)
    11.0
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"frechet_distance: expected equally many features, got means of shape {a.mean.shape} and {b.mean.shape}"
        )
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ b.covariance @ root)
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.sum(np.square(a.mean - b.mean)) + traces)


def class_coverage(labels: ArrayLike, classes: int) -> Array:
    """Returns the share of each class among the images, (classes,).

    >>> from autograd_mini.models.metrics import class_coverage
    >>> class_coverage([0, 0, 1, 0], 3).tolist()
    [0.75, 0.25, 0.0]
    """
    numbers = np.asarray(labels, np.int64)
    return np.bincount(numbers, minlength=classes) / len(numbers)


def accuracy_per_class(labels: ArrayLike, requested: ArrayLike, classes: int) -> Array:
    """Returns, for each requested class, the share of its images that the classifier assigns to it, (classes,).

    >>> from autograd_mini.models.metrics import accuracy_per_class
    >>> accuracy_per_class([0, 0, 1, 0], [0, 0, 1, 1], 2).tolist()
    [1.0, 0.5]
    """
    predicted, wanted = np.asarray(labels), np.asarray(requested, np.int64)
    return np.bincount(wanted, predicted == wanted, classes) / np.maximum(np.bincount(wanted, minlength=classes), 1)


# -- of models -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerativeReport:
    """Metrics of generated images next to the same metrics of real ones; `str` formats them as text.

    If the features are of a network that knows no classes, the scores are nan, and there are no shares of classes.
    """

    images: int  # number of generated images
    score: float  # Inception-style score of the generated images
    real_score: float  # the same score of the test images
    frechet: float  # Fréchet distance from the generated to the test images
    real_frechet: float  # Fréchet distance from training to test images
    coverage: tuple[float, ...]  # share of each class among the generated images, in %
    features: str = "a CNN"  # the network whose penultimate activations are the features

    def __str__(self) -> str:
        distance = f"Fréchet distance {self.frechet:.1f} (real against real {self.real_frechet:.2f})"
        if not self.coverage:
            return for_stdout(f"{distance} in the features of {self.features}")
        shares = " ".join(f"{share:.1f}" for share in self.coverage)
        return for_stdout(
            f"score {self.score:.2f} (real images {self.real_score:.2f}), {distance}, "
            f"least frequent class {min(self.coverage):.1f} % ({shares})"
        )


class Judge:
    """Compares generated images with the test images of a data set, whose features are computed once.

    Fréchet distances use unscaled penultimate ReLU features of the network of `features_for(data)`. As many images are
    generated as there are test images, at most 10,000. The "real" distance compares training images with test images. Raises
    ValueError for fewer than two test images.

    >>> from autograd_mini import models, nn
    >>> from autograd_mini.models.metrics import Judge
    >>> judge = Judge(nn.data.digits())
    >>> blank = judge.report(lambda n: models.GAN((2, 1, 8, 8), width=4).sample(n))
    >>> blank.real_frechet < blank.frechet, 1 <= blank.score < blank.real_score < 10
    (True, True)
    """

    def __init__(self, data: nn.data.Dataset, classifier: FeatureClassifier | None = None) -> None:
        if len(data.test) < 2:
            raise ValueError(f"{data.name}: the Fréchet distance needs two or more test images, got {len(data.test)}")
        self.classifier = classifier or features_for(data)
        self.data = data
        self.images = min(MAX_IMAGES, len(data.test))
        self.real = self.classifier(data.test.images)
        self.target = moments(self.real.values)

    def features(self, sample: Callable[[int], Tensor]) -> Features:
        """Returns the features of `self.images` images, generated in batches by `sample(n)`."""
        count = images_per_batch(self.data.image_shape)
        sizes = [min(count, self.images - i) for i in range(0, self.images, count)]
        return self.classifier.from_batches(sample(n) for n in sizes)

    def frechet(self, features: Features) -> float:
        """Returns the Fréchet distance between these features and those of the test images."""
        return frechet_distance(moments(features.values), self.target)

    def report(self, sample: Callable[[int], Tensor]) -> GenerativeReport:
        """Returns all metrics of the images that `sample(n)` generates, and the same metrics of real images."""
        generated, train = self.features(sample), self.classifier(self.data.train.images[: self.images])
        classifies = self.classifier.classifies
        score, real_score = (inception_score(f.probabilities) if classifies else math.nan for f in (generated, self.real))
        shares = (100 * class_coverage(generated.labels, len(self.data.classes))).tolist() if classifies else ()
        distances = self.frechet(generated), self.frechet(train)
        return GenerativeReport(self.images, score, real_score, *distances, tuple(shares), self.classifier.description)


# -- of points -------------------------------------------------------------------------------------------------------------


class ModeReport(NamedTuple):
    """Mode coverage: the number of modes covered, their share (recall), and the share of points near a mode (precision)."""

    covered: int
    recall: float
    precision: float


def mode_coverage(points: ArrayLike, centres: ArrayLike, radius: float, min_share: float = 0.01) -> ModeReport:
    """Measures how well points cover the modes of a mixture.

    Parameters
    ----------
    points     (N, D)
    centres    centres of the modes, (M, D)
    radius     a point hits its nearest mode if it is at most this far from its centre
    min_share  a mode is covered if at least this share of all points hit it

    >>> from autograd_mini.models.metrics import mode_coverage
    >>> mode_coverage([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [0.5, 0.5]], [[0.0, 0.0], [1.0, 1.0]], radius=0.2)
    ModeReport(covered=1, recall=0.5, precision=0.5)
    """
    x, modes = np.asarray(points, float), np.asarray(centres, float)
    distances = np.linalg.norm(x[:, None] - modes, axis=2)
    nearest, near = distances.argmin(axis=1), distances.min(axis=1) <= radius
    hits = np.bincount(nearest[near], minlength=len(modes)) / len(x)
    covered = int(np.count_nonzero(hits >= min_share))
    return ModeReport(covered, covered / len(modes), float(near.mean()))
