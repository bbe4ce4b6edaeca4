"""What the tutorial "Training a classifier" does: a small convolutional network on CIFAR-10, with accuracy per class.

python -m autograd_mini.examples.from_pytorch.classifier [--small]
"""

from __future__ import annotations

import sys
from typing import Any

import autograd_mini as ag
import autograd_mini.nn.functional as F
import autograd_mini.optim as optim
from autograd_mini import nn
from autograd_mini.examples.from_pytorch.sources import pictures
from autograd_mini.nn.data import DataLoader, TensorDataset

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Net(nn.Module):
    """Two convolutions with pooling and three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = ag.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def main(small: bool = False) -> dict[str, float]:
    """Returns the loss of the last stretch of training, the accuracy, and that of the best class."""
    ag.manual_seed(0)
    (x, y), (test_x, test_y) = pictures("cifar10", 8_000, small)
    train = TensorDataset(ag.from_numpy(x * 2 - 1), ag.from_numpy(y))
    test = TensorDataset(ag.from_numpy(test_x * 2 - 1), ag.from_numpy(test_y))
    loader = DataLoader(train, batch_size=4, shuffle=True, num_workers=0)
    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.005 if small else 0.001, momentum=0.9)
    recent: list[float] = []
    for _ in range(4 if small else 2):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            recent.append(loss.item())
    correct = dict.fromkeys(CLASSES, 0)
    total = dict.fromkeys(CLASSES, 0)
    with ag.no_grad():
        for images, labels in DataLoader(test, batch_size=100):
            _, predicted = ag.max(net(images), dim=1)
            for label, answer in zip(labels.tolist(), predicted.tolist(), strict=True):
                correct[CLASSES[label]] += label == answer
                total[CLASSES[label]] += 1
    best = max(correct[name] / total[name] for name in CLASSES if total[name])
    tail = recent[-500:]
    return {"loss": sum(tail) / len(tail), "accuracy": sum(correct.values()) / sum(total.values()), "best class": best}


if __name__ == "__main__":
    print(main("--small" in sys.argv))
