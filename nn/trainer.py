"""`Trainer`: the loop of epochs and batches around a model's `training_step`, with its bar, its records and its checkpoints.

What is written to the run's folder, after every epoch and on Ctrl-C: `metrics.csv`, one row for each epoch, and
`checkpoint.safetensors`, from which a run goes on as if it had never stopped, bit for bit.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import autograd_mini as ag
from autograd_mini.tensor import Array, Tensor

from .checkpoint import load_checkpoint, save_checkpoint
from .data import DataLoader
from .extras import extra
from .interrupt import Interrupt
from .optim import Optimizer

CHECKPOINT: Final = "checkpoint.safetensors"
METRICS: Final = "metrics.csv"

Row: TypeAlias = dict[str, float]


class Trainable(Protocol):
    """What a trainer asks of a model: a Module whose `training_step` gives named scalars for a batch; "loss" is minimised."""

    training: bool

    def training_step(self, batch: Any) -> Mapping[str, Tensor]: ...
    def train(self, mode: bool = True) -> object: ...
    def state_dict(self) -> dict[str, Array]: ...
    def load_state_dict(self, state: Mapping[str, Array | Tensor]) -> None: ...


class Averages:
    """Running means of named values, each weighted by the size of its batch."""

    def __init__(self, count: int = 0, sums: Mapping[str, float] | None = None) -> None:
        self.count = count
        self.sums = dict(sums or {})

    def add(self, values: Mapping[str, Tensor], size: int) -> None:
        self.count += size
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item() * size

    def means(self) -> Row:
        return {name: total / self.count for name, total in self.sums.items()}


class Trainer:
    """Trains `model` by `optimizer`. `history` holds a row for each epoch: means over the training batches as they came,
    the same with `val_` over the validation batches, and the `seconds` of training.

    With a `folder`, which is made if need be, metrics and checkpoints are written there. `progress=False` hides the bar.

    >>> import autograd_mini as ag
    >>> from autograd_mini import models, nn
    >>> _ = ag.manual_seed(0)
    >>> data = nn.data.digits().train.only(limit_per_class=10)
    >>> loader = nn.data.DataLoader(data.images, data.labels, batch_size=10, shuffle=True)
    >>> model = models.MLP(sizes=(64, 32, 10))
    >>> trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-2), progress=False)
    >>> history = trainer.fit(loader, epochs=5)
    >>> [row["epoch"] for row in history], history[-1]["loss"] < history[0]["loss"]
    ([1, 2, 3, 4, 5], True)
    """

    def __init__(
        self,
        model: Trainable,
        optimizer: Optimizer,
        folder: str | os.PathLike[str] | None = None,
        *,
        progress: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.folder = None if folder is None else Path(folder)
        self.progress = progress
        self.history: list[Row] = []
        self.interrupted = False
        self._batch = 0  # batches of the current epoch that are done, and their averages
        self._averages = Averages()
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)

    def fit(self, train: DataLoader, epochs: int, validation: DataLoader | None = None) -> list[Row]:
        """Trains until `epochs` epochs are done, those of an earlier call or a loaded checkpoint included; returns the history.

        Ctrl-C ends it after the step in progress: the state is saved, a line says so, and `interrupted` is True. A second one
        raises KeyboardInterrupt.
        """
        with Interrupt() as interrupt:
            while len(self.history) < epochs and not interrupt.requested:
                row = self._epoch(train, epochs, interrupt)
                if self._batch == len(train):
                    self._finish(row, validation)
                if self.folder:
                    self._write(self.folder)
        self.interrupted = interrupt.requested
        if self.interrupted:
            print(self._farewell(), file=sys.stderr)
        return self.history

    def evaluate(self, loader: DataLoader) -> Row:
        """Means of the model's named losses over a loader, in inference mode; nothing is trained.

        >>> import numpy as np
        >>> from autograd_mini import models, nn
        >>> model = models.MLP(sizes=(4, 2))
        >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1))
        >>> sorted(trainer.evaluate(nn.data.DataLoader(np.zeros((3, 4), "float32"), np.zeros(3, int))))
        ['accuracy', 'loss']
        """
        averages, training = Averages(), self.model.training
        self.model.train(False)
        with ag.no_grad():
            for batch in loader.epoch(0):  # the same order at every call, so that a resumed run draws as the whole one did
                averages.add(self.model.training_step(batch), len(batch[0]))
        self.model.train(training)
        return averages.means()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes model, optimizer, history, random stream and place in the data to one safetensors file, atomically."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "random": ag.get_rng_state(),
            "batch": self._batch,
            "averages": vars(self._averages),
        }
        save_checkpoint(path, state)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes a run up where `save` left it. The model, optimizer and data loader must be made as they were then.

        FileNotFoundError without the file; ValueError where it is damaged or belongs to another model or optimizer.
        """
        state = load_checkpoint(path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        ag.set_rng_state(state["random"])
        self.history, self._batch, self._averages = state["history"], state["batch"], Averages(**state["averages"])

    # -- below ----------------------------------------------------------------------------------------------------------------

    def _step(self, batch: tuple[Tensor, ...]) -> None:
        self.optimizer.zero_grad()
        losses = self.model.training_step(batch)
        losses["loss"].backward(free=True)
        self.optimizer.step()
        self._averages.add(losses, len(batch[0]))

    def _epoch(self, train: DataLoader, epochs: int, interrupt: Interrupt) -> Row:
        """Runs the rest of an epoch, or up to an interrupt; returns its averages."""
        number, start = len(self.history), time.perf_counter()
        self.model.train()
        bar = extra("tqdm.auto", "training's progress bar").tqdm(
            desc=f"epoch {number + 1}/{epochs}", total=len(train), initial=self._batch, disable=not self.progress
        )
        with bar:
            for batch in train.epoch(number, self._batch):
                self._step(batch)
                self._batch += 1
                bar.set_postfix({name: f"{mean:.4g}" for name, mean in self._averages.means().items()}, refresh=False)
                bar.update()
                if interrupt.requested:
                    break
        return {"epoch": number + 1, **self._averages.means(), "seconds": time.perf_counter() - start}

    def _finish(self, row: Row, validation: DataLoader | None) -> None:
        if validation is not None:
            row |= {f"val_{name}": mean for name, mean in self.evaluate(validation).items()}
        self.history.append(row)
        self._batch, self._averages = 0, Averages()

    def _write(self, folder: Path) -> None:
        self.save(folder / CHECKPOINT)
        table = io.StringIO()
        names = dict.fromkeys(name for row in self.history for name in row)
        writer = csv.DictWriter(table, fieldnames=list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        (folder / METRICS).write_text(table.getvalue(), encoding="utf-8", newline="")

    def _farewell(self) -> str:
        done = f"interrupted after {len(self.history)} epochs and {self._batch} batches"
        return f"{done}; {f'saved to {self.folder / CHECKPOINT}' if self.folder else 'no folder was given, nothing is saved'}"
