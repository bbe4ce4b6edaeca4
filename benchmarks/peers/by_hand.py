"""NumPy only: forward, backward and update of the fully connected workloads and the chains, written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import CHAIN, Array, Parameters, Step, Workload

Update = Callable[[list[Array]], None]


def build(workload: Workload) -> Callable[[], Any] | None:
    make = _STEPS.get(workload.name)
    return make and workload.cycle_batches(make({name: array.copy() for name, array in workload.parameters.items()}))


# -- updates -------------------------------------------------------------------------------------------------------------------


def _sgd(parameters: list[Array], lr: float = 0.01, momentum: float = 0.0) -> Update:
    velocities = [np.zeros_like(p) for p in parameters]

    def update(gradients: list[Array]) -> None:
        for p, v, g in zip(parameters, velocities, gradients, strict=True):
            v *= momentum
            v += g
            p -= lr * v

    return update


def _adam(parameters: list[Array], lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Update:
    means, squares = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    t = 0

    def update(gradients: list[Array]) -> None:
        nonlocal t
        t += 1
        rate, root = lr / (1 - beta1**t), math.sqrt(1 - beta2**t)
        for p, m, v, g in zip(parameters, means, squares, gradients, strict=True):
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) / root + eps)

    return update


# -- losses: the value, and the gradient with respect to the last layer --------------------------------------------------------


def _cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    z = z - z.max(1, keepdims=True)
    e = np.exp(z)
    total, rows = e.sum(1, keepdims=True), np.arange(len(y))
    d = e / total
    d[rows, y] -= 1
    return (np.log(total[:, 0]) - z[rows, y]).mean(), d / len(y)


def _bce(z: Array, x: Array) -> tuple[Any, Array]:
    """Returns the sum over pixels and examples, and its gradient."""
    half = np.tanh(0.5 * z)
    return (np.maximum(z, 0) - z * x - np.log(0.5 + 0.5 * np.abs(half))).sum(), 0.5 + 0.5 * half - x


def _mean_bce(z: Array, x: Array) -> tuple[Any, Array]:
    loss, d = _bce(z, x)
    return loss / z.size, d / z.size


def _mse(h: Array, t: Array) -> tuple[Any, Array]:
    return ((h - t) ** 2).mean(), 2 * (h - t) / h.size


# -- fully connected -----------------------------------------------------------------------------------------------------------


def _relu_slope(h: Array) -> Array:
    return h > 0


def _network(p: Parameters, activations: list[Any], loss_of: Any, optimizer: Any, **settings: float) -> Step:
    """Returns the step of a stack of layers; an activation is (f, f′ as a function of f) or None."""
    values = list(p.values())
    layers = list(zip(values[::2], values[1::2], activations, strict=True))
    update = optimizer(values, **settings)

    def step(x: Array, target: Array | None = None) -> Any:
        hs = [x]
        for weight, bias, activation in layers:
            u = hs[-1] @ weight.T + bias
            hs.append(activation[0](u) if activation else u)
        loss, d = loss_of(hs[-1], x if target is None else target)
        gradients: list[Array] = []
        for i in reversed(range(len(layers))):
            weight, _, activation = layers[i]
            d = d * activation[1](hs[i + 1]) if activation else d
            gradients += [d.sum(0), d.T @ hs[i]]
            d = d @ weight if i else d
        update(gradients[::-1])
        return loss

    return step


_RELU = (lambda u: np.maximum(u, 0), _relu_slope)
_TANH = (np.tanh, lambda h: 1 - h * h)


def _w1(p: Parameters) -> Step:
    return _network(p, [_RELU, None], _cross_entropy, _sgd, momentum=0.9)


def _w2(p: Parameters) -> Step:
    return _network(p, [_RELU, _RELU, None], _cross_entropy, _adam)


def _w3(p: Parameters) -> Step:
    return _network(p, [_RELU, _RELU, None, _RELU, _RELU, None], _mean_bce, _adam)


def _w8(p: Parameters) -> Step:
    return _network(p, [_TANH] * 4, _mse, _sgd)


def _w4(p: Parameters) -> Step:
    w1, b1, wm, bm, wv, bv, w2, b2, w3, b3 = values = list(p.values())
    update = _adam(values)

    def step(x: Array, noise: Array) -> Any:
        n = len(x)
        h = np.maximum(x @ w1.T + b1, 0)
        mu, logvar = h @ wm.T + bm, h @ wv.T + bv
        sigma = np.exp(0.5 * logvar)
        z = mu + noise * sigma
        g = np.maximum(z @ w2.T + b2, 0)
        loss, d = _bce(g @ w3.T + b3, x)
        loss += 0.5 * (sigma * sigma + mu * mu - logvar - 1).sum()
        d /= n
        dg = (d @ w3) * (g > 0)
        dz = dg @ w2
        dmu = dz + mu / n
        dlogvar = 0.5 * (dz * noise * sigma + (sigma * sigma - 1) / n)
        dh = (dmu @ wm + dlogvar @ wv) * (h > 0)
        pairs = ((dh, x), (dmu, h), (dlogvar, h), (dg, z), (d, g))
        update([gradient for delta, below in pairs for gradient in (delta.T @ below, delta.sum(0))])
        return loss / n

    return step


# -- chains --------------------------------------------------------------------------------------------------------------------


def _w7(p: Parameters) -> Step:
    w, b = float(p["w"]), float(p["b"])

    def step(start: Array) -> Any:
        hs = [float(start)]
        for _ in range(CHAIN):
            hs.append(math.tanh(hs[-1] * w + b))
        d, by_w = 1.0, 0.0
        for below, h in zip(reversed(hs[:-1]), reversed(hs[1:]), strict=True):
            d *= 1 - h * h
            by_w += d * below
            d *= w
        return by_w

    return step


def _w9(p: Parameters) -> Step:
    x, a, b, c = p.values()

    def step() -> Any:
        t = np.tanh(x * a + b)
        e = np.exp(t * c)
        h = e + x
        root = np.sqrt(h * h + 1)
        above = root - b
        d = (above > 0) * (h / root)
        by_b = -(above > 0).sum(1, keepdims=True)
        du = d * e  # by t c
        p_c = du * t
        du = du * c * (1 - t * t)  # by x a + b
        by_x, by_a, by_b = d + du * a, (du * x).sum(0), by_b + du.sum(1, keepdims=True)
        assert by_x.shape == p_c.shape == x.shape  # gradients with respect to all four, as in the other peers
        return np.maximum(above, 0).sum() + by_a.sum() + by_b.sum()

    return step


_STEPS: dict[str, Callable[[Parameters], Step]] = {
    "W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W7": _w7, "W8": _w8, "W9": _w9,
}  # fmt: skip
