"""Models, each a small file on `nn` with its architecture as a tuple of layer sizes: classifiers `MLP` and `CNN`, autoencoders
`Autoencoder`, `ConvAutoencoder` and `DenoisingAutoencoder`, variational ones `VAE` and `ConvVAE`, adversarial ones `GAN`,
`DCGAN`, `ConditionalGAN`, `WGANGP` and `SemiSupervisedGAN`.

A model gives `training_step(batch)`, named losses of which "loss" is minimised; `nn.Trainer` does the rest. `cli` is the
command line, `recipes` what it trains by default, `metrics` measure what came of it.
"""

from __future__ import annotations

from . import metrics
from .autoencoders.autoencoder import Autoencoder
from .autoencoders.conv_autoencoder import ConvAutoencoder
from .autoencoders.conv_vae import ConvVAE
from .autoencoders.denoising import DenoisingAutoencoder
from .autoencoders.vae import VAE
from .classifiers.cnn import CNN
from .classifiers.mlp import MLP
from .gans.adversarial import AdversarialModel
from .gans.conditional_gan import ConditionalGAN
from .gans.dcgan import DCGAN
from .gans.gan import GAN
from .gans.semi_supervised_gan import SemiSupervisedGAN
from .gans.wgan_gp import WGANGP

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
