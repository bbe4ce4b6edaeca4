"""The workloads: batches and initial parameters, drawn from one seed for all peers.

Parameters have PyTorch's names and layouts: a Linear's weight is (out, in), a convolution's (out, in, kh, kw), a transposed
convolution's (in, out, kh, kw). A step takes the next batch, runs forward, backward and the update, and returns the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Parameters: TypeAlias = dict[str, Array]
Batch: TypeAlias = tuple[Array, ...]
Step: TypeAlias = Callable[..., Any]

BATCHES = 4  # different batches, so that consecutive steps differ
CHAIN = 3333  # links y ← tanh(y w + b) of W7
WIDTHS = (3, 64, 128, 256, 512)  # channels of the DCGAN between the 64 × 64 image and the 4 × 4 map
LATENT = 100
VOCABULARY, CONTEXT, MODEL_WIDTH, HEADS, BLOCKS = 65, 64, 128, 4, 4  # of the transformer


@dataclass(frozen=True)
class Workload:
    """One row of the benchmark. If `operations` > 1, the table also shows the time per recorded operation."""

    name: str
    title: str
    parameters: Parameters
    batches: tuple[Batch, ...]
    operations: int = 1

    def cycle_batches(self, step: Step, convert: Callable[[Array], Any] = lambda array: array) -> Callable[[], Any]:
        """Returns a function that calls `step` with the next batch, in a cycle; arrays are converted once, in advance."""
        batches: Iterator[tuple[Any, ...]] = cycle([tuple(map(convert, batch)) for batch in self.batches])
        return lambda: step(*next(batches))


class _Source:
    """A seeded source of float32 arrays and named parameters."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def uniform(self, *shape: int) -> Array:
        return self._random.random(shape, np.float32)

    def normal(self, *shape: int) -> Array:
        return self._random.standard_normal(shape, np.float32)

    def classes(self, n: int) -> Array:
        return self._random.integers(0, 10, n)

    def integers(self, high: int, *shape: int) -> Array:
        return self._random.integers(0, high, shape)

    def layer(self, name: str, *shape: int) -> Parameters:
        """Returns a weight (out, in, …) and a bias from U(−1/√fan_in, 1/√fan_in)."""
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        return {
            f"{name}.weight": (self.uniform(*shape) * 2 - 1) * np.float32(bound),
            f"{name}.bias": (self.uniform(shape[0]) * 2 - 1) * np.float32(bound),
        }

    def small(self, name: str, *shape: int) -> Parameters:
        """Returns a weight from N(0, 0.02²)."""
        return {f"{name}.weight": self.normal(*shape) * np.float32(0.02)}

    def batch_norm(self, name: str, channels: int) -> Parameters:
        """Returns γ from N(1, 0.02²) and β = 0."""
        gamma = 1 + self.normal(channels) * np.float32(0.02)
        return {f"{name}.weight": gamma, f"{name}.bias": np.zeros(channels, np.float32)}


def _batches(*arrays: Callable[[], Array]) -> tuple[Batch, ...]:
    return tuple(tuple(make() for make in arrays) for _ in range(BATCHES))


def _w1() -> Workload:
    s = _Source()
    parameters = s.layer("0", 100, 784) | s.layer("2", 10, 100)
    return Workload("W1", "MLP 784-100-10, batch 32, SGD with momentum", parameters,
                    _batches(lambda: s.uniform(32, 784), lambda: s.classes(32)))  # fmt: skip


def _w2() -> Workload:
    s = _Source()
    parameters = s.layer("0", 512, 784) | s.layer("2", 512, 512) | s.layer("4", 10, 512)
    return Workload("W2", "MLP 784-512-512-10, batch 128, Adam", parameters,
                    _batches(lambda: s.uniform(128, 784), lambda: s.classes(128)))  # fmt: skip


