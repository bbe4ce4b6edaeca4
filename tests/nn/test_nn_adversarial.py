"""Adversarial losses: equal to formulas in probabilities, minimal at known optima, exact if probabilities round to 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.testing import gradcheck

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=7), RNG.normal(size=5)


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# name -> (the loss, definition of D's loss, definition of G's loss)
LOSSES: dict[str, tuple[nn.AdversarialLoss, Any, Any]] = {
    "minimax": (
        nn.minimax_loss,
        lambda r, f: -np.log(sigma(r)).mean() - np.log(1 - sigma(f)).mean(), lambda f: np.log(1 - sigma(f)).mean(),
    ),
    "non_saturating": (
        nn.non_saturating_loss,
        lambda r, f: -np.log(sigma(r)).mean() - np.log(1 - sigma(f)).mean(), lambda f: -np.log(sigma(f)).mean(),
    ),
    "hinge": (
        nn.hinge_loss,
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(), lambda f: -f.mean(),
    ),
    "wasserstein": (nn.wasserstein_loss, lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_both_networks_equal_their_definitions(name: str) -> None:
    loss, of_d, of_g = LOSSES[name]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE).data, of_d(REAL, FAKE), rtol=1e-12)
    np.testing.assert_allclose(loss.generator(FAKE).data, of_g(FAKE), rtol=1e-12)
    np.testing.assert_allclose(loss.generator(FAKE, reduction="sum").data, of_g(FAKE) * 5, rtol=1e-12)
    assert gradcheck(loss.discriminator, REAL, FAKE)
    assert gradcheck(loss.generator, FAKE)


def test_if_d_is_certain_only_the_minimax_loss_has_no_gradient() -> None:
    slopes = {}
    for name, (loss, _, _) in LOSSES.items():
        x = Tensor([-1000.0], requires_grad=True)
        slopes[name] = ag.grad(loss.generator(x), x).item()
    assert slopes == {"minimax": 0, "non_saturating": -1, "hinge": -1, "wasserstein": -1}
    assert nn.minimax_loss.discriminator([-1000.0], [1000.0]).item() == 2000


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(0.6, 1.0), st.floats(0.0, 0.4))
def test_the_optimal_discriminator_minimises_the_smoothed_loss(data: float, model: float, alpha: float, beta: float) -> None:
    """The slope of the smoothed loss is 0 at D = (α p_data + β p_model) / (p_data + p_model)."""
    loss = nn.minimax_loss.with_soft_labels(alpha, beta)
    d = (alpha * data + beta * model) / (data + model)
    x = Tensor(np.log(d) - np.log1p(-d), dtype=np.float64, requires_grad=True)
    expected = loss.real(x) * data + loss.fake(x) * model
    assert ag.grad(expected, x).item() == pytest.approx(0, abs=1e-12)


def test_smoothing_is_cross_entropy_with_soft_targets_and_does_not_change_the_loss_of_g() -> None:
    loss = nn.non_saturating_loss.with_soft_labels(0.7, 0.3)
    soft = nn.binary_cross_entropy_with_logits(REAL, np.full(7, 0.7)) + nn.binary_cross_entropy_with_logits(
        FAKE, np.full(5, 0.3)
    )
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE).data, soft.data, rtol=1e-12)
    np.testing.assert_array_equal(loss.generator(FAKE).data, nn.non_saturating_loss.generator(FAKE).data)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        nn.hinge_loss.with_soft_labels(1.1)


# -- gradient penalty, features --------------------------------------------------------------------------------------------


def test_the_gradient_penalty_of_a_linear_critic_and_its_gradient_equal_their_formulas() -> None:
    w = Tensor(RNG.normal(size=(3, 1)), requires_grad=True)
    real, fake = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
    penalty = nn.gradient_penalty(lambda x: x @ w, real, fake)
    norm = np.linalg.norm(w.data)
    assert penalty.item() == pytest.approx((norm - 1) ** 2)
    np.testing.assert_allclose(ag.grad(penalty, w).data, 2 * (norm - 1) * w.data / norm, rtol=1e-10)


def test_the_gradient_penalty_of_a_network_has_correct_second_derivatives() -> None:
    first, second = RNG.normal(size=(4, 3)), RNG.normal(size=(1, 4))
    real, fake = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))

    def penalty(a: Tensor, b: Tensor) -> Tensor:
        ag.manual_seed(0)
        return nn.gradient_penalty(lambda x: ag.linear(ag.tanh(ag.linear(x, a)), b), real, fake)

    assert gradcheck(penalty, first, second)


def test_the_gradient_is_computed_at_one_random_point_between_each_pair() -> None:
    seen = []
    ag.manual_seed(0)
    nn.gradient_penalty(lambda x: (seen.append(x.data), x * x)[1], np.zeros((50, 1, 2, 2)), np.ones((50, 1, 2, 2)))
    (x,) = seen
    assert (x == x[:, :, :1, :1]).all()
    assert x.min() >= 0
    assert x.max() <= 1
    assert len(np.unique(x)) == 50
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 3\)"):
        nn.gradient_penalty(lambda x: x, np.zeros((2, 3)), np.zeros((3, 3)))


def test_feature_matching_compares_means_or_pairs() -> None:
    f, g = RNG.normal(size=(6, 2, 3)), RNG.normal(size=(6, 2, 3))
    means = np.sum((f.mean(0) - g.mean(0)) ** 2)
    np.testing.assert_allclose(nn.feature_matching_loss(f, g).data, means, rtol=1e-12)
    np.testing.assert_allclose(nn.feature_matching_loss(f, g[::-1]).data, means, rtol=1e-12)
    np.testing.assert_allclose(
        nn.feature_matching_loss(f, g, per_sample=True).data, np.sum((f - g) ** 2, axis=(1, 2)).mean(), rtol=1e-12
    )
    assert gradcheck(nn.feature_matching_loss, f, g)
    assert nn.feature_matching_loss(f, g[:4]).shape == ()
    for options, other in (({"per_sample": True}, g[:4]), ({}, g[:, :1])):
        with pytest.raises(ValueError, match=r"\(6, 2, 3\)"):
            nn.feature_matching_loss(f, other, **options)  # type: ignore[arg-type]


# -- k + 1 classes ---------------------------------------------------------------------------------------------------------

L3, U3, V3 = (RNG.normal(size=(n, 3)) for n in (4, 5, 6))


def test_semi_supervised_losses_equal_those_of_a_softmax_over_k_plus_1_classes() -> None:
    """The logit of class k + 1 is 0. L uses the k classes alone, U uses "not class k + 1", V uses class k + 1."""

    def p(logits: Any) -> Any:
        e = np.exp(np.concatenate([logits, np.zeros((len(logits), 1))], 1))
        return e / e.sum(1, keepdims=True)

    labels = np.array([0, 2, 1, 1])
    among = p(L3)[np.arange(4), labels] / (1 - p(L3)[:, -1])
    expected = -np.log(among).mean(), -np.log(1 - p(U3)[:, -1]).mean(), -np.log(p(V3)[:, -1]).mean()
    np.testing.assert_allclose(nn.cross_entropy(L3, labels).data, expected[0], rtol=1e-10)
    np.testing.assert_allclose(nn.unlabelled_loss(U3).data, expected[1], rtol=1e-10)
    np.testing.assert_allclose(nn.generated_loss(V3).data, expected[2], rtol=1e-10)
    np.testing.assert_allclose(nn.real_logit(U3).sigmoid().data, 1 - p(U3)[:, -1], rtol=1e-10)
    for w in (1.0, 0.5):
        total = nn.semi_supervised_loss(L3, labels, U3, V3, unsupervised_weight=w)
        np.testing.assert_allclose(total.data, expected[0] + w * (expected[1] + expected[2]), rtol=1e-10)


def test_semi_supervised_losses_are_exact_for_large_logits_and_have_correct_gradients() -> None:
    far = np.array([[1000.0, -1000.0]])
    assert nn.unlabelled_loss(far).item() == 0
    assert nn.generated_loss(far).item() == 1000
    assert nn.unlabelled_loss(-far * 0 - 1000).item() == pytest.approx(1000 - np.log(2))
    assert gradcheck(lambda a, b, c: nn.semi_supervised_loss(a, [0, 1, 2, 0], b, c), L3, U3, V3)
