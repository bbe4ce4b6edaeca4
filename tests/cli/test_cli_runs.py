"""Commands for finished runs: evaluate, sample, interpolate, compare, list; and runs on the user's own images."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.__main__ import main
from autograd_mini.cli import datasets
from autograd_mini.cli import options as choose
from autograd_mini.cli.evaluate import evaluate
from autograd_mini.cli.finished_run import open_run
from autograd_mini.cli.run import Run
from autograd_mini.models.recipes import MODELS, RECIPES

SHORT = {"mlp": "--epochs", "ae": "--epochs", "vae": "--epochs", "cgan": "--iterations"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short run of each kind that the commands distinguish."""
    root = tmp_path_factory.mktemp("runs")
    for model, length in SHORT.items():
        assert main(["train", model, "--limit-per-class", "20", length, "3", "--out", str(root / model)]) == 0
    return root


def test_evaluation_gives_the_accuracy_of_the_end_of_training(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is computed again from the saved weights."""
    assert main(["evaluate", str(runs / "mlp")]) == 0
    found = json.loads((runs / "mlp" / "evaluation.json").read_text())
    with (runs / "mlp" / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    (row,) = found["classification"]
    assert row["accuracy"] == pytest.approx(float(last["val_accuracy"]))
    assert row["errors"] == round((1 - row["accuracy"]) * row["test images"])
    confusion = found["confusion: true class by row, predicted class by column"]
    assert sum(line[line[""]] for line in confusion) == row["test images"] - row["errors"]
    assert "| accuracy |" in capsys.readouterr().out


def test_evaluations_depend_on_the_kind_of_model(runs: Path) -> None:
    kinds = {"ae": "latent space", "vae": "likelihood", "cgan": "share of images"}
    for model, table in kinds.items():
        assert main(["evaluate", str(runs / model), "--k", "20"]) == 0
        found = json.loads((runs / model / "evaluation.json").read_text())
        assert any(name.startswith(table) for name in found), found.keys()
        assert not any(name.startswith(other) for name in found for other in set(kinds.values()) - {table, "latent space"})


def test_a_run_on_some_classes_is_evaluated_only_on_these_classes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(["train", "mlp", "--classes", "0,1", "--epochs", "1", "--out", str(folder)]) == 0
    assert main(["evaluate", str(folder)]) == 0
    (row,) = json.loads((folder / "evaluation.json").read_text())["classification"]
    assert row["test images"] == len(nn.data.digits().test.only([0, 1]))


def test_more_draws_tighten_the_bound(runs: Path) -> None:
    vae, data = open_run(runs / "vae").model, nn.data.digits()
    found = evaluate(vae, data, k=20)["likelihood, nats per test image"][0]
    assert found["−L_20"] < found["−ELBO"]


def test_the_same_seed_draws_the_same_images(runs: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, seed in zip(paths, ("1", "1", "2"), strict=True):
        assert main(["sample", str(runs / "vae"), "--n", "9", "--seed", seed, "--out", str(path)]) == 0
    first, same, other = (path.read_bytes() for path in paths)
    assert first == same != other


def test_images_are_saved_in_the_folder_of_the_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, name in (
        (["sample", "cgan", "--digit", "3"], "samples-3.png"),
        (["interpolate", "ae"], "interpolation.png"),
    ):
        command, model, *flags = arguments
        assert main([command, str(runs / model), *flags]) == 0
        assert capsys.readouterr().out.strip() == str(runs / model / name)
        assert (runs / model / name).read_bytes().startswith(b"\x89PNG")


def test_compare_gives_a_row_and_a_curve_for_each_run(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "comparison.svg"
    assert main(["compare", str(runs / "ae"), str(runs / "vae"), "--out", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:] == ["ae", "vae"]
    assert "val_loss" in lines[0]
    assert path.read_text().count("<!-- val_loss -->") == 1
    assert path.read_text().count("<!-- epoch -->") == 1


@pytest.mark.parametrize(
    ("model", "length", "unit", "places"),
    [
        ("mlp", {"epochs": 3}, "epoch", [1, 2, 3]),
        ("mlp", {"epochs": 2, "every": 2}, "iteration", [2, 4, 6, 8]),
        ("gan", {"iterations": 5, "every": 2}, "iteration", [2, 4, 5]),
    ],
)
def test_curves_use_the_unit_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, length: dict[str, int], unit: str, places: list[int]
) -> None:
    figures = []
    for name in ("plot_losses", "plot_gan"):
        plot = getattr(viz, name)
        monkeypatch.setattr(viz, name, lambda *given, plot=plot, **named: figures.append(plot(*given, **named)))
    flags = [text for flag, value in length.items() for text in (f"--{flag}", str(value))]
    command = ["train", model, "--limit-per-class", "10", "--batch-size", "25", *flags]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert main(["compare", str(tmp_path / "run"), "--metric", "epoch", "--out", str(tmp_path / "comparison.svg")]) == 0
    assert len(figures) == {"mlp": 3, "gan": 4}[model]
    for figure in figures:
        assert figure.axes[0].get_xlabel() == unit
        assert figure.axes[0].lines[0].get_xdata().tolist() == places


def test_runs_that_count_differently_are_compared_over_iterations(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "comparison.svg"
    assert main(["compare", str(runs / "ae"), str(runs / "cgan"), "--metric", "iteration", "--out", str(path)]) == 0
    assert path.read_text().count("<!-- iteration -->") == 2


def test_list_shows_models_and_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be read does not hide the others."""
    (runs / "damaged").mkdir()
    (runs / "damaged" / "config.json").write_text("{")
    assert main(["list", "--runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    (runs / "damaged" / "config.json").unlink()
    for name in (*MODELS, "report-gan", "cifar10", str(runs / "vae"), "unreadable"):
        assert f"| {name} " in printed or f"{name}" in printed, name
    assert main(["list", "--runs", str(runs / "nowhere")]) == 0
    assert capsys.readouterr().out.strip().endswith("runs\n\nnone")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "ae"], "ae cannot generate images"),
        (["sample", "vae", "--digit", "3"], "vae is not conditional"),
        (["sample", "cgan", "--digit", "12"], "--class 12: no such class; available: 0, 1, 2"),
        (["sample", "vae", "--out", "x.gif"], "x.gif: expected a name that ends in .png"),
        (["interpolate", "mlp"], "mlp has no latent space"),
        (["compare", "mlp", "cgan", "--metric", "val_accuracy"], "not all runs have val_accuracy"),
        (["evaluate", "nowhere"], "config.json: no such file"),
        (["compare", "nowhere"], "nowhere"),
    ],
)
def test_an_unsupported_command_is_reported_in_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(runs)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("autograd-mini: ")
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_weights_of_another_model_are_rejected(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((runs / "mlp" / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"sizes": [64, 7, 10]}))
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "the weights do not match the recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"model": "perceptron"}, "unknown model 'perceptron'; expected one of: mlp"),
        ({"lr": "fast"}, "lr is 'fast'"),
        ({"epochs": "5"}, "epochs is '5'"),
        ({"classes": 3}, "classes is 3"),
        ({"options": [1]}, "options is (1,)"),
        ({"options": {"colour": 1}}, "unexpected keyword argument 'colour'"),
        ({"sizes": ["many", 10]}, "sizes is ('many', 10)"),
        ({"sizes": [[64], 10]}, "sizes is ([64], 10)"),
        ({"epochs": True}, "epochs is True"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"classes": [0, None]}, "classes is (0, None)"),
    ],
)
def test_an_invalid_recipe_is_reported(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs / "mlp", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | written))
    for command in ("resume", "evaluate"):
        assert main([command, str(folder)]) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1


