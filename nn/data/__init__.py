"""Data sets, splits, minibatches and augmentation. Start reading at `datasets.py` and `loader.py`.

`datasets.py` has the image data sets, `image_folder.py` and `pictures/` load your own images, `synthetic.py` generates points;
`fetch.py` finds or downloads files, and `idx.py` and `cifar.py` read them; `subsets.py` splits data sets, `loader.py` makes
minibatches, in the order of a `sampler.py`, of examples that `examples.py` stacks and `prefetch.py` loads ahead;
`transforms.py` augments them.
"""

from __future__ import annotations

from . import transforms
from .datasets import CLASS_NAMES, DATASETS, Dataset, Split, cifar10, digits, fashion_mnist, mnist
from .examples import collate
from .fetch import DownloadError
from .idx import DataError
from .image_folder import ImageFolder
from .loader import DataLoader
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler
from .subsets import Subset, TensorDataset, random_split, stratified_split
from .synthetic import funnel, funnel_samples, gaussian_ring, moons, swiss_roll

__all__ = [
    "CLASS_NAMES", "DATASETS", "BatchSampler", "DataError", "DataLoader", "Dataset", "DownloadError", "ImageFolder",
    "RandomSampler", "Sampler", "SequentialSampler", "Split", "Subset", "SubsetRandomSampler", "TensorDataset",
    "WeightedRandomSampler", "cifar10", "collate", "digits", "fashion_mnist", "funnel", "funnel_samples", "gaussian_ring",
    "mnist", "moons", "random_split", "stratified_split", "swiss_roll", "transforms",
]  # fmt: skip
