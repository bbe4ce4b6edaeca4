"""Runs of GANs: reproducible, resumed, diagnosed; and each model learns."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
import autograd_mini.cli.callbacks
import autograd_mini.cli.run
from autograd_mini import cli, models, nn
from autograd_mini.cli.run import Run, stored_recipe
from autograd_mini.models.gans.diagnosis import ADVICE, diagnose
from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled
from autograd_mini.models.recipes import PRESETS, RECIPES

FAMILY = ("gan", "dcgan", "cgan", "ssgan", "wgan-gp")


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


# -- runs -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILY)
def test_a_run_is_reproducible_and_can_be_interrupted_and_resumed(tmp_path: Path, name: str) -> None:
    """The same recipe gives the same bytes, also after an interruption, with averaged weights and historical averaging."""
    extra = {} if name == "ssgan" else {"options": {"width": 4, "ema": 0.9, "historical": 1e-3}}
    recipe = replace(RECIPES[name, "digits"], **extra, epochs=None, iterations=9, every=4, batch_size=20, frechet=False)
    whole = Run(recipe, tmp_path / "whole", progress=False)
    whole.train()
    assert stored_recipe(tmp_path / "whole") == recipe
    Run(replace(recipe, iterations=4), tmp_path / "parts", progress=False).train()
    rest = Run(recipe, tmp_path / "parts", resume=True, progress=False)
    rest.train()
    for file in ("checkpoint.safetensors", "metrics.csv", "config.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    assert [row["iteration"] for row in rest.trainer.history] == [4, 8, 9]
    samples = sorted(path.name for path in (tmp_path / "whole" / "samples").iterdir())
    assert samples == ["iteration-000004.png", "iteration-000008.png", "iteration-000009.png"]


def test_a_run_writes_its_plots_and_its_diagnosis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.run, "training_graphs", lambda *_: {})
    recipe = replace(RECIPES["cgan", "digits"], iterations=8, every=2)
    run = Run(recipe, tmp_path, progress=False)
    run.train()
    run.write()
    expected = {"loss.png", "balance.png", "frechet.png", "samples.png", "interpolation.png", "diagnosis.txt", "summary.txt"}
    assert expected <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "diagnosis.txt").read_text() == capsys.readouterr().out
    assert "ConvTranspose2d" in (tmp_path / "summary.txt").read_text()
    fresh = recipe.build()
    fresh.load_state_dict(nn.load(tmp_path / "model.safetensors"))
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(array, fresh.state_dict()[name])


def test_the_averaged_weights_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.run, "training_graphs", lambda *_: {})
    options = {"width": 4, "ema": 0.9}
    run = Run(replace(RECIPES["dcgan", "digits"], iterations=6, frechet=False, options=options), tmp_path, progress=False)
    run.train()
    own = run.model.state_dict()
    run.write()
    saved = nn.load(tmp_path / "model.safetensors")
    for (name, _), mean in zip(run.model.generator.named_parameters(), run.model.average.means, strict=True):
        np.testing.assert_array_equal(saved[f"generator.{name}"], mean)
    assert any(np.any(saved[name] != own[name]) for name in own)
    assert all(np.array_equal(run.model.state_dict()[name], own[name]) for name in own)


def test_early_stopping_by_the_frechet_distance_keeps_the_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With mocked distances 3, 1, 2, 2, training ends after the fourth row with the weights of the second."""
    distances = iter([3.0, 1.0, 2.0, 2.0])
    kept: list[dict[str, np.ndarray]] = []

    def log(self: Any, trainer: nn.Trainer, row: dict[str, float]) -> None:
        row["frechet"] = next(distances)
        kept.append(trainer.model.state_dict())

    monkeypatch.setattr(cli.callbacks.FrechetLog, "after_row", log)
    options = {"width": 4, "ema": 0.9}
    recipe = replace(
        RECIPES["dcgan", "digits"], iterations=40, every=2, early_stop="frechet", patience=2, options=options
    )  # fmt: skip
    run = Run(recipe, tmp_path, progress=False)
    run.train()
    assert [row["frechet"] for row in run.trainer.history] == [3.0, 1.0, 2.0, 2.0]
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(array, kept[1][name])
    assert run.trainer.stopped == "frechet was best 2 rows ago"


