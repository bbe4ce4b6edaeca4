"""Minibatches: arrays cut along their first axis, in an order that the seed and the number of the epoch alone decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd_mini.tensor import Tensor, from_numpy


class DataLoader:
    """Deals arrays of equal length out in tuples of Tensors, `batch_size` rows at a time.

    With `shuffle` each epoch has an order of its own, drawn from `seed` and the epoch's number: iterating anew gives the next
    epoch, and `epoch(n)` gives the n-th again. The smaller last batch comes too, unless `drop_last`. ValueError where there is
    no array, lengths differ, or the batch size is below 1.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> loader = nn.data.DataLoader(np.arange(5), np.arange(5) % 2, batch_size=2)
    >>> [labels.tolist() for _, labels in loader]
    [[0, 1], [0, 1], [0]]
    >>> len(loader)
    3
    """

    def __init__(
        self, *arrays: NDArray[Any], batch_size: int = 1, shuffle: bool = False, seed: int = 0, drop_last: bool = False
    ) -> None:
        lengths = [len(array) for array in arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"DataLoader: needs arrays of one length, got lengths {lengths}")
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
        self.arrays = arrays
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self._rows = lengths[0]
        self._next_epoch = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return (self._rows if self.drop_last else self._rows + self.batch_size - 1) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        number, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.epoch(number)

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """The batches of epoch `number`, from batch `start` on: the same at every call.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> loader = nn.data.DataLoader(np.arange(4), batch_size=2, shuffle=True, seed=1)
        >>> [x.tolist() for x, in loader.epoch(7)][1:] == [x.tolist() for x, in loader.epoch(7, start=1)]
        True
        """
        order = np.random.default_rng((self.seed, number)).permutation(self._rows) if self.shuffle else None
        for i in range(start, len(self)):
            rows = slice(i * self.batch_size, (i + 1) * self.batch_size)
            yield tuple(from_numpy(array[rows if order is None else order[rows]]) for array in self.arrays)
