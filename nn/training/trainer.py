"""`Trainer`: the loop of epochs and batches around a model's `training_step`, with its bar, its records and its checkpoints.

What is written to the run's folder, with each row of the history and on Ctrl-C: `metrics.csv`, the history; `timing.csv`, the
seconds that each row took; and `checkpoint.safetensors`, from which a run goes on as if it had never stopped, bit for bit.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.jit.guards import GUARDED_TYPES
from autograd_mini.state import modes
from autograd_mini.tensor import Array, Tensor

from ..data import DataLoader
from ..extras import extra
from ..module import HasTrainingMode, Module, evaluation
from .checkpoint import load_checkpoint, save_checkpoint, sweep, write_text, writing
from .interrupt import Interrupt
from .update import DivergedError, Means, Steps, Update, frozen

CHECKPOINT: Final = "checkpoint.safetensors"
METRICS: Final = "metrics.csv"
TIMING: Final = "timing.csv"
_PARTS: Final = frozenset(
    {"model", "optimizers", "callbacks", "history", "iteration", "stopped", "random", "data", "means"}
)  # of a checkpoint

Row: TypeAlias = dict[str, float]


class Trainable(HasTrainingMode, Protocol):
    """What a trainer asks of a model: a Module. Its `training_step`, if no table of updates is given, gives named scalars for
    a batch, of which "loss" is minimised."""

    def state_dict(self) -> dict[str, Array]: ...
    def load_state_dict(self, state: Mapping[str, Array | Tensor]) -> None: ...


class Callback:
    """Base of the callbacks; a subclass overrides what it needs.

    `after_row` may add numbers to the row, and may end training by `trainer.stop(reason)`. Random draws there do not touch
    training's own stream.

    >>> from autograd_mini import nn
    >>> class Gap(nn.Callback):
    ...     def after_row(self, trainer, row):
    ...         row["gap"] = row["val_loss"] - row["loss"]
    """

    def after_step(self, trainer: Trainer) -> None:
        """Called after each batch."""

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Called with each new row of the history, before it is written."""

    def after_fit(self, trainer: Trainer) -> None:
        """Called when training is complete, not where it was broken off; again when a complete run is taken up again."""

    def state_dict(self) -> dict[str, Any]:
        """What it must remember: nested dicts and lists of arrays and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave."""


