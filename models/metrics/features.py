"""Classifier features of images, for metrics that compare the content of images and not their pixels.

The classifier of a data set is trained from its CNN recipe with seed 0 on first use, then read from the cache.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.data.fetch import cache_folder
from autograd_mini.nn.extras import say
from autograd_mini.tensor import Array, Tensor, TensorLike

from ..classifiers.cnn import CNN
from ..recipes import IMAGE_SHAPES, RECIPES, Recipe
from .batches import images_per_batch

ACCURACY: Final = {"digits": 0.966, "mnist": 0.987}
"""Test accuracy of the classifiers, for the data sets on which it was measured."""


class Features(NamedTuple):
    """Features of N images in float64: penultimate activations (N, F), and class probabilities p(y|x), (N, classes)."""

    values: Array
    probabilities: Array

    @property
    def labels(self) -> Array:
        """The most likely class of each image, (N,)."""
        return self.probabilities.argmax(axis=1)


class FeatureClassifier:
    """Computes the features of images (N, H, W) or (N, C, H, W) with values in [0, 1], by a trained `CNN`.

    Images of another size are resized. `description` says what the features are; `classifies` is False if the network does not
    know any classes.

    >>> import numpy as np
    >>> from autograd_mini import models
    >>> from autograd_mini.models.metrics import FeatureClassifier
    >>> classifier = FeatureClassifier(models.CNN((1, 8, 8, 10)), (1, 8, 8))
    >>> features = classifier(np.zeros((5, 28, 28), np.float32))
    >>> features.values.shape, features.probabilities.shape, features.labels.shape
    ((5, 128), (5, 10), (5,))
    """

    def __init__(
        self, network: CNN, image_shape: Sequence[int], description: str = "a CNN", *, classifies: bool = True
    ) -> None:
        self.network, self.sides = network.eval(), (image_shape[-2], image_shape[-1])
        self.description, self.classifies = description, classifies

    def __call__(self, images: TensorLike) -> Features:
        """Returns the features of all images."""
        x = ag.as_tensor(images)
        count = images_per_batch(x.shape[1:])
        return self.from_batches(x[i : i + count] for i in range(0, len(x), count))

    def from_batches(self, batches: Iterable[Tensor]) -> Features:
        """Returns the features of images that arrive in batches; only one batch is in memory at a time."""
        with ag.no_grad():
            parts = [self._batch_features(batch) for batch in batches]
        return Features(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _batch_features(self, images: Tensor) -> tuple[Array, Array]:
        x = ag.reshape(images, len(images), -1, *images.shape[-2:])
        x = x if x.shape[2:] == self.sides else ag.upsample(x, size=self.sides, mode="bilinear")
        body, last = self.network.layers[:-1], self.network.layers[-1]
        values = body(self.network.scale_pixels(x))
        return values.numpy().astype(float), ag.softmax(last(values).astype(float), -1).numpy()


def feature_classifier(data: str) -> FeatureClassifier:
    """Returns the classifier of a data set, from the cache or, on first use, newly trained.

    The state of the random generator does not change. A damaged file in the cache is replaced; a cache that cannot be written
    or read is not used. Raises ValueError if the data set has no CNN recipe.

    >>> from autograd_mini import nn
    >>> from autograd_mini.models.metrics import feature_classifier
    >>> digits = nn.data.digits().test
    >>> classifier = feature_classifier("digits")
    >>> bool((classifier(digits.images).labels == digits.labels).mean() > 0.95)
    True
    """
    if ("cnn", data) not in RECIPES:
        raise ValueError(f"no classifier for data set {data!r}; expected one of: {', '.join(IMAGE_SHAPES)}")
    recipe = RECIPES["cnn", data]
    with ag.fork_rng(recipe.seed):
        network: CNN = recipe.build()
        load_or_train(cache_path(recipe), network, lambda: _train(network, recipe))
    return FeatureClassifier(network, IMAGE_SHAPES[data], f"the classifier of {data}")


def load_or_train(path: Path, network: CNN, train: Callable[[], object]) -> None:
    """Loads the weights of a network from a file of the cache or, if there is no valid one, trains it and writes the file.

    Without a cache that can be written, a process trains it only once.

    >>> import pathlib, tempfile
    >>> from autograd_mini import models
    >>> from autograd_mini.models.metrics.features import load_or_train
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "classifiers" / "letters.safetensors"
    >>> for _ in range(2):
    ...     load_or_train(path, models.CNN((1, 8, 8, 3)), lambda: print("training"))
    training
    """
    try:
        network.load_state_dict(_without_cache[path] if path in _without_cache else nn.load(path))
    except (OSError, ValueError):
        train()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            nn.save(path, network)
        except OSError as error:
            say(f"{path}: the classifier cannot be cached ({error.strerror or error}); the next process trains it again")
            _without_cache[path] = network.state_dict()


_without_cache: dict[Path, dict[str, Array]] = {}


def cache_path(recipe: Recipe) -> Path:
    """Returns the path of a recipe's classifier in the cache; different recipes have different files.

    Fields with their default do not count, so that new fields of recipes do not change the path.

    >>> from autograd_mini.models.metrics.features import cache_path
    >>> from autograd_mini.models.recipes import RECIPES
    >>> cache_path(RECIPES["cnn", "digits"]).name.startswith("digits-")
    True
    """
    fields = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    set_fields = {field.name: fields[field.name] for field in dataclasses.fields(recipe) if fields[field.name] != field.default}
    digest = hashlib.sha256(json.dumps(set_fields, sort_keys=True).encode()).hexdigest()[:12]
    return cache_folder() / "classifiers" / f"{recipe.data}-{digest}.safetensors"


def _train(network: CNN, recipe: Recipe) -> None:
    """Trains the classifier of a data set by its recipe."""
    say(f"training the {recipe.data} classifier that the image metrics use (only once; it is cached)")
    optimizer = nn.Adam(network.parameters(), lr=recipe.lr)
    schedule = nn.Schedule(nn.ExponentialLR(optimizer, recipe.lr_decay))
    split = nn.data.DATASETS[recipe.data]().train
    batches = nn.data.DataLoader(split, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed)
    nn.Trainer(network, optimizer, callbacks=[schedule]).fit(batches, recipe.epochs)
