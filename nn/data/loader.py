"""Minibatches: rows of a data set in an order that depends only on the seed and the number of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autograd_mini.create import from_numpy
from autograd_mini.tensor import Array, Tensor

from .subsets import RowSource, TensorDataset

BatchTransform: TypeAlias = Callable[[tuple[Array, ...], np.random.Generator], tuple[Array, ...]]


class DataLoader:
    """Iterates over minibatches: tuples of Tensors with `batch_size` rows each. Each iteration is the next epoch.

    Parameters
    ----------
    data        a data set, or one or more arrays of equal length
    batch_size  rows per batch, 1 or more
    shuffle     whether each epoch has its own random order, drawn from `seed` and the number of the epoch
    seed        seed of the orders and of the random streams of `transform`
    drop_last   omit the last batch if it is smaller
    transform   `transform(batch, rng)` returns the new batch of arrays; `rng` is a separate stream for each batch

    Raises
    ------
    ValueError  if there are no arrays, lengths differ, or the batch size is below 1
    TypeError   if `data` is a single list: it may mean rows or arrays

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> loader = nn.data.DataLoader(np.arange(5), np.arange(5) % 2, batch_size=2)
    >>> [labels.tolist() for _, labels in loader]
    [[0, 1], [0, 1], [0]]
    >>> len(loader)
    3
    """

    def __init__(
        self,
        *data: RowSource | NDArray[Any] | Tensor,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        transform: BatchTransform | None = None,
    ) -> None:
        is_dataset = len(data) == 1 and not isinstance(data[0], (np.ndarray, Tensor))
        if is_dataset:
            _check_dataset(data[0])
        self.dataset: RowSource = data[0] if is_dataset else TensorDataset(*data)  # type: ignore[assignment,arg-type]
        if batch_size < 1:
            raise ValueError(f"DataLoader: expected batch_size to be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.transform = transform
        self._next = self._place = (0, 0)  # (epoch, batch): start of the next iteration; position after the last batch

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        rows = len(self.dataset)
        return (rows if self.drop_last else rows + self.batch_size - 1) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        (number, start), self._next = self._next, (self._next[0] + 1, 0)
        return self._batches(number, start)

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yields the batches of epoch `number`, starting with batch `start`: the same in every call.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> loader = nn.data.DataLoader(np.arange(4), batch_size=2, shuffle=True, seed=1)
        >>> [x.tolist() for x, in loader.epoch(7)][1:] == [x.tolist() for x, in loader.epoch(7, start=1)]
        True
        """
        order = np.random.default_rng((self.seed, number)).permutation(len(self.dataset)) if self.shuffle else None
        for i in range(start, len(self)):
            rows = slice(i * self.batch_size, (i + 1) * self.batch_size)
            batch = self.dataset[rows if order is None else order[rows]]
            if self.transform is not None:
                batch = self.transform(batch, np.random.default_rng((self.seed, number, i + 1)))
            yield tuple(from_numpy(array) for array in batch)

    def state_dict(self) -> dict[str, Any]:
        """Returns the position, epoch and next batch, and the settings that determine the order of the data.

        >>> import numpy as np
        >>> from autograd_mini import nn
        >>> a, b = (nn.data.DataLoader(np.arange(9), batch_size=3, shuffle=True) for _ in range(2))
        >>> first = next(iter(a))
        >>> b.load_state_dict(a.state_dict())
        >>> len(list(b)), len(list(b))  # the rest of this epoch, then the next one
        (2, 3)
        """
        epoch, batch = self._place
        return {"epoch": epoch, "batch": batch, **self._settings()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues at the position of `state`. Raises ValueError if the length of the data or a setting differs."""
        now = self._settings()
        if changes := [f"{key} was {state.get(key)}, is {now[key]}" for key in now if now[key] != state.get(key)]:
            raise ValueError(f"DataLoader.load_state_dict: the order of the data would change: {'; '.join(changes)}")
        self._next = self._place = (int(state["epoch"]), int(state["batch"]))

    def _settings(self) -> dict[str, Any]:
        settings = {key: getattr(self, key) for key in ("batch_size", "shuffle", "seed", "drop_last")}
        return {"rows": len(self.dataset), **settings}

    def _batches(self, number: int, start: int) -> Iterator[tuple[Tensor, ...]]:
        for i, batch in enumerate(self.epoch(number, start), start + 1):
            self._place = (number + 1, 0) if i == len(self) else (number, i)
            yield batch


def _check_dataset(data: Any) -> None:
    kind = type(data).__name__
    if isinstance(data, (list, tuple)):
        raise TypeError(
            f"DataLoader: expected a data set or arrays, got one {kind} of {len(data)} items; for arrays pass them one by one, "
            "DataLoader(images, labels); for examples stack them first, DataLoader(np.stack(images), np.array(labels))"
        )
    if isinstance(data, (dict, str)) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise TypeError(f"DataLoader: expected a data set with a length and dataset[rows], or arrays, got {kind}")
