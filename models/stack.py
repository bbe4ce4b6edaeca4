"""The fully connected stack that most models here are made of, and activations by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from autograd_mini import nn

Activation: TypeAlias = str | Callable[[], nn.Module]

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


def stack(sizes: Sequence[int], activation: Activation) -> nn.Sequential:
    """Linear layers from size to size, (N, sizes[0]) → (N, sizes[-1]), an activation between each two and none at the end.

    ValueError unless `sizes` are at least two positive numbers, and for an unknown activation.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.stack import stack
    >>> [type(layer).__name__ for layer in stack((4, 3, 2), nn.ReLU)]
    ['Linear', 'ReLU', 'Linear']
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"expected at least two layer sizes, each 1 or more, got {tuple(sizes)}")
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), activation_of(activation)()]
    return nn.Sequential(*layers[:-1])
