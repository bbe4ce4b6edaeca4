"""One training run: takes a recipe and writes a folder of results.

Every model: config.json, metrics.csv, timing.csv, checkpoint.safetensors, model.safetensors, summary.txt, loss.png, graph.svg.
Classifiers: accuracy.png and confusion.png. Models with a latent space: reconstructions.png, latent.png, interpolation.png and,
in two dimensions, plane.png. Generative models: samples.png. GANs: samples/ (images from fixed noise during training),
frechet.png, balance.png with D(x) and D(G(z)), and diagnosis.txt.

A folder belongs to one run at a time: `Run` claims it before anything else. The checkpoint is the truth about a run; what
`Run.write` writes follows from it, and the first later checkpoint removes it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from itertools import chain, count
from pathlib import Path
from types import UnionType
from typing import Any, Final, Self, get_args, get_origin, get_type_hints

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.gans.diagnosis import diagnose
from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled
from autograd_mini.models.metrics.batches import images_per_batch
from autograd_mini.models.model import Model
from autograd_mini.models.recipes import IMAGE_SHAPES, OPTIMIZERS, Recipe
from autograd_mini.nn.extras import say
from autograd_mini.tensor import Array
from autograd_mini.tools.atomic_files import read_text, remove_temporary_files
from autograd_mini.tools.locks import FolderClaim, FolderInUseError

from . import datasets
from .callbacks import ROW_METRICS, ROW_PLOTS, SAMPLES
from .classes import changed_files, check_notes, notes_of
from .many.ranks import FolderOfMainRank
from .plots import BALANCE, CURVES, PLOTS, plot_history, plots_of

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
EVALUATION: Final = "evaluation.json"
SUMMARY, DIAGNOSIS, GRAPH, GRAPH_SOURCE = "summary.txt", "diagnosis.txt", "graph.svg", "graph.dot"
RESULTS: Final = (
    WEIGHTS, EVALUATION, SUMMARY, DIAGNOSIS, GRAPH, GRAPH_SOURCE, BALANCE,
    *(f"graph-{player}.{kind}" for player in "dg" for kind in ("svg", "dot")), *(f"{name}.png" for name in CURVES),
    *(file for file, _ in PLOTS.values()),
)  # fmt: skip
"""What follows from a checkpoint."""
EVENTS: Final = "events"  # folder of the files for TensorBoard
TRAINER_SETTINGS: Final = ("every", "backend", "accumulate", "clip_grad_norm", "clip_grad_value", "keep_best", "keep_every")
"""Fields of a recipe that are arguments of the trainer."""
GRAPH_BATCH_SIZE: Final = 4  # images in the batch for graph.svg


class Run:
    """A training run: the data, model and trainer of a recipe, and the folder for its results.

    Creating a run claims the folder, until `close` or the end of a `with` block, and writes config.json to it. If that fails,
    a folder that did not exist before is removed. A run that is
    resumed without a checkpoint, because it was killed or diverged before its first one, starts from its recipe.

    Parameters
    ----------
    recipe    model, data and hyperparameters
    folder    folder for the results, or the claim on it; it must not contain a run unless `resume` is set
    resume    whether training continues from the checkpoint in the folder
    progress  whether a progress bar is shown
    comm      ranks of MPI that train together; only rank 0 claims the folder and writes
    threads   threads of the trainer

    Raises
    ------
    ValueError        if the recipe does not fit its data, the folder contains a run, or the checkpoint is of another model
    FolderInUseError  if another process or thread has claimed the folder
    OSError           if the folder cannot be written

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> with Run(RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp())) as run:
    ...     len(run.data.train)
    1442
    >>> sorted(path.name for path in run.folder.iterdir())
    ['config.json']
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path | FolderClaim | FolderOfMainRank,
        *,
        resume: bool = False,
        progress: bool = True,
        comm: nn.distributed.Communicator | None = None,
        threads: int | None = 2,
    ) -> None:
        nn.extras.extra("matplotlib", "plotting")  # fail before training, not after it
        self.recipe, self.comm, self.threads = recipe, comm or nn.distributed.Communicator(), threads
        self._claim: Any = claim_folder(folder) if isinstance(folder, Path) else folder
        self.folder = self._claim.folder
        try:
            self._build(resume, progress)
        except BaseException:
            self.close()
            if self._claim.created:
                with suppress(OSError):  # it is not empty
                    self.folder.rmdir()
            raise

    def close(self) -> None:
        """Ends the claim on the folder."""
        self._claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _build(self, resume: bool, progress: bool) -> None:
        recipe, folder = self.recipe, self.folder
        if not resume and self.comm.is_main and contains_run(folder):
            raise ValueError(
                f"{folder} already contains a run: resume it with autograd-mini resume {folder}, or choose another folder"
            )
        self.data = datasets.load(recipe)
        ag.manual_seed(recipe.seed)
        self.model = recipe.build()
        updates = self.model.updates(recipe.lr, OPTIMIZERS[recipe.optimizer])
        settings = {name: getattr(recipe, name) for name in TRAINER_SETTINGS} | {"threads": self.threads}
        self.trainer = nn.Trainer(self.model, updates, folder, progress=progress, comm=self.comm, **settings)
        schedules = [nn.ExponentialLR(update.optimizer, recipe.lr_decay) for update in self.trainer.updates.values()]
        self.trainer.claim = self._claim
        self.trainer.notes = notes_of(recipe, self.data)
        row_callbacks = callbacks_of_rows(recipe, self.model, folder, self.data)
        self.stopping = early_stopping_of(row_callbacks)
        curves = [nn.TensorBoard(folder / EVENTS)] if recipe.tensorboard else []
        self.trainer.callbacks = (*self.model.callbacks(row_callbacks), *map(nn.Schedule, schedules), *curves)
        if resume and (folder / nn.training.trainer.CHECKPOINT).exists():
            self._resume(schedules)
        for purpose, metric in (("early stopping", recipe.early_stop), ("keep_best", recipe.keep_best)):
            if metric:
                self._check_metric(purpose, metric)
        self._previous_config = read_text(folder / CONFIG) if resume else None
        # A checkpoint belongs to the learning rate that made it: a new rate is written with the first checkpoint of its own.
        rate = stored_recipe(folder).lr if self.trainer.at_later_checkpoint else recipe.lr
        self._write_config(dataclasses.replace(recipe, lr=rate))
        self.trainer.at_later_checkpoint.append(partial(self._write_config, recipe))

    def _write_config(self, recipe: Recipe) -> None:
        self._config = json.dumps(dataclasses.asdict(recipe), indent=2)
        if self.comm.is_main:
            nn.training.checkpoint.write_text(self.folder / CONFIG, self._config + "\n")

    def _resume(self, schedules: Sequence[nn.ExponentialLR]) -> None:
        """Loads the checkpoint; raises ValueError if the recipe does not train on from there."""
        recipe, trainer = self.recipe, self.trainer
        rates = [schedule.state_dict()["base_lrs"] for schedule in schedules]
        checkpoint = self.folder / nn.training.trainer.CHECKPOINT
        trainer.load(checkpoint)
        check_notes(recipe, trainer.notes, checkpoint)
        if changed_files(trainer.notes, self.data):
            raise ValueError(
                f"{recipe.data}: files for training were added, removed or renamed; restore them or train a new run"
            )
        trained = {"epochs": int(trainer.history[-1]["epoch"]) if trainer.history else 0, "iterations": trainer.iteration}
        for unit, done in trained.items():
            if (requested := getattr(recipe, unit)) is not None and done > requested:
                raise ValueError(f"{self.folder} is already trained for {done} {unit}, more than the requested {requested}")
        nn.training.callback.call_all(trainer.callbacks, "before_fit", trainer)  # a larger patience lifts an early stop
        if trainer.stopped and recipe != stored_recipe(self.folder):
            raise ValueError(f"{self.folder} stopped early: {trainer.stopped}; {self.how_to_continue()}")
        for schedule, rate in zip(schedules, rates, strict=True):  # the learning rate may have changed
            state = schedule.state_dict()
            if state["base_lrs"] != rate:  # without "lrs", the current rates are computed from those at the start
                schedule.load_state_dict({"steps": state["steps"], "base_lrs": rate})
        trainer.at_later_checkpoint = [partial((self.folder / name).unlink, missing_ok=True) for name in RESULTS]

    def how_to_continue(self) -> str:
        """Returns the advice for a run that stopped early."""
        waited = len(self.trainer.history) - 1 - (self.stopping.best_row if self.stopping else 0)
        return f"to continue: autograd-mini resume {shlex.quote(str(self.folder))} --patience N, with N above {waited}"

    def train(self) -> None:
        """Trains to the recipe's last epoch or batch, or until Ctrl-C; all models except GANs are validated on test images."""
        recipe, rows = self.recipe, self.data.train
        if not self.trainer.iteration:
            self.model.init_from_data(rows.images, recipe.batch_size)
        few = recipe.labelled_per_class
        source = rows if few is None else PartlyLabelled(rows, few, recipe.seed)
        batches = nn.data.DataLoader(source, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
        validation = (
            nn.data.DataLoader(self.data.test, batch_size=images_per_batch(self.data.image_shape))
            if self.model.validates
            else None
        )
        if self.comm.is_main:
            remove_temporary_files(self.folder / SAMPLES)
        logged = len(self.trainer.history)
        try:
            self.trainer.fit(batches, recipe.epochs, validation, iterations=recipe.iterations)
        except nn.DivergedError:
            if (
                self.comm.is_main and self._previous_config and len(self.trainer.history) == logged
            ):  # the last checkpoint is of the previous recipe
                nn.training.checkpoint.write_text(self.folder / CONFIG, self._previous_config)
            raise

    def write(self) -> None:
        """Writes the model (with averaged weights if it keeps an average) and the plots; prints a GAN's diagnosis.

        Without a renderer, writes graph.dot instead of graph.svg and prints to stderr how to get the image.
        """
        if self.stopping and self.stopping.best_weights:  # of an interrupted run too
            self.trainer.use_weights(self.stopping.best_weights)
        with averaged(self.model, self.stopping):
            nn.save(self.folder / WEIGHTS, self.model, {"recipe": self._config})
            for file, plot in plots_of(self.model).items():
                plot(self.model, self.data, self.folder / file)
        images, labels = self.data.test[np.arange(GRAPH_BATCH_SIZE) % len(self.data.test)]  # batch norm needs two or more
        nn.training.checkpoint.write_text(self.folder / SUMMARY, self.model.summary(images[:1]) + "\n")
        plot_history(self.trainer.history, self.recipe.unit, self.folder)
        if diagnosis := diagnose(self.trainer.history, self._options()):
            nn.training.checkpoint.write_text(self.folder / DIAGNOSIS, f"{diagnosis}\n")
        else:
            (self.folder / DIAGNOSIS).unlink(missing_ok=True)
        for step, picture in training_graphs(self.model, images, labels).items():
            drawn, source = (name_of_step(self.folder / name, step) for name in (GRAPH, GRAPH_SOURCE))
            try:
                picture.save(drawn)
                source.unlink(missing_ok=True)
            except (RuntimeError, TimeoutError) as error:
                picture.save(source)
                drawn.unlink(missing_ok=True)
                say(f"wrote {source} instead of {drawn.name}: {error}")
        if diagnosis:
            print(diagnosis)

    def _options(self) -> dict[str, Any]:
        """Returns all options of a GAN and of its training: defaults of the model, then those of the recipe."""
        config = getattr(self.model, "config", None)
        defaults = dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}
        return {**defaults, **self.recipe.options, "early_stop": self.recipe.early_stop}

    def _check_metric(self, purpose: str, metric: str) -> None:
        """Raises ValueError before training if the metric will not be logged; gets the names of losses from two images."""
        batch = next(iter(nn.data.DataLoader(*self.data.train[:2], batch_size=2)))
        with self.trainer.inference():
            losses = [f"{prefix}{name}" for prefix, update in self.trainer.updates.items() for name in update.compute(batch)]
        validated = [f"val_{name}" for name in losses] if self.model.validates else []
        names = ["epoch", "iteration", *losses, *validated, *_row_metrics(self.recipe, self.model)]
        if metric not in names:
            raise ValueError(f"{purpose}: expected one of {', '.join(names)}, not {metric!r}")


