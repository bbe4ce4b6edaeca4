"""Which checkpoints of a run are kept besides the last one: the best by a metric, and every N-th."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

BEST: Final = "checkpoint-best.safetensors"
MODES: Final = ("min", "max")


@dataclass(frozen=True)
class Keep:
    """What is kept. Raises ValueError if `every` is below 1, or for another mode.

    >>> from autograd_mini.nn.training.keep import Keep
    >>> rows = [{"iteration": 5, "val_loss": 0.5}, {"iteration": 10, "val_loss": 0.4}]
    >>> Keep(best="val_loss", every=2).names(rows), Keep(every=2).names(rows[:1])
    (['checkpoint-000010.safetensors', 'checkpoint-best.safetensors'], [])
    """

    best: str | tuple[str, str] | None = None  # a metric, or a metric and "min" or "max"
    every: int | None = None  # in rows

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ValueError(f"Trainer: keep_every must be at least 1 row, got {self.every}")
        if self.best is not None and self._metric[1] not in MODES:
            raise ValueError(f"Trainer: keep_best must be a metric, or a metric and 'min' or 'max', got {self.best!r}")

    @property
    def _metric(self) -> tuple[str, str]:
        """The metric and its mode; without one, accuracies are maximised and other metrics minimised."""
        if isinstance(self.best, str):
            return self.best, "max" if self.best.endswith("accuracy") else "min"
        return self.best or ("", "")

    def names(self, history: Sequence[Mapping[str, Any]]) -> list[str]:
        """Returns the files to which the checkpoint of the last row is copied. Raises ValueError if it lacks the metric."""
        if not history:
            return []
        numbered = self.every and len(history) % self.every == 0
        names = [f"checkpoint-{history[-1]['iteration']:06d}.safetensors"] if numbered else []
        return [*names, BEST] if self.best and self._is_best(history) else names

    def _is_best(self, history: Sequence[Mapping[str, Any]]) -> bool:
        name, mode = self._metric
        if name not in history[-1]:
            raise ValueError(f"Trainer: keep_best={name!r} is not logged; expected one of: {', '.join(history[-1])}")
        sign = 1 if mode == "min" else -1
        *before, last = (sign * row[name] for row in history if name in row)
        return last == last and not any(value <= last for value in before)  # nan is never the best
