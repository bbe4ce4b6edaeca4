"""What the tutorial "Learn the basics" covers: tensors, data, a model, automatic differentiation, training, saving.

python -m autograd_mini.examples.from_pytorch.basics [--small]
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, optim
from autograd_mini.examples.from_pytorch.sources import pictures
from autograd_mini.nn.data import DataLoader, TensorDataset

device = "cuda" if ag.cuda.is_available() else "cpu"


def tensors() -> None:
    """Makes tensors in all the usual ways, and writes into some of them."""
    table = ag.tensor([[1, 2], [3, 4]])
    assert table.shape == ag.from_numpy(np.array([[1, 2], [3, 4]])).shape == ag.ones_like(table).shape
    assert ag.rand_like(table, dtype=ag.float).dtype == ag.float32
    grid = ag.ones(4, 4, device=device)
    assert (grid.shape, str(grid.device)) == ((4, 4), "cpu")
    wide = ag.cat([grid, grid, grid], dim=1)
    assert tuple(wide.size()) == (4, 12)
    assert bool((grid @ grid.T == grid.matmul(grid.T)).all())
    assert (grid * grid).sum().item() == grid.mul(grid).sum().item() == 16
    grid.add_(5)
    assert grid[0, 0].item() == 6
    shared = ag.ones(3)
    array = shared.numpy()
    shared.add_(1)
    assert array.tolist() == [2, 2, 2]


def differentiation() -> None:
    """Computes gradients of one layer, accumulates them, and turns recording off."""
    w: Any
    x, y = ag.ones(5), ag.zeros(3)
    w, b = ag.randn(5, 3, requires_grad=True), ag.randn(3, requires_grad=True)
    loss = nn.functional.binary_cross_entropy_with_logits(ag.matmul(x, w) + b, y)
    loss.backward(retain_graph=True)
    first = w.grad.clone()
    loss.backward()
    assert ag.is_tensor(w.grad)
    assert bool(((w.grad - 2 * first).abs() < 1e-6).all())
    w.grad.zero_()
    with ag.no_grad():
        assert not (ag.matmul(x, w) + b).requires_grad
    assert not (ag.matmul(x, w) + b).detach().requires_grad


class Network(nn.Module):
    """Three layers on flattened images."""

    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(
            nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.stack(self.flatten(x))


def train(loader: Any, model: Any, criterion: Any, optimizer: Any) -> None:
    """Trains for one epoch."""
    model.train()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test(loader: Any, model: Any, criterion: Any) -> tuple[float, float]:
    """Returns the share of correct answers and the mean loss."""
    model.eval()
    total, correct = 0.0, 0.0
    with ag.no_grad():
        for images, labels in loader:
            scores = model(images)
            total += criterion(scores, labels).item()
            correct += (scores.argmax(1) == labels).type(ag.float).sum().item()
    return correct / len(loader.dataset), total / len(loader)


def main(small: bool = False) -> dict[str, float]:
    """Trains, saves, loads into a new model, and returns what that one reaches."""
    ag.manual_seed(0)
    tensors()
    differentiation()
    (x, y), (test_x, test_y) = pictures("mnist", 20_000, small)
    loader = DataLoader(TensorDataset(ag.from_numpy(x), ag.from_numpy(y)), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(ag.from_numpy(test_x), ag.from_numpy(test_y)), batch_size=64)
    model = Network(28 * 28, 32 if small else 512).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1 if small else 1e-2)
    for _ in range(5):
        train(loader, model, criterion, optimizer)
    path = os.path.join(tempfile.mkdtemp(), "model.pth")
    ag.save(model.state_dict(), path)
    loaded = Network(28 * 28, 32 if small else 512)
    loaded.load_state_dict(ag.load(path, weights_only=True))
    accuracy, loss = test(test_loader, loaded, criterion)
    return {"accuracy": accuracy, "loss": loss}


if __name__ == "__main__":
    print(main("--small" in sys.argv))
