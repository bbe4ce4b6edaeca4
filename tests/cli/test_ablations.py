"""Ablations: each one runs with --quick, rows are compared fairly, and the verdicts follow from the numbers."""

from __future__ import annotations

import doctest
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from autograd_mini import nn
from autograd_mini.__main__ import main
from autograd_mini.cli.scripts import scripts
from autograd_mini.nn.data import transforms as t


def example(name: str) -> Any:
    """Imports a module of the examples."""
    folder = "" if name == "study" else "exercises." if name.startswith("exercise") else "ablations."
    return importlib.import_module(f"autograd_mini.examples.{folder}{name}")


@pytest.fixture(scope="module")
def classification() -> ModuleType:
    return example("classification")


@pytest.fixture(scope="module")
def task(classification: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A task with a hundred labelled images of the bundled digits and a few steps."""
    study = example("study").Study(tmp_path_factory.mktemp("study"), quick=True)
    return classification.make_tasks(study, images=100, steps=3)


# -- the scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scripts("ablation"))
def test_quick_mode_compares_every_row_with_the_first(name: str, tmp_path: Path) -> None:
    assert main(["ablation", name, "--quick", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    (rows,) = result["tables"].values()
    compared = list(rows[0])[1]
    assert len({row[""] for row in rows}) == len(rows) > 1
    assert [row[f"gain in {compared}"] == "" for row in rows] == [True] + [False] * (len(rows) - 1)
    assert all("±" in cell for row in rows[1:] for column, cell in row.items() if column)
    page = (tmp_path / "result.md").read_text()
    assert all(f"{row['']} (" in page for row in rows[1:]), "the verdict names each row"
    assert "comparison.png" in result["figures"]
    assert all((tmp_path / figure).read_bytes().startswith(b"\x89PNG") for figure in result["figures"])


@pytest.mark.parametrize("name", ["comparison", "exercise_26_depth_width_batch"])
def test_examples_in_docstrings_of_scripts_run(name: str) -> None:
    assert doctest.testmod(example(name)).failed == 0


# -- fairness --------------------------------------------------------------------------------------------------------------


def test_hidden_images_are_not_labelled_and_seeds_choose_different_images(task: Any) -> None:
    first, second = task(0), task(1)
    labelled = {image.tobytes() for image in first.train.images}
    assert not labelled & {image.tobytes() for image in first.hidden}
    assert labelled != {image.tobytes() for image in second.train.images}
    assert np.bincount(first.train.labels).tolist() == [10] * 10


def test_all_rows_and_seeds_use_the_same_test_images(task: Any) -> None:
    for name in ("clean", "distorted"):
        a, b = task(0).tests[name], task(1).tests[name]
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
    assert np.any(task(0).tests["clean"].images != task(0).tests["distorted"].images)


def test_training_with_the_same_seed_gives_the_same_weights(classification: Any, task: Any) -> None:
    variant = classification.Variant(transform=t.MultiplicativeNoise(0.3))
    a, b = (classification.train(variant, task(0), seed=0).state_dict() for _ in range(2))
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_every_row_gets_the_same_number_of_steps(classification: Any, task: Any) -> None:
    """Also one with ten times as many training images."""
    optimizers: list[nn.Adam] = []

    def adam(parameters: Any, steps: int) -> nn.Adam:
        optimizers.append(nn.Adam(parameters))
        return optimizers[-1]

    def repeated_images(task: Any, seed: int) -> Any:
        return np.repeat(task.train.images, 10, axis=0), np.repeat(task.train.labels, 10)

    for training_set in (classification.labelled_images, repeated_images):
        classification.train(classification.Variant(training_set=training_set, optimizer=adam), task(0), seed=0)
    assert [{int(state["step"]) for state in optimizer.state.values()} for optimizer in optimizers] == [{3}, {3}]


def test_training_sets_have_one_target_per_image(task: Any) -> None:
    """Soft labels are probabilities; added images follow the labelled ones."""
    images, soft = example("ablation_tricks").distilled_labels(task(0), 0)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
    assert np.all(soft[np.arange(len(soft)), task(0).train.labels] >= 0.5)
    few = example("ablation_few_labels")
    gan = few.conditional_gan(task(0), iterations=1, seed=0)
    for training_set in (
        few.pseudo_labels,
        lambda task, seed: few.generated_images(task, seed, gans=lambda seed: gan, times=2),
    ):
        images, labels = training_set(task(0), 0)
        assert len(images) == len(labels) >= 100
        np.testing.assert_array_equal(images[:100], task(0).train.images)
        np.testing.assert_array_equal(labels[:100], task(0).train.labels)
    alone, labels = few.generated_images(task(0), 0, gans=lambda seed: gan, times=2, add_labelled=False)
    assert (alone.shape, np.bincount(labels).tolist()) == ((200, 28, 28), [20] * 10)


# -- verdicts --------------------------------------------------------------------------------------------------------------


def test_a_table_shows_mean_deviation_and_the_gain_seed_by_seed() -> None:
    """1, 2, 3 have mean 2 and standard deviation 1, and so have their gains over 0, 0, 0."""
    table = example("comparison").result_table({"plain": {"x": [0.0, 0.0, 0.0]}, "more": {"x": [1.0, 2.0, 3.0]}})
    assert table == [
        {"": "plain", "x": "0.00 ± 0.00", "gain in x": ""},
        {"": "more", "x": "2.00 ± 1.00", "gain in x": "+2.00 ± 1.00"},
    ]


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([1.0, 1.1, 0.9], "above 'plain'"),
        ([-1.0, -1.1, -0.9], "below 'plain'"),
        ([1.0, -1.0, 0.6], "no clear difference"),
        ([0.0, 0.0, 0.0], "no clear difference"),
        ([5.0], "no clear difference"),
    ],
)
def test_only_gains_beyond_three_standard_errors_count(gains: list[float], verdict: str) -> None:
    results = {"plain": {"x": [0.0] * len(gains)}, "other": {"x": gains}}
    assert example("comparison").verdict(results, "x") == f"x: {verdict}: other ({sum(gains) / len(gains):+.2f})."