def test_gan_recipes_are_complete_and_survive_a_json_round_trip() -> None:
    for (name, data), recipe in RECIPES.items():
        for changes in ({}, *(change for (model, _), change in PRESETS.items() if model == name and name in FAMILY)):
            lengths = {"epochs": None, "iterations": None} if {"epochs", "iterations"} & changes.keys() else {}
            full = replace(recipe, **{**lengths, **changes})
            assert json.loads(json.dumps(full.options)) == full.options, (name, data)
            assert (full.epochs is None) != (full.iterations is None)


def test_a_recipe_has_either_epochs_or_iterations() -> None:
    recipe = RECIPES["dcgan", "mnist"]
    assert recipe.with_length() is recipe
    assert dataclasses.asdict(recipe.with_length(iterations=5)) == {**dataclasses.asdict(recipe), "iterations": 5}
    with pytest.raises(ValueError, match="either epochs or iterations"):
        recipe.with_length(epochs=1, iterations=5)
    with pytest.raises(ValueError, match="either epochs or iterations"):
        replace(recipe, iterations=None)
    assert recipe.with_latent(7).sizes == (7, 1, 28, 28)


@pytest.mark.parametrize(
    ("losses", "distances", "verdict"),
    [
        ([0.7, 0.8, 0.75, 0.7], [90, 60, 40, 35], "balanced"),
        ([0.9, 0.7, 0.5, 0.4], [90, 60, 40, 35], "balanced"),
        ([0.7, 1.0, 2.0, 4.0], [90, 60, 40, 35], "the discriminator is too strong"),
        ([0.7, 0.5, 0.3, 0.2], [90, 90, 95, 99], "the generator is too strong"),
    ],
)
def test_the_diagnosis_compares_losses_and_distances(losses: list[float], distances: list[float], verdict: str) -> None:
    pairs = zip(losses, distances, strict=True)
    found = diagnose([{"iteration": 10 * i, "g_loss": g, "frechet": f} for i, (g, f) in enumerate(pairs)])
    assert found is not None
    assert f"at best to {min(distances)}, at iteration {10 * int(np.argmin(distances))}" in str(found)
    assert found.verdict == verdict
    assert all(remedy.text in str(found) for remedy in ADVICE[verdict] if not remedy.is_on({}))


RECORDED = json.loads((Path(__file__).parent / "gan_histories.json").read_text())


@pytest.mark.parametrize("run", RECORDED, ids=[run["run"] for run in RECORDED])
def test_the_diagnosis_agrees_with_recorded_runs(run: dict[str, Any]) -> None:
    """Runs on digits: recipes that give good digits, a D with ten times G's rate, a G with fifty times D's rate."""
    found = diagnose(run["history"], run["options"])
    assert (found and found.verdict) == run["verdict"]


def test_a_discriminator_that_wins_is_never_called_balanced() -> None:
    """D(x) = 0.855 and D(G(z)) = 0.045: D separates the images almost perfectly, whatever the loss does."""
    rows = [{"iteration": i, "g_loss": 3.1, "d_real": 0.855, "d_fake": 0.045, "frechet": 50 - i} for i in range(8)]
    found = diagnose(rows, {"real_label": 0.9, "ema": 0.99})
    assert found is not None
    assert found.verdict == "the discriminator is too strong"
    assert "D(x) is 0.855 and D(G(z)) 0.045" in str(found)


