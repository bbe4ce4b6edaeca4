"""A wrong submission: the gradient of b is not summed over the batch, and the rule of swish ignores the upstream gradient."""

import numpy as np

import autograd_mini as ag
from autograd_mini import nn


def mean_squared_error_gradients(W, b, x, y):
    delta = 2 * (x @ W.T + b - y) / y.size
    return delta.T @ x, delta


def swish_rule(xp, g, out, x):
    s = xp.sigmoid(x)
    return s + x * s * (1 - s)


@ag.primitive((swish_rule,), name="swish_without_upstream")
def swish(x):
    return x / (1 + np.exp(-x))


class ScaledLinear(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(np.ones((3, 2)))
        self.scale = nn.Parameter(np.ones(3))

    def forward(self, x):
        return self.scale * (x @ self.weight.T)
