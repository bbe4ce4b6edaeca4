"""JAX on the CPU: the whole step under `jax.jit`, with parameters and optimizer state donated. Images are channels-last."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads import CHAIN, Array, Workload

Tree = dict[str, Any]
Loss = Callable[..., Any]

CONV = ("NHWC", "OIHW", "NHWC")


def build(workload: Workload) -> Callable[[], Any] | None:
    if workload.name not in _STEPS:
        return None
    step = _STEPS[workload.name]({name: jnp.asarray(array) for name, array in workload.parameters.items()})
    return workload.cycle_batches(
        lambda *batch: jax.block_until_ready(step(*batch)), lambda array: jnp.asarray(_channels_last(array))
    )


def _channels_last(array: Array) -> Array:
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array


# -- updates: the initial state, and the update function -----------------------------------------------------------------------


def _zeros(p: Tree) -> Tree:
    return jax.tree.map(jnp.zeros_like, p)


def _sgd(lr: float = 0.01, momentum: float = 0.0) -> tuple[Any, Any]:
    def update(p: Tree, g: Tree, state: Any) -> tuple[Tree, Any]:
        velocity = jax.tree.map(lambda v, g: momentum * v + g, state, g)
        return jax.tree.map(lambda p, v: p - lr * v, p, velocity), velocity

    return _zeros, update


def _adam(lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> tuple[Any, Any]:
    def update(p: Tree, g: Tree, state: Any) -> tuple[Tree, Any]:
        mean, square, t = state
        t = t + 1
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, g)
        square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, g)
        rate, root = lr / (1 - beta1**t), jnp.sqrt(1 - beta2**t)
        updated = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + eps), p, mean, square)
        return updated, (mean, square, t)

    return (lambda p: (_zeros(p), _zeros(p), jnp.zeros(()))), update


def _training(loss_of: Loss, p: Tree, optimizer: tuple[Any, Any]) -> Callable[..., Any]:
    init, update = optimizer

    @partial(jax.jit, donate_argnums=(0, 1))
    def jitted_step(p: Tree, state: Any, *batch: Any) -> tuple[Tree, Any, Any]:
        loss, g = jax.value_and_grad(loss_of)(p, *batch)
        return *update(p, g, state), loss

    state = init(p)

    def step(*batch: Any) -> Any:
        nonlocal p, state
        p, state, loss = jitted_step(p, state, *batch)
        return jax.block_until_ready((loss, p))[0]

    return step


# -- layers and losses ---------------------------------------------------------------------------------------------------------


def _linear(p: Tree, name: str, x: Any) -> Any:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def _batch_norm(p: Tree, name: str, x: Any) -> Any:
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * (p[f"{name}.weight"] * lax.rsqrt(var + 1e-5)) + p[f"{name}.bias"]


def _conv(x: Any, weight: Any, stride: int, padding: int) -> Any:
    return lax.conv_general_dilated(x, weight, (stride, stride), ((padding, padding),) * 2, dimension_numbers=CONV)


def _conv_transpose(x: Any, weight: Any, stride: int, padding: int) -> Any:
    flipped = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    padded = ((weight.shape[2] - 1 - padding,) * 2,) * 2
    return lax.conv_general_dilated(x, flipped, (1, 1), padded, lhs_dilation=(stride, stride), dimension_numbers=CONV)


def _stack(p: Tree, x: Any, layers: str, bare: str = "") -> Any:
    """Applies the named linear layers, with a ReLU after each except the last and those in `bare`."""
    for layer in layers:
        x = _linear(p, layer, x)
        x = x if layer in (layers[-1], *bare) else jax.nn.relu(x)
    return x


def _cross_entropy(z: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()


def _bce(z: Any, t: Any) -> Any:
    return jnp.maximum(z, 0) - z * t + jnp.log1p(jnp.exp(-jnp.abs(z)))


# -- workloads -----------------------------------------------------------------------------------------------------------------


def _w1(p: Tree) -> Any:
    return _training(lambda p, x, y: _cross_entropy(_stack(p, x, "02"), y), p, _sgd(momentum=0.9))


def _w2(p: Tree) -> Any:
    return _training(lambda p, x, y: _cross_entropy(_stack(p, x, "024"), y), p, _adam())


def _w3(p: Tree) -> Any:
    return _training(lambda p, x: _bce(_stack(p, x, "024579", bare="4"), x).mean(), p, _adam())


def _w4(p: Tree) -> Any:
    def loss_of(p: Tree, x: Any, noise: Any) -> Any:
        h = jax.nn.relu(_linear(p, "hidden", x))
        mu, logvar = _linear(p, "mu", h), _linear(p, "logvar", h)
        z = mu + noise * jnp.exp(0.5 * logvar)
        logits = _linear(p, "decoder.2", jax.nn.relu(_linear(p, "decoder.0", z)))
        return (_bce(logits, x).sum() + 0.5 * jnp.sum(jnp.exp(logvar) + mu * mu - logvar - 1)) / len(x)

    return _training(loss_of, p, _adam())


def _w5(p: Tree) -> Any:
    def block(p: Tree, x: Any, conv: str, norm: str) -> Any:
        x = _conv(x, p[f"{conv}.weight"], 1, 1) + p[f"{conv}.bias"]
        x = jax.nn.relu(_batch_norm(p, norm, x))
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss_of(p: Tree, x: Any, y: Any) -> Any:
        h = block(p, block(p, x, "0", "1"), "4", "5")
        return _cross_entropy(_linear(p, "9", h.transpose(0, 3, 1, 2).reshape(len(x), -1)), y)

    return _training(loss_of, p, _adam())


def _w6(p: Tree) -> Any:
    init, update = _adam(lr=2e-4, beta1=0.5)
    generator, discriminator = (
        {name.split(".", 1)[1]: value for name, value in p.items() if name.startswith(part)} for part in ("gen", "dis")
    )

    def generate(p: Tree, h: Any) -> Any:
        for layer in (0, 3, 6, 9, 12):
            h = _conv_transpose(h, p[f"{layer}.weight"], *((2, 1) if layer else (1, 0)))
            h = jax.nn.relu(_batch_norm(p, str(layer + 1), h)) if layer < 12 else jnp.tanh(h)
        return h

    def judge(p: Tree, h: Any) -> Any:
        for layer in (0, 2, 5, 8, 11):
            h = _conv(h, p[f"{layer}.weight"], *((2, 1) if layer < 11 else (1, 0)))
            h = _batch_norm(p, str(layer + 1), h) if 0 < layer < 11 else h
            h = jax.nn.leaky_relu(h, 0.2) if layer < 11 else h
        return h.ravel()

    @partial(jax.jit, donate_argnums=(0, 1, 2, 3))
    def jitted_step(g: Tree, d: Tree, g_state: Any, d_state: Any, images: Any, z: Any) -> Any:
        fake, back = jax.vjp(lambda g: generate(g, z), g)
        seen, by_d = jax.value_and_grad(lambda d: _bce(judge(d, images), 1.0).mean() + _bce(judge(d, fake), 0.0).mean())(d)
        d, d_state = update(d, by_d, d_state)
        fooled, by_fake = jax.value_and_grad(lambda fake: _bce(judge(d, fake), 1.0).mean())(fake)
        g, g_state = update(g, back(by_fake)[0], g_state)
        return g, d, g_state, d_state, seen + fooled

    state: Any = (generator, discriminator, init(generator), init(discriminator))

    def step(images: Any, z: Any) -> Any:
        nonlocal state
        *state, loss = jax.block_until_ready(jitted_step(*state, images, z))
        return loss

    return step


def _w7(p: Tree) -> Any:
    def last(w: Any, b: Any, y: Any) -> Any:
        return lax.scan(lambda y, _: (jnp.tanh(y * w + b), None), y, None, length=CHAIN)[0]

    by_w = jax.jit(jax.grad(last, argnums=(0, 1)))
    return lambda y: by_w(p["w"], p["b"], y)[0]


def _w8(p: Tree) -> Any:
    def loss_of(p: Tree, h: Any, target: Any) -> Any:
        for layer in "0123":
            h = jnp.tanh(_linear(p, layer, h))
        return ((h - target) ** 2).mean()

    return _training(loss_of, p, _sgd())


def _w9(p: Tree) -> Any:
    def total(x: Any, a: Any, b: Any, c: Any) -> Any:
        h = jnp.exp(jnp.tanh(x * a + b) * c) + x
        return jax.nn.relu(jnp.sqrt(h * h + 1) - b).sum()

    gradient = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2, 3)))

    def step() -> Any:
        loss, (_, by_a, by_b, _) = jax.block_until_ready(gradient(*p.values()))
        return loss + by_a.sum() + by_b.sum()

    return step


_STEPS: dict[str, Callable[[Tree], Any]] = {
    "W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W5": _w5, "W6": _w6, "W7": _w7, "W8": _w8, "W9": _w9,
}  # fmt: skip
