"""The Wasserstein GAN with gradient penalty (Gulrajani et al. 2017).

D is a critic. A penalty, computed with a double backward pass, keeps the norm of its gradient near 1.
"""

from __future__ import annotations

from dataclasses import replace

from .adversarial import GANConfig
from .dcgan import DCGAN


class WGANGP(DCGAN):
    """A DCGAN trained with the WGAN-GP loss: D maximises E D(x) − E D(G(z)) − λ E (‖∇D(x̂)‖ − 1)², G maximises E D(G(z)).

    The options are those of `GAN`. Their defaults are algorithm 1 of the paper: λ = 10, five steps of the critic per step of G,
    Adam with β = (0, 0.9). The critic has no batch norm, because the penalty applies to each example separately.

    >>> from autograd_mini import models
    >>> wgan = models.WGANGP((16, 1, 8, 8), width=8)
    >>> wgan.config.g_every, wgan.sample(2).shape
    (5, (2, 1, 8, 8))
    """

    architecture = replace(DCGAN.architecture, d_norm=False)
    config = GANConfig(loss="wasserstein", gradient_penalty=10.0, g_every=5, beta1=0.0, beta2=0.9)
