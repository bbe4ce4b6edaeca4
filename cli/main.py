"""The command line, `autograd-mini`: flags in, a recipe or a run's folder out; what is done with it lives in the files beside.

Whatever the user can put right, a flag, a folder, a missing package, is told in one line on stderr, with exit code 2.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.recipes import MODELS, PRESETS

from . import compare as comparison
from . import datasets, sampling
from .evaluate import evaluate as evaluated
from .listing import listing
from .options import changed, choose
from .run import DRAWN, Run, fresh_folder, stored_recipe, training_graph
from .scripts import run_script, scripts
from .tables import Rows, markdown
from .trained import trained

USAGE_ERROR, INTERRUPTED = 2, 130  # exit codes, as shells know them
EVALUATION = "evaluation.json"
# Newer releases of typer carry click inside, older ones depend on it: this is click's base of all usage errors in both.
ClickException: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train small models on real images, look at what they have learnt, and draw what backpropagation does.",
)


def _argument(help: str, metavar: str | None = None) -> Any:
    return typer.Argument(help=help, metavar=metavar, show_default=False)


Folder = Annotated[Path, _argument("The folder of a run.", "RUN")]
ModelName = Annotated[str, _argument(f"One of {', '.join(MODELS)}.", "MODEL")]
DataName = Annotated[str, typer.Option(help=f"{', '.join(nn.data.DATASETS)}, or the path of a folder of pictures.")]
Preset = Annotated[str | None, typer.Option(help="; ".join(f"{name} ({model})" for model, name in PRESETS))]
Option = Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="An option of the model; may be given several times.")]
Latent = Annotated[int | None, typer.Option(min=1, help="Latent dimensions, for models that have them.")]
Count = Annotated[int | None, typer.Option(min=1)]
Rate = Annotated[float | None, typer.Option(min=0, help="Learning rate.")]
Quick = Annotated[bool, typer.Option("--quick", help="Seconds instead of minutes, on small data.")]
ResultFolder = Annotated[Path | None, typer.Option(help="Folder for the results.", show_default="runs/NAME")]
Picture = Annotated[Path | None, typer.Option(help="A .png, .svg or .pdf file.", show_default="in the run's folder")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same draws.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"autograd-mini {ag.__version__}")
        raise typer.Exit


@app.callback()
def _for_all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Which version this is.")
    ] = False,
) -> None:
    """What the command takes in front of any other."""


# -- training --------------------------------------------------------------------------------------------------------------


@app.command()
def train(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    option: Option = [],  # noqa: B006
    classes: Annotated[str | None, typer.Option(help="Only these classes, such as 0,1,2.")] = None,
    limit_per_class: Annotated[int | None, typer.Option(min=1, help="At most so many training images of each class.")] = None,
    labelled_per_class: Annotated[int | None, typer.Option(min=1, help="So many of them with labels, for ssgan.")] = None,
    epochs: Count = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="So many batches, instead of epochs.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Write down how it goes at each so many batches.")] = None,
    latent: Latent = None,
    batch_size: Count = None,
    lr: Rate = None,
    early_stop: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Stop where this was best: frechet for GANs, val_loss, val_accuracy …")
    ] = None,
    frechet: Annotated[
        bool | None, typer.Option(help="Take a GAN's Fréchet distance with each row.", show_default=False)
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many rows without a better one.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same run, bit for bit.", show_default="0")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results.", show_default="runs/MODEL-DATA-PRESET, -2, … if taken")
    ] = None,
) -> None:
    """Trains a model and fills a folder with its weights, metrics and pictures.

    What is not given comes from the preset, and then from the recipe for this model and data. A run never writes over another.
    """
    flags = {
        "classes": None if classes is None else _numbers(classes),
        "limit_per_class": limit_per_class,
        "labelled_per_class": labelled_per_class,
        "epochs": epochs,
        "iterations": iterations,
        "every": every,
        "batch_size": batch_size,
        "lr": lr,
        "early_stop": early_stop,
        "frechet": frechet,
        "patience": patience,
        "seed": seed,
    }
    with _told():
        recipe = changed(choose(model, data, preset), flags, option, latent)
        name = "-".join(filter(None, (model, Path(recipe.data).name, preset)))
        run = Run(recipe, out or fresh_folder(Path("runs") / name))
    _train(run)


@app.command()
def resume(folder: Folder, epochs: Count = None, iterations: Count = None, lr: Rate = None) -> None:
    """Goes on with a run that was stopped, by Ctrl-C or by force, as if it had not been; or for longer than was planned."""
    with _told():
        recipe = changed(stored_recipe(folder), {"epochs": epochs, "iterations": iterations, "lr": lr})
        run = Run(recipe, folder, resume=True)
    _train(run)


def _train(run: Run) -> None:
    with _told():
        run.train()
    if run.trainer.interrupted:  # first, as the pictures may be interrupted too
        print(f"go on with: autograd-mini resume {shlex.quote(str(run.folder))}", file=sys.stderr)
    if run.trainer.history:
        run.write()
        last = run.trainer.history[-1]
        if run.trainer.stopped:
            print(f"stopped early: {run.trainer.stopped}, and those weights are kept")
        print(f"epoch {last['epoch']}: {comparison.told(last)}; results in {run.folder}")
    if run.trainer.interrupted:
        raise typer.Exit(INTERRUPTED)


# -- what came of it -------------------------------------------------------------------------------------------------------


@app.command()
def sample(
    folder: Folder,
    n: Annotated[int, typer.Option("--n", min=1, help="How many images.")] = 64,
    digit: Annotated[
        int | None, typer.Option(min=0, help="Only images of this class, of a model that was told labels.")
    ] = None,
    seed: Seed = 0,
    out: Picture = None,
) -> None:
    """Draws new images from a trained model."""
    name = "samples.png" if digit is None else f"samples-{digit}.png"
    _draw(folder, seed, out or folder / name, lambda run, path: sampling.draw_samples(run, n, path, digit))


@app.command()
def interpolate(folder: Folder, seed: Seed = 0, out: Picture = None) -> None:
    """Draws the way through a model's latent space from one image to another, in each row."""
    _draw(folder, seed, out or folder / sampling.INTERPOLATION, sampling.draw_interpolation)


