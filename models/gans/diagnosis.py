"""Diagnoses an imbalance between generator and discriminator from the training history, and suggests what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

Rows = Sequence[Mapping[str, float]]

RISE_RATIO: Final = 1.5  # late/early ratio of the generator's loss from which it has risen sharply
FALL_RATIO: Final = 0.5  # late/early ratio below which it has fallen fast
STALL_RATIO: Final = 0.8  # late/early ratio of the Fréchet distance above which it has not improved

ADVICE: Final = {
    "the discriminator is too strong": (
        "label smoothing (real_label=0.9), dropout or noise in D, a lower d_rate, or two steps of G per step of D (g_times=2)"
    ),
    "the generator is too strong": (
        "a higher d_rate, g_every=2, D trained first (pretrain), or minibatch discrimination (minibatch=100)"
    ),
    "balanced": "nothing; continue training, and use the Fréchet distance for early stopping (early_stop), not a loss",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict and its evidence; `str` adds what to try."""

    verdict: str  # a key of ADVICE
    evidence: str  # the numbers behind the verdict

    def __str__(self) -> str:
        return f"{self.verdict}: {self.evidence}. To try: {ADVICE[self.verdict]}"


def diagnose(history: Rows) -> Diagnosis | None:
    """Compares the first and the last quarter of a history.

    If the generator's loss rises sharply, D is too strong. If it falls fast while the Fréchet distance does not improve, G is
    too strong: it exploits a weakness of D. Otherwise they are balanced. The Fréchet distance is used if the history has it.
    Returns None if there are fewer than four rows or if a median loss is not positive.

    >>> from autograd_mini.models.gans.diagnosis import diagnose
    >>> diagnose([{"g_loss": loss} for loss in (0.7, 0.9, 2.0, 4.0)]).verdict
    'the discriminator is too strong'
    """
    loss = _quarter_medians([row["g_loss"] for row in history if "g_loss" in row])
    if loss is None or min(loss) <= 0:
        return None
    measured = [row for row in history if "frechet" in row]
    frechet = _quarter_medians([row["frechet"] for row in measured])
    change = loss[1] / loss[0]
    evidence = f"the generator's loss went from {loss[0]:.3g} to {loss[1]:.3g}"
    if frechet:
        best = min(measured, key=lambda row: row["frechet"])
        evidence += f", the Fréchet distance from {frechet[0]:.3g} to {frechet[1]:.3g}"
        evidence += f" and at best to {best['frechet']:.3g}, at iteration {best['iteration']:.0f}"
    poor = frechet is not None and frechet[1] > STALL_RATIO * frechet[0]
    verdicts = {
        "the discriminator is too strong": change >= RISE_RATIO,
        "the generator is too strong": change <= FALL_RATIO and poor,
    }
    return Diagnosis(next((name for name, holds in verdicts.items() if holds), "balanced"), evidence)


def _quarter_medians(values: Sequence[float]) -> tuple[float, float] | None:
    """Returns the medians of the first and the last quarter, or None for fewer than four values."""
    count = len(values) // 4
    return (float(np.median(values[:count])), float(np.median(values[-count:]))) if count else None
