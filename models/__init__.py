"""Models, each a small file on `nn` with its architecture as a tuple of layer sizes: classifiers `MLP` and `CNN`, autoencoders
`Autoencoder`, `ConvAutoencoder` and `DenoisingAutoencoder`, variational ones `VAE` and `ConvVAE`, adversarial ones `GAN`,
`DCGAN`, `ConditionalGAN`, `WGANGP` and `SemiSupervisedGAN`.

A model gives `training_step(batch)`, named losses of which "loss" is minimised; `nn.Trainer` does the rest. `cli` is the
command line, `recipes` what it trains by default, `metrics` measure what came of it.
"""

from __future__ import annotations

from . import metrics
from .adversarial import AdversarialModel
from .autoencoder import Autoencoder
from .cnn import CNN
from .conditional_gan import ConditionalGAN
from .conv_autoencoder import ConvAutoencoder
from .conv_vae import ConvVAE
from .dcgan import DCGAN
from .denoising import DenoisingAutoencoder
from .gan import GAN
from .mlp import MLP
from .semi_supervised_gan import SemiSupervisedGAN
from .vae import VAE
from .wgan_gp import WGANGP

__all__ = [
    "CNN",
    "DCGAN",
    "GAN",
    "MLP",
    "VAE",
    "WGANGP",
    "AdversarialModel",
    "Autoencoder",
    "ConditionalGAN",
    "ConvAutoencoder",
    "ConvVAE",
    "DenoisingAutoencoder",
    "SemiSupervisedGAN",
    "metrics",
]
