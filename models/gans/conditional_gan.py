"""The conditional GAN (Mirza & Osindero 2014): both players are told the label, so that one may ask for a digit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import autograd_mini as ag
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .dcgan import DCGAN, SIZES


class ConditionalGAN(DCGAN):
    """A `DCGAN` of images with labels 0 … classes − 1: the generator gets z and the label's row of 0 and 1, the discriminator
    the image and, for each class, a map of 0 or 1.

    >>> from autograd_mini import models
    >>> gan = models.ConditionalGAN((16, 1, 8, 8), width=8)
    >>> gan.sample(3, label=7).shape, gan.sample(3, label=[1, 2, 3]).shape
    ((3, 1, 8, 8), (3, 1, 8, 8))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, *, classes: int = 10, **options: Any) -> None:
        self.classes = self.columns = classes
        super().__init__(sizes, **options)

    def generator_input(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """z beside the labels' rows; without labels, those of the classes in turn."""
        z = ag.as_tensor(z)
        return ag.concatenate([z, self.one_hot(self.cycle_labels(len(z)) if labels is None else labels)], 1)

    def discriminator_input(self, images: Tensor, labels: TensorLike | None = None) -> Tensor:
        """The images with the maps of their labels as further channels; without labels, maps of 0."""
        n, _, *sides = images.shape
        rows = ag.zeros((n, self.classes)) if labels is None else self.one_hot(labels)
        maps = ag.broadcast_to(ag.reshape(rows, (n, self.classes, 1, 1)), (n, self.classes, *sides))
        return ag.concatenate([images, maps], 1)

    def sample(self, n: int, label: ArrayLike | None = None) -> Tensor:
        """`n` new images of the label that is asked for, or of `n` labels; of all in turn if none is. Otherwise as `DCGAN`'s.

        ValueError for a label that is not there, or another number of labels.
        """
        labels = self.cycle_labels(n) if label is None else np.broadcast_to(np.asarray(label, np.int64), (n,))
        if n and not 0 <= labels.min() <= labels.max() < self.classes:
            raise ValueError(f"sample: labels must lie in 0 … {self.classes - 1}, got {label!r}")
        return self.sample_with(lambda z: self.decode(z, labels), self.noise(n))

    def one_hot(self, labels: TensorLike) -> Tensor:
        """Labels (N,) as rows (N, classes) of 0 and 1."""
        return ag.one_hot(labels, self.classes)

    def cycle_labels(self, n: int) -> NDArray[np.int64]:
        """0, 1, …, classes − 1, 0, 1, … (n,)."""
        return np.arange(n) % self.classes

    def generator_input_size(self, latent: int) -> int:
        return latent + self.classes

    def discriminator_input_shape(self, image_shape: Shape) -> Shape:
        return image_shape[0] + self.classes, *image_shape[1:]

    def reference_batch(self, latent: int) -> Tensor:
        z = super().reference_batch(latent)
        return ag.concatenate([z, self.one_hot(self.cycle_labels(len(z)))], 1)
