"""A latent-variable model on which every term of the ELBO is known exactly: Gaussian, and linear in z."""

from __future__ import annotations

import math

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.tensor import Array, TensorLike


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x|z) = N(W z + b, s² I), and a separate q(z|x) = N(mu, exp(logvar)) for each of N points; float64.

    W is (D, d). If its columns are `orthogonal`, the true posterior has independent dimensions, like q.
    """

    def __init__(
        self, points: int, latent: int, observed: int, noise: float, rng: np.random.Generator, *, orthogonal: bool = False
    ) -> None:
        w = rng.standard_normal((observed, latent))
        self.w = nn.Buffer(np.linalg.qr(w)[0] * np.arange(1, latent + 1) if orthogonal else w)
        self.b = nn.Buffer(rng.standard_normal(observed))
        self.noise = noise
        self.mu = nn.Parameter(rng.standard_normal((points, latent)))
        self.logvar = nn.Parameter(rng.standard_normal((points, latent)))

    def draw(self, rng: np.random.Generator) -> Array:
        """Draws a point x of the model for each q, (N, D)."""
        w, b = self.w.numpy(), self.b.numpy()
        z = rng.standard_normal(self.mu.shape)
        return z @ w.T + b + self.noise * rng.standard_normal((len(z), len(b)))

    def log_evidence(self, x: Array) -> Array:
        """Returns log p(x) of each point: x ~ N(b, W Wᵀ + s² I)."""
        w, b = self.w.numpy(), self.b.numpy()
        return log_normal(x - b, w @ w.T + self.noise**2 * np.eye(len(b)))

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Returns the means (N, d) and the precision Λ = I + WᵀW/s² of p(z|x)."""
        w, b = self.w.numpy(), self.b.numpy()
        precision = np.eye(w.shape[1]) + w.T @ w / self.noise**2
        return np.linalg.solve(precision, w.T @ (x - b).T / self.noise**2).T, precision

    def elbo(self, x: Array) -> Tensor:
        """Returns the ELBO of each point in closed form, with E‖x − b − W z‖² = ‖x − b − W μ‖² + Σ σ_i² ‖W_i‖²."""
        variance = ag.exp(self.logvar)
        error = ag.sum(ag.square(x - self.b - self.mu @ self.w.T), 1) + variance @ ag.sum(ag.square(self.w), 0)
        log_likelihood = -0.5 * (error / self.noise**2 + x.shape[1] * math.log(2 * math.pi * self.noise**2))
        return log_likelihood - 0.5 * ag.sum(variance + ag.square(self.mu) - self.logvar - 1, 1)

    def kl_to_posterior(self, x: Array) -> Array:
        """Returns KL(q(z|x) ‖ p(z|x)) of each point, both Gaussian."""
        mean, precision = self.posterior(x)
        offset, logvar = self.mu.detach().numpy() - mean, self.logvar.detach().numpy()
        distance = np.einsum("ni,ij,nj->n", offset, precision, offset) + np.exp(logvar) @ np.diag(precision)
        return 0.5 * (distance - mean.shape[1] - logvar.sum(1) - np.linalg.slogdet(precision)[1])

    def least_kl(self, x: Array) -> float:
        """Returns the smallest KL(q ‖ p(z|x)) for independent dimensions: ½ (Σ log Λ_ii − log det Λ), at σ_i² = 1/Λ_ii."""
        precision = self.posterior(x)[1]
        return 0.5 * float(np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])

    def log_weights(self, images: TensorLike, draws: int) -> Tensor:
        """Returns log p(x, z) − log q(z|x) for draws z ~ q(z|x), (draws, N), as `models.metrics` needs."""
        epsilon = ag.randn(draws, *self.mu.shape, dtype="float64")
        z = self.mu + ag.exp(0.5 * self.logvar) * epsilon
        error = ag.sum(ag.square(images - self.b - z @ self.w.T), -1)
        constant = self.b.size * math.log(2 * math.pi * self.noise**2)
        prior_to_q = 0.5 * ag.sum(ag.square(epsilon) - ag.square(z) + self.logvar, -1)
        return prior_to_q - 0.5 * (error / self.noise**2 + constant)


def log_normal(x: Array, covariance: Array) -> Array:
    """Returns log N(x; 0, covariance) of each row."""
    distance = np.einsum("ni,ni->n", x, np.linalg.solve(covariance, x.T).T)
    return -0.5 * (distance + np.linalg.slogdet(covariance)[1] + x.shape[1] * math.log(2 * math.pi))
