"""Fréchet distances of images without a classifier of their own: in features of a CNN trained on their labels, or untrained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.__main__ import main
from autograd_mini.models.metrics import Judge, features_for, own_features
from autograd_mini.models.metrics.features import cache_path
from autograd_mini.models.recipes import RECIPES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def renamed(data: nn.data.Dataset, *, labels: bool) -> nn.data.Dataset:
    """The same images under a name that has no recipe, with or without their labels."""
    if labels:
        return replace(data, name="mine")
    train, test = (nn.data.Split(part.images, 0 * part.labels) for part in (data.train, data.test))
    return nn.data.Dataset("mine", train, test, ("mine",))


@pytest.mark.parametrize("labels", [True, False])
def test_worse_images_are_farther_from_real_ones(cache: Path, digits: nn.data.Dataset, labels: bool) -> None:
    """Noise, blur, copies of few images and a missing variety are each farther than unseen real images; more noise is worse."""
    judge = Judge(renamed(digits, labels=labels))
    train, count, rng = digits.train.images, len(digits.test), np.random.default_rng(0)
    real, others = train[:count], train[count : 2 * count]

    def distance(images: np.ndarray) -> float:
        return judge.frechet(judge.classifier(images.astype(np.float32)))

    blurred = (real + np.roll(real, 1, 1) + np.roll(real, 1, 2) + np.roll(real, (1, 1), (1, 2))) / 4
    bad = [blurred, np.repeat(real[:10], 36, axis=0)[:count], digits.train.only([3]).images]
    noisy = [distance(real + rng.normal(0, amount, real.shape)) for amount in (0.2, 0.4, 1.0)]
    assert min(map(distance, bad)) > 4 * distance(others)
    assert distance(real) < noisy[0] < noisy[1] < noisy[2]
    assert distance(digits.test.images) == pytest.approx(0, abs=1e-3)


def test_the_features_are_named_and_know_classes_only_with_labels(cache: Path, digits: nn.data.Dataset) -> None:
    few = replace(digits, train=digits.train.only(limit_per_class=5), name="mine")
    stream = ag.get_rng_state()
    trained, untrained = features_for(few), features_for(renamed(few, labels=False))
    assert ag.get_rng_state() == stream
    assert "trained on the labels of the training images (test accuracy 0." in trained.description
    assert (trained.classifies, untrained.classifies) == (True, False)
    assert untrained.description == "a CNN with random weights"
    assert features_for(digits).description == "the classifier of digits"
    report = Judge(few, untrained).report(lambda n: ag.as_tensor(few.train.images[np.arange(n) % 50]))
    assert np.isnan(report.score)
    assert report.coverage == ()
    assert "in the features of a CNN with random weights" in str(report)


def test_a_classifier_is_cached_by_the_content_of_the_images(
    cache: Path, digits: nn.data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_features, "BATCHES", 3)
    few = replace(digits, train=digits.train.only(limit_per_class=2), name="mine")
    first = features_for(few)
    (path,) = (cache / "classifiers").iterdir()
    written = path.stat().st_mtime_ns
    again = features_for(replace(few, name="moved"))
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first(few.test.images).values, again(few.test.images).values)
    features_for(replace(few, train=nn.data.Split(1 - few.train.images, few.train.labels)))
    features_for(replace(few, train=nn.data.Split(few.train.images, few.train.labels[::-1])))
    assert len(list((cache / "classifiers").iterdir())) == 3


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_images_of_any_shape_have_features(channels: int) -> None:
    images = np.random.default_rng(0).random((6, channels, 9, 17)).astype(np.float32)
    split = nn.data.Split(images, np.zeros(6, np.int64))
    judge = Judge(nn.data.Dataset("mine", split, split, ("mine",)))
    assert judge.report(lambda n: ag.as_tensor(images[:n])).frechet == pytest.approx(0, abs=1e-3)


def test_one_test_image_is_too_few(digits: nn.data.Dataset) -> None:
    with pytest.raises(ValueError, match="mine: the Fréchet distance needs two or more test images, got 1"):
        Judge(replace(digits, name="mine", test=nn.data.Split(digits.test.images[:1], digits.test.labels[:1])))


def test_a_new_field_of_recipes_does_not_change_the_cache() -> None:
    """Fields with their default do not count; others do."""
    recipe = RECIPES["cnn", "digits"]
    assert cache_path(replace(recipe, patience=recipe.patience)) == cache_path(recipe)
    assert cache_path(replace(recipe, lr=0.5)) != cache_path(recipe) != cache_path(replace(recipe, patience=6))


@pytest.mark.parametrize("labels", [True, False])
def test_the_command_line_evaluates_a_gan_of_own_pictures(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: bool
) -> None:
    """The distance is logged on request, and evaluated with the name of the features."""
    monkeypatch.setattr(own_features, "BATCHES", 3)
    rng = np.random.default_rng(0)
    for i in range(16):
        folder = tmp_path / "pictures" / (("cats", "dogs")[i % 2] if labels else "")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 17, 3), np.uint8)).save(folder / f"{i}.png")
    run = tmp_path / "run"
    flags = ["--iterations", "2", "--every", "1", "--frechet", "--option", "width=8", "--out", str(run)]
    assert main(["train", "cgan" if labels else "gan", "--data", str(tmp_path / "pictures"), *flags]) == 0
    assert "frechet" in (run / "metrics.csv").read_text().splitlines()[0]
    assert main(["evaluate", str(run)]) == 0
    tables = json.loads((run / "evaluation.json").read_text())
    (title,) = (name for name in tables if "generated images, in the features of" in name)
    assert ("a CNN trained on the labels" if labels else "a CNN with random weights") in title
    assert [row[""] for row in tables[title]] == ["generated", "real"]
    assert all(np.isfinite(row["Fréchet distance"]) for row in tables[title])
    assert ("share of images that have the requested class" in tables) == labels