@pytest.mark.parametrize("missing", ["random", "model.layers.0.weight"])
def test_an_incomplete_checkpoint_is_reported(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs / "mlp", folder)
    path = folder / "checkpoint.safetensors"
    arrays, notes = nn.load(path), nn.load_metadata(path)
    outline = json.loads(notes["checkpoint"])
    assert (arrays if missing in arrays else outline).pop(missing) is not None
    nn.save(path, arrays, {"checkpoint": json.dumps(outline)})
    assert main(["resume", str(folder), "--epochs", "9"]) == 2
    printed = capsys.readouterr().err
    assert f"{missing}" in printed
    assert "missing" in printed


def test_an_interrupted_run_is_opened_from_its_checkpoint(runs: Path, tmp_path: Path) -> None:
    for name in ("config.json", "checkpoint.safetensors"):
        (tmp_path / name).write_bytes((runs / "mlp" / name).read_bytes())
    whole, killed = (open_run(folder).model.state_dict() for folder in (runs / "mlp", tmp_path))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, killed[name])


# -- flags that change a recipe --------------------------------------------------------------------------------------------


def test_options_of_the_model_are_part_of_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "vae", "--limit-per-class", "5", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main([*command, "--option", "beta=4", "--option", "likelihood=gaussian"]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"] == {"beta": 4, "likelihood": "gaussian"}
    for option, message in (
        ("colour=3", "vae has no option colour; available: activation, likelihood"),
        ("beta", "expected NAME=VALUE, got 'beta'"),
        ("likelihood=poisson", "poisson"),
        ("beta=much", "beta: expected a value such as 1.0, got 'much'"),
    ):
        assert main([*command, "--option", option, "--out", str(tmp_path / "other")]) == 2
        assert message in capsys.readouterr().err


def test_early_stopping_ends_a_run_and_keeps_its_best_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best accuracy is the highest one, and the saved weights have this accuracy."""
    flags = ["--lr", "0.3", "--epochs", "50", "--early-stop", "val_accuracy", "--patience", "3"]
    folder = tmp_path / "run"
    assert main(["train", "mlp", *flags, "--out", str(folder)]) == 0
    assert "stopped early: val_accuracy was best 3 rows ago" in capsys.readouterr().out
    with (folder / "metrics.csv").open() as file:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) < 50
    assert accuracies.index(max(accuracies)) == len(accuracies) - 4
    found = evaluate(open_run(folder).model, nn.data.digits(), k=1)["classification"][0]
    assert found["accuracy"] == pytest.approx(max(accuracies))


def test_early_stopping_on_an_unknown_metric_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--limit-per-class", "5", "--early-stop", "frechet", "--out", str(tmp_path / "run")]
    assert main(["train", "mlp", *flags]) == 2
    assert "expected one of epoch, iteration, loss, accuracy, val_loss, val_accuracy, not 'frechet'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists(), "reported before training, not after its first row"


@pytest.mark.parametrize("model", MODELS)
def test_early_stopping_accepts_exactly_the_logged_metrics(tmp_path: Path, model: str) -> None:
    """Checking the names does not change the run."""
    recipe = replace(
        RECIPES[model, "digits"].with_length(iterations=2), every=1, limit_per_class=5, batch_size=25, frechet=False
    )
    rows = []
    for name, watched in (("plain", None), ("watched", "nothing")):
        run = Run(recipe, tmp_path / name, progress=False)
        if watched:
            with pytest.raises(ValueError, match="not 'nothing'") as error:
                run._check_metric("early stopping", watched)
        run.train()
        rows.append(run.trainer.history)
    assert rows[0] == rows[1]
    assert str(error.value).partition("expected one of ")[2] == f"{', '.join(rows[0][0])}, not 'nothing'"


# -- a folder of images ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Creates a folder with two classes, dark and bright, of ten images each."""
    from PIL import Image

    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    for name, shade in (("bright", 200), ("dark", 20)):
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray((shade + rng.integers(0, 40, (20, 30, 3))).astype(np.uint8)).save(root / name / f"{i}.png")
    return root


def test_a_classifier_learns_the_classes_of_a_folder(pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The recipe stores the absolute path, so a run on a relative path can be resumed from another folder."""
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mlp", "--data", "pictures", "--epochs", "3", "--batch-size", "4"]) == 0
    monkeypatch.chdir(pictures)
    folder = tmp_path / "runs" / "mlp-pictures"
    assert main(["resume", str(folder), "--epochs", "8"]) == 0
    assert main(["evaluate", str(folder)]) == 0
    (row,) = json.loads((folder / "evaluation.json").read_text())["classification"]
    assert (row["test images"], row["accuracy"]) == (4, 1.0)


@pytest.mark.parametrize(
    ("model", "flags", "shape"),
    [("dcgan", ["--preset", "dcgan-64"], (3, 64, 64)), ("cgan", [], (3, 20, 30)), ("ae", [], (3, 20, 30))],
)
def test_images_keep_their_size_unless_the_model_has_one(
    pictures: Path, model: str, flags: list[str], shape: tuple[int, ...]
) -> None:
    preset = flags[-1] if flags else None
    recipe = choose.choose(model, str(pictures), preset)
    assert datasets.image_shape(recipe) == shape
    data = datasets.load(recipe)
    assert data.image_shape == (shape if shape[0] == 3 else shape[1:])
    losses = recipe.build().training_step(tuple(map(ag.as_tensor, data.train[:4])))
    assert np.isfinite(losses["loss"].item())


def test_a_folder_without_enough_images_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    (tmp_path / "few").mkdir()
    assert main(["train", "ae", "--data", str(tmp_path / "few"), "--out", str(tmp_path / "run")]) == 2
    assert ": no images (" in capsys.readouterr().err
    Image.new("RGB", (8, 8)).save(tmp_path / "few" / "1.png")
    assert main(["train", "ae", "--data", str(tmp_path / "few"), "--out", str(tmp_path / "run")]) == 2
    assert "1 image in 1 class: too few to keep a fifth" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # nothing is left behind
    (tmp_path / "mine").mkdir()
    assert main(["train", "ae", "--data", str(tmp_path / "few"), "--out", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine").is_dir()  # it was there before


def test_options_that_an_image_folder_does_not_support_are_reported(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A classifier with one class."""
    out = ["--out", str(pictures.parent / "run")]
    assert main(["train", "mlp", "--data", str(pictures / "dark"), *out]) == 2
    assert "has no class folders" in capsys.readouterr().err


def test_resume_rejects_fewer_epochs_than_trained(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stored configuration is unchanged."""
    config = runs / "mlp" / "config.json"
    before = config.read_text()
    assert main(["resume", str(runs / "mlp"), "--epochs", "2"]) == 2
    assert "is already trained for 3 epochs" in capsys.readouterr().err
    assert config.read_text() == before


def test_a_few_images_are_enough_for_a_run(tmp_path: Path) -> None:
    """One of three images is used for testing; this is too few for a plot of latent space."""
    from PIL import Image

    for i in range(3):
        (tmp_path / "few").mkdir(exist_ok=True)
        Image.fromarray(np.full((28, 28), 80 * i, np.uint8)).save(tmp_path / "few" / f"{i}.png")
    assert main(["train", "vae", "--data", str(tmp_path / "few"), "--epochs", "1", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "summary.txt").exists()
    assert main(["evaluate", str(tmp_path / "run"), "--k", "2"]) == 0
