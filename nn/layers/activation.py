"""Activations as layers: each class names the function that it calls, and its `__init__` lists the settings."""

from __future__ import annotations

from typing import Literal

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from .base import FunctionLayer


class Activation(FunctionLayer):
    """Base of the activations. `inplace` is accepted as in PyTorch; the output is a new tensor anyway.

    >>> from autograd_mini import nn
    >>> nn.LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """


class ReLU(Activation, function=ag.relu):
    """max(x, 0), with gradient 0 at 0.

    >>> from autograd_mini import nn
    >>> nn.ReLU()([-2.0, 3.0])
    Tensor([0., 3.])
    """

    def __init__(self, inplace: bool = False):
        pass


class LeakyReLU(Activation, function=ag.leaky_relu):
    """x for x > 0, otherwise `negative_slope` · x. The slope is learnable if it is an `nn.Parameter`.

    >>> from autograd_mini import nn
    >>> nn.LeakyReLU(0.1)([-2.0, 3.0])
    Tensor([-0.2,  3. ])
    """

    def __init__(self, negative_slope: float | Tensor = 0.01, inplace: bool = False):
        self.negative_slope = negative_slope


class Sigmoid(Activation, function=ag.sigmoid):
    """1 / (1 + e⁻ˣ).

    >>> from autograd_mini import nn
    >>> nn.Sigmoid()([0.0])
    Tensor([0.5])
    """


class Tanh(Activation, function=ag.tanh):
    """tanh x.

    >>> from autograd_mini import nn
    >>> nn.Tanh()([0.0])
    Tensor([0.])
    """


class Softplus(Activation, function=ag.softplus):
    """ln(1 + eˣ).

    >>> from autograd_mini import nn
    >>> nn.Softplus()([1000.0])
    Tensor([1000.])
    """


class ReLU6(Activation, function=ag.relu6):
    """min(max(x, 0), 6).

    >>> from autograd_mini import nn
    >>> nn.ReLU6()([-2.0, 8.0])
    Tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False):
        pass


class Hardtanh(Activation, function=ag.hardtanh):
    """x limited to the range from `min_val` to `max_val`. A bound is learnable if it is an `nn.Parameter`.

    >>> from autograd_mini import nn
    >>> nn.Hardtanh()([-2.0, 0.5])
    Tensor([-1. ,  0.5])
    """

    def __init__(self, min_val: float | Tensor = -1.0, max_val: float | Tensor = 1.0, inplace: bool = False):
        self.min_val, self.max_val = min_val, max_val


class ELU(Activation, function=ag.elu):
    """x for x > 0, otherwise `alpha` (eˣ − 1), with `alpha` ≥ 0, which is learnable if it is an `nn.Parameter`.

    >>> from autograd_mini import nn
    >>> nn.ELU()([-1.0, 2.0])
    Tensor([-0.63212055,  2.        ])
    """

    def __init__(self, alpha: float | Tensor = 1.0, inplace: bool = False):
        self.alpha = alpha


class SELU(Activation, function=ag.selu):
    """Scaled ELU, which preserves mean 0 and variance 1 from layer to layer.

    >>> from autograd_mini import nn
    >>> nn.SELU()([2.0])
    Tensor([2.101402])
    """

    def __init__(self, inplace: bool = False):
        pass


class GELU(Activation, function=ag.gelu):
    """x Φ(x) with the distribution function Φ of N(0, 1), or its tanh approximation with `approximate="tanh"`.

    >>> from autograd_mini import nn
    >>> nn.GELU()([1.0]).round(4)
    Tensor([0.8413])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none"):
        self.approximate = approximate


class SiLU(Activation, function=ag.silu):
    """x σ(x), also called swish.

    >>> from autograd_mini import nn
    >>> nn.SiLU()([1.0])
    Tensor([0.7310586])
    """

    def __init__(self, inplace: bool = False):
        pass


class Mish(Activation, function=ag.mish):
    """x tanh(softplus(x)).

    >>> from autograd_mini import nn
    >>> nn.Mish()([1.0])
    Tensor([0.8650984])
    """

    def __init__(self, inplace: bool = False):
        pass


class Softsign(Activation, function=ag.softsign):
    """x / (1 + |x|).

    >>> from autograd_mini import nn
    >>> nn.Softsign()([1.0])
    Tensor([0.5])
    """


class LogSigmoid(Activation, function=ag.logsigmoid):
    """ln σ(x), exact also for large negative x.

    >>> from autograd_mini import nn
    >>> nn.LogSigmoid()([-1000.0])
    Tensor([-1000.])
    """


class Softmax(Activation, function=lambda x, dim: ag.softmax(x, dim)):
    """eˣ / Σ eˣ along the axis `dim`.

    >>> from autograd_mini import nn
    >>> nn.Softmax()([0.0, 0.0])
    Tensor([0.5, 0.5])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim


class LogSoftmax(Activation, function=lambda x, dim: ag.log_softmax(x, dim)):
    """x − ln Σ eˣ along the axis `dim`.

    >>> from autograd_mini import nn
    >>> nn.LogSoftmax()([1000.0, 0.0])
    Tensor([    0., -1000.])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim
