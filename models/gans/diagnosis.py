"""Who has the upper hand in a GAN's training, by the report's rules, and what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

Rows = Sequence[Mapping[str, float]]

RISE_RATIO: Final = (
    1.5  # the generator's loss late in training, as a multiple of its early one, from where it has risen sharply
)
FALL_RATIO: Final = 0.5  # and below which it has fallen fast
STALL_RATIO: Final = 0.8  # a Fréchet distance that has not come below this multiple of its early one has not improved

ADVICE: Final = {
    "the discriminator is too strong": (
        "label smoothing (real_label=0.9), dropout or noise in D, a lower d_rate, or two steps of G to one of D (g_times=2)"
    ),
    "the generator is too strong": (
        "a higher d_rate, g_every=2, D trained first (pretrain), or minibatch discrimination (minibatch=100)"
    ),
    "balanced": "nothing; go on, and stop by the Fréchet distance (early_stop) rather than by a loss",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, a key of `ADVICE`; `str` says what it rests on and what to try."""

    verdict: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.evidence}. To try: {ADVICE[self.verdict]}"


def diagnose(history: Rows) -> Diagnosis | None:
    """Compares the first and the last quarter of a history: None for fewer than four rows or a loss that crosses 0.

    The generator's loss rises sharply: D is too strong. It falls fast while the Fréchet distance stays poor: G is too strong,
    it has found what D does not see. Else they are balanced. Fréchet distances count where rows have them.

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
    """The medians of the first and of the last quarter."""
    count = len(values) // 4
    return (float(np.median(values[:count])), float(np.median(values[-count:]))) if count else None
