"""Wrappers that compute a layer's weight from other parameters at each forward: weight and spectral normalisation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from .. import init
from ..module import Buffer, Module, Parameter
from .base import empty
from .conv import Convolution
from .linear import Linear


class _Reparametrized(Module, ABC):
    """Puts a weight into a layer, whose own was taken out, for the time of each forward.

    State goes by PyTorch's names, without a prefix for the layer: `bias`, then the wrapper's own.
    """

    def __init__(self, layer: Module, axis: int | None):
        self.layer = layer
        self.axis = int(isinstance(layer, Convolution) and layer.transposed) if axis is None else axis

    def members(self) -> Iterator[tuple[Any, Any]]:
        own = dict(vars(self))
        yield from own.pop("layer").members()
        yield from own.items()

    @abstractmethod
    def effective_weight(self) -> Tensor:
        """The weight that the layer works with, as a function of the parameters."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.layer.weight = self.effective_weight()  # type: ignore[attr-defined]
        try:
            return self.layer(*args, **kwargs)
        finally:
            del self.layer.weight  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return repr(self.layer)


def _taken(wrapper: str, layer: Module) -> Parameter:
    """The weight of a layer, which has it no more."""
    weight = vars(layer).get("weight")
    if not isinstance(weight, Parameter):
        raise TypeError(f"{wrapper}: expected a layer with a weight, got {layer!r}")
    del vars(layer)["weight"]
    return weight


# -- weight normalisation --------------------------------------------------------------------------------------------------


class WeightNorm(_Reparametrized):
    """A layer with the weight g v / ‖v‖: its length g and its direction v are learnt apart (Salimans & Kingma 2016, eq. 2).

    The norm is taken for each index of `axis`, that of the output channels unless given: 1 for a transposed convolution, else
    0. (PyTorch's `weight_norm` takes 0 for every layer.) g starts at ‖v‖, so the layer computes what it did before. Parameters:
    those of the layer but for its weight, `weight_g` and `weight_v`. TypeError for a layer without a weight.

    >>> from autograd_mini import nn
    >>> layer = nn.WeightNorm(nn.Linear(3, 2))
    >>> [(name, p.shape) for name, p in layer.named_parameters()]
    [('bias', (2,)), ('weight_g', (2, 1)), ('weight_v', (2, 3))]
    """

    def __init__(self, layer: Module, axis: int | None = None):
        super().__init__(layer, axis)
        weight = _taken("WeightNorm", layer)
        self.weight_g = Parameter(self._length(weight).detach())
        self.weight_v = weight

    def _length(self, v: Tensor) -> Tensor:
        return ag.norm(v, axis=tuple(i for i in range(v.ndim) if i != self.axis), keepdims=True)

    def effective_weight(self) -> Tensor:
        """g v / ‖v‖."""
        return self.weight_v * (self.weight_g / self._length(self.weight_v))


def data_dependent_init(network: Module, *inputs: Any) -> Any:
    """Sets g and the bias of every `WeightNorm` so that its outputs for this batch have mean 0 and variance 1 per channel.

    g ← g / σ and b ← (b − μ) / σ with μ, σ of the layer's output for the batch (Salimans & Kingma 2016, eq. 5 and 6), layer by
    layer in one forward pass of the network in its current mode; returns its output. Without a bias the mean stays;
    where σ = 0 it counts as 1.

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
    """Moves g and b, by which the output is affine, and gives the output as it is with the new ones."""
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
    """A layer with the weight W / σ(W), σ being W's largest singular value: the layer is 1-Lipschitz (Miyato et al. 2018).

    W is taken as a matrix of output channels by all else. σ = uᵀ W v, where each forward in training first does
    `n_power_iterations` of v ← Wᵀu / ‖Wᵀu‖, u ← Wv / ‖Wv‖ (Algorithm 1), outside the graph; u and v count as constants.
    State: the layer's but for its weight, `weight_orig`, and the buffers `weight_u` and `weight_v`. It starts with 15
    iterations from a random u, so that σ is near at once. TypeError for a layer without a weight.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> layer = nn.SpectralNorm(nn.Linear(3, 2))
    >>> layer.weight_orig.data = [[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]
    >>> for _ in range(30):
    ...     y = layer(np.zeros((1, 3), np.float32))
    >>> np.round(layer.effective_weight().detach().numpy(), 4).tolist()
    [[0.75, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, layer: Module, n_power_iterations: int = 1, eps: float = 1e-12, axis: int | None = None):
        if n_power_iterations < 1:
            raise ValueError(f"SpectralNorm: n_power_iterations must be at least 1, got {n_power_iterations}")
        super().__init__(layer, axis)
        self.n_power_iterations, self.eps = n_power_iterations, eps
        self.weight_orig = _taken("SpectralNorm", layer)
        rows, columns = (empty((n,), self.weight_orig.dtype) for n in self._matrix(self.weight_orig).shape)
        self.weight_u = init.normal_(Buffer(rows))
        self.weight_v = init.zeros_(Buffer(columns))
        self._iterate(15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return ag.flatten(ag.moveaxis(weight, self.axis, 0), 1)

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
        """W / σ(W), by u and v as they stand."""
        u, v = self.weight_u.copy(), self.weight_v.copy()  # the next forward moves the buffers
        return self.weight_orig / (u @ self._matrix(self.weight_orig) @ v)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.training:
            self._iterate(self.n_power_iterations)
        return super().forward(*args, **kwargs)
