"""The stack of fully connected layers that most models use, and the table of activations by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from autograd_mini import nn

Activation: TypeAlias = str | Callable[[], nn.Module]
Activations: TypeAlias = Activation | Sequence[Activation]  # one for all hidden layers, or one per hidden layer

ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
}


def activation_of(name: Activation) -> Callable[[], nn.Module]:
    """Returns the factory of the activation named in `ACTIVATIONS`; a factory is returned unchanged.

    Raises ValueError if the name is unknown.

    >>> from autograd_mini.models.stack import activation_of
    >>> activation_of("tanh")()
    Tanh()
    """
    if not isinstance(name, str):
        return name
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; expected one of: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def stack(sizes: Sequence[int], activation: Activations) -> nn.Sequential:
    """Returns linear layers (N, sizes[0]) → (N, sizes[-1]) with activations between them and none after the last.

    Raises ValueError if `sizes` has fewer than two entries or one below 1, if an activation is unknown, or if a sequence of
    activations does not have one entry per hidden layer.

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
        raise ValueError(f"expected one activation, or one for each of the {hidden} hidden layers, got {len(each)}")
    layers: list[nn.Module] = [nn.Linear(sizes[0], sizes[1])]
    for f, (inner, outer) in zip(each, pairwise(sizes[1:]), strict=True):
        layers += [f(), nn.Linear(inner, outer)]
    return nn.Sequential(*layers)
