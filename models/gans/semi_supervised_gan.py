"""A GAN whose discriminator is a classifier that learns from few labels (Salimans et al. 2016, section 5, for MNIST).

The classifier has k logits. Generated images are an extra class k + 1 with logit 0, so D(x) = Z / (Z + 1) with Z = Σ exp lᵢ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Array, Tensor, TensorLike

from ..classifiers.base import Classifier
from .adversarial import AdversarialModel, Batch, GANConfig
from .networks import OUTPUTS, ClassifyingDiscriminator

SIZES = (100, 1, 28, 28, 10)  # latent dimensions; channels, height and width of the images; classes
CLASSIFIER: Final = (1000, 500, 250, 250, 250)  # hidden units of the classifier
GENERATOR: Final = (500, 500)  # hidden units of the generator
INPUT_NOISE, HIDDEN_NOISE = 0.3, 0.5  # standard deviations of the noise in the classifier


class SemiSupervisedGAN(AdversarialModel, Classifier):
    """A classifier trained with few labels and the help of a generator.

    `sizes` is (latent, C, H, W, classes). The classifier is 1000-500-250-250-250 with weight norm, ReLU and Gaussian noise;
    the generator is uniform noise-500-500 with softplus and batch norm, and ends in a sigmoid. Batches are (unlabelled images,
    labelled images, labels), as from `PartlyLabelled`, or (images, labels), in which case the images are used as both.
    `layers` are the hidden units of the classifier. `unsupervised_weight` is 1 in the paper's text and ½ in its code. Other
    options: see `GANConfig`; the loss "saturating" without feature matching trains the generator with −V.

    >>> import autograd_mini as ag
    >>> from autograd_mini import models
    >>> gan = models.SemiSupervisedGAN((16, 1, 8, 8, 10))
    >>> gan(ag.zeros((5, 8, 8))).shape, gan.sample(2).shape
    ((5, 10), (2, 1, 8, 8))
    """

    plots = ("confusion", *AdversarialModel.plots)
    evaluations = ("classification", "generation")
    row_metrics = ("frechet", "errors")

    config = GANConfig(feature_matching="mean", ema=0.999)

    layers_option = "layers"

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        *,
        unsupervised_weight: float = 1.0,
        layers: Sequence[int] = CLASSIFIER,
        **options: Any,
    ) -> None:
        if len(sizes) != 5 or min(sizes) < 1 or sizes[-1] < 2:
            raise ValueError(f"expected sizes (latent, channels, height, width, 2 or more classes), got {tuple(sizes)}")
        latent, *image, classes = sizes
        self.unsupervised_weight = unsupervised_weight
        g: list[nn.Module] = [nn.Lambda(uniform)]
        for before, after in pairwise((latent, *GENERATOR)):
            g += [nn.Linear(before, after), nn.Softplus(), nn.BatchNorm1d(after)]
        g += [nn.Linear(GENERATOR[-1], math.prod(image)), nn.Unflatten(1, tuple(image)), nn.Sigmoid()]
        d: list[nn.Module] = [nn.Flatten(), nn.GaussianNoise(INPUT_NOISE)]
        for before, after in pairwise((math.prod(image), *layers)):
            d += [nn.WeightNorm(nn.Linear(before, after)), nn.ReLU(), nn.GaussianNoise(HIDDEN_NOISE)]
        classifier = ClassifyingDiscriminator(nn.Sequential(*d), nn.WeightNorm(nn.Linear(layers[-1], classes)))
        super().__init__(nn.Sequential(*g), classifier, latent, tuple(image), OUTPUTS["sigmoid"].black_level, **options)

    def ema_target(self) -> nn.Module:
        return self.discriminator

    def init_from_data(self, images: TensorLike, batch_size: int | None = None) -> None:
        """Sets the scales and biases of the weight-normalised layers from a batch: the first `batch_size` images, or all."""
        nn.data_dependent_init(self.discriminator, self.preprocess(ag.as_tensor(images)[:batch_size]))

    def forward(self, images: TensorLike) -> Tensor:
        return self.discriminator.outputs(self.preprocess(images))

    def d_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Returns L + w (U + V), the means of D(x) and D(G(z)), and the accuracy on labelled images.

        See `nn.semi_supervised_loss` for L, U and V.
        """
        images, labels = batch[-2:]
        with ag.no_grad():
            fake = self.generate(self.noise(len(batch[0])))
        parts = [self.preprocess(images), self.preprocess(batch[0]), fake]
        together = self.discriminator.outputs(ag.concatenate(parts))  # one pass normalises the weights only once
        ends = np.cumsum([len(part) for part in parts])
        labelled, unlabelled, generated = together[: ends[0]], together[ends[0] : ends[1]], together[ends[1] :]
        loss = nn.semi_supervised_loss(labelled, labels, unlabelled, generated, unsupervised_weight=self.unsupervised_weight)
        means = {
            name: ag.mean(ag.sigmoid(nn.real_logit(x.detach()))) for name, x in (("real", unlabelled), ("fake", generated))
        }
        return {
            "loss": self._add_history_penalty("d", loss),
            **means,
            "accuracy": ag.mean(ag.argmax(labelled, axis=1) == labels),
        }


def uniform(z: Tensor) -> Tensor:
    """Returns Φ(z), which maps draws from N(0, 1) to draws from U(0, 1).

    >>> from autograd_mini.models.gans.semi_supervised_gan import uniform
    >>> import autograd_mini as ag
    >>> uniform(ag.zeros(1))
    Tensor([0.5])
    """
    return (ag.erf(z * math.sqrt(0.5)) + 1) * 0.5


class PartlyLabelled:
    """A data set of which only `per_class` images of each class, drawn by `seed`, keep their labels.

    `dataset[rows]` returns equally many (images, labelled images, labels). The labelled images are read cyclically, from a
    position given by the first row, so a batch as large as their number contains each of them once.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled
    >>> few = PartlyLabelled(nn.data.digits().train, per_class=5, seed=0)
    >>> images, labelled, labels = few[:50]
    >>> images.shape, labelled.shape, sorted(set(labels.tolist())), len(few)
    ((50, 8, 8), (50, 8, 8), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 1442)
    """

    by_rows = True

    def __init__(self, split: nn.data.Split, per_class: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.split = split
        chosen = [rng.permutation(np.flatnonzero(split.labels == c))[:per_class] for c in np.unique(split.labels)]
        self.labelled = rng.permutation(np.concatenate(chosen))

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        numbers = np.arange(len(self))[rows]
        labelled_rows = self.labelled[(numbers[0] + np.arange(len(numbers))) % len(self.labelled)]
        return self.split.images[rows], *self.split[labelled_rows]
