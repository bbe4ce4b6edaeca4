"""The fully connected stack that every model here is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from autograd_mini import nn

Activation: TypeAlias = Callable[[], nn.Module]


def stack(sizes: Sequence[int], activation: Activation) -> nn.Sequential:
    """Linear layers from size to size, (N, sizes[0]) → (N, sizes[-1]), an activation between each two and none at the end.

    ValueError unless `sizes` are at least two positive numbers.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.stack import stack
    >>> [type(layer).__name__ for layer in stack((4, 3, 2), nn.ReLU)]
    ['Linear', 'ReLU', 'Linear']
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"expected at least two layer sizes, each 1 or more, got {tuple(sizes)}")
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), activation()]
    return nn.Sequential(*layers[:-1])
