"""The steps of recurrent, attention, upsampling and residual networks, W10 to W15, in the style of `eager.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workloads import BLOCKS, CONTEXT, HEADS, MODEL_WIDTH, VOCABULARY, Parameters, Step

if TYPE_CHECKING:
    from .eager import Framework


def training(optimizer: Any, loss_of: Callable[..., Any]) -> Step:
    def step(*batch: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def w10(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.gru = nn.LSTM(28, 128, batch_first=True), nn.GRU(128, 64, batch_first=True)
            self.head = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.gru(self.lstm(x)[0])[0][:, -1])

    net = f.load(Recurrent(), parameters)
    return training(f.optimizers.Adam(net.parameters()), lambda x, y: f.losses.cross_entropy(net(x), y))


def w11(f: Framework, parameters: Parameters) -> Step:
    nn, ops = f.nn, f.functions

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(VOCABULARY, MODEL_WIDTH), nn.Embedding(CONTEXT, MODEL_WIDTH)
            block = nn.TransformerEncoderLayer(MODEL_WIDTH, HEADS, 4 * MODEL_WIDTH, dropout=0.0, batch_first=True)
            self.blocks = nn.TransformerEncoder(block, BLOCKS)
            self.head = nn.Linear(MODEL_WIDTH, VOCABULARY)

        def forward(self, x: Any, mask: Any) -> Any:
            h = self.tokens(x) + self.places.weight
            return self.head(self.blocks(h, mask))

    net = f.load(Transformer(), parameters)
    mask = ops.triu(ops.full((CONTEXT, CONTEXT), -float("inf")), 1)
    optimizer = f.optimizers.Adam(net.parameters())
    return training(optimizer, lambda x, y: f.losses.cross_entropy(net(x, mask).reshape((-1, VOCABULARY)), y.reshape((-1,))))


def w13(f: Framework, parameters: Parameters) -> Step:
    nn, ops = f.nn, f.functions

    class ConvVAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten()
            )  # fmt: skip
            self.mu, self.logvar = nn.Linear(32 * 7 * 7, 16), nn.Linear(32 * 7 * 7, 16)
            self.decoder = nn.Sequential(
                nn.Linear(16, 32 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (32, 7, 7)),
                nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.ReLU(),
                nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1),
            )  # fmt: skip

    net = f.load(ConvVAE(), parameters)

    def loss_of(x: Any, noise: Any) -> Any:
        h = net.encoder(x)
        mu, logvar = net.mu(h), net.logvar(h)
        logits = net.decoder(mu + noise * ops.exp(0.5 * logvar))
        kl = 0.5 * ops.sum(ops.exp(logvar) + mu * mu - logvar - 1)
        return (f.losses.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / len(x)

    return training(f.optimizers.Adam(net.parameters()), loss_of)


def w15(f: Framework, parameters: Parameters) -> Step:
    nn, ops = f.nn, f.functions

    class Separable(nn.Module):
        """A residual block: a depthwise convolution over space, then a 1×1 convolution over channels."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.branch = nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.BatchNorm2d(channels), nn.ReLU(),
                nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return ops.relu(x + self.branch(x))

    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), Separable(32),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(), Separable(64),
        nn.AvgPool2d(16), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    f.load(net, parameters)
    return training(f.optimizers.Adam(net.parameters()), lambda x, y: f.losses.cross_entropy(net(x), y))


STEPS: dict[str, Callable[[Framework, Parameters], Step]] = {"W10": w10, "W11": w11, "W13": w13, "W15": w15}
