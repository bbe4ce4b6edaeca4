"""Activations as layers: each class names the function that it calls, and its `__init__` lists the settings."""

from __future__ import annotations

from typing import Literal

from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_float, as_number
from autograd_mini.tensor import Tensor, TensorLike

from ..init import constant_
from ..module import Parameter
from .base import FunctionLayer, Layer, empty


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


def _softplus(x: TensorLike, beta: float, threshold: float) -> Tensor:
    as_number("Softplus: threshold", threshold, "it has no effect")
    return ag.softplus(x) if beta == 1 else ag.softplus(as_float(x) * beta) / beta


class Softplus(Activation, function=_softplus):
    """ln(1 + e^(βx)) / β with β = `beta`, exact for any x, so that `threshold` has no effect.

    >>> from autograd_mini import nn
    >>> nn.Softplus()([1000.0])
    Tensor([1000.])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta, self.threshold = beta, threshold


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


class CELU(Activation, function=ag.celu):
    """x for x > 0, otherwise `alpha` (e^(x/alpha) − 1): an `ELU` whose slope at 0 is 1. For `inplace`, see `Activation`.

    >>> from autograd_mini import nn
    >>> nn.CELU(2.0)([-2.0, 2.0])
    Tensor([-1.2642411,  2.       ])
    """

    def __init__(self, alpha: float | Tensor = 1.0, inplace: bool = False):
        self.alpha = alpha


class Hardsigmoid(Activation, function=ag.hardsigmoid):
    """min(max(x + 3, 0), 6) / 6. For `inplace`, see `Activation`.

    >>> from autograd_mini import nn
    >>> nn.Hardsigmoid()([-4.0, 0.0, 4.0])
    Tensor([0. , 0.5, 1. ])
    """

    def __init__(self, inplace: bool = False):
        pass


class Hardswish(Activation, function=ag.hardswish):
    """x · hardsigmoid(x). For `inplace`, see `Activation`.

    >>> from autograd_mini import nn
    >>> nn.Hardswish()([1.0])
    Tensor([0.6666667])
    """

    def __init__(self, inplace: bool = False):
        pass


class Hardshrink(Activation, function=ag.hardshrink):
    """x where |x| > `lambd`, else 0.

    >>> from autograd_mini import nn
    >>> nn.Hardshrink()([-2.0, 0.25])
    Tensor([-2.,  0.])
    """

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd


class Softshrink(Activation, function=ag.softshrink):
    """x moved towards 0 by `lambd`, and 0 where |x| ≤ `lambd`.

    >>> from autograd_mini import nn
    >>> nn.Softshrink()([-2.0, 0.25])
    Tensor([-1.5,  0. ])
    """

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd


class Tanhshrink(Activation, function=ag.tanhshrink):
    """x − tanh x.

    >>> from autograd_mini import nn
    >>> nn.Tanhshrink()([0.0])
    Tensor([0.])
    """


class Threshold(Activation, function=ag.threshold):
    """x where it is above `threshold`, else `value`. For `inplace`, see `Activation`.

    >>> from autograd_mini import nn
    >>> nn.Threshold(0.5, -7.0)([-1.0, 2.0])
    Tensor([-7.,  2.])
    """

    def __init__(self, threshold: float, value: float | Tensor, inplace: bool = False):
        self.threshold, self.value = threshold, value


class GLU(Activation, function=ag.glu):
    """a · σ(b), where a and b are the halves of the input along `dim`.

    >>> from autograd_mini import nn
    >>> nn.GLU()([1.0, 2.0, 0.0, 0.0])
    Tensor([0.5, 1. ])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim


class Softmin(Activation, function=lambda x, dim: ag.softmax(-as_float(x), dim)):
    """The softmax of −x along the axis `dim`.

    >>> from autograd_mini import nn
    >>> nn.Softmin()([0.0, 0.0])
    Tensor([0.5, 0.5])
    """

    def __init__(self, dim: int = -1):
        self.dim = dim


class Softmax2d(Activation, function=lambda x: ag.softmax(x, -3)):
    """The softmax over the channels of each pixel, (N, C, H, W) or (C, H, W).

    >>> from autograd_mini import nn
    >>> nn.Softmax2d()([[[0.0]], [[0.0]]]).tolist()
    [[[0.5]], [[0.5]]]
    """


class PReLU(Layer):
    """`LeakyReLU` with learnable slopes, the parameter `weight`: one for all channels, or `num_parameters`, one for each.

    They start from `init`, in `dtype`.

    >>> from autograd_mini import nn
    >>> nn.PReLU()([-2.0, 3.0]).detach()
    Tensor([-0.5,  3. ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike | None = None):
        self.num_parameters, self.init = num_parameters, as_number("PReLU: init", init, "use init.detach()")
        self.weight = constant_(Parameter(empty((num_parameters,), dtype)), self.init)

    def forward(self, x: TensorLike) -> Tensor:
        return ag.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
