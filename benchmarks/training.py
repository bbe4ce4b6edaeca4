"""Measures seconds per epoch of three documented training runs on MNIST, compared with PyTorch eager.

    python benchmarks/training.py [--batches 200] [--rounds 3]

The trainer runs on a part of the data as in `autograd-mini train`, compiled, without a progress bar. PyTorch runs a plain loop
over the same batches from the same loader. Both compute the loss and the accuracy of every batch. Runs alternate; the result is
the lowest time of each, scaled to 60,000 images. Needs PyTorch and MNIST.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.models.recipes import OPTIMIZERS, PRESETS, RECIPES, Recipe

IMAGES = 60_000
RUNS: dict[str, Recipe] = {
    "train mlp --data mnist": RECIPES["mlp", "mnist"],
    "train cnn --data mnist": RECIPES["cnn", "mnist"],
    "train cnn --data mnist --preset keras-check": replace(RECIPES["cnn", "mnist"], **PRESETS["cnn", "keras-check"]),
}


def loader(images: Any, labels: Any, recipe: Recipe) -> nn.data.DataLoader:
    return nn.data.DataLoader(nn.data.TensorDataset(images, labels), batch_size=recipe.batch_size, shuffle=True, seed=0)


def ours(recipe: Recipe, images: Any, labels: Any) -> Callable[[], None]:
    model = recipe.build()
    trainer = nn.Trainer(model, OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr), progress=False)
    batches = loader(images, labels, recipe)

    def epoch() -> None:
        trainer.fit(batches, iterations=trainer.iteration + len(batches))

    return epoch


def theirs(recipe: Recipe, images: Any, labels: Any) -> Callable[[], None]:
    import torch

    net = torch_net(recipe)
    kinds = {"adam": torch.optim.Adam, "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)}
    optimizer = kinds[recipe.optimizer](net.parameters(), lr=recipe.lr)
    batches = loader(images, labels, recipe)

    def epoch() -> None:
        total = right = 0.0
        for x, y in batches:
            inputs, targets = torch.from_numpy(x.numpy()).unsqueeze(1), torch.from_numpy(y.numpy())
            optimizer.zero_grad()
            logits = net(inputs)
            loss = torch.nn.functional.cross_entropy(logits, targets)
            loss.backward()
            optimizer.step()
            total += loss.item()
            right += (logits.argmax(1) == targets).float().mean().item()

    return epoch


def torch_net(recipe: Recipe) -> Any:
    """Returns the recipe's network as torch modules."""
    from torch import nn as theirs

    ours = recipe.build()
    kinds: dict[str, Callable[[Any], Any]] = {
        "Linear": lambda m: theirs.Linear(m.weight.shape[1], m.weight.shape[0]),
        "Conv2d": lambda m: theirs.Conv2d(m.weight.shape[1], m.weight.shape[0], 3, m.stride, padding=1),
        "ReLU": lambda m: theirs.ReLU(), "MaxPool2d": lambda m: theirs.MaxPool2d(2), "Flatten": lambda m: theirs.Flatten(),
    }  # fmt: skip
    layers = [kinds[type(m).__name__](m) for m in ours.layers.children()]
    return theirs.Sequential(*([] if isinstance(layers[0], theirs.Conv2d) else [theirs.Flatten()]), *layers)


def measure(epochs: Sequence[Callable[[], None]], rounds: int) -> list[float]:
    for epoch in epochs:
        epoch()
    times: list[list[float]] = [[] for _ in epochs]
    for _ in range(rounds):
        for epoch, values in zip(epochs, times, strict=True):
            start = time.perf_counter()
            epoch()
            values.append(time.perf_counter() - start)
    return [min(values) for values in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = nn.data.mnist().train
    print("| command | batch | seconds per epoch | PyTorch | ratio |\n| --- | ---: | ---: | ---: | ---: |")
    for command, recipe in RUNS.items():
        ag.manual_seed(0)
        count = options.batches * recipe.batch_size
        images, labels = data.images[:count], data.labels[:count]
        mine, other = measure([build(recipe, images, labels) for build in (ours, theirs)], options.rounds)
        scale = IMAGES / len(images)
        numbers = f"{recipe.batch_size} | {mine * scale:.1f} | {other * scale:.1f} | {mine / other:.2f}"
        print(f"| `autograd-mini {command}` | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
