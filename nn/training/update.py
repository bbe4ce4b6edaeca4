"""`Update`: a training step, with its losses and the optimizer that minimises them; and running means of losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from autograd_mini.apply import apply_effect
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Tensor
from autograd_mini.trees import leaves

from ..optim.wrappers import SAM

Losses: TypeAlias = Callable[[Any], Mapping[str, Tensor]]


class OptimizerLike(Protocol):
    """What a trainer needs of an optimizer, or of a class that wraps one."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    @property
    def step(self) -> Callable[..., Any]: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any], /) -> None: ...


class DivergedError(ArithmeticError):
    """A loss or a parameter is nan or infinite; the message says where, and which checkpoint is still valid."""


def _check_finite(loss: Array) -> None:
    if not math.isfinite(loss.item()):
        raise DivergedError(f"loss became {loss.item()}")


_FINITE: Final = Primitive("check_finite", _check_finite, formula="|L| < ∞", effect=True, uniform=False)


@dataclass(frozen=True)
class Update:
    """A training step: an optimizer minimises the scalar named "loss" among those that `losses(batch)` returns.

    A table of updates trains several networks. One discriminator step per two generator steps:
    `{"d": Update(gan.d_losses, d_optimizer), "g": Update(gan.g_losses, g_optimizer, times=2)}`. Five discriminator steps, each
    on its own batch, per generator step: `every=5` for the generator. A discriminator that trains alone for the first 100
    batches: `start=100` for the generator. Raises ValueError if `times` or `every` is below 1, or `start` below 0.

    Parameters
    ----------
    losses     function from a batch to named scalars
    optimizer  has the parameters to update
    times      steps per batch
    every      steps only at every n-th batch
    start      steps only after the first n batches
    """

    losses: Losses
    optimizer: OptimizerLike
    times: int = 1
    every: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"Update: start must be at least 0, got {self.start}")
        if min(self.times, self.every) < 1:
            raise ValueError(f"Update: times and every must be at least 1, got {self.times} and {self.every}")

    def due(self, iteration: int) -> bool:
        """Returns whether there is a step at this batch, counted from 0 over the whole run."""
        return iteration >= self.start and iteration % self.every == 0

    def parameters(self) -> list[Tensor]:
        """Returns the parameters that the optimizer updates."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def compute(self, batch: Any) -> Mapping[str, Tensor]:
        """Returns the losses of a batch. Raises TypeError or ValueError unless they are scalar Tensors, one named "loss"."""
        results = self.losses(batch)
        if not isinstance(results, Mapping):
            raise TypeError(
                f"`losses` (training_step) must return named scalars such as {{'loss': loss}}, got {_kind(results)}"
            )
        if "loss" not in results:
            names = ", ".join(results) or "none"
            raise ValueError(f"`losses` must contain one named 'loss' (the one to minimise), got {names}")
        for name, value in results.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"losses[{name!r}] must be a Tensor, got {_kind(value)}; return it without .item() or float()")
            if value.size != 1:
                raise ValueError(f"losses[{name!r}] must be a scalar, got shape {value.shape}; reduce it, such as by .mean()")
        return results

    def step(self, batch: Any) -> Mapping[str, Tensor]:
        """Updates the parameters and returns the losses before that. Raises DivergedError first if the loss is not finite."""
        results: list[Mapping[str, Tensor]] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            results.append(self.compute(batch))
            loss = results[-1]["loss"]
            apply_effect(_FINITE, (loss,), {})
            loss.backward(free=True)
            return loss

        if isinstance(self.optimizer, SAM):  # needs the gradient at a second point
            self.optimizer.step(closure)
        else:
            closure()
            self.optimizer.step()
        return results[0]


def find_bad_input(batch: Any) -> str:
    """Returns which value of a batch is nan or infinite, or an empty text.

    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.training.update import find_bad_input
    >>> find_bad_input([ag.zeros(3), ag.Tensor([[0.0, 1.0], [float("nan"), 0.0]])])
    'input 1 of the batch is nan at [1, 0]'
    """
    for number, array in enumerate(leaf._data for leaf in leaves(batch) if isinstance(leaf, Tensor)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            return f"input {number} of the batch is {array[tuple(place)]} at {place}"
    return ""


def check_owner(model: Any, name: str, update: Update) -> None:
    """Raises ValueError if an optimizer was built for another model: then training would change nothing."""
    own = {id(p) for p in model.parameters()} if hasattr(model, "parameters") else set()
    if own and not any(id(p) in own for p in update.parameters()):
        which = f"the optimizer of update {name!r}" if name else "the optimizer"
        raise ValueError(
            f"Trainer: {which} has {len(update.parameters())} parameters, none of which belongs to this "
            f"{type(model).__name__}; build it from this model, such as Adam(model.parameters())"
        )


def _kind(value: Any) -> str:
    return f"a Tensor of shape {value.shape}" if isinstance(value, Tensor) else f"{type(value).__name__} {value!r}"[:80]


@contextmanager
def frozen_parameters(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Inside the `with` block, these parameters do not require gradients, which saves the time to compute them.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.training.update import frozen_parameters
    >>> layer = nn.Linear(2, 3)
    >>> with frozen_parameters(layer.parameters()):
    ...     layer([[1.0, 2.0]]).requires_grad
    False
    """
    trainable = [p for p in parameters if p.requires_grad]
    for p in trainable:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in trainable:
            p.requires_grad = True


class RunningMeans:
    """Running means of named values, each weighted by the size of its batch."""

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = dict(sums or {})  # name -> weighted sum, weight

    def add(self, values: Mapping[str, Tensor], size: int, prefix: str = "") -> None:
        """Adds the values of a batch of `size` examples, under their names after `prefix`."""
        for name, value in values.items():
            total, weight = self.sums.get(prefix + name, (0.0, 0))
            self.sums[prefix + name] = (total + value.item() * size, weight + size)

    def means(self) -> dict[str, float]:
        """Returns the current means."""
        return {name: total / weight for name, (total, weight) in self.sums.items()}
