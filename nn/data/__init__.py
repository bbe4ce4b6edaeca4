"""Data to learn from: image sets and formulas, cuts of them, and `DataLoader`, which deals them out in minibatches.

`datasets.py` holds the image sets, `image_folder.py` a user's own pictures, `synthetic.py` points from formulas; `fetch.py`
finds or downloads files, `idx.py` and `cifar.py` read them; `subsets.py` cuts data sets up, `loader.py` makes minibatches, and
`transforms.py` changes them.
"""

from __future__ import annotations

from . import transforms
from .datasets import DATASETS, Dataset, Split, cifar10, digits, fashion_mnist, mnist
from .fetch import DownloadError
from .idx import DataError
from .image_folder import ImageFolder
from .loader import DataLoader
from .subsets import Subset, TensorDataset, random_split, stratified_split
from .synthetic import funnel, funnel_samples, gaussian_ring, moons, swiss_roll

__all__ = [
    "DATASETS",
    "DataError",
    "DataLoader",
    "Dataset",
    "DownloadError",
    "ImageFolder",
    "Split",
    "Subset",
    "TensorDataset",
    "cifar10",
    "digits",
    "fashion_mnist",
    "funnel",
    "funnel_samples",
    "gaussian_ring",
    "mnist",
    "moons",
    "random_split",
    "stratified_split",
    "swiss_roll",
    "transforms",
]