class Trainer:
    """Trains `model` by one optimizer, or by a table of updates by name, each with losses and an optimizer of its own.

    `history` gets a row for each epoch, or for `every` so many batches: means over the training batches as they came, the same
    with `val_` over the validation batches, and what `callbacks` add. With a table, names are `NAME_loss` and so on, and while
    one update learns, the parameters of the others are frozen.

    With a `folder`, which is made if need be, metrics and checkpoints are written there with each row. `progress=False` hides
    the bar. With `jit` (the default) each update is compiled: recorded at its second batch, and then replayed without Python; a
    step that cannot be recorded, because it looks at values or counts in the model's attributes, runs as it is, and a warning
    says why; other things that Python does, like drawing from `np.random`, happen only while recording. `threads` is how many
    of ours share large operations, 1 or 2, while BLAS is held at one: results are the same bits on any number of cores, and
    small products do not wait for a thread on a busy core. None leaves BLAS to its own choice.

    >>> import autograd_mini as ag
    >>> from autograd_mini import models, nn
    >>> _ = ag.manual_seed(0)
    >>> data = nn.data.digits().train.only(limit_per_class=10)
    >>> loader = nn.data.DataLoader(data, batch_size=10, shuffle=True)
    >>> model = models.MLP(sizes=(64, 32, 10))
    >>> trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=1e-2), progress=False)
    >>> history = trainer.fit(loader, epochs=5)
    >>> [row["epoch"] for row in history], history[-1]["loss"] < history[0]["loss"]
    ([1, 2, 3, 4, 5], True)
    """

    def __init__(
        self,
        model: Trainable,
        optimizer: Steps | Mapping[str, Update],
        folder: str | os.PathLike[str] | None = None,
        *,
        callbacks: Iterable[Callback] = (),
        every: int | None = None,
        progress: bool = True,
        jit: bool = True,
        threads: int | None = 2,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"Trainer: every must be at least 1 batch, got {every}")
        self.model: Any = model
        self.updates = _table(self.model, optimizer)
        self.folder = None if folder is None else Path(folder)
        self.callbacks = tuple(callbacks)
        self.every = every
        self.progress = progress
        self.threads = threads
        self.history: list[Row] = []
        self.iteration = 0  # batches done in all
        self.stopped: str | None = None  # why a callback ended training
        self.interrupted = False
        self._place: Mapping[str, Any] | None = None  # in the data
        self._means = Means()
        self.jit = jit
        self._steps: dict[str, Callable[[Any], Mapping[str, Tensor]]] = {}
        self._others = {name: _others(self.updates, name) for name in self.updates}
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)

    def fit(
        self,
        train: DataLoader,
        epochs: int | None = None,
        validation: DataLoader | None = None,
        *,
        iterations: int | None = None,
    ) -> list[Row]:
        """Trains until `epochs` epochs, or `iterations` batches, are done, those of an earlier call or a loaded checkpoint
        included; returns the history.

        Ctrl-C ends it after the step in progress: the state is saved, a line says how to go on, and `interrupted` is True. A
        second one raises KeyboardInterrupt. DivergedError for a loss or parameter that is not finite, OSError for a folder that
        cannot be written, ValueError for data without a batch or in another order than before: the last checkpoint stays.
        """
        if (epochs is None) == (iterations is None):
            raise ValueError("Trainer.fit: give either epochs or iterations")
        if not len(train):
            raise ValueError("Trainer.fit: the training data have no batch")
        if self._place is not None:
            train.load_state_dict(self._place)
        target = iterations if iterations is not None else (epochs or 0) * len(train)
        self.model.train()
        self._steps = {
            name: _compiled(self.model, update) if self.jit else update.step for name, update in self.updates.items()
        }
        # A loss that overflows is told by DivergedError, once, and not by warnings of each operation on the way.
        with Interrupt() as interrupt, self._threads(), np.errstate(over="ignore", invalid="ignore"):
            while self.iteration < target and not (self.stopped or interrupt.requested):
                self._epoch(train, validation, target, interrupt)
            self.interrupted = interrupt.requested
            if self.stopped or self.iteration >= target:
                for callback in self.callbacks:
                    callback.after_fit(self)
            self._write()
        if self.interrupted:
            print(self._farewell(), file=sys.stderr)
        return self.history

    def evaluate(self, loader: DataLoader) -> Row:
        """Means of the model's named losses over a loader, in inference mode; nothing is trained.

        Random draws are the same at each call, and training's own stream stays where it is: validation changes no run.

        >>> import numpy as np
        >>> from autograd_mini import models, nn
        >>> model = models.MLP(sizes=(4, 2))
        >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1))
        >>> sorted(trainer.evaluate(nn.data.DataLoader(np.zeros((3, 4), "float32"), np.zeros(3, int))))
        ['accuracy', 'loss']
        """
        means = Means()
        with self.inference():
            for batch in loader.epoch(0):
                for prefix, update in self.updates.items():
                    means.add(update.losses(batch), len(batch[0]), prefix)
        return means()

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Runs the block with the model in evaluation mode, without recording gradients, and with a separate random stream."""
        with evaluation(self.model), ag.fork_rng(0):
            yield

    def stop(self, reason: str) -> None:
        """Ends training after the row in progress; for callbacks."""
        self.stopped = reason

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes model, optimizers, callbacks, history, random stream and place in the data to one safetensors file.

        Whole or not at all: OSError where it cannot be written, and what stood there before is then untouched.
        """
        state = {
            "model": self.model.state_dict(),
            "optimizers": [update.optimizer.state_dict() for update in self.updates.values()],
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "history": self.history,
            "iteration": self.iteration,
            "stopped": self.stopped,
            "random": ag.get_rng_state(),
            "data": self._place,
            "means": self._means.sums,
        }
        save_checkpoint(path, state)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes a run up where `save` left it. Model, optimizers, callbacks and data loader must be made as they were then.

        FileNotFoundError without the file; ValueError where it is damaged or belongs to another model or optimizer.
        """
        state = load_checkpoint(path)
        if lacking := _PARTS - state.keys():
            raise ValueError(f"{os.fspath(path)}: is no whole checkpoint of a trainer, {', '.join(sorted(lacking))} is missing")
        for what, own in (("optimizers", self.updates), ("callbacks", self.callbacks)):
            if len(state[what]) != len(own):
                raise ValueError(f"{os.fspath(path)}: the run had {len(state[what])} {what}, this one has {len(own)}")
        self.model.load_state_dict(state["model"])
        for update, saved in zip(self.updates.values(), state["optimizers"], strict=True):
            update.optimizer.load_state_dict(saved)
        for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        ag.set_rng_state(state["random"])
        self.history, self.iteration, self.stopped = state["history"], state["iteration"], state["stopped"]
        self._place, self._means = state["data"], Means({name: (s, w) for name, (s, w) in state["means"].items()})

    # -- below ----------------------------------------------------------------------------------------------------------------

    def _epoch(self, train: DataLoader, validation: DataLoader | None, target: int, interrupt: Interrupt) -> None:
        """Runs the rest of an epoch, or up to the last batch, a stop or an interrupt; a row wherever one is due."""
        period, start = self.every or len(train), time.perf_counter()
        place = train.state_dict()
        epoch = place["epoch"] + 1
        bar = extra("tqdm.auto", "training's progress bar").tqdm(
            desc=f"epoch {epoch}/{-(-target // len(train))}",
            total=min(len(train), place["batch"] + target - self.iteration),
            initial=place["batch"],
            disable=not self.progress,
        )
        with bar:
            for batch in train:
                self._step(batch, epoch)
                self._place = train.state_dict()
                bar.set_postfix({name: f"{mean:.4g}" for name, mean in self._means().items()}, refresh=False)
                bar.update()
                if self.iteration % period == 0 or self.iteration == target:
                    self._row(epoch, validation)
                    self._write(time.perf_counter() - start)
                    start = time.perf_counter()
                if self.iteration == target or self.stopped or interrupt.requested:
                    break

    def _step(self, batch: tuple[Tensor, ...], epoch: int) -> None:
        for prefix, update in self.updates.items():
            if not update.due(self.iteration):
                continue
            with frozen(self._others[prefix]):
                for _ in range(update.times):
                    try:
                        losses = self._losses(prefix, batch)
                    except DivergedError as error:
                        raise self._diverged(f"{prefix}{error} in epoch {epoch}") from None
                    self._means.add(losses, len(batch[0]), prefix)
        self.iteration += 1
        for callback in self.callbacks:
            callback.after_step(self)

    def _losses(self, prefix: str, batch: Any) -> Mapping[str, Tensor]:
        try:
            return self._steps[prefix](batch)
        except ag.TraceError as error:  # nothing has been changed
            warnings.warn(f"this step is not compiled and runs as it is: {error}", stacklevel=2)
            self._steps[prefix] = self.updates[prefix].step
            return self._steps[prefix](batch)

    def _row(self, epoch: int, validation: DataLoader | None) -> None:
        row: Row = {"epoch": epoch, "iteration": self.iteration, **self._means()}
        if validation is not None:
            row |= {f"val_{name}": mean for name, mean in self.evaluate(validation).items()}
        for update in self.updates.values():
            if not all(np.isfinite(p._data).all() for p in update.parameters()):
                raise self._diverged(f"a parameter became nan or infinite in epoch {epoch}")
        with ag.fork_rng(0):
            for callback in self.callbacks:
                callback.after_row(self, row)
        self.history.append(row)
        self._means = Means()

    def _write(self, seconds: float | None = None) -> None:
        """The checkpoint first: the tables follow from it, and a run that is taken up again writes them anew."""
        if self.folder is None:
            return
        self.save(self.folder / CHECKPOINT)
        if self.history:
            write_text(self.folder / METRICS, _table_text(self.history))
        if seconds is not None:
            with writing(self.folder / TIMING), open(self.folder / TIMING, "a", encoding="utf-8") as file:
                if not file.tell():
                    file.write("iteration,seconds\n")
                file.write(f"{self.iteration},{seconds:.3f}\n")

    def _threads(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.threads is None else ag.threads(self.threads)

    def _diverged(self, fault: str) -> DivergedError:
        kept = self.folder and (self.folder / CHECKPOINT).exists()
        last = f"the last good state is in {self.folder / CHECKPOINT}" if self.folder and kept else "no checkpoint was written"
        return DivergedError(f"{fault}, at batch {self.iteration + 1} of the run; {last}; a lower learning rate may help")

    def _farewell(self) -> str:
        done = f"interrupted after {self.iteration} batches"
        if self.folder is None:
            return f"{done}; no folder was given, nothing is saved"
        return f"{done}; saved to {self.folder / CHECKPOINT}: Trainer.load takes it up there"


def _table(model: Any, optimizer: Steps | Mapping[str, Update]) -> dict[str, Update]:
    """Updates by the prefix that their losses get."""
    if isinstance(optimizer, Mapping):
        if not optimizer:
            raise ValueError("Trainer: the table of updates is empty")
        return {f"{name}_": update for name, update in optimizer.items()}
    return {"": Update(lambda batch: model.training_step(batch), optimizer)}


def _compiled(model: Any, update: Update) -> Callable[[Any], Mapping[str, Tensor]]:
    def step(batch: Any) -> Mapping[str, Tensor]:
        if modes.tracer is not None and isinstance(model, Module):
            for part in model.modules():
                part.guard_attributes(modes.tracer)
        before = _written_by_python(model) if ag.is_recording() else {}
        losses = {name: value.detach() for name, value in update.step(batch).items()}
        if ag.is_recording() and (
            changed := [key for key, value in _written_by_python(model).items() if _size(before.get(key)) != _size(value)]
        ):
            _put_back(model, before, changed)
            names = ", ".join(sorted(".".join(filter(None, key)) for key in changed))
            raise ag.TraceError(f"jit: the step changes {names} by Python, which does not run in a replay")
        return losses

    return ag.jit(step, exact=True)


def _written_by_python(model: Any) -> dict[tuple[str, str], Any]:
    """The numbers, and copies of the lists, among the attributes of a model and its parts: what a step may count with.

    Of modules' own numbers `jit` sees it too; not of lists, of attributes that are new, and of models that are no modules.
    """
    parts = model.named_modules() if isinstance(model, Module) else [("", model)]
    return {
        (path, name): list(value) if isinstance(value, list) else value
        for path, part in parts
        for name, value in vars(part).items()
        if isinstance(value, (*GUARDED_TYPES, list)) and name != "_training"
    }


def _size(value: Any) -> Any:
    """A number or text itself; of a list its length, since what it holds may not be comparable."""
    return len(value) if isinstance(value, list) else value


def _put_back(model: Any, before: Mapping[tuple[str, str], Any], changed: Iterable[tuple[str, str]]) -> None:
    parts = dict(model.named_modules()) if isinstance(model, Module) else {"": model}
    for path, name in changed:
        value = vars(parts[path])[name]
        if isinstance(value, list):
            value[:] = before.get((path, name), [])
        elif (path, name) in before:
            setattr(parts[path], name, before[path, name])
        else:
            delattr(parts[path], name)


def _others(updates: Mapping[str, Update], name: str) -> list[Tensor]:
    """The parameters that other updates move and this one does not."""
    own = {id(p) for p in updates[name].parameters()}
    return [p for update in updates.values() for p in update.parameters() if id(p) not in own]


def _table_text(history: list[Row]) -> str:
    """The history as CSV; a name that came up later has empty cells before."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in history for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
