"""Models, each a small file on `nn` with its architecture as a tuple of layer sizes: `MLP`, `CNN`,
`Autoencoder`, `VAE`.

A model gives `training_step(batch)`, named losses of which "loss" is minimised; `nn.Trainer` does the rest. `cli` is the
command line, `recipes` what it trains by default.
"""

from __future__ import annotations

from .autoencoder import Autoencoder
from .cnn import CNN
from .mlp import MLP
from .vae import VAE

__all__ = ["CNN", "MLP", "VAE", "Autoencoder"]
