"""The conditional GAN (Mirza & Osindero 2014): both networks get the label, so images of a given class can be generated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import autograd_mini as ag
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .dcgan import DCGAN, SIZES


class ConditionalGAN(DCGAN):
    """A DCGAN that generates images of a given class, with labels 0 … classes − 1.

    The generator gets z and the one-hot label. The discriminator gets the image and one constant map of 0 or 1 per class.

    >>> from autograd_mini import models
    >>> gan = models.ConditionalGAN((16, 1, 8, 8), width=8)
    >>> gan.sample(3, label=7).shape, gan.sample(3, label=[1, 2, 3]).shape
    ((3, 1, 8, 8), (3, 1, 8, 8))
    """

    evaluations = ("generation", "label_accuracy")
    conditional = True

    def __init__(self, sizes: Sequence[int] = SIZES, *, classes: int = 10, **options: Any) -> None:
        self.classes = self.columns = classes
        super().__init__(sizes, **options)

    def generator_input(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """Returns z joined with the one-hot labels; without labels, the classes are used in turn."""
        z = ag.as_tensor(z)
        return ag.concatenate([z, self.one_hot(self.cycle_labels(len(z)) if labels is None else labels)], 1)

    def discriminator_input(self, images: Tensor, labels: TensorLike | None = None) -> Tensor:
        """Returns the images with their label maps as extra channels; without labels, the maps are 0."""
        n, _, *sides = images.shape
        rows = ag.zeros((n, self.classes)) if labels is None else self.one_hot(labels)
        maps = ag.broadcast_to(ag.reshape(rows, (n, self.classes, 1, 1)), (n, self.classes, *sides))
        return ag.concatenate([images, maps], 1)

    def sample(self, n: int, label: ArrayLike | None = None) -> Tensor:
        """Returns `n` new images of one label, or of `n` labels, or of all classes in turn if `label` is None.

        Raises ValueError if a label is out of range, or if the number of labels is not `n`.
        """
        labels = self.cycle_labels(n) if label is None else np.broadcast_to(np.asarray(label, np.int64), (n,))
        if n and not 0 <= labels.min() <= labels.max() < self.classes:
            raise ValueError(f"sample: labels must lie in 0 … {self.classes - 1}, got {label!r}")
        return self.sample_with(lambda z: self.decode(z, labels), self.noise(n))

    def one_hot(self, labels: TensorLike) -> Tensor:
        """Returns labels (N,) as one-hot rows (N, classes)."""
        return ag.one_hot(labels, self.classes)

    def cycle_labels(self, n: int) -> NDArray[np.int64]:
        """Returns 0, 1, …, classes − 1, 0, 1, … (n,)."""
        return np.arange(n) % self.classes

    def generator_input_size(self, latent: int) -> int:
        return latent + self.classes

    def discriminator_input_shape(self, image_shape: Shape) -> Shape:
        return image_shape[0] + self.classes, *image_shape[1:]

    def reference_batch(self, latent: int) -> Tensor:
        z = super().reference_batch(latent)
        return ag.concatenate([z, self.one_hot(self.cycle_labels(len(z)))], 1)