@pytest.mark.parametrize("verdict", ADVICE)
def test_the_diagnosis_suggests_nothing_that_is_on_and_always_something(verdict: str) -> None:
    rows = {
        "the discriminator is too strong": [{"g_loss": g} for g in (1.0, 2.0, 4.0, 8.0)],
        "the generator is too strong": [{"g_loss": 1 / (i + 1), "frechet": 9.0, "iteration": i} for i in range(4)],
        "the images have become worse": [{"g_loss": 1.0, "frechet": 9.0 + i**3, "iteration": i} for i in range(4)],
        "balanced": [{"g_loss": 1.0}] * 4,
    }[verdict]
    everything = {"real_label": 0.9, "dropout": 0.5, "noise": 0.1, "g_times": 2, "g_every": 2, "pretrain": 9, "minibatch": 9}
    for options in ({}, everything, {**everything, "ema": 0.9, "early_stop": "frechet"}, {"g_every": 1, "g_times": 1}):
        found = diagnose(rows, options)
        assert found is not None
        assert found.verdict == verdict
        assert found.advice
        assert [r.text for r in ADVICE[verdict] if r.text in found.advice] == [
            r.text for r in ADVICE[verdict] if not r.is_on(options)
        ]


def test_there_is_no_diagnosis_without_a_positive_loss() -> None:
    assert diagnose([{"loss": 1.0}] * 8) is None
    assert diagnose([{"g_loss": 1.0}] * 3) is None
    assert diagnose([{"g_loss": loss} for loss in (1.0, 0.5, -0.5, -1.0)]) is None


# -- they learn ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "iterations", "most"), [("gan", 300, 0.5), ("dcgan", 400, 0.3), ("wgan-gp", 600, 0.3)])
def test_training_lowers_the_frechet_distance(digits: nn.data.Dataset, name: str, iterations: int, most: float) -> None:
    """The Fréchet distance falls below this share of the untrained generator's."""
    judge = models.metrics.Judge(digits)
    ag.manual_seed(0)
    recipe = RECIPES[name, "digits"]
    model = recipe.build()
    before = judge.frechet(judge.features(model.sample))
    batches = nn.data.DataLoader(digits.train, batch_size=64, shuffle=True)
    nn.Trainer(model, model.updates(1e-3), progress=False).fit(batches, iterations=iterations)
    assert judge.frechet(judge.features(model.sample)) < most * before


def test_a_conditional_gan_learns_to_generate_the_requested_class(digits: nn.data.Dataset) -> None:
    ag.manual_seed(0)
    model = RECIPES["cgan", "digits"].build()
    batches = nn.data.DataLoader(digits.train, batch_size=64, shuffle=True)
    nn.Trainer(model, model.updates(1e-3), progress=False).fit(batches, iterations=500)
    found = models.metrics.feature_classifier("digits")(model.sample(500)).labels
    assert np.mean(found == np.arange(500) % 10) > 0.6


def test_a_semi_supervised_gan_learns_from_labels_and_images(digits: nn.data.Dataset) -> None:
    """50 of 1442 images have labels. Chance accuracy is 10 %."""
    ag.manual_seed(0)
    model = RECIPES["ssgan", "digits"].build()
    model.init_from_data(digits.train.images[:100])
    batches = nn.data.DataLoader(PartlyLabelled(digits.train, 5, 0), batch_size=100, shuffle=True)
    nn.Trainer(model, model.updates(3e-3), callbacks=model.callbacks(), progress=False).fit(batches, 3)
    with model.average.average_parameters():
        accuracy = np.mean(model.predict(digits.test.images).numpy() == digits.test.labels)
    assert accuracy > 0.6


@pytest.mark.skipif("AUTOGRAD_MINI_DATA" not in os.environ, reason="AUTOGRAD_MINI_DATA is not set: no MNIST")
def test_every_model_trains_on_mnist() -> None:
    data = nn.data.mnist().train
    for name in FAMILY:
        model = RECIPES[name, "mnist"].build()
        images, labels = data[:20]
        for update in model.updates(1e-3).values():
            losses = update.step((ag.as_tensor(images), ag.as_tensor(labels)))
            assert np.isfinite(losses["loss"].item())
