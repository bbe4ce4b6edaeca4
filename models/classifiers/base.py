"""The base class of classifiers: the cross-entropy loss and prediction."""

from __future__ import annotations

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..model import Model, Names


class Classifier(Model):
    """Base of models whose `forward` maps images to logits (N, classes).

    With `centred`, pixels in [0, 1] are first mapped to 2x − 1. Photographs are grey on average, and a network learns faster if
    its inputs have a mean near 0.
    """

    classifies = True
    plots: Names = ("confusion",)
    evaluations: Names = ("classification",)

    centred: bool

    def scale_pixels(self, images: TensorLike) -> Tensor:
        """Returns the images as the first layer gets them: in [−1, 1] if `centred`, else in [0, 1]."""
        images = ag.as_tensor(images)
        return 2 * images - 1 if self.centred else images

    def predict(self, images: TensorLike) -> Tensor:
        """Returns the most likely class of each image, (N,) int64, in evaluation mode and without recording gradients."""
        with nn.evaluation(self):
            return ag.argmax(self(images), axis=1)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Returns the cross-entropy of a batch (images, labels) in nats, and the accuracy."""
        images, labels = batch
        logits = self(images)
        truth = ag.argmax(labels, axis=1) if labels.shape == logits.shape else labels  # probabilities or class indices
        return {"loss": nn.cross_entropy(logits, labels), "accuracy": ag.mean(ag.argmax(logits, axis=1) == truth)}
