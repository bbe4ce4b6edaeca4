"""The `autograd-mini` command line: parses commands and options; the other files of this folder do the work.

Errors that the user can fix (an option, a folder, a missing package) print one line to stderr and exit with code 2.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.recipes import MODELS, PRESETS, Recipe
from autograd_mini.nn.extras import say
from autograd_mini.nn.layers.base import message_with_notes
from autograd_mini.tools.plain_text import never_fail_to_print

from . import compare as comparison
from . import datasets, sampling
from .classes import changed_files, label_of, with_classes
from .evaluate import evaluate as evaluate_model
from .evaluate import nothing_to_measure
from .export import Format
from .finished_run import FinishedRun, open_run
from .listing import listing
from .many.ranks import Distributed, is_silent, ranks, start_together
from .many.studies import ablation, exercise
from .many.sweep import parse_grid
from .many.sweep import sweep as run_sweep
from .options import choose, override, parse_size
from .plots import INTERPOLATION
from .run import (
    EVALUATION,
    GRAPH_BATCH_SIZE,
    Run,
    claim_folder,
    claim_fresh_folder,
    claim_run,
    name_of_step,
    stored_recipe,
    training_graphs,
)
from .tables import Rows, markdown
from .training_options import (
    Accumulate,
    BackendName,
    Channels,
    ClipGradNorm,
    ClipGradValue,
    Cluster,
    Epochs,
    FreeBits,
    GridOption,
    Iterations,
    Jobs,
    KeepBest,
    KeepEvery,
    KLWarmup,
    Latent,
    Layers,
    OptimizerName,
    Option,
    Patience,
    Rate,
    Seed,
    Size,
    TensorBoardFlag,
    TotalEpochs,
    TotalIterations,
)

NOT_IN_FILES = r"[^\w.+-]+"  # characters of class names that are not used in file names
USAGE_ERROR, INTERRUPTED = 2, 130  # exit codes, by shell convention
# Newer releases of typer carry click inside, older ones depend on it: this is click's base of all usage errors in both.
ClickException: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train small models on real images, inspect what they learn, and draw their computation graphs.",
)


def _argument(help: str, metavar: str | None = None) -> Any:
    return typer.Argument(help=help, metavar=metavar, show_default=False)


Folder = Annotated[Path, _argument("The folder of a run.", "RUN")]
ModelName = Annotated[str, _argument(f"One of {', '.join(MODELS)}.", "MODEL")]
DataName = Annotated[str, typer.Option(help=f"{', '.join(nn.data.DATASETS)}, or the path of a folder of images.")]
_PRESET_NAMES = {kind: ", ".join(name for model, name in PRESETS if model == kind) for kind, _ in PRESETS}
Preset = Annotated[
    str | None,
    typer.Option(
        help="A named set of options, " + "; ".join(f"for {kind}: {names}" for kind, names in _PRESET_NAMES.items()) + "."
    ),
]
Picture = Annotated[Path | None, typer.Option(help="Output file: .png, .svg or .pdf.", show_default="in the run's folder")]


def _version(requested: bool) -> None:
    if requested:
        print(f"autograd-mini {ag.__version__}")
        raise typer.Exit


@app.callback()
def _for_all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Defines the options that come before a command."""


# -- training --------------------------------------------------------------------------------------------------------------


