"""One training run: takes a recipe and writes a folder of results.

Every model: config.json, metrics.csv, timing.csv, checkpoint.safetensors, model.safetensors, summary.txt, loss.png, graph.svg.
Classifiers: accuracy.png and confusion.png. Models with a latent space: reconstructions.png, latent.png, interpolation.png and,
in two dimensions, plane.png. Generative models: samples.png. GANs: samples/ (images from fixed noise during training),
frechet.png, balance.png with D(x) and D(G(z)), and diagnosis.txt.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import nullcontext
from itertools import chain, count
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models.gans.diagnosis import diagnose
from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled
from autograd_mini.models.model import Model
from autograd_mini.models.recipes import OPTIMIZERS, RECIPES, Recipe
from autograd_mini.nn.extras import say
from autograd_mini.tensor import Array

from . import datasets
from .callbacks import ROW_METRICS, ROW_PLOTS
from .plots import plot_history, plots_of

CONFIG: Final = "config.json"
GRAPH_BATCH_SIZE: Final = 4  # images in the batch for graph.svg
TEST_BATCH_SIZE: Final = 1000


class Run:
    """A training run: the data, model and trainer of a recipe, and the folder for its results.

    Creating a run writes config.json to the folder.

    Parameters
    ----------
    recipe    model, data and hyperparameters
    folder    folder for the results; it must not contain a run unless `resume` is set
    resume    whether training continues from the checkpoint in the folder
    progress  whether a progress bar is shown

    Raises
    ------
    ValueError         if the recipe does not fit its data, the folder contains a run, or the checkpoint is of another model
    FileNotFoundError  if there is no checkpoint to resume
    OSError            if the folder cannot be written

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> run = Run(RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp()))
    >>> len(run.data.train), sorted(path.name for path in run.folder.iterdir())
    (1442, ['config.json'])
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False, progress: bool = True) -> None:
        nn.extras.extra("matplotlib", "plotting")  # fail before training, not after it
        if not resume and contains_run(folder):
            raise ValueError(
                f"{folder} already contains a run: resume it with autograd-mini resume {folder}, or choose another folder"
            )
        self.recipe = recipe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = datasets.load(recipe)
        ag.manual_seed(recipe.seed)
        self.model = recipe.build()
        updates = self.model.updates(recipe.lr, OPTIMIZERS[recipe.optimizer])
        self.trainer = nn.Trainer(self.model, updates, folder, every=recipe.every, progress=progress)
        schedules = [nn.ExponentialLR(update.optimizer, recipe.lr_decay) for update in self.trainer.updates.values()]
        self.trainer.callbacks = (*self.model.callbacks(self._row_callbacks()), *map(nn.Schedule, schedules))
        if resume:
            rates = [schedule.state_dict()["base_lrs"] for schedule in schedules]
            self.trainer.load(folder / nn.training.trainer.CHECKPOINT)
            trained = int(self.trainer.history[-1]["epoch"]) if self.trainer.history else 0
            if recipe.epochs is not None and trained > recipe.epochs:
                raise ValueError(f"{folder} is already trained for {trained} epochs, more than the requested {recipe.epochs}")
            for schedule, rate in zip(schedules, rates, strict=True):  # the learning rate may have changed
                schedule.load_state_dict({**schedule.state_dict(), "base_lrs": rate})
        if recipe.early_stop:
            self._check_metric(recipe.early_stop)
        self._config = json.dumps(dataclasses.asdict(recipe), indent=2)
        nn.training.checkpoint.write_text(folder / CONFIG, self._config + "\n")

    def train(self) -> None:
        """Trains to the recipe's last epoch or batch, or until Ctrl-C; all models except GANs are validated on test images."""
        recipe, rows = self.recipe, self.data.train
        if not self.trainer.iteration:
            self.model.init_from_data(rows.images, recipe.batch_size)
        few = recipe.labelled_per_class
        source = rows if few is None else PartlyLabelled(rows, few, recipe.seed)
        batches = nn.data.DataLoader(source, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
        validation = nn.data.DataLoader(self.data.test, batch_size=TEST_BATCH_SIZE) if self.model.validates else None
        self.trainer.fit(batches, recipe.epochs, validation, iterations=recipe.iterations)

    def write(self) -> None:
        """Writes the model (with averaged weights if it keeps an average) and the plots; prints a GAN's diagnosis.

        Without a renderer, writes graph.dot instead of graph.svg and prints to stderr how to get the image.
        """
        average = None if self.recipe.early_stop else self.model.average  # early stopping has restored averaged weights
        with average.average_parameters() if average else nullcontext():
            nn.save(self.folder / "model.safetensors", self.model, {"recipe": self._config})
            for file, plot in plots_of(self.model).items():
                plot(self.model, self.data, self.folder / file)
        images, labels = self.data.test[:GRAPH_BATCH_SIZE]
        nn.training.checkpoint.write_text(self.folder / "summary.txt", self.model.summary(images[:1]) + "\n")
        plot_history(self.trainer.history, self.recipe.unit, self.folder)
        if diagnosis := diagnose(self.trainer.history, self._options()):
            nn.training.checkpoint.write_text(self.folder / "diagnosis.txt", f"{diagnosis}\n")
        picture = training_graph(self.model, images, labels)
        try:
            picture.save(self.folder / "graph.svg")
        except (RuntimeError, TimeoutError) as error:
            picture.save(self.folder / "graph.dot")
            say(f"wrote {self.folder / 'graph.dot'} instead of graph.svg: {error}")
        if diagnosis:
            print(diagnosis)

    def _row_callbacks(self) -> list[nn.Callback]:
        """Returns what each logged row needs: the model's plots and metrics, and early stopping."""
        recipe, model = self.recipe, self.model
        plots = [ROW_PLOTS[name](model, self.folder) for name in model.row_plots]
        measures = [ROW_METRICS[name](model, self.data) for name in self._row_metrics()]
        return [*plots, *measures, *([_early_stopping(recipe.early_stop, recipe.patience)] if recipe.early_stop else [])]

    def _options(self) -> dict[str, Any]:
        """Returns all options of a GAN and of its training: defaults of the model, then those of the recipe."""
        config = getattr(self.model, "config", None)
        defaults = dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}
        return {**defaults, **self.recipe.options, "early_stop": self.recipe.early_stop}

    def _row_metrics(self) -> list[str]:
        """Returns the model's metrics for each row; the Fréchet distance needs a classifier for the data set."""
        recipe = self.recipe
        frechet = recipe.early_stop == "frechet" or (recipe.frechet and ("cnn", recipe.data) in RECIPES)
        return [name for name in self.model.row_metrics if frechet or name != "frechet"]

    def _check_metric(self, metric: str) -> None:
        """Raises ValueError before training if the metric will not be logged; gets the names of losses from two images."""
        losses = list(self.trainer.evaluate(nn.data.DataLoader(*self.data.train[:2], batch_size=2)))
        validated = [f"val_{name}" for name in losses] if self.model.validates else []
        names = ["epoch", "iteration", *losses, *validated, *self._row_metrics()]
        if metric not in names:
            raise ValueError(f"early stopping: expected one of {', '.join(names)}, not {metric!r}")


