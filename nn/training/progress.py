"""What `Trainer.fit` shows: a bar for each epoch in a terminal, one output in a notebook, a line for each epoch in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..extras import has_terminal, progress_bar, say
from ..notebook import Output, in_notebook

PURPOSE = "training's progress bar"


class Progress:
    """The display of one call of `fit`.

    Parameters
    ----------
    shown : whether anything is shown
    epochs : how many epochs the run has
    history : the rows of the run, to which rows are added meanwhile
    """

    def __init__(self, shown: bool, epochs: int, history: Sequence[Mapping[str, Any]]) -> None:
        self._shown, self._epochs, self._history = shown, epochs, history
        self._output = Output() if shown and in_notebook() else None

    def bar(self, epoch: int, total: int, initial: int) -> Any:
        """Returns the progress bar of an epoch that has `total` batches, of which `initial` are done already."""
        options = {} if self._output is None else {"output": self._output, "rows": self._history}
        return progress_bar(PURPOSE, self._shown, desc=f"epoch {epoch}/{self._epochs}", total=total, initial=initial, **options)

    def row(self) -> None:
        """Without a terminal for a bar, prints the last row of the history, at most one for each epoch."""
        row, *before = reversed(self._history[-2:])
        if self._shown and not has_terminal() and not (before and before[0]["epoch"] == row["epoch"]):
            means = ", ".join(f"{name} {mean:.4g}" for name, mean in row.items() if name not in ("epoch", "iteration"))
            say(f"epoch {row['epoch']:.0f}/{self._epochs}, batch {row['iteration']:.0f}: {means}")
