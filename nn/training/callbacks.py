"""What happens beside training: the callbacks that come with the trainer. A checkpoint keeps the state of each.

They are called in their order. A learning-rate log before a schedule logs the rate that was used, after it the one to come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Array, Tensor

from .trainer import Callback, Trainer

_SIGN: Final = {"min": 1.0, "max": -1.0}


class EarlyStopping(Callback):
    """Ends training once `monitor` has not improved by more than `min_delta` for `patience` rows, with the best weights.

    The weights of the best row are put back at the end of training, also where it ends for another reason. `mode` "min": less
    is better, "max": more. ValueError for a monitor that rows do not have, or another mode.

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
            raise ValueError(f"EarlyStopping: mode must be min or max, not {mode!r}")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.best = math.inf  # with the sign that makes less better
        self.best_row = -1
        self._weights: dict[str, Array] = {}

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        value, number = _SIGN[self.mode] * _monitored(self, self.monitor, row), len(trainer.history)
        if value < self.best - self.min_delta:
            self.best, self.best_row, self._weights = value, number, trainer.model.state_dict()
        elif number - self.best_row >= self.patience:
            trainer.stop(f"{self.monitor} was best {number - self.best_row} rows ago")

    def after_fit(self, trainer: Trainer) -> None:
        if self._weights:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_row": self.best_row, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_row, self._weights = state["best"], state["best_row"], dict(state["weights"])


class Schedule(Callback):
    """Calls `step()` of a learning-rate scheduler, `per` "row" (an epoch, as a rule) or "iteration"; with a `monitor`, that
    number of the row is passed on, as reduction on a plateau wants it.

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
            raise ValueError(f"Schedule: per must be row or iteration, and row with a monitor, not {per!r}")
        self.scheduler, self.per, self.monitor = scheduler, per, monitor

    def after_step(self, trainer: Trainer) -> None:
        if self.per == "iteration":
            self.scheduler.step()

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.per == "row":
            self.scheduler.step(*([_monitored(self, self.monitor, row)] if self.monitor else ()))

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


class Averaging(Callback):
    """Calls `update()` of a running mean of the weights, such as `nn.EMA`, after each batch, and keeps it in the checkpoint.

    >>> from autograd_mini import models, nn
    >>> ema = nn.Averaging(nn.EMA(models.MLP(sizes=(64, 10)).parameters()))
    """

    def __init__(self, means: Any) -> None:
        self.means = means

    def after_step(self, trainer: Trainer) -> None:
        self.means.update()

    def state_dict(self) -> dict[str, Any]:
        return self.means.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.means.load_state_dict(state)


class LearningRateLog(Callback):
    """Adds the learning rates to each row: `lr`, behind the update's name where there are several, `lr_1` … for more groups."""

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        for prefix, update in trainer.updates.items():
            for i, group in enumerate(update.optimizer.param_groups):
                row[f"{prefix}lr{f'_{i}' if i else ''}"] = float(group["lr"])


class FixedNoise(Callback):
    """Draws what a generator makes of the same noise as training goes on: `write(generate(noise), path)` at each row.

    The noise is (count, *shape), from N(0, 1) by its own seed. Files are `folder/iteration-NNNNNN` with `suffix`; `generate`
    runs in inference mode and is not recorded.

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


def _monitored(callback: Callback, name: str, row: Mapping[str, float]) -> float:
    if name not in row:
        raise ValueError(f"{type(callback).__name__}: rows have {', '.join(row)}, not {name!r}")
    return row[name]