def contains_run(folder: Path) -> bool:
    """Returns whether the folder contains a recipe or a checkpoint of a run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import contains_run
    >>> contains_run(pathlib.Path(tempfile.mkdtemp()))
    False
    """
    return any((folder / name).exists() for name in (CONFIG, nn.training.trainer.CHECKPOINT))


def claim_folder(folder: Path) -> FolderClaim:
    """Creates a folder if it is missing and claims it. Raises FolderInUseError if another process or thread has claimed it.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import claim_folder
    >>> with claim_folder(pathlib.Path(tempfile.mkdtemp()) / "run") as claim:
    ...     claim.folder.is_dir()
    True
    """
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    claim = FolderClaim(folder)
    claim.created = created
    return claim


def claim_fresh_folder(wanted: Path) -> FolderClaim:
    """Claims `wanted`, or the first of `wanted-2`, `wanted-3`, … that is not claimed and does not contain a run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import claim_fresh_folder
    >>> wanted = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (wanted / "config.json").write_text("{}")
    >>> with claim_fresh_folder(wanted) as claim:
    ...     claim.folder.name == f"{wanted.name}-2"
    True
    """
    for folder in chain([wanted], (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))):
        if contains_run(folder):
            continue
        try:
            claim = claim_folder(folder)
        except FolderInUseError:
            continue
        if not contains_run(folder):  # nobody else can start one here now
            return claim
        claim.release()
    raise AssertionError("there is always another number")


