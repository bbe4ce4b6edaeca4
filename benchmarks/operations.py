"""Compares each differentiable operation, forward and backward, with PyTorch: small, cache-sized and large operands.

    python benchmarks/operations.py [--only conv,softmax] [--threads 1] [--seconds 0.02] [--rounds 5] [--write]

Four ways run in one process and take turns: eager, compiled, compiled with loops in C, and PyTorch. A figure is the lowest time
of the rounds. The table is sorted by the ratio of the best compiled way to PyTorch; `--write` writes it to docs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import machine
import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.jit.c.build import compiler

Shape = tuple[int, ...]
SQUARE = ((30, 30), (300, 300), (2000, 1000))  # small, in the cache, large


class Case(NamedTuple):
    """An operation in both libraries, and the shapes of its operands in each size; `positive` if it needs positive numbers."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    shapes: Sequence[Sequence[Shape]]
    positive: bool = False


def unary(name: str, ours: Any = None, theirs: Any = None, positive: bool = False) -> Case:
    return Case(name, ours or getattr(ag, name), theirs or getattr(torch, name), [[s] for s in SQUARE], positive)


def images(name: str, ours: Any, theirs: Any, channels: int, weight: Shape, sides: Sequence[int] = (8, 16, 32)) -> Case:
    """An operation on a batch of 16 images and a weight."""
    return Case(name, ours, theirs, [[(16, channels, side, side), weight] for side in sides])


LABELS = {n: np.arange(n) % 10 for n in (16, 128, 2048)}


