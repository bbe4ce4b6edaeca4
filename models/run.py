"""One training run: a recipe in, a folder of results out.

config.json, metrics.csv, timing.csv, checkpoint.safetensors, model.safetensors, summary.txt, loss.png and graph.svg for every
model; accuracy.png and confusion.png for classifiers; reconstructions.png and latent.png where there is a latent space;
samples.png where the model can draw new images.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn, viz
from autograd_mini.tensor import Array

from .classifier import Classifier
from .latent import LatentModel
from .recipes import OPTIMIZERS, Model, Recipe
from .vae import VAE

CONFIG: Final = "config.json"
DRAWN: Final = 4  # images in the batch whose graph is drawn
RESTORED: Final = 10  # images beside their reconstructions
SAMPLES: Final = 64
POINTS: Final = 1000  # images in the picture of latent space
TESTED_AT_ONCE: Final = 1000
CURVES: Final = {"loss": "loss (nats per image)", "accuracy": "accuracy"}  # what has a plot over the epochs, and its axis


class Run:
    """A recipe made ready: data loaded and cut down, model, trainer, and the folder for the results, with its config.json.

    ValueError for a recipe that does not fit its data or a folder that holds a run already, OSError for one that cannot be
    written. With `resume`, the folder's checkpoint is taken up: FileNotFoundError where there is none, ValueError where it is
    another model's.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.models.run import Run
    >>> run = Run(RECIPES["vae", "digits"], pathlib.Path(tempfile.mkdtemp()))
    >>> len(run.data.train), sorted(path.name for path in run.folder.iterdir())
    (1442, ['config.json'])
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False, progress: bool = True) -> None:
        nn.extras.extra("matplotlib", "plotting")  # before training, not after it
        if not resume and holds_run(folder):
            raise ValueError(f"{folder} holds a run already: go on with it (--resume) or choose another folder (--out)")
        self.recipe = recipe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        dataset = nn.data.DATASETS[recipe.data]()
        train, test = dataset.train.only(recipe.classes, recipe.limit_per_class), dataset.test.only(recipe.classes)
        self.data = dataclasses.replace(dataset, train=train, test=test)
        ag.manual_seed(recipe.seed)
        self.model = recipe.build()
        optimizer = OPTIMIZERS[recipe.optimizer](self.model.parameters(), lr=recipe.lr)
        schedule = nn.ExponentialLR(optimizer, recipe.lr_decay)
        self.trainer = nn.Trainer(self.model, optimizer, folder, callbacks=[nn.Schedule(schedule)], progress=progress)
        if resume:
            self.trainer.load(folder / nn.trainer.CHECKPOINT)
            schedule.load_state_dict({**schedule.state_dict(), "base_lrs": [recipe.lr]})  # may be another from here on
        self._config = json.dumps(dataclasses.asdict(recipe), indent=2)
        nn.checkpoint.write_text(folder / CONFIG, self._config + "\n")

    def train(self) -> None:
        """Trains to the recipe's last epoch, or until Ctrl-C, with the test images for validation."""
        batches = nn.data.DataLoader(self.data.train, batch_size=self.recipe.batch_size, shuffle=True, seed=self.recipe.seed)
        validation = nn.data.DataLoader(self.data.test, batch_size=TESTED_AT_ONCE)
        self.trainer.fit(batches, self.recipe.epochs, validation)

    def write(self) -> None:
        """Writes the model and the pictures.

        Without a renderer, graph.dot stands in for graph.svg, and a line on stderr says how to get the picture.
        """
        nn.save(self.folder / "model.safetensors", self.model, {"recipe": self._config})
        images, labels = self.data.test[:DRAWN]
        nn.checkpoint.write_text(self.folder / "summary.txt", f"{nn.summary(self.model, images[:1])}\n")
        for name, label in CURVES.items():
            if name in self.trainer.history[0]:
                keys = {"training": name, "test": f"val_{name}"}
                curves = {split: [row[key] for row in self.trainer.history] for split, key in keys.items()}
                viz.plot_losses(curves, self.folder / f"{name}.png", ylabel=label)
        for name, kind, plot in PLOTS:
            if isinstance(self.model, kind):
                plot(self.model, self.data, self.folder / name)
        picture = training_graph(self.model, images, labels)
        try:
            picture.save(self.folder / "graph.svg")
        except (RuntimeError, TimeoutError) as error:
            picture.save(self.folder / "graph.dot")
            print(f"wrote {self.folder / 'graph.dot'} instead of graph.svg: {error}", file=sys.stderr)


