"""What layers share: errors that name the layer, layers that call one function, PyTorch's initial values."""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import signature
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from autograd_mini.dtypes import default_dtype
from autograd_mini.tensor import Array, Shape, Tensor, TensorLike

from .. import init
from ..module import Module, Parameter


class Layer(Module):
    """A module without modules inside. A note on each error of its operations shows the layer; tracebacks print it.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.layers.base import message_with_notes
    >>> try:
    ...     nn.Linear(3, 2)([[1.0]])
    ... except ValueError as error:
    ...     print(message_with_notes(error))
    linear: expected 3 features, got (1, 1); in the layer Linear(in_features=3, out_features=2, bias=True)
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            error.add_note(f"in the layer {self!r}")
            raise


def message_with_notes(error: BaseException) -> str:
    """Returns the error's message followed by its notes, on one line."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


class FunctionLayer(Layer):
    """A layer that calls `function` with its input and its settings: the arguments of `__init__`, which are its attributes.

    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.layers.base import FunctionLayer
    >>> class Clip(FunctionLayer, function=ag.clip):
    ...     def __init__(self, lo: float, hi: float | None = None):
    ...         self.lo, self.hi = lo, hi
    >>> clip = Clip(0.0)
    >>> clip, clip([-2.0, 3.0])
    (Clip(lo=0.0, hi=None), Tensor([0., 3.]))
    """

    function: ClassVar[Callable[..., Tensor]]
    setting_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None):
        super().__init_subclass__()
        if function is not None:
            settings = (name for name in signature(cls).parameters if name != "inplace")  # saves memory in PyTorch only
            cls.function, cls.setting_names = staticmethod(function), tuple(settings)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `function` besides the input, by name."""
        return {name: getattr(self, name) for name in self.setting_names}

    def forward(self, x: TensorLike) -> Tensor:
        return self.function(x, **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


def empty(shape: Shape, dtype: DTypeLike | None) -> Array:
    """Returns an uninitialised array of `dtype`, or of the default dtype if it is None."""
    return np.empty(shape, default_dtype() if dtype is None else dtype)


def weight_and_bias(shape: Shape, outputs: int | None, dtype: DTypeLike | None) -> tuple[Parameter, Parameter | None]:
    """Returns a weight and a bias of length `outputs` (None: no bias), drawn from U(−1/√fan_in, 1/√fan_in) as in PyTorch."""
    # He's bound for leaky ReLU with slope √5 equals 1/√fan_in.
    weight = init.kaiming_uniform_(Parameter(empty(shape, dtype)), a=math.sqrt(5))
    if outputs is None:
        return weight, None
    bound = 1 / math.sqrt(max(init.fans(weight)[0], 1))
    return weight, init.uniform_(Parameter(empty((outputs,), dtype)), -bound, bound)
