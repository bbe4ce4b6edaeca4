"""Each exercise runs from the command line with --quick, and its numbers satisfy the invariants of the exercise."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograd_mini.__main__ import main
from autograd_mini.cli.scripts import scripts
from autograd_mini.examples.exercises import exercise_28_convolution
from autograd_mini.examples.exercises.exercise_20_scalar_chain import formulas
from autograd_mini.examples.study import Study

ROOT = Path(__file__).parent.parent.parent
Tables = dict[str, list[dict[str, Any]]]


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


def scalar_chain(tables: Tables) -> None:
    """By hand at (x, w2, w3) = (1, 2, 3): h1 = 1, u2 = 2·1, h2 = 4, u3 = 3·4, h3 = 144, L = 144²;
    δ3 = 2·144 · 2·12, δ2 = δ3 · 3 · 2·2, δ1 = δ2 · 2 · 2·1; ∂w2 = δ2·h1, ∂w3 = δ3·h2.
    At (2, 2, 1) everything is a power of two: h1 = 4, u2 = 8, h2 = u3 = 64, h3 = 2¹², L = 2²⁴;
    δ3 = 2¹³ · 2⁷, δ2 = 2²⁰ · 1 · 2⁴, δ1 = 2²⁴ · 2 · 2²; ∂w2 = 2²⁴ · 2², ∂w3 = 2²⁰ · 2⁶."""
    by_hand = {
        (1.0, 2.0, 3.0): ([1, 2, 12], [1, 4, 144], [331776, 82944, 6912], [20736, 82944, 27648]),
        (2.0, 2.0, 1.0): ([2, 8, 64], [4, 64, 4096], [2**27, 2**24, 2**20], [2**24, 2**26, 2**26]),
    }
    for point, (u, h, delta, results) in by_hand.items():
        layers, results_table = tables[f"layers at (x, w2, w3) = {point}"], tables[f"results at (x, w2, w3) = {point}"]
        assert (column(layers, "u"), column(layers, "h"), column(layers, "δ = ∂L/∂u")) == (u, h, delta)
        assert column(results_table, "by backpropagation") == column(results_table, "by the formula") == results
    (formulas,) = (rows for name, rows in tables.items() if name.startswith("formulas"))
    assert column(formulas, "value") == column(formulas, "by backpropagation")
    assert column(formulas, "value") == [1, 1, 2, 4, 12, 144, 144**2, 6912, 82944, 331776, 27648, 82944]


def vanishing_gradients(tables: Tables) -> None:
    """σ′ ≤ ¼ shrinks the gradient to a quarter or less per layer on average; ReLU with He initialisation keeps its norm."""
    for row in tables["‖δ‖ of the first hidden layer divided by that of the last"]:
        assert row["sigmoid, per layer"] < 0.25 * 1.05
        assert 0.7 < row["ReLU, per layer"] < 1.4
        assert row["sigmoid"] == pytest.approx(row["sigmoid, per layer"] ** (row["hidden layers"] - 1))


def losses(tables: Tables) -> None:
    """For a confident wrong answer the gradient p − t of cross-entropy tends to (−1, 1), that of squared error to 0."""
    sure, unsure = (tables["‖∂L/∂u‖ for one image, by the confidence in a wrong class"][i] for i in (-1, 0))
    assert sure["cross-entropy"] == pytest.approx(math.sqrt(2), abs=1e-6)
    assert sure["squared error"] < 1e-6
    assert unsure["cross-entropy"] == pytest.approx(math.sqrt(0.9))  # ten classes alike: 0.9² + 9 · 0.1²


def regression(tables: Tables) -> None:
    """The line is fitted exactly, the bottom of the funnel is −e, and the network has a smaller error than the affine function."""
    for row in tables["a line"]:
        assert row["gradient descent"] == pytest.approx(row["normal equations"], abs=1e-4)
        assert row["gradient descent"] == pytest.approx(row["truth"], abs=0.05)
    truth, network, affine = tables["the funnel, from 1000 samples with noise of standard deviation 0.1"]
    assert truth["f(0, 0)"] == -math.e
    assert 0 < 10 * network["test error (MSE)"] < affine["test error (MSE)"]
    assert 0.85 < tables["two classes"][0]["accuracy with p ≥ ½"] <= tables["two classes"][0]["of the nearest arc"] + 0.01


def by_hand(tables: Tables) -> None:
    """The recursion by hand and the engine compute the same numbers."""
    for row in tables["the same training run twice"]:
        assert row["largest difference of a weight"] < 1e-10
        assert row["test loss by hand"] == pytest.approx(row["test loss with the engine"], rel=1e-9)
        assert row["test loss by hand"] < math.log(10), "the loss is lower than that of guessing"


def width(tables: Tables) -> None:
    """There are 784n + n + 10n + 10 parameters, and training with Adam stores at least four numbers for each."""
    for row in next(iter(tables.values())):
        assert row["parameters"] == 795 * row["units"] + 10
        assert row["peak memory, MB"] > 4 * 4 * row["parameters"] / 1e6


def depth_width_batch(tables: Tables) -> None:
    """Early stopping keeps a loss not higher than the last one, from an epoch not after the one at which it stops."""
    for row in next(iter(tables.values())):
        assert row["gap"] == pytest.approx(row["training %"] - row["validation %"])
        assert row["validation loss kept"] <= row["validation loss"]
        assert 1 <= row["best epoch"] <= row["stops at"]


def optimizers(tables: Tables) -> None:
    """Every optimizer is trained with every rate and tested with the best rate on validation images."""
    sweep, best = tables.values()
    assert column(sweep, "") == column(best, "")
    assert len(sweep) == 7
    for rates, chosen in zip(sweep, best, strict=True):
        accuracies = {rate: float(value) for rate, value in rates.items() if rate}
        assert accuracies[chosen["rate"]] == max(accuracies.values())


def convolution(tables: Tables) -> None:
    """The numbers of weights equal those computed by hand: (in + 1) · out of a layer, (9 · in + 1) · out of a 3×3 convolution."""
    mnist = [785 * 128 + 129 * 10, 10 * 16 + 145 * 32 + (32 * 49 + 1) * 128 + 129 * 10]
    cifar = [3073 * 512 + 513 * 10, 28 * 32 + 289 * 64 + (64 * 64 + 1) * 128 + 129 * 10]
    assert column(tables["accuracy"], "weights") == mnist + cifar


def latent_plane(tables: Tables) -> None:
    """Two or three classes of digits are separated in two dimensions without labels."""
    for row in tables["classes in the latent plane"]:
        assert row["5-NN %"] >= 90


def lower_bound(tables: Tables) -> None:
    """log p(x) = ELBO + KL to 1e-6; KL ≥ its smallest possible value, which a fitted q reaches; L_K rises with K."""
    exact, bounds = tables.values()
    for row in exact:
        assert row["largest error"] < 1e-6
        assert row["ELBO"] == pytest.approx(row["log p(x)"] - row["KL to p(z given x)"], abs=1e-6)
        assert row["KL to p(z given x)"] == pytest.approx(row["least KL"], abs=1e-3) or row["q"] == "random"
        assert row["KL to p(z given x)"] >= row["least KL"]
    assert column(bounds, "K") == [1, 5, 50, 500]
    for name in ("linear-Gaussian", "MNIST"):
        assert column(bounds, name) == sorted(column(bounds, name))


def colour_vae(tables: Tables) -> None:
    """The held-out ELBO improves in every epoch, and the KL part is positive: z carries information."""
    (rows,) = tables.values()
    assert column(rows, "held out") == sorted(column(rows, "held out"), reverse=True)
    assert min(column(rows, "KL part")) > 0


INVARIANTS: dict[str, Callable[[Tables], None]] = {
    "20": scalar_chain,
    "21": vanishing_gradients,
    "22": losses,
    "23": regression,
    "24": by_hand,
    "25": width,
    "26": depth_width_batch,
    "27": optimizers,
    "28": convolution,
    "29": latent_plane,
    "30": lower_bound,
    "31": colour_vae,
}
"""Exercise number -> check of its tables."""


@pytest.mark.parametrize("number", scripts("exercise"))
def test_an_exercise_gives_finite_numbers_figures_and_a_conclusion(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert main(["exercise", number, "--quick", "--out", str(folder)]) == 0
    result, numbers = (folder / "result.md").read_text(), json.loads((folder / "result.json").read_text())
    printed = capsys.readouterr().out
    parts = [part for part in result.split("\n\n")[2:] if not part.startswith(("![", "["))]
    assert all(part.strip() in printed for part in parts), "the result page was printed"
    assert 2 <= len(re.findall(r"[.!] |\.$", parts[-1].strip())) <= 5, (
        f"the conclusion must have two to five sentences: {parts[-1]}"
    )
    assert numbers["tables"]
    assert all(math.isfinite(value) for value in cells(numbers["tables"]))
    assert {path.name for path in folder.iterdir()} == {"result.md", "result.json", *numbers["figures"]}
    pictures = [name for name in numbers["figures"] if name.endswith(".png")]
    assert pictures
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    INVARIANTS[number](numbers["tables"])


def cells(tables: Tables) -> Iterator[float]:
    for rows in tables.values():
        for row in rows:
            yield from (value for value in row.values() if isinstance(value, int | float))


@pytest.mark.parametrize("point", [(1.0, 2.0, 3.0), (2.0, 2.0, 1.0), (-1.5, 0.5, -2.0)])
def test_the_formulas_of_the_scalar_chain_have_the_values_of_backpropagation(point: tuple[float, float, float]) -> None:
    for row in formulas(point):
        assert row["value"] == pytest.approx(row["by backpropagation"], rel=1e-12), row[""]


@pytest.mark.parametrize(("accuracy", "word"), [((0.9, 0.5), "gains 40.0 points"), ((0.5, 0.9), "loses 40.0 points")])
def test_the_conclusion_about_convolution_has_the_sign_of_its_figures(
    accuracy: tuple[float, float], word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def train(recipe: Any, data: Any) -> Any:
        row = {"val_accuracy": accuracy[recipe.model == "mlp"], "accuracy": 1.0}
        return recipe.build(), [row]

    monkeypatch.setattr(exercise_28_convolution, "train_recipe", train)
    conclusion = exercise_28_convolution.exercise(Study(tmp_path, quick=True), {"mnist": 1})
    assert f"convolution {word} on digits in place of mnist" in conclusion


def test_an_exercise_script_runs_from_any_folder(tmp_path: Path) -> None:
    script = ROOT / "examples" / "exercises" / "exercise_20_scalar_chain.py"
    command = [sys.executable, str(script), "--quick", "--out", "found"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Exercise 20: ")
    assert "δ⁽²⁾ = δ⁽³⁾ w⁽³⁾ f′(u⁽²⁾) = δ⁽³⁾ w⁽³⁾ · 2u⁽²⁾ = 6912 · 3 · 2 · 2 = 82944" in result.stdout
    assert "∂L/∂w₂ = 8w₃⁴ w₂⁷ x¹⁶ = 82944" in result.stdout
    assert "results in found" in result.stdout
    assert (tmp_path / "found" / "result.md").exists()
