"""A wrong submission: a sign, a missing factor, a derivative without the product rule, and a parameter outside of the graph."""

import numpy as np

import autograd_mini as ag
from autograd_mini import nn


def mean_squared_error_gradients(W, b, x, y):
    delta = y - (x @ W.T + b)
    return {"W": 2 * delta.T @ x / y.size, "b": -2 * delta.sum(axis=0)}


@ag.primitive((lambda xp, g, out, x: g * xp.sigmoid(x),), name="swish_without_product_rule")
def swish(x):
    return x / (1 + np.exp(-x))


class ScaledLinear(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(np.ones((3, 2)))
        self.scale = nn.Parameter(np.ones(3))

    def forward(self, x):
        return ag.Tensor(self.scale.data) * (x @ self.weight.T)