@app.command()
def train(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    option: Option = [],  # noqa: B006
    size: Size = None,
    channels: Channels = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Use only these classes, for example 0,1,2 or cats,dogs; labels of a folder follow this order.",
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR",
            help="Colour under the transparent pixels of a folder's images, such as black or #ff8800. [default: white]",
            show_default=False,
        ),
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Report the files of a folder that cannot be read, and train without them.")
    ] = False,
    limit_per_class: Annotated[int | None, typer.Option(min=1, help="Use at most N training images of each class.")] = None,
    labelled_per_class: Annotated[int | None, typer.Option(min=1, help="Labelled images per class (ssgan only).")] = None,
    epochs: Epochs = None,
    iterations: Iterations = None,
    every: Annotated[int | None, typer.Option(min=1, help="Log metrics and save a checkpoint every N batches.")] = None,
    latent: Latent = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Number of images in a batch.")] = None,
    lr: Rate = None,
    layers: Layers = None,
    optimizer: OptimizerName = None,
    backend: BackendName = None,
    accumulate: Accumulate = None,
    clip_grad_norm: ClipGradNorm = None,
    clip_grad_value: ClipGradValue = None,
    kl_warmup: KLWarmup = None,
    free_bits: FreeBits = None,
    keep_best: KeepBest = None,
    keep_every: KeepEvery = None,
    tensorboard: TensorBoardFlag = False,
    early_stop: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Stop early on this metric and keep the best weights (val_loss, frechet …).",
        ),
    ] = None,
    frechet: Annotated[
        bool | None, typer.Option(help="Log a GAN's Fréchet distance with the other metrics.", show_default=False)
    ] = None,
    patience: Patience = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Random seed; the same seed gives the same results. [default: 0]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results.", show_default="runs/MODEL-DATA-PRESET, then …-2")
    ] = None,
    distributed: Distributed = True,
) -> None:
    """Trains a model and saves its weights, metrics and plots to a folder.

    Options that are not set come from the preset, then from the recipe for this model and data. Existing runs are never
    overwritten. `mpiexec -n 4 autograd-mini train …` trains one model on four processes, each on a quarter of every batch.
    """
    flags = {
        "background": background,
        "skip_damaged": skip_damaged or None,
        "limit_per_class": limit_per_class,
        "labelled_per_class": labelled_per_class,
        "epochs": epochs,
        "iterations": iterations,
        "every": every,
        "batch_size": batch_size,
        "lr": lr,
        "optimizer": optimizer,
        "backend": backend,
        "accumulate": accumulate,
        "clip_grad_norm": clip_grad_norm,
        "clip_grad_value": clip_grad_value,
        "kl_warmup": kl_warmup,
        "free_bits": free_bits,
        "keep_best": keep_best,
        "keep_every": keep_every,
        "tensorboard": tensorboard or None,
        "early_stop": early_stop,
        "frechet": frechet,
        "patience": patience,
        "seed": seed,
    }
    with _usage_errors():
        recipe = with_classes(_choose(model, data, preset, size, channels), classes)
        recipe = override(recipe, flags, option, latent, layers)
        name = "-".join(filter(None, (model, Path(recipe.data).name, preset)))
        comm = ranks(distributed)
        claim = lambda: claim_folder(out) if out else claim_fresh_folder(Path("runs") / name)
        run = start_together(comm, claim, lambda folder: Run(recipe, folder, comm=comm))
    with run:
        _train(run)


@app.command()
def resume(
    folder: Folder,
    epochs: TotalEpochs = None,
    iterations: TotalIterations = None,
    lr: Rate = None,
    patience: Patience = None,
    distributed: Distributed = True,
) -> None:
    """Resumes an interrupted run, or trains it longer.

    A run that stopped early continues with a larger patience. A run without a checkpoint starts from the beginning. The number
    of processes of `mpiexec` may be another one than before.
    """
    flags = {"epochs": epochs, "iterations": iterations, "lr": lr, "patience": patience}
    comm = ranks(distributed)

    def reopen(claim: Any) -> Run:
        return Run(override(stored_recipe(folder), flags), claim, resume=True, comm=comm)

    with _usage_errors():
        run = start_together(comm, lambda: claim_run(folder), reopen)
    with run:
        _train(run)


def _train(run: Run) -> None:
    with _usage_errors():
        run.train()
    with run.comm.failing_together():
        if run.comm.is_main:
            _finish(run)
        run.comm.barrier()
    if run.trainer.interrupted:
        raise typer.Exit(INTERRUPTED)


def _finish(run: Run) -> None:
    """Writes the results and prints the last metrics."""
    if run.trainer.interrupted:  # printed first, because writing the plots may be interrupted too
        say(f"resume with: autograd-mini resume {shlex.quote(str(run.folder))}")
    if run.trainer.history:
        run.write()
        last = run.trainer.history[-1]
        if run.trainer.stopped:
            print(f"stopped early: {run.trainer.stopped}; those weights are kept; {run.how_to_continue()}")
        print(f"epoch {last['epoch']}: {comparison.format_row(last)}; results in {run.folder}")


