"""Activations as modules: a table in which each class names a function of the engine and its settings."""

from __future__ import annotations

import autograd_mini as ag

from .base import Applied


class Activation(Applied):
    """Base of the table.

    >>> from autograd_mini import nn
    >>> nn.LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """


class ReLU(Activation, function=ag.relu):
    """max(x, 0), with slope 0 at 0.

    >>> from autograd_mini import nn
    >>> nn.ReLU()([-2.0, 3.0])
    Tensor([0., 3.])
    """


class LeakyReLU(Activation, function=ag.leaky_relu, negative_slope=0.01):
    """x for x > 0, else negative_slope · x. The default is PyTorch's.

    >>> from autograd_mini import nn
    >>> nn.LeakyReLU(0.1)([-2.0, 3.0])
    Tensor([-0.2,  3. ])
    """


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


class Hardtanh(Activation, function=ag.hardtanh, min_val=-1.0, max_val=1.0):
    """x limited to [min_val, max_val].

    >>> from autograd_mini import nn
    >>> nn.Hardtanh()([-2.0, 0.5])
    Tensor([-1. ,  0.5])
    """


class ELU(Activation, function=ag.elu, alpha=1.0):
    """x for x > 0, else α (eˣ − 1), for α ≥ 0.

    >>> from autograd_mini import nn
    >>> nn.ELU()([-1.0, 2.0])
    Tensor([-0.63212055,  2.        ])
    """


class SELU(Activation, function=ag.selu):
    """Scaled ELU, which keeps mean 0 and variance 1 from layer to layer.

    >>> from autograd_mini import nn
    >>> nn.SELU()([2.0])
    Tensor([2.101402])
    """


class GELU(Activation, function=ag.gelu, approximate="none"):
    """x Φ(x), Φ being the distribution function of N(0, 1); `approximate="tanh"` takes its tanh form.

    >>> from autograd_mini import nn
    >>> nn.GELU()([1.0])
    Tensor([0.8413447])
    """


class SiLU(Activation, function=ag.silu):
    """x σ(x), also called swish.

    >>> from autograd_mini import nn
    >>> nn.SiLU()([1.0])
    Tensor([0.7310586])
    """


class Mish(Activation, function=ag.mish):
    """x tanh(softplus(x)).

    >>> from autograd_mini import nn
    >>> nn.Mish()([1.0])
    Tensor([0.8650984])
    """


class Softsign(Activation, function=ag.softsign):
    """x / (1 + |x|).

    >>> from autograd_mini import nn
    >>> nn.Softsign()([1.0])
    Tensor([0.5])
    """


class LogSigmoid(Activation, function=ag.logsigmoid):
    """ln σ(x), exact for x = −1000.

    >>> from autograd_mini import nn
    >>> nn.LogSigmoid()([-1000.0])
    Tensor([-1000.])
    """


class Softmax(Activation, function=ag.softmax, axis=-1):
    """eˣ / Σ eˣ along `axis`.

    >>> from autograd_mini import nn
    >>> nn.Softmax()([0.0, 0.0])
    Tensor([0.5, 0.5])
    """


class LogSoftmax(Activation, function=ag.log_softmax, axis=-1):
    """x − ln Σ eˣ along `axis`.

    >>> from autograd_mini import nn
    >>> nn.LogSoftmax()([1000.0, 0.0])
    Tensor([    0., -1000.])
    """
