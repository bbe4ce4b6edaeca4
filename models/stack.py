"""The fully connected stack that most models here are made of, and activations by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from autograd_mini import nn

Activation: TypeAlias = str | Callable[[], nn.Module]
Activations: TypeAlias = Activation | Sequence[Activation]  # one for all hidden layers, or one for each

ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
}


def activation_of(name: Activation) -> Callable[[], nn.Module]:
    """What makes the activation of that name in `ACTIVATIONS`, or what is given; ValueError for an unknown name.

    >>> from autograd_mini.models.stack import activation_of
    >>> activation_of("tanh")()
    Tanh()
    """
    if not isinstance(name, str):
        return name
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def stack(sizes: Sequence[int], activation: Activations) -> nn.Sequential:
    """Linear layers from size to size, (N, sizes[0]) → (N, sizes[-1]), an activation between each two and none at the end.

    ValueError unless `sizes` are at least two positive numbers, for an unknown activation, and unless a sequence has one for
    each hidden layer.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.stack import stack
    >>> [type(layer).__name__ for layer in stack((4, 3, 2), nn.ReLU)]
    ['Linear', 'ReLU', 'Linear']
    >>> [type(layer).__name__ for layer in stack((4, 3, 3, 2), ("tanh", "relu"))]
    ['Linear', 'Tanh', 'Linear', 'ReLU', 'Linear']
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"expected at least two layer sizes, each 1 or more, got {tuple(sizes)}")
    hidden = len(sizes) - 2
    if isinstance(activation, str) or callable(activation):
        each = [activation_of(activation)] * hidden
    else:
        each = [activation_of(f) for f in activation]
    if len(each) != hidden:
        raise ValueError(f"expected one activation for all hidden layers or {hidden}, one for each, got {len(each)}")
    layers: list[nn.Module] = [nn.Linear(sizes[0], sizes[1])]
    for f, (inner, outer) in zip(each, pairwise(sizes[1:]), strict=True):
        layers += [f(), nn.Linear(inner, outer)]
    return nn.Sequential(*layers)
