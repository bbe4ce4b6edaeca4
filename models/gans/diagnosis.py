"""Diagnoses an imbalance between generator and discriminator from the training history, and suggests what to try.

The thresholds were calibrated on recorded runs of each kind; `tests/models/gan_histories.json` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

Rows: TypeAlias = Sequence[Mapping[str, float]]
Options: TypeAlias = Mapping[str, Any]

RISE_RATIO: Final = 1.5  # late/early ratio of the generator's loss from which it has risen sharply
FALL_RATIO: Final = 0.5  # late/early ratio below which it has fallen fast
STALL_RATIO: Final = 0.8  # late/early ratio of the Fréchet distance above which it has not improved
WORSE_RATIO: Final = 1.25  # late/early ratio of the Fréchet distance from which the images have become worse
CLEAR_GAP: Final = 0.6  # D(x) − D(G(z)) from which D separates the images clearly; good runs stayed below 0.2
BLIND_GAP: Final = 0.05  # below this D does not tell the images apart
STALLED_GAP: Final = 0.4  # the same, if the Fréchet distance does not improve


@dataclass(frozen=True)
class Remedy:
    """A change to try, and whether the options of a run already include it."""

    text: str
    is_on: Callable[[Options], bool] = lambda options: False


ADVICE: Final[dict[str, tuple[Remedy, ...]]] = {
    "the discriminator is too strong": (
        Remedy("label smoothing (real_label=0.9)", lambda o: o.get("real_label", 1) < 1),
        Remedy("dropout in D (dropout=0.3)", lambda o: o.get("dropout", 0) > 0),
        Remedy("noise in D (noise=0.1)", lambda o: o.get("noise", 0) > 0),
        Remedy("a lower d_rate"),
        Remedy("two steps of G per step of D (g_times=2)", lambda o: o.get("g_times", 1) > 1),
        Remedy("G in every batch (g_every=1)", lambda o: o.get("g_every", 1) == 1),
    ),
    "the generator is too strong": (
        Remedy("a higher d_rate"),
        Remedy("g_every=2", lambda o: o.get("g_every", 1) > 1),
        Remedy("one step of G (g_times=1)", lambda o: o.get("g_times", 1) == 1),
        Remedy("D trained first (pretrain=100)", lambda o: o.get("pretrain", 0) > 0),
        Remedy("minibatch discrimination (minibatch=100)", lambda o: o.get("minibatch", 0) > 0),
    ),
    "the images have become worse": (
        Remedy("early stopping on the Fréchet distance (early_stop)", lambda o: o.get("early_stop") == "frechet"),
        Remedy("a lower learning rate"),
        Remedy("a running average of the weights (ema=0.99)", lambda o: o.get("ema", 0) > 0),
    ),
    "balanced": (
        Remedy("longer training"),
        Remedy(
            "early stopping on the Fréchet distance (early_stop), not on a loss", lambda o: o.get("early_stop") == "frechet"
        ),
    ),
}
"""Verdict -> what to try."""


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, its evidence and what to try; `str` joins them to one line."""

    verdict: str  # a key of ADVICE
    evidence: str  # the numbers behind the verdict
    advice: str  # the remedies that are not on

    def __str__(self) -> str:
        return f"{self.verdict}: {self.evidence}. To try: {self.advice}"


def diagnose(history: Rows, options: Options | None = None) -> Diagnosis | None:
    """Compares the first and the last quarter of a history, and does not suggest what `options` already include.

    D is too strong if it separates real and generated images clearly, or if the generator's loss rises sharply. G is too strong
    if its loss falls fast, or D cannot tell the images apart, while the Fréchet distance does not improve: it exploits a
    weakness of D. The images may also become worse for another reason. Otherwise the two are balanced. D(x), D(G(z)) and the
    Fréchet distance are used if the history has them. Returns None if there are fewer than four rows, or neither a positive
    loss nor probabilities.

    Parameters
    ----------
    history  rows with `g_loss` and, if they are known, `d_real`, `d_fake`, `frechet` and `iteration`
    options  options of the model (`GANConfig`, `GANArchitecture`) and `early_stop`; None: all have their defaults

    >>> from autograd_mini.models.gans.diagnosis import diagnose
    >>> diagnose([{"g_loss": loss} for loss in (0.7, 0.9, 2.0, 4.0)]).verdict
    'the discriminator is too strong'
    >>> found = diagnose([{"g_loss": 3.0, "d_real": 0.855, "d_fake": 0.045}] * 4, {"real_label": 0.9})
    >>> found.verdict, "real_label" in found.advice
    ('the discriminator is too strong', False)
    """
    options = options or {}
    loss, frechet = _quarters(history, "g_loss"), _quarters(history, "frechet")
    gap = _gap(history, options)
    positive = loss is not None and min(loss) > 0
    if loss is None or not (positive or gap is not None):
        return None
    change = loss[1] / loss[0] if positive else 1.0
    progress = frechet[1] / frechet[0] if frechet and frechet[0] > 0 else None
    stalled = progress is not None and progress > STALL_RATIO
    verdicts = {
        "the discriminator is too strong": change >= RISE_RATIO
        or (gap is not None and gap >= (STALLED_GAP if stalled else CLEAR_GAP)),
        "the generator is too strong": stalled and (change <= FALL_RATIO or (gap is not None and gap < BLIND_GAP)),
        "the images have become worse": progress is not None and progress >= WORSE_RATIO,
    }
    verdict = next((name for name, holds in verdicts.items() if holds), "balanced")
    advice = ", ".join(remedy.text for remedy in ADVICE[verdict] if not remedy.is_on(options))
    return Diagnosis(verdict, _evidence(history, loss, frechet, gap), advice)


def _gap(history: Rows, options: Options) -> float | None:
    """Returns D(x) − D(G(z)) in the last quarter, as a share of the labels' distance; None if D returns no probabilities."""
    real, fake = _quarters(history, "d_real"), _quarters(history, "d_fake")
    if real is None or fake is None or options.get("loss") in ("hinge", "wasserstein"):
        return None
    if not all(0 <= value <= 1 for value in (*real, *fake)):
        return None
    return (real[1] - fake[1]) / max(options.get("real_label", 1.0) - options.get("fake_label", 0.0), 0.1)


def _evidence(history: Rows, loss: tuple[float, float], frechet: tuple[float, float] | None, gap: float | None) -> str:
    parts = [f"the generator's loss went from {loss[0]:.3g} to {loss[1]:.3g}"]
    if frechet:
        best = min((row for row in history if "frechet" in row), key=lambda row: row["frechet"])
        parts.append(f"the Fréchet distance from {frechet[0]:.3g} to {frechet[1]:.3g}")
        parts[-1] += f" and at best to {best['frechet']:.3g}, at iteration {best['iteration']:.0f}"
    if gap is not None and (real := _quarters(history, "d_real")) and (fake := _quarters(history, "d_fake")):
        parts.append(f"D(x) is {real[1]:.3g} and D(G(z)) {fake[1]:.3g} at the end")
    return ", ".join(parts)


def _quarters(history: Rows, name: str) -> tuple[float, float] | None:
    """Returns the medians of a metric in the first and the last quarter, or None for fewer than four values."""
    values = [row[name] for row in history if name in row]
    count = len(values) // 4
    return (float(np.median(values[:count])), float(np.median(values[-count:]))) if count else None