@app.command()
def sweep(
    model: ModelName,
    option: GridOption = [],  # noqa: B006
    data: DataName = "digits",
    preset: Preset = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train every setting with N seeds.")] = 1,
    jobs: Jobs = 1,
    epochs: Epochs = None,
    iterations: Iterations = None,
    seed: Seed = 0,
    metric: Annotated[str | None, typer.Option(help="The metric of the figure.", show_default="val_accuracy …")] = None,
    cluster: Cluster = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep.", show_default="runs/sweep-MODEL-DATA")] = None,
) -> None:
    """Trains all combinations of some settings, and compares them in a table and a figure.

    `--option lr=1e-3,3e-3 --option optimizer=adam,sgd --seeds 5` makes 20 runs. The same command continues a sweep.
    """
    with _usage_errors():
        recipe = override(_choose(model, data, preset, None, None), {"epochs": epochs, "iterations": iterations, "seed": seed})
        folder = out or Path("runs") / f"sweep-{model}-{Path(recipe.data).name}"
        rows = run_sweep(recipe, parse_grid(option), seeds, folder, jobs=jobs, cluster=cluster, metric=metric)
    print(markdown(rows))
    print(f"\n{folder}")


# -- finished runs ---------------------------------------------------------------------------------------------------------


@app.command()
def sample(
    folder: Folder,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images.")] = 64,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            "--digit",
            metavar="NAME",
            help="Generate only images of this class, for conditional models; a name or a label.",
        ),
    ] = None,
    format: Annotated[
        Format,
        typer.Option(
            help="grid: one picture of all images; png: a folder of single files; npz: one array, of the model's size."
        ),
    ] = Format.grid,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output: a picture (.png, .svg, .pdf), a folder or an .npz file.", show_default="in the run's folder"
        ),
    ] = None,
) -> None:
    """Generates new images with a trained model."""

    def label(run: FinishedRun) -> int | None:
        return None if class_name is None else label_of(run.recipe, class_name)

    name = "samples" if class_name is None else f"samples-{re.sub(NOT_IN_FILES, '-', class_name)}"
    if format is Format.grid:
        _draw(folder, seed, out or folder / f"{name}.png", lambda run, path: sampling.draw_samples(run, n, path, label(run)))
    else:
        default = folder / (f"{name}-png" if format is Format.png else f"{name}.npz")
        _draw(folder, seed, out or default, lambda run, path: sampling.export_samples(run, n, path, format, label(run)))


@app.command()
def interpolate(folder: Folder, seed: Seed = 0, out: Picture = None) -> None:
    """Draws rows of images that interpolate between two images in latent space."""
    _draw(folder, seed, out or folder / INTERPOLATION, sampling.draw_interpolation)


def _draw(folder: Path, seed: int, path: Path, draw: Any) -> None:
    with _usage_errors():
        run = open_run(folder)
        ag.manual_seed(seed)
        draw(run, path)
    print(path)


@app.command()
def evaluate(
    folder: Folder,
    k: Annotated[
        int, typer.Option("--k", min=1, help="For VAEs: samples per image for the bound on log p(x); papers use 5000.")
    ] = 50,
    seed: Seed = 0,
) -> None:
    """Evaluates a trained model on the test images and writes evaluation.json to its folder."""
    with _usage_errors():
        run = open_run(folder)
        data = datasets.load(run.recipe)
        if changed_files(run.notes, data):
            say(f"{run.recipe.data}: files were added, removed or renamed since training; test images may have been trained on")
        tables = evaluate_model(run.model, data, k, seed)
    results = json.dumps({"k": k, "seed": seed, **tables}, indent=1, ensure_ascii=False)
    nn.training.checkpoint.write_text(folder / EVALUATION, results + "\n")
    if tables:
        _print(tables)
    else:
        print(f"nothing to measure: {nothing_to_measure(run.model, run.recipe.data)}")


