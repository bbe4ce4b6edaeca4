"""Building blocks of generators and discriminators: norms, output layers, heads, initial weights; and `GANArchitecture`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.tensor import Tensor, TensorLike

from ..model import Config

SLOPE: Final = 0.2  # negative slope of leaky ReLU


class Output(NamedTuple):
    """The last layer of a generator, and the value of a black pixel in its range; white is 1."""

    layer: Callable[[], nn.Module]
    black_level: float


OUTPUTS: Final[dict[str, Output]] = {
    "tanh": Output(nn.Tanh, -1.0),
    "sigmoid": Output(nn.Sigmoid, 0.0),
    "linear": Output(nn.Identity, 0.0),
}
NORMS: Final[dict[str, Callable[[int, int], list[nn.Module]]]] = {
    "batch": lambda axes, channels: [nn.BatchNorm1d(channels) if axes == 1 else nn.BatchNorm2d(channels)],
    "virtual": lambda axes, channels: [nn.VirtualBatchNorm(channels)],
    "none": lambda axes, channels: [],
}
"""Name -> function of the number of axes (1: vectors, 2: maps) and channels that returns the normalisation layers."""


class Discriminator(nn.Module):
    """A body that computes features f(x), and a head; the result is the logit of "real", (N,).

    A head with one output is this logit. A head with two outputs is a softmax over (generated, real); its logit is their
    difference, because softmax(a, b)₂ = σ(b − a).

    >>> from autograd_mini import Tensor, nn
    >>> from autograd_mini.models.gans.networks import Discriminator
    >>> softmax = Discriminator(nn.Identity(), nn.Identity())
    >>> softmax(Tensor([[1.0, 3.0]]))
    Tensor([2.])
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        self.body, self.head = body, head

    def features(self, images: TensorLike) -> Tensor:
        """Returns f(x), the features before the head, (N, F)."""
        return ag.flatten(self.body(images), 1)

    def outputs(self, images: TensorLike) -> Tensor:
        """Returns the head's outputs, (N, 1) or (N, 2), or (N, classes) of a classifier."""
        return self.head(self.body(images))

    def forward(self, images: TensorLike) -> Tensor:
        outputs = self.outputs(images)
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]


class ClassifyingDiscriminator(Discriminator):
    """A discriminator whose head is a classifier with any number of classes, see `nn.real_logit`.

    >>> from autograd_mini import Tensor, nn
    >>> from autograd_mini.models.gans.networks import ClassifyingDiscriminator
    >>> ClassifyingDiscriminator(nn.Identity(), nn.Identity())(Tensor([[0.0, 0.0]]))  # log(1 + 1)
    Tensor([0.6931472])
    """

    def forward(self, images: TensorLike) -> Tensor:
        return nn.real_logit(self.outputs(images))


def discriminating_head(features: int, outputs: int, minibatch: int) -> nn.Sequential:
    """Returns a linear layer on features (N, features), after minibatch discrimination if `minibatch` kernels are requested.

    >>> import autograd_mini as ag
    >>> from autograd_mini.models.gans.networks import discriminating_head
    >>> discriminating_head(8, 2, minibatch=10)(ag.zeros((5, 8))).shape
    (5, 2)
    """
    minibatch_layers = [nn.MinibatchDiscrimination(features, minibatch)] if minibatch > 0 else []
    return nn.Sequential(*minibatch_layers, nn.Linear(features + minibatch, outputs))


def dcgan_init(network: nn.Module) -> nn.Module:
    """Initialises a network as DCGAN does (Radford et al. 2016), and returns it.

    Weights of convolutions and linear layers are drawn from N(0, 0.02²), γ of norms from N(1, 0.02²); biases and β are 0.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.gans.networks import dcgan_init
    >>> layer = dcgan_init(nn.Conv2d(8, 64, 4, bias=False))
    >>> bool(abs(layer.weight.std() - 0.02) < 0.002)
    True
    """

    def init_module(module: nn.Module) -> None:
        if isinstance(module, nn.MinibatchDiscrimination):  # it keeps its own initial scale
            return
        weight, bias = (vars(module).get(name) for name in ("weight", "bias"))
        if weight is not None:
            nn.init.normal_(weight, float(weight.ndim == 1), 0.02)
        if bias is not None:
            nn.init.zeros_(bias)

    return network.apply(init_module)


INITS: Final[dict[str, Callable[[nn.Module], nn.Module]]] = {"dcgan": dcgan_init, "layers": lambda network: network}
"""Name -> function that initialises the weights of a network."""


@dataclass(frozen=True)
class GANArchitecture(Config):
    """The networks of a GAN: their form and width, and what the generator (G) and the discriminator (D) contain.

    Raises ValueError if a name is unknown, or if a value has the wrong type or is out of range.
    """

    names: ClassVar = {"form": ("dense", "transposed", "bilinear"), "norm": NORMS, "output": OUTPUTS, "init": INITS}

    form: str = "dense"  # "dense" (the original GAN), "transposed" (DCGAN) or "bilinear" (bilinear upsampling)
    side: int | None = None  # side length of the generated images; None: that of the data
    width: int = 256  # channels at half the image size, or units of the dense form
    smallest: int = 7  # sides are halved while they are above this; not used by the dense form
    layers: list[int] | tuple[int, ...] = ()  # units or channels of G's hidden layers, in place of `width` and `smallest`
    init: str = "dcgan"  # initial weights of networks with batch norm: "dcgan", or "layers" for the defaults of the layers
    norm: str = "batch"  # normalisation in G: "batch", "virtual" or "none"
    output: str = "tanh"  # last activation of G: "tanh", "sigmoid" or "linear"
    d_norm: bool = False  # whether D has batch norm
    noise: float = 0.0  # standard deviation of the noise added to D's input
    dropout: float = 0.0  # dropout probability in D
    minibatch: int = 0  # number of kernels of minibatch discrimination in D; 0: none
    outputs: int = 1  # outputs of D: 1 (sigmoid) or 2 (softmax)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.outputs not in (1, 2):
            raise ValueError(f"expected width ≥ 1 and 1 or 2 outputs, got width={self.width} and outputs={self.outputs}")
        if not all(isinstance(count, int) and count >= 1 for count in self.layers):
            raise ValueError(f"layers: expected numbers of units or channels, each 1 or more, got {self.layers!r}")
