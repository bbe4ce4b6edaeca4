"""Initial values of parameters: each function fills a leaf and returns it. Draws come from the stream of `ag.manual_seed`.

`fan_in` is the number of inputs of one unit, `fan_out` the number of units that one input reaches; a weight has the shape
(out, in, *kernel). Names and defaults follow PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import numpy as np

from autograd_mini.apply import as_number
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


def calculate_gain(nonlinearity: str, negative_slope: float = 0.01) -> float:
    """Returns the factor on the standard deviation that preserves the size of the signal through a nonlinearity.

    It is √2 for ReLU and √(2/(1 + negative_slope²)) for leaky ReLU (He et al. 2015, equations 10 and 15), and PyTorch's 5/3
    for tanh and 3/4 for SELU. Raises ValueError for other nonlinearities.

    >>> from autograd_mini import nn
    >>> round(nn.init.calculate_gain("relu"), 4)
    1.4142
    """
    if not isinstance(nonlinearity, str) or nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: expected nonlinearity to be one of {', '.join(_GAINS)}, got {nonlinearity!r}")
    return _GAINS[nonlinearity](_number("calculate_gain: negative_slope", negative_slope))


def fans(tensor: Tensor) -> tuple[int, int]:
    """Returns (fan_in, fan_out) of a weight (out, in, *kernel). Raises ValueError if it has fewer than two axes.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.fans(Tensor([[0.0, 0.0, 0.0]]))
    (3, 1)
    """
    shape = array_of(tensor).shape
    if len(shape) < 2:
        raise ValueError(f"fans: expected a weight (out, in, …), got shape {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def array_of(tensor: Tensor) -> Array:
    """Returns the array to fill: a program from PyTorch may pass `weight.data`, which is one already."""
    if isinstance(tensor, np.ndarray):
        return tensor
    if not isinstance(tensor, Tensor):
        raise TypeError(f"init: expected a tensor or an array to fill, got {tensor!r} of type {type(tensor).__name__}")
    return tensor._data


def _number(name: str, value: float) -> float:
    return as_number(name, value, "use .detach() for a constant")


def _assign(tensor: T, values: Array) -> T:
    if isinstance(tensor, np.ndarray):
        tensor[...] = values
    else:
        tensor.data = values
    return tensor


# -- simple ----------------------------------------------------------------------------------------------------------------


def constant_(tensor: T, value: float) -> T:
    """Fills the tensor with one value.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.constant_(Tensor([1.0, 2.0]), 0.5)
    Tensor([0.5, 0.5])
    """
    array = array_of(tensor)
    return _assign(tensor, np.full(array.shape, _number("constant_: value", value), array.dtype))


def zeros_(tensor: T) -> T:
    """Fills the tensor with 0.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.zeros_(Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return constant_(tensor, 0)


def ones_(tensor: T) -> T:
    """Fills the tensor with 1.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.ones_(Tensor([3.0, 2.0]))
    Tensor([1., 1.])
    """
    return constant_(tensor, 1)


def uniform_(tensor: T, low: float = 0.0, high: float = 1.0, *, a: float | None = None, b: float | None = None) -> T:
    """Draws from U(low, high); `a` and `b` are PyTorch's names.

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.uniform_(Tensor([0.0] * 100), -0.1, 0.1)) <= 0.1).all())
    True
    """
    low = _number("uniform_: low", low if a is None else a)
    high = _number("uniform_: high", high if b is None else b)
    return _fill_with_draws(tensor, generator().random, high - low, low)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Draws from N(mean, std²).

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.normal_(Tensor([0.0, 0.0]), 3.0, std=0)
    Tensor([3., 3.])
    """
    mean, std = _number("normal_: mean", mean), _number("normal_: std", std)
    return _fill_with_draws(tensor, generator().standard_normal, std, mean)


def _fill_with_draws(tensor: T, draw: Callable[..., Array], scale: float, shift: float) -> T:
    dtype = array_of(tensor).dtype
    values = np.asarray(draw(array_of(tensor).shape, np.float32 if dtype.itemsize == 2 else dtype))  # NumPy cannot draw float16
    values *= scale
    values += shift
    return _assign(tensor, values)


def trunc_normal_(tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """Draws from the part of N(mean, std²) inside [a, b].

    Parameters
    ----------
    tensor     the leaf to fill
    mean, std  of the normal distribution
    a, b       smallest and largest value

    Examples
    --------
    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.trunc_normal_(Tensor([0.0] * 100), std=2.0)) <= 2).all())
    True
    """
    mean, std, a, b = (_number(f"trunc_normal_: {n}", value) for n, value in (("mean", mean), ("std", std), ("a", a), ("b", b)))
    if not (a < b and std >= 0 and mean + 8 * std >= a and mean - 8 * std <= b):
        raise ValueError(f"trunc_normal_: expected a < b near the mean, and std ≥ 0, got {mean=}, {std=}, {a=}, {b=}")
    array = array_of(tensor)
    if not std or math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2)) > 0.05:
        values = generator().standard_normal(array.shape) * std + mean
        while (outside := (values < a) | (values > b)).any():
            values[outside] = generator().standard_normal(int(outside.sum())) * std + mean
    else:
        values = np.clip(_normal_in_a_tail((a - mean) / std, (b - mean) / std, array.shape) * std + mean, a, b)
    return _assign(tensor, values.astype(array.dtype))


def _normal_in_a_tail(low: float, high: float, shape: tuple[int, ...]) -> Array:
    """Draws from N(0, 1) in [low, high], where few draws of N(0, 1) lie: uniform draws, kept in proportion to the density."""
    top = min(max(low, 0.0), high)  # where the density is largest; it is e⁻⁴⁰ times as large beyond `reach`
    reach = 40 / max(abs(top), 1.0)
    low, high = max(low, top - reach), min(high, top + reach)
    values, rejected = np.zeros(shape), np.ones(shape, bool)
    while count := int(rejected.sum()):
        draws = generator().uniform(low, high, count)
        kept = generator().random(count) < np.exp((top * top - draws * draws) / 2)
        values[rejected], rejected[rejected] = draws, ~kept
    return values


def eye_(tensor: T) -> T:
    """Fills a matrix with the identity.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.eye_(Tensor([[3.0, 3.0]])).tolist()
    [[1.0, 0.0]]
    """
    array = array_of(tensor)
    if array.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {array.shape}")
    return _assign(tensor, np.eye(*array.shape, dtype=array.dtype))


def orthogonal_(tensor: T, gain: float = 1.0) -> T:
    """Fills with orthonormal rows or columns, times `gain`, of the weight as a matrix (Saxe et al. 2014).

    >>> from autograd_mini import Tensor, nn
    >>> w = nn.init.orthogonal_(Tensor([[0.0] * 3] * 2))
    >>> (w @ w.T).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    array, gain = array_of(tensor), _number("orthogonal_: gain", gain)
    if array.ndim < 2:
        raise ValueError(f"orthogonal_: expected a weight (out, in, …), got shape {array.shape}")
    rows, columns = array.shape[0], array.size // max(array.shape[0], 1)
    q, r = np.linalg.qr(generator().standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # uniform over all orthogonal matrices (Mezzadri 2007)
    return _assign(tensor, ((q.T if rows < columns else q) * gain).reshape(array.shape).astype(array.dtype))


# -- scaled by the fan -----------------------------------------------------------------------------------------------------


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Draws from U(−b, b) with b = gain · √(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16.

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.xavier_uniform_(Tensor([[0.0] * 4] * 2))) <= 1).all())
    True
    """
    return _uniform_with_std(tensor, _xavier_std(tensor, gain))


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """Draws from N(0, std²) with std = gain · √(2 / (fan_in + fan_out)), the variance of Glorot & Bengio 2010, equation 12.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.xavier_normal_(Tensor([[0.0] * 4] * 2)).shape
    (2, 4)
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain))


