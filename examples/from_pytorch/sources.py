"""Data of the programs, as NumPy arrays: MNIST and CIFAR-10, or handwritten digits of scikit-learn enlarged to their size."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.nn import data

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def pictures(name: str, count: int, small: bool) -> tuple[Arrays, Arrays]:
    """Returns (images, labels) for training and for testing, with `count` training images (N, C, H, W) in [0, 1].

    The small form uses the digits, and so does the full one if the data set cannot be downloaded.
    """
    if small:
        return _digits(name, 300)
    try:
        source = data.mnist() if name == "mnist" else data.cifar10()
    except data.DownloadError:
        return _digits(name, count)
    parts = []
    for split, n in ((source.train, count), (source.test, 5000)):
        images = split.images[:n]
        images = images[:, None] if images.ndim == 3 else images
        parts.append((np.ascontiguousarray(images, np.float32), split.labels[:n].astype(np.int64)))
    return parts[0], parts[1]


def _digits(name: str, count: int) -> tuple[Arrays, Arrays]:
    source = data.digits()
    parts = []
    for split, n in ((source.train, count), (source.test, 100)):
        large = np.kron(split.images[:n], np.ones((1, 4, 4)))  # 8 × 8 to 32 × 32
        images = large[:, None, 2:30, 2:30] if name == "mnist" else np.repeat(large[:, None], 3, axis=1)
        parts.append((images.astype(np.float32), split.labels[:n].astype(np.int64)))
    return parts[0], parts[1]


def words(small: bool) -> list[list[str]]:
    """Returns sentences of Python's built-in documentation as lists of words: text that every installation has."""
    import builtins
    import inspect
    import re

    texts = [inspect.getdoc(getattr(builtins, name)) or "" for name in sorted(dir(builtins))]
    texts += [inspect.getdoc(getattr(str, name)) or "" for name in sorted(dir(str))]
    sentences = [re.findall(r"[a-z]+|[.,()]", line.lower()) for text in texts for line in text.split("\n")]
    sentences = [sentence for sentence in sentences if sentence]
    return sentences[:150] if small else sentences
