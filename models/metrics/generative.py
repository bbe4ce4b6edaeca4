"""How good generated images are: an Inception-style score, the Fréchet distance, classes covered; modes of a mixture hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from autograd_mini import nn
from autograd_mini.tensor import Array, Tensor

from .features import IMAGES_PER_BATCH, FeatureClassifier, Features, feature_classifier

MAX_IMAGES: Final = 10_000  # images compared, unless there are fewer test images


# -- of features -----------------------------------------------------------------------------------------------------------


def inception_score(probabilities: ArrayLike) -> float:
    """exp E_x KL(p(y|x) ‖ p(y)) for p(y|x) (N, classes), p(y) being their mean (Salimans et al. 2016, section 4).

    From 1, if every image looks the same to the classifier, to the number of classes, if each image surely is of one class
    and all are equally frequent. The paper's classifier is Inception; ours is the data set's own, so its scores are others.

    >>> from autograd_mini.models.metrics import inception_score
    >>> inception_score([[1.0, 0.0], [0.0, 1.0]]), inception_score([[0.5, 0.5], [0.5, 0.5]])
    (2.0, 1.0)
    """
    p = np.asarray(probabilities, float)
    logs = np.log(np.where(p > 0, p, 1)) - np.log(np.maximum(p.mean(axis=0), np.finfo(float).tiny))
    return float(np.exp(np.mean(np.sum(p * logs, axis=1))))


class Moments(NamedTuple):
    """The mean (F,) and the covariance (F, F) of features."""

    mean: Array
    covariance: Array


def moments(features: ArrayLike) -> Moments:
    """Of features (N, F), N ≥ 2 (ValueError otherwise).

    >>> from autograd_mini.models.metrics import moments
    >>> moments([[0.0, 1.0], [2.0, 1.0]]).covariance.tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    x = np.asarray(features, float)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"moments: expected features (N, F) of two or more images, got shape {x.shape}")
    return Moments(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False)))


def frechet_distance(a: Moments, b: Moments) -> float:
    """‖μ_a − μ_b‖² + tr(C_a + C_b − 2 (C_a C_b)^½), the squared distance of two normals (Heusel et al. 2017, eq. 6).

    The trace of the root is Σ √λ over the eigenvalues λ of C_a^½ C_b C_a^½: symmetric, so that they are real, and rounding
    below 0 is cut off. ValueError where the numbers of features differ.

    >>> import numpy as np
    >>> from autograd_mini.models.metrics import Moments, frechet_distance
    >>> frechet_distance(Moments(np.zeros(2), np.eye(2)), Moments(np.array([3.0, 0.0]), 4 * np.eye(2)))  # 9 + 2 (1 + 4 − 2 · 2)
    11.0
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"frechet_distance: {a.mean.shape} features and {b.mean.shape}")
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    crossed = np.linalg.eigvalsh(root @ b.covariance @ root)
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.maximum(crossed, 0)).sum()
    return float(np.sum(np.square(a.mean - b.mean)) + traces)


def class_coverage(labels: ArrayLike, classes: int) -> Array:
    """The share of each class among the images, (classes,).

    >>> from autograd_mini.models.metrics import class_coverage
    >>> class_coverage([0, 0, 1, 0], 3).tolist()
    [0.75, 0.25, 0.0]
    """
    numbers = np.asarray(labels, np.int64)
    return np.bincount(numbers, minlength=classes) / len(numbers)


def accuracy_per_class(labels: ArrayLike, requested: ArrayLike, classes: int) -> Array:
    """Of the images asked to be of each class, the share that the classifier finds to be so, (classes,).

    >>> from autograd_mini.models.metrics import accuracy_per_class
    >>> accuracy_per_class([0, 0, 1, 0], [0, 0, 1, 1], 2).tolist()
    [1.0, 0.5]
    """
    found, wanted = np.asarray(labels), np.asarray(requested, np.int64)
    return np.bincount(wanted, found == wanted, classes) / np.maximum(np.bincount(wanted, minlength=classes), 1)


# -- of models -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerativeReport:
    """What `judge` found for `images` generated ones, beside the same measures of real images; `str` gives a table.

    `coverage` are the shares of the classes, in %.
    """

    images: int
    score: float
    real_score: float
    frechet: float
    real_frechet: float
    coverage: tuple[float, ...]

    def __str__(self) -> str:
        shares = " ".join(f"{share:.1f}" for share in self.coverage)
        return (
            f"score {self.score:.2f} (real images {self.real_score:.2f}), "
            f"Fréchet distance {self.frechet:.1f} (real against real {self.real_frechet:.2f}), "
            f"least frequent class {min(self.coverage):.1f} % ({shares})"
        )


class Judge:
    """Holds the features of a data set's test images, and measures generated ones against them.

    Fréchet distances are of unscaled penultimate ReLU features, to the test images; as many images are drawn as there are of
    those, 10,000 at most. "Real against real" are training images in the place of generated ones.

    >>> from autograd_mini import models, nn
    >>> from autograd_mini.models.metrics import Judge
    >>> judge = Judge(nn.data.digits())
    >>> blank = judge.report(lambda n: models.GAN((2, 1, 8, 8), width=4).sample(n))
    >>> blank.real_frechet < blank.frechet, 1 <= blank.score < blank.real_score < 10
    (True, True)
    """

    def __init__(self, data: nn.data.Dataset, classifier: FeatureClassifier | None = None) -> None:
        self.classifier = classifier or feature_classifier(data.name)
        self.data = data
        self.images = min(MAX_IMAGES, len(data.test))
        self.real = self.classifier(data.test.images)
        self.target = moments(self.real.values)

    def features(self, sample: Callable[[int], Tensor]) -> Features:
        """Those of as many images as `sample(n)` is asked for, in batches."""
        sizes = [min(IMAGES_PER_BATCH, self.images - i) for i in range(0, self.images, IMAGES_PER_BATCH)]
        return self.classifier.from_batches(sample(n) for n in sizes)

    def frechet(self, features: Features) -> float:
        """The distance of generated features from those of the test images."""
        return frechet_distance(moments(features.values), self.target)

    def report(self, sample: Callable[[int], Tensor]) -> GenerativeReport:
        """All measures of the images that `sample(n)` draws, with the real ones beside."""
        generated, train = self.features(sample), self.classifier(self.data.train.images[: self.images])
        return GenerativeReport(
            self.images,
            inception_score(generated.probabilities),
            inception_score(self.real.probabilities),
            self.frechet(generated),
            self.frechet(train),
            tuple((100 * class_coverage(generated.labels, len(self.data.classes))).tolist()),
        )


# -- of points -------------------------------------------------------------------------------------------------------------


class ModeReport(NamedTuple):
    """Of a mixture's modes: how many are hit, their share (recall), and the share of points that hit one (precision)."""

    covered: int
    recall: float
    precision: float


def mode_coverage(points: ArrayLike, centres: ArrayLike, radius: float, min_share: float = 0.01) -> ModeReport:
    """How well points (N, D) cover modes with the given centres (M, D): a point hits the nearest if it lies within `radius`.

    A mode is covered if a share of `min_share` of all points hit it.

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
