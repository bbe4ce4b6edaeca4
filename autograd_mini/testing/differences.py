"""Derivatives from values alone: central differences with several steps, and whether each one can be trusted.

A difference is *undecidable* if it contradicts itself: one-sided differences disagree (a kink), two steps disagree (a jump, or
a function that is too rough for the step), or rounding may have changed it by more than the tolerance. A larger or smaller
step often decides: near x = 10⁸ a step of 10⁻⁶ is lost in rounding, and near x = 10⁻⁸ it is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..tensor import Array


@dataclass(frozen=True)
class Tolerance:
    """The first step of the differences, and how far a gradient may be from them."""

    eps: float = 1e-6
    rtol: float = 1e-3
    atol: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("eps", "rtol", "atol"):
            value = getattr(self, name)
            if not 0 <= value < np.inf or (name == "eps" and value == 0):
                raise ValueError(f"{name}: expected a {'positive' if name == 'eps' else 'non-negative'} number, got {value!r}")

    def of(self, slope: Array) -> Array:
        """How much a gradient may differ from `slope`."""
        return self.rtol * np.abs(slope) + self.atol


def steps(x: float, eps: float) -> list[float]:
    """Returns the steps to try at `x`, the usual one first.

    >>> from autograd_mini.testing.differences import steps
    >>> [f"{step:g}" for step in steps(1.0, eps=1e-6)]
    ['1e-06', '0.0001', '0.01']
    >>> f"{steps(1e8, eps=1e-6)[-1]:g}"
    '100'
    """
    size = abs(x)
    relative = [eps * size] if 0 < size < 1e-2 or size > 1e4 else []
    return [eps, 1e2 * eps, 1e4 * eps, *relative]


def central_differences(
    at: Callable[[float], Array], here: Array, x: float, tolerance: Tolerance, *, weights: Array | None = None, unit: float
) -> tuple[Array, Array]:
    """Computes the derivative of each output along one direction, and whether it is decidable.

    Parameters
    ----------
    at : the outputs as a vector, after a step of this length
    here : the outputs without a step
    x : the size of the element that moves, on which useful steps depend
    tolerance : the first step, and the precision that is needed
    weights : if given, the sum of the outputs with these weights is one more output, the last one
    unit : the rounding unit of the lowest precision in which the function computes

    Returns
    -------
    slopes, decidable : of the step that decides most outputs
    """
    best, best_count = (np.full(here.shape, np.nan), np.zeros(here.shape, bool)), -1
    for step in steps(x, tolerance.eps):
        samples = np.stack([at(-2 * step), at(-step), here, at(step), at(2 * step)])
        slopes, decidable = _judge(samples, step, abs(x), tolerance, weights, unit)
        if (count := int(decidable.sum())) > best_count:
            best, best_count = (slopes, decidable), count
        if decidable.all() or not np.isfinite(here).all():
            break
    return best


def _judge(
    samples: Array, step: float, size: float, tolerance: Tolerance, weights: Array | None, unit: float
) -> tuple[Array, Array]:
    """Computes slopes from samples at −2h, −h, 0, h, 2h and decides whether to trust them.

    The one-sided slopes of a smooth function differ by h f″, twice as much at twice the step. So 2 · gap(h) − gap(2h) is zero,
    except at a kink, where it equals the jump of the slope.
    """
    far_behind, behind, here, ahead, far_ahead = samples
    with np.errstate(all="ignore"):
        near, far = (ahead - behind) / (2 * step), (far_ahead - far_behind) / (4 * step)
        jump = (2 * (ahead - 2 * here + behind) - (far_ahead - 2 * here + far_behind) / 2) / step
        # Rounding: of the results, a few units in the last place, and of the moved operand. If no sample differs, the step may
        # be lost in rounding.
        size_of_results = np.abs(samples).max(axis=0)
        rounding = np.where((samples == here).all(axis=0), size_of_results, 10 * np.maximum(size_of_results, 1))
        noise = unit / step * (rounding + size * np.abs(near))
        if weights is not None:
            near, far, jump = (np.append(v, weights @ v) for v in (near, far, jump))
            noise = np.append(noise, np.abs(weights) @ noise)
        allowed = tolerance.of(near)
        agree = (np.abs(near - far) <= allowed + noise) & (np.abs(jump) <= allowed + noise) & np.isfinite(near)
        precise = noise <= allowed
        return near, agree & (precise if weights is None else precise[-1])


def as_vector(outputs: Sequence[Array]) -> Array:
    """Returns the floating outputs as one float64 vector."""
    return np.concatenate([np.zeros(0), *[np.asarray(y, np.float64).ravel() for y in outputs if y.dtype.kind == "f"]])
