"""Models, each a small file on `nn` with its architecture as a tuple of layer sizes: `MLP`, `Autoencoder`, `VAE`.

A model gives `training_step(batch)`, named losses of which "loss" is minimised; `nn.Trainer` does the rest. `cli` is the
command line, `presets` what it trains by default.
"""

from __future__ import annotations

from .autoencoder import Autoencoder
from .mlp import MLP
from .vae import VAE

__all__ = ["MLP", "VAE", "Autoencoder"]
