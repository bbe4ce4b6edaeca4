"""Ablations: every one runs in its quick form; rows are compared fairly, and what is said of them is what the numbers say."""

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
    """A module of the examples."""
    folder = "" if name == "study" else "exercises." if name.startswith("exercise") else "ablations."
    return importlib.import_module(f"autograd_mini.examples.{folder}{name}")


@pytest.fixture(scope="module")
def classification() -> ModuleType:
    return example("classification")


@pytest.fixture(scope="module")
def task(classification: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A hundred labelled images of the bundled digits, and a few steps."""
    study = example("study").Study(tmp_path_factory.mktemp("study"), quick=True)
    return classification.tasks(study, images=100, steps=3)


# -- the scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scripts("ablation"))
def test_the_quick_form_compares_every_row_with_the_first(name: str, tmp_path: Path) -> None:
    assert main(["ablation", name, "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "result.json").read_text())
    (rows,) = found["tables"].values()
    judged = list(rows[0])[1]
    assert len({row[""] for row in rows}) == len(rows) > 1
    assert [row[f"gain in {judged}"] == "" for row in rows] == [True] + [False] * (len(rows) - 1)
    assert all("±" in cell for row in rows[1:] for column, cell in row.items() if column)
    said = (tmp_path / "result.md").read_text()
    assert all(f"{row['']} (" in said for row in rows[1:]), "each row is spoken of"
    assert "comparison.png" in found["figures"]
    assert all((tmp_path / figure).read_bytes().startswith(b"\x89PNG") for figure in found["figures"])


@pytest.mark.parametrize("name", ["comparison", "exercise_26_depth_width_batch"])
def test_examples_in_docstrings_of_scripts_run(name: str) -> None:
    assert doctest.testmod(example(name)).failed == 0


# -- fairness --------------------------------------------------------------------------------------------------------------


def test_hidden_images_are_not_among_the_labelled_ones_and_seeds_draw_others(task: Any) -> None:
    first, second = task(0), task(1)
    own = {image.tobytes() for image in first.train.images}
    assert not own & {image.tobytes() for image in first.hidden}
    assert own != {image.tobytes() for image in second.train.images}
    assert np.bincount(first.train.labels).tolist() == [10] * 10


def test_all_rows_and_seeds_are_judged_on_the_same_test_images(task: Any) -> None:
    for name in ("clean", "distorted"):
        a, b = task(0).tests[name], task(1).tests[name]
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
    assert np.any(task(0).tests["clean"].images != task(0).tests["distorted"].images)


def test_a_row_with_a_seed_learns_the_same_weights_each_time(classification: Any, task: Any) -> None:
    variant = classification.Variant(transform=t.MultiplicativeNoise(0.3))
    a, b = (classification.learn(variant, task(0), seed=0).state_dict() for _ in range(2))
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_every_row_gets_the_same_number_of_steps(classification: Any, task: Any) -> None:
    """Also one that learns from ten times as many images."""
    made: list[nn.Adam] = []

    def adam(parameters: Any, steps: int) -> nn.Adam:
        made.append(nn.Adam(parameters))
        return made[-1]

    def more(task: Any, seed: int) -> Any:
        return np.repeat(task.train.images, 10, axis=0), np.repeat(task.train.labels, 10)

    for lesson in (classification.labelled, more):
        classification.learn(classification.Variant(lesson=lesson, optimizer=adam), task(0), seed=0)
    assert [{int(state["step"]) for state in optimizer.state.values()} for optimizer in made] == [{3}, {3}]


def test_lessons_hold_labels_that_fit_their_images(task: Any) -> None:
    """Soft labels are probabilities; the labelled images lead, and what is added comes behind them."""
    images, soft = example("ablation_tricks").distilled(task(0), 0)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
    assert np.all(soft[np.arange(len(soft)), task(0).train.labels] >= 0.5)
    few = example("ablation_few_labels")
    gan = few.conditional_gan(task(0), iterations=1, seed=0)
    for lesson in (few.guessed, lambda task, seed: few.generated(task, seed, games=lambda seed: gan, times=2)):
        images, labels = lesson(task(0), 0)
        assert len(images) == len(labels) >= 100
        np.testing.assert_array_equal(images[:100], task(0).train.images)
        np.testing.assert_array_equal(labels[:100], task(0).train.labels)
    alone, labels = few.generated(task(0), 0, games=lambda seed: gan, times=2, beside=False)
    assert (alone.shape, np.bincount(labels).tolist()) == ((200, 28, 28), [20] * 10)


# -- what is said ----------------------------------------------------------------------------------------------------------


def test_a_table_shows_mean_deviation_and_the_gain_seed_by_seed() -> None:
    """By hand: 1, 2, 3 have mean 2 and deviation 1; gains of 1, 2, 3 over 0, 0, 0 likewise."""
    table = example("comparison").table({"plain": {"x": [0.0, 0.0, 0.0]}, "more": {"x": [1.0, 2.0, 3.0]}})
    assert table == [
        {"": "plain", "x": "0.00 ± 0.00", "gain in x": ""},
        {"": "more", "x": "2.00 ± 1.00", "gain in x": "+2.00 ± 1.00"},
    ]


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ([1.0, 1.1, 0.9], "above 'plain'"),
        ([-1.0, -1.1, -0.9], "below 'plain'"),
        ([1.0, -1.0, 0.6], "not told apart from it"),
        ([0.0, 0.0, 0.0], "not told apart from it"),
        ([5.0], "not told apart from it"),
    ],
)
def test_only_gains_beyond_three_standard_errors_count(gains: list[float], said: str) -> None:
    results = {"plain": {"x": [0.0] * len(gains)}, "other": {"x": gains}}
    assert example("comparison").verdict(results, "x") == f"x: {said}: other ({sum(gains) / len(gains):+.2f})."
