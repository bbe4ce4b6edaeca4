"""Your own images on the command line: classes belong to the run by name, and nothing changes silently."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograd_mini import nn
from autograd_mini.__main__ import main
from autograd_mini.cli import datasets
from autograd_mini.cli.classes import class_names, label_of, with_classes
from autograd_mini.cli.options import choose
from autograd_mini.cli.run import Run, stored_recipe
from autograd_mini.models.recipes import RECIPES

ROOT = Path(__file__).parent.parent.parent
CLASSES = {"cats": (200, 60, 40), "cows": (40, 200, 60), "dogs": (60, 40, 200)}
TRAIN = ["--epochs", "1", "--batch-size", "4"]


def make_pictures(root: Path, names: tuple[str, ...] = tuple(CLASSES), count: int = 6) -> Path:
    """Creates colour pictures of 30×50 pixels of some classes: a class has a colour, with noise."""
    rng = np.random.default_rng(0)
    for name, colour in zip(names, CLASSES.values(), strict=False):
        (root / name).mkdir(parents=True)
        for i in range(count):
            noise = rng.integers(-40, 40, (30, 50, 3))
            Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plots of a run take most of its time, and follow from the checkpoint."""
    monkeypatch.setattr(Run, "write", lambda run: None)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "pets")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of pictures and a run of a classifier on it; tests work on copies."""
    place = tmp_path_factory.mktemp("trained")
    make_pictures(place / "pets")
    assert main(["train", "mlp", "--data", str(place / "pets"), *TRAIN, "--out", str(place / "run")]) == 0
    return place / "pets", place / "run"


def copy(trained: tuple[Path, Path], place: Path) -> tuple[Path, Path]:
    pets, run = (Path(shutil.copytree(folder, place / folder.name)) for folder in trained)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "data": str(pets)}))
    return pets, run


# -- classes ---------------------------------------------------------------------------------------------------------------


def test_config_and_checkpoint_have_the_names_of_the_classes(trained: tuple[Path, Path]) -> None:
    _, run = trained
    assert json.loads((run / "config.json").read_text())["class_names"] == list(CLASSES)
    state = nn.training.checkpoint.load_checkpoint(run / "checkpoint.safetensors")
    assert state["notes"]["classes"] == list(CLASSES)


CHANGES = {
    "renamed": (lambda pets: (pets / "cows").rename(pets / "ants"), "ants, cats, dogs"),
    "removed": (lambda pets: shutil.rmtree(pets / "cows"), "cats, dogs"),
    "added": (lambda pets: shutil.copytree(pets / "cows", pets / "ants"), "ants, cats, cows, dogs"),
    "flat": (
        lambda pets: [shutil.rmtree(pets / name) for name in CLASSES] + [Image.new("L", (9, 9)).save(pets / "1.png")],
        "none",
    ),
}


@pytest.mark.parametrize("command", ["evaluate", "resume"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_with_other_classes_is_refused_and_both_lists_are_named(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, change: str
) -> None:
    """With a renamed class, all labels behind it would be others, and accuracy would drop without a word."""
    pets, run = copy(trained, tmp_path)
    alter, found = CHANGES[change]
    alter(pets)
    capsys.readouterr()
    assert main([command, str(run), *(["--epochs", "2"] if command == "resume" else [])]) == 2
    printed = capsys.readouterr().err
    assert f"the classes of the run are cats, cows, dogs, but those of the folder are {found}; restore" in printed
    assert printed.count("\n") == 1


def test_a_checkpoint_with_other_classes_than_its_configuration_is_refused(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = copy(trained, tmp_path)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "class_names": ["dogs", "cows", "cats"]}))
    for command in ("evaluate", "resume"):
        assert main([command, str(run)]) == 2
        expected = "the classes of the checkpoint are cats, cows, dogs, but those in config.json are dogs, cows, cats"
        assert expected in capsys.readouterr().err


def test_files_for_training_that_changed_are_said_or_refused(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another split would test on images of the training; another order would not be the same run."""
    pets, run = copy(trained, tmp_path)
    assert main(["evaluate", str(run)]) == 0
    assert "since training" not in capsys.readouterr().err
    Image.new("RGB", (50, 30)).save(pets / "cats" / "new.png")
    assert main(["evaluate", str(run)]) == 0
    assert "files were added, removed or renamed since training" in capsys.readouterr().err
    assert main(["resume", str(run), "--epochs", "2"]) == 2
    assert "files for training were added, removed or renamed" in capsys.readouterr().err


