"""`Optimizer`: an optimizer whose step uses the gradients of all ranks, for hand-written training loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autograd_mini.tensor import Tensor

from .communicator import as_communicator
from .gradients import GradientReducer


class Optimizer:
    """Wraps an optimizer: `step` first replaces the gradients by their mean over all ranks, in one exchange.

    All ranks start from the parameters of rank 0. They must do the same number of steps, each on its own rows: the mean is
    weighted by `rows`. Works inside `ag.jit`, where the exchange is one row of `step.plan`. `nn.Trainer(comm=…)` does all this
    itself, and gets the plain optimizer.

    Parameters
    ----------
    optimizer  an optimizer
    comm       a communicator of mpi4py, such as MPI.COMM_WORLD; None for one rank
    buffers    floating tensors that each rank changes, to be averaged in the same exchange: running statistics

    Examples
    --------
    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.distributed.Optimizer(nn.SGD([w], lr=0.5))
    >>> x = Tensor([1.0, 3.0])  # the rows of this rank
    >>> (w * x).mean().backward()
    >>> optimizer.step(rows=len(x))
    >>> w
    Tensor([0.], requires_grad=True)
    """

    def __init__(self, optimizer: Any, comm: Any = None, buffers: Iterable[Tensor] = ()) -> None:
        self.optimizer, self.comm = optimizer, as_communicator(comm)
        self.reducer = GradientReducer(optimizer, self.comm, buffers)
        if self.comm.size > 1:
            shared = [*self.reducer.parameters(), *self.reducer.buffers]
            for tensor, values in zip(shared, self.comm.broadcast([t.detach().numpy() for t in shared]), strict=True):
                tensor.data = np.asarray(values)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the wrapped optimizer."""
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        return groups

    def reduce(self, rows: int = 1) -> None:
        """Replaces the gradients by their mean over all ranks; for clipping, which comes between this and the inner step.

        >>> from autograd_mini import Tensor, nn
        >>> w = Tensor([1.0], requires_grad=True)
        >>> optimizer = nn.distributed.Optimizer(nn.SGD([w], lr=0.5))
        >>> (w * 30).backward([1.0])
        >>> optimizer.reduce(rows=1)
        >>> nn.clip_grad_norm([w], 1.0)
        30.0
        >>> optimizer.optimizer.step()
        >>> w
        Tensor([0.5], requires_grad=True)
        """
        self.reducer.reduce(rows)

    def step(self, closure: Callable[[], Any] | None = None, *, rows: int = 1) -> Any:
        """Updates the parameters by the gradients of all ranks; `rows` is the number of examples on this rank.

        With a `closure`, as SAM and LBFGS need it, each call of it is followed by an exchange.
        """
        if closure is None:
            self.reduce(rows)
            return self.optimizer.step()

        def reduced() -> Any:
            loss = closure()
            self.reduce(rows)
            return loss

        return self.optimizer.step(reduced)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Sets the gradients to None, or to 0 unless `set_to_none`."""
        self.optimizer.zero_grad(*(() if set_to_none else (False,)))

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the wrapped optimizer, which is the same on all ranks."""
        state: dict[str, Any] = self.optimizer.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned."""
        self.optimizer.load_state_dict(state)
