"""The callbacks that come with the trainer. A checkpoint contains the state of each.

They are called in order: `LearningRateLog` logs the rate that was used if it comes before `Schedule`, else the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Array, Tensor
from autograd_mini.tools.atomic_files import remove_temporary_files

from .callback import Callback
from .trainer import Trainer

_SIGN: Final = {"min": 1.0, "max": -1.0}


class EarlyStopping(Callback):
    """Stops early if a metric has not improved for some rows, and keeps the best weights.

    At the end of training, also if it ends for another reason, the model gets the weights of the best row, `best_weights`. They
    are for use only: checkpoints hold the last weights, and a longer training continues from those. A stopped run continues if
    it is resumed with a larger patience, with the same result as with that patience from the start. Raises ValueError if rows
    do not have the metric, or for another mode.

    Parameters
    ----------
    monitor    name of the metric in the rows
    patience   rows without improvement after which training stops
    min_delta  an improvement must be larger than this
    mode       "min" if less is better, "max" if more is better

    >>> from autograd_mini import models, nn
    >>> data = nn.data.digits().train.only(limit_per_class=5)
    >>> model = models.MLP(sizes=(64, 16, 10))
    >>> stopping = nn.EarlyStopping("accuracy", patience=2, mode="max")
    >>> trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.0), callbacks=[stopping], progress=False)
    >>> len(trainer.fit(nn.data.DataLoader(data, batch_size=50), epochs=100)), stopping.best_row
    (3, 0)
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: Literal["min", "max"] = "min"
    ) -> None:
        if mode not in _SIGN:
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.best = math.inf  # times the sign, so that less is better
        self.best_row = -1
        self.best_weights: dict[str, Array] = {}

    def before_fit(self, trainer: Trainer) -> None:
        waited = len(trainer.history) - 1 - self.best_row
        if trainer.stopped == self._reason(waited) and waited < self.patience:
            trainer.stopped = None

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        value, number = _SIGN[self.mode] * _monitored_value(self, self.monitor, row), len(trainer.history)
        if value < self.best - self.min_delta:
            self.best, self.best_row, self.best_weights = value, number, trainer.model.state_dict()
        elif number - self.best_row >= self.patience:
            trainer.stop(self._reason(number - self.best_row))

    def after_fit(self, trainer: Trainer) -> None:
        if self.best_weights:
            trainer.use_weights(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_row": self.best_row, "weights": self.best_weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_row, self.best_weights = state["best"], state["best_row"], dict(state["weights"])

    def _reason(self, rows: int) -> str:
        return f"{self.monitor} was best {rows} rows ago"


class Schedule(Callback):
    """Calls `step()` of a learning-rate schedule, `per` "row" (usually an epoch) or "iteration".

    With a `monitor`, `step` gets that metric of the row, which `ReduceLROnPlateau` needs.

    >>> from autograd_mini import models, nn
    >>> model = models.MLP(sizes=(64, 10))
    >>> optimizer = nn.SGD(model.parameters(), lr=0.4)
    >>> callbacks = [nn.LearningRateLog(), nn.Schedule(nn.ExponentialLR(optimizer, gamma=0.5))]
    >>> data = nn.data.digits().train.only(limit_per_class=5)
    >>> trainer = nn.Trainer(model, optimizer, callbacks=callbacks, progress=False)
    >>> [row["lr"] for row in trainer.fit(nn.data.DataLoader(data, batch_size=50), epochs=3)]
    [0.4, 0.2, 0.1]
    """

    def __init__(self, scheduler: Any, per: Literal["row", "iteration"] = "row", monitor: str | None = None) -> None:
        if per not in ("row", "iteration") or (monitor and per == "iteration"):
            raise ValueError(f"Schedule: per must be 'row' or, without a monitor, 'iteration', got {per!r}")
        self.scheduler, self.per, self.monitor = scheduler, per, monitor

    def before_fit(self, trainer: Trainer) -> None:
        optimizer = getattr(self.scheduler, "optimizer", None)
        used = [part for update in trainer.updates.values() for part in _optimizers_in(update.optimizer)]
        groups = {id(group) for part in used for group in part.param_groups}
        if optimizer is not None and not any(id(group) in groups for group in optimizer.param_groups):
            raise ValueError(
                f"Schedule: {type(self.scheduler).__name__} changes the rates of an optimizer ({type(optimizer).__name__}) "
                "that this trainer does not use; build the schedule from the trainer's optimizer"
            )

    def after_step(self, trainer: Trainer) -> None:
        if self.per == "iteration":
            self.scheduler.step()

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.per == "row":
            self.scheduler.step(*([_monitored_value(self, self.monitor, row)] if self.monitor else ()))

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


class Averaging(Callback):
    """Calls `update()` of a running mean of weights, such as `nn.EMA`, after each batch, and saves the mean in checkpoints.

    >>> from autograd_mini import models, nn
    >>> ema = nn.Averaging(nn.EMA(models.MLP(sizes=(64, 10)).parameters()))
    """

    def __init__(self, means: Any) -> None:
        self.means = means

    def before_fit(self, trainer: Trainer) -> None:
        averaged = getattr(self.means, "parameters", ())
        own = {id(p) for p in trainer.model.parameters()} if hasattr(trainer.model, "parameters") else set()
        if averaged and own and not any(id(p) in own for p in averaged):
            raise ValueError(
                f"Averaging: {type(self.means).__name__} averages {len(averaged)} parameters, none of which belongs to the "
                f"trainer's {type(trainer.model).__name__}; build it from that model, such as EMA(model.parameters())"
            )

    def after_step(self, trainer: Trainer) -> None:
        self.means.update()

    def state_dict(self) -> dict[str, Any]:
        return self.means.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.means.load_state_dict(state)


class LearningRateLog(Callback):
    """Adds the learning rates to each row: `lr`, then `lr_1` … for further groups; after the update's name in a table."""

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        for prefix, update in trainer.updates.items():
            for i, group in enumerate(update.optimizer.param_groups):
                row[f"{prefix}lr{f'_{i}' if i else ''}"] = float(group["lr"])


class FixedNoise(Callback):
    """Saves samples from the same noise at each row, to show progress: `write(generate(noise), path)`.

    Files are `folder/iteration-NNNNNN` with `suffix`.

    Parameters
    ----------
    generate  function from noise to images; runs in evaluation mode without recording gradients
    count     number of samples
    shape     shape of the noise of one sample, drawn from N(0, 1)
    folder    folder of the files, created if it is missing
    write     function that saves images to a path
    suffix    suffix of the files
    seed      seed of the noise

    >>> import pathlib, tempfile, numpy as np
    >>> from autograd_mini import models, nn
    >>> data, vae = nn.data.digits().train.only(limit_per_class=5), models.VAE(sizes=(64, 16, 2))
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "samples"
    >>> samples = nn.FixedNoise(vae.decode, 9, 2, folder, lambda images, path: np.save(path, images.numpy()), suffix=".npy")
    >>> trainer = nn.Trainer(vae, nn.Adam(vae.parameters()), callbacks=[samples], progress=False)
    >>> history = trainer.fit(nn.data.DataLoader(data, batch_size=25), epochs=2)
    >>> sorted(path.name for path in folder.iterdir())
    ['iteration-000002.npy', 'iteration-000004.npy']
    """

    main_rank_only = True

    def __init__(
        self,
        generate: Callable[[Tensor], Tensor],
        count: int,
        shape: int | tuple[int, ...],
        folder: Path,
        write: Callable[[Tensor, Path], object],
        *,
        suffix: str = ".png",
        seed: int = 0,
    ) -> None:
        self.noise = ag.randn(count, *np.atleast_1d(shape).tolist(), generator=np.random.default_rng(seed))
        self.generate, self.folder, self.write, self.suffix = generate, folder, write, suffix

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with trainer.inference():
            images = self.generate(self.noise)
        self.write(images, self.folder / f"iteration-{trainer.iteration:06d}{self.suffix}")

    def after_fit(self, trainer: Trainer) -> None:
        remove_temporary_files(self.folder)


def _optimizers_in(optimizer: Any) -> Iterator[Any]:
    """Yields an optimizer and those that it wraps."""
    yield optimizer
    for value in vars(optimizer).values():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if hasattr(part, "param_groups"):
                yield from _optimizers_in(part)


def _monitored_value(callback: Callback, name: str, row: Mapping[str, float]) -> float:
    if name not in row:
        raise ValueError(f"{type(callback).__name__}: unknown metric {name!r}; expected one of: {', '.join(row)}")
    return row[name]
