"""`Update`: a training step, with its losses and the optimizer that minimises them; and running means of losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from autograd_mini.apply import apply_effect
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Tensor
from autograd_mini.trees import leaves

from ..data.examples import batch_length
from ..distributed.gradients import GradientReducer
from ..optim.clip_grad import clip_grad_value, scale_to_norm
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
    """A loss, the norm of the gradients or a parameter is nan or infinite; the message says where, and names the last valid
    checkpoint."""


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
    clip_grad_norm   largest joint norm of the gradients; larger ones are scaled (`nn.clip_grad_norm`). None: no limit
    clip_grad_value  largest size of each element of a gradient (`nn.clip_grad_value`). None: no limit
    reducer          averages gradients over the ranks of an MPI run, before they are clipped; `Trainer(comm=…)` sets it
    """

    losses: Losses
    optimizer: OptimizerLike
    times: int = 1
    every: int = 1
    start: int = 0
    clip_grad_norm: float | None = None
    clip_grad_value: float | None = None
    reducer: GradientReducer | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"Update: start must be at least 0, got {self.start}")
        if min(self.times, self.every) < 1:
            raise ValueError(f"Update: times and every must be at least 1, got {self.times} and {self.every}")
        for name in ("clip_grad_norm", "clip_grad_value"):
            if (limit := getattr(self, name)) is not None and not limit >= 0:
                raise ValueError(f"Update: {name} must be at least 0, or None for no limit, got {limit!r}")

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
        return self.step_by_sum(batch)[0]

    def step_by_sum(self, *batches: Any, rows: Sequence[int] | None = None) -> list[Mapping[str, Tensor]]:
        """Does one step by the gradients of several batches together, and returns the losses of each.

        If the loss is a mean over the examples of a batch, these are the gradients of one batch of all examples. Memory is
        needed for one batch at a time. `rows` are the numbers of examples that count; None: those of the batches.
        """
        reducer, weights = self.reducer, rows
        if weights is None:
            weights = [batch_length(batch) for batch in batches] if len(batches) > 1 or reducer else [1]
        results: list[list[Mapping[str, Tensor]]] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            results.append([])
            for batch, count in zip(batches, weights, strict=True):
                if reducer is not None:
                    reducer.comm.has_rows = count > 0
                results[-1].append(self.compute(batch))
                loss = results[-1][-1]["loss"]
                apply_effect(_FINITE, (loss,), {})
                (loss * (count / max(sum(weights), 1)) if len(batches) > 1 else loss).backward(free=True)
            if reducer is not None:
                reducer.reduce(sum(weights))
            self._clip()
            return loss

        if isinstance(self.optimizer, SAM):  # needs the gradient at a second point
            self.optimizer.step(closure)
        else:
            closure()
            self.optimizer.step()
        return results[0]

    def _clip(self) -> None:
        if self.clip_grad_value is not None:
            clip_grad_value(self.parameters(), self.clip_grad_value)
        if self.clip_grad_norm is not None:
            scale_to_norm(self.parameters(), self.clip_grad_norm, 2.0, DivergedError)


def group_batches(batches: Iterable[Any], size: int, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
    """Yields batches `start` … `stop` − 1 of an epoch in groups that end at each multiple of `size`, and at `stop`.

    >>> from autograd_mini.nn.training.update import group_batches
    >>> list(group_batches("bcdefg", 3, start=1, stop=7))
    [('b', 'c'), ('d', 'e', 'f'), ('g',)]
    """
    group: list[Any] = []
    for number, batch in enumerate(batches, start + 1):
        group.append(batch)
        if number % size == 0 or number == stop:
            yield tuple(group)
            group = []
        if number == stop:
            return


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


def named_updates(model: Any, optimizer: OptimizerLike | Mapping[str, Update]) -> dict[str, Update]:
    """Returns updates by the prefix of their losses.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.training.update import named_updates
    >>> layer = nn.Linear(2, 2)
    >>> list(named_updates(layer, nn.SGD(layer.parameters())))
    ['']
    """
    if isinstance(optimizer, Mapping):
        if not optimizer:
            raise ValueError("Trainer: the table of updates is empty; expected at least one")
        return {f"{name}_": update for name, update in optimizer.items()}
    return {"": Update(lambda batch: model.training_step(batch), optimizer)}


def with_limits(updates: Mapping[str, Update], limits: Mapping[str, Any]) -> dict[str, Update]:
    """Returns the updates with limits of the gradients where they have none of their own.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.training.update import with_limits
    >>> update = nn.Update(lambda batch: {}, nn.SGD(nn.Linear(2, 2).parameters()))
    >>> with_limits({"": update}, {"clip_grad_norm": 1.0})[""].clip_grad_norm
    1.0
    """
    return {
        name: replace(update, **{key: limit for key, limit in limits.items() if getattr(update, key) is None})
        for name, update in updates.items()
    }


def other_parameters(updates: Mapping[str, Update], name: str) -> list[Tensor]:
    """Returns the parameters that other updates change and this one does not.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.training.update import other_parameters
    >>> a, b = (nn.Update(lambda batch: {}, nn.SGD(nn.Linear(2, 2).parameters())) for _ in range(2))
    >>> len(other_parameters({"a": a, "b": b}, "a"))
    2
    """
    updated = {id(p) for p in updates[name].parameters()}
    return [p for update in updates.values() for p in update.parameters() if id(p) not in updated]


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
