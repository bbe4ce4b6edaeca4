"""Recipes change only on purpose: documented results are those of the hyperparameters in `recipes.json`.

`python tests/models/test_models_recipes.py` writes that file again.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from autograd_mini.models.recipes import PRESETS, RECIPES, Recipe

RECORDED = Path(__file__).with_name("recipes.json")


def current() -> dict[str, dict[str, Any]]:
    """Returns the fields of each recipe that differ from the defaults, and those that each preset replaces."""
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    recipes = {
        f"{model} {data}": {
            key: value for key, value in dataclasses.asdict(recipe).items() if value != defaults[key] and value != {}
        }
        for (model, data), recipe in RECIPES.items()
    }
    presets = {f"preset {model} {name}": fields for (model, name), fields in PRESETS.items()}
    return json.loads(json.dumps(recipes | presets))


def test_recipes_and_presets_are_the_recorded_ones() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    found = current()
    assert found.keys() == recorded.keys()
    for name, fields in found.items():
        assert fields == recorded[name], name


def test_a_run_ends_with_a_logged_row() -> None:
    """Otherwise the last batches of a run would be in no row, picture or checkpoint."""
    for (model, _), recipe in RECIPES.items():
        for changes in ({}, *(fields for (name, _), fields in PRESETS.items() if name == model)):
            run = dataclasses.replace(recipe, **changes)
            assert run.iterations is None or run.every is None or run.iterations % run.every == 0, (run, changes)


if __name__ == "__main__":
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in current().items())
    RECORDED.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
