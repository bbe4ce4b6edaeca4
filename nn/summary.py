"""`summary`: what a network is made of, as a table of the layers in the order in which an input met them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import autograd_mini as ag
from autograd_mini.tensor import Tensor
from autograd_mini.tools.text_table import aligned

from .layers.conv import Convolution
from .layers.linear import Linear
from .module import Module, evaluation


@dataclass(frozen=True)
class Row:
    """One call of a layer: its path, its class, the shape of its output, the parameters first met here, and the FLOPs."""

    name: str
    layer: str
    output_shape: Any
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """The rows, and totals over the network: parameters, those of them that ask for a gradient, FLOPs. `str` gives a table."""

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    flops: int

    def __str__(self) -> str:
        head = ("name", "layer", "output shape", "parameters", "FLOPs")
        body = [(r.name, r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.flops:,}") for r in self.rows]
        total = ("total", "", f"{self.trainable:,} trainable", f"{self.parameters:,}", f"{self.flops:,}")
        return aligned(head, body, left=(0, 1, 2), total=total)


def summary(model: Module, *inputs: Any) -> Summary:
    """Runs the model once, in evaluation and without a graph, and lists its layers; modes and random stream stay as they were.

    A layer is a module without modules inside, or with parameters of its own. FLOPs are those of `Linear` and the
    convolutions for this input, batch included: a multiplication and an addition for each weight that an output meets.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 28 * 28, 10))
    >>> print(nn.summary(net, np.zeros((1, 1, 28, 28), np.float32)))
    name   layer    output shape      parameters    FLOPs
    -----  -------  ----------------  ----------  -------
    0      Conv2d   (1, 8, 28, 28)            80  112,896
    1      ReLU     (1, 8, 28, 28)             0        0
    2      Flatten  (1, 6272)                  0        0
    3      Linear   (1, 10)               62,730  125,440
    -----  -------  ----------------  ----------  -------
    total           62,810 trainable      62,810  238,336
    """
    rows: list[Row] = []
    counted: set[int] = set()

    def hook_for(name: str) -> Callable[[Module, Any, Any], None]:
        def hook(module: Module, inputs: Any, output: Any) -> None:
            new = [p for p in _direct_parameters(module) if id(p) not in counted]
            counted.update(map(id, new))
            count = sum(p.size for p in new)
            rows.append(Row(name, type(module).__name__, _shape(output), count, _flops(module, inputs, output)))

        return hook

    removers = [
        module.register_forward_hook(hook_for(name))
        for name, module in model.named_modules()
        if _direct_parameters(module) or not list(module.children())
    ]
    try:
        with evaluation(model), ag.fork_rng():
            model(*inputs)
    finally:
        for remove in removers:
            remove()
    sizes = [(p.size, p.size * p.requires_grad) for p in model.parameters()]
    return Summary(tuple(rows), sum(n for n, _ in sizes), sum(n for _, n in sizes), sum(row.flops for row in rows))


def _direct_parameters(module: Module) -> list[Tensor]:
    """The parameters of a module that are not those of a module below it."""
    below = {id(p) for child in module.children() for p in child.parameters()}
    return [p for p in module.parameters() if id(p) not in below]


def _shape(output: Any) -> Any:
    return output.shape if isinstance(output, Tensor) else tuple(map(_shape, output))


def _flops(module: Module, given: Any, output: Any) -> int:
    layer = getattr(module, "layer", module)  # the one inside a weight or spectral normalisation
    return next((count(layer, given[0], output) for kind, count in _FLOPS.items() if isinstance(layer, kind)), 0)


def _convolution(layer: Any, x: Any, y: Any) -> int:
    each = (layer.out_channels if layer.transposed else layer.in_channels) // layer.groups
    return 2 * (math.prod(x.shape) if layer.transposed else y.size) * each * math.prod(layer.kernel_size)


_FLOPS: Final[dict[type[Module], Callable[[Any, Any, Any], int]]] = {
    Linear: lambda layer, x, y: 2 * y.size * layer.in_features,
    Convolution: _convolution,
}
