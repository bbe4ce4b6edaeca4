"""Points from formulas, for experiments without files: seeded, float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def gaussian_ring(n: int, modes: int = 8, radius: float = 2.0, std: float = 0.02, seed: int = 0) -> tuple[Floats, Labels]:
    """Returns points (n, 2) from a mixture of normals with means on a circle, and the modes (n,) they belong to.

    Mode k has the mean radius · (cos 2πk/modes, sin 2πk/modes). A generator with mode collapse misses some modes.

    Parameters
    ----------
    n       number of points
    modes   number of normals, all with the same weight
    radius  radius of the circle
    std     standard deviation of each normal
    seed    seed of the draws

    Examples
    --------
    >>> from autograd_mini import nn
    >>> points, modes = nn.data.gaussian_ring(1000)
    >>> points.shape, len(set(modes.tolist()))
    ((1000, 2), 8)
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, modes, n)
    angles = 2 * np.pi * labels / modes
    points = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1) + std * rng.standard_normal((n, 2))
    return points.astype(np.float32), labels


def swiss_roll(n: int, noise: float = 0.0, seed: int = 0) -> tuple[Floats, Floats]:
    """Returns points (n, 3) on a rolled-up sheet, (t cos t, h, t sin t), and their positions t (n,) along the sheet.

    t is uniform on [1.5π, 4.5π], h on [0, 21] (Marsland 2009, chapter 6); `noise` is the standard deviation of normal noise.

    >>> from autograd_mini import nn
    >>> points, t = nn.data.swiss_roll(100)
    >>> points.shape, t.shape
    ((100, 3), (100,))
    """
    rng = np.random.default_rng(seed)
    t, height = 1.5 * np.pi * (1 + 2 * rng.random(n)), 21 * rng.random(n)
    points = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1) + noise * rng.standard_normal((n, 3))
    return points.astype(np.float32), t.astype(np.float32)


def moons(n: int, noise: float = 0.0, seed: int = 0) -> tuple[Floats, Labels]:
    """Returns points (n, 2) on two interleaved half circles, and their classes (n,).

    (cos θ, sin θ) for class 0 and (1 − cos θ, ½ − sin θ) for class 1, θ uniform on [0, π], plus noise of deviation `noise`.

    >>> from autograd_mini import nn
    >>> points, labels = nn.data.moons(100, noise=0.1)
    >>> points.shape, sorted(set(labels.tolist()))
    ((100, 2), [0, 1])
    """
    rng = np.random.default_rng(seed)
    labels, angles = rng.integers(0, 2, n), np.pi * rng.random(n)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.where(labels[:, None], np.array([1.0, 0.5]) - upper, upper) + noise * rng.standard_normal((n, 2))
    return points.astype(np.float32), labels


def funnel(x: ArrayLike) -> NDArray[np.float64]:
    """Returns f(x₁, x₂) = 10 − 10 exp(−0.2 (x₁² + x₂²)) − exp((cos x₁ + cos x₂)/2) for points (…, 2).

    It is a funnel in a wavy plane with the minimum f(0, 0) = −e.

    >>> from autograd_mini import nn
    >>> float(nn.data.funnel([0.0, 0.0]))
    -2.718281828459045
    """
    points = np.asarray(x, np.float64)
    return 10 - 10 * np.exp(-0.2 * np.square(points).sum(-1)) - np.exp(np.cos(points).sum(-1) / 2)


def funnel_samples(n: int = 1000, noise: float = 0.1, seed: int = 0) -> tuple[Floats, Floats]:
    """Returns points (n, 2), uniform on [−5, 5]², and the values (n, 1) of `funnel` with normal noise of deviation `noise`.

    >>> from autograd_mini import nn
    >>> x, y = nn.data.funnel_samples()
    >>> x.shape, y.shape
    ((1000, 2), (1000, 1))
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, (n, 2))
    y = funnel(x) + noise * rng.standard_normal(n)
    return x.astype(np.float32), y[:, None].astype(np.float32)