def _w3() -> Workload:
    s = _Source()
    sizes = {"0": (256, 784), "2": (64, 256), "4": (2, 64), "5": (64, 2), "7": (256, 64), "9": (784, 256)}
    parameters = {key: value for name, shape in sizes.items() for key, value in s.layer(name, *shape).items()}
    return Workload("W3", "Autoencoder 784-256-64-2-64-256-784, batch 100, Adam", parameters,
                    _batches(lambda: s.uniform(100, 784)))  # fmt: skip


def _w4() -> Workload:
    s = _Source()
    sizes = {"hidden": (400, 784), "mu": (20, 400), "logvar": (20, 400), "decoder.0": (400, 20), "decoder.2": (784, 400)}
    parameters = {key: value for name, shape in sizes.items() for key, value in s.layer(name, *shape).items()}
    return Workload("W4", "VAE 784-400-20-400-784, batch 128, Adam", parameters,
                    _batches(lambda: s.uniform(128, 784), lambda: s.normal(128, 20)))  # fmt: skip


def _w5() -> Workload:
    s = _Source()
    parameters = (
        s.layer("0", 32, 1, 3, 3) | s.batch_norm("1", 32)
        | s.layer("4", 64, 32, 3, 3) | s.batch_norm("5", 64)
        | s.layer("9", 10, 64 * 7 * 7)
    )  # fmt: skip
    return Workload("W5", "CNN conv32-BN-pool-conv64-BN-pool-10 on 28 × 28, batch 64, Adam", parameters,
                    _batches(lambda: s.uniform(64, 1, 28, 28), lambda: s.classes(64)))  # fmt: skip


def _w6() -> Workload:
    s = _Source()
    parameters: Parameters = {}
    up = (LATENT, *WIDTHS[:0:-1], WIDTHS[0])
    for i, (inner, outer) in enumerate(pairwise(up)):
        parameters |= s.small(f"generator.{3 * i}", inner, outer, 4, 4)
        parameters |= s.batch_norm(f"generator.{3 * i + 1}", outer) if i < 4 else {}
    # The first and last layer of the discriminator have no normalisation, so their indices are 0, 2, 5, 8, 11.
    for index, inner, outer in zip((0, 2, 5, 8, 11), WIDTHS, (*WIDTHS[1:], 1), strict=True):
        parameters |= s.small(f"discriminator.{index}", outer, inner, 4, 4)
        parameters |= s.batch_norm(f"discriminator.{index + 1}", outer) if 0 < index < 11 else {}
    return Workload("W6", "DCGAN 3 × 64 × 64, one D and one G step, batch 32, Adam", parameters,
                    _batches(lambda: s.uniform(32, 3, 64, 64) * 2 - 1, lambda: s.normal(32, LATENT, 1, 1)))  # fmt: skip


def _w7() -> Workload:
    start, w, b = (np.array(value, np.float32) for value in (0.5, 0.9, 0.1))
    return Workload("W7", "Chain of 10,000 scalar operations", {"w": w, "b": b}, ((start,),), operations=3 * CHAIN)


def _w8() -> Workload:
    s = _Source()
    parameters = {key: value for i in range(4) for key, value in s.layer(str(i), 16, 16).items()}
    return Workload("W8", "MLP of 4 × 16 units written in operators, batch 1, SGD", parameters,
                    _batches(lambda: s.normal(1, 16), lambda: s.normal(1, 16)), operations=15)  # fmt: skip


def _w9() -> Workload:
    s = _Source()
    parameters = {"x": s.normal(1000, 1000), "a": s.normal(1000), "b": s.normal(1000, 1), "c": s.normal(1000, 1000)}
    return Workload("W9", "11 elementwise operations on 10⁶ elements, broadcasting, sum", parameters, ((),))


def _uniform(s: _Source, shapes: dict[str, tuple[int, ...]], bound: float) -> Parameters:
    return {name: (s.uniform(*shape) * 2 - 1) * np.float32(bound) for name, shape in shapes.items()}


