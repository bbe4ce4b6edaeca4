"""Losses of a generator G and a discriminator D, from D's logits x on real and generated examples.

With D = σ(x), softplus(−x) = −ln D and softplus(x) = −ln(1 − D): each loss is exact for logits of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import autograd_mini as ag
from autograd_mini.apply import as_float, as_floats
from autograd_mini.tensor import Tensor, TensorLike
from autograd_mini.tools.arguments import flag
from autograd_mini.tools.calls import record_calls

from .reduction import Reduction, factor, reduce_loss

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """Three elementwise functions of logits: D's loss on real examples, D's loss on generated examples, and G's loss.

    >>> from autograd_mini import nn
    >>> nn.non_saturating_loss.discriminator([0.0], [0.0])  # D = ½ everywhere: −2 ln ½, the log 4 of the optimum
    Tensor(1.3862944)
    >>> nn.non_saturating_loss.generator([0.0])
    Tensor(0.6931472)
    """

    real: Elementwise
    fake: Elementwise
    generated: Elementwise

    @record_calls
    def discriminator(self, real_logits: TensorLike, fake_logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
        """Returns D's loss: the loss on real examples plus the loss on generated ones, each reduced separately.

        Detach G(z) before D sees it, because this loss does not train G.
        """
        real, fake = as_floats(real_logits, fake_logits)
        return reduce_loss(self.real(real), reduction) + reduce_loss(self.fake(fake), reduction)

    @record_calls
    def generator(self, fake_logits: TensorLike, *, reduction: Reduction = "mean") -> Tensor:
        """Returns G's loss from D's logits on G(z)."""
        return reduce_loss(self.generated(as_float(fake_logits)), reduction)

    def with_soft_labels(self, real: float = 0.9, fake: float = 0.0) -> AdversarialLoss:
        """Returns this loss with soft targets for D: `real` α instead of 1, and `fake` β instead of 0. G's loss is unchanged.

        The default is one-sided (Salimans et al. 2016, 3.4): the optimum is D = (α p_data + β p_model) / (p_data + p_model),
        so with β > 0, G has no reason to leave a region with small p_data and large p_model. Raises ValueError outside [0, 1].

        >>> from autograd_mini import nn
        >>> loss = nn.minimax_loss.with_soft_labels(real=0.9)
        >>> round(loss.discriminator([2.1972246], [-1000.0]).item(), 4)  # D = 0.9, the optimum for real examples
        0.3251
        """
        if any(not isinstance(target, Tensor) and not 0 <= target <= 1 for target in (real, fake)):
            raise ValueError(f"with_soft_labels: expected targets in [0, 1], got {real=} and {fake=}")
        return AdversarialLoss(
            lambda x: self.real(x) * real + self.fake(x) * (1 - real),
            lambda x: self.real(x) * fake + self.fake(x) * (1 - fake),
            self.generated,
        )


minimax_loss: Final = AdversarialLoss(
    real=lambda x: ag.softplus(-x), fake=lambda x: ag.softplus(x), generated=lambda x: -ag.softplus(x)
)
"""min_G max_D E ln D(x) + E ln(1 − D(G(z))) (Goodfellow et al. 2014, eq. 1): D minimises its negative, G the term
ln(1 − D(G(z))), whose gradient vanishes if D recognises generated examples."""

non_saturating_loss: Final = AdversarialLoss(minimax_loss.real, minimax_loss.fake, generated=minimax_loss.real)
"""D as in `minimax_loss`; G minimises −ln D(G(z)), whose gradient is strong if D recognises its examples (ibid., section 3)."""

hinge_loss: Final = AdversarialLoss(real=lambda x: ag.relu(1 - x), fake=lambda x: ag.relu(1 + x), generated=lambda x: -x)
"""max(0, 1 − x) on real, max(0, 1 + x) on generated examples; −x for G (Lim & Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

wasserstein_loss: Final = AdversarialLoss(real=lambda x: -x, fake=lambda x: +x, generated=lambda x: -x)
"""D, a 1-Lipschitz critic, minimises E x̃ − E x, and G minimises −E x̃ (Arjovsky et al. 2017, eq. 2); see `gradient_penalty`."""


@record_calls
def gradient_penalty(critic: Callable[[Tensor], Any], real: TensorLike, fake: TensorLike, *, target: float = 1.0) -> Tensor:
    """Returns E (‖∇critic(x̂)‖₂ − target)² at x̂ = u · real + (1 − u) · fake with u ~ U[0, 1) (Gulrajani et al. 2017, eq. 3).

    The paper multiplies it by λ = 10. It can be differentiated with respect to the critic's parameters, and differentiates
    the critic twice. Raises ValueError if the shapes of `real` and `fake` differ.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.gradient_penalty(lambda x: (x * [3.0, 4.0]).sum(1), ag.zeros((5, 2)), ag.ones((5, 2))).item()  # (5 − 1)²
    16.0
    """
    if not callable(critic):
        raise TypeError(f"gradient_penalty: critic must be a function or module, got {critic!r}")
    wanted = factor("gradient_penalty: target", target)
    a, b = (x.detach() for x in as_floats(real, fake))
    if a.shape != b.shape or not a.ndim:
        raise ValueError(f"gradient_penalty: expected batches of one shape, got real {a.shape} and fake {b.shape}")
    u = ag.rand((len(a), *(1,) * (a.ndim - 1)), dtype=a.dtype)
    with ag.enable_grad():
        between = (a * u + b * (1 - u)).detach()
        between.requires_grad = True
        (slope,) = ag.grad(ag.sum(critic(between)), [between], create_graph=True)
        return ag.mean(ag.square(ag.norm(ag.reshape(slope, len(a), -1), axis=1) - wanted))


@record_calls
def feature_matching_loss(real_features: TensorLike, fake_features: TensorLike, *, per_sample: bool = False) -> Tensor:
    """Returns ‖E f(x) − E f(G(z))‖² for features (N, …) of a hidden layer of D (Salimans et al. 2016, 3.1).

    With `per_sample` it is E ‖f(x) − f(G(z))‖² over pairs of examples at the same index, a stronger condition. Detach the
    real features. Raises ValueError if the shapes differ; without `per_sample`, the batch sizes may.

    >>> from autograd_mini import nn
    >>> nn.feature_matching_loss([[1.0, 0.0], [3.0, 0.0]], [[2.0, 1.0]])
    Tensor(1.0)
    >>> nn.feature_matching_loss([[1.0], [3.0]], [[3.0], [1.0]], per_sample=True)
    Tensor(4.0)
    """
    a, b = as_floats(real_features, fake_features)
    per_sample = flag("feature_matching_loss", "per_sample", per_sample)
    first = 0 if per_sample else 1
    if a.ndim < 1 or a.ndim != b.ndim or a.shape[first:] != b.shape[first:]:
        raise ValueError(f"feature_matching_loss: expected features of one shape, got real {a.shape} and fake {b.shape}")
    if per_sample:
        return reduce_loss(ag.square(a - b), "batchmean")
    return ag.sum(ag.square(ag.mean(a, 0) - ag.mean(b, 0)))
