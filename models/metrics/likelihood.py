"""Likelihood metrics of variational autoencoders: bounds on log p(x), estimates of log p(x), and active latent units.

Images are processed in chunks, so memory does not grow with the number of images or draws. Draws come from the generator that
`ag.manual_seed` seeds. Use images like those in training: binary ones if the model was trained with `binarize`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from autograd_mini import nn
from autograd_mini.nn.module import HasTrainingMode
from autograd_mini.tensor import Array, Tensor, TensorLike, as_tensor

ROWS: Final = 500  # decoded images in memory at once: large enough for efficiency, small enough for the CPU cache


class HasLogWeights(HasTrainingMode, Protocol):
    """A model with `log_weights`, such as any `Variational`."""

    def log_weights(self, images: TensorLike, draws: int) -> Tensor: ...


class HasLatent(HasTrainingMode, Protocol):
    """A model with `latent`, such as any `LatentModel`."""

    def latent(self, images: TensorLike) -> Tensor: ...


def elbo(model: HasLogWeights, images: TensorLike, draws: int = 1, *, rows: int = ROWS) -> NDArray[np.float64]:
    """Returns the evidence lower bound on log p(x) of each image, (N,) in nats: the mean of log w over draws of z.

    w = p(x, z) / q(z|x) (C.16). If q is the true posterior, log w equals log p(x) for every draw. Raises ValueError if `draws`
    or `rows` is below 1.

    Parameters
    ----------
    model   a model with `log_weights`
    images  (N, …)
    draws   draws of z per image
    rows    decoded images in memory at once

    >>> from autograd_mini import models, nn
    >>> vae, images = models.VAE(sizes=(64, 16, 2)), nn.data.digits().test.images
    >>> models.metrics.elbo(vae, images).shape
    (355,)
    """
    return _combine_log_weights(model, images, draws, rows, np.add) / draws


def importance_weighted_bound(model: HasLogWeights, images: TensorLike, k: int, *, rows: int = ROWS) -> NDArray[np.float64]:
    """Returns L_k, a bound on log p(x) of each image, (N,) in nats: log (1/k) Σ w over k draws of z.

    The bound gets tighter as k grows: ELBO = L_1 ≤ L_k ≤ L_(k+1) ≤ log p(x) in expectation (Burda et al. 2016, theorem 1).
    Parameters and errors are those of `elbo`; `k` is the number of draws.

    >>> from autograd_mini import models, nn
    >>> vae, images = models.VAE(sizes=(64, 16, 2)), nn.data.digits().test.images
    >>> bool(models.metrics.elbo(vae, images).mean() < models.metrics.importance_weighted_bound(vae, images, 50).mean())
    True
    """
    return _combine_log_weights(model, images, k, rows, np.logaddexp) - math.log(k)


def negative_log_likelihood(model: HasLogWeights, images: TensorLike, k: int = 5000, *, rows: int = ROWS) -> float:
    """Returns the estimate −L_k of −log p(x) in nats, averaged over the images.

    Parameters, time and memory are those of `importance_weighted_bound`. The literature uses k = 5000 (Burda et al. 2016,
    section 5).

    >>> from autograd_mini import models, nn
    >>> vae, images = models.VAE(sizes=(64, 16, 2)), nn.data.digits().test.images[:20]
    >>> 40 < models.metrics.negative_log_likelihood(vae, images, k=100) < 50
    True
    """
    return float(-importance_weighted_bound(model, images, k, rows=rows).mean())


def active_units(model: HasLatent, images: TensorLike, threshold: float = 0.01, *, rows: int = ROWS) -> int:
    """Returns the number of active latent dimensions: those whose posterior mean has a variance above `threshold`.

    Parameters
    ----------
    model      a model with `latent`
    images     (N, …)
    threshold  0.01 in the criterion A_u = Var_x(E_q(u|x)[u]) > 0.01 (Burda et al. 2016, section 5.2)
    rows       images that are encoded at once

    >>> import autograd_mini as ag
    >>> from autograd_mini import models, nn
    >>> vae, images = models.VAE(sizes=(64, 16, 2)), nn.data.digits().test.images
    >>> with ag.no_grad():
    ...     vae.mu.weight.data = 0 * vae.mu.weight.data
    >>> models.metrics.active_units(vae, images)
    0
    """
    with nn.evaluation(model):
        means = np.concatenate([model.latent(part).numpy() for part in _chunks(images, rows)], dtype=np.float64)
    return int((means.var(axis=0) > threshold).sum())


def _combine_log_weights(
    model: HasLogWeights, images: TensorLike, draws: int, rows: int, fold: np.ufunc
) -> NDArray[np.float64]:
    """Reduces the log weights of each image's draws with `fold`, in chunks of images and draws."""
    if min(draws, rows) < 1:
        raise ValueError(f"expected at least one draw and one row, got {draws} draws and {rows} rows")
    at_once = min(draws, rows)
    totals = []
    with nn.evaluation(model):
        for part in _chunks(images, rows // at_once):
            total = np.full(len(part), fold.identity, np.float64)
            for done in range(0, draws, at_once):
                weights = model.log_weights(part, min(at_once, draws - done)).numpy().astype(np.float64)
                total = fold(total, fold.reduce(weights, axis=0))
            totals.append(total)
    return np.concatenate(totals)


def _chunks(images: TensorLike, size: int) -> Iterator[Array]:
    array = as_tensor(images).numpy()
    if not len(array):
        raise ValueError("expected at least one image, got none")
    return (array[start : start + size] for start in range(0, len(array), size))