def kaiming_uniform_(tensor: T, a: float = 0.0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """Draws from U(−b, b) with b = gain · √(3 / fan): the variance of He et al. 2015, equations 10 and 14.

    `mode` selects the fan, and `a` is the slope of leaky ReLU; see `calculate_gain` for `nonlinearity`.

    >>> from autograd_mini import Tensor, nn
    >>> bool((abs(nn.init.kaiming_uniform_(Tensor([[0.0] * 6] * 2))) <= 1).all())
    True
    """
    return _uniform_with_std(tensor, _kaiming_std(tensor, a, mode, nonlinearity))


def kaiming_normal_(tensor: T, a: float = 0.0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """Draws from N(0, std²) with std = gain / √fan (He et al. 2015, equations 10 and 14); arguments as `kaiming_uniform_`.

    >>> from autograd_mini import Tensor, nn
    >>> nn.init.kaiming_normal_(Tensor([[0.0] * 6] * 2), nonlinearity="relu").shape
    (2, 6)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return _number("xavier: gain", gain) * math.sqrt(2 / max(sum(fans(tensor)), 1))  # both fans are 0 for an empty weight


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    sizes = dict(zip(("fan_in", "fan_out"), fans(tensor), strict=True))
    if not isinstance(mode, str) or mode not in sizes:
        raise ValueError(f"kaiming: expected mode to be 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(sizes[mode], 1))


def _uniform_with_std(tensor: T, std: float) -> T:
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound)
