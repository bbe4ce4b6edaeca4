"""The steps as a user of an eager framework writes them, once for both frameworks: our names and defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads import CHAIN, LATENT, WIDTHS, Parameters, Step, Workload

from . import deeper


@dataclass(frozen=True)
class Framework:
    """The parts of a framework that the steps need."""

    functions: Any
    nn: Any
    losses: Any
    optimizers: Any
    tensor: Callable[..., Any]

    def load(self, net: Any, parameters: Parameters, prefix: str = "") -> Any:
        """Loads the parameters with names that start with `prefix` into `net`; returns `net`."""
        state = {name[len(prefix) :]: self.tensor(array) for name, array in parameters.items() if name.startswith(prefix)}
        net.load_state_dict(state, strict=False)  # running statistics keep their initial values
        return net

    def leaves(self, parameters: Parameters) -> list[Any]:
        return [self.tensor(array, requires_grad=True) for array in parameters.values()]


def step_of(workload: Workload, framework: Framework) -> Step:
    """Returns the training step of a workload, a function of a batch."""
    return _STEPS[workload.name](framework, workload.parameters)


# -- networks ------------------------------------------------------------------------------------------------------------------


def _w1(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn
    net = f.load(nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)), parameters)
    optimizer = f.optimizers.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return deeper.training(optimizer, lambda x, y: f.losses.cross_entropy(net(x), y))


def _w2(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    f.load(net, parameters)
    return deeper.training(f.optimizers.Adam(net.parameters()), lambda x, y: f.losses.cross_entropy(net(x), y))


def _w3(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn
    net = nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 2),
        nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784),
    )  # fmt: skip
    f.load(net, parameters)
    optimizer = f.optimizers.Adam(net.parameters())
    return deeper.training(optimizer, lambda x: f.losses.binary_cross_entropy_with_logits(net(x), x))


def _w4(f: Framework, parameters: Parameters) -> Step:
    nn, ops = f.nn, f.functions

    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x: Any, noise: Any) -> Any:
            h = ops.relu(self.hidden(x))
            mu, logvar = self.mu(h), self.logvar(h)
            return self.decoder(mu + noise * ops.exp(0.5 * logvar)), mu, logvar

    net = f.load(VAE(), parameters)

    def loss_of(x: Any, noise: Any) -> Any:
        logits, mu, logvar = net(x, noise)
        reconstruction = f.losses.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * ops.sum(ops.exp(logvar) + mu * mu - logvar - 1)
        return (reconstruction + kl) / len(x)

    return deeper.training(f.optimizers.Adam(net.parameters()), loss_of)


def _w5(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 10),
    )  # fmt: skip
    f.load(net, parameters)
    return deeper.training(f.optimizers.Adam(net.parameters()), lambda x, y: f.losses.cross_entropy(net(x), y))


def _w6(f: Framework, parameters: Parameters) -> Step:
    nn = f.nn
    _, a, b, c, d = WIDTHS
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, d, 4, 1, 0, bias=False), nn.BatchNorm2d(d), nn.ReLU(),
        nn.ConvTranspose2d(d, c, 4, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
        nn.ConvTranspose2d(c, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
        nn.ConvTranspose2d(b, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
        nn.ConvTranspose2d(a, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(3, a, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2),
        nn.Conv2d(b, c, 4, 2, 1, bias=False), nn.BatchNorm2d(c), nn.LeakyReLU(0.2),
        nn.Conv2d(c, d, 4, 2, 1, bias=False), nn.BatchNorm2d(d), nn.LeakyReLU(0.2),
        nn.Conv2d(d, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    f.load(generator, parameters, "generator.")
    f.load(discriminator, parameters, "discriminator.")
    by_d, by_g = (f.optimizers.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (discriminator, generator))

    def loss_of(images: Any, real: Any) -> Any:
        logits = discriminator(images)
        targets = f.functions.ones_like(logits) if real else f.functions.zeros_like(logits)
        return f.losses.binary_cross_entropy_with_logits(logits, targets)

    def step(images: Any, z: Any) -> Any:
        fake = generator(z)
        by_d.zero_grad()
        on_real, on_fake = loss_of(images, real=True), loss_of(fake.detach(), real=False)
        on_real.backward()
        on_fake.backward()
        by_d.step()
        by_g.zero_grad()
        fooled = loss_of(fake, real=True)
        fooled.backward()
        by_g.step()
        return (on_real + on_fake + fooled).detach()

    return step


# -- bare operations -----------------------------------------------------------------------------------------------------------


def _w7(f: Framework, parameters: Parameters) -> Step:
    w, b = f.leaves(parameters)

    def step(y: Any) -> Any:
        w.grad = b.grad = None
        for _ in range(CHAIN):
            y = f.functions.tanh(y * w + b)
        y.backward()
        return w.grad

    return step


def _w8(f: Framework, parameters: Parameters) -> Step:
    leaves = f.leaves({name: array.T.copy() for name, array in parameters.items()})
    layers = list(zip(leaves[::2], leaves[1::2], strict=True))

    def loss_of(h: Any, target: Any) -> Any:
        for weight, bias in layers:
            h = f.functions.tanh(h @ weight + bias)
        return ((h - target) ** 2).mean()

    return deeper.training(f.optimizers.SGD(leaves, lr=0.01), loss_of)


def _w9(f: Framework, parameters: Parameters) -> Step:
    x, a, b, c = leaves = f.leaves(parameters)
    ops = f.functions

    def step() -> Any:
        for leaf in leaves:
            leaf.grad = None
        h = ops.exp(ops.tanh(x * a + b) * c) + x
        h = ops.relu(ops.sqrt(h * h + 1) - b)
        loss = h.sum()
        loss.backward()
        return loss.detach() + a.grad.sum() + b.grad.sum()

    return step


_STEPS: dict[str, Callable[[Framework, Parameters], Step]] = {
    "W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W5": _w5, "W6": _w6, "W7": _w7, "W8": _w8, "W9": _w9,
    **deeper.STEPS,
}  # fmt: skip
