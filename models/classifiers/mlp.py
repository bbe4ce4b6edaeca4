"""A multilayer perceptron: h⁽ˡ⁾ = f⁽ˡ⁾(W⁽ˡ⁾ h⁽ˡ⁻¹⁾ + b⁽ˡ⁾), trained by cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..stack import Activations, stack
from .base import Classifier

SIZES = (784, 128, 10)  # pixels, hidden units, classes


class MLP(Classifier):
    """A multilayer perceptron that maps images (N, …) to logits (N, classes).

    `sizes` are the layer widths, from pixels to classes. `activation` is one name or class for all hidden layers, or a
    sequence with one per hidden layer. `centred` is as in `Classifier`.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> mlp = models.MLP(sizes=(64, 32, 10))
    >>> mlp(np.zeros((5, 8, 8))).shape, mlp.predict(np.zeros((5, 64))).shape
    ((5, 10), (5,))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, activation: Activations = nn.ReLU, centred: bool = False) -> None:
        self.centred = centred
        self.layers = stack(sizes, activation)

    def forward(self, images: TensorLike) -> Tensor:
        return self.layers(ag.flatten(self.scale_pixels(images), 1))
