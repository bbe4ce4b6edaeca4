"""Features for images that have no classifier of their own yet, such as a folder of images.

A CNN is trained on the labels of the training images. Without labels, its weights stay random: features of an untrained network
separate good from bad images too, if none was trained on similar ones (Naeem et al. 2020).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.data.fetch import cache_folder
from autograd_mini.nn.extras import say

from ..classifiers.cnn import CNN
from ..recipes import IMAGE_SHAPES, RECIPES
from .features import FeatureClassifier, feature_classifier, load_or_train

BATCHES, BATCH_SIZE, RATE, SEED = 500, 64, 1e-3, 0  # of the training
VERSION: Final = b"stride 500 64 1e-3 0"  # of what the weights depend on, besides the images


def features_for(data: nn.data.Dataset) -> FeatureClassifier:
    """Returns what computes the features of a data set's images; its `description` says what they are.

    These are, in this order: the classifier of the data set, if there is a recipe; a CNN that is trained on the labels of the
    training images, once, and then cached; without labels, a CNN with random weights. The state of the random generator does
    not change.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> from autograd_mini.models.metrics import features_for
    >>> flat = nn.data.Split(np.zeros((4, 3, 30, 50), np.float32), np.zeros(4, np.int64))
    >>> features_for(nn.data.Dataset("pictures", flat, flat, ("pictures",))).description
    'a CNN with random weights'
    """
    shape = (1, *data.image_shape)[-3:]
    if ("cnn", data.name) in RECIPES and IMAGE_SHAPES[data.name][0] == shape[0]:
        return feature_classifier(data.name)
    if len(np.unique(data.train.labels)) < 2:
        return FeatureClassifier(_random_network(shape), shape, "a CNN with random weights", classifies=False)
    with ag.fork_rng(SEED):
        network = CNN((*shape, len(data.classes)), centred=True)
        load_or_train(_cache_path(data), network, lambda: _train(network, data))
    classifier = FeatureClassifier(network, shape)
    accuracy = float(np.mean(classifier(data.test.images).labels == data.test.labels)) if len(data.test) else math.nan
    classifier.description = f"a CNN trained on the labels of the training images (test accuracy {accuracy:.3g})"
    return classifier


def _random_network(shape: Sequence[int]) -> CNN:
    """Returns a CNN whose weights preserve the scale of values from layer to layer (He et al. 2015); biases are 0."""
    with ag.fork_rng(SEED):
        network = CNN((*shape, 2), centred=True)
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter)
            else:
                nn.init.zeros_(parameter)
    return network


def _train(network: CNN, data: nn.data.Dataset) -> None:
    say(f"training a classifier of {data.name} that the image metrics use (only once; it is cached)")
    batches = nn.data.DataLoader(data.train, batch_size=BATCH_SIZE, shuffle=True, seed=SEED)
    nn.Trainer(network, nn.Adam(network.parameters(), lr=RATE), progress=False).fit(batches, iterations=BATCHES)


def _cache_path(data: nn.data.Dataset) -> Path:
    """Returns the file of the weights, which depend on the training images and nothing else."""
    digest = hashlib.sha256(VERSION)
    for array in (data.train.images, data.train.labels):
        digest.update(repr((array.shape, array.dtype.str, len(data.classes))).encode())
        digest.update(np.ascontiguousarray(array).data)
    return cache_folder() / "classifiers" / f"own-{digest.hexdigest()[:16]}.safetensors"
