"""What all GANs share: two players, the rules of their game as a table of options, and from both the updates for the trainer.

A model of the family gives a generator and a discriminator; nothing of how they learn is written anywhere but here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .networks import Discriminator

Batch = tuple[Tensor, ...]

LOSSES: Final[dict[str, nn.AdversarialLoss]] = {
    "saturating": nn.minimax_loss,
    "non-saturating": nn.non_saturating_loss,
    "hinge": nn.hinge_loss,
    "wasserstein": nn.wasserstein_loss,
}
OPTION_TYPES: Final[dict[type, type]] = {str: str, bool: Integral, int: Integral, float: Real}  # NumPy's numbers are welcome


@dataclass(frozen=True)
class GANConfig:
    """The rules: the loss, its labels and extras, and the pace of the two players. The defaults are the textbook's.

    `loss` is a name in `LOSSES`. D's targets are `real_label` and `fake_label` (0.9 and 0: one-sided smoothing; 0.7 and 0.3:
    two-sided), and with `mixed` it sees both kinds in one batch, half and half. `feature_matching` "mean" or "per-sample"
    replaces G's loss (Salimans et al. 2016, 3.1), `historical` is the weight of historical averaging for both players (3.3) and
    `gradient_penalty` λ that of WGAN-GP. G moves `g_times` at each `g_every`-th batch, after `pretrain` batches for D alone.
    Both have Adam with `beta1` and `beta2`, D with a rate `d_rate` times G's. `ema` is the decay of an average of weights to
    draw with (0: none). ValueError for an unknown name, a value of another kind, or a label outside [0, 1].

    >>> from autograd_mini.models.gans.adversarial import GANConfig
    >>> GANConfig(loss="hinge", g_times=2).d_rate
    1.0
    """

    loss: str = "non-saturating"
    real_label: float = 1.0
    fake_label: float = 0.0
    mixed: bool = False
    feature_matching: str = ""
    historical: float = 0.0
    gradient_penalty: float = 0.0
    g_times: int = 1
    g_every: int = 1
    pretrain: int = 0
    beta1: float = 0.5
    beta2: float = 0.999
    d_rate: float = 1.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        for what, name, known in (
            ("loss", self.loss, tuple(LOSSES)),
            ("feature_matching", self.feature_matching, ("", "mean", "per-sample")),
        ):
            if name not in known:
                raise ValueError(f"unknown {what} {name!r}; there are {', '.join(filter(None, known))}")
        for option in fields(self):
            if not isinstance(value := getattr(self, option.name), OPTION_TYPES[type(option.default)]):
                raise ValueError(f"{option.name}: expected a value such as {option.default!r}, got {value!r}")
        self.adversarial_loss()

    def adversarial_loss(self) -> nn.AdversarialLoss:
        """The losses of both players, with the labels as they are smoothed."""
        loss = LOSSES[self.loss]
        return loss if (self.real_label, self.fake_label) == (1, 0) else loss.smoothed(self.real_label, self.fake_label)


class AdversarialModel(nn.Module):
    """Base of the family: `generator` and `discriminator` play by `game`, on images of `image_shape` (C, H, W).

    Images come as (N, H, W) or (N, C, H, W) with values in [0, 1]; those of another size are resized. z is drawn from N(0, I)
    in `latent_features` dimensions; `black` is what a black pixel is in G's range, white is 1. Calling the model gives D's
    logits of "real" for images, (N,).
    """

    columns = 8  # images side by side in a square of samples

    def __init__(
        self,
        generator: nn.Module,
        discriminator: Discriminator,
        latent_features: int,
        image_shape: Shape,
        black_level: float = -1.0,
        **config: Any,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.latent_features, self.image_shape, self.black_level = latent_features, image_shape, black_level
        if unknown := config.keys() - GANConfig.__dataclass_fields__.keys():
            raise ValueError(
                f"{type(self).__name__}: unknown option {', '.join(sorted(unknown))}; see models.adversarial.GANConfig"
            )
        self.config = GANConfig(**config)
        networks = {"d": discriminator, "g": generator} if self.config.historical else {}
        self.histories = {name: nn.HistoricalAverage(network.parameters()) for name, network in networks.items()}
        self.average = nn.EMA(self.ema_target().parameters(), self.config.ema, warmup=True) if self.config.ema else None

    # -- drawing -----------------------------------------------------------------------------------------------------------

    def ema_target(self) -> nn.Module:
        """The player whose weights the average is of: the one that is wanted in the end."""
        return self.generator

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), (n, latent_features)."""
        return ag.randn(n, self.latent_features)

    def generator_input(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """What the generator gets: z, unless someone adds to it."""
        return ag.as_tensor(z)

    def generate(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """G(z) in the range of the network, (N, *image_shape)."""
        return self.generator(self.generator_input(z, labels))

    def decode(self, z: TensorLike, labels: TensorLike | None = None) -> Tensor:
        """The images (N, *image_shape) at latent points (N, latent_features), values in [0, 1]."""
        return (self.generate(z, labels) - self.black_level) / (1 - self.black_level)

    def sample(self, n: int) -> Tensor:
        """`n` new images (n, *image_shape), values in [0, 1]; not recorded, and in inference mode."""
        return self.sample_with(self.decode, self.noise(n))

    def interpolate(self, start: TensorLike, end: TensorLike, steps: int = 8, label: int = 0) -> Tensor:
        """Images (steps, *image_shape) between two latent points (latent_features,), in inference mode and not recorded.

        They are of one `label` where the model knows labels. The path is the great circle between the points (White 2016), as
        the straight line leaves the shell where N(0, I) lives.
        """
        a, b = ag.as_tensor(start), ag.as_tensor(end)
        cosine = ag.sum(a * b) / (ag.norm(a) * ag.norm(b))
        angle = max(ag.arccos(ag.clip(cosine, -1, 1)).item(), 1e-4)  # of one direction, the straight line
        share = np.linspace(0, 1, steps, dtype=a.dtype)[:, None]
        path = np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
        return self.sample_with(lambda z: self.decode(z, np.full(steps, label)), path / math.sin(angle))

    def sample_with(self, draw: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
        """What `draw` makes of z with the generator in inference mode, not recorded."""
        training = self.generator.training
        try:
            with ag.no_grad():
                self.generator.eval()
                return draw(z)
        finally:
            self.generator.train(training)

    # -- judging -----------------------------------------------------------------------------------------------------------

    def preprocess(self, images: TensorLike) -> Tensor:
        """Images in the shape and the range of the generator's; a constant."""
        x = ag.as_tensor(images).detach()
        if len(self.image_shape) == 3:
            x = ag.expand_dims(x, 1) if x.ndim == 3 else x
            x = x if x.shape[2:] == self.image_shape[1:] else ag.upsample(x, size=self.image_shape[1:], mode="bilinear")
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"{type(self).__name__}: images {x.shape[1:]} do not fit a model of {self.image_shape}")
        return x * (1 - self.black_level) + self.black_level

    def discriminator_input(self, images: Tensor, labels: TensorLike | None = None) -> Tensor:
        """What the discriminator gets: images in the range of the network, unless someone adds to them."""
        return images

    def forward(self, images: TensorLike) -> Tensor:
        return self.discriminator(self.discriminator_input(self.preprocess(images)))

    # -- learning ----------------------------------------------------------------------------------------------------------

    def init_from_data(self, images: TensorLike) -> None:
        """Called once with the first training images, for whoever sets initial values by data."""

    def d_losses(self, batch: Batch) -> dict[str, Tensor]:
        """D's loss on a batch (images, labels) and as many generated ones; beside it the means of D(x) and D(G(z)).

        Where D's outputs are no logits, as a critic's are not, their means come as they are.
        """
        config, labels = self.config, batch[-1]
        real = self.preprocess(batch[0])
        with ag.no_grad():
            fake = self.generate(self.noise(len(real)), labels)
        real_logits, fake_logits = self._logits(real, fake, labels)
        loss = config.adversarial_loss().discriminator(real_logits, fake_logits)
        if config.gradient_penalty:
            critic = lambda images: self.discriminator(self.discriminator_input(images, labels))
            loss = loss + nn.gradient_penalty(critic, real, fake) * config.gradient_penalty
        to_mean = (lambda logits: logits) if config.loss in ("hinge", "wasserstein") else ag.sigmoid
        means = {name: ag.mean(to_mean(x.detach())) for name, x in (("real", real_logits), ("fake", fake_logits))}
        return {"loss": self._add_history_penalty("d", loss), **means}

    def g_losses(self, batch: Batch) -> dict[str, Tensor]:
        """G's loss on as many new z as the batch has images, whose labels and features it may match."""
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

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Both losses of a batch as one graph, for those who want to see it; training goes by `updates`."""
        d, g = self.d_losses(batch)["loss"], self.g_losses(batch)["loss"]
        return {"loss": d + g, "d_loss": d, "g_loss": g}

    def updates(self, lr: float) -> dict[str, nn.Update]:
        """The players' turns for `nn.Trainer`, which freezes one while the other learns: D, then G at the learning rate `lr`.

        >>> from autograd_mini import models
        >>> updates = models.GAN((8, 1, 8, 8), width=16, g_times=2, d_rate=0.5).updates(lr=2e-3)
        >>> [(name, update.times, update.optimizer.param_groups[0]["lr"]) for name, update in updates.items()]
        [('d', 1, 0.001), ('g', 2, 0.002)]
        """
        config, adam = self.config, partial(nn.Adam, betas=(self.config.beta1, self.config.beta2))
        pace = {"times": config.g_times, "every": config.g_every, "start": config.pretrain}
        return {
            "d": nn.Update(self.d_losses, adam(self.discriminator.parameters(), lr=lr * config.d_rate)),
            "g": nn.Update(self.g_losses, adam(self.generator.parameters(), lr=lr), **pace),
        }

    def weight_averages(self) -> list[Any]:
        """The running means of weights, to be moved after each batch: `nn.Averaging` does it."""
        return [*self.histories.values(), *([self.average] if self.average else [])]

    def _logits(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits for both kinds, each in a batch of its own unless they are mixed."""
        pair = self.discriminator_input(real, labels), self.discriminator_input(fake, labels)
        if not self.config.mixed:
            return self.discriminator(pair[0]), self.discriminator(pair[1])
        logits = self.discriminator(ag.concatenate(pair))
        return logits[: len(real)], logits[len(real) :]

    def _add_history_penalty(self, name: str, loss: Tensor) -> Tensor:
        """The loss, and the distance from the mean of the player's past where that is asked for."""
        return loss + self.histories[name].penalty() * self.config.historical if self.histories else loss