def contains_run(folder: Path) -> bool:
    """Returns whether the folder contains a recipe or a checkpoint of a run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import contains_run
    >>> contains_run(pathlib.Path(tempfile.mkdtemp()))
    False
    """
    return any((folder / name).exists() for name in (CONFIG, nn.training.trainer.CHECKPOINT))


def fresh_folder(wanted: Path) -> Path:
    """Returns `wanted`, or the first of `wanted-2`, `wanted-3`, … that does not contain a run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import fresh_folder
    >>> wanted = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (wanted / "config.json").write_text("{}")
    >>> fresh_folder(wanted).name == f"{wanted.name}-2"
    True
    """
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return next(folder for folder in chain([wanted], numbered) if not contains_run(folder))


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
        stored = json.loads(path.read_text(encoding="utf-8")).items()
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored}
        for key, hint in get_type_hints(Recipe).items():
            if key in fields and not _has_type(fields[key], hint):
                raise TypeError(f"{key} is {fields[key]!r}")
        return Recipe(**fields)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; this folder does not contain a run") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: invalid recipe: {error}") from None


def _has_type(value: Any, hint: Any) -> bool:
    """Returns whether a value read from a file has the declared type of its field."""
    kinds = [get_origin(part) or part for part in (get_args(hint) if isinstance(hint, UnionType) else [hint])]
    return isinstance(value, (*kinds, int) if float in kinds else tuple(kinds))


def training_graph(model: Model, images: Array, labels: Array) -> viz.Picture:
    """Returns the picture of the graph of one training loss and its parts, as backpropagation traverses it."""
    losses = model.training_step((ag.as_tensor(images), ag.as_tensor(labels)))
    return viz.draw({name: loss for name, loss in losses.items() if loss.requires_grad}, params=model)


def _early_stopping(metric: str, patience: int) -> nn.EarlyStopping:
    """Returns early stopping that maximises accuracies and minimises all other metrics."""
    return nn.EarlyStopping(metric, patience, mode="max" if metric.endswith("accuracy") else "min")
