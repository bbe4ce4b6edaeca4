"""What a classifier answers for a whole set of images, and which classes it takes for which."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd_mini import nn
from autograd_mini.tensor import Tensor

IMAGES_PER_BATCH: Final = 1000  # images


class HasPredict(Protocol):
    """What is asked of a model; every `Classifier` has it."""

    def predict(self, images: Tensor) -> Tensor: ...


def predictions(model: HasPredict, split: nn.data.Split) -> NDArray[np.int64]:
    """The likeliest class of each image, (N,), a thousand images at a time.

    >>> from autograd_mini import models, nn
    >>> models.metrics.predictions(models.MLP(sizes=(64, 10)), nn.data.digits().test).shape
    (355,)
    """
    batches = nn.data.DataLoader(split, batch_size=IMAGES_PER_BATCH)
    return np.concatenate([model.predict(images).numpy() for images, _ in batches])


def confusion_matrix(targets: ArrayLike, answers: ArrayLike, classes: int) -> NDArray[np.int64]:
    """How often each class, a row, was taken for each class, a column: (classes, classes), from two arrays (N,).

    IndexError for a label that is not one of the classes.

    >>> from autograd_mini import models
    >>> models.metrics.confusion_matrix([0, 1, 1], [0, 1, 0], classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (np.asarray(targets), np.asarray(answers)), 1)
    return counts
