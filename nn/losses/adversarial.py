"""Losses of a generator G and a discriminator D that play against each other, from D's logits x on real and generated examples.

With D = σ(x), softplus(−x) = −ln D and softplus(x) = −ln(1 − D): every loss is exact for logits of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import autograd_mini as ag
from autograd_mini.apply import as_float
from autograd_mini.tensor import Tensor, TensorLike

from .reduction import Reduction, reduced

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """Three functions of logits, element by element: D's loss on real ones, D's on generated ones, and G's.

    >>> from autograd_mini import nn
    >>> nn.non_saturating_loss.discriminator([0.0], [0.0])  # D = ½ everywhere: −2 ln ½, the log 4 of the optimum
    Tensor(1.3862944)
    >>> nn.non_saturating_loss.generator([0.0])
    Tensor(0.6931472)
    """

    real: Elementwise
    fake: Elementwise
    generated: Elementwise

    def discriminator(self, real_logits: TensorLike, fake_logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
        """D's loss: that on real examples plus that on generated ones, each reduced on its own.

        The generated ones should come from a detached G(z), for G does not learn from this.
        """
        return reduced(self.real(as_float(real_logits)), reduction) + reduced(self.fake(as_float(fake_logits)), reduction)

    def generator(self, fake_logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
        """G's loss, from D's logits on G(z)."""
        return reduced(self.generated(as_float(fake_logits)), reduction)

    def smoothed(self, real: float = 0.9, fake: float = 0.0) -> AdversarialLoss:
        """The same with soft targets for D: `real` α in place of 1 and `fake` β in place of 0; G's loss stays.

        One-sided by default (Salimans et al. 2016, 3.4): the optimum is D = (α p_data + β p_model) / (p_data + p_model), and
        where p_data is small and p_model large, β > 0 would give G no reason to leave. ValueError outside [0, 1].

        >>> from autograd_mini import nn
        >>> loss = nn.minimax_loss.smoothed(real=0.9)
        >>> round(loss.discriminator([2.1972246], [-1000.0]).item(), 4)  # ln(0.9/0.1), where D = 0.9 is the best answer
        0.3251
        """
        if not (0 <= real <= 1 and 0 <= fake <= 1):
            raise ValueError(f"smoothed: targets must lie in [0, 1], got {real} and {fake}")
        return AdversarialLoss(
            lambda x: self.real(x) * real + self.fake(x) * (1 - real),
            lambda x: self.real(x) * fake + self.fake(x) * (1 - fake),
            self.generated,
        )


minimax_loss: Final = AdversarialLoss(
    real=lambda x: ag.softplus(-x), fake=lambda x: ag.softplus(x), generated=lambda x: -ag.softplus(x)
)
"""min_G max_D E ln D(x) + E ln(1 − D(G(z))) (Goodfellow et al. 2014, eq. 1): D takes its negative, G the term ln(1 − D(G(z)))
itself, whose gradient vanishes where D sees through G."""

non_saturating_loss: Final = AdversarialLoss(minimax_loss.real, minimax_loss.fake, generated=minimax_loss.real)
"""D as in `minimax_loss`; G takes −ln D(G(z)), with a strong gradient just where D sees through it (same paper, section 3)."""

hinge_loss: Final = AdversarialLoss(real=lambda x: ag.relu(1 - x), fake=lambda x: ag.relu(1 + x), generated=lambda x: -x)
"""max(0, 1 − x) on real, max(0, 1 + x) on generated examples; −x for G (Lim & Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

wasserstein_loss: Final = AdversarialLoss(real=lambda x: -x, fake=lambda x: +x, generated=lambda x: -x)
"""D, a 1-Lipschitz critic, takes E x̃ − E x and G takes −E x̃ (Arjovsky et al. 2017, eq. 2); see `gradient_penalty`."""


def gradient_penalty(critic: Callable[[Tensor], Any], real: TensorLike, fake: TensorLike, *, target: float = 1.0) -> Tensor:
    """E (‖∇critic(x̂)‖₂ − target)² at x̂ = u · real + (1 − u) · fake, one u ~ U[0, 1) each (Gulrajani et al. 2017, eq. 3).

    Real and generated batches have one shape (ValueError otherwise). The paper multiplies it by λ = 10. It is differentiable by
    the critic's parameters, and goes through the critic twice.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.gradient_penalty(lambda x: (x * [3.0, 4.0]).sum(1), ag.zeros((5, 2)), ag.ones((5, 2))).item()  # (5 − 1)²
    16.0
    """
    a, b = as_float(real).detach(), as_float(fake).detach()
    if a.shape != b.shape or not a.ndim:
        raise ValueError(f"gradient_penalty: a real batch of shape {a.shape} and a generated one of shape {b.shape} differ")
    u = ag.rand((len(a), *(1,) * (a.ndim - 1)), dtype=a.dtype)
    with ag.enable_grad():
        between = (a * u + b * (1 - u)).detach()
        between.requires_grad = True
        (slope,) = ag.grad(ag.sum(critic(between)), [between], create_graph=True)
        return ag.mean(ag.square(ag.norm(ag.reshape(slope, len(a), -1), axis=1) - target))


def feature_matching_loss(real_features: TensorLike, fake_features: TensorLike, *, per_sample: bool = False) -> Tensor:
    """‖E f(x) − E f(G(z))‖², for features (N, …) of an inner layer of D (Salimans et al. 2016, 3.1).

    With `per_sample` it is E ‖f(x) − f(G(z))‖², over pairs in the order of the batches, which then are equally long: a stronger
    demand, which also asks each sample to be a certain one. Real features should be detached. ValueError where shapes differ.

    >>> from autograd_mini import nn
    >>> nn.feature_matching_loss([[1.0, 0.0], [3.0, 0.0]], [[2.0, 1.0]])
    Tensor(1.0)
    >>> nn.feature_matching_loss([[1.0], [3.0]], [[3.0], [1.0]], per_sample=True)
    Tensor(4.0)
    """
    a, b = as_float(real_features), as_float(fake_features)
    first = 0 if per_sample else 1
    if a.ndim < 1 or a.ndim != b.ndim or a.shape[first:] != b.shape[first:]:
        raise ValueError(f"feature_matching_loss: real features of shape {a.shape}, generated ones of shape {b.shape}")
    if per_sample:
        return reduced(ag.square(a - b), "batchmean")
    return ag.sum(ag.square(ag.mean(a, 0) - ag.mean(b, 0)))
