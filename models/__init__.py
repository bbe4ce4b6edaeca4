"""Ready-made models, each a small file built on `nn`. A tuple of layer sizes sets the architecture.

- Classifiers: `MLP`, `CNN`.
- Autoencoders: `Autoencoder`, `ConvAutoencoder`, `DenoisingAutoencoder`.
- Variational autoencoders: `VAE`, `ConvVAE`.
- Generative adversarial networks: `GAN`, `DCGAN`, `ConditionalGAN`, `WGANGP`, `SemiSupervisedGAN`.

A model defines `training_step(batch)`, which returns named losses. `nn.Trainer` minimises the one named "loss". `Model` is the
base class, `recipes` holds the default hyperparameters, and `metrics` evaluates trained models.
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
from .model import Model

__all__ = [
    "CNN", "DCGAN", "GAN", "MLP", "VAE", "WGANGP", "AdversarialModel", "Autoencoder", "ConditionalGAN", "ConvAutoencoder",
    "ConvVAE", "DenoisingAutoencoder", "Model", "SemiSupervisedGAN", "metrics",
]  # fmt: skip
