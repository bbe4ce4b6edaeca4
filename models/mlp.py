"""A feed-forward classifier: h⁽ˡ⁾ = f(W⁽ˡ⁾ h⁽ˡ⁻¹⁾ + b⁽ˡ⁾), trained by cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from .stack import Activation, stack

SIZES = (784, 128, 10)  # pixels, hidden units, classes


class MLP(nn.Module):
    """A classifier of images (N, H, W) or (N, D) into logits (N, classes); `sizes` are the widths, pixels to classes.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> mlp = models.MLP(sizes=(64, 32, 10))
    >>> mlp(np.zeros((5, 8, 8))).shape, mlp.predict(np.zeros((5, 64))).shape
    ((5, 10), (5,))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, activation: Activation = nn.ReLU) -> None:
        self.layers = stack(sizes, activation)

    def forward(self, images: TensorLike) -> Tensor:
        return self.layers(ag.flatten(images, 1))

    def predict(self, images: TensorLike) -> Tensor:
        """The likeliest class of each image, (N,) int64."""
        with ag.no_grad():
            return ag.argmax(self(images), axis=1)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The cross-entropy of a batch (images, labels) in nats, and the share of right answers."""
        images, labels = batch
        logits = self(images)
        return {"loss": nn.cross_entropy(logits, labels), "accuracy": ag.mean(ag.argmax(logits, axis=1) == labels)}
