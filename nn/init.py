"""Initial values for parameters: each function writes into a leaf and returns it, drawing from the stream of `ag.manual_seed`.

`fan_in` is the number of inputs to one unit and `fan_out` the number of units that one input reaches; a weight is laid out
(out, in, *kernel). Names and defaults follow PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import numpy as np

from autograd_mini.ops.random import generator
from autograd_mini.tensor import Array, Tensor

T = TypeVar("T", bound=Tensor)
Fan = Literal["fan_in", "fan_out"]

_GAINS: Final[dict[str, Callable[[float], float]]] = {
    "linear": lambda _: 1.0,
    "sigmoid": lambda _: 1.0,
    "tanh": lambda _: 5 / 3,
    "relu": lambda _: math.sqrt(2),
    "leaky_relu": lambda slope: math.sqrt(2 / (1 + slope * slope)),
    "selu": lambda _: 3 / 4,
}


def calculate_gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor on the standard deviation that keeps the signal's size through a nonlinearity; `slope` is leaky ReLU's.

    ReLU's √2 and leaky ReLU's √(2/(1 + slope²)) are from He et al. 2015, equations 10 and 15; tanh's 5/3 and SELU's 3/4 are
    PyTorch's. ValueError for a nonlinearity that is not in the table.

    >>> from autograd_mini import nn
    >>> round(nn.init.calculate_gain("relu"), 4)
    1.4142
    """
    if nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: expected one of {', '.join(_GAINS)}, got {nonlinearity!r}")
    return _GAINS[nonlinearity](slope)


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel); ValueError for fewer than two axes.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.fans(Tensor([[0.0, 0.0, 0.0]]))
    (3, 1)
    """
    shape = tensor._data.shape
    if len(shape) < 2:
        raise ValueError(f"fan in and fan out need a weight (out, in, …), got shape {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


# -- plain -----------------------------------------------------------------------------------------------------------------


def constant_(tensor: T, value: float) -> T:
    """Fills with one value.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.constant_(Tensor([1.0, 2.0]), 0.5)
    Tensor([0.5, 0.5])
    """
    tensor.data = np.broadcast_to(np.asarray(value, tensor._data.dtype), tensor._data.shape)
    return tensor


def zeros_(tensor: T) -> T:
    """Fills with 0.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.zeros_(Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return constant_(tensor, 0)


def ones_(tensor: T) -> T:
    """Fills with 1.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.ones_(Tensor([3.0, 2.0]))
    Tensor([1., 1.])
    """
    return constant_(tensor, 1)


def uniform_(tensor: T, low: float = 0.0, high: float = 1.0) -> T:
    """Draws from U(low, high).

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.uniform_(Tensor([0.0] * 100), -0.1, 0.1)) <= 0.1).all())
    True
    """
    return _scaled(tensor, generator().random, high - low, low)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Draws from N(mean, std²).

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.normal_(Tensor([0.0, 0.0]), 3.0, std=0)
    Tensor([3., 3.])
    """
    return _scaled(tensor, generator().standard_normal, std, mean)


def _scaled(tensor: T, draw: Callable[..., Array], scale: float, shift: float) -> T:
    dtype = tensor._data.dtype
    drawn = draw(tensor._data.shape, np.float32 if dtype.itemsize == 2 else dtype)  # the streams know no float16
    drawn = np.asarray(drawn)
    drawn *= scale
    drawn += shift
    tensor.data = drawn
    return tensor


# -- scaled by the fan -----------------------------------------------------------------------------------------------------


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """U(−b, b) with b = gain · √(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16.

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.xavier_uniform_(Tensor([[0.0] * 4] * 2))) <= 1).all())
    True
    """
    return _uniform_of_std(tensor, _xavier_std(tensor, gain))


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """N(0, std²) with std = gain · √(2 / (fan_in + fan_out)), the variance of Glorot & Bengio 2010, equation 12.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.xavier_normal_(Tensor([[0.0] * 4] * 2)).shape
    (2, 4)
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain))


def kaiming_uniform_(tensor: T, a: float = 0.0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """U(−b, b) with b = gain · √(3 / fan): the variance of He et al. 2015, equations 10 and 14. `a` is leaky ReLU's slope.

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.kaiming_uniform_(Tensor([[0.0] * 6] * 2))) <= 1).all())
    True
    """
    return _uniform_of_std(tensor, _kaiming_std(tensor, a, mode, nonlinearity))


def kaiming_normal_(tensor: T, a: float = 0.0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """N(0, std²) with std = gain / √fan: He et al. 2015, equations 10 and 14. `a` is leaky ReLU's slope.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.kaiming_normal_(Tensor([[0.0] * 6] * 2), nonlinearity="relu").shape
    (2, 6)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / max(sum(fans(tensor)), 1))  # a weight without elements has nothing to fill


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    sizes = dict(zip(("fan_in", "fan_out"), fans(tensor), strict=True))
    if mode not in sizes:
        raise ValueError(f"kaiming: mode must be fan_in or fan_out, got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(sizes[mode], 1))


def _uniform_of_std(tensor: T, std: float) -> T:
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound)
