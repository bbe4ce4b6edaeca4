"""Data sets and their splits: `TensorDataset` of arrays, `Subset` of a data set, random and stratified splits.

A data set has a length, and `dataset[rows]` returns a tuple of arrays for a slice or an array of indices: a whole minibatch in
one call. A data set that returns one example for a number, as in PyTorch, can be split in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd_mini.create import from_numpy
from autograd_mini.tensor import Array, Tensor

from .examples import by_rows, load_items, load_rows

Rows: TypeAlias = "slice | NDArray[np.integer[Any]]"


class RowSource(Protocol):
    """What `DataLoader`, `Subset` and the splits need from a data set."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any) -> tuple[Array, ...]: ...


class TensorDataset:
    """A data set of arrays or Tensors of equal length; row i is the tuple of their i-th entries.

    Raises ValueError if there are no arrays, or if their lengths differ.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> data = nn.data.TensorDataset(np.arange(4.0), np.array([0, 1, 0, 1]))
    >>> data[[2, 3]]
    (array([2., 3.]), array([0, 1]))
    """

    by_rows = True

    def __init__(self, *arrays: ArrayLike | Tensor) -> None:
        self.arrays = tuple(a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in arrays)
        if not self.arrays or any(array.ndim == 0 or array.dtype.kind not in "biuf" for array in self.arrays):
            got = ", ".join(f"{array.dtype} {array.shape}" for array in self.arrays) or "none"
            raise ValueError(f"TensorDataset: expected arrays of numbers with at least one axis, got {got}")
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: expected arrays of one length, got lengths {lengths}")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The arrays as Tensors, which share their memory."""
        return tuple(from_numpy(array) for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __repr__(self) -> str:
        return f"<TensorDataset of {len(self):,} rows: {', '.join(f'{a.dtype} {a.shape[1:]}' for a in self.arrays)}>"

    def __getitem__(self, rows: Any) -> tuple[Array, ...]:
        return tuple(array[rows] for array in self.arrays)


class Subset:
    """The rows of `dataset` at `indices`, in this order; a boolean mask selects the rows where it is True.

    Raises IndexError if an index is out of range or a mask has another length than the data set, and TypeError if `indices` are
    not whole numbers.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> numbers = nn.data.TensorDataset(np.arange(10))
    >>> nn.data.Subset(numbers, [7, 1])[:]
    (array([7, 1]),)
    >>> nn.data.Subset(numbers, np.arange(10) % 4 == 3)[:]
    (array([3, 7]),)
    """

    def __init__(self, dataset: Any, indices: ArrayLike | Tensor) -> None:
        self.dataset = dataset
        self.indices = _row_numbers(indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"<Subset of {len(self):,} rows of {len(self.dataset):,}>"

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, (int, np.integer)):
            return self.dataset[int(self.indices[rows])]
        if self.by_rows:
            return self.dataset[self.indices[rows]]
        return load_rows(self.dataset, self.indices[rows])

    def __getitems__(self, rows: Sequence[int]) -> list[Any]:
        """Returns examples, for a loader with a `collate_fn`."""
        return load_items(self.dataset, self.indices[list(rows)])

    @cached_property
    def by_rows(self) -> bool:
        """Whether whole batches are read at once; see `nn.data.examples`."""
        return by_rows(self.dataset)


def _row_numbers(indices: Any, length: int) -> NDArray[np.int64]:
    """Returns indices, or the positions where a mask is True, as numbers in [0, length)."""
    array = np.asarray(indices.numpy() if isinstance(indices, Tensor) else indices)
    if array.dtype == bool:
        if array.shape != (length,):
            raise IndexError(f"Subset: expected a mask with one entry for each of {length} rows, got shape {array.shape}")
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"Subset: expected a list of row numbers or a mask, got {array.dtype} of shape {array.shape}")
    numbers = array.astype(np.int64)
    low, high = (numbers.min(), numbers.max()) if numbers.size else (0, -1)
    if not (low >= 0 and high < length):
        raise IndexError(f"Subset: expected indices in 0 … {length - 1}, got {low} … {high}")
    return numbers


def random_split(dataset: Any, lengths: Sequence[float], seed: int = 0) -> list[Subset]:
    """Returns disjoint random subsets. `lengths` are numbers of rows that add up to the data set, or shares that add up to 1.

    The rows that remain after rounding go to the first subsets, as in PyTorch. Raises ValueError for other sums.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> parts = nn.data.random_split(nn.data.TensorDataset(np.arange(10)), [0.8, 0.2])
    >>> [len(part) for part in parts]
    [8, 2]
    """
    order = np.random.default_rng(seed).permutation(len(dataset))
    return [Subset(dataset, rows) for rows in np.split(order, np.cumsum(_sizes(len(dataset), lengths))[:-1])]


def stratified_split(dataset: Any, lengths: Sequence[float], labels: ArrayLike, seed: int = 0) -> list[Subset]:
    """Returns disjoint random subsets that preserve the proportions of the classes. Rows stay in their order.

    Parameters
    ----------
    dataset     the data set to split
    lengths     shares that add up to 1; the count of each class matches its share to within one row
    labels      classes (N,) of the rows
    seed        seed of the split

    Raises
    ------
    ValueError  if the shares do not add up to 1, or the labels have another length

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> labels = np.repeat([0, 1], [80, 20])
    >>> a, b = nn.data.stratified_split(nn.data.TensorDataset(labels), [0.75, 0.25], labels)
    >>> np.bincount(a[:][0]), np.bincount(b[:][0])
    (array([60, 15]), array([20,  5]))
    """
    classes = np.asarray(labels)
    if classes.shape != (len(dataset),):
        raise ValueError(f"stratified_split: expected labels of shape ({len(dataset)},), got {classes.shape}")
    rng, parts = np.random.default_rng(seed), [[np.empty(0, np.int64)] for _ in lengths]
    _sizes(1, [float(share) for share in lengths])
    for c in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == c))
        cuts = np.rint(np.cumsum(lengths)[:-1] * len(rows)).astype(int)
        for part, selected in zip(parts, np.split(rows, cuts), strict=True):
            part.append(selected)
    return [Subset(dataset, np.sort(np.concatenate(part))) for part in parts]


def _sizes(total: int, lengths: Sequence[float]) -> list[int]:
    if min(lengths, default=-1) < 0:
        raise ValueError(f"expected lengths of 0 or more, got {list(lengths)}")
    if all(isinstance(n, (int, np.integer)) for n in lengths) and sum(lengths) == total:
        return [int(n) for n in lengths]
    if not math.isclose(sum(lengths), 1):
        raise ValueError(f"expected lengths that add up to {total}, or shares that add up to 1, got {list(lengths)}")
    sizes = [math.floor(share * total + 1e-9) for share in lengths]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    return sizes
