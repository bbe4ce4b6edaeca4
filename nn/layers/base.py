"""What layers have in common: errors that name the layer, a base for tables of functions, PyTorch's initial values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from autograd_mini.dtypes import default_dtype
from autograd_mini.tensor import Array, Shape, Tensor, TensorLike

from .. import init
from ..module import Module, Parameter


class Layer(Module):
    """A module without modules inside. Whatever its operations object to is reported under the layer's own name.

    >>> from autograd_mini import nn
    >>> nn.Linear(3, 2)([[1.0]])
    Traceback (most recent call last):
    ValueError: Linear(in_features=3, out_features=2, bias=True): linear: expected 3 features, got (1, 1)
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            error.args = (f"{self!r}: {error}",)  # the error itself goes on, and shows where it arose
            raise


class Applied(Layer):
    """Base of tables: a class names a function and its settings, which are given by place or by name (TypeError for others).

    A setting whose default is `...` must be given.

    >>> import autograd_mini as ag
    >>> from autograd_mini.nn.layers.base import Applied
    >>> class Clip(Applied, function=ag.clip, lo=..., hi=None): ...
    >>> Clip(0.0)([-2.0, 3.0])
    Tensor([0., 3.])
    """

    function: ClassVar[Callable[..., Tensor]]
    defaults: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None, **defaults: Any):
        super().__init_subclass__()
        if function is not None:
            cls.function, cls.defaults = staticmethod(function), defaults

    def __init__(self, *settings: Any, **named: Any):
        names = list(self.defaults)
        by_place = dict(zip(names, settings, strict=False))
        self.settings = {**self.defaults, **by_place, **named}
        if (
            len(settings) > len(names)
            or by_place.keys() & named.keys()
            or named.keys() - names
            or ... in self.settings.values()
        ):
            raise TypeError(f"{type(self).__name__}: takes ({', '.join(names)}), got {settings} and {named}")

    def forward(self, x: TensorLike) -> Tensor:
        return self.function(x, **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


def empty(shape: Shape, dtype: DTypeLike | None) -> Array:
    """An array to be filled, in the default dtype unless `dtype` names another."""
    return np.empty(shape, default_dtype() if dtype is None else dtype)


def started(shape: Shape, outputs: int | None, dtype: DTypeLike | None) -> tuple[Parameter, Parameter | None]:
    """A weight and a bias of length `outputs` (None: no bias) from U(−1/√fan_in, 1/√fan_in), as PyTorch starts them."""
    # He's bound with a leaky slope of √5 is just 1/√fan_in.
    weight = init.kaiming_uniform_(Parameter(empty(shape, dtype)), a=math.sqrt(5))
    if outputs is None:
        return weight, None
    bound = 1 / math.sqrt(max(init.fans(weight)[0], 1))
    return weight, init.uniform_(Parameter(empty((outputs,), dtype)), -bound, bound)
