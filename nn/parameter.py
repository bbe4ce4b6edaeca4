"""Tensors that a module owns: parameters, which are trained, and buffers, which are not."""

from __future__ import annotations

from collections.abc import Iterable

from numpy.typing import DTypeLike

from autograd_mini.leaving import check_constant
from autograd_mini.state import modes
from autograd_mini.tensor import Tensor, TensorLike


def _constant(data: TensorLike) -> TensorLike:
    """Returns the values of a new parameter. Raises RuntimeError for a tensor that a transform differentiates."""
    if not isinstance(data, Tensor):
        return data
    check_constant(data, "Parameter")
    return data.detach()


def _run_eagerly(kind: str, data: TensorLike) -> None:
    """Lets a compiled function that creates a parameter or buffer from a tensor run eagerly: a replay would create none."""
    if isinstance(data, Tensor) and (tracer := modes().tracer) is not None:
        tracer.need_eager_mode(f"it creates a {kind} from a tensor; create layers and their parameters outside of the function")


class Parameter(Tensor):
    """A tensor that a module trains: it requires a gradient, and an optimizer updates it.

    `data` is copied. Raises TypeError if its dtype is not floating point.

    >>> from autograd_mini import nn
    >>> nn.Parameter([1.0, 2.0])
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self, data: TensorLike, requires_grad: bool = True, *, dtype: DTypeLike | None = None, name: str | None = None
    ):
        _run_eagerly("parameter", data)
        super().__init__(_constant(data), dtype=dtype, requires_grad=requires_grad, name=name)


class Buffer(Tensor):
    """A tensor in a module's state that is not trained, such as running statistics. Assign to `.data` to change it.

    >>> from autograd_mini import nn
    >>> running_mean = nn.Buffer([0.0, 0.0])
    >>> running_mean.data = [1.0, 2.0]
    >>> running_mean
    Tensor([1., 2.])
    """

    __slots__ = ()

    def __init__(self, data: TensorLike, *, dtype: DTypeLike | None = None, name: str | None = None):
        _run_eagerly("buffer", data)
        super().__init__(data, dtype=dtype, name=name)


def clear_gradients(parameters: Iterable[Tensor], set_to_none: bool = True) -> None:
    """Deletes gradients, or writes 0 into them."""
    for parameter in parameters:
        if set_to_none:
            parameter.grad = None
        elif parameter.grad is not None:
            parameter.grad.zero_()


def parameter_list(owner: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """Returns the parameters as a list. Raises TypeError for a single tensor, and for items that are not tensors.

    >>> from autograd_mini import nn
    >>> nn.EMA(nn.Linear(2, 3).weight)
    Traceback (most recent call last):
    TypeError: EMA: parameters must be an iterable of tensors, not one Parameter
    """
    if isinstance(parameters, Tensor):
        raise TypeError(f"{owner}: parameters must be an iterable of tensors, not one {type(parameters).__name__}")
    if not isinstance(parameters, Iterable):
        raise TypeError(f"{owner}: parameters must be an iterable of tensors, got {parameters!r}")
    tensors = list(parameters)
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: a parameter must be a Tensor, not {type(p).__name__}")
    return tensors
