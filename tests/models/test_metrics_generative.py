"""Metrics of generated images: their definitions, their extreme values, and the feature classifier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.metrics import (
    FeatureClassifier,
    Judge,
    Moments,
    accuracy_per_class,
    class_coverage,
    feature_classifier,
    frechet_distance,
    inception_score,
    mode_coverage,
    moments,
)
from autograd_mini.models.metrics.features import ACCURACY, cache_path
from autograd_mini.models.recipes import RECIPES

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


# -- the score -----------------------------------------------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 6))
def test_the_score_lies_between_1_and_the_number_of_classes(seed: int, classes: int) -> None:
    """It also does not depend on the order of images or classes."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), 20)
    score = inception_score(p)
    assert score * (1 + 1e-12) >= 1
    assert score <= classes * (1 + 1e-12)
    assert inception_score(p[rng.permutation(20)][:, rng.permutation(classes)]) == pytest.approx(score, rel=1e-9)


def test_inception_score_matches_its_formula() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    marginal = p.mean(axis=0)
    assert inception_score(p) == pytest.approx(np.exp((p * np.log(p / marginal)).sum(axis=1).mean()), rel=1e-12)
    assert inception_score(np.eye(10)) == pytest.approx(10)
    assert inception_score(np.tile([1.0, 0.0], (5, 1))) == 1  # sure, but always the same


# -- the distance --------------------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_frechet_distance_is_symmetric_and_0_only_for_equal_moments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (moments(rng.normal(size=(12, 4)) * rng.uniform(0.1, 3, 4)) for _ in range(2))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a, b) > 0


@given(SEEDS)
def test_frechet_distance_of_commuting_covariances_is_the_sum_over_axes(seed: int) -> None:
    """(μ_a − μ_b)² + (σ_a − σ_b)² in each direction, for any rotation of both."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    means, stds = rng.normal(size=(2, 5)), rng.uniform(0, 2, (2, 5))
    pair = [Moments(turn @ m, turn @ np.diag(s**2) @ turn.T) for m, s in zip(means, stds, strict=True)]
    expected = np.square(means[0] - means[1]).sum() + np.square(stds[0] - stds[1]).sum()
    assert frechet_distance(*pair) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(SEEDS)
def test_frechet_distance_uses_the_root_of_the_product_of_covariances(seed: int) -> None:
    """C_a C_b is not symmetric, but it has the same eigenvalues as the symmetric form in the implementation."""
    rng = np.random.default_rng(seed)
    a, b = (moments(rng.normal(size=(20, 4)) @ rng.normal(size=(4, 4))) for _ in range(2))
    root = np.sqrt(np.linalg.eigvals(a.covariance @ b.covariance).astype(complex)).real.sum()
    expected = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_singular_covariances_give_no_nan() -> None:
    """Fewer images than features, and features that are always 0, as with ReLU."""
    rng = np.random.default_rng(0)
    a = moments(np.pad(rng.normal(size=(5, 30)), ((0, 0), (0, 10))))
    assert frechet_distance(a, Moments(np.zeros(40), np.zeros((40, 40)))) == pytest.approx(
        np.square(a.mean).sum() + np.trace(a.covariance)
    )


def test_moments_need_two_images_and_distances_need_equal_features() -> None:
    with pytest.raises(ValueError, match=r"two or more images, got shape \(1, 3\)"):
        moments(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"got means of shape \(3,\) and \(4,\)"):
        frechet_distance(moments(np.zeros((2, 3))), moments(np.zeros((2, 4))))


# -- classes and modes -------------------------------------------------------------------------------------------------------------


def test_class_coverage_and_accuracy_per_class() -> None:
    assert class_coverage([2, 2, 0], 4).tolist() == pytest.approx([1 / 3, 0, 2 / 3, 0])
    assert accuracy_per_class([2, 2, 0], [2, 1, 0], 4).tolist() == [1, 0, 1, 0]


@given(SEEDS, st.integers(1, 8))
def test_mode_coverage_counts_the_modes_that_are_hit(seed: int, known: int) -> None:
    points, labels = nn.data.gaussian_ring(800, seed=seed)
    angles = 2 * np.pi * np.arange(8) / 8
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = mode_coverage(points[labels < known], centres, radius=0.1)
    assert (found.covered, found.recall) == (known, known / 8)
    assert found.precision > 0.99
    assert mode_coverage(points * 1.5, centres, radius=0.1) == (0, 0, 0)


def test_mode_coverage_includes_its_bounds() -> None:
    """A point exactly at `radius` hits its mode, and a mode with exactly `min_share` of all points is covered."""
    centres = [[0.0, 0.0], [8.0, 0.0]]
    at_radius, beyond = [0.25, 0.0], [np.nextafter(0.25, 1), 0.0]
    assert mode_coverage([at_radius], centres, radius=0.25) == (1, 0.5, 1.0)
    assert mode_coverage([beyond], centres, radius=0.25) == (0, 0.0, 0.0)
    points = [[0.0, 0.0]] * 3 + [[8.0, 0.0]]
    assert mode_coverage(points, centres, radius=1, min_share=0.25).covered == 2
    assert mode_coverage(points, centres, radius=1, min_share=np.nextafter(0.25, 1)).covered == 1
    far = [[100.0, 0.0]] * 4
    assert mode_coverage(points + far, centres, radius=1, min_share=0.25) == (1, 0.5, 0.5), "a share of all points, hit or not"


# -- the classifier ----------------------------------------------------------------------------------------------------------------


def test_the_classifier_is_trained_once_then_cached_and_replaced_if_damaged(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, digits: nn.data.Dataset
) -> None:
    """Weights are identical each time, the caller's random state does not change, and the accuracy is as documented."""
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path))
    path, stream = cache_path(RECIPES["cnn", "digits"]), ag.get_rng_state()
    first = feature_classifier("digits")
    assert ag.get_rng_state() == stream
    whole = path.read_bytes()
    monkeypatch.setattr(nn, "Trainer", None)  # no second training
    again = feature_classifier("digits")
    monkeypatch.undo()
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path))
    path.write_bytes(b"not a network")
    feature_classifier("digits")
    assert path.read_bytes() == whole
    np.testing.assert_array_equal(first(digits.test.images).values, again(digits.test.images).values)
    accuracy = np.mean(first(digits.test.images).labels == digits.test.labels)
    assert accuracy == pytest.approx(ACCURACY["digits"], abs=0.006)  # two images: machines round differently


