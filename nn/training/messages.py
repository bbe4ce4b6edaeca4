"""What a trainer says: a row without a progress bar, an interruption, a divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..extras import has_terminal, say
from .update import DivergedError


def report_row(history: Sequence[Mapping[str, float]], epochs: int) -> None:
    """Without a terminal for a progress bar, prints the last row, at most one for each epoch."""
    row, *before = reversed(history[-2:])
    if not has_terminal() and not (before and before[0]["epoch"] == row["epoch"]):
        means = ", ".join(f"{name} {mean:.4g}" for name, mean in row.items() if name not in ("epoch", "iteration"))
        say(f"epoch {row['epoch']:.0f}/{epochs}, batch {row['iteration']:.0f}: {means}")


def interrupt_message(iteration: int, checkpoint: Path | None) -> str:
    """Returns what to do after an interruption.

    >>> from autograd_mini.nn.training.messages import interrupt_message
    >>> interrupt_message(7, None)
    'interrupted after 7 batches; not saved, because the trainer has no folder'
    """
    done = f"interrupted after {iteration} batches"
    if checkpoint is None:
        return f"{done}; not saved, because the trainer has no folder"
    return f"{done}; saved to {checkpoint}; resume with Trainer.load"


def divergence(problem: str, iteration: int, checkpoint: Path | None, bad_input: str = "") -> DivergedError:
    """Returns the error of a run that diverged after `iteration` batches."""
    saved = checkpoint is not None and checkpoint.exists()
    last = f"the last valid state: {checkpoint}" if saved else "no checkpoint was written"
    advice = f"{bad_input}: repair or remove it" if bad_input else "a lower learning rate may help"
    return DivergedError(f"{problem}, at batch {iteration + 1} of the run; {last}; {advice}")
