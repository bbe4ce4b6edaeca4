"""A wrong submission: a gradient with the shape of its transpose, an error in a rule, and a task that is missing."""

import numpy as np

import autograd_mini as ag


def mean_squared_error_gradients(W, b, x, y):
    delta = 2 * (x @ W.T + b - y) / y.size
    return x.T @ delta, delta.sum(axis=0)


@ag.primitive((lambda xp, g, out, x: g * (out + sigma(x) * (1 - out)),), name="swish_with_undefined_name")  # noqa: F821
def swish(x):
    return x / (1 + np.exp(-x))
