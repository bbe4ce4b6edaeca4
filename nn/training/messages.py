"""What a trainer says about an interruption and a divergence."""

from __future__ import annotations

from pathlib import Path

from .update import DivergedError


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
