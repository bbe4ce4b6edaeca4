"""Wrappers that compute a layer's weight from other parameters in each forward pass: weight and spectral normalisation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import autograd_mini as ag
from autograd_mini.apply import as_number
from autograd_mini.tensor import Tensor

from .. import init
from ..module import Buffer, Module, Parameter
from .base import empty
from .conv import Convolution
from .linear import Linear


class _Reparametrized(Module, ABC):
    """Replaces the weight of a layer by a computed one during each forward pass.

    The state has PyTorch's names, without a prefix for the layer: `bias`, then the wrapper's parameters.
    """

    def __init__(self, layer: Module, dim: int | None):
        transposed = isinstance(layer, Convolution) and layer.transposed
        self.layer, self.dim = layer, dim if dim is not None else 1 if transposed else 0

    def members(self) -> Iterator[tuple[Any, Any]]:
        attributes = dict(vars(self))
        yield from attributes.pop("layer").members()
        yield from attributes.items()

    @abstractmethod
    def effective_weight(self) -> Tensor:
        """Returns the weight that the layer uses, computed from the parameters."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.layer.weight = self.effective_weight()  # type: ignore[attr-defined]
        try:
            return self.layer(*args, **kwargs)
        finally:
            del self.layer.weight  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return repr(self.layer)


def _pop_weight(wrapper: str, layer: Module) -> Parameter:
    """Removes the weight from the layer and returns it."""
    weight = vars(layer).get("weight")
    if not isinstance(weight, Parameter):
        raise TypeError(f"{wrapper}: expected a layer with a weight, got {layer!r}")
    del vars(layer)["weight"]
    return weight


# -- weight normalisation --------------------------------------------------------------------------------------------------


class WeightNorm(_Reparametrized):
    """Gives `layer` the weight g v / ‖v‖: its length g and direction v are trained separately (Salimans & Kingma 2016, eq. 2).

    There is one norm for each index of the axis `dim`; None is the axis of the output channels: 1 for a transposed
    convolution, otherwise 0. (PyTorch's `weight_norm` uses 0 for every layer.) g starts at ‖v‖, so the output does not change.
    In the state, `weight_g` and `weight_v` replace `weight`. Raises TypeError if the layer has no weight.

    >>> from autograd_mini import nn
    >>> layer = nn.WeightNorm(nn.Linear(3, 2))
    >>> [(name, p.shape) for name, p in layer.named_parameters()]
    [('bias', (2,)), ('weight_g', (2, 1)), ('weight_v', (2, 3))]
    """

    def __init__(self, layer: Module, dim: int | None = None):
        super().__init__(layer, dim)
        weight = _pop_weight("WeightNorm", layer)
        self.weight_g = Parameter(self._length(weight).detach())
        self.weight_v = weight

    def _length(self, v: Tensor) -> Tensor:
        return ag.norm(v, axis=tuple(i for i in range(v.ndim) if i != self.dim), keepdims=True)

    def effective_weight(self) -> Tensor:
        """Returns g v / ‖v‖."""
        return self.weight_v * (self.weight_g / self._length(self.weight_v))


def data_dependent_init(network: Module, *inputs: Any) -> Any:
    """Sets g and the bias of every `WeightNorm` so that its outputs for this batch have mean 0 and variance 1 per channel.

    Runs the network once, in its current mode, and returns its output. In each layer, g ← g / σ and b ← (b − μ) / σ with the
    mean μ and deviation σ of the layer's output (Salimans & Kingma 2016, eq. 5 and 6). A layer without bias keeps its mean;
    σ = 0 is replaced by 1.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> net = nn.Sequential(nn.WeightNorm(nn.Linear(3, 4)), nn.ReLU(), nn.WeightNorm(nn.Linear(4, 1)))
    >>> y = nn.data_dependent_init(net, np.random.default_rng(0).normal(size=(50, 3)))
    >>> bool(abs(y.mean()) < 1e-5), bool(abs(y.std() - 1) < 1e-4)
    (True, True)
    """
    removers = [m.register_forward_hook(_standardize) for m in network.modules() if isinstance(m, WeightNorm)]
    try:
        with ag.no_grad():
            return network(*inputs)
    finally:
        for remove in removers:
            remove()