def _draw(folder: Path, seed: int, path: Path, draw: Any) -> None:
    with _told():
        run = trained(folder)
        ag.manual_seed(seed)
        draw(run, path)
    print(path)


@app.command()
def evaluate(
    folder: Folder,
    k: Annotated[
        int, typer.Option("--k", min=1, help="Draws for the bound on log p(x); the literature's number is 5000.")
    ] = 50,
    seed: Seed = 0,
) -> None:
    """Measures a trained model on test images, by all that there is for its kind, and writes evaluation.json beside it."""
    with _told():
        run = trained(folder)
        found = evaluated(run.model, datasets.load(run.recipe), k, seed)
    _print(found)
    nn.training.checkpoint.write_text(
        folder / EVALUATION, json.dumps({"k": k, "seed": seed, **found}, indent=1, ensure_ascii=False) + "\n"
    )


@app.command()
def compare(
    folders: Annotated[list[Path], _argument("The folders of runs.", "RUN…")],
    metric: Annotated[str | None, typer.Option(help="The number to draw.", show_default="one that all have")] = None,
    out: Annotated[Path, typer.Option(help="A .png, .svg or .pdf file.")] = Path("comparison.png"),
) -> None:
    """Lays runs beside each other: one table of how they ended, one figure of how they came there."""
    with _told():
        runs = {folder: comparison.history(folder) for folder in folders}
        rows = comparison.table(runs)
        comparison.plot(runs, comparison.metric_of(list(runs.values()), metric), out)
    print(markdown(rows))
    print(f"\n{out}")


@app.command(name="list")
def list_all(runs: Annotated[Path, typer.Option(help="The folder to look for runs in.")] = Path("runs")) -> None:
    """Lists models, data, presets, exercises, ablations and runs."""
    _print(listing(runs))


# -- exercises and pictures ------------------------------------------------------------------------------------------------


@app.command()
def exercise(
    number: Annotated[str, _argument(f"One of {', '.join(scripts('exercise'))}.")],
    quick: Quick = False,
    out: ResultFolder = None,
    seed: Seed = 0,
) -> None:
    """Runs an exercise of the lecture: prints what it finds and writes it with its figures into a folder."""
    _study("exercise", number, quick, out, seed)


@app.command()
def ablation(
    name: Annotated[str, _argument(f"One of {', '.join(scripts('ablation'))}.")],
    quick: Quick = False,
    out: ResultFolder = None,
    seed: Seed = 0,
) -> None:
    """Runs an ablation: what each part of a recipe gains, over several seeds, as a table and a figure."""
    _study("ablation", name, quick, out, seed)


def _study(kind: str, name: str, quick: bool, out: Path | None, seed: int) -> None:
    """Runs one of the scripts that come with the package."""
    known = scripts(kind)
    if name not in known:
        raise typer.BadParameter(f"no {kind} {name!r}; there are {', '.join(known)}")
    run_script(known[name], [*["--quick"] * quick, *(["--out", str(out)] if out else []), "--seed", str(seed)])


@app.command()
def draw(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    option: Option = [],  # noqa: B006
    latent: Latent = None,
    out: Annotated[Path, typer.Option(help="An .svg, .png, .pdf or .dot file.")] = Path("graph.svg"),
) -> None:
    """Draws the graph of a model's training loss on a few random images, as backpropagation walks it."""
    with _told():
        recipe = changed(choose(model, data, preset), {}, option, latent)
        images = np.random.default_rng(0).random((DRAWN, *datasets.image_shape(recipe)), np.float32)
        training_graph(recipe.build(), images, np.zeros(DRAWN, np.int64)).save(out)
    print(out)


# -- the door --------------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (sys.argv unless `arguments` are given) and returns the exit code.

    >>> from autograd_mini.cli.main import main
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
    except MemoryError as error:
        return _refuse(f"not enough memory: {error}")
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED


@contextmanager
def _told() -> Iterator[None]:
    """Inside, a ValueError is one that the user can put right."""
    try:
        yield
    except nn.data.DataError:
        raise
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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


def _print(tables: Mapping[str, Rows]) -> None:
    print("\n\n".join(f"{name}\n\n{markdown(rows) if rows else 'none'}" for name, rows in tables.items()))
