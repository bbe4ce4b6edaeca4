"""The command line, `autograd-mini`: `train` a model into a folder of results, `draw` a model's training graph.

Whatever the user can put right, a flag, a folder, a missing package, is told in one line on stderr, with exit code 2.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from autograd_mini import nn, viz

from .recipes import IMAGE_SHAPES, MODELS, PRESETS, RECIPES, Recipe
from .run import DRAWN, Run, fresh_folder, last_folder, stored_recipe, training_graph

USAGE_ERROR, INTERRUPTED = 2, 130  # exit codes, as shells know them
# Newer releases of typer carry click inside, older ones depend on it: this is click's base of all usage errors in both.
ClickException: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(no_args_is_help=True, help="Train small models on real images and draw what backpropagation does.")

ModelName = Annotated[str, typer.Argument(help=f"One of {', '.join(MODELS)}.", metavar="MODEL", show_default=False)]
DataName = Annotated[str, typer.Option(help=f"One of {', '.join(nn.data.DATASETS)}.")]
Latent = Annotated[int | None, typer.Option(min=1, help="Latent dimensions, for models that have them.")]
Preset = Annotated[str | None, typer.Option(help=f"One of {', '.join(name for _, name in PRESETS)}, for cnn.")]


@app.command()
def train(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    classes: Annotated[str | None, typer.Option(help="Only these classes, such as 0,1,2.")] = None,
    limit_per_class: Annotated[int | None, typer.Option(min=1, help="At most so many training images of each class.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    latent: Latent = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same run, bit for bit.", show_default="0")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results.", show_default="runs/MODEL-DATA-PRESET, -2, … if taken")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, to --epochs if given.")] = False,
) -> None:
    """Trains a model and fills a folder with its weights, metrics and pictures.

    What is not given comes from the recipe for this model and data. A run never writes over another.
    """
    asked: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
        "classes": None if classes is None else _numbers(classes),
        "limit_per_class": limit_per_class,
    }
    recipe = _recipe(model, data, preset, None)
    default = Path("runs") / "-".join(filter(None, (model, data, preset)))
    folder = out or (last_folder(default) if resume else fresh_folder(default))
    try:
        before = stored_recipe(folder) if resume else recipe
        flags = _changes(model, preset) | {name: value for name, value in asked.items() if value is not None}
        recipe = _with_latent(replace(before, model=model, data=data, **flags), latent)
        if resume:
            _check_resumed(folder, before, recipe)
        run = Run(recipe, folder, resume=resume)
    except nn.data.DataError:
        raise
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    run.train()
    if run.trainer.history:
        run.write()
        print(_summary(run))
    if run.trainer.interrupted:
        print(
            f"go on with: autograd-mini train {model} --data {data} --resume --out {shlex.quote(str(folder))}", file=sys.stderr
        )
        raise typer.Exit(INTERRUPTED)


@app.command()
def draw(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    latent: Latent = None,
    out: Annotated[Path, typer.Option(help="An .svg, .png, .pdf or .dot file.")] = Path("graph.svg"),
) -> None:
    """Draws the graph of a model's training loss on a few random images, as backpropagation walks it."""
    recipe = _recipe(model, data, preset, latent)
    images = np.random.default_rng(0).random((DRAWN, *IMAGE_SHAPES[data]), np.float32)
    picture = training_graph(recipe.build(), images, np.zeros(DRAWN, np.int64))
    try:
        picture.save(out)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (sys.argv unless `arguments` are given) and returns the exit code.

    >>> from autograd_mini.models.cli import main
    >>> main(["train", "perceptron"])
    2
    """
    try:
        return app(arguments, standalone_mode=False) or 0
    except ClickException as error:
        return _refuse(error.format_message())
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ModuleNotFoundError, nn.data.DataError, nn.DivergedError, viz.RendererMissing) as error:
        return _refuse(str(error))
    except typer.Abort:
        return INTERRUPTED


def _refuse(message: str) -> int:
    """One line on stderr; none where the help text was shown instead."""
    if message:
        print(f"autograd-mini: {' '.join(message.split())}", file=sys.stderr)
    return USAGE_ERROR


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--classes: expected numbers such as 0,1,2, got {text!r}") from None


def _recipe(model: str, data: str, preset: str | None, latent: int | None) -> Recipe:
    for what, name, known in (("model", model, MODELS), ("data set", data, nn.data.DATASETS)):
        if name not in known:
            raise typer.BadParameter(f"unknown {what} {name!r}; there are {', '.join(known)}")
    if (model, data) not in RECIPES:
        fitting = ", ".join(name for other, name in RECIPES if other == model)
        raise typer.BadParameter(f"no recipe for {model} on {data}; there are some for {fitting}")
    return _with_latent(replace(RECIPES[model, data], **_changes(model, preset)), latent)


def _changes(model: str, preset: str | None) -> dict[str, Any]:
    """What a preset changes in the model's recipe."""
    if preset is not None and (model, preset) not in PRESETS:
        fitting = ", ".join(name for other, name in PRESETS if other == model) or "none"
        raise typer.BadParameter(f"no preset {preset!r} for {model}; there are {fitting}")
    return {} if preset is None else PRESETS[model, preset]


def _with_latent(recipe: Recipe, latent: int | None) -> Recipe:
    try:
        return recipe if latent is None else recipe.with_latent(latent)
    except ValueError as error:
        raise typer.BadParameter(f"--latent: {error}") from error


def _check_resumed(folder: Path, before: Recipe, now: Recipe) -> None:
    """What fixes the course of a run stays; only its length and its learning rate may be others."""
    old, new = asdict(before), asdict(now)
    changed = [f"{key} {old[key]}, not {new[key]}" for key in old if old[key] != new[key] and key not in ("epochs", "lr")]
    if changed:
        raise ValueError(f"{folder} holds a run with {', '.join(changed)}")


def _summary(run: Run) -> str:
    last = run.trainer.history[-1]
    tested = ", ".join(f"{name.removeprefix('val_')} {value:.4g}" for name, value in last.items() if name.startswith("val_"))
    return f"epoch {last['epoch']}: on test images {tested}; results in {run.folder}"
