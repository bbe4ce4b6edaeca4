"""`Update`: one kind of training step, losses and the optimizer that lessens them; and the running means of losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from autograd_mini.apply import apply_effect
from autograd_mini.primitive import Primitive
from autograd_mini.tensor import Array, Tensor

from ..optim.wrappers import SAM

Losses: TypeAlias = Callable[[Any], Mapping[str, Tensor]]


class Steps(Protocol):
    """What a trainer asks of an optimizer, or of what wraps one."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    @property
    def step(self) -> Callable[..., Any]: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any], /) -> None: ...


class DivergedError(ArithmeticError):
    """A loss or a parameter is nan or infinite; the message says where, and which checkpoint is still good."""


def _look(loss: Array) -> None:
    if not math.isfinite(loss.item()):
        raise DivergedError(f"the loss became {loss.item()}")


_FINITE: Final = Primitive("check_finite", _look, formula="|L| < ∞", effect=True, uniform=False)


@dataclass(frozen=True)
class Update:
    """`losses(batch)` gives named scalars, of which "loss" is lessened by `optimizer`: `times` over, at each `every`-th batch,
    after the first `start` batches.

    Several in a table make a model of several players. One discriminator step to two generator steps:
    `{"d": Update(gan.d_losses, d_optimizer), "g": Update(gan.g_losses, g_optimizer, times=2)}`; five to one, each on a batch of
    its own: `every=5` for the generator. A discriminator trained for 100 batches before it meets an opponent that learns:
    `start=100` for the generator. ValueError where `times` or `every` is below 1, or `start` below 0.
    """

    losses: Losses
    optimizer: Steps
    times: int = 1
    every: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"Update: start must be at least 0, got {self.start}")
        if min(self.times, self.every) < 1:
            raise ValueError(f"Update: times and every must be at least 1, got {self.times} and {self.every}")

    def due(self, iteration: int) -> bool:
        """Whether it moves at this batch, counted from 0 over the whole run."""
        return iteration >= self.start and iteration % self.every == 0

    def parameters(self) -> list[Tensor]:
        """The parameters that it moves."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def step(self, batch: Any) -> Mapping[str, Tensor]:
        """Moves the parameters once; gives the losses from before. DivergedError, before any move, for a loss not finite."""
        seen: list[Mapping[str, Tensor]] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            seen.append(self.losses(batch))
            if "loss" not in seen[-1]:
                raise ValueError(f"expected a loss named 'loss' to lessen, got {', '.join(seen[-1]) or 'none'}")
            loss = seen[-1]["loss"]
            apply_effect(_FINITE, (loss,), {})
            loss.backward(free=True)
            return loss

        if isinstance(self.optimizer, SAM):  # asks for the gradient at a second point
            self.optimizer.step(closure)
        else:
            closure()
            self.optimizer.step()
        return seen[0]


@contextmanager
def frozen(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Inside, these parameters ask for no gradient, so that none is spent on them.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.training.update import frozen
    >>> layer = nn.Linear(2, 3)
    >>> with frozen(layer.parameters()):
    ...     layer([[1.0, 2.0]]).requires_grad
    False
    """
    asking = [p for p in parameters if p.requires_grad]
    for p in asking:
        p.requires_grad = False
    try:
        yield
    finally:
        for p in asking:
            p.requires_grad = True


class Means:
    """Running means of named values, each weighted by the size of its batch."""

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = dict(sums or {})  # name -> weighted sum, weight

    def add(self, values: Mapping[str, Tensor], size: int, prefix: str = "") -> None:
        for name, value in values.items():
            total, weight = self.sums.get(prefix + name, (0.0, 0))
            self.sums[prefix + name] = (total + value.item() * size, weight + size)

    def __call__(self) -> dict[str, float]:
        return {name: total / weight for name, (total, weight) in self.sums.items()}