def _w10() -> Workload:
    s = _Source()
    parameters: Parameters = {}
    for name, gates, inputs, size in (("lstm", 4, 28, 128), ("gru", 3, 128, 64)):
        rows = gates * size
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, size), "bias_ih": (rows,), "bias_hh": (rows,)}
        parameters |= _uniform(s, {f"{name}.{key}_l0": shape for key, shape in shapes.items()}, size**-0.5)
    parameters |= s.layer("head", 10, 64)
    return Workload("W10", "LSTM 28-128 and GRU 128-64 over 32 steps, batch 64, Adam", parameters,
                    _batches(lambda: s.normal(64, 32, 28), lambda: s.classes(64)))  # fmt: skip


def _w11() -> Workload:
    s = _Source()
    d = MODEL_WIDTH
    parameters: Parameters = {
        "tokens.weight": s.normal(VOCABULARY, d) * np.float32(0.02),
        "places.weight": s.normal(CONTEXT, d) * np.float32(0.02),
    }
    for i in range(BLOCKS):
        block = f"blocks.layers.{i}"
        parameters |= _uniform(s, {f"{block}.self_attn.in_proj_weight": (3 * d, d)}, (6 / (4 * d)) ** 0.5)
        parameters |= {f"{block}.self_attn.in_proj_bias": np.zeros(3 * d, np.float32)}
        parameters |= s.layer(f"{block}.self_attn.out_proj", d, d)
        parameters |= s.layer(f"{block}.linear1", 4 * d, d) | s.layer(f"{block}.linear2", d, 4 * d)
        for norm in ("norm1", "norm2"):
            parameters |= {f"{block}.{norm}.weight": np.ones(d, np.float32), f"{block}.{norm}.bias": np.zeros(d, np.float32)}
    parameters |= s.layer("head", VOCABULARY, d)
    tokens = lambda: s.integers(VOCABULARY, 16, CONTEXT)
    return Workload(
        "W11", "Transformer of 4 blocks, width 128, context 64, batch 16, Adam", parameters, _batches(tokens, tokens)
    )


def _w13() -> Workload:
    s = _Source()
    sizes = {
        "encoder.0": (16, 1, 3, 3), "encoder.2": (32, 16, 3, 3), "mu": (16, 32 * 7 * 7), "logvar": (16, 32 * 7 * 7),
        "decoder.0": (32 * 7 * 7, 16), "decoder.4": (16, 32, 3, 3), "decoder.7": (1, 16, 3, 3),
    }  # fmt: skip
    parameters = {key: value for name, shape in sizes.items() for key, value in s.layer(name, *shape).items()}
    return Workload("W13", "Convolutional VAE with upsampling on 28 × 28, batch 64, Adam", parameters,
                    _batches(lambda: s.uniform(64, 1, 28, 28), lambda: s.normal(64, 16)))  # fmt: skip


def _w15() -> Workload:
    s = _Source()
    parameters = s.layer("0", 32, 3, 3, 3) | s.batch_norm("1", 32)
    for index, channels in (("3", 32), ("7", 64)):
        parameters |= s.layer(f"{index}.branch.0", channels, 1, 3, 3) | s.batch_norm(f"{index}.branch.1", channels)
        parameters |= s.layer(f"{index}.branch.3", channels, channels, 1, 1) | s.batch_norm(f"{index}.branch.4", channels)
    parameters |= s.layer("4", 64, 32, 3, 3) | s.batch_norm("5", 64) | s.layer("10", 10, 64)
    return Workload("W15", "Residual CNN, depthwise, 1 × 1 and strided, on 3 × 32 × 32, batch 32, Adam", parameters,
                    _batches(lambda: s.uniform(32, 3, 32, 32), lambda: s.classes(32)))  # fmt: skip


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W5": _w5, "W6": _w6, "W7": _w7, "W8": _w8, "W9": _w9,
    "W10": _w10, "W11": _w11, "W13": _w13, "W15": _w15,
}  # fmt: skip