@app.command()
def compare(
    folders: Annotated[list[Path], _argument("The folders of runs.", "RUN…")],
    metric: Annotated[
        str | None, typer.Option(help="The metric to plot.", show_default="the first common one of the usual metrics")
    ] = None,
    out: Annotated[Path, typer.Option(help="Output file: .png, .svg or .pdf.")] = Path("comparison.png"),
) -> None:
    """Compares runs: a table of their final metrics and a plot of their learning curves. Skips runs that cannot be read."""
    with _usage_errors():
        runs, faults = comparison.histories(folders)
        if not runs:
            raise ValueError("; ".join(faults))
        for fault in faults:
            say(f"autograd-mini: skipped: {' '.join(fault.split())}")
        rows = comparison.table(runs)
        comparison.plot(runs, comparison.metric_of(list(runs.values()), metric), out)
    print(markdown(rows))
    print(f"\n{out}")


@app.command(name="list")
def list_all(runs: Annotated[Path, typer.Option(help="Folder to search for runs.")] = Path("runs")) -> None:
    """Lists models, data, presets, exercises, ablations and runs."""
    _print(listing(runs))


# -- exercises and pictures ------------------------------------------------------------------------------------------------


app.command()(exercise)
app.command()(ablation)


@app.command()
def draw(
    model: ModelName,
    data: DataName = "digits",
    preset: Preset = None,
    option: Option = [],  # noqa: B006
    size: Size = None,
    channels: Channels = None,
    latent: Latent = None,
    layers: Layers = None,
    out: Annotated[Path, typer.Option(help="Output file: .svg, .png, .pdf or .dot.")] = Path("graph.svg"),
) -> None:
    """Draws the computation graph of a model's training loss on a few random images; for a GAN, D's step and G's step."""
    with _usage_errors():
        recipe = override(_choose(model, data, preset, size, channels), {}, option, latent, layers)
        images = np.random.default_rng(0).random((GRAPH_BATCH_SIZE, *datasets.image_shape(recipe)), np.float32)
        pictures = training_graphs(recipe.build(), images, np.zeros(GRAPH_BATCH_SIZE, np.int64))
        for step, picture in pictures.items():
            picture.save(name_of_step(out, step))
    print(*(name_of_step(out, step) for step in pictures), sep="\n")


# -- entry point -----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (sys.argv unless `arguments` are given) and returns the exit code.

    >>> from autograd_mini.cli.main import main
    >>> main(["train", "perceptron"])
    2
    """
    never_fail_to_print()
    try:
        return app(arguments, standalone_mode=False) or 0
    except ClickException as error:
        return _usage_error(error, error.format_message())
    except OSError as error:
        return _usage_error(error, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ModuleNotFoundError, nn.data.DataError, nn.DivergedError, nn.distributed.RankError, viz.RendererMissing) as error:
        return _usage_error(error, str(error))
    except MemoryError as error:
        return _usage_error(error, f"not enough memory: {error}")
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turns each ValueError raised inside into a usage error."""
    try:
        yield
    except nn.data.DataError:
        raise
    except ValueError as error:
        raise typer.BadParameter(message_with_notes(error)) from error


def _usage_error(error: Exception, message: str) -> int:
    """Prints one line to stderr, unless the help text was shown instead, and returns the exit code.

    With several ranks, rank 0 prints what all of them found. An error that ended training on one rank ends the others too.
    """
    if message and not is_silent():
        nn.distributed.faults.end_after_failure(error, lambda: say(f"autograd-mini: {' '.join(message.split())}"), USAGE_ERROR)
    return USAGE_ERROR


def _choose(model: str, data: str, preset: str | None, size: str | None, channels: int | None) -> Recipe:
    return choose(model, data, preset, None if size is None else parse_size(size), channels)


def _print(tables: Mapping[str, Rows]) -> None:
    print("\n\n".join(f"{name}\n\n{markdown(rows) if rows else 'none'}" for name, rows in tables.items()))
