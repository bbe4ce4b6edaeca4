"""Data to learn from: image sets (`digits`, `mnist`), and `DataLoader`, which deals them out in minibatches.

`datasets.py` holds the sets, `fetch.py` finds or downloads their files, `idx.py` reads them, `loader.py` makes minibatches.
"""

from __future__ import annotations

from .datasets import DATASETS, Dataset, Split, digits, mnist
from .fetch import DownloadError
from .idx import DataError
from .loader import DataLoader

__all__ = ["DATASETS", "DataError", "DataLoader", "Dataset", "DownloadError", "Split", "digits", "mnist"]
