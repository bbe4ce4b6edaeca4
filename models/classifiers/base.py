"""What classifiers share: how they learn, by cross-entropy, and how they answer."""

from __future__ import annotations

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike


class Classifier(nn.Module):
    """Base of whoever maps images to logits (N, classes) by `forward`.

    With `centred`, pixels in [0, 1] become 2x − 1 first: of photographs, which are grey on average, a network learns faster
    where grey is 0.
    """

    centred: bool

    def scale_pixels(self, images: TensorLike) -> Tensor:
        """The images as the first layer sees them."""
        images = ag.as_tensor(images)
        return 2 * images - 1 if self.centred else images

    def predict(self, images: TensorLike) -> Tensor:
        """The likeliest class of each image, (N,) int64; in inference mode, not recorded."""
        training = self.training
        try:
            with ag.no_grad():
                return ag.argmax(self.eval()(images), axis=1)
        finally:
            self.train(training)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The cross-entropy of a batch (images, labels) in nats, and the share of right answers."""
        images, labels = batch
        logits = self(images)
        return {"loss": nn.cross_entropy(logits, labels), "accuracy": ag.mean(ag.argmax(logits, axis=1) == labels)}