def claim_run(folder: Path) -> FolderClaim:
    """Claims the folder of an existing run. Raises FileNotFoundError if there is none, and FolderInUseError if it is in use."""
    if not (folder / CONFIG).exists():
        raise FileNotFoundError(f"{folder / CONFIG}: no such file; this folder does not contain a run")
    return FolderClaim(folder)


def stored_recipe(folder: Path) -> Recipe:
    """Returns the recipe of the run in a folder.

    Raises FileNotFoundError if it is missing and ValueError if it is damaged.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run, stored_recipe
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> stored_recipe(Run(RECIPES["ae", "digits"], folder).folder) == RECIPES["ae", "digits"]
    True
    """
    path = folder / CONFIG
    try:
        stored = json.loads(read_text(path))
        if not isinstance(stored, dict):
            raise TypeError(f"expected an object with the fields of a recipe, got {stored!r:.50}")
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
        for key, hint in get_type_hints(Recipe).items():
            if key in fields and not _has_type(fields[key], hint):
                raise TypeError(f"{key} is {fields[key]!r:.50}")
        return Recipe(**fields)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; this folder does not contain a run") from None
    except RecursionError:
        raise ValueError(f"{path}: invalid recipe: nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: invalid recipe: {error}") from None


def _has_type(value: Any, hint: Any) -> bool:
    """Returns whether a value read from a file has the declared type of its field; an int is a float too."""
    if isinstance(hint, UnionType):
        return any(_has_type(value, part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_has_type(item, get_args(hint)[0]) for item in value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is float:
        return isinstance(value, (int, float)) and abs(value) < math.inf
    return isinstance(value, get_origin(hint) or hint)


def callbacks_of_rows(recipe: Recipe, model: Model, folder: Path, data: nn.data.Dataset | None) -> list[nn.Callback]:
    """Returns what each logged row needs: the model's plots and metrics, and early stopping.

    Without data, metrics have stand-ins: enough to read the state of a checkpoint.
    """
    plots = [ROW_PLOTS[name](model, folder) for name in model.row_plots]
    measures = [ROW_METRICS[name](model, data) if data is not None else nn.Callback() for name in _row_metrics(recipe, model)]
    return [*plots, *measures, *([_early_stopping(recipe.early_stop, recipe.patience)] if recipe.early_stop else [])]


def early_stopping_of(callbacks: Sequence[nn.Callback]) -> nn.EarlyStopping | None:
    """Returns early stopping, if it is among the callbacks."""
    return next((callback for callback in callbacks if isinstance(callback, nn.EarlyStopping)), None)


def averaged(model: Model, stopping: nn.EarlyStopping | None) -> AbstractContextManager[Any]:
    """Inside the `with` block a model that averages its weights has the averages; the best weights are averages already."""
    average = None if stopping and stopping.best_weights else model.average
    return average.average_parameters() if average else nullcontext()


def _row_metrics(recipe: Recipe, model: Model) -> list[str]:
    """Returns the model's metrics for each row.

    Recipes of a folder that have no image shape are of a version that logged no Fréchet distance for folders.
    """
    frechet = recipe.early_stop == "frechet" or (recipe.frechet and bool(recipe.data in IMAGE_SHAPES or recipe.image_shape))
    return [name for name in model.row_metrics if frechet or name != "frechet"]


def training_graphs(model: Model, images: Array, labels: Array) -> dict[str, viz.Picture]:
    """Returns pictures of the graphs of one training step, as backpropagation traverses them: one, or one for each player.

    Gradients that training has left are cleared, so that a run that is resumed after its last batch has the same pictures.
    """
    model.zero_grad()
    steps = model.steps((ag.as_tensor(images), ag.as_tensor(labels)))
    return {
        name: viz.draw({key: loss for key, loss in losses.items() if loss.requires_grad}, params=model.parts())
        for name, losses in steps
    }


def name_of_step(file: Path, step: str) -> Path:
    """Returns the file of a step's picture: graph.svg, or graph-d.svg and graph-g.svg.

    >>> from pathlib import Path
    >>> from autograd_mini.cli.run import name_of_step
    >>> name_of_step(Path("graph.svg"), "d").name
    'graph-d.svg'
    """
    return file.with_stem(f"{file.stem}-{step}") if step else file


def _early_stopping(metric: str, patience: int) -> nn.EarlyStopping:
    """Returns early stopping that maximises accuracies and minimises all other metrics."""
    return nn.EarlyStopping(metric, patience, mode="max" if metric.endswith("accuracy") else "min")
