"""Samplers: the order of the rows in an epoch, for `DataLoader(sampler=…)` and `DataLoader(batch_sampler=…)`.

The order depends only on the loader's seed and the number of the epoch, so a resumed run has the same one. Names and arguments
are PyTorch's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd_mini.tensor import Tensor


class IndexSource(Protocol):
    """What `DataLoader` needs of a sampler: a length, and the indices of the next epoch."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Sampler(ABC):
    """Base of the samplers: a subclass defines `__len__` and `indices(rng)`, which draws an order from a random stream.

    A loader passes the stream of its seed and epoch. As an iterable of its own, each iteration is the next epoch of `seed`.

    >>> from autograd_mini import nn
    >>> class Backwards(nn.data.Sampler):
    ...     def __len__(self):
    ...         return 3
    ...     def indices(self, rng):
    ...         return [2, 1, 0]
    >>> [x.tolist() for x, in nn.data.DataLoader([10, 11, 12], batch_size=2, sampler=Backwards())]
    [[12, 11], [10]]
    """

    seed = 0
    _epoch = 0

    @abstractmethod
    def __len__(self) -> int:
        """The number of indices in an epoch."""

    @abstractmethod
    def indices(self, rng: np.random.Generator) -> Sequence[int] | NDArray[np.integer[Any]]:
        """Returns the row numbers of an epoch."""

    def __iter__(self) -> Iterator[int]:
        order, self._epoch = self.indices(np.random.default_rng((self.seed, self._epoch))), self._epoch + 1
        return iter([int(i) for i in order])


class SequentialSampler(Sampler):
    """All rows of a data set in their order.

    >>> from autograd_mini import nn
    >>> list(nn.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)

    def indices(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.arange(len(self))


class RandomSampler(Sampler):
    """All rows of a data set in random order; or `num_samples` of them, with `replacement` independently of each other.

    Raises ValueError if `num_samples` is below 1.

    >>> from autograd_mini import nn
    >>> sorted(nn.data.RandomSampler("abcd"))
    [0, 1, 2, 3]
    >>> len(list(nn.data.RandomSampler("abcd", replacement=True, num_samples=10)))
    10
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, seed: int = 0) -> None:
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"RandomSampler: num_samples must be at least 1, got {num_samples}")
        self.data_source, self.replacement, self.num_samples, self.seed = data_source, replacement, num_samples, seed

    def __len__(self) -> int:
        return len(self.data_source) if self.num_samples is None else self.num_samples

    def indices(self, rng: np.random.Generator) -> NDArray[np.int64]:
        rows = len(self.data_source)
        if self.replacement:
            return rng.integers(rows, size=len(self))
        rounds = -(-len(self) // max(rows, 1))  # more samples than rows: the next permutation follows
        return np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [np.empty(0, np.int64)])[: len(self)]


class SubsetRandomSampler(Sampler):
    """The given rows in random order; a boolean mask selects the rows where it is True.

    Raises TypeError if `indices` are not whole numbers.

    >>> from autograd_mini import nn
    >>> sorted(nn.data.SubsetRandomSampler([7, 3])), sorted(nn.data.SubsetRandomSampler([False, True, True]))
    ([3, 7], [1, 2])
    """

    def __init__(self, indices: ArrayLike | Tensor, seed: int = 0) -> None:
        rows = np.asarray(indices.numpy() if isinstance(indices, Tensor) else indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "biu"):
            raise TypeError(
                f"SubsetRandomSampler: expected a list of row numbers or a mask, got {rows.dtype} of shape {rows.shape}"
            )
        self.rows, self.seed = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64), seed

    def __len__(self) -> int:
        return len(self.rows)

    def indices(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(self.rows)


class WeightedRandomSampler(Sampler):
    """`num_samples` rows, drawn with probabilities proportional to `weights`; the usual answer to rare classes.

    Without `replacement` each row comes at most once. Raises ValueError for a negative or infinite weight, if all weights are
    0, or if there are fewer rows with a weight above 0 than are drawn without replacement.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> labels = np.repeat([0, 1], [90, 10])
    >>> sampler = nn.data.WeightedRandomSampler(1 / np.bincount(labels)[labels], num_samples=1000)
    >>> bool(abs(labels[list(sampler)].mean() - 0.5) < 0.05)
    True
    """

    def __init__(self, weights: ArrayLike | Tensor, num_samples: int, replacement: bool = True, seed: int = 0) -> None:
        values = np.asarray(weights.numpy() if isinstance(weights, Tensor) else weights, np.float64)
        if values.ndim != 1 or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(f"WeightedRandomSampler: expected a list of weights ≥ 0, one for each row, got {weights!r:.80}")
        if num_samples < 1:
            raise ValueError(f"WeightedRandomSampler: num_samples must be at least 1, got {num_samples}")
        possible = int(np.count_nonzero(values))
        if not possible or (not replacement and possible < num_samples):
            wanted = "1" if replacement else f"num_samples={num_samples}, which are drawn without replacement"
            raise ValueError(
                f"WeightedRandomSampler: {possible} of {len(values)} weights are above 0; expected at least {wanted}"
            )
        self.weights, self.num_samples, self.replacement, self.seed = values, num_samples, replacement, seed

    def __len__(self) -> int:
        return self.num_samples

    def indices(self, rng: np.random.Generator) -> NDArray[np.int64]:
        shares = self.weights / self.weights.sum()
        return rng.choice(len(shares), self.num_samples, self.replacement, shares)


class BatchSampler(Sampler):
    """Groups the indices of a sampler into lists of `batch_size`; `drop_last` omits a smaller last one.

    >>> from autograd_mini import nn
    >>> list(nn.data.BatchSampler(nn.data.SequentialSampler("abcde"), 2))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: IndexSource, batch_size: int, drop_last: bool = False) -> None:
        if batch_size < 1:
            raise ValueError(f"BatchSampler: expected batch_size to be at least 1, got {batch_size}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __len__(self) -> int:
        rows = len(self.sampler)
        return (rows if self.drop_last else rows + self.batch_size - 1) // self.batch_size

    def indices(self, rng: np.random.Generator) -> Any:
        return self._group(self.sampler.indices(rng) if isinstance(self.sampler, Sampler) else self.sampler)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._group(self.sampler))

    def _group(self, order: Iterable[int]) -> list[list[int]]:
        rows = [int(i) for i in order]
        groups = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        return groups[: len(self)]


def epoch_order(sampler: IndexSource, seed: int, number: int) -> list[Any]:
    """Returns what a sampler yields in epoch `number`. Raises ValueError if it is not as many as its length.

    A `Sampler` draws from the stream of seed and epoch; another one is asked by `set_epoch(number)`, if it has that, as in
    PyTorch, and must otherwise have the same order in each epoch, so that a run can resume.

    >>> from autograd_mini.nn.data.sampler import epoch_order
    >>> epoch_order([2, 0], seed=0, number=5)
    [2, 0]
    """
    if isinstance(sampler, Sampler):
        order: list[Any] = list(sampler.indices(np.random.default_rng((seed, number))))
    else:
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(number)
        order = list(sampler)
    if len(order) != len(sampler):
        raise ValueError(f"{type(sampler).__name__}: its length is {len(sampler)}, but it yields {len(order)} entries")
    return order