def holds_run(folder: Path) -> bool:
    """Whether a training run has left its recipe or a checkpoint in the folder.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.run import holds_run
    >>> holds_run(pathlib.Path(tempfile.mkdtemp()))
    False
    """
    return any((folder / name).exists() for name in (CONFIG, nn.trainer.CHECKPOINT))


def fresh_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, … that holds no run.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.run import fresh_folder
    >>> wanted = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (wanted / "config.json").write_text("{}")
    >>> fresh_folder(wanted).name == f"{wanted.name}-2"
    True
    """
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return next(folder for folder in chain([wanted], numbered) if not holds_run(folder))


def last_folder(wanted: Path) -> Path:
    """The last that `fresh_folder` gave and that holds a run since; `wanted` where there is none.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.run import last_folder
    >>> wanted = pathlib.Path(tempfile.mkdtemp()) / "run"
    >>> last_folder(wanted) == wanted
    True
    """
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return [wanted, *takewhile(holds_run, numbered)][-1]


def stored_recipe(folder: Path) -> Recipe:
    """The recipe of the run in a folder; FileNotFoundError without one, ValueError where it is damaged.

    >>> import pathlib, tempfile
    >>> from autograd_mini.models.recipes import RECIPES
    >>> from autograd_mini.models.run import Run, stored_recipe
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> stored_recipe(Run(RECIPES["ae", "digits"], folder).folder) == RECIPES["ae", "digits"]
    True
    """
    path = folder / CONFIG
    try:
        stored = json.loads(path.read_text(encoding="utf-8")).items()
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored}
        return Recipe(**fields)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; there is no run to go on with") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no recipe of a run: {error}") from None


def training_graph(model: Model, images: Array, labels: Array) -> viz.Picture:
    """The graph of one training loss and its parts, the very one that backpropagation walks."""
    losses = model.training_step((ag.as_tensor(images), ag.as_tensor(labels)))
    return viz.draw({name: loss for name, loss in losses.items() if loss.requires_grad}, params=model)


# -- plots -----------------------------------------------------------------------------------------------------------------


def _confusion(model: Classifier, data: nn.data.Dataset, path: Path) -> None:
    answers = [model.predict(images).numpy() for images, _ in nn.data.DataLoader(data.test, batch_size=TESTED_AT_ONCE)]
    viz.plot_confusion(data.test.labels, np.concatenate(answers), path, classes=data.classes, title="test images")


def _reconstructions(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    images = data.test.images[:RESTORED]
    viz.plot_reconstructions(images, model.reconstruct(images), path, image_shape=images.shape[1:])


def _latent(model: LatentModel, data: nn.data.Dataset, path: Path) -> None:
    with ag.no_grad():
        points = model.latent(data.test.images[:POINTS]).numpy()
    labels, dimensions = data.test.labels[:POINTS], points.shape[1]
    if dimensions == 2:
        viz.plot_scatter(points, labels, path, title="test images in latent space")
    elif dimensions > 2:
        title = f"test images in latent space, {dimensions} dimensions projected by PCA"
        axes = {"xlabel": "first principal component", "ylabel": "second principal component"}
        viz.plot_scatter(principal_components(points, 2), labels, path, title=title, **axes)


def _samples(model: VAE, data: nn.data.Dataset, path: Path) -> None:
    viz.plot_images(ag.reshape(model.sample(SAMPLES), SAMPLES, *data.image_shape), path)


PLOTS: Final[tuple[tuple[str, type, Callable[[Any, nn.data.Dataset, Path], None]], ...]] = (
    ("confusion.png", Classifier, _confusion),
    ("reconstructions.png", LatentModel, _reconstructions),
    ("latent.png", LatentModel, _latent),
    ("samples.png", VAE, _samples),
)
"""File name, the kind of model that has such a plot, and who draws it."""


def principal_components(points: Array, count: int) -> Array:
    """Points (N, D) projected onto their `count` directions of largest variance, (N, count); Pearson 1901.

    >>> import numpy as np
    >>> from autograd_mini.models.run import principal_components
    >>> np.abs(principal_components(np.array([[3.0, 4.0], [0.0, 0.0], [-3.0, -4.0]]), 1)).round(6).ravel()
    array([5., 0., 5.])
    """
    centred = points - points.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2]
    return centred @ directions[:count].T
