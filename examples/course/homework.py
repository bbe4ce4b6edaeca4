"""The tasks of a homework on backpropagation, as data: the reference, the points of each case, and the inputs.

1. `mean_squared_error_gradients(W, b, x, y)`: the gradients of mean((x Wᵀ + b − y)²) for W and b, with NumPy only.
2. `swish`: the operation x · σ(x) as a primitive, with its gradient rule.
3. `ScaledLinear(2, 3)`: a layer that computes s · (x Wᵀ) with parameters `weight` (3, 2) and `scale` (3).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.testing import Grade, arrays, grade, load_submission


def mean_squared_error(W: Any, b: Any, x: Any, y: Any) -> Any:
    return ag.square(x @ ag.transpose(W) + b - y).mean()


def swish(x: Any) -> Any:
    return x * ag.sigmoid(x)


class ScaledLinear(nn.Module):
    def __init__(self) -> None:
        self.weight = nn.Parameter(np.ones((3, 2)))
        self.scale = nn.Parameter(np.ones(3))

    def forward(self, x: Any) -> Tensor:
        return self.scale * (x @ ag.transpose(self.weight))


TASKS: Final[dict[str, dict[str, Any]]] = {
    "mean_squared_error_gradients": {
        "reference": mean_squared_error,
        "points": {"gradient for W": 3, "gradient for b": 2},
        "inputs": [arrays((2, 2)), arrays(2), arrays((3, 2)), arrays((3, 2))],
        "wrt": ("W", "b"),
        "examples": 20,
    },
    "swish": {
        "reference": swish,
        "points": {"value": 1, "gradient for x": 3, "second derivatives": 1},
        "kind": "primitive",
        "examples": 20,
    },
    "ScaledLinear": {
        "reference": ScaledLinear,
        "points": {"output": 1, "gradient for *": 4},
        "inputs": [arrays((2, 2))],
        "kind": "layer",
        "examples": 20,
    },
}


def grade_homework(path: Any) -> list[Grade]:
    """Returns the grade of each task for a student's file or notebook."""
    submission = load_submission(path)
    return [grade(getattr(submission, name), title=name, **task) for name, task in TASKS.items()]
