"""TensorBoard: writes the history as event files, by tensorboardX, which needs neither TensorFlow nor PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..extras import extra
from .callback import Callback
from .trainer import Trainer


class TensorBoard(Callback):
    """Writes each row of the history to event files in a folder, which `tensorboard --logdir FOLDER` shows as curves.

    A metric with a validation value has the names `loss/train` and `loss/val`, so that one plot shows both; the step is the
    number of batches. Rows that a resumed run repeats replace the earlier ones. Put it after the callbacks that add to the row.
    Needs tensorboardX: `pip install "autograd-mini[tensorboard]"`.

    >>> import pathlib, tempfile
    >>> from autograd_mini import nn
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> callbacks = [nn.LearningRateLog(), nn.TensorBoard(folder)]
    """

    main_rank_only = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._writer: Any = None

    def before_fit(self, trainer: Trainer) -> None:
        library = extra("tensorboardX", "writing TensorBoard files", "tensorboard")
        if self._writer is None:
            # Names of event files have the time in seconds; the suffix keeps a run that resumes at once from the file before.
            done, suffix = trainer.iteration, f"-{trainer.iteration:06d}"
            self._writer = library.SummaryWriter(
                str(self.folder), purge_step=done + 1 if done else None, filename_suffix=suffix
            )

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        for name, value in row.items():
            if name not in ("epoch", "iteration"):
                self._writer.add_scalar(curve_name(name, row), value, trainer.iteration)
        self._writer.flush()

    def after_stop(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def curve_name(name: str, row: dict[str, float]) -> str:
    """Returns the name of a metric of a row in TensorBoard.

    >>> from autograd_mini.nn.training.tensorboard import curve_name
    >>> row = {"loss": 1.0, "val_loss": 2.0, "lr": 0.1}
    >>> [curve_name(name, row) for name in row]
    ['loss/train', 'loss/val', 'lr']
    """
    if f"val_{name}" in row:
        return f"{name}/train"
    return f"{name.removeprefix('val_')}/val" if name.startswith("val_") else name
