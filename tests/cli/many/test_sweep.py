"""`autograd-mini sweep`: a grid of runs, continued where it stopped, with a table and a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograd_mini.cli.main import main
from autograd_mini.cli.many.sweep import parse_grid, with_setting
from autograd_mini.models.recipes import RECIPES


def test_a_sweep_trains_every_setting_with_every_seed_and_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that diverges is counted and does not end the sweep; complete runs are not trained again."""
    command = ["sweep", "mlp", "--option", "lr=1e-3,1e30", "--seeds", "2", "--iterations", "2", "--out", str(tmp_path)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert [line.split("|")[1:3] for line in printed.splitlines() if line.startswith("| lr")] == [
        [" lr=0.001 ", " 2 of 2 "], [" lr=1e+30 ", " 0 of 2 "]
    ]  # fmt: skip
    runs = json.loads((tmp_path / "sweep.json").read_text())["runs"]
    assert [run["run"] for run in runs] == ["lr=0.001,seed=0", "lr=0.001,seed=1", "lr=1e+30,seed=0", "lr=1e+30,seed=1"]
    assert runs[0]["loss"] != runs[1]["loss"]
    assert "nan or infinite" in runs[2]["error"] or "not finite" in runs[2]["error"] or "became" in runs[2]["error"]
    assert {"sweep.md", "sweep.json", "sweep.png"} <= {path.name for path in tmp_path.iterdir()}
    checkpoint = tmp_path / "lr=0.001,seed=0" / "checkpoint.safetensors"
    written = checkpoint.stat().st_mtime_ns
    (tmp_path / "lr=0.001,seed=1" / "model.safetensors").unlink()
    assert main(command) == 0
    assert checkpoint.stat().st_mtime_ns == written
    assert json.loads((tmp_path / "sweep.json").read_text())["runs"][:2] == runs[:2]


def test_settings_are_fields_of_the_recipe_or_options_of_the_model() -> None:
    recipe = RECIPES["dcgan", "digits"]
    changed = with_setting(recipe, {"lr": 0.5, "epochs": 3, "width": 8})
    assert (changed.lr, changed.epochs, changed.iterations, changed.options["width"]) == (0.5, 3, None, 8)
    assert changed.options["real_label"] == recipe.options["real_label"]
    with pytest.raises(ValueError, match="unknown 'depth'; expected one of: batch_size, lr"):
        with_setting(recipe, {"depth": 1})


@pytest.mark.parametrize("text", ["lr", "lr=", "lr=1,,2", "=3", "2x=1"])
def test_a_malformed_option_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(ValueError, match=f"got {text!r}"):
        parse_grid([text])


def test_an_option_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="lr is given twice"):
        parse_grid(["lr=1", "lr=2"])


def test_runs_with_other_settings_in_the_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same folder with more iterations must not show the results of the short runs."""
    command = ["sweep", "mlp", "--option", "lr=1e-3", "--seeds", "1", "--out", str(tmp_path)]
    assert main([*command, "--iterations", "2"]) == 0
    table = (tmp_path / "sweep.md").read_text()
    assert "1 seed\n" in table
    capsys.readouterr()
    assert main([*command, "--iterations", "3"]) == 2
    assert "iterations=2 instead of 3; choose another folder with --out" in capsys.readouterr().err
    assert (tmp_path / "sweep.md").read_text() == table
