"""What the example "mnist" does: two convolutions with dropout, Adadelta, and a learning rate that falls after each epoch.

python -m autograd_mini.examples.from_pytorch.mnist [--small]
"""

from __future__ import annotations

import sys
from typing import Any

import autograd_mini as ag
import autograd_mini.nn as nn
import autograd_mini.nn.functional as F
import autograd_mini.optim as optim
from autograd_mini.examples.from_pytorch.sources import pictures
from autograd_mini.nn.data import DataLoader, TensorDataset
from autograd_mini.optim.lr_scheduler import StepLR


class Net(nn.Module):
    """Log-probabilities of the ten digits."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(2 * channels * 12 * 12, width)
        self.fc2 = nn.Linear(width, 10)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = self.dropout2(F.relu(self.fc1(ag.flatten(x, 1))))
        return F.log_softmax(self.fc2(x), dim=1)


def main(small: bool = False) -> dict[str, float]:
    """Returns the mean loss and the accuracy on the test images."""
    ag.manual_seed(1)
    device = ag.device("cpu")
    (x, y), (test_x, test_y) = pictures("mnist", 6_000, small)
    train = DataLoader(TensorDataset(*map(ag.from_numpy, ((x - 0.1307) / 0.3081, y))), batch_size=64, shuffle=True)
    test = DataLoader(TensorDataset(*map(ag.from_numpy, ((test_x - 0.1307) / 0.3081, test_y))), batch_size=500)
    model = Net(4 if small else 32, 32 if small else 128).to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(8 if small else 1):
        model.train()
        for images, labels in train:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
        scheduler.step()
    model.eval()
    total, correct = 0.0, 0
    with ag.no_grad():
        for images, labels in test:
            output = model(images)
            total += F.nll_loss(output, labels, reduction="sum").item()
            answers = output.argmax(dim=1, keepdim=True)
            correct += answers.eq(labels.view_as(answers)).sum().item()
    return {"loss": total / len(test.dataset), "accuracy": correct / len(test.dataset)}


if __name__ == "__main__":
    print(main("--small" in sys.argv))