def cases() -> Iterator[Case]:
    for name in ("exp", "tanh", "sigmoid", "relu", "sqrt", "square", "abs", "sin", "erf", "log", "log1p", "expm1"):
        yield unary(name, theirs=F.relu if name == "relu" else None, positive=name in ("sqrt", "log", "log1p"))
    for name in ("leaky_relu", "elu", "gelu", "silu", "softplus", "mish", "softsign", "hardtanh", "selu", "logsigmoid"):
        yield unary(name, theirs=getattr(F, name))
    yield unary("x**3", lambda x: x**3, lambda x: x**3)
    yield unary("clip", lambda x: ag.clip(x, -0.5, 0.5), lambda x: x.clip(-0.5, 0.5))
    for name in ("sum", "mean", "amax", "var", "std", "logsumexp", "softmax", "log_softmax", "cumsum", "sort", "norm", "prod"):
        for axis in (1, 0):
            ours = lambda x, name=name, axis=axis: getattr(ag, name)(x, axis=axis)
            yield unary(f"{name} over axis {axis}", ours, _reduction(name, axis))
    yield Case(
        "softmax over a short axis",
        lambda x: ag.softmax(x, axis=1),
        lambda x: x.softmax(1),
        [[(9, 10)], [(4096, 10)], [(65536, 10)]],
    )
    for name, shapes in {"of one shape": (0, 0), "of a row": (0, 1), "of a column": (0, 2)}.items():
        for sign, f in {"+": lambda a, b: a + b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "max": None}.items():
            operands = [[s, (s, s[1:], (s[0], 1))[shapes[1]]] for s in SQUARE]
            yield Case(f"{sign} {name}", f or ag.maximum, f or torch.maximum, operands, positive=sign == "/")
    yield Case("pairwise differences", lambda a, b: a[:, None] - b[None], lambda a, b: a[:, None] - b[None],
               [[(10, 8), (10, 8)], [(100, 16), (100, 16)], [(500, 16), (500, 16)]])  # fmt: skip
    products = [[(16, 16), (16, 16)], [(128, 128), (128, 128)], [(768, 768), (768, 768)]]
    yield Case("matmul", lambda a, b: a @ b, lambda a, b: a @ b, products)
    yield Case("matrix × vector", lambda a, b: a @ b, lambda a, b: a @ b, [[s, s[1:]] for s in SQUARE])
    yield Case("batched matmul", lambda a, b: a @ b, lambda a, b: a @ b,
               [[(8, 8, 8), (8, 8, 8)], [(32, 32, 32), (32, 32, 32)], [(64, 128, 64), (64, 64, 128)]])  # fmt: skip
    yield Case("linear", ag.linear, F.linear, [[(16, 16), (16, 16)], [(128, 784), (512, 784)], [(1024, 1024), (1024, 1024)]])
    yield Case("linear of a sequence", ag.linear, F.linear,
               [[(4, 8, 16), (16, 16)], [(64, 28, 28), (192, 28)], [(16, 64, 256), (1024, 256)]])  # fmt: skip
    yield Case("einsum of three", lambda *x: ag.einsum("ij,jk,kl->il", *x), lambda *x: torch.einsum("ij,jk,kl->il", *x),
               [[(8, 8)] * 3, [(64, 64)] * 3, [(400, 400)] * 3])  # fmt: skip
    yield images("3×3, 3 channels", _conv(ag.conv2d, padding=1), _conv(F.conv2d, padding=1), 3, (32, 3, 3, 3))
    yield images("7×7, 3 channels", _conv(ag.conv2d, padding=3), _conv(F.conv2d, padding=3), 3, (32, 3, 7, 7))
    yield images("3×3, 32 channels", _conv(ag.conv2d, padding=1), _conv(F.conv2d, padding=1), 32, (32, 32, 3, 3))
    yield images(
        "3×3, stride 2", _conv(ag.conv2d, padding=1, stride=2), _conv(F.conv2d, padding=1, stride=2), 32, (64, 32, 3, 3)
    )
    yield images("1×1", ag.conv2d, F.conv2d, 32, (64, 32, 1, 1))
    yield images("depthwise", _conv(ag.conv2d, padding=1, groups=32), _conv(F.conv2d, padding=1, groups=32), 32, (32, 1, 3, 3))
    yield images("grouped", _conv(ag.conv2d, padding=1, groups=4), _conv(F.conv2d, padding=1, groups=4), 32, (32, 8, 3, 3))
    yield images("dilated", _conv(ag.conv2d, padding=2, dilation=2), _conv(F.conv2d, padding=2, dilation=2), 16, (16, 16, 3, 3))
    transposed = [_conv(f, stride=2, padding=1) for f in (ag.conv_transpose2d, F.conv_transpose2d)]
    yield images("transposed", *transposed, 32, (32, 16, 4, 4))
    yield Case("conv1d", _conv(ag.conv1d, padding=2), _conv(F.conv1d, padding=2),
               [[(8, 4, 32), (8, 4, 5)], [(16, 16, 128), (32, 16, 5)], [(32, 32, 1024), (32, 32, 5)]])  # fmt: skip
    pictures = [[(16, 16, side, side)] for side in (8, 16, 32)]
    yield Case("max_pool2d", lambda x: ag.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2), pictures)
    yield Case("avg_pool2d", lambda x: ag.avg_pool2d(x, 2), lambda x: F.avg_pool2d(x, 2), pictures)
    yield Case("upsample", lambda x: ag.upsample(x, 2), lambda x: F.interpolate(x, scale_factor=2), pictures)
    norm = [[(16, 16, side, side), (16,), (16,)] for side in (8, 16, 32)]
    yield Case(
        "batch_norm", lambda x, w, b: ag.batch_norm(x, w, b)[0], lambda x, w, b: F.batch_norm(x, None, None, w, b, True), norm
    )
    rows = [[(16, 64), (64,), (64,)], [(512, 256), (256,), (256,)], [(4096, 512), (512,), (512,)]]
    yield Case(
        "layer_norm", lambda x, w, b: ag.layer_norm(x, w.shape, w, b), lambda x, w, b: F.layer_norm(x, w.shape, w, b), rows
    )
    logits = [[(n, 10)] for n in LABELS]
    yield Case("cross_entropy", _cross_entropy, _cross_entropy_of_torch, logits)
    yield Case(
        "bce with logits",
        lambda x: ag.binary_cross_entropy_with_logits(x, ag.Tensor(0.5)),
        _bce_of_torch,
        [[s] for s in SQUARE],
    )
    index = np.arange(1000) * 7 % 29
    yield Case("rows by index", lambda x: x[index], lambda x: x[torch.from_numpy(index)], [[(30, 8)], [(30, 64)], [(30, 512)]])
    yield unary("slice", lambda x: x[3:-3, 3:-3], lambda x: x[3:-3, 3:-3])
    yield Case("28 slices", _slices(ag.stack), _slices(torch.stack), [[(4, 28, 8)], [(64, 28, 28)], [(256, 28, 128)]])
    yield Case(
        "concatenate", lambda a, b: ag.concatenate([a, b], axis=1), lambda a, b: torch.cat([a, b], 1), [[s, s] for s in SQUARE]
    )
    yield unary("transpose + 1", lambda x: x.transpose() + 1, lambda x: x.T + 1)
    square = [[(8, 8)], [(64, 64)], [(400, 400)]]
    spd = lambda x, eye: x @ x.swapaxes(0, 1) + eye
    yield Case(
        "inv", lambda x: ag.inv(spd(x, ag.eye(len(x)) * 9)), lambda x: torch.inverse(spd(x, torch.eye(len(x)) * 9)), square
    )
    yield Case(
        "cholesky",
        lambda x: ag.cholesky(spd(x, ag.eye(len(x)) * 9)),
        lambda x: torch.linalg.cholesky(spd(x, torch.eye(len(x)) * 9)),
        square,
    )


