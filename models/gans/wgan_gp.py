"""The Wasserstein GAN with gradient penalty (Gulrajani et al. 2017): D is a critic, whose slope is held to 1 by a double
backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .dcgan import DCGAN, SIZES

DEFAULTS: Final[dict[str, Any]] = {
    "loss": "wasserstein", "gradient_penalty": 10.0, "g_every": 5, "beta1": 0.0, "beta2": 0.9, "d_norm": False,
}  # fmt: skip
"""The paper's Algorithm 1: λ 10, five steps of the critic to one of G, Adam with β (0, 0.9); no batch norm in the critic, whose
penalty is on each example for itself."""


class WGANGP(DCGAN):
    """A `DCGAN` by the rules of WGAN-GP: D maximises E D(x) − E D(G(z)) − λ E (‖∇D(x̂)‖ − 1)², G maximises E D(G(z)).

    Options are the `GAN`'s, and go before the rules.

    >>> from autograd_mini import models
    >>> wgan = models.WGANGP((16, 1, 8, 8), width=8)
    >>> wgan.config.g_every, wgan.sample(2).shape
    (5, (2, 1, 8, 8))
    """

    def __init__(self, sizes: Sequence[int] = SIZES, **options: Any) -> None:
        super().__init__(sizes, **{**DEFAULTS, **options})
