"""What models say about themselves: each name has a function in the command line, each option a default."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from autograd_mini import models
from autograd_mini.cli.callbacks import ROW_METRICS, ROW_PLOTS
from autograd_mini.cli.evaluate import EVALUATIONS
from autograd_mini.cli.plots import PLOTS
from autograd_mini.models.recipes import MODELS, RECIPES

CLI = Path(__file__).parent.parent.parent / "cli"
TABLES = {"plots": PLOTS, "evaluations": EVALUATIONS, "row_plots": ROW_PLOTS, "row_metrics": ROW_METRICS}


@pytest.mark.parametrize("answer", TABLES)
def test_the_command_line_has_a_function_for_exactly_the_names_that_models_use(answer: str) -> None:
    assert {name for kind in MODELS.values() for name in getattr(kind, answer)} == TABLES[answer].keys()


def test_the_command_line_does_not_ask_for_the_class_of_a_model() -> None:
    kinds = {kind.__name__ for model in MODELS.values() for kind in model.__mro__ if issubclass(kind, models.Model)}
    for path in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
                assert not kinds & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}, path.name


@pytest.mark.parametrize("name", MODELS)
def test_every_option_of_a_model_has_a_default_and_can_be_set(name: str) -> None:
    recipe = RECIPES[name, "digits"]
    model = recipe.build()
    assert len(set(model.option_names())) == len(model.option_names())
    for config in (getattr(model, "config", None), getattr(model, "architecture", None)):
        for option in dataclasses.fields(config) if config else ():
            options = {**recipe.options, option.name: getattr(config, option.name)}
            assert dataclasses.replace(recipe, options=options).build().state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_updates_and_callbacks(name: str) -> None:
    """The number of logged callbacks decides whether an old checkpoint can be resumed: only GANs wrap them."""
    model = RECIPES[name, "digits"].build()
    assert model.updates(lr=1e-3)
    assert len(model.callbacks()) == (0 if model.validates else 1 + (model.average is not None))