def _standardize(module: WeightNorm, inputs: Any, output: Tensor) -> Tensor:
    """Sets g and b, in which the output is affine, and returns the output that the new values give."""
    channel = output.ndim - 1 if isinstance(module.layer, Linear) else 1
    others = tuple(i for i in range(output.ndim) if i != channel)
    std = ag.std(output, others, keepdims=True)
    std = ag.where(std == 0, 1, std)
    module.weight_g.data = module.weight_g / ag.reshape(std, module.weight_g.shape)
    bias = vars(module.layer).get("bias")
    if bias is None:
        return output / std
    mean = ag.mean(output, others, keepdims=True)
    bias.data = (bias - ag.ravel(mean)) / ag.ravel(std)
    return (output - mean) / std


# -- spectral normalisation ------------------------------------------------------------------------------------------------


class SpectralNorm(_Reparametrized):
    """Gives `layer` the weight W / σ(W) with W's largest singular value σ: it becomes 1-Lipschitz (Miyato et al. 2018).

    W is a matrix with one row per output channel, and σ = uᵀ W v. Each forward pass in training first runs power iterations,
    v ← Wᵀu / ‖Wᵀu‖, u ← Wv / ‖Wv‖ (Algorithm 1), without recording; u and v are constants for the gradient. In the state,
    `weight_orig` and the buffers `weight_u` and `weight_v` replace `weight`. u starts from N(0, I) and 15 iterations.

    Parameters
    ----------
    layer               a layer with a parameter `weight`, otherwise TypeError
    n_power_iterations  iterations in each forward pass, 1 or more
    eps                 lower bound of the norms that divide
    dim                 axis of the output channels; None: 1 for a transposed convolution, otherwise 0

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> layer = nn.SpectralNorm(nn.Linear(3, 2))
    >>> layer.weight_orig.data = [[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]
    >>> for _ in range(30):
    ...     y = layer(np.zeros((1, 3), np.float32))
    >>> np.round(layer.effective_weight().detach().numpy(), 4).tolist()
    [[0.75, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, layer: Module, n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None):
        if n_power_iterations < 1:
            raise ValueError(f"SpectralNorm: expected n_power_iterations ≥ 1, got n_power_iterations={n_power_iterations}")
        super().__init__(layer, dim)
        self.n_power_iterations, self.eps = n_power_iterations, as_number("SpectralNorm: eps", eps, "use eps.detach()")
        self.weight_orig = _pop_weight("SpectralNorm", layer)
        rows, columns = (empty((n,), self.weight_orig.dtype) for n in self._matrix(self.weight_orig).shape)
        self.weight_u = init.normal_(Buffer(rows))
        self.weight_v = init.zeros_(Buffer(columns))
        self._iterate(15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return ag.flatten(ag.moveaxis(weight, self.dim, 0), 1)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / ag.maximum(ag.norm(vector), self.eps)

    @ag.no_grad()
    def _iterate(self, times: int) -> None:
        matrix = self._matrix(self.weight_orig)
        u: Tensor = self.weight_u
        for _ in range(times):
            v = self._unit(matrix.T @ u)
            u = self._unit(matrix @ v)
        self.weight_u.data, self.weight_v.data = u, v

    def effective_weight(self) -> Tensor:
        """Returns W / σ(W) for the current u and v."""
        u, v = self.weight_u.copy(), self.weight_v.copy()  # the next forward pass changes the buffers
        return self.weight_orig / (u @ self._matrix(self.weight_orig) @ v)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.training:
            self._iterate(self.n_power_iterations)
        return super().forward(*args, **kwargs)
