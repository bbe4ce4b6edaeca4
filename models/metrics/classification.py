"""Predictions of a classifier for a whole data set, and the confusion matrix."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd_mini import nn
from autograd_mini.tensor import Tensor

from .batches import images_per_batch


class HasPredict(Protocol):
    """A model with `predict`, such as any `Classifier`."""

    def predict(self, images: Tensor) -> Tensor: ...


def predictions(model: HasPredict, split: nn.data.Split) -> NDArray[np.int64]:
    """Returns the most likely class of each image, (N,). Images are processed in batches.

    >>> from autograd_mini import models, nn
    >>> models.metrics.predictions(models.MLP(sizes=(64, 10)), nn.data.digits().test).shape
    (355,)
    """
    batches = nn.data.DataLoader(split, batch_size=images_per_batch(split.images.shape[1:]))
    return np.concatenate([model.predict(images).numpy() for images, _ in batches])


def confusion_matrix(targets: ArrayLike, answers: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Returns the counts (classes, classes): row i, column j counts the images of class i that were predicted as class j.

    `targets` and `answers` are integer arrays (N,). Raises IndexError if a label is not in [0, classes).

    >>> from autograd_mini import models
    >>> models.metrics.confusion_matrix([0, 1, 1], [0, 1, 0], classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (np.asarray(targets), np.asarray(answers)), 1)
    return counts
