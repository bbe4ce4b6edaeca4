"""`Trainer`: the loop over epochs and batches, with a progress bar, logged metrics and checkpoints.

It writes to the folder of the run, with each row of the history and on Ctrl-C: `metrics.csv`, the history; `timing.csv`, the
seconds per row; and `checkpoint.safetensors`, from which an interrupted run resumes with the same bits.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import NoneType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

import autograd_mini as ag
from autograd_mini.jit.api import Backend, available_backend
from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.atomic_files import remove_temporary_files
from autograd_mini.tools.locks import FolderClaim

from ..data import DataLoader
from ..data.examples import batch_length
from ..extras import say
from ..losses.ranges import RangeCheck
from ..module import HasTrainingMode, evaluation
from .callback import Callback, add_to_row, call_after_step, call_all
from .checkpoint import explain_write_errors, load_checkpoint, save_checkpoint, write_text
from .compile_update import compile_update
from .history import History, pack_history, unpack_history
from .interrupt import Interrupt
from .keep import Keep
from .messages import divergence, interrupt_message
from .progress import Progress
from .ranks import Ranks
from .tables import append_line, to_csv
from .update import (
    DivergedError,
    OptimizerLike,
    RunningMeans,
    Update,
    check_owner,
    find_bad_input,
    frozen_parameters,
    group_batches,
    named_updates,
    other_parameters,
    with_limits,
)

CHECKPOINT: Final = "checkpoint.safetensors"
METRICS: Final = "metrics.csv"
TIMING: Final = "timing.csv"
_PARTS: Final = frozenset(
    {"model", "optimizers", "callbacks", "history", "iteration", "stopped", "random", "data", "means"}
)  # of a checkpoint

Row: TypeAlias = dict[str, float]


class Trainable(HasTrainingMode, Protocol):
    """What a trainer needs of a model, which is usually a Module. Without a table of updates it also needs `training_step`, a
    function from a batch to named scalars, of which "loss" is minimised."""

    def state_dict(self) -> dict[str, Array]: ...
    def load_state_dict(self, state: Mapping[str, Array | Tensor]) -> Any: ...


class Trainer:
    """Trains a model with one optimizer, or with a table of named updates, each with its own losses and optimizer.

    `history` gets a row per epoch or per `every` batches: means over the training batches, means over the validation batches
    with the prefix `val_`, and what callbacks add. With a table, names are `NAME_loss` and so on, and the parameters of other
    updates are frozen during a step. A compiled step is recorded at its second batch and then replayed. A step that cannot be
    compiled, because it needs concrete values, changes Python state or draws from `np.random`, runs in eager mode with a
    warning.

    Parameters
    ----------
    model      a Module
    optimizer  an optimizer, for the losses of `model.training_step`; or a table of updates by name
    folder     folder for metrics and checkpoints, created if it is missing; None: nothing is written
    callbacks  callbacks, called in this order
    every      batches per row; None: one row per epoch
    progress   whether a progress bar is shown; in a notebook, one output with the last rows of the history
    jit        whether each update is compiled
    backend    of compiled updates: "numpy", "c" or "auto", see `ag.jit`; a run is resumed with the backend that it began with
    accumulate       batches per step: their gradients together are those of one batch as large as all of them. Rows and ends of
                     epochs fall at steps; the rest of an epoch makes a smaller step
    clip_grad_norm   largest joint norm of the gradients of a step; larger ones are scaled down
    clip_grad_value  largest size of each element of a gradient
    keep_best        also keep the checkpoint of the best row by this metric, as checkpoint-best.safetensors; accuracies are
                     maximised, other metrics minimised, or pass (metric, "max")
    keep_every       also keep the checkpoint of every n-th row, as checkpoint-NNNNNN.safetensors, by the number of batches
    threads    threads that share large operations, 1 or 2, while BLAS uses one: results are the same bits on any number of
               cores, and small products do not wait for a busy core. None lets BLAS choose
    comm       a communicator of mpi4py: data-parallel training, in which each rank computes on its rows of every batch. All
               ranks call the same methods; rank 0 writes and prints. See docs/scaling.md

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
        optimizer: OptimizerLike | Mapping[str, Update],
        folder: str | os.PathLike[str] | None = None,
        *,
        callbacks: Iterable[Callback] = (),
        every: int | None = None,
        progress: bool = True,
        jit: bool = True,
        backend: Backend = "numpy",
        threads: int | None = 2,
        accumulate: int = 1,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        keep_best: str | tuple[str, str] | None = None,
        keep_every: int | None = None,
        comm: Any = None,
    ) -> None:
        for name, number in (("every", every), ("accumulate", accumulate)):
            if number is not None and number < 1:
                raise ValueError(f"Trainer: {name} must be at least 1 batch, got {number}")
        self.model: Any = model
        limits = {"clip_grad_norm": clip_grad_norm, "clip_grad_value": clip_grad_value}
        self.ranks = Ranks(comm)
        self.updates = self.ranks.with_reducers(with_limits(named_updates(self.model, optimizer), limits), model)
        self.accumulate, self.keep = accumulate, Keep(keep_best, keep_every)
        for name, update in self.updates.items():
            check_owner(model, name.removesuffix("_"), update)
        self.folder = None if folder is None else Path(folder)
        self.callbacks = tuple(callbacks)
        self.every = every
        self.progress = progress and self.ranks.is_main
        self.threads = threads
        self.history = History()
        self.iteration = self._first_iteration = 0  # batches so far, and at the start of `fit`
        self.stopped: str | None = None  # why a callback ended training
        self.interrupted = False
        self._data_state: Mapping[str, Any] | None = None  # of the loader
        self._means = RunningMeans()
        self._ranges: RangeCheck | None = None  # in the first epoch of `fit`
        self.claim: FolderClaim | None = None  # on the folder, if it is held for longer than each call of `fit`
        self.notes: dict[str, Any] = {}  # simple values that checkpoints contain, such as the names of classes
        self.at_later_checkpoint: list[Callable[[], object]] = []  # called before the first one that is later than at the start
        self._weights_in_use: dict[str, Array] | None = None  # what `use_weights` loaded, and what it replaced:
        self._weights_in_training: dict[str, Array] = {}
        self.jit, self.backend = jit, available_backend(backend)
        self._steps: dict[str, Callable[..., list[Mapping[str, Tensor]]]] = {}
        self._frozen = {name: other_parameters(self.updates, name) for name in self.updates}
        if self.folder and self.ranks.is_main:
            self.folder.mkdir(parents=True, exist_ok=True)

    def fit(
        self,
        train: DataLoader,
        epochs: int | None = None,
        validation: DataLoader | None = None,
        *,
        iterations: int | None = None,
    ) -> History:
        """Trains and returns the history, a list of rows.

        Ctrl-C stops after the current step: the state is saved, a message says how to resume, and `interrupted` is True. A
        second Ctrl-C raises KeyboardInterrupt. After an error, the last checkpoint is unchanged. Meanwhile no other process can
        train in the folder. A run that a callback has stopped stays stopped, and a message says so. For a model with
        `BatchNorm1d`, a last batch of one is merged into the one before, unless the loader has `drop_last`.

        Parameters
        ----------
        train       loader of the training data
        epochs      total epochs, including those of an earlier call or a loaded checkpoint
        validation  loader of the validation data
        iterations  total batches, instead of epochs

        Raises
        ------
        DivergedError     if a loss or parameter is not finite
        FolderInUseError  if another process or thread trains in the folder
        OSError           if the folder cannot be written
        RankError         if another rank has failed, or the ranks have different data or weights
        ValueError        if the loader has no batches, or another order than before; or in the first epoch, if data are outside
                          the range of a loss or a model: binary cross-entropy and GANs need [0, 1]
        """
        if (epochs is None) == (iterations is None):
            raise ValueError(f"Trainer.fit: expected either epochs or iterations, got {epochs} and {iterations}")
        needed = self.ranks.rows_needed(self.model)
        if train.batch_size > 1:
            train.min_batch_size = max(needed, train.min_batch_size)
        if not len(train):
            raise ValueError("Trainer.fit: the training loader has no batches")
        with self.ranks.comm.failing_together(), self._claim_folder():
            self.ranks.share_state(self._state, self._restore)
            if self._data_state is not None:
                train.load_state_dict(self._data_state)
            target = iterations if iterations is not None else (epochs or 0) * len(train)
            self.ranks.comm.check_equal("batches per epoch and in total", (len(train), target))
            try:
                with train.sharded(self.ranks.comm.rank, self.ranks.comm.size, needed):
                    self._fit(train, target, validation)
            finally:
                call_all(self.callbacks, "after_stop", self)
        if self.interrupted and self.ranks.is_main:
            say(interrupt_message(self.iteration, self._checkpoint))
        return self.history

    def _fit(self, train: DataLoader, target: int, validation: DataLoader | None) -> None:
        if self.folder and self.ranks.is_main:
            remove_temporary_files(self.folder)
        if self._weights_in_use is not None:
            self.model.load_state_dict(self._training_weights())
        self._weights_in_use, self._first_iteration = None, self.iteration
        self._keep_copies()
        with ag.fork_rng(0):
            call_all(self.callbacks, "before_fit", self)
        if self.stopped and self.iteration < target and self.ranks.is_main:
            say(f"stopped early after {self.iteration} batches: {self.stopped}; a larger patience continues the training")
        self.model.train()
        self._steps = {
            name: compile_update(self.model, update, self.backend) if self.jit else update.step_by_sum
            for name, update in self.updates.items()
        }
        # DivergedError reports a loss that overflows once; NumPy would warn in each operation.
        with Interrupt() as interrupt, self._threads(), np.errstate(over="ignore", invalid="ignore"):
            self._ranges = RangeCheck()
            progress = Progress(self.progress, -(-target // len(train)), self.history)
            while self.iteration < target and not (self.stopped or self.ranks.stops(interrupt)):
                self._epoch(train, validation, target, interrupt, progress)
                self._ranges = None
            self.interrupted = self.ranks.stops(interrupt)
            if self.stopped or self.iteration >= target:
                with ag.fork_rng(0):
                    call_all(self.callbacks, "after_fit", self)
            self._write()

    def evaluate(self, loader: DataLoader) -> Row:
        """Returns the means of the named losses over a loader, in evaluation mode.

        Random draws are the same at each call and do not change the random stream of training.

        >>> import numpy as np
        >>> from autograd_mini import models, nn
        >>> model = models.MLP(sizes=(4, 2))
        >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1))
        >>> sorted(trainer.evaluate(nn.data.DataLoader(np.zeros((3, 4), "float32"), np.zeros(3, int))))
        ['accuracy', 'loss']
        """
        means, comm = RunningMeans(), self.ranks.comm
        with self.inference(), np.errstate(over="ignore", invalid="ignore"), loader.sharded(comm.rank, comm.size):
            for number, batch in enumerate(loader.epoch(0), 1):
                if loader.shard_is_empty(number - 1):
                    continue
                for prefix, update in self.updates.items():
                    with self._checked_ranges(batch, f"batch {number} of the evaluation"):
                        losses = update.compute(batch)
                    means.add(losses, batch_length(batch), prefix)
                    if not np.isfinite(losses["loss"].item()) and (fault := find_bad_input(batch)):
                        warnings.warn(f"Trainer.evaluate: {prefix}loss is not finite: {fault}", stacklevel=2)
        return self.ranks.merge(means).means()

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Runs the block with the model in evaluation mode, without recording gradients, and with a separate random stream."""
        with evaluation(self.model), ag.fork_rng(self.ranks.comm.rank):
            yield

    def stop(self, reason: str) -> None:
        """Ends training after the current row; for callbacks."""
        self.stopped = reason

    def use_weights(self, weights: Mapping[str, Array]) -> None:
        """Loads weights into the model for use only, such as the best ones: the training state keeps the current ones.

        `save` writes those, and `fit` continues from them, unless the model's weights have been changed meanwhile.

        >>> from autograd_mini import models, nn
        >>> model = models.MLP(sizes=(64, 10))
        >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1))
        >>> trainer.use_weights({name: 0 * array for name, array in model.state_dict().items()})
        >>> bool((model.layers[0].weight == 0).all())
        True
        """
        training = self._training_weights()
        self.model.load_state_dict(weights)
        self._weights_in_training, self._weights_in_use = training, self.model.state_dict()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes model, optimizers, callbacks, history, random stream and position in the data to one safetensors file.

        The model's weights are those of training, also while `use_weights` has loaded others. Raises OSError if the file cannot
        be written; the previous file is then unchanged. With several ranks, all of them must call it, and rank 0 writes.
        """
        self.ranks.gather_streams()
        if self.ranks.is_main:
            save_checkpoint(path, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._training_weights(),
            "optimizers": [update.optimizer.state_dict() for update in self.updates.values()],
            "callbacks": [callback.state_dict() for callback in self._saved_callbacks()],
            "history": pack_history(self.history),
            "iteration": self.iteration,
            "stopped": self.stopped,
            "random": ag.get_rng_state(),
            "data": self._data_state,
            "means": self._means.sums,
            **({"notes": self.notes} if self.notes else {}),
            **({"streams": self.ranks.streams} if self.ranks.streams else {}),
        }

    def load(self, path: str | os.PathLike[str]) -> None:
        """Loads what `save` wrote. Create model, optimizers, callbacks and data loader as for that run.

        Raises FileNotFoundError if the file is missing and ValueError if it is damaged or of another model or optimizer;
        nothing is loaded then.
        """
        state = load_checkpoint(path)
        if missing := _PARTS - state.keys():
            raise ValueError(f"{os.fspath(path)}: incomplete checkpoint: missing {', '.join(sorted(missing))}")
        before = self._state()
        try:
            for what, present in (("optimizers", self.updates), ("callbacks", self._saved_callbacks())):
                if len(state[what]) != len(present):
                    raise ValueError(f"{os.fspath(path)}: the run had {len(state[what])} {what}, this one has {len(present)}")
            self._restore(state)
            self.ranks.forget_streams(state.get("streams"))
        except ValueError:
            self._restore(before)
            raise
        except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
            self._restore(before)
            problem = f"{type(error).__name__}: {error}"
            raise ValueError(f"{os.fspath(path)}: damaged, or a checkpoint of another kind of run: {problem}") from error

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Loads a state; raises an error of any kind if it is malformed."""
        history, means = (
            History(dict(row) for row in unpack_history(state["history"])),
            {name: (s, w) for name, (s, w) in state["means"].items()},
        )
        if not isinstance(state["iteration"], int) or not isinstance(state["stopped"], (str, NoneType)):
            raise TypeError(f"iteration is {state['iteration']!r} and stopped is {state['stopped']!r}")
        self.model.load_state_dict(state["model"])
        self._weights_in_use = None
        for update, saved in zip(self.updates.values(), state["optimizers"], strict=True):
            update.optimizer.load_state_dict(saved)
        for callback, saved in zip(self._saved_callbacks(), state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        ag.set_rng_state(state["random"])
        self.history, self.iteration, self.stopped = history, state["iteration"], state["stopped"]
        self.notes = dict(state.get("notes", {}))
        self.ranks.streams = state.get("streams")
        self._data_state, self._means = state["data"], RunningMeans(means)

    def _saved_callbacks(self) -> list[Callback]:
        return [callback for callback in self.callbacks if getattr(callback, "in_checkpoints", True)]

    # -- helpers --------------------------------------------------------------------------------------------------------------

    def _epoch(
        self, train: DataLoader, validation: DataLoader | None, target: int, interrupt: Interrupt, progress: Progress
    ) -> None:
        """Trains for the rest of an epoch, or until the last batch, a stop or an interrupt; adds rows when they are due."""
        period, start = self.every or len(train), time.perf_counter()
        position = train.state_dict()
        epoch = position["epoch"] + 1
        first, stop = position["batch"], min(len(train), position["batch"] + target - self.iteration)
        with progress.bar(epoch, stop, first) as bar:
            for batches in group_batches(train, self.accumulate, first, stop):
                rows_before = self.iteration // period
                self.ranks.request_stop(interrupt)
                self._step(batches, self.ranks.rows(train, first, batches), epoch, len(train))
                first += len(batches)
                self._data_state = train.state_dict()
                bar.set_postfix({name: f"{mean:.4g}" for name, mean in self._means.means().items()}, refresh=False)
                bar.update(len(batches))
                if self.iteration // period > rows_before or self.iteration == target:
                    self._row(epoch, validation)
                    progress.row()
                    self._write(time.perf_counter() - start)
                    start = time.perf_counter()
                if self.iteration == target or self.stopped or self.ranks.stops(interrupt):
                    break

    def _step(self, batches: tuple[Any, ...], rows: Sequence[int], epoch: int, epoch_length: int) -> None:
        number = self._step_number(epoch, epoch_length)
        for prefix, update in self.updates.items():
            if not update.due(number):
                continue
            with frozen_parameters(self._frozen[prefix]):
                for _ in range(update.times):
                    try:
                        losses = self._losses(prefix, batches, rows)
                    except DivergedError as error:
                        bad_input = next(filter(None, map(find_bad_input, batches)), "")
                        problem = f"{prefix or 'the '}{error} in epoch {epoch}"
                        raise divergence(problem, self.iteration, self._checkpoint, bad_input) from None
                    for values, count in zip(losses, rows, strict=True):
                        if count:
                            self._means.add(values, count, prefix)
        self.iteration += len(batches)
        call_after_step(self.callbacks, self)

    def _step_number(self, epoch: int, epoch_length: int) -> int:
        """Returns how many steps came before; with accumulation, fewer than batches."""
        if self.accumulate == 1:
            return self.iteration
        batch = self.iteration - (epoch - 1) * epoch_length
        return (epoch - 1) * -(-epoch_length // self.accumulate) + batch // self.accumulate

    def _losses(self, prefix: str, batches: tuple[Any, ...], rows: Sequence[int]) -> list[Mapping[str, Tensor]]:
        first, last = self.iteration + 1, self.iteration + len(batches)
        options = {} if all(rows) else {"rows": tuple(rows)}
        try:
            with self._checked_ranges(batches, f"batch {first}{f' … {last}' if last > first else ''} of the run"):
                return self._steps[prefix](*batches, **options)
        except ag.TraceError as error:  # raised before anything has changed
            warnings.warn(f"falling back to eager mode: this step cannot be compiled: {error}", stacklevel=2)
            self._steps[prefix] = self.updates[prefix].step_by_sum
            return self._steps[prefix](*batches, **options)

    def _checked_ranges(self, batch: Any, place: str) -> AbstractContextManager[None]:
        return nullcontext() if self._ranges is None else self._ranges.batch(batch, place)

    def _row(self, epoch: int, validation: DataLoader | None) -> None:
        row: Row = {"epoch": epoch, "iteration": self.iteration, **self.ranks.merge(self._means).means()}
        if validation is not None:
            row |= {f"val_{name}": mean for name, mean in self.evaluate(validation).items()}
        for update in self.updates.values():
            if not all(np.isfinite(p._data).all() for p in update.parameters()):
                problem = f"a parameter became nan or infinite in epoch {epoch}"
                raise divergence(problem, self.iteration, self._checkpoint)
        with ag.fork_rng(0):
            add_to_row(self.callbacks, self, row)
        self.history.append(row)
        self._means = RunningMeans()

    def _write(self, seconds: float | None = None) -> None:
        """Writes the checkpoint first: the other files follow from it, and a resumed run writes them again."""
        self.ranks.check_same(self)
        self.ranks.gather_streams()
        means = self.ranks.merge(self._means)
        self._means = means if self.ranks.is_main else RunningMeans()
        if self.folder is None or not self.ranks.is_main:
            return
        if self.iteration > self._first_iteration:
            while self.at_later_checkpoint:
                self.at_later_checkpoint.pop()()
        save_checkpoint(self.folder / CHECKPOINT, self._state())
        self._keep_copies()
        if self.history:
            write_text(self.folder / METRICS, to_csv(self.history))
        if seconds is not None:
            with explain_write_errors(self.folder / TIMING):
                append_line(self.folder / TIMING, "iteration,seconds", f"{self.iteration},{seconds:.3f}")

    def _keep_copies(self) -> None:
        """Saves the state of the last row again if it is to be kept; also at the start, if a kill came before that."""
        is_last = bool(self.history) and self.history[-1]["iteration"] == self.iteration
        if self.folder and is_last and self.ranks.is_main:
            for name in self.keep.names(self.history):
                save_checkpoint(self.folder / name, self._state())

    def _training_weights(self) -> dict[str, Array]:
        """Returns the weights that training continues from: the model's, unless `use_weights` has replaced them."""
        weights: dict[str, Array] = self.model.state_dict()
        used = self._weights_in_use
        if used is not None and all(np.array_equal(weights[name], used[name], equal_nan=True) for name in weights):
            return self._weights_in_training
        return weights

    def _claim_folder(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.folder is None or self.claim or not self.ranks.is_main else FolderClaim(self.folder)

    def _threads(self) -> AbstractContextManager[Any]:
        threads = self.ranks.threads(self.threads)
        return nullcontext() if threads is None else ag.threads(threads)

    @property
    def _checkpoint(self) -> Path | None:
        return self.folder and self.folder / CHECKPOINT