def test_classes_can_be_chosen_and_ordered_by_name(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A class that was not chosen may change."""
    flags = ["train", "mlp", "--data", str(pets), *TRAIN]
    assert main([*flags, "--classes", "dogs, cats", "--out", str(tmp_path / "run")]) == 0
    recipe = stored_recipe(tmp_path / "run")
    assert (recipe.class_names, recipe.classes, recipe.sizes[-1]) == (("dogs", "cats"), ("dogs", "cats"), 2)
    data = datasets.load(recipe)
    red, blue = data.train.images[:, 0].mean((1, 2)), data.train.images[:, 2].mean((1, 2))
    assert (data.train.labels == (red > blue)).all()
    (pets / "cows").rename(pets / "birds")
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    for wrong, message in (
        ("cats,ants", "--classes ants: no such class; available: birds, cats, dogs"),
        ("dogs,dogs", "different names"),
    ):
        assert main([*flags, "--classes", wrong, "--out", str(tmp_path / "other")]) == 2
        assert message in capsys.readouterr().err
    (pets / "cats").rename(pets / "kittens")
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "classes of the run are dogs, cats, but those of the folder are birds, dogs, kittens" in capsys.readouterr().err


def test_numbers_are_names_first_and_labels_otherwise(tmp_path: Path) -> None:
    numbers = make_pictures(tmp_path / "numbers", ("10", "2", "1"))
    recipe = choose("mlp", str(numbers))
    assert class_names(recipe) == ("1", "2", "10")
    assert with_classes(recipe, "10,1").class_names == ("10", "1")
    assert [label_of(recipe, entry) for entry in ("10", "2", "1", "0")] == [2, 1, 0, 0]
    fashion = RECIPES["cnn", "fashion_mnist"]
    assert with_classes(fashion, "trouser,9,T-shirt/top").classes == (1, 9, 0)
    with pytest.raises(ValueError, match="--classes 10: no such class; available: T-shirt/top, trouser"):
        with_classes(fashion, "10")


def test_a_conditional_model_samples_a_class_by_its_name(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ["--iterations", "2", "--every", "2", "--batch-size", "4", "--option", "width=4"]
    assert main(["train", "cgan", "--data", str(pets), *flags, "--out", str(run)]) == 0
    shutil.rmtree(pets)  # the names are those of the run
    for name in ("dogs", "2"):
        assert main(["sample", str(run), "--n", "4", "--class", name, "--format", "npz"]) == 0
        assert np.load(run / f"samples-{name}.npz")["labels"].tolist() == [2] * 4
    capsys.readouterr()
    assert main(["sample", str(run), "--class", "a/b"]) == 2
    assert "--class a/b: no such class; available: cats, cows, dogs" in capsys.readouterr().err


def test_names_of_classes_may_be_any_bytes(tmp_path: Path) -> None:
    """A file system may have names that are not text; results with such names are still written and read."""
    names = [os.fsdecode(b"d\xff"), "\n x", "犬"]
    nn.training.checkpoint.write_text(tmp_path / "names.json", json.dumps(names, ensure_ascii=False))
    assert json.loads((tmp_path / "names.json").read_text(encoding="utf-8")) == names


def test_runs_of_older_versions_have_no_names_and_sorted_numbers_as_text(tmp_path: Path) -> None:
    numbers = make_pictures(tmp_path / "numbers", ("10", "2", "1"))
    recipe = replace(choose("mlp", str(numbers)), class_names=None)
    assert datasets.load(recipe).classes == ("1", "10", "2")


# -- layouts and files -----------------------------------------------------------------------------------------------------


def test_the_present_folder_is_data_and_its_runs_are_no_class(
    pets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pets)
    for run in ("runs/mlp-pets", "runs/mlp-pets-2"):
        assert main(["train", "mlp", "--data", ".", *TRAIN]) == 0
        assert stored_recipe(Path(run)).class_names == tuple(CLASSES)
    assert "pets: skipped 2 folders of training runs (runs/mlp-pets, runs/mlp-pets-2)" in capsys.readouterr().err
    assert main(["resume", "runs/mlp-pets", "--epochs", "2"]) == 0
    assert main(["train", "mlp", "--data", "runs/mlp-pets", *TRAIN]) == 2
    assert "the folder of a training run, not of pictures" in capsys.readouterr().err


def test_train_and_test_folders_are_used_as_they_are(tmp_path: Path) -> None:
    make_pictures(tmp_path / "data" / "train", count=4)
    make_pictures(tmp_path / "data" / "valid", count=2)
    assert main(["train", "cnn", "--data", str(tmp_path / "data"), *TRAIN, "--out", str(tmp_path / "run")]) == 0
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    (row,) = json.loads((tmp_path / "run" / "evaluation.json").read_text())["classification"]
    data = datasets.load(stored_recipe(tmp_path / "run"))
    assert (row["test images"], len(data.train), data.classes) == (6, 12, tuple(CLASSES))


def test_transparency_and_damaged_files_follow_the_options_also_when_resumed(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in CLASSES:
        for i in range(6):
            Image.new("RGBA", (50, 30), (0, 0, 0, 0)).save(pets / name / f"{i}.png")
    flags = ["train", "mlp", "--data", str(pets), *TRAIN, "--out", str(tmp_path / "run")]
    assert main([*flags, "--background", "nocolour"]) == 2
    assert "background='nocolour': expected a colour, such as white" in capsys.readouterr().err
    damaged = pets / "cats" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:50])
    assert main([*flags, "--background", "#ff0000"]) == 2
    assert f"{damaged}: cannot be read as an image" in capsys.readouterr().err
    assert main([*flags, "--background", "#ff0000", "--skip-damaged"]) == 0
    assert f"skipped: {damaged}: cannot be read as an image" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "run"), "--epochs", "2"]) == 0
    recipe = stored_recipe(tmp_path / "run")
    images = datasets.load(recipe).train.images
    assert (recipe.background, recipe.skip_damaged) == ("#ff0000", True)
    assert (images[:, 0].min(), images[:, 1:].max()) == (1, 0)
    assert datasets.load(replace(recipe, background="white")).train.images.min() == 1
    for option in (["--background", "red"], ["--skip-damaged"]):
        assert main(["train", "mlp", *option]) == 2
        assert f"{option[0]} is only for folders of images" in capsys.readouterr().err


# -- killed and resumed ----------------------------------------------------------------------------------------------------

# Forks of one process train; each kills itself before the given number of renames, and the last one runs to the end.
PROGRAM = """
import os, signal, sys
from autograd_mini.__main__ import main

def train(arguments, limit):
    count, rename = 0, os.replace
    def replace(*names):
        nonlocal count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(*names)
    os.replace = replace
    return main(arguments)

data, place, model = sys.argv[1:]
first = ["train", model, "--data", data, "--epochs", "4", "--batch-size", "4", "--every", "3"]
for name, limits in (("whole", [-1]), ("killed", [5, 8, -1])):
    folder = os.path.join(place, name)
    for turn, limit in enumerate(limits):
        process = os.fork()
        if not process:
            os._exit(train(["resume", folder] if turn else [*first, "--out", folder], limit))
        _, status = os.waitpid(process, 0)
        assert os.waitstatus_to_exitcode(status) == (0 if limit < 0 else -signal.SIGKILL), (name, turn, status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_classifier_of_a_folder_that_is_killed_twice_ends_with_the_same_bytes(tmp_path: Path, model: str) -> None:
    """Training images of 30×50 pixels in three classes; all files are compared, pictures too."""
    pets = make_pictures(tmp_path / "pets")
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(pets), str(tmp_path), model],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    whole, killed = (
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("whole", "killed")
    )
    assert {"checkpoint.safetensors", "model.safetensors", "metrics.csv", "confusion.png"} <= whole.keys()
    del whole["timing.csv"], killed["timing.csv"]
    assert [name for name in whole.keys() | killed.keys() if whole.get(name) != killed.get(name)] == []
