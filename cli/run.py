"""One training run: a recipe in, a folder of results out.

config.json, metrics.csv, timing.csv, checkpoint.safetensors, model.safetensors, summary.txt, loss.png and graph.svg for every
model; accuracy.png and confusion.png for classifiers; reconstructions.png, latent.png and interpolation.png where there is a
latent space, plane.png where it is a plane; samples.png where the model can draw new images. Of GANs also samples/, what
became of the same noise over time, frechet.png, balance.png with D(x) and D(G(z)), and diagnosis.txt.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, count
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.models import metrics
from autograd_mini.models.autoencoders.latent import LatentModel
from autograd_mini.models.classifiers.base import Classifier
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.gans.diagnosis import diagnose
from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled, SemiSupervisedGAN
from autograd_mini.models.recipes import OPTIMIZERS, RECIPES, Model, Recipe
from autograd_mini.tensor import Array

from . import datasets, gan_plots, latent_plots
from .gan_callbacks import ErrorLog, FrechetLog, WithAverage
from .latent_plots import pictures

CONFIG: Final = "config.json"
DRAWN: Final = 4  # images in the batch whose graph is drawn
TESTED_AT_ONCE: Final = 1000
CURVES: Final = {
    "loss": {"loss": "training", "val_loss": "test", "d_loss": "discriminator", "g_loss": "generator"},
    "accuracy": {"accuracy": "training", "val_accuracy": "test", "d_accuracy": "training"},
    "errors": {"errors": "test images classified wrongly"},
    "frechet": {"frechet": "Fréchet distance from test images"},
}
"""What has a plot over the rows of the history: numbers of a row, and the names of their curves."""


MEASURES: Final[dict[str, Callable[[Any, nn.data.Dataset], nn.Callback]]] = {
    "frechet": FrechetLog,
    "errors": lambda model, data: ErrorLog(model, data.test),
}
"""A number of a GAN's rows beside the losses, and who adds it."""


