"""The denoising autoencoder (Vincent et al. 2008): it learns to restore clean images from corrupted ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from ..stack import Activation
from .autoencoder import Autoencoder
from .likelihood import Likelihood

SIZES = (784, 512, 128)  # pixels, hidden units, code

CORRUPTIONS: Final[dict[str, Callable[[Tensor, float], Tensor]]] = {
    "gaussian": lambda images, amount: images + amount * ag.randn(images.shape, dtype=images.dtype),
    "masking": lambda images, amount: images * ag.bernoulli(1 - amount, images.shape),
    "salt-and-pepper": lambda images, amount: ag.where(
        ag.rand(images.shape) < amount, ag.bernoulli(0.5, images.shape), images
    ),
}  # fmt: skip
"""Name -> function of images and amount. The amount is σ of the added noise, or the share of pixels that are replaced."""


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that restores corrupted images.

    Each computation of the loss draws a new corruption, also in evaluation, so the loss measures restoration. `reconstruct`
    adds no corruption. Raises ValueError if the corruption is unknown or the amount is out of range.

    Parameters
    ----------
    sizes, activation, likelihood  as in `Autoencoder`
    corruption                     a name in `CORRUPTIONS`
    amount                         strength of the corruption

    >>> import autograd_mini as ag
    >>> from autograd_mini import models
    >>> dae = models.DenoisingAutoencoder(sizes=(64, 32, 8), corruption="masking", amount=1.0)
    >>> dae.corrupt(ag.ones((5, 64))).sum()
    Tensor(0.0)
    """

    plots = ("reconstructions", "restored", "latent", "plane", "interpolation")

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        activation: Activation = "relu",
        likelihood: str | Likelihood = "bernoulli",
        *,
        corruption: str = "gaussian",
        amount: float = 0.5,
    ) -> None:
        if corruption not in CORRUPTIONS:
            raise ValueError(f"unknown corruption {corruption!r}; expected one of: {', '.join(CORRUPTIONS)}")
        if not 0 <= amount <= (float("inf") if corruption == "gaussian" else 1):
            raise ValueError(f"{corruption}: expected an amount of 0 or more, and at most 1 for a share, got {amount}")
        super().__init__(sizes, activation, likelihood)
        self.corruption, self.amount = corruption, amount

    def corrupt(self, images: Tensor) -> Tensor:
        """Returns the images (N, D) with a newly drawn corruption."""
        return CORRUPTIONS[self.corruption](images, self.amount)
