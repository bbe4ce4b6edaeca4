"""What the tutorial and example "DCGAN" do: transposed convolutions against convolutions, on CIFAR-10's 32 × 32 pixels.

python -m autograd_mini.examples.from_pytorch.dcgan [--small]
"""

from __future__ import annotations

import sys
from typing import Any

import autograd_mini as ag
import autograd_mini.nn as nn
import autograd_mini.optim as optim
from autograd_mini.examples.from_pytorch.sources import pictures
from autograd_mini.nn.data import DataLoader, TensorDataset


def initialize(m: Any) -> None:
    """Draws weights of convolutions from N(0, 0.02²), and of normalisation from N(1, 0.02²)."""
    name = m.__class__.__name__
    if name.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif name.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


def generator(latent: int, maps: int) -> Any:
    """Returns a network from (N, latent, 1, 1) to images (N, 3, 32, 32) in [−1, 1]."""
    return nn.Sequential(
        nn.ConvTranspose2d(latent, maps * 4, 4, 1, 0, bias=False), nn.BatchNorm2d(maps * 4), nn.ReLU(True),
        nn.ConvTranspose2d(maps * 4, maps * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(maps * 2), nn.ReLU(True),
        nn.ConvTranspose2d(maps * 2, maps, 4, 2, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(True),
        nn.ConvTranspose2d(maps, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


def discriminator(maps: int) -> Any:
    """Returns a network from images to the probability that they are real."""
    return nn.Sequential(
        nn.Conv2d(3, maps, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(maps, maps * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(maps * 2), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(maps * 2, maps * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(maps * 4), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(maps * 4, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip


def main(small: bool = False) -> dict[str, float]:
    """Returns means over the last tenth of the steps: both losses, and D's answers for real and for generated images."""
    ag.manual_seed(999)
    latent, maps = (8, 4) if small else (100, 32)
    (x, _), _ = pictures("cifar10", 3_000, small)
    loader = DataLoader(TensorDataset(ag.from_numpy(x * 2 - 1)), batch_size=32 if small else 64, shuffle=True)
    net_g, net_d = generator(latent, maps), discriminator(maps)
    net_g.apply(initialize)
    net_d.apply(initialize)
    criterion = nn.BCELoss()
    optimizer_d = optim.Adam(net_d.parameters(), lr=0.0002, betas=(0.5, 0.999))
    optimizer_g = optim.Adam(net_g.parameters(), lr=0.0002, betas=(0.5, 0.999))
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(2):
        for (real,) in loader:
            net_d.zero_grad()
            label = ag.full((real.size(0),), 1.0, dtype=ag.float)
            output = net_d(real).view(-1)
            loss_real = criterion(output, label)
            loss_real.backward()
            fake = net_g(ag.randn(real.size(0), latent, 1, 1))
            label.fill_(0.0)
            loss_fake = criterion(net_d(fake.detach()).view(-1), label)
            loss_fake.backward()
            optimizer_d.step()
            net_g.zero_grad()
            label.fill_(1.0)
            answer = net_d(fake).view(-1)
            loss_g = criterion(answer, label)
            loss_g.backward()
            optimizer_g.step()
            rows.append(((loss_real + loss_fake).item(), loss_g.item(), output.mean().item(), answer.mean().item()))
    tail = rows[-max(len(rows) // 10, 1) :]
    means = [sum(column) / len(tail) for column in zip(*tail, strict=True)]
    return dict(zip(("loss of D", "loss of G", "D(x)", "D(G(z))"), means, strict=True))


if __name__ == "__main__":
    print(main("--small" in sys.argv))