class Run:
    """A recipe made ready: data loaded and cut down, model, trainer, and the folder for the results, with its config.json.

    ValueError for a recipe that does not fit its data or a folder that holds a run already, OSError for one that cannot be
    written. With `resume`, the folder's checkpoint is taken up: FileNotFoundError where there is none, ValueError where it is
    another model's.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.cli.run import Run
    >>> run = Run(RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp()))
    >>> len(run.data.train), sorted(path.name for path in run.folder.iterdir())
    (1442, ['config.json'])
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False, progress: bool = True) -> None:
        nn.extras.extra("matplotlib", "plotting")  # before training, not after it
        if not resume and holds_run(folder):
            raise ValueError(
                f"{folder} holds a run already: go on with it by autograd-mini resume {folder}, or choose another folder"
            )
        self.recipe = recipe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = datasets.load(recipe)
        ag.manual_seed(recipe.seed)
        self.model = recipe.build()
        self.trainer = nn.Trainer(self.model, self._steps(), folder, every=recipe.every, progress=progress)
        schedules = [nn.ExponentialLR(update.optimizer, recipe.lr_decay) for update in self.trainer.updates.values()]
        self.trainer.callbacks = (*self._callbacks(), *map(nn.Schedule, schedules))
        if resume:
            rates = [schedule.state_dict()["base_lrs"] for schedule in schedules]
            self.trainer.load(folder / nn.training.trainer.CHECKPOINT)
            trained = int(self.trainer.history[-1]["epoch"]) if self.trainer.history else 0
            if recipe.epochs is not None and trained > recipe.epochs:
                raise ValueError(f"{folder} was trained for {trained} epochs already, more than the {recipe.epochs} asked for")
            for schedule, rate in zip(schedules, rates, strict=True):  # may be another from here on
                schedule.load_state_dict({**schedule.state_dict(), "base_lrs": rate})
        if recipe.early_stop:
            self._expect(recipe.early_stop)
        self._config = json.dumps(dataclasses.asdict(recipe), indent=2)
        nn.training.checkpoint.write_text(folder / CONFIG, self._config + "\n")

    def train(self) -> None:
        """Trains to the recipe's last epoch or batch, or until Ctrl-C; test images validate what is no game of two players."""
        recipe, rows = self.recipe, self.data.train
        if isinstance(self.model, AdversarialModel) and not self.trainer.iteration:
            self.model.init_from_data(rows.images[: recipe.batch_size])
        if isinstance(self.model, LatentModel) and not self.trainer.iteration:
            self.model.init_from_data(rows.images)
        few = recipe.labelled_per_class
        source = rows if few is None else PartlyLabelled(rows, few, recipe.seed)
        batches = nn.data.DataLoader(source, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
        validation = None if self.adversarial else nn.data.DataLoader(self.data.test, batch_size=TESTED_AT_ONCE)
        self.trainer.fit(batches, recipe.epochs, validation, iterations=recipe.iterations)

    def write(self) -> None:
        """Writes the model, with averaged weights where there is an average, and the pictures; prints a GAN's diagnosis.

        Without a renderer, graph.dot stands in for graph.svg, and a line on stderr says how to get the picture.
        """
        with self._final():
            nn.save(self.folder / "model.safetensors", self.model, {"recipe": self._config})
            for name, kind, plot in PLOTS:
                if isinstance(self.model, kind):
                    plot(self.model, self.data, self.folder / name)
        images, labels = self.data.test[:DRAWN]
        nn.training.checkpoint.write_text(self.folder / "summary.txt", self._summary(images[:1]))
        _plot_history(self.trainer.history, self.recipe.unit, self.folder)
        if diagnosis := diagnose(self.trainer.history):
            nn.training.checkpoint.write_text(self.folder / "diagnosis.txt", f"{diagnosis}\n")
            print(diagnosis)
        picture = training_graph(self.model, images, labels)
        try:
            picture.save(self.folder / "graph.svg")
        except (RuntimeError, TimeoutError) as error:
            picture.save(self.folder / "graph.dot")
            print(f"wrote {self.folder / 'graph.dot'} instead of graph.svg: {error}", file=sys.stderr)

    @property
    def adversarial(self) -> bool:
        """Whether two players learn."""
        return isinstance(self.model, AdversarialModel)

    def _steps(self) -> Any:
        """An optimizer, or what a model of several players has in its place."""
        if isinstance(self.model, AdversarialModel):
            return self.model.updates(self.recipe.lr)
        return OPTIMIZERS[self.recipe.optimizer](self.model.parameters(), lr=self.recipe.lr)

    def _callbacks(self) -> list[nn.Callback]:
        recipe, model = self.recipe, self.model
        stopping = [_stopping(recipe.early_stop, recipe.patience)] if recipe.early_stop else []
        if not isinstance(model, AdversarialModel):
            return [*stopping]
        draw = lambda images, path: viz.plot_images(pictures(images, model.image_shape), path, columns=model.columns)
        noise = nn.FixedNoise(model.decode, model.columns**2, model.latent_features, self.folder / "samples", draw)
        measures = [MEASURES[name](model, self.data) for name in self._measured()]
        return [*map(nn.Averaging, model.weight_averages()), WithAverage(model.average, [noise, *measures, *stopping])]

    def _measured(self) -> list[str]:
        """What is measured beside the losses with each row; the Fréchet distance needs the data set's own classifier."""
        recipe = self.recipe
        frechet = recipe.early_stop == "frechet" or (recipe.frechet and ("cnn", recipe.data) in RECIPES)
        wanted = {"frechet": self.adversarial and frechet, "errors": isinstance(self.model, SemiSupervisedGAN)}
        return [name for name, asked in wanted.items() if asked]

    def _expect(self, metric: str) -> None:
        """ValueError before training where no row will have that number: losses tell their names with any two images."""
        losses = list(self.trainer.evaluate(nn.data.DataLoader(*self.data.train[:2], batch_size=2)))
        validated = [] if self.adversarial else [f"val_{name}" for name in losses]
        names = ["epoch", "iteration", *losses, *validated, *self._measured()]
        if metric not in names:
            raise ValueError(f"early stopping: rows have {', '.join(names)}, not {metric!r}")

    def _final(self) -> AbstractContextManager[Any]:
        """Inside, the weights are those to keep: averages, unless early stopping has put back the best of them."""
        averaged = self.adversarial and not self.recipe.early_stop
        return WithAverage(self.model.average if averaged else None, []).applied()

    def _summary(self, image: Array) -> str:
        parts = [nn.summary(self.model, image)]
        if isinstance(self.model, AdversarialModel):
            parts.append(nn.summary(self.model.generator, self.model.generator_input(self.model.noise(1))))
        return "\n\n".join(map(str, parts)) + "\n"


def holds_run(folder: Path) -> bool:
    """Whether a training run has left its recipe or a checkpoint in the folder.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import holds_run
    >>> holds_run(pathlib.Path(tempfile.mkdtemp()))
    False
    """
    return any((folder / name).exists() for name in (CONFIG, nn.training.trainer.CHECKPOINT))


def fresh_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, … that holds no run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.cli.run import fresh_folder
    >>> wanted = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (wanted / "config.json").write_text("{}")
    >>> fresh_folder(wanted).name == f"{wanted.name}-2"
    True
    """
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return next(folder for folder in chain([wanted], numbered) if not holds_run(folder))


def stored_recipe(folder: Path) -> Recipe:
    """The recipe of the run in a folder; FileNotFoundError without one, ValueError where it is damaged.

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
            if key in fields and not _is_a(fields[key], hint):
                raise TypeError(f"{key} is {fields[key]!r}")
        return Recipe(**fields)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; there is no run here") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no recipe of a run: {error}") from None


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value, out of a file where anybody may have written, has the type that a field declares."""
    kinds = [get_origin(part) or part for part in (get_args(hint) if isinstance(hint, UnionType) else [hint])]
    return isinstance(value, (*kinds, int) if float in kinds else tuple(kinds))


def training_graph(model: Model, images: Array, labels: Array) -> viz.Picture:
    """The graph of one training loss and its parts, the very one that backpropagation walks."""
    losses = model.training_step((ag.as_tensor(images), ag.as_tensor(labels)))
    return viz.draw({name: loss for name, loss in losses.items() if loss.requires_grad}, params=model)


# -- plots -----------------------------------------------------------------------------------------------------------------


def _stopping(metric: str, patience: int) -> nn.EarlyStopping:
    """Of an accuracy more is better, of all else less."""
    return nn.EarlyStopping(metric, patience, mode="max" if metric.endswith("accuracy") else "min")


def _plot_history(history: Sequence[Mapping[str, float]], unit: str, folder: Path) -> None:
    """The curves of `CURVES` that the rows have numbers for, and of a GAN with probabilities D(x) beside D(G(z))."""

    def curve(key: str) -> dict[float, float]:
        return {row[unit]: row[key] for row in history if key in row}

    for file, names in CURVES.items():
        curves = {label: curve(key) for key, label in names.items()}
        if any(shown := {label: course for label, course in curves.items() if course}):
            viz.plot_losses(shown, folder / f"{file}.png", xlabel=unit, ylabel=file)
    real, fake = curve("d_real"), curve("d_fake")
    if real and all(0 <= value <= 1 for value in (*real.values(), *fake.values())):
        viz.plot_gan(real, fake, folder / "balance.png", xlabel=unit)


def _confusion(model: Classifier, data: nn.data.Dataset, path: Path) -> None:
    answers = metrics.predictions(model, data.test)
    viz.plot_confusion(data.test.labels, answers, path, classes=data.classes, title="test images")


PLOTS: Final[tuple[tuple[str, type, Callable[[Any, nn.data.Dataset, Path], None]], ...]] = (
    ("confusion.png", Classifier, _confusion),
    *latent_plots.PLOTS,
    *gan_plots.PLOTS,
)
"""File name, the kind of model that has such a plot, and who draws it."""
