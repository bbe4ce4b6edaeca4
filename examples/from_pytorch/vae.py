"""What the example "vae" does: a variational autoencoder of MNIST with two linear layers on each side.

python -m autograd_mini.examples.from_pytorch.vae [--small]
"""

from __future__ import annotations

import sys
from typing import Any

import autograd_mini as ag
from autograd_mini import nn, optim
from autograd_mini.examples.from_pytorch.sources import pictures
from autograd_mini.nn import functional as F
from autograd_mini.nn.data import DataLoader, TensorDataset


class VAE(nn.Module):
    """Means and log-variances of the latent variables, and the decoder's probabilities of pixels."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, width)
        self.fc21 = nn.Linear(width, latent)
        self.fc22 = nn.Linear(width, latent)
        self.fc3 = nn.Linear(latent, width)
        self.fc4 = nn.Linear(width, 784)

    def encode(self, x: Any) -> tuple[Any, Any]:
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu: Any, logvar: Any) -> Any:
        std = ag.exp(0.5 * logvar)
        return mu + ag.randn_like(std) * std

    def decode(self, z: Any) -> Any:
        return ag.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        mu, logvar = self.encode(x.view(-1, 784))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def negative_elbo(reconstruction: Any, x: Any, mu: Any, logvar: Any) -> Any:
    """Returns the cross-entropy of the pixels plus the divergence from N(0, 1), summed over the batch."""
    pixels = F.binary_cross_entropy(reconstruction, x.view(-1, 784), reduction="sum")
    return pixels - 0.5 * ag.sum(1 + logvar - mu.pow(2) - logvar.exp())


def main(small: bool = False) -> dict[str, float]:
    """Returns the loss per test image before and after training, and the mean of the pixels of new samples."""
    ag.manual_seed(1)
    (x, _), (test_x, _) = pictures("mnist", 20_000, small)
    loader = DataLoader(TensorDataset(ag.from_numpy(x)), batch_size=128, shuffle=True)
    test = ag.from_numpy(test_x)
    latent = 4 if small else 20
    model = VAE(64 if small else 400, latent)
    optimizer = optim.Adam(model.parameters(), lr=3e-3 if small else 1e-3)
    losses = []
    for epoch in range(16 if small else 6):
        model.eval()
        if epoch == 0:
            with ag.no_grad():
                losses.append(negative_elbo(model(test)[0], test, *model(test)[1:]).item() / len(test))
        model.train()
        for (images,) in loader:
            optimizer.zero_grad()
            reconstruction, mu, logvar = model(images)
            loss = negative_elbo(reconstruction, images, mu, logvar)
            loss.backward()
            optimizer.step()
    model.eval()
    with ag.no_grad():
        losses.append(negative_elbo(model(test)[0], test, *model(test)[1:]).item() / len(test))
        samples = model.decode(ag.randn(64, latent)).view(64, 1, 28, 28)
    return {"loss before": losses[0], "loss": losses[1], "mean pixel of samples": samples.mean().item()}


if __name__ == "__main__":
    print(main("--small" in sys.argv))
