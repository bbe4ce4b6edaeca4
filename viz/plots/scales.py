"""The scale of an axis: logarithmic if a few spikes would hide everything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from autograd_mini.tensor import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale: TypeAlias = Literal["auto", "linear", "log", "symlog"]

SPIKES: Final = 0.05  # share of the values that may be spikes; at least one value may
HIDDEN: Final = 0.05  # the rest is hidden if it fills less of the axis than this
FEWEST: Final = 4  # values of a curve, without which a spike is not a spike


def choose_scale(*curves: Iterable[float]) -> Literal["linear", "log", "symlog"]:
    """Returns "log" if spikes hide the other values on a linear axis ("symlog" if some are not positive), else "linear".

    >>> from autograd_mini.viz.plots.scales import choose_scale
    >>> [choose_scale(curve) for curve in ([3.0, 2.5, 2.0, 1.7], [3.0, 2.5, 9000.0, 1.7], [0.1, -90.0, 0.2, 0.0])]
    ['linear', 'log', 'symlog']
    """
    x, rest = _with_and_without_spikes(curves)
    if x.size < max(FEWEST * len(curves), 1) or np.abs(x).max() * HIDDEN <= np.abs(rest).max():
        return "linear"
    return "log" if x.min() > 0 else "symlog"


def set_scale(caller: str, axes: Axes, curves: Sequence[Iterable[float]], scale: Scale) -> None:
    """Sets the scale of the y axis, on which these curves are shown; "auto" chooses it."""
    if scale not in get_args(Scale):
        raise ValueError(f"{caller}: yscale must be one of {', '.join(get_args(Scale))}, got {scale!r}")
    x, rest = _with_and_without_spikes(curves)
    if scale == "log" and x.size and x.min() <= 0:
        raise ValueError(f"{caller}: yscale='log' needs positive values, got {x.min():g}; use 'symlog'")
    chosen = choose_scale(*curves) if scale == "auto" else scale
    if chosen == "symlog":
        axes.set_yscale("symlog", linthresh=float(np.abs(rest).max(initial=0)) or 1.0)
    else:
        axes.set_yscale(chosen)


def _with_and_without_spikes(curves: Sequence[Iterable[float]]) -> tuple[Array, Array]:
    """Returns the finite values of all curves, and those without the largest ones, a few for each curve."""
    every = [np.fromiter(curve, np.float64) for curve in curves]
    x = np.concatenate([np.zeros(0), *every])
    x = x[np.isfinite(x)]
    spikes = sum(max(1, round(SPIKES * curve.size)) for curve in every)
    return x, x[np.argsort(np.abs(x))[: max(x.size - spikes, 1)]]
