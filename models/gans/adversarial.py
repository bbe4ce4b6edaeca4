"""The base class of GANs: the training configuration, the losses, and the updates of the two networks.

A subclass builds a generator G and a discriminator D. Everything about how they are trained is in this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, ClassVar, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.losses.ranges import require_range
from autograd_mini.nn.training.update import frozen_parameters
from autograd_mini.tensor import Array, Shape, Tensor, TensorLike

from ..model import Config, Model, Names
from .averaging import WithAverage
from .networks import Discriminator

Batch = tuple[Tensor, ...]

LOSSES: Final[dict[str, nn.AdversarialLoss]] = {
    "saturating": nn.minimax_loss,
    "non-saturating": nn.non_saturating_loss,
    "hinge": nn.hinge_loss,
    "wasserstein": nn.wasserstein_loss,
}


@dataclass(frozen=True)
class GANConfig(Config):
    """How a GAN is trained: the loss and its options, how often each network is updated, and the optimizers.

    Labels of 0.9 and 0 give one-sided label smoothing, 0.7 and 0.3 two-sided. Raises ValueError if a
    name is unknown, a value has the wrong type, or a label is outside [0, 1].

    >>> from autograd_mini.models.gans.adversarial import GANConfig
    >>> GANConfig(loss="hinge", g_times=2).d_rate
    1.0
    """

    names: ClassVar = {"loss": LOSSES, "feature_matching": ("", "mean", "per-sample")}

    loss: str = "non-saturating"  # a name in LOSSES
    real_label: float = 1.0  # D's target for real images
    fake_label: float = 0.0  # D's target for generated images
    mixed: bool = False  # whether D gets real and generated images in one batch, half and half
    feature_matching: str = ""  # "mean" or "per-sample" replaces G's loss (Salimans et al. 2016, section 3.1)
    historical: float = 0.0  # weight of historical averaging, for both networks (section 3.3)
    gradient_penalty: float = 0.0  # weight λ of the gradient penalty of WGAN-GP
    g_times: int = 1  # updates of G per batch in which G is updated
    g_every: int = 1  # update G every N batches
    pretrain: int = 0  # batches at the start that update D only
    beta1: float = 0.5  # β₁ of Adam
    beta2: float = 0.999  # β₂ of Adam
    d_rate: float = 1.0  # D's learning rate as a multiple of G's
    ema: float = 0.0  # decay of the moving average of weights used for sampling; 0: no average

    def __post_init__(self) -> None:
        super().__post_init__()
        self.adversarial_loss()  # checks the labels

    def adversarial_loss(self) -> nn.AdversarialLoss:
        """Returns the losses of both networks, with label smoothing applied."""
        loss = LOSSES[self.loss]
        return loss if (self.real_label, self.fake_label) == (1, 0) else loss.with_soft_labels(self.real_label, self.fake_label)


class AdversarialModel(Model):
    """Base class of GANs. Calling the model returns D's logits of "real" for images, (N,).

    Images are (N, H, W) or (N, C, H, W) with values in [0, 1]; images of another size are resized.

    Parameters
    ----------
    generator        maps `generator_input(z)` to images (N, *image_shape)
    discriminator    maps `discriminator_input(images)` to logits of "real"
    latent_features  dimensions of z, which is drawn from N(0, I)
    image_shape      (C, H, W), or (D,) for points
    black_level      value of a black pixel in G's output range; white is 1
    options          the fields of `GANConfig`
    """

    plots: Names = ("samples", "noise_interpolation")
    evaluations: Names = ("generation",)
    row_plots: Names = ("samples",)
    row_metrics: Names = ("frechet",)
    configs: tuple[type[Config], ...] = (GANConfig,)
    image_part = slice(1, 4)
    latent_index = 0
    validates = False  # the losses of two networks that compete do not measure progress

    config = GANConfig()

    def __init__(
        self,
        generator: nn.Module,
        discriminator: Discriminator,
        latent_features: int,
        image_shape: Shape,
        black_level: float = -1.0,
        **options: Any,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.latent_features, self.image_shape, self.black_level = latent_features, image_shape, black_level
        self.config = self.with_options(self.config, options)
        networks = {"d": discriminator, "g": generator} if self.config.historical else {}
        self.histories = {name: nn.HistoricalAverage(network.parameters()) for name, network in networks.items()}
        self.average = nn.EMA(self.ema_target().parameters(), self.config.ema, warmup=True) if self.config.ema else None

    # -- sampling ----------------------------------------------------------------------------------------------------------

    def ema_target(self) -> nn.Module:
        """Returns the network whose weights are averaged: the one that is used after training."""
        return self.generator

    def noise(self, n: int) -> Tensor:
        """Draws z ~ N(0, I), (n, latent_features)."""
        z = ag.randn(n, self.latent_features)
        z.name = "z"
        return z

    def generator_input(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """Returns the generator's input: z, to which a subclass may add labels."""
        return ag.as_tensor(z)

    def generate(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """Returns G(z) in the output range of the generator, (N, *image_shape)."""
        return self.generator(self.generator_input(z, labels))

    def decode(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """Returns the images (N, *image_shape) at latent points (N, latent_features), with values in [0, 1]."""
        return (self.generate(z, labels) - self.black_level) / (1 - self.black_level)

    def sample(self, n: int) -> Tensor:
        """Returns `n` new images (n, *image_shape) with values in [0, 1], in evaluation mode, without recording gradients."""
        return self.sample_with(self.decode, self.noise(n))

    def interpolate(self, start: TensorLike, end: TensorLike, steps: int = 8, label: int = 0) -> Tensor:
        """Returns images (steps, *image_shape) along a path between two latent points.

        The path is the great circle between the points (White 2016), because a straight line leaves the shell where N(0, I) has
        its mass. G is in evaluation mode, and gradients are not recorded.

        Parameters
        ----------
        start, end  latent points (latent_features,)
        steps       number of images
        label       class of all images, for conditional models
        """
        a, b = ag.as_tensor(start), ag.as_tensor(end)
        cosine = ag.sum(a * b) / (ag.norm(a) * ag.norm(b))
        angle = max(ag.arccos(ag.clip(cosine, -1, 1)).item(), 1e-4)  # nearly a straight line if both have the same direction
        share = np.linspace(0, 1, steps, dtype=a.dtype)[:, None]
        path = np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
        return self.sample_with(lambda z: self.decode(z, np.full(steps, label)), path / math.sin(angle))

    def sample_with(self, draw: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
        """Returns `draw(z)`, computed with the generator in evaluation mode and without recording gradients."""
        with nn.evaluation(self.generator):
            return draw(z)

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def preprocess(self, images: TensorLike) -> Tensor:
        """Returns the images in the shape and value range of the generator's output, as a constant."""
        x = ag.as_tensor(images).detach()
        if len(self.image_shape) == 3:
            require_range(x, 0, 1, "a GAN needs images", "scale them: images / 255, or (images + 1) / 2 if they are in [-1, 1]")
            x = ag.expand_dims(x, 1) if x.ndim == 3 else x
            x = x if x.shape[2:] == self.image_shape[1:] else ag.upsample(x, size=self.image_shape[1:], mode="bilinear")
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"{type(self).__name__}: expected images of shape {self.image_shape}, got {x.shape[1:]}")
        return x * (1 - self.black_level) + self.black_level

    def discriminator_input(self, images: Tensor, labels: TensorLike | None = None) -> Tensor:
        """Returns the discriminator's input: preprocessed images, to which a subclass may add labels."""
        return images

    def forward(self, images: TensorLike) -> Tensor:
        return self.discriminator(self.discriminator_input(self.preprocess(images)))

    # -- training ----------------------------------------------------------------------------------------------------------

    def d_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Returns D's loss on a batch (images, labels) and equally many generated images, and the means of D(x) and D(G(z)).

        A critic's outputs are not logits, so their means are returned without the sigmoid.
        """
        config, labels = self.config, batch[-1]
        real = self.preprocess(batch[0])
        with ag.no_grad():
            fake = self.generate(self.noise(len(real)), labels)
        real.name = "x"
        real_logits, fake_logits = self._logits(real, fake, labels)
        scale = "" if config.loss in ("hinge", "wasserstein") else "logit "
        real_logits.name, fake_logits.name = f"{scale}D(x)", f"{scale}D(G(z))"
        loss = config.adversarial_loss().discriminator(real_logits, fake_logits)
        if config.gradient_penalty:
            critic = lambda images: self.discriminator(self.discriminator_input(images, labels))
            loss = loss + nn.gradient_penalty(critic, real, fake) * config.gradient_penalty
        to_mean = (lambda logits: logits) if config.loss in ("hinge", "wasserstein") else ag.sigmoid
        means = {name: ag.mean(to_mean(x.detach())) for name, x in (("real", real_logits), ("fake", fake_logits))}
        return {"loss": self._add_history_penalty("d", loss), **means}

    def g_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Returns G's loss on new z, one per image of the batch; labels and features of the batch are used if needed."""
        images, labels = batch[0], batch[-1]
        fake = self.discriminator_input(self.generate(self.noise(len(images)), labels), labels)
        if self.config.feature_matching:
            with ag.no_grad():
                real_features = self.discriminator.features(self.discriminator_input(self.preprocess(images), labels))
            per_sample = self.config.feature_matching == "per-sample"
            loss = nn.feature_matching_loss(real_features, self.discriminator.features(fake), per_sample=per_sample)
        else:
            loss = self.config.adversarial_loss().generator(self.discriminator(fake))
        return {"loss": self._add_history_penalty("g", loss)}

    def steps(self, batch: Batch) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
        """Yields the losses of D's step and of G's step; until the next one, the other network is frozen, as in training.

        >>> import numpy as np
        >>> from autograd_mini import models
        >>> gan = models.GAN((8, 1, 8, 8), width=16)
        >>> [(name, list(losses)) for name, losses in gan.steps((np.zeros((2, 1, 8, 8)), np.zeros(2)))]
        [('d', ['L_D']), ('g', ['L_G'])]
        """
        with frozen_parameters(self.generator.parameters()):
            yield "d", {"L_D": self.d_losses(batch)["loss"]}
        with frozen_parameters(self.discriminator.parameters()):
            yield "g", {"L_G": self.g_losses(batch)["loss"]}

    def parts(self) -> dict[str, nn.Module]:
        return {"G": self.generator, "D": self.discriminator}

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Returns both losses of a batch and their sum, for a single backward pass; training uses `updates`."""
        d, g = self.d_losses(batch)["loss"], self.g_losses(batch)["loss"]
        return {"loss": d + g, "d_loss": d, "g_loss": g}

    def updates(self, lr: float, optimizer: Callable[..., nn.Optimizer] = nn.Adam) -> dict[str, nn.Update]:
        """Returns the updates for `nn.Trainer`, which freezes one network while it trains the other: D, then G at rate `lr`.

        Both networks use the `optimizer`; one of Adam's kind gets the β of `config`.

        >>> from autograd_mini import models
        >>> updates = models.GAN((8, 1, 8, 8), width=16, g_times=2, d_rate=0.5).updates(lr=2e-3)
        >>> [(name, update.times, update.optimizer.param_groups[0]["lr"]) for name, update in updates.items()]
        [('d', 1, 0.001), ('g', 2, 0.002)]
        """
        config, has_betas = self.config, "betas" in signature(optimizer).parameters
        create = partial(optimizer, betas=(config.beta1, config.beta2)) if has_betas else optimizer
        pace: dict[str, Any] = {"times": config.g_times, "every": config.g_every, "start": config.pretrain}
        return {
            "d": nn.Update(self.d_losses, create(self.discriminator.parameters(), lr=lr * config.d_rate)),
            "g": nn.Update(self.g_losses, create(self.generator.parameters(), lr=lr), **pace),
        }

    def callbacks(self, others: Sequence[nn.Callback] = ()) -> list[nn.Callback]:
        """Returns the callbacks of a training run: averages are updated after each batch, `others` see averaged weights."""
        averages = [*self.histories.values(), *([self.average] if self.average else [])]
        return [*map(nn.Averaging, averages), WithAverage(self.average, others)]

    def summary(self, images: Array) -> str:
        generator = nn.summary(self.generator, self.generator_input(self.noise(1)))
        return f"{super().summary(images)}\n\n{generator}"

    def _logits(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns D's logits for real and generated images, from separate batches unless `mixed` is set."""
        pair = self.discriminator_input(real, labels), self.discriminator_input(fake, labels)
        if not self.config.mixed:
            return self.discriminator(pair[0]), self.discriminator(pair[1])
        logits = self.discriminator(ag.concatenate(pair))
        return logits[: len(real)], logits[len(real) :]

    def _add_history_penalty(self, name: str, loss: Tensor) -> Tensor:
        """Returns the loss plus the penalty of historical averaging, if it is enabled."""
        return loss + self.histories[name].penalty() * self.config.historical if self.histories else loss