def test_features_are_the_penultimate_activations_in_batches_or_at_once(digits: nn.data.Dataset) -> None:
    classifier = feature_classifier("digits")
    images = ag.as_tensor(digits.test.images[:30])
    together, parts = classifier(images), classifier.from_batches(images[i : i + 10] for i in (0, 10, 20))
    np.testing.assert_allclose(together.values, parts.values, rtol=1e-5, atol=1e-6)
    assert together.values.min() == 0  # a ReLU's
    logits = classifier.network(images).detach().numpy().astype(float)
    weight, bias = (p.detach().numpy().astype(float) for p in classifier.network.layers[-1].parameters())
    np.testing.assert_allclose(together.values @ weight.T + bias, logits, atol=1e-4)
    np.testing.assert_allclose(together.probabilities.sum(axis=1), 1, rtol=1e-12)


def test_a_data_set_without_a_classifier_raises() -> None:
    with pytest.raises(ValueError, match="no classifier for data set 'letters'; expected one of: digits, mnist"):
        feature_classifier("letters")


def test_the_judge_ranks_real_images_above_noisy_ones(digits: nn.data.Dataset) -> None:
    """Training images are nearest, noisy images farther, noise farthest. Images of one class cover one class."""
    judge = Judge(digits)
    train, rng = digits.train.images, np.random.default_rng(0)
    real = judge.report(lambda n: ag.as_tensor(train[rng.integers(0, len(train), n)]))
    noisy = judge.report(lambda n: ag.as_tensor(train[:n] + rng.normal(0, 0.2, train[:n].shape).astype(np.float32)))
    noise = judge.report(lambda n: ag.as_tensor(rng.random((n, 8, 8), np.float32)))
    assert real.frechet < noisy.frechet < noise.frechet
    assert real.real_frechet == noise.real_frechet < noise.frechet / 10
    assert real.score > 5 > noise.score
    assert min(real.coverage) > 4
    one = digits.train.only(classes=[3]).images
    assert judge.report(lambda n: ag.as_tensor(one[rng.integers(0, len(one), n)])).coverage[3] > 95
    assert f"{real.frechet:.1f}" in str(real)


def test_images_of_another_size_have_similar_features(digits: nn.data.Dataset) -> None:
    classifier = feature_classifier("digits")
    images = digits.test.images[:100]
    large = ag.upsample(images[:, None], 4, mode="bilinear")
    assert np.mean(classifier(large).labels == classifier(images).labels) > 0.9


def test_the_judge_accepts_a_custom_classifier(digits: nn.data.Dataset) -> None:
    judge = Judge(digits, FeatureClassifier(models.CNN((1, 8, 8, 10)), (1, 8, 8)))
    assert judge.frechet(judge.classifier(digits.test.images)) == pytest.approx(0, abs=1e-3)