def _reduction(name: str, axis: int) -> Callable[[Any], Any]:
    if name == "norm":
        return lambda x: torch.linalg.norm(x, dim=axis)
    if name in ("sort",):
        return lambda x: torch.sort(x, dim=axis).values
    if name in ("var", "std"):
        return lambda x: getattr(torch, name)(x, dim=axis, correction=0)
    return lambda x: getattr(torch, name)(x, dim=axis)


def _conv(function: Callable[..., Any], **options: int) -> Callable[[Any, Any], Any]:
    return lambda x, w: function(x, w, **options)


def _cross_entropy(x: Any) -> Any:
    return nn.cross_entropy(x, ag.Tensor(LABELS[len(x)]))


def _cross_entropy_of_torch(x: Any) -> Any:
    return F.cross_entropy(x, torch.from_numpy(LABELS[len(x)]))


def _bce_of_torch(x: Any) -> Any:
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.5), reduction="none")


def _slices(stack: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda x: stack([x[:, i] * 2 for i in range(28)])


# -- measuring -----------------------------------------------------------------------------------------------------------------


def step_of(function: Callable[..., Any], operands: Sequence[Any]) -> Callable[[], None]:
    """Returns a forward and a backward pass."""
    weights: list[Any] = []

    def step() -> None:
        for x in operands:
            x.grad = None
        y = function(*operands)
        if not weights:
            weights.append(y.detach() * 0 + 1)
        y.backward(weights[0])

    step()
    return step


def ways(case: Case, shapes: Sequence[Shape]) -> dict[str, Callable[[], None]]:
    """Returns the steps that are compared."""
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    arrays = [np.abs(a) + 0.5 for a in arrays] if case.positive else arrays
    ours = [ag.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    eager = step_of(case.ours, ours)
    found = {"eager": eager, "jit": ag.jit(eager), "torch": step_of(case.theirs, theirs)}
    return found | ({"c": ag.jit(eager, backend="c")} if compiler() else {})


def measure(steps: dict[str, Callable[[], None]], seconds: float, rounds: int) -> dict[str, float]:
    """Returns the lowest seconds per step of each way; they take turns."""
    best = dict.fromkeys(steps, math.inf)
    for step in steps.values():
        for _ in range(3):
            step()
    for _ in range(rounds):
        for name, step in steps.items():
            count, start = 0, time.perf_counter()
            while not count or time.perf_counter() - start < seconds:
                step()
                count += 1
            best[name] = min(best[name], (time.perf_counter() - start) / count)
    return best


def table(results: Sequence[tuple[str, Sequence[Shape], dict[str, float]]]) -> str:
    """Returns the Markdown table, the slowest operations first."""
    lines = [
        "| operation | shapes | eager, µs | jit | loops in C | PyTorch | best compiled : PyTorch |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, shapes, best in sorted(results, key=lambda result: -_ratio(result[2])):
        times = " | ".join(f"{best[way] * 1e6:.3g}" if way in best else "" for way in ("eager", "jit", "c", "torch"))
        lines.append(f"| {name} | {', '.join('×'.join(map(str, s)) for s in shapes)} | {times} | {_ratio(best):.2f} |")
    return "\n".join(lines)


def _ratio(best: dict[str, float]) -> float:
    return min(best[way] for way in ("jit", "c") if way in best) / best["torch"]


PAGE = """# Every operation, compared with PyTorch

Forward and backward pass of each operation, float32, {threads} thread(s) on each side: {machine}. Written by
`python benchmarks/operations.py --write`. {below} of {count} rows take at most as long as PyTorch in eager mode; the geometric
mean of the ratios is {mean:.2f}.

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="comma-separated parts of names")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2))
    parser.add_argument("--seconds", type=float, default=0.02, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks-operations.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    with ExitStack() as stack, np.errstate(all="ignore"):
        stack.enter_context(ag.threads(options.threads))
        for case in cases():
            if any(part in case.name for part in options.only.split(",")):
                for shapes in case.shapes:
                    results.append((case.name, shapes, measure(ways(case, shapes), options.seconds, options.rounds)))
                    print(table(results[-1:]).splitlines()[-1], flush=True)
    ratios = [_ratio(best) for _, _, best in results]
    page = PAGE.format(
        threads=options.threads, machine=machine.describe(), table=table(results), count=len(results),
        below=sum(ratio <= 1 for ratio in ratios), mean=math.exp(sum(map(math.log, ratios)) / len(ratios)),
    )  # fmt: skip
    print(page)
    if options.write:
        (ROOT / "docs" / "benchmarks-operations.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
